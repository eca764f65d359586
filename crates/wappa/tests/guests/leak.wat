;; Takes a megabyte for every message and never gives it back; `malloc` traps when there is no more.
(module
  (import "bento_wasm" "v0_msg_as_bytes" (func $as_bytes (result i64)))
  (import "bento_wasm" "v0_msg_set_bytes" (func $set_bytes (param i32 i32)))
  (memory (export "memory") 3)
  (func (export "malloc") (param i32) (result i32) (local $pages i32)
    (local.set $pages (memory.grow (i32.const 16)))
    (if (i32.eq (local.get $pages) (i32.const -1)) (then (unreachable)))
    (i32.mul (local.get $pages) (i32.const 65536)))
  (func (export "free") (param i32))
  ;; The two halves of what the host returns: the pointer above, the length below.
  (func $pointer (param i64) (result i32)
    (i32.wrap_i64 (i64.shr_u (local.get 0) (i64.const 32))))
  (func $length (param i64) (result i32) (i32.wrap_i64 (local.get 0)))
  (func (export "process") (local $content i64)
    (local.set $content (call $as_bytes))
    (call $set_bytes (call $pointer (local.get $content)) (call $length (local.get $content)))))
