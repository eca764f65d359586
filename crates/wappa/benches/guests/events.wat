;; What is timed one by one: a call that does nothing, one that traps, one that never returns.
(module
  (memory (export "memory") 1)
  (func (export "empty"))
  (func (export "trap") unreachable)
  (func (export "forever") (loop $again (br $again))))
