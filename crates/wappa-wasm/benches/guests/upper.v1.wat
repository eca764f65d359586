;; The guest of `upper.wat` for interface v1: one call serves all messages that are ready.
;; The benchmark compares with this file as it is: do not change it.
(module
  (import "wappa" "v1_content_len" (func $content_len (result i32)))
  (import "wappa" "v1_content_read" (func $content_read (param i32 i32 i32) (result i32)))
  (import "wappa" "v1_content_write" (func $content_write (param i32 i32)))
  (import "wappa" "v1_next" (func $next (result i32)))
  (memory (export "memory") 2)
  ;; Makes the memory large enough for `$end` bytes.
  (func $reach (param $end i32)
    (local $pages i32)
    (local.set $pages
      (i32.sub (i32.shr_u (i32.add (local.get $end) (i32.const 65535)) (i32.const 16)) (memory.size)))
    (if (i32.gt_s (local.get $pages) (i32.const 0))
      (then (if (i32.eq (memory.grow (local.get $pages)) (i32.const -1)) (then unreachable)))))
  ;; The loop of `upper.wat`.
  (func $upper (param $ptr i32) (param $len i32)
    (local $odd i32) (local $at i32) (local $even i32) (local $p i32) (local $b i32)
    (block $done
      (br_if $done (i32.eqz (local.get $len)))
      (local.set $odd (i32.and (local.get $len) (i32.const 1)))
      (block $pairs_done
        (br_if $pairs_done (i32.eq (local.get $len) (i32.const 1)))
        (local.set $even (i32.and (local.get $len) (i32.const -2)))
        (loop $pairs
          (i32.store8
            (local.tee $p (i32.add (local.get $ptr) (local.get $at)))
            (select
              (i32.add (local.tee $b (i32.load8_u (local.get $p))) (i32.const -32))
              (local.get $b)
              (i32.lt_u (i32.and (i32.add (local.get $b) (i32.const -97)) (i32.const 255)) (i32.const 26))))
          (i32.store8
            (local.tee $p (i32.add (local.get $p) (i32.const 1)))
            (select
              (i32.add (local.tee $b (i32.load8_u (local.get $p))) (i32.const -32))
              (local.get $b)
              (i32.lt_u (i32.and (i32.add (local.get $b) (i32.const -97)) (i32.const 255)) (i32.const 26))))
          (br_if $pairs
            (i32.ne (local.get $even) (local.tee $at (i32.add (local.get $at) (i32.const 2)))))))
      (br_if $done (i32.eqz (local.get $odd)))
      (i32.store8
        (local.tee $p (i32.add (local.get $ptr) (local.get $at)))
        (select
          (i32.add (local.tee $b (i32.load8_u (local.get $p))) (i32.const -32))
          (local.get $b)
          (i32.lt_u (i32.and (i32.add (local.get $b) (i32.const -97)) (i32.const 255)) (i32.const 26))))))
  (func (export "process")
    (local $len i32)
    (loop $again
      (call $reach (i32.add (i32.const 1024) (local.tee $len (call $content_len))))
      (local.set $len (call $content_read (i32.const 0) (i32.const 1024) (local.get $len)))
      (call $upper (i32.const 1024) (local.get $len))
      (call $content_write (i32.const 1024) (local.get $len))
      (br_if $again (i32.eq (call $next) (i32.const 1))))))
