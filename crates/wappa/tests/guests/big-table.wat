;; Begins with a table of a hundred million entries.
(module
  (memory (export "memory") 3)
  (table 100000000 funcref)
  (func (export "process")))
