//! Documents as a model has them: made at random, written in many ways, and printed in the one way there is.

use std::{collections::BTreeMap, fmt::Write};

use wappa_message::{Number, Text, Value};

use crate::random::Random;

/// A value. Names of an object are in the order in which they are written, and may come twice.
#[derive(Clone, Debug)]
pub(crate) enum Doc {
    Word(&'static str),
    Number(String),
    Text(String),
    Array(Vec<Doc>),
    Object(Vec<(String, Doc)>),
}

const NAMES: [&str; 12] = [
    "a",
    "b",
    "key",
    "key_1",
    "key_10",
    "",
    "ä",
    "quote\"d",
    "line\nbreak",
    "a longer name than has its place in the value",
    "a longer name than has its place",
    "\u{2028}",
];

const NUMBERS: [&str; 12] = [
    "0",
    "-0",
    "1",
    "-17",
    "1.0",
    "1e3",
    "1E+5",
    "0.30000000000000004",
    "9223372036854775807",
    "9223372036854775808",
    "12345678901234567890123",
    "-1.50e-7",
];

const TEXTS: [&str; 12] = [
    "",
    "short",
    "just as long as it may",
    "one byte longer than is",
    "<a href=\"x\">&</a>",
    "back\\slash / and \u{7f}",
    "\u{0}\u{8}\u{c}\n\r\t\u{1f}",
    "grüße",
    "日本語のテキスト",
    "😀 and \u{fffd}",
    "\u{2028}\u{2029}",
    "a text that is somewhat longer, as texts of people are, and has no end that one could see from here",
];

impl Doc {
    pub(crate) fn random(random: &mut Random, depth: usize) -> Doc {
        match random.below(if depth == 0 { 4 } else { 8 }) {
            0 => Doc::Word(random.pick(&["null", "true", "false"])),
            1 => Doc::Number(random.pick(&NUMBERS).to_string()),
            2 | 3 => Doc::Text(random.pick(&TEXTS).to_string()),
            4 => Doc::Array((0..random.below(5)).map(|_| Doc::random(random, depth - 1)).collect()),
            // Few are large, so that both ways to find a name are gone.
            _ if random.once_in(60) => {
                let pair = |random: &mut Random| (format!("n{}", random.below(200)), Doc::random(random, 0));
                Doc::Object((0..150 + random.below(100)).map(|_| pair(random)).collect())
            }
            _ => Doc::random_object(random, depth),
        }
    }

    pub(crate) fn random_object(random: &mut Random, depth: usize) -> Doc {
        let mut pairs: Vec<(String, Doc)> = (0..random.below(6))
            .map(|_| (random.pick(&NAMES).to_string(), Doc::random(random, depth - 1)))
            .collect();
        // Half of them as an encoder that sorts writes them.
        if random.once_in(2) {
            pairs = pairs.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect();
        }
        Doc::Object(pairs)
    }

    /// One of the ways to write it.
    pub(crate) fn write(&self, random: &mut Random, style: Style, out: &mut String) {
        match self {
            Doc::Word(it) => out.push_str(it),
            Doc::Number(it) => out.push_str(it),
            Doc::Text(it) => write_text(it, random, style, out),
            Doc::Array(items) => {
                out.push('[');
                for (idx, it) in items.iter().enumerate() {
                    if 0 < idx {
                        out.push(',');
                    }
                    style.blanks(random, out);
                    it.write(random, style, out);
                    style.blanks(random, out);
                }
                out.push(']');
            }
            Doc::Object(pairs) => {
                out.push('{');
                for (idx, (name, it)) in pairs.iter().enumerate() {
                    if 0 < idx {
                        out.push(',');
                    }
                    style.blanks(random, out);
                    write_text(name, random, style, out);
                    style.blanks(random, out);
                    out.push(':');
                    style.blanks(random, out);
                    it.write(random, style, out);
                }
                style.blanks(random, out);
                out.push('}');
            }
        }
    }

    /// The one way to print it.
    pub(crate) fn print(&self, out: &mut String) {
        match self {
            Doc::Word(it) => out.push_str(it),
            Doc::Number(it) => out.push_str(it),
            Doc::Text(it) => print_text(it, out),
            Doc::Array(items) => {
                out.push('[');
                for (idx, it) in items.iter().enumerate() {
                    out.push_str(if idx == 0 { "" } else { "," });
                    it.print(out);
                }
                out.push(']');
            }
            Doc::Object(pairs) => {
                let pairs: BTreeMap<&String, &Doc> = pairs.iter().map(|(name, it)| (name, it)).collect();
                out.push('{');
                for (idx, (name, it)) in pairs.into_iter().enumerate() {
                    out.push_str(if idx == 0 { "" } else { "," });
                    print_text(name, out);
                    out.push(':');
                    it.print(out);
                }
                out.push('}');
            }
        }
    }

    pub(crate) fn printed(&self) -> String {
        let mut out = String::new();
        self.print(&mut out);
        out
    }

    /// The same, made of values.
    pub(crate) fn made(&self) -> Value {
        match self {
            Doc::Word("null") => Value::Null,
            Doc::Word(it) => Value::Bool(*it == "true"),
            Doc::Number(it) => match it.parse() {
                Ok(number) if it != "-0" => Value::Int(number),
                _ => Value::Number(Number::parse(it).expect("a number")),
            },
            Doc::Text(it) => Value::Text(Text::from(it.as_str())),
            Doc::Array(items) => Value::array(items.iter().map(Doc::made)).expect("not deep"),
            Doc::Object(pairs) => {
                let pairs = pairs.iter().map(|(name, it)| (name.as_str(), it.made()));
                Value::object(pairs).expect("not deep")
            }
        }
    }
}

/// How a document is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) is_spaced: bool,
    pub(crate) is_escaped: bool,
}

impl Style {
    fn blanks(self, random: &mut Random, out: &mut String) {
        if self.is_spaced {
            out.push_str(random.pick(&["", "", " ", "\n\t", "\r\n  "]));
        }
    }
}

fn write_text(text: &str, random: &mut Random, style: Style, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        let escape = match c {
            '"' | '\\' => Some(c),
            '\n' => Some('n'),
            '\r' => Some('r'),
            '\t' => Some('t'),
            '\u{8}' => Some('b'),
            '\u{c}' => Some('f'),
            '/' if style.is_escaped => Some('/'),
            _ => None,
        };
        match escape {
            Some(it) if !style.is_escaped || random.once_in(2) => out.extend(['\\', it]),
            None if !(c.is_ascii_control() || style.is_escaped && random.once_in(3)) => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    match random.once_in(2) {
                        true => write!(out, "\\u{unit:04x}").expect("a string grows"),
                        false => write!(out, "\\u{unit:04X}").expect("a string grows"),
                    }
                }
            }
        }
    }
    out.push('"');
}

fn print_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' | '\u{2028}' | '\u{2029}' => {
                write!(out, "\\u{:04x}", c as u32).expect("a string grows");
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
