;; Upper-cases ASCII. The allocator hands out one place, since there is one message at a time.
(module
  (import "bento_wasm" "v0_msg_as_bytes" (func $as_bytes (result i64)))
  (import "bento_wasm" "v0_msg_set_bytes" (func $set_bytes (param i32 i32)))
  (memory (export "memory") 2)

  (func (export "malloc") (param $len i32) (result i32)
    (local $missing i32)
    ;; Grow until 1024 + len fits.
    (local.set $missing
      (i32.sub
        (i32.shr_u (i32.add (i32.add (local.get $len) (i32.const 1024)) (i32.const 65535)) (i32.const 16))
        (memory.size)))
    (if (i32.gt_s (local.get $missing) (i32.const 0))
      (then
        (if (i32.eq (memory.grow (local.get $missing)) (i32.const -1)) (then (return (i32.const 0))))))
    (i32.const 1024))

  (func (export "free") (param i32))

  (func (export "process")
    (local $packed i64) (local $ptr i32) (local $end i32) (local $at i32) (local $c i32)
    (local.set $packed (call $as_bytes))
    (local.set $ptr (i32.wrap_i64 (i64.shr_u (local.get $packed) (i64.const 32))))
    (local.set $at (local.get $ptr))
    (local.set $end (i32.add (local.get $ptr) (i32.wrap_i64 (local.get $packed))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $c (i32.load8_u (local.get $at)))
        (if (i32.lt_u (i32.sub (local.get $c) (i32.const 97)) (i32.const 26))
          (then (i32.store8 (local.get $at) (i32.sub (local.get $c) (i32.const 32)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (call $set_bytes (local.get $ptr) (i32.sub (local.get $end) (local.get $ptr)))))
