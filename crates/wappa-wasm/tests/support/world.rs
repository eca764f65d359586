//! Guests that are components: a core module in text with the types of the world, as toolchains make them.

#![allow(dead_code, reason = "not every test makes every kind of component")]

use wasm_encoder::Encode;
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The types of the world, put into a core module.
pub(crate) fn with_types(wat: &str, wit: &str) -> Vec<u8> {
    let mut wasm = wat::parse_str(wat).expect("the text is right");
    let mut resolve = Resolve::default();
    let package = resolve.push_str("processor.wit", wit).expect("the WIT is right");
    let world = resolve.select_world(&[package], Some("processor")).expect("there is one");
    embed_component_metadata(&mut wasm, &resolve, world, StringEncoding::UTF8).expect("they fit");
    wasm
}

/// The component with so many core instances more, of this module.
pub(crate) fn with_instances(component: &[u8], module: &[u8], n: usize) -> Vec<u8> {
    let modules = wasmparser::Parser::new(0).parse_all(component);
    let is_module = |it: &wasmparser::Payload<'_>| matches!(it, wasmparser::Payload::ModuleSection { .. });
    let number = modules.filter(|it| it.as_ref().is_ok_and(is_module)).count() as u32;
    let mut instances = Vec::new();
    n.encode(&mut instances);
    for _ in 0..n {
        // Instantiated, with no arguments.
        instances.push(0);
        number.encode(&mut instances);
        instances.push(0);
    }
    let mut wasm = component.to_vec();
    for (section, content) in [(1, module), (2, &instances)] {
        wasm.push(section);
        content.encode(&mut wasm);
    }
    wasm
}

pub(crate) const WIT: &str = include_str!("../../../../guest/wit/processor.wit");

/// `k` keeps, `x` filters, `w` and `b` (large) replace the content, `s` sends two, `z` sends none, `f` fails, `t` traps,
/// `o` loops, `n` returns a short list, `m`, `j`, `J` set a key (text, JSON, no JSON), `d` deletes it, `g` gets it as
/// content, `c` clears the mark, `r` reads the mark, `p` says where the message is, `l` logs, `+` counts, `-` counts
/// under a bad name, `i` asks for a message that is not there, `q` keeps the batch, `u` uses the one that was kept,
/// `a` reads all contents at once.
pub(crate) const LETTERS: &str = include_str!("letters.wat");

/// Writes a number in six digits.
pub(crate) const SIX_DIGITS: &str = r#"
  (func $six_digits (param $at i32) (param $n i32) (local $i i32)
    (local.set $i (i32.const 6))
    (loop $next
      (local.set $i (i32.sub (local.get $i) (i32.const 1)))
      (i32.store8 (i32.add (local.get $at) (local.get $i))
        (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10))))
      (local.set $n (i32.div_u (local.get $n) (i32.const 10)))
      (br_if $next (local.get $i))))
"#;

