;; Traps in `_start`.
(module
  (import "bento_wasm" "v0_msg_set_bytes" (func $set_bytes (param i32 i32)))
  (memory (export "memory") 3)
  (func (export "_start") (unreachable))
  (data (i32.const 0) "ok")
  (func (export "process") (call $set_bytes (i32.const 0) (i32.const 2))))
