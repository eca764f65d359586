;; Upper-cases the content; its memory is not exported.
(module
  (import "bento_wasm" "v0_msg_as_bytes" (func $as_bytes (result i64)))
  (import "bento_wasm" "v0_msg_set_bytes" (func $set_bytes (param i32 i32)))
  (memory 3)
  (func (export "malloc") (param i32) (result i32) (i32.const 1024))
  (func (export "free") (param i32))
  ;; The two halves of what the host returns: the pointer above, the length below.
  (func $pointer (param i64) (result i32)
    (i32.wrap_i64 (i64.shr_u (local.get 0) (i64.const 32))))
  (func $length (param i64) (result i32) (i32.wrap_i64 (local.get 0)))
  (func (export "process")
    (local $content i64) (local $at i32) (local $end i32) (local $byte i32)
    (local.set $content (call $as_bytes))
    (local.set $at (call $pointer (local.get $content)))
    (local.set $end (i32.add (local.get $at) (call $length (local.get $content))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $byte (i32.load8_u (local.get $at)))
        (if (i32.lt_u (i32.sub (local.get $byte) (i32.const 97)) (i32.const 26))
          (then (i32.store8 (local.get $at) (i32.sub (local.get $byte) (i32.const 32)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (call $set_bytes (call $pointer (local.get $content)) (call $length (local.get $content)))))
