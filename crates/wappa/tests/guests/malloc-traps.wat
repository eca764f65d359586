;; Has an allocator that traps; becomes the eight bytes that the host returned.
(module
  (import "bento_wasm" "v0_msg_as_bytes" (func $as_bytes (result i64)))
  (import "bento_wasm" "v0_msg_set_bytes" (func $set_bytes (param i32 i32)))
  (memory (export "memory") 3)
  (func (export "malloc") (param i32) (result i32) (unreachable))
  (func (export "free") (param i32))
  (func (export "process")
    (i64.store (i32.const 0) (call $as_bytes))
    (call $set_bytes (i32.const 0) (i32.const 8))))
