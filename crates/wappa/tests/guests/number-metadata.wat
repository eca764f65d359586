;; Becomes the metadata `mod_time_unix`, which is a number to everybody else.
(module
  (import "bento_wasm" "v0_msg_set_bytes" (func $set_bytes (param i32 i32)))
  (import "bento_wasm" "v0_msg_get_meta" (func $get_meta (param i32 i32) (result i64)))
  (memory (export "memory") 3)
  (data (i32.const 0) "mod_time_unix")
  (func (export "malloc") (param i32) (result i32) (i32.const 1024))
  (func (export "free") (param i32))
  ;; The two halves of what the host returns: the pointer above, the length below.
  (func $pointer (param i64) (result i32)
    (i32.wrap_i64 (i64.shr_u (local.get 0) (i64.const 32))))
  (func $length (param i64) (result i32) (i32.wrap_i64 (local.get 0)))
  (func (export "process") (local $value i64)
    (local.set $value (call $get_meta (i32.const 0) (i32.const 13)))
    (call $set_bytes (call $pointer (local.get $value)) (call $length (local.get $value)))))
