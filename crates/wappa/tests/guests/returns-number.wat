;; Does nothing, and returns a number.
(module
  (memory (export "memory") 3)
  (func (export "process") (result i32) (i32.const 7)))
