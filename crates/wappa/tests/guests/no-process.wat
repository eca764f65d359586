;; Exports no function `process`.
(module
  (memory (export "memory") 3)
  (func (export "proces")))
