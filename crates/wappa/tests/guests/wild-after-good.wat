;; Sets metadata and content, then passes content that reaches past the end of its memory.
(module
  (import "bento_wasm" "v0_msg_set_bytes" (func $set_bytes (param i32 i32)))
  (import "bento_wasm" "v0_msg_set_meta" (func $set_meta (param i32 i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "k1")
  (func (export "process")
    (call $set_meta (i32.const 0) (i32.const 2) (i32.const 0) (i32.const 2))
    (call $set_bytes (i32.const 0) (i32.const 2))
    (call $set_bytes (i32.const 65530) (i32.const 200))))
