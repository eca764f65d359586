;; Reads the content and writes it back, in interface v1.
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
  (func (export "process")
    (local $len i32)
    (loop $again
      (call $reach (i32.add (i32.const 1024) (local.tee $len (call $content_len))))
      (call $content_write
        (i32.const 1024)
        (call $content_read (i32.const 0) (i32.const 1024) (local.get $len)))
      (br_if $again (i32.eq (call $next) (i32.const 1))))))
