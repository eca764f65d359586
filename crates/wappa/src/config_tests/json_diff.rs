//! Two JSON documents side by side, as Bento prints them: with what only one of them has, and what differs, in color.
//! Colors are all that tells them apart, so they are there also where nothing else is colored, as in Bento.

use std::collections::BTreeSet;

use bytes::Bytes;
use wappa_message::{Array, Object, Text, Value};
use wappa_spec::is_printable;

const ADDED: &str = "\x1b[0;32m";
const REMOVED: &str = "\x1b[0;31m";
const CHANGED: &str = "\x1b[0;33m";
const END: &str = "\x1b[0m";
const INDENT: &str = "    ";

/// How much is printed of two documents; of what is longer nobody reads the end.
const PRINTED_BYTES_MAX: usize = 1 << 20;

/// How one document is to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Match {
    /// They say the same.
    Full,
    /// It has all that the other one has, and more.
    Superset,
    /// It lacks something, or something differs.
    None,
}

/// Compares the first JSON document of each text. The error says which of them is none.
pub(super) fn compare(found: &Bytes, expected: &Bytes) -> Result<(Match, String), &'static str> {
    match (Value::from_json_first(found), Value::from_json_first(expected)) {
        (Ok(found), Ok(expected)) => {
            let mut diff = Diff { out: String::new(), level: 0, result: Match::Full };
            diff.value(&found, &expected);
            Ok((diff.result, diff.out))
        }
        (Err(_), Err(_)) => Err("both arguments are invalid json"),
        (Err(_), Ok(_)) => Err("first argument is invalid json"),
        (Ok(_), Err(_)) => Err("second argument is invalid json"),
    }
}

struct Diff {
    out: String,
    level: usize,
    result: Match,
}

impl Diff {
    fn put(&mut self, text: &str) {
        if self.out.len() < PRINTED_BYTES_MAX {
            self.out.push_str(text);
        }
    }

    fn saw(&mut self, result: Match) {
        self.result = self.result.max(result);
    }

    /// Ends a line; a color ends with it, and goes on in the next one.
    fn line(&mut self, color: Option<&str>) {
        if color.is_some() {
            self.put(END);
        }
        self.put("\n");
        for _ in 0..self.level {
            self.put(INDENT);
        }
        self.put(color.unwrap_or_default());
    }

    fn value(&mut self, found: &Value, expected: &Value) {
        match (found, expected) {
            (Value::Array(found), Value::Array(expected)) => self.arrays(found, expected),
            (Value::Object(found), Value::Object(expected)) => self.objects(found, expected),
            _ if scalar(found).is_some() && scalar(found) == scalar(expected) => {
                self.whole(found, None);
            }
            _ => {
                self.saw(Match::None);
                self.put(CHANGED);
                self.brief(found);
                self.put(" => ");
                self.brief(expected);
                self.put(END);
            }
        }
    }

    fn arrays(&mut self, found: &Array, expected: &Array) {
        let n = found.len().max(expected.len());
        let pairs = (0..n).map(|idx| (None, found.get(idx), expected.get(idx)));
        self.pairs(n, ["[", "]"], pairs);
    }

    fn objects(&mut self, found: &Object, expected: &Object) {
        let keys: BTreeSet<Vec<u8>> =
            found.keys().chain(expected.keys()).map(|it| it.as_slice().to_vec()).collect();
        let pairs = keys.iter().map(|key| (Some(key.as_slice()), found.get(key), expected.get(key)));
        self.pairs(keys.len(), ["{", "}"], pairs);
    }

    /// What a list or an object has, item by item.
    fn pairs<'k>(
        &mut self,
        n: usize,
        [open, close]: [&str; 2],
        pairs: impl Iterator<Item = (Option<&'k [u8]>, Option<Value>, Option<Value>)>,
    ) {
        self.put(open);
        if n == 0 {
            return self.put(close);
        }
        self.level += 1;
        self.line(None);
        for (idx, (key, found, expected)) in pairs.enumerate() {
            let alone = match (&found, &expected) {
                (Some(found), None) => Some((REMOVED, found, Match::Superset)),
                (None, Some(expected)) => Some((ADDED, expected, Match::None)),
                _ => None,
            };
            self.put(alone.map_or("", |it| it.0));
            if let Some(key) = key {
                self.quoted(key);
                self.put(": ");
            }
            match (alone, &found, &expected) {
                (Some((color, value, result)), ..) => {
                    self.saw(result);
                    self.whole(value, Some(color));
                    self.put(END);
                }
                (None, Some(found), Some(expected)) => self.value(found, expected),
                (None, ..) => unreachable!("one of them has it"),
            }
            if idx + 1 < n {
                self.put(",");
            } else {
                self.level -= 1;
            }
            self.line(None);
        }
        self.put(close);
    }

    /// Lists and objects without what is in them.
    fn brief(&mut self, value: &Value) {
        match value {
            Value::Array(_) => self.put("[]"),
            Value::Object(_) => self.put("{}"),
            _ => self.whole(value, None),
        }
    }

