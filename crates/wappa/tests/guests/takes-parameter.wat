;; Its function takes a parameter.
(module
  (memory (export "memory") 3)
  (func (export "process") (param i32)))
