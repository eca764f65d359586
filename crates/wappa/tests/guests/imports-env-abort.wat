;; Imports `env.abort`, as AssemblyScript does by default.
(module
  (import "env" "abort" (func (param i32 i32 i32 i32)))
  (memory (export "memory") 3)
  (func (export "process")))
