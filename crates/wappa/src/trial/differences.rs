//! What differs between two messages, for people.

use std::{collections::BTreeSet, str, time::Duration};

use similar::TextDiff;
use wappa_message::Object;

use crate::{
    config_tests::are_equal,
    guest::text::{hex_dump, printable},
};

/// Of how much of two contents the difference is looked for, in bytes each. Behind that nobody reads.
const COMPARED_BYTES_MAX: usize = 64 << 10;

/// How long a difference is looked for before a longer one does.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many metadata are shown, and how much of each.
const SHOWN_METADATA_MAX: usize = 20;
const SHOWN_CHARS_MAX: usize = 1000;

/// A message as a side prints it.
pub(super) struct Printed {
    pub(super) content: Vec<u8>,
    pub(super) metadata: Object,
    pub(super) error: Option<String>,
}

impl Printed {
    /// All of it, each line behind a sign.
    pub(super) fn whole(&self, sign: char) -> String {
        let mut out: String = lines(cut(&self.content)).lines().map(|it| format!("{sign}{it}\n")).collect();
        for (key, value) in self.metadata.iter().take(SHOWN_METADATA_MAX) {
            out.push_str(&metadatum(sign, key.as_slice(), &value.to_json()));
        }
        out.push_str(&self.error_line(sign));
        out
    }

    fn error_line(&self, sign: char) -> String {
        self.error.as_ref().map(|it| format!("{sign}error: {}\n", shown(it))).unwrap_or_default()
    }
}

/// What differs; none: nothing. `has_words`: what failed has to say the same.
pub(super) fn differences(one: &Printed, other: &Printed, has_words: bool) -> Option<String> {
    let mut out = String::new();
    if one.content != other.content {
        out.push_str(&contents(&one.content, &other.content));
    }
    let keys: BTreeSet<Vec<u8>> =
        one.metadata.keys().chain(other.metadata.keys()).map(|it| it.as_slice().to_vec()).collect();
    let differs = keys.iter().filter(|key| match (one.metadata.get(key), other.metadata.get(key)) {
        (Some(a), Some(b)) => !are_equal(&a, &b),
        _ => true,
    });
    for (n, key) in differs.enumerate() {
        if n == SHOWN_METADATA_MAX {
            out.push_str("and more metadata\n");
            break;
        }
        for (sign, side) in [('-', one), ('+', other)] {
            if let Some(value) = side.metadata.get(key) {
                out.push_str(&metadatum(sign, key, &value.to_json()));
            }
        }
    }
    let is_same = match has_words {
        true => one.error == other.error,
        false => one.error.is_some() == other.error.is_some(),
    };
    if !is_same {
        out.push_str(&one.error_line('-'));
        out.push_str(&other.error_line('+'));
    }
    (!out.is_empty()).then_some(out)
}

fn metadatum(sign: char, key: &[u8], json: &str) -> String {
    format!("{sign}meta {}: {}\n", shown(&String::from_utf8_lossy(key)), shown(json))
}

fn shown(text: &str) -> String {
    printable(&text.chars().take(SHOWN_CHARS_MAX).collect::<String>())
}

fn cut(content: &[u8]) -> &[u8] {
    &content[..content.len().min(COMPARED_BYTES_MAX)]
}

fn contents(one: &[u8], other: &[u8]) -> String {
    let place = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    if COMPARED_BYTES_MAX <= place {
        return format!("contents differ from byte {place} on\n");
    }
    let documents = document(one).zip(document(other)).filter(|(a, b)| a != b);
    let (mut a, mut b) = documents.unwrap_or_else(|| (lines(cut(one)), lines(cut(other))));
    if a == b {
        // Text and bytes that look the same, or white space.
        (a, b) = (bytes(cut(one)), bytes(cut(other)));
    }
    let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(&a, &b);
    let unified = diff.unified_diff().context_radius(3).missing_newline_hint(false).to_string();
    format!("{}\n", unified.trim_end_matches('\n'))
}

/// A document of JSON over several lines, where it is a small one.
fn document(content: &[u8]) -> Option<String> {
    if COMPARED_BYTES_MAX < content.len()
        || !content.trim_ascii_start().starts_with(b"{") && !content.trim_ascii_start().starts_with(b"[")
    {
        return None;
    }
    let value: serde_json::Value = serde_json::from_slice(content).ok()?;
    let text = serde_json::to_string_pretty(&value).ok()?;
    Some(text.lines().map(|it| format!("{}\n", printable(it))).collect())
}

/// Text as it is, in which what controls a terminal is visible; bytes in hexadecimal.
fn lines(content: &[u8]) -> String {
    match str::from_utf8(content) {
        Ok(text) => text.split('\n').map(|it| format!("{}\n", printable(it))).collect(),
        Err(_) => bytes(content),
    }
}

fn bytes(content: &[u8]) -> String {
    hex_dump(content).iter().map(|it| format!("{it}\n")).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use expect_test::{Expect, expect};
    use wappa_message::Value;

    use super::*;

    fn printed(content: &[u8], metadata: &'static str, error: Option<&str>) -> Printed {
        let Ok(Value::Object(metadata)) = Value::from_json(&Bytes::from(metadata)) else {
            panic!("metadata are an object")
        };
        Printed { content: content.to_vec(), metadata, error: error.map(str::to_string) }
    }

    fn check(one: &Printed, other: &Printed, expected: Expect) {
        expected.assert_eq(&differences(one, other, true).unwrap_or_else(|| "nothing\n".to_string()));
    }

    #[test]
    fn contents_are_compared_line_by_line() {
        let of = |content: &[u8]| printed(content, "{}", None);
        check(&of(b"a"), &of(b"a"), expect!["nothing\n"]);
        check(
            &of(br#"{"a":1,"b":[1,2],"c":"x"}"#),
            &of(br#"{"a":1,"b":[1,3],"c":"x"}"#),
            expect![[r#"
            @@ -2,7 +2,7 @@
               "a": 1,
               "b": [
                 1,
            -    2
            +    3
               ],
               "c": "x"
             }
        "#]],
        );
        check(
            &of(br#"{"a":1}"#),
            &of(br#"{"a": 1}"#),
            expect![[r#"
            @@ -1 +1 @@
            -{"a":1}
            +{"a": 1}
        "#]],
        );
        check(
            &of(b"one\ntwo\nthree"),
            &of(b"one\n2\nthree"),
            expect![[r#"
            @@ -1,3 +1,3 @@
             one
            -two
            +2
             three
        "#]],
        );
        check(
            &of(b"a\x1b[31m"),
            &of(b"a"),
            expect![[r#"
            @@ -1 +1 @@
            -a\u{1b}[31m
            +a
        "#]],
        );
        check(
            &of(b"\xff\x00"),
            &of(b"\xff\x01"),
            expect![[r#"
            @@ -1 +1 @@
            -000000  ff 00                                             ..
            +000000  ff 01                                             ..
        "#]],
        );
    }

    #[test]
    fn metadata_and_marks_count() {
        let one = printed(b"a", r#"{"n":1,"only":true,"same":"x"}"#, Some("no"));
        let other = printed(b"a", r#"{"n":2,"same":"x","z":[]}"#, None);
        check(
            &one,
            &other,
            expect![[r#"
            -meta n: 1
            +meta n: 2
            -meta only: true
            +meta z: []
            -error: no
        "#]],
        );
        assert_eq!(
            differences(&one, &printed(b"a", r#"{"n":1.0,"only":true,"same":"x"}"#, Some("other")), false),
            None
        );
    }
}
