;; Passes content that reaches past the end of its memory.
(module
  (import "bento_wasm" "v0_msg_set_bytes" (func $set_bytes (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "process") (call $set_bytes (i32.const 65530) (i32.const 200))))
