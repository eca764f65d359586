;; Reads the content and exports no allocator.
(module
  (import "bento_wasm" "v0_msg_as_bytes" (func $as_bytes (result i64)))
  (memory (export "memory") 3)
  (func (export "process") (drop (call $as_bytes))))
