;; Becomes two marks: whether `_initialize` has been run shows in the second.
(module
  (import "bento_wasm" "v0_msg_set_bytes" (func $set_bytes (param i32 i32)))
  (memory (export "memory") 3)
  (data (i32.const 0) "--")
  (func (export "_initialize") (i32.store8 (i32.const 1) (i32.const 105)))
  (func (export "process") (call $set_bytes (i32.const 0) (i32.const 2))))
