;; Becomes the number of its call, counted in a global; traps on a content that begins with `b`.
(module
  (import "bento_wasm" "v0_msg_as_bytes" (func $as_bytes (result i64)))
  (import "bento_wasm" "v0_msg_set_bytes" (func $set_bytes (param i32 i32)))
  (memory (export "memory") 3)
  (global $calls (mut i32) (i32.const 0))
  (func (export "malloc") (param i32) (result i32) (i32.const 1024))
  (func (export "free") (param i32))
  ;; The two halves of what the host returns: the pointer above, the length below.
  (func $pointer (param i64) (result i32)
    (i32.wrap_i64 (i64.shr_u (local.get 0) (i64.const 32))))
  (func $length (param i64) (result i32) (i32.wrap_i64 (local.get 0)))
  (func (export "process")
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (if (i32.eq (i32.load8_u (call $pointer (call $as_bytes))) (i32.const 98)) (then (unreachable)))
    (i32.store8 (i32.const 0) (i32.add (i32.const 48) (global.get $calls)))
    (call $set_bytes (i32.const 0) (i32.const 1))))
