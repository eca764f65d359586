;; Imports `v0_msg_as_bytes` with the wrong type.
(module
  (import "bento_wasm" "v0_msg_as_bytes" (func))
  (memory (export "memory") 3)
  (func (export "process")))
