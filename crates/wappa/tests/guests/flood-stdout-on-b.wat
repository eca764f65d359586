;; Replaces the first byte by `X`. When it is a `b`: first writes 2 MiB without a line break to standard output.
(module
  (import "bento_wasm" "v0_msg_as_bytes" (func $as_bytes (result i64)))
  (import "bento_wasm" "v0_msg_set_bytes" (func $set_bytes (param i32 i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 3)
  (func (export "malloc") (param i32) (result i32) (i32.const 1024))
  (func (export "free") (param i32))
  ;; The two halves of what the host returns: the pointer above, the length below.
  (func $pointer (param i64) (result i32)
    (i32.wrap_i64 (i64.shr_u (local.get 0) (i64.const 32))))
  (func $length (param i64) (result i32) (i32.wrap_i64 (local.get 0)))
  (func (export "process") (local $content i64) (local $at i32)
    (local.set $content (call $as_bytes))
    (local.set $at (call $pointer (local.get $content)))
    (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 98))
      (then (i32.store (i32.const 256) (i32.const 65536))
        (i32.store (i32.const 260) (i32.const 65536))
        (loop $more
          (drop (call $fd_write (i32.const 1) (i32.const 256) (i32.const 1) (i32.const 268)))
          (i32.store (i32.const 272) (i32.add (i32.load (i32.const 272)) (i32.const 1)))
          (br_if $more (i32.lt_u (i32.load (i32.const 272)) (i32.const 32))))))
    (i32.store8 (local.get $at) (i32.const 88))
    (call $set_bytes (local.get $at) (call $length (local.get $content)))))
