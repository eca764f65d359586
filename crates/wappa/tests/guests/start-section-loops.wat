;; Loops for ever in its start section.
(module
  (memory (export "memory") 3)
  (func $start (loop $ever (br $ever)))
  (start $start)
  (func (export "process")))
