;; Sleeps as many milliseconds as the message says in decimal digits, in `poll_oneoff`; leaves the message as it is.
(module
  (import "bento_wasm" "v0_msg_as_bytes" (func $as_bytes (result i64)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 3)
  (func (export "malloc") (param i32) (result i32) (i32.const 1024))
  (func (export "free") (param i32))
  (func (export "process") (local $content i64) (local $at i32) (local $end i32) (local $number i64)
    (local.set $content (call $as_bytes))
    (local.set $at (i32.wrap_i64 (i64.shr_u (local.get $content) (i64.const 32))))
    (local.set $end (i32.add (local.get $at) (i32.wrap_i64 (local.get $content))))
    (block $done
      (loop $digits
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (br_if $done (i32.lt_u (i32.load8_u (local.get $at)) (i32.const 48)))
        (local.set $number (i64.add (i64.mul (local.get $number) (i64.const 10))
          (i64.extend_i32_u (i32.sub (i32.load8_u (local.get $at)) (i32.const 48)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $digits)))
    (if (i64.eqz (local.get $number)) (then (return)))
    ;; A subscription to the monotonic clock, relative.
    (i32.store (i32.const 272) (i32.const 1))
    (i64.store (i32.const 280) (i64.mul (local.get $number) (i64.const 1000000)))
    (drop (call $poll_oneoff (i32.const 256) (i32.const 512) (i32.const 1) (i32.const 768)))))
