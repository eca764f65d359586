;; The content names a file, into which it writes `written`; becomes `errno` and the number of the error, or 00.
(module
  (import "bento_wasm" "v0_msg_as_bytes" (func $as_bytes (result i64)))
  (import "bento_wasm" "v0_msg_set_bytes" (func $set_bytes (param i32 i32)))
  (import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (memory (export "memory") 3)
  (data (i32.const 32) "errno ")
  (data (i32.const 64) "written")
  (func (export "malloc") (param i32) (result i32) (i32.const 1024))
  (func (export "free") (param i32))
  ;; The two halves of what the host returns: the pointer above, the length below.
  (func $pointer (param i64) (result i32)
    (i32.wrap_i64 (i64.shr_u (local.get 0) (i64.const 32))))
  (func $length (param i64) (result i32) (i32.wrap_i64 (local.get 0)))
  ;; Opens the file that the content names, below the first directory it was given: 0 or the error.
  (func $open (param $content i64) (param $flags i32) (param $rights i64) (result i32)
    (call $path_open (i32.const 3) (i32.const 0)
      (call $pointer (local.get $content)) (call $length (local.get $content))
      (local.get $flags) (local.get $rights) (i64.const 0) (i32.const 0) (i32.const 0)))
  ;; Becomes `errno NN`.
  (func $say_error (param $error i32)
    (i32.store8 (i32.const 38) (i32.add (i32.const 48) (i32.div_u (local.get $error) (i32.const 10))))
    (i32.store8 (i32.const 39) (i32.add (i32.const 48) (i32.rem_u (local.get $error) (i32.const 10))))
    (call $set_bytes (i32.const 32) (i32.const 8)))
  (func (export "process") (local $error i32)
    ;; 1: make it when it is not there; 64: the right to write.
    (local.set $error (call $open (call $as_bytes) (i32.const 1) (i64.const 64)))
    (if (i32.eqz (local.get $error))
      (then
        (i32.store (i32.const 8) (i32.const 64))
        (i32.store (i32.const 12) (i32.const 7))
        (local.set $error
          (call $fd_write (i32.load (i32.const 0)) (i32.const 8) (i32.const 1) (i32.const 16)))
        (drop (call $fd_close (i32.load (i32.const 0))))))
    (call $say_error (local.get $error))))
