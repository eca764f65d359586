;; Keeps every message and reads none, in interface v1.
;; The benchmark compares with this file as it is: do not change it.
(module
  (import "wappa" "v1_next" (func $next (result i32)))
  (memory (export "memory") 1)
  (func (export "process")
    (loop $again (br_if $again (i32.eq (call $next) (i32.const 1))))))
