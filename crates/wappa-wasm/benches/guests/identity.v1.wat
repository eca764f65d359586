;; Reads the content and writes it back, in interface v1.
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
  (func (export "process")
    (loop $again
      (call $content_write (i32.const 1024) (call $read))
      (br_if $again (i32.eq (call $next) (i32.const 1))))))
