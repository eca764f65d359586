;; Reads the content and writes it back, in interface v0.
;; The benchmark compares with this file as it is: do not change it.
(module
  (import "bento_wasm" "v0_msg_as_bytes" (func $as_bytes (result i64)))
  (import "bento_wasm" "v0_msg_set_bytes" (func $set_bytes (param i32 i32)))
  (memory (export "memory") 2)
  ;; Makes the memory large enough for `$end` bytes.
  (func $reach (param $end i32)
    (local $pages i32)
    (local.set $pages
      (i32.sub (i32.shr_u (i32.add (local.get $end) (i32.const 65535)) (i32.const 16)) (memory.size)))
    (if (i32.gt_s (local.get $pages) (i32.const 0))
      (then (if (i32.eq (memory.grow (local.get $pages)) (i32.const -1)) (then unreachable)))))
  (func (export "malloc") (param $len i32) (result i32)
    (call $reach (i32.add (i32.const 1024) (local.get $len)))
    (i32.const 1024))
  (func (export "free") (param i32))
  (func (export "process")
    (local $packed i64)
    (local.set $packed (call $as_bytes))
    (call $set_bytes (i32.wrap_i64 (i64.shr_u (local.get $packed) (i64.const 32))) (i32.wrap_i64 (local.get $packed)))))
