;; Frees the content itself, before the host does; its `free` traps when there is nothing to free.
(module
  (import "bento_wasm" "v0_msg_as_bytes" (func $as_bytes (result i64)))
  (memory (export "memory") 3)
  (global $used (mut i32) (i32.const 0))
  (func (export "malloc") (param i32) (result i32)
    (global.set $used (i32.add (global.get $used) (i32.const 1)))
    (i32.const 1024))
  (func $free (export "free") (param i32)
    (if (i32.eqz (global.get $used)) (then (unreachable)))
    (global.set $used (i32.sub (global.get $used) (i32.const 1))))
  ;; The two halves of what the host returns: the pointer above, the length below.
  (func $pointer (param i64) (result i32)
    (i32.wrap_i64 (i64.shr_u (local.get 0) (i64.const 32))))
  (func $length (param i64) (result i32) (i32.wrap_i64 (local.get 0)))
  (func (export "process")
    (call $free (call $pointer (call $as_bytes)))))
