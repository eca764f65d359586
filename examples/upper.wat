;; A guest of interface v0 that turns ASCII letters into upper case.
;;
;; The host calls `process` for each message; the content is read and written with two host functions.
;; `malloc` gives the host room for the content: one message at a time, so one place is enough.
(module
  (import "bento_wasm" "v0_msg_as_bytes" (func $as_bytes (result i64)))
  (import "bento_wasm" "v0_msg_set_bytes" (func $set_bytes (param i32 i32)))
  (memory (export "memory") 1)

  (func (export "process")
    (local $content i64) (local $start i32) (local $at i32) (local $end i32) (local $byte i32)
    ;; The pointer is in the upper half, the length in the lower one.
    (local.set $content (call $as_bytes))
    (local.set $start (i32.wrap_i64 (i64.shr_u (local.get $content) (i64.const 32))))
    (local.set $at (local.get $start))
    (local.set $end (i32.add (local.get $start) (i32.wrap_i64 (local.get $content))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $byte (i32.load8_u (local.get $at)))
        (if (i32.lt_u (i32.sub (local.get $byte) (i32.const 97)) (i32.const 26))
          (then (i32.store8 (local.get $at) (i32.sub (local.get $byte) (i32.const 32)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (call $set_bytes (local.get $start) (i32.wrap_i64 (local.get $content))))

  ;; Room for `size` bytes behind the first KiB, growing the memory where it is too small.
  (func (export "malloc") (param $size i32) (result i32)
    (local $missing i32)
    (local.set $missing
      (i32.sub
        (i32.shr_u (i32.add (local.get $size) (i32.const 66559)) (i32.const 16))
        (memory.size)))
    (if (i32.gt_s (local.get $missing) (i32.const 0))
      (then (if (i32.lt_s (memory.grow (local.get $missing)) (i32.const 0)) (then (return (i32.const 0))))))
    (i32.const 1024))

  (func (export "free") (param i32)))
