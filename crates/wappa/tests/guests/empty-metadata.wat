;; Stores an empty value as `empty` and the value `m` under the empty name; becomes what it reads under that name.
(module
  (import "bento_wasm" "v0_msg_set_bytes" (func $set_bytes (param i32 i32)))
  (import "bento_wasm" "v0_msg_get_meta" (func $get_meta (param i32 i32) (result i64)))
  (import "bento_wasm" "v0_msg_set_meta" (func $set_meta (param i32 i32 i32 i32)))
  (memory (export "memory") 3)
  (data (i32.const 0) "empty")
  (data (i32.const 8) "m")
  (func (export "malloc") (param i32) (result i32) (i32.const 1024))
  (func (export "free") (param i32))
  (func (export "process") (local $value i64)
    (call $set_meta (i32.const 0) (i32.const 5) (i32.const 64) (i32.const 0))
    (call $set_meta (i32.const 64) (i32.const 0) (i32.const 8) (i32.const 1))
    (local.set $value (call $get_meta (i32.const 64) (i32.const 0)))
    (call $set_bytes
      (i32.wrap_i64 (i64.shr_u (local.get $value) (i64.const 32)))
      (i32.wrap_i64 (local.get $value)))))