    fn whole(&mut self, value: &Value, color: Option<&str>) {
        match value {
            Value::Array(items) => {
                let items = items.iter().map(|it| (None, it)).collect();
                self.all(["[", "]"], items, color);
            }
            Value::Object(object) => {
                let mut pairs: Vec<(Option<Text>, Value)> =
                    object.iter().map(|(key, value)| (Some(key), value)).collect();
                pairs.sort_by(|a, b| a.0.as_ref().map(Text::as_slice).cmp(&b.0.as_ref().map(Text::as_slice)));
                self.all(["{", "}"], pairs, color);
            }
            Value::Text(text) => self.quoted(text.as_slice()),
            other => self.put(&other.to_json()),
        }
    }

    fn all(&mut self, [open, close]: [&str; 2], items: Vec<(Option<Text>, Value)>, color: Option<&str>) {
        self.put(open);
        let n = items.len();
        if 0 < n {
            self.level += 1;
            self.line(color);
        }
        for (idx, (key, value)) in items.into_iter().enumerate() {
            if let Some(key) = key {
                self.quoted(key.as_slice());
                self.put(": ");
            }
            self.whole(&value, color);
            if idx + 1 < n {
                self.put(",");
            } else {
                self.level -= 1;
            }
            self.line(color);
        }
        self.put(close);
    }

    /// A text as Go quotes it.
    fn quoted(&mut self, text: &[u8]) {
        let mut out = String::with_capacity(text.len() + 2);
        out.push('"');
        for it in String::from_utf8_lossy(text).chars() {
            match it {
                '"' | '\\' => out.extend(['\\', it]),
                '\u{7}' => out.push_str("\\a"),
                '\u{8}' => out.push_str("\\b"),
                '\u{b}' => out.push_str("\\v"),
                '\u{c}' => out.push_str("\\f"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                it if is_printable(it) => out.push(it),
                it if it.is_ascii() => out.push_str(&format!("\\x{:02x}", it as u32)),
                it if (it as u32) < 0x10000 => out.push_str(&format!("\\u{:04x}", it as u32)),
                it => out.push_str(&format!("\\U{:08x}", it as u32)),
            }
        }
        out.push('"');
        self.put(&out);
    }
}

/// What a scalar is, with numbers as they are written; none for lists and objects.
fn scalar(value: &Value) -> Option<(bool, Bytes)> {
    match value {
        Value::Array(_) | Value::Object(_) => None,
        Value::Text(text) => Some((true, text.to_bytes())),
        other => Some((false, other.to_json_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(found: &'static str, expected: &'static str, shown: Expect) {
        let text = match compare(&Bytes::from(found), &Bytes::from(expected)) {
            Ok((result, text)) => format!("{result:?}\n{text}"),
            Err(text) => text.to_string(),
        };
        let colors = [(ADDED, "<added>"), (REMOVED, "<removed>"), (CHANGED, "<changed>"), (END, "<end>")];
        let text = colors.into_iter().fold(text, |text, (code, name)| text.replace(code, name));
        shown.assert_eq(&format!("{text}\n"));
    }

    #[test]
    fn documents_side_by_side() {
        check(
            r#"{"b":[1],"a":"x"} {}"#,
            r#"{ "a" : "x", "b" : [ 1 ] }"#,
            expect![[r#"
            Full
            {
                "a": "x",
                "b": [
                    1
                ]
            }
        "#]],
        );
        check(
            r#"{"a":1,"more":{"z":[],"y":[1,{"q":2}]}}"#,
            r#"{"a":1}"#,
            expect![[r#"
            Superset
            {
                "a": 1,
                <removed>"more": {<end>
                    <removed>"y": [<end>
                        <removed>1,<end>
                        <removed>{<end>
                            <removed>"q": 2<end>
                        <removed>}<end>
                    <removed>],<end>
                    <removed>"z": []<end>
                <removed>}<end>
            }
        "#]],
        );
        check(
            r#"{"a":[1,2.0,null,"1"],"b":{}}"#,
            r#"{"a":[1,2,null,1,true],"b":[0]}"#,
            expect![[r#"
            None
            {
                "a": [
                    1,
                    <changed>2.0 => 2<end>,
                    null,
                    <changed>"1" => 1<end>,
                    <added>true<end>
                ],
                "b": <changed>{} => []<end>
            }
        "#]],
        );
        check(
            "{}",
            "[]",
            expect![[r#"
            None
            <changed>{} => []<end>
        "#]],
        );
        check(
            "[]",
            "[]",
            expect![[r#"
            Full
            []
        "#]],
        );
        check(
            "\"\\u001b\\u009b\\n\\\"\"",
            "null",
            expect![[r#"
            None
            <changed>"\x1b\u009b\n\"" => null<end>
        "#]],
        );
    }

    #[test]
    fn what_is_no_document() {
        check(
            "x",
            "y",
            expect![[r#"
            both arguments are invalid json
        "#]],
        );
        check(
            "x",
            "1",
            expect![[r#"
            first argument is invalid json
        "#]],
        );
        check(
            "1",
            "",
            expect![[r#"
            second argument is invalid json
        "#]],
        );
    }
}
