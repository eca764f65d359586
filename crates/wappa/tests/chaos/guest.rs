//! The module of the members, in two versions, which say in the first letter of each message which they are.

use std::{fs, path::Path};

pub(crate) const FILE: &str = "guest.wat";

/// In the order of the alphabet.
pub(crate) const VERSIONS: [char; 2] = ['A', 'B'];

/// Whether the module traps on this number: two of a hundred.
pub(crate) fn fails(number: u32) -> bool {
    number % 50 == 7
}

/// Puts a version in the place of the one that is there, in one piece.
pub(crate) fn write(path: &Path, version: char) {
    let new = path.with_extension("new");
    fs::write(&new, text(version)).expect("it can be written");
    fs::rename(new, path).expect("it can be put there");
}

/// The same as somebody does it who has got half of it up to now.
pub(crate) fn write_half(path: &Path, version: char) {
    let text = text(version);
    fs::write(path, &text[..text.len() / 2]).expect("it can be written");
}

fn text(version: char) -> String {
    TEXT.replace("VERSION", &u32::from(version).to_string())
}

/// Of interface v0. A message is a letter and seven digits.
const TEXT: &str = r#"(module
  (import "bento_wasm" "v0_msg_as_bytes" (func $as_bytes (result i64)))
  (import "bento_wasm" "v0_msg_set_bytes" (func $set_bytes (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "process")
    (local $content i64) (local $start i32) (local $tens i32)
    (local.set $content (call $as_bytes))
    (local.set $start (i32.wrap_i64 (i64.shr_u (local.get $content) (i64.const 32))))
    (local.set $tens (i32.load8_u offset=6 (local.get $start)))
    (if (i32.and
          (i32.eq (i32.load8_u offset=7 (local.get $start)) (i32.const 55))
          (i32.or (i32.eq (local.get $tens) (i32.const 48)) (i32.eq (local.get $tens) (i32.const 53))))
      (then unreachable))
    (i32.store8 (local.get $start) (i32.const VERSION))
    (call $set_bytes (local.get $start) (i32.wrap_i64 (local.get $content))))
  (func (export "malloc") (param i32) (result i32) (i32.const 1024))
  (func (export "free") (param i32)))
"#;
