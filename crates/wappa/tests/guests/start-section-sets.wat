;; Sets the content in its start section, where there is no message.
(module
  (import "bento_wasm" "v0_msg_set_bytes" (func $set_bytes (param i32 i32)))
  (memory (export "memory") 3)
  (data (i32.const 0) "no")
  (func $start (call $set_bytes (i32.const 0) (i32.const 2)))
  (start $start)
  (func (export "process")))
