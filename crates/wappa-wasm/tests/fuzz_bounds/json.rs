//! JSON that takes much more as a value than as a text.

use std::fmt::Write;

use crate::random::Random;

const ITEMS: [&str; 13] = [
    r#"{"":0}"#,
    "[]",
    "{}",
    "0",
    "null",
    r#""""#,
    "[[]]",
    r#"{"":{}}"#,
    "1.5",
    r#""\u001b""#,
    r#"[{"":[]}]"#,
    "true",
    "18446744073709551615",
];

/// A text of about so many bytes that costs as much as any for its length: lists and objects of what is short, in
/// memory, and escapes in time.
pub(crate) fn dear(random: &mut Random, bytes: usize) -> String {
    let item = *random.pick(&["0,", "[],", "{},", "1.5,", r#"{"":0},"#, r#""","#]);
    match random.below(4) {
        0 => format!("\"{}\"", "\\u00e9".repeat(bytes / 6)),
        1 => object(bytes, 0..bytes / 11),
        _ => format!("[{}0]", item.repeat(bytes / item.len())),
    }
}

/// A text of about so many bytes, of one repeated shape or several.
pub(crate) fn text(random: &mut Random, bytes: usize) -> String {
    match random.below(8) {
        // Keys in descending order.
        0 => object(bytes, (0..bytes / 11).rev()),
        1 => object(bytes, 0..bytes / 11),
        // The same ones again and again.
        2 => object(bytes, (0..bytes / 11).map(|it| it % 3)),
        3 => {
            let depth = (bytes / 2).min([100, 127, 128, 100_000][random.below(4)]);
            "[".repeat(depth) + &"]".repeat(depth)
        }
        4 => {
            let mut out = String::from("[");
            while out.len() < bytes {
                out += *random.pick(&ITEMS);
                out.push(',');
            }
            out + "0]"
        }
        5 => format!("\"{}\"", "\\u00e9".repeat(bytes / 6)),
        _ => {
            // The one that takes the most for its text comes most often.
            let item = format!("{},", if random.one_in(2) { ITEMS[0] } else { *random.pick(&ITEMS) });
            format!("[{}0]", item.repeat(bytes / item.len()))
        }
    }
}

fn object(bytes: usize, keys: impl Iterator<Item = usize>) -> String {
    let mut out = String::with_capacity(bytes + 16);
    out.push('{');
    for key in keys {
        write!(out, "\"{key:06}\":0,").expect("a string takes it");
    }
    out + "\"\":0}"
}
