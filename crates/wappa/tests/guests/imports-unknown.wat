;; Imports a function that `bento_wasm` does not have.
(module
  (import "bento_wasm" "v0_msg_delete" (func))
  (memory (export "memory") 3)
  (func (export "process")))
