;; The guest of `upper.wat` as a component that reads the contents one by one.
;; A core module with the types of the world `wappa:processor`, of which the host makes a component.
;; The benchmark compares with this file as it is: do not change it.
(module
  (import "wappa:processor/types@0.1.0" "[method]batch.len" (func $len (param i32) (result i32)))
  (import "wappa:processor/types@0.1.0" "[method]batch.content" (func $content (param i32 i32 i32)))
  (import "wappa:processor/types@0.1.0" "[resource-drop]batch" (func $drop_batch (param i32)))
  (memory (export "memory") 4)
  (global $heap (mut i32) (i32.const 1024))
  ;; Makes the memory large enough for `$end` bytes.
  (func $reach (param $end i32)
    (local $pages i32)
    (local.set $pages
      (i32.sub (i32.shr_u (i32.add (local.get $end) (i32.const 65535)) (i32.const 16)) (memory.size)))
    (if (i32.gt_s (local.get $pages) (i32.const 0))
      (then (if (i32.eq (memory.grow (local.get $pages)) (i32.const -1)) (then unreachable)))))
  ;; Everything that a call allocates is given up with the next call.
  (func $allocate (export "cabi_realloc") (param $old i32) (param $size i32) (param $align i32) (param $bytes i32)
    (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get $bytes)))
    (call $reach (global.get $heap))
    (local.get $at))
  (func (export "wappa:processor/transform@0.1.0#configure") (param i32 i32) (result i32)
    (i32.store8 (i32.const 16) (i32.const 0))
    (i32.const 16))
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
  (func (export "wappa:processor/transform@0.1.0#process") (param $batch i32) (result i32)
    (local $n i32) (local $i i32) (local $list i32) (local $at i32) (local $from i32) (local $to i32)
    (global.set $heap (i32.const 1024))
    (local.set $n (call $len (local.get $batch)))
    (local.set $list
      (call $allocate (i32.const 0) (i32.const 0) (i32.const 4) (i32.mul (local.get $n) (i32.const 12))))
    (loop $next
      (call $content (local.get $batch) (local.get $i) (i32.const 24))
      (call $upper (i32.load (i32.const 24)) (i32.load (i32.const 28)))
      (local.set $at (i32.add (local.get $list) (i32.mul (local.get $i) (i32.const 12))))
      (i32.store8 (local.get $at) (i32.const 2))
      (i64.store offset=4 align=4 (local.get $at) (i64.load (i32.const 24)))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (call $drop_batch (local.get $batch))
    (i32.store (i32.const 16) (local.get $list))
    (i32.store (i32.const 20) (local.get $n))
    (i32.const 16))
  (@custom "component-type"
    "\00\61\73\6d\0d\00\01\00\00\19\16\77\69\74\2d\63\6f\6d\70\6f\6e\65\6e\74\2d\65\6e\63\6f\64\69\6e\67\04\00\07"
    "\b0\08\01\41\02\01\41\0a\01\42\04\01\6d\05\05\74\72\61\63\65\05\64\65\62\75\67\04\69\6e\66\6f\04\77\61\72\6e"
    "\05\65\72\72\6f\72\04\00\05\6c\65\76\65\6c\03\00\00\01\40\02\05\6c\65\76\65\6c\01\04\74\65\78\74\73\01\00\04"
    "\00\03\6c\6f\67\01\02\03\00\19\77\61\70\70\61\3a\70\72\6f\63\65\73\73\6f\72\2f\6c\6f\67\40\30\2e\31\2e\30\05"
    "\00\01\42\02\01\40\02\04\6e\61\6d\65\73\05\64\65\6c\74\61\77\01\00\04\00\0b\63\6f\75\6e\74\65\72\2d\61\64\64"
    "\01\00\03\00\1d\77\61\70\70\61\3a\70\72\6f\63\65\73\73\6f\72\2f\6d\65\74\72\69\63\73\40\30\2e\31\2e\30\05\01"
    "\01\42\25\01\70\7d\01\71\03\04\74\65\78\74\01\73\00\05\62\79\74\65\73\01\00\00\04\6a\73\6f\6e\01\73\00\04\00"
    "\05\76\61\6c\75\65\03\00\01\01\6f\02\73\02\01\70\03\01\72\02\07\63\6f\6e\74\65\6e\74\00\08\6d\65\74\61\64\61"
    "\74\61\04\04\00\07\6d\65\73\73\61\67\65\03\00\05\01\70\06\01\71\05\04\6b\65\65\70\00\00\06\66\69\6c\74\65\72"
    "\00\00\07\63\6f\6e\74\65\6e\74\01\00\00\04\73\65\6e\64\01\07\00\04\66\61\69\6c\01\73\00\04\00\0b\64\69\73\70"
    "\6f\73\69\74\69\6f\6e\03\00\08\04\00\05\62\61\74\63\68\03\01\01\68\0a\01\40\01\04\73\65\6c\66\0b\00\79\04\00"
    "\11\5b\6d\65\74\68\6f\64\5d\62\61\74\63\68\2e\6c\65\6e\01\0c\01\40\02\04\73\65\6c\66\0b\05\69\6e\64\65\78\79"
    "\00\00\04\00\15\5b\6d\65\74\68\6f\64\5d\62\61\74\63\68\2e\63\6f\6e\74\65\6e\74\01\0d\01\70\79\01\6f\02\00\0e"
    "\01\40\01\04\73\65\6c\66\0b\00\0f\04\00\16\5b\6d\65\74\68\6f\64\5d\62\61\74\63\68\2e\63\6f\6e\74\65\6e\74\73"
    "\01\10\01\6b\02\01\40\03\04\73\65\6c\66\0b\05\69\6e\64\65\78\79\03\6b\65\79\73\00\11\04\00\1a\5b\6d\65\74\68"
    "\6f\64\5d\62\61\74\63\68\2e\67\65\74\2d\6d\65\74\61\64\61\74\61\01\12\01\40\02\04\73\65\6c\66\0b\05\69\6e\64"
    "\65\78\79\00\04\04\00\16\5b\6d\65\74\68\6f\64\5d\62\61\74\63\68\2e\6d\65\74\61\64\61\74\61\01\13\01\40\04\04"
    "\73\65\6c\66\0b\05\69\6e\64\65\78\79\03\6b\65\79\73\05\76\61\6c\75\65\02\01\00\04\00\1a\5b\6d\65\74\68\6f\64"
    "\5d\62\61\74\63\68\2e\73\65\74\2d\6d\65\74\61\64\61\74\61\01\14\01\40\03\04\73\65\6c\66\0b\05\69\6e\64\65\78"
    "\79\03\6b\65\79\73\00\7f\04\00\1d\5b\6d\65\74\68\6f\64\5d\62\61\74\63\68\2e\64\65\6c\65\74\65\2d\6d\65\74\61"
    "\64\61\74\61\01\15\01\6b\73\01\40\02\04\73\65\6c\66\0b\05\69\6e\64\65\78\79\00\16\04\00\13\5b\6d\65\74\68\6f"
    "\64\5d\62\61\74\63\68\2e\65\72\72\6f\72\01\17\01\40\02\04\73\65\6c\66\0b\05\69\6e\64\65\78\79\01\00\04\00\19"
    "\5b\6d\65\74\68\6f\64\5d\62\61\74\63\68\2e\63\6c\65\61\72\2d\65\72\72\6f\72\01\18\01\6f\02\79\79\01\40\02\04"
    "\73\65\6c\66\0b\05\69\6e\64\65\78\79\00\19\04\00\16\5b\6d\65\74\68\6f\64\5d\62\61\74\63\68\2e\70\6f\73\69\74"
    "\69\6f\6e\01\1a\03\00\1b\77\61\70\70\61\3a\70\72\6f\63\65\73\73\6f\72\2f\74\79\70\65\73\40\30\2e\31\2e\30\05"
    "\02\02\03\00\02\05\62\61\74\63\68\02\03\00\02\0b\64\69\73\70\6f\73\69\74\69\6f\6e\01\42\0d\02\03\02\01\03\04"
    "\00\05\62\61\74\63\68\03\00\00\02\03\02\01\04\04\00\0b\64\69\73\70\6f\73\69\74\69\6f\6e\03\00\02\01\6f\02\73"
    "\73\01\70\04\01\6a\00\01\73\01\40\01\06\63\6f\6e\66\69\67\05\00\06\04\00\09\63\6f\6e\66\69\67\75\72\65\01\07"
    "\01\69\01\01\70\03\01\40\01\05\62\61\74\63\68\08\00\09\04\00\07\70\72\6f\63\65\73\73\01\0a\04\00\1f\77\61\70"
    "\70\61\3a\70\72\6f\63\65\73\73\6f\72\2f\74\72\61\6e\73\66\6f\72\6d\40\30\2e\31\2e\30\05\05\04\00\1f\77\61\70"
    "\70\61\3a\70\72\6f\63\65\73\73\6f\72\2f\70\72\6f\63\65\73\73\6f\72\40\30\2e\31\2e\30\04\00\0b\0f\01\00\09\70"
    "\72\6f\63\65\73\73\6f\72\03\00\00\00\2f\09\70\72\6f\64\75\63\65\72\73\01\0c\70\72\6f\63\65\73\73\65\64\2d\62"
    "\79\01\0d\77\69\74\2d\63\6f\6d\70\6f\6e\65\6e\74\07\30\2e\32\35\34\2e\32")
)
