//! JSON as the host keeps it in metadata: a string is text, the rest has no white space and its objects are ordered.

use std::{collections::BTreeMap, fmt::Write};

/// Deeper than anybody writes by hand, and no danger to the stack.
const DEPTH_MAX: usize = 128;

/// A value that was read.
#[derive(Debug, PartialEq)]
pub(super) enum Read {
    /// A string.
    Text(String),
    /// Anything else, in its normal form.
    Other(String),
}

/// Reads one value. `None` when the text is not JSON.
pub(super) fn read(text: &str) -> Option<Read> {
    let mut reader = Reader { rest: text, depth: 0 };
    reader.skip_space();
    let read = match reader.rest.as_bytes().first()? {
        b'"' => Read::Text(reader.string()?),
        _ => Read::Other(reader.value()?),
    };
    reader.skip_space();
    reader.rest.is_empty().then_some(read)
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl Reader<'_> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    /// Whether the text goes on with this, which is then behind us.
    fn take(&mut self, text: &str) -> bool {
        let after = self.rest.strip_prefix(text);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    /// Reads a value and gives its normal form.
    fn value(&mut self) -> Option<String> {
        self.depth += 1;
        if DEPTH_MAX < self.depth {
            return None;
        }
        self.skip_space();
        let value = match self.rest.as_bytes().first()? {
            b'{' => self.object(),
            b'[' => self.array(),
            b'"' => self.string().map(|it| quoted(&it)),
            b'-' | b'0'..=b'9' => self.number(),
            _ => ["null", "true", "false"].into_iter().find(|it| self.take(it)).map(str::to_string),
        };
        self.depth -= 1;
        self.skip_space();
        value
    }

    fn object(&mut self) -> Option<String> {
        let mut members = BTreeMap::new();
        self.take("{");
        self.skip_space();
        if !self.take("}") {
            loop {
                self.skip_space();
                let name = self.string()?;
                self.skip_space();
                if !self.take(":") {
                    return None;
                }
                members.insert(name, self.value()?);
                if self.take("}") {
                    break;
                }
                if !self.take(",") {
                    return None;
                }
            }
        }
        let members: Vec<String> =
            members.iter().map(|(name, value)| format!("{}:{value}", quoted(name))).collect();
        Some(format!("{{{}}}", members.join(",")))
    }

    fn array(&mut self) -> Option<String> {
        let mut items = Vec::new();
        self.take("[");
        self.skip_space();
        if !self.take("]") {
            loop {
                items.push(self.value()?);
                if self.take("]") {
                    break;
                }
                if !self.take(",") {
                    return None;
                }
            }
        }
        Some(format!("[{}]", items.join(",")))
    }

    fn number(&mut self) -> Option<String> {
        let all = self.rest;
        self.take("-");
        if !self.take("0") {
            self.digits()?;
        }
        if self.take(".") {
            self.digits()?;
        }
        if self.take("e") || self.take("E") {
            let _ = self.take("+") || self.take("-");
            self.digits()?;
        }
        Some(all[..all.len() - self.rest.len()].to_string())
    }

    fn digits(&mut self) -> Option<()> {
        let after = self.rest.trim_start_matches(|it: char| it.is_ascii_digit());
        let is_some = after.len() < self.rest.len();
        self.rest = after;
        is_some.then_some(())
    }

    fn string(&mut self) -> Option<String> {
        if !self.take("\"") {
            return None;
        }
        let mut out = String::new();
        loop {
            let mut chars = self.rest.chars();
            let c = chars.next()?;
            self.rest = chars.as_str();
            match c {
                '"' => return Some(out),
                '\\' => out.push(self.escape()?),
                c if c < ' ' => return None,
                c => out.push(c),
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        Some(match c {
            '"' | '\\' | '/' => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.unicode(),
            _ => return None,
        })
    }

    fn unicode(&mut self) -> Option<char> {
        let unit = self.hex()?;
        if !(0xd800..0xdc00).contains(&unit) {
            // Half of a pair without its other half stands for nothing.
            return Some(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let before = self.rest;
        if self.take("\\u") {
            let low = self.hex()?;
            if (0xdc00..0xe000).contains(&low) {
                return char::from_u32(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
            }
            self.rest = before;
        }
        Some(char::REPLACEMENT_CHARACTER)
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.rest.get(..4).filter(|it| it.bytes().all(|it| it.is_ascii_hexdigit()))?;
        self.rest = &self.rest[4..];
        u32::from_str_radix(digits, 16).ok()
    }
}

fn quoted(text: &str) -> String {
    let mut out = "\"".to_string();
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' || c == '\u{2028}' || c == '\u{2029}' => {
                write!(out, "\\u{:04x}", c as u32).expect("writing to a string cannot fail");
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_a_normal_form() {
        let cases = [
            (r#" { "b" : 1 , "a" : [ ] } "#, r#"{"a":[],"b":1}"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            ("[1, -0, 1.50, 2e+7, true, null, {}]", "[1,-0,1.50,2e+7,true,null,{}]"),
            (r#"["\u0041\n\/\ud83e\udd80\ud83e"]"#, "[\"A\\n/🦀\u{fffd}\"]"),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), Some(Read::Other(expected.to_string())), "{text}");
        }
        assert_eq!(read(r#" "a\"b" "#), Some(Read::Text("a\"b".to_string())));
    }

    #[test]
    fn what_is_not_json_is_refused() {
        let deep = "[".repeat(100_000);
        let cases = [
            "",
            " ",
            "nul",
            "01",
            "1.",
            "-",
            "+1",
            "1e",
            ".5",
            "[1,]",
            "[,]",
            "[1 2]",
            "{\"a\"}",
            "{a:1}",
            "{\"a\":1,}",
            "\"",
            "\"\n\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u+123\"",
            "1 2",
            "NaN",
            "[",
            "{",
            &deep,
        ];
        for text in cases {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
