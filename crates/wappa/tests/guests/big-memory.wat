;; Begins with a gigabyte of memory.
(module
  (memory (export "memory") 16384)
  (func (export "process")))
