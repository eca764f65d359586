;; Upper-cases ASCII byte by byte, without vectors: `process` is what clang -O2 makes of
;;
;;     for (unsigned i = 0; i < n; i++) p[i] = (unsigned char)(p[i] - 'a') < 26 ? p[i] - 32 : p[i];
;;
;; two bytes a turn, with the remainder behind. The allocator hands out one place again and again, as there is one
;; message at a time. The benchmark compares with this file as it is: do not change it.
(module
  (import "bento_wasm" "v0_msg_as_bytes" (func $as_bytes (result i64)))
  (import "bento_wasm" "v0_msg_set_bytes" (func $set_bytes (param i32 i32)))
  (memory (export "memory") 2)

  (func (export "malloc") (param $len i32) (result i32)
    (local $missing i32)
    ;; Grow until 1024 + len fits.
    (local.set $missing
      (i32.sub
        (i32.shr_u (i32.add (i32.add (local.get $len) (i32.const 1024)) (i32.const 65535)) (i32.const 16))
        (memory.size)))
    (if (i32.gt_s (local.get $missing) (i32.const 0))
      (then
        (if (i32.eq (memory.grow (local.get $missing)) (i32.const -1)) (then (return (i32.const 0))))))
    (i32.const 1024))

  (func (export "free") (param i32))

  (func (export "process")
    (local $packed i64) (local $ptr i32) (local $len i32) (local $odd i32)
    (local $at i32) (local $even i32) (local $p i32) (local $b i32)
    (local.set $ptr
      (i32.wrap_i64 (i64.shr_u (local.tee $packed (call $as_bytes)) (i64.const 32))))
    (block $done
      (br_if $done (i32.eqz (local.tee $len (i32.wrap_i64 (local.get $packed)))))
      (local.set $odd (i32.and (local.get $len) (i32.const 1)))
      (local.set $at (i32.const 0))
      (block $pairs_done
        (br_if $pairs_done (i32.eq (local.get $len) (i32.const 1)))
        (local.set $even (i32.and (local.get $len) (i32.const -2)))
        (loop $pairs
          (i32.store8
            (local.tee $p (i32.add (local.get $ptr) (local.get $at)))
            (select
              (i32.add (local.tee $b (i32.load8_u (local.get $p))) (i32.const -32))
              (local.get $b)
              (i32.lt_u
                (i32.and (i32.add (local.get $b) (i32.const -97)) (i32.const 255))
                (i32.const 26))))
          (i32.store8
            (local.tee $p (i32.add (local.get $p) (i32.const 1)))
            (select
              (i32.add (local.tee $b (i32.load8_u (local.get $p))) (i32.const -32))
              (local.get $b)
              (i32.lt_u
                (i32.and (i32.add (local.get $b) (i32.const -97)) (i32.const 255))
                (i32.const 26))))
          (br_if $pairs
            (i32.ne (local.get $even) (local.tee $at (i32.add (local.get $at) (i32.const 2)))))))
      (br_if $done (i32.eqz (local.get $odd)))
      (i32.store8
        (local.tee $p (i32.add (local.get $ptr) (local.get $at)))
        (select
          (i32.add (local.tee $b (i32.load8_u (local.get $p))) (i32.const -32))
          (local.get $b)
          (i32.lt_u
            (i32.and (i32.add (local.get $b) (i32.const -97)) (i32.const 255))
            (i32.const 26)))))
    (call $set_bytes (local.get $ptr) (local.get $len))))
