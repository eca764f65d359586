;; A guest that does what its messages say: each content is a program that is interpreted.
;;
;; One instruction is six bytes: the opcode, then up to five operands. A register is a word at 4 * (byte & 7), in the
;; memory itself, so that wild stores hit registers and code as well. The program is copied to 0x100; the heap of the
;; allocator begins at 0x2000. `model.rs` does the same in Rust, up to opcode 0x1f.
(module
  ;; IMPORTS
  (memory (export "memory") 4)
  (table $table 4 funcref)
  (global $steps (mut i32) (i32.const 0))
  ;; Where the allocator goes on; a program may set it to anything.
  (global $brk (mut i32) (i32.const 0))
  ;; A digest of all calls of the allocator's functions since the instance was made.
  (global $events (mut i32) (i32.const 0))
  ;; Programs that run inside of the allocator's functions; -1: none.
  (global $on_malloc (mut i32) (i32.const -1))
  (global $on_free (mut i32) (i32.const -1))

  (func $event (param i32)
    (global.set $events (i32.add (i32.mul (global.get $events) (i32.const 31)) (local.get 0))))

  (func $malloc (param $n i32) (result i32) (local $p i32) (local $end i32) (local $size i32)
    (call $event (i32.const 1))
    (call $event (local.get $n))
    (if (i32.ne (global.get $on_malloc) (i32.const -1))
      (then (call $run (global.get $on_malloc)) (return (i32.load (i32.const 0)))))
    (local.set $p (global.get $brk))
    (global.set $brk
      (i32.add (local.get $p) (i32.and (i32.add (local.get $n) (i32.const 15)) (i32.const -16))))
    (local.set $end (i32.add (local.get $p) (local.get $n)))
    (local.set $size (i32.shl (memory.size) (i32.const 16)))
    (if (i32.gt_u (local.get $end) (local.get $size))
      (then (drop (memory.grow
        (i32.shr_u (i32.add (i32.sub (local.get $end) (local.get $size)) (i32.const 65535)) (i32.const 16))))))
    (local.get $p))
  (func $free (param $p i32)
    (call $event (i32.const 2))
    (call $event (local.get $p))
    (if (i32.ne (global.get $on_free) (i32.const -1)) (then (call $run (global.get $on_free)))))
  (func $deallocate (param $p i32) (param $n i32)
    (call $event (i32.const 3))
    (call $event (local.get $p))
    (call $event (local.get $n))
    (if (i32.ne (global.get $on_free) (i32.const -1)) (then (call $run (global.get $on_free)))))

  (func $process (export "process") (local $m i64) (local $n i32)
    (global.set $steps (i32.const 400))
    (global.set $brk (i32.const 0x2000))
    (global.set $on_malloc (i32.const -1))
    (global.set $on_free (i32.const -1))
    (memory.fill (i32.const 0) (i32.const 0) (i32.const 64))
    (local.set $m (call $as_bytes))
    (local.set $n (i32.wrap_i64 (local.get $m)))
    (if (i32.gt_u (local.get $n) (i32.const 0xfff)) (then (local.set $n (i32.const 0xfff))))
    (memory.copy (i32.const 0x100) (call $high (local.get $m)) (local.get $n))
    (i32.store8 offset=0x100 (local.get $n) (i32.const 0))
    (call $run (i32.const 0)))

  (func $high (param i64) (result i32) (i32.wrap_i64 (i64.shr_u (local.get 0) (i64.const 32))))
  ;; The address of the register that a byte of the code names.
  (func $reg (param $at i32) (result i32)
    (i32.shl (i32.and (i32.load8_u offset=0x100 (i32.and (local.get $at) (i32.const 0xfff))) (i32.const 7))
      (i32.const 2)))
  (func $get (param $at i32) (result i32) (i32.load (call $reg (local.get $at))))
  (func $byte (param $at i32) (result i32) (i32.load8_u offset=0x100 (i32.and (local.get $at) (i32.const 0xfff))))
  (func $overflow (param i32) (result i32)
    (i32.add (call $overflow (i32.add (local.get 0) (i32.const 1))) (i32.load (i32.const 0))))

  (func $run (param $pc i32)
    (local $at i32) (local $a i32) (local $b i32) (local $c i32) (local $ra i32) (local $m i64)
    (loop $next
      (if (i32.eqz (global.get $steps)) (then (return)))
      (global.set $steps (i32.sub (global.get $steps) (i32.const 1)))
      (local.set $at (local.get $pc))
      (local.set $pc (i32.add (local.get $pc) (i32.const 6)))
      (local.set $ra (call $reg (i32.add (local.get $at) (i32.const 1))))
      (local.set $a (i32.load (local.get $ra)))
      (local.set $b (call $get (i32.add (local.get $at) (i32.const 2))))
      (local.set $c (call $get (i32.add (local.get $at) (i32.const 3))))
      (block $again
      (block $other
      (block $on_free (block $on_malloc (block $wasi (block $indirect (block $table_grow (block $process_again
      (block $spin
      (block $brk (block $overflow (block $exit (block $malloc (block $events (block $call (block $jump (block $div
      (block $trap (block $copy (block $fill (block $grow (block $add (block $load (block $store (block $set_meta
      (block $get_meta (block $set_bytes (block $as_bytes (block $const (block $end
        (br_table $end $const $as_bytes $set_bytes $get_meta $set_meta $store $load $add $grow $fill $copy $trap $div
          $jump $call $events $malloc $exit $overflow $brk $other $other $other $other $other $other $other $other
          $other $other $other
          $spin $process_again $table_grow $indirect $wasi $on_malloc $on_free $wasi $wasi $wasi $wasi $wasi
          $other
          (call $byte (local.get $at))))
        ;; end
        (return))
        ;; const a = the four bytes after it
        (i32.store (local.get $ra)
          (i32.or
            (i32.or (call $byte (i32.add (local.get $at) (i32.const 2)))
              (i32.shl (call $byte (i32.add (local.get $at) (i32.const 3))) (i32.const 8)))
            (i32.or (i32.shl (call $byte (i32.add (local.get $at) (i32.const 4))) (i32.const 16))
              (i32.shl (call $byte (i32.add (local.get $at) (i32.const 5))) (i32.const 24)))))
        (br $again))
        ;; a, b = as_bytes()
        (local.set $m (call $as_bytes))
        (i32.store (local.get $ra) (call $high (local.get $m)))
        (i32.store (call $reg (i32.add (local.get $at) (i32.const 2))) (i32.wrap_i64 (local.get $m)))
        (br $again))
        (call $set_bytes (local.get $a) (local.get $b))
        (br $again))
        ;; c, d = get_meta(a, b)
        (local.set $m (call $get_meta (local.get $a) (local.get $b)))
        (i32.store (call $reg (i32.add (local.get $at) (i32.const 3))) (call $high (local.get $m)))
        (i32.store (call $reg (i32.add (local.get $at) (i32.const 4))) (i32.wrap_i64 (local.get $m)))
        (br $again))
        (call $set_meta (local.get $a) (local.get $b) (local.get $c) (call $get (i32.add (local.get $at) (i32.const 4))))
        (br $again))
        ;; store: [a] = b
        (i32.store (local.get $a) (local.get $b))
        (br $again))
        ;; load: a = [b]
        (i32.store (local.get $ra) (i32.load (local.get $b)))
        (br $again))
        (i32.store (local.get $ra) (i32.add (local.get $b) (local.get $c)))
        (br $again))
        (i32.store (local.get $ra) (memory.grow (local.get $b)))
        (br $again))
        ;; fill: [a, a + c) = b
        (memory.fill (local.get $a) (local.get $b) (local.get $c))
        (br $again))
        (memory.copy (local.get $a) (local.get $b) (local.get $c))
        (br $again))
        unreachable)
        (i32.store (local.get $ra) (i32.div_u (local.get $b) (local.get $c)))
        (br $again))
        ;; jump: a -= 1, and to the place in the two bytes after it unless a is 0
        (i32.store (local.get $ra) (i32.sub (local.get $a) (i32.const 1)))
        (if (i32.ne (i32.load (local.get $ra)) (i32.const 0))
          (then (local.set $pc (call $target (i32.add (local.get $at) (i32.const 2))))))
        (br $again))
        ;; call: the place in the two bytes after the first
        (call $run (call $target (i32.add (local.get $at) (i32.const 2))))
        (br $again))
        (i32.store (local.get $ra) (global.get $events))
        (br $again))
        (local.set $m (i64.extend_i32_u (call $malloc (local.get $b))))
        (i32.store (local.get $ra) (i32.wrap_i64 (local.get $m)))
        (br $again))
        (call $proc_exit (local.get $a))
        (br $again))
        (drop (call $overflow (i32.const 0)))
        (br $again))
        (global.set $brk (local.get $a))
        (br $again))
        ;; From here on without a model.
        (loop $forever (br $forever)))
        (call $process)
        (br $again))
        (i32.store (local.get $ra) (table.grow $table (ref.null func) (local.get $b)))
        (br $again))
        (call_indirect $table (local.get $a))
        (br $again))
        ;; wasi: the function in the byte after it, with all registers as its parameters; the errno goes to b
        (i32.store (call $reg (i32.add (local.get $at) (i32.const 2)))
          (call $wasi (call $byte (i32.add (local.get $at) (i32.const 1)))))
        (br $again))
        (global.set $on_malloc (call $target (i32.add (local.get $at) (i32.const 2))))
        (br $again))
        (global.set $on_free (call $target (i32.add (local.get $at) (i32.const 2)))))
      )
      (br $next)))

  (func $target (param $at i32) (result i32)
    (i32.and
      (i32.or (call $byte (local.get $at))
        (i32.shl (call $byte (i32.add (local.get $at) (i32.const 1))) (i32.const 8)))
      (i32.const 0xfff)))
  ;; WASI
)
