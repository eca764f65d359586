;; A guest of interface v0 that says by the content where a message belongs: it sets the metadata key `topic`, to
;; `alerts` where the content begins with `!`, else to `rest`.
(module
  (import "bento_wasm" "v0_msg_as_bytes" (func $as_bytes (result i64)))
  (import "bento_wasm" "v0_msg_set_meta" (func $set_meta (param i32 i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "topicalertsrest")

  (func (export "process")
    (local $content i64)
    ;; The pointer is in the upper half, the length in the lower one.
    (local.set $content (call $as_bytes))
    (if (i32.eqz (i32.wrap_i64 (local.get $content)))
      (then (return (call $set_meta (i32.const 0) (i32.const 5) (i32.const 11) (i32.const 4)))))
    (if (i32.eq
          (i32.load8_u (i32.wrap_i64 (i64.shr_u (local.get $content) (i64.const 32))))
          (i32.const 33))
      (then (call $set_meta (i32.const 0) (i32.const 5) (i32.const 5) (i32.const 6)))
      (else (call $set_meta (i32.const 0) (i32.const 5) (i32.const 11) (i32.const 4)))))

  ;; Room for `size` bytes behind the first KiB, growing the memory where it is too small.
  (func (export "malloc") (param $size i32) (result i32)
    (local $missing i32)
    (local.set $missing
      (i32.sub
        (i32.shr_u (i32.add (local.get $size) (i32.const 66559)) (i32.const 16))
        (memory.size)))
    (if (i32.gt_s (local.get $missing) (i32.const 0))
      (then (if (i32.lt_s (memory.grow (local.get $missing)) (i32.const 0)) (then (return (i32.const 0))))))
    (i32.const 1024))

  (func (export "free") (param i32)))
