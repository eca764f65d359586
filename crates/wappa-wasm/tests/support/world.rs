//! Guests that are components: a core module in text with the types of the world, as toolchains make them.

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

pub(crate) const WIT: &str = include_str!("../../../../guest/wit/processor.wit");

/// `k` keeps, `x` filters, `w` and `b` (large) replace the content, `s` sends two, `z` sends none, `f` fails, `t` traps,
/// `o` loops, `n` returns a short list, `m`, `j`, `J` set a key (text, JSON, no JSON), `d` deletes it, `g` gets it as
/// content, `c` clears the mark, `r` reads the mark, `p` says where the message is, `l` logs, `+` counts, `-` counts
/// under a bad name, `i` asks for a message that is not there, `q` keeps the batch, `u` uses the one that was kept,
/// `a` reads all contents at once.
pub(crate) const LETTERS: &str = include_str!("letters.wat");
