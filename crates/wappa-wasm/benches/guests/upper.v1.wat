;; The guest of `upper.wat` for interface v1: one call serves all messages that are ready.
;; The benchmark compares with this file as it is: do not change it.
(module
  (import "wappa" "v1_content_read" (func $content_read (param i32 i32 i32) (result i32)))
  (import "wappa" "v1_content_write" (func $content_write (param i32 i32)))
  (import "wappa" "v1_next" (func $next (result i32)))
  (memory (export "memory") 2)

  ;; Reads the content to 1024 and returns its length. A buffer that is full may not hold all of it: the memory grows,
  ;; and the rest is read.
  (func $read (result i32)
    (local $len i32) (local $room i32)
    (loop $more (result i32)
      (local.set $room (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.add (local.get $len) (i32.const 1024))))
      (local.set $len
        (i32.add
          (local.get $len)
          (call $content_read (local.get $len) (i32.add (local.get $len) (i32.const 1024)) (local.get $room))))
      (if (i32.eq (i32.add (local.get $len) (i32.const 1024)) (i32.shl (memory.size) (i32.const 16)))
        (then
          (if (i32.eq (memory.grow (memory.size)) (i32.const -1)) (then unreachable))
          (br $more)))
      (local.get $len)))
  ;; The loop of `upper.wat`.
  (func $upper (param $ptr i32) (param $len i32)
    (local $odd i32) (local $at i32) (local $even i32) (local $p i32) (local $b i32)
    (block $done
      (br_if $done (i32.eqz (local.get $len)))
      (local.set $odd (i32.and (local.get $len) (i32.const 1)))
      (block $pairs_done
        (br_if $pairs_done (i32.eq (local.get $len) (i32.const 1)))
        (local.set $even (i32.and (local.get $len) (i32.const -2)))
        (loop $pairs
          (i32.store8
            (local.tee $p (i32.add (local.get $ptr) (local.get $at)))
            (select
              (i32.add (local.tee $b (i32.load8_u (local.get $p))) (i32.const -32))
              (local.get $b)
              (i32.lt_u (i32.and (i32.add (local.get $b) (i32.const -97)) (i32.const 255)) (i32.const 26))))
          (i32.store8
            (local.tee $p (i32.add (local.get $p) (i32.const 1)))
            (select
              (i32.add (local.tee $b (i32.load8_u (local.get $p))) (i32.const -32))
              (local.get $b)
              (i32.lt_u (i32.and (i32.add (local.get $b) (i32.const -97)) (i32.const 255)) (i32.const 26))))
          (br_if $pairs
            (i32.ne (local.get $even) (local.tee $at (i32.add (local.get $at) (i32.const 2)))))))
      (br_if $done (i32.eqz (local.get $odd)))
      (i32.store8
        (local.tee $p (i32.add (local.get $ptr) (local.get $at)))
        (select
          (i32.add (local.tee $b (i32.load8_u (local.get $p))) (i32.const -32))
          (local.get $b)
          (i32.lt_u (i32.and (i32.add (local.get $b) (i32.const -97)) (i32.const 255)) (i32.const 26))))))
  (func (export "process")
    (local $len i32)
    (loop $again
      (call $upper (i32.const 1024) (local.tee $len (call $read)))
      (call $content_write (i32.const 1024) (local.get $len))
      (br_if $again (i32.eq (call $next) (i32.const 1))))))
