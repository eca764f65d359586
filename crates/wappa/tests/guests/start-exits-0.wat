;; Ends `_start` with `proc_exit(0)`, as TinyGo since 0.35 does; becomes `ok`.
(module
  (import "bento_wasm" "v0_msg_set_bytes" (func $set_bytes (param i32 i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 3)
  (func (export "_start") (call $proc_exit (i32.const 0)))
  (data (i32.const 0) "ok")
  (func (export "process") (call $set_bytes (i32.const 0) (i32.const 2))))
