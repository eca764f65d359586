;; A guest that means harm: it traps on a message that begins with `!`, loops for ever on one that begins with `@`,
;; and leaves all others as they are.
(module
  (import "bento_wasm" "v0_msg_as_bytes" (func $as_bytes (result i64)))
  (memory (export "memory") 2)

  (func (export "process")
    (local $content i64) (local $first i32)
    (local.set $content (call $as_bytes))
    (if (i64.eqz (i64.and (local.get $content) (i64.const 0xffffffff))) (then (return)))
    (local.set $first (i32.load8_u (i32.wrap_i64 (i64.shr_u (local.get $content) (i64.const 32)))))
    (if (i32.eq (local.get $first) (i32.const 33)) (then (unreachable)))
    (if (i32.eq (local.get $first) (i32.const 64)) (then (loop $for_ever (br $for_ever)))))

  (func (export "malloc") (param $size i32) (result i32) (i32.const 1024))
  (func (export "free") (param i32)))
