;; Works a few microseconds per message, in registers, then upper-cases: a guest that has something to do.
(module
  (import "bento_wasm" "v0_msg_as_bytes" (func $as_bytes (result i64)))
  (import "bento_wasm" "v0_msg_set_bytes" (func $set_bytes (param i32 i32)))
  (memory (export "memory") 2)
  (global $state (mut i64) (i64.const 1))

  ;; As much as fits behind 1024; the benchmark's messages do.
  (func (export "malloc") (param $len i32) (result i32) (i32.const 1024))
  (func (export "free") (param i32))

  ;; 1500 steps that wait for one another: 4 to 6 cycles each.
  (func $spin
    (local $left i32) (local $x i64)
    (local.set $x (global.get $state))
    (local.set $left (i32.const 1500))
    (loop $next
      (local.set $x
        (i64.add (i64.mul (local.get $x) (i64.const 6364136223846793005)) (i64.const 1442695040888963407)))
      (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (global.set $state (local.get $x)))

  (func (export "process")
    (local $packed i64) (local $ptr i32) (local $end i32) (local $at i32) (local $b i32)
    (call $spin)
    (local.set $packed (call $as_bytes))
    (local.set $ptr (i32.wrap_i64 (i64.shr_u (local.get $packed) (i64.const 32))))
    (local.set $at (local.get $ptr))
    (local.set $end (i32.add (local.get $ptr) (i32.wrap_i64 (local.get $packed))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $b (i32.load8_u (local.get $at)))
        (if (i32.lt_u (i32.sub (local.get $b) (i32.const 97)) (i32.const 26))
          (then (i32.store8 (local.get $at) (i32.sub (local.get $b) (i32.const 32)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (call $set_bytes (local.get $ptr) (i32.sub (local.get $end) (local.get $ptr)))))