/// Sends so many messages, empty ones, with the same keys of six digits, ascending or descending. The value of each is of
/// this case, and lies there. All of it is built from `$at` on.
pub(crate) const SEND: &str = r#"
  (func $sending (param $at i32) (param $messages i32) (param $keys i32) (param $descending i32) (param $case i32)
      (param $value i32) (param $length i32)
    (local $list i32) (local $entry i32) (local $key i32) (local $n i32)
    (local.set $list (i32.add (local.get $at) (i32.mul (i32.const 16) (local.get $messages))))
    (local.set $n (local.get $messages))
    (block $done (loop $next
      (br_if $done (i32.eqz (local.get $n)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (local.set $entry (i32.add (local.get $at) (i32.mul (i32.const 16) (local.get $n))))
      (i64.store (local.get $entry) (i64.const 0))
      (i32.store offset=8 (local.get $entry) (local.get $list))
      (i32.store offset=12 (local.get $entry) (local.get $keys))
      (br $next)))
    (local.set $entry (local.get $list))
    (local.set $key (i32.add (local.get $list) (i32.mul (i32.const 20) (local.get $keys))))
    (local.set $n (local.get $keys))
    (block $done (loop $next
      (br_if $done (i32.eqz (local.get $n)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (call $six_digits (local.get $key)
        (if (result i32) (local.get $descending)
          (then (local.get $n)) (else (i32.sub (local.get $keys) (local.get $n)))))
      (i32.store (local.get $entry) (local.get $key))
      (i32.store offset=4 (local.get $entry) (i32.const 6))
      (i32.store offset=8 (local.get $entry) (local.get $case))
      (i32.store offset=12 (local.get $entry) (local.get $value))
      (i32.store offset=16 (local.get $entry) (local.get $length))
      (local.set $entry (i32.add (local.get $entry) (i32.const 20)))
      (local.set $key (i32.add (local.get $key) (i32.const 6)))
      (br $next)))
    (call $dispose (i32.const 3) (local.get $at) (local.get $messages)))
"#;

/// The part of WASI 0.2 that tests call by itself: what a world imports, and the packages.
pub(crate) const WASI: (&str, &str) = (
    "import wasi:io/poll@0.2.0; import wasi:io/streams@0.2.0; import wasi:clocks/monotonic-clock@0.2.0;
     import wasi:cli/stdin@0.2.0; import wasi:cli/stdout@0.2.0; import wasi:random/random@0.2.0;
     import wasi:filesystem/types@0.2.0; import wasi:filesystem/preopens@0.2.0;
     import wasi:sockets/tcp-create-socket@0.2.0; import wasi:sockets/udp-create-socket@0.2.0;",
    r#"
    package wasi:io@0.2.0 {
      interface error { resource error; }
      interface poll { resource pollable { ready: func() -> bool; block: func(); }
        poll: func(in: list<borrow<pollable>>) -> list<u32>; }
      interface streams { use error.{error}; use poll.{pollable};
        variant stream-error { last-operation-failed(error), closed }
        resource input-stream {
          read: func(len: u64) -> result<list<u8>, stream-error>;
          blocking-read: func(len: u64) -> result<list<u8>, stream-error>;
          skip: func(len: u64) -> result<u64, stream-error>;
          blocking-skip: func(len: u64) -> result<u64, stream-error>;
          subscribe: func() -> pollable; }
        resource output-stream {
          check-write: func() -> result<u64, stream-error>;
          write: func(contents: list<u8>) -> result<_, stream-error>;
          flush: func() -> result<_, stream-error>;
          blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
          blocking-flush: func() -> result<_, stream-error>;
          subscribe: func() -> pollable;
          write-zeroes: func(len: u64) -> result<_, stream-error>;
          blocking-write-zeroes-and-flush: func(len: u64) -> result<_, stream-error>;
          blocking-splice: func(src: borrow<input-stream>, len: u64) -> result<u64, stream-error>; } }
    }
    package wasi:clocks@0.2.0 {
      interface monotonic-clock { use wasi:io/poll@0.2.0.{pollable};
        now: func() -> u64;
        subscribe-duration: func(when: u64) -> pollable; subscribe-instant: func(when: u64) -> pollable; }
    }
    package wasi:cli@0.2.0 {
      interface stdin { use wasi:io/streams@0.2.0.{input-stream}; get-stdin: func() -> input-stream; }
      interface stdout { use wasi:io/streams@0.2.0.{output-stream}; get-stdout: func() -> output-stream; }
    }
    package wasi:filesystem@0.2.0 {
      interface types { use wasi:io/streams@0.2.0.{input-stream, output-stream};
        enum descriptor-type { unknown, block-device, character-device, directory, fifo, symbolic-link, regular-file,
          socket }
        record directory-entry { %type: descriptor-type, name: string }
        resource directory-entry-stream {
          read-directory-entry: func() -> result<option<directory-entry>, error-code>; }
        flags path-flags { symlink-follow }
        flags open-flags { create, directory, exclusive, truncate }
        flags descriptor-flags { read, write, file-integrity-sync, data-integrity-sync, requested-write-sync,
          mutate-directory }
        enum error-code { access, would-block, already, bad-descriptor, busy, deadlock, quota, exist, file-too-large,
          illegal-byte-sequence, in-progress, interrupted, invalid, io, is-directory, loop, too-many-links,
          message-size, name-too-long, no-device, no-entry, no-lock, insufficient-memory, insufficient-space,
          not-directory, not-empty, not-recoverable, unsupported, no-tty, no-such-device, overflow, not-permitted,
          pipe, read-only, invalid-seek, text-file-busy, cross-device }
        record metadata-hash-value { lower: u64, upper: u64 }
        resource descriptor {
          write-via-stream: func(offset: u64) -> result<output-stream, error-code>;
          append-via-stream: func() -> result<output-stream, error-code>;
          get-flags: func() -> result<descriptor-flags, error-code>;
          get-type: func() -> result<descriptor-type, error-code>;
          set-size: func(size: u64) -> result<_, error-code>;
          write: func(buffer: list<u8>, offset: u64) -> result<u64, error-code>;
          create-directory-at: func(path: string) -> result<_, error-code>;
          link-at: func(old-path-flags: path-flags, old-path: string, new-descriptor: borrow<descriptor>,
            new-path: string) -> result<_, error-code>;
          readlink-at: func(path: string) -> result<string, error-code>;
          remove-directory-at: func(path: string) -> result<_, error-code>;
          rename-at: func(old-path: string, new-descriptor: borrow<descriptor>, new-path: string)
            -> result<_, error-code>;
          symlink-at: func(old-path: string, new-path: string) -> result<_, error-code>;
          unlink-file-at: func(path: string) -> result<_, error-code>;
          is-same-object: func(other: borrow<descriptor>) -> bool;
          metadata-hash: func() -> result<metadata-hash-value, error-code>;
          metadata-hash-at: func(path-flags: path-flags, path: string) -> result<metadata-hash-value, error-code>;
          sync: func() -> result<_, error-code>;
          read-via-stream: func(offset: u64) -> result<input-stream, error-code>;
          read-directory: func() -> result<directory-entry-stream, error-code>;
          read: func(length: u64, offset: u64) -> result<tuple<list<u8>, bool>, error-code>;
          open-at: func(path-flags: path-flags, path: string, open-flags: open-flags, %flags: descriptor-flags)
            -> result<descriptor, error-code>; } }
      interface preopens { use types.{descriptor}; get-directories: func() -> list<tuple<descriptor, string>>; }
    }
    package wasi:random@0.2.0 { interface random { get-random-bytes: func(len: u64) -> list<u8>; } }
    package wasi:sockets@0.2.0 {
      interface network {
        enum error-code { unknown, access-denied, not-supported, invalid-argument, out-of-memory, timeout,
          concurrency-conflict, not-in-progress, would-block, invalid-state, new-socket-limit, address-not-bindable,
          address-in-use, remote-unreachable, connection-refused, connection-reset, connection-aborted,
          datagram-too-large, name-unresolvable, temporary-resolver-failure, permanent-resolver-failure }
        enum ip-address-family { ipv4, ipv6 } }
      interface tcp { resource tcp-socket; }
      interface udp { resource udp-socket; }
      interface tcp-create-socket { use network.{error-code, ip-address-family}; use tcp.{tcp-socket};
        create-tcp-socket: func(address-family: ip-address-family) -> result<tcp-socket, error-code>; }
      interface udp-create-socket { use network.{error-code, ip-address-family}; use udp.{udp-socket};
        create-udp-socket: func(address-family: ip-address-family) -> result<udp-socket, error-code>; }
    }"#,
);
