;; Loops for ever in `_start`.
(module
  (memory (export "memory") 3)
  (func (export "_start") (loop $ever (br $ever)))
  (func (export "process")))
