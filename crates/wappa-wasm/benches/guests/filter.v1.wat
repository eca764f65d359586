;; Filters every message: `blind` reads none, `read` reads each before, in interface v1.
;; The benchmark compares with this file as it is: do not change it.
(module
  (import "wappa" "v1_content_len" (func $content_len (result i32)))
  (import "wappa" "v1_content_read" (func $content_read (param i32 i32 i32) (result i32)))
  (import "wappa" "v1_filter" (func $filter))
  (import "wappa" "v1_next" (func $next (result i32)))
  (memory (export "memory") 40)
  (func (export "blind")
    (loop $again
      (call $filter)
      (br_if $again (i32.eq (call $next) (i32.const 1)))))
  (func (export "read")
    (loop $again
      (drop (call $content_read (i32.const 0) (i32.const 1024) (call $content_len)))
      (call $filter)
      (br_if $again (i32.eq (call $next) (i32.const 1))))))
