;; Passes content and has no memory.
(module
  (import "bento_wasm" "v0_msg_set_bytes" (func $set_bytes (param i32 i32)))
  (func (export "process") (call $set_bytes (i32.const 0) (i32.const 1))))
