//! Typed values, and how Bento prints them.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    sync::Arc,
};

use bytes::Bytes;

/// A typed value: what metadata hold.
///
/// Objects are ordered by key, because Bento writes them so.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A number as it was written, which may be longer than a machine number.
    Number(Arc<str>),
    /// Text; in metadata it may be any bytes.
    Text(Bytes),
    /// A list.
    Array(Vec<Value>),
    /// Names and values.
    Object(BTreeMap<String, Value>),
}

impl Value {
    /// Text, copied.
    pub fn text(text: impl AsRef<[u8]>) -> Value {
        Value::Text(Bytes::copy_from_slice(text.as_ref()))
    }

    /// The value as Bento turns it into text: text as it is, `null`, numbers in decimal, the rest as JSON, in which `<`,
    /// `>` and `&` are escaped.
    ///
    /// Source: Bento's `IToString`; compatibility reference, section 1.3.
    pub fn to_text(&self) -> Bytes {
        match self {
            Value::Text(text) => text.clone(),
            other => {
                let mut out = String::with_capacity(other.text_len());
                other.write_text(&mut out).expect("writing to a string cannot fail");
                Bytes::from(out)
            }
        }
    }

    /// The value as JSON: keys ordered, no white space, `<`, `>` and `&` as they are.
    pub fn to_json(&self) -> String {
        let mut out = String::with_capacity(self.json_len());
        self.write_json(&mut out).expect("writing to a string cannot fail");
        out
    }

    /// How long [`Value::to_text`] is, in bytes: see [`Value::json_len`].
    pub fn text_len(&self) -> usize {
        if let Value::Text(text) = self {
            return text.len();
        }
        let mut n = Counted(0);
        self.write_text(&mut n).expect("counting cannot fail");
        n.0
    }

    /// Writes what [`Value::to_text`] is, with U+FFFD for what is not UTF-8 in a text. The only errors are the writer's.
    pub fn write_text(&self, out: &mut impl Write) -> fmt::Result {
        match self {
            Value::Text(text) => out.write_str(&String::from_utf8_lossy(text)),
            // They stand in strings only.
            Value::Array(_) | Value::Object(_) => self.write_json(&mut WithoutMarkup(out)),
            other => other.write_json(out),
        }
    }

    /// How long the value is as JSON, in bytes. Escapes can make it six times as long as what is in it, so whoever bounds
    /// what a text may be asks before it is made.
    pub fn json_len(&self) -> usize {
        let mut n = Counted(0);
        self.write_json(&mut n).expect("counting cannot fail");
        n.0
    }

    /// What the value has allocated, in bytes: at least that much, and not more than twice as much. The value itself
    /// stands where its holder put it and does not count.
    pub fn size(&self) -> usize {
        match self {
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => 0,
            Value::Number(text) => text_bytes(text.len()),
            Value::Text(text) => text_bytes(text.len()),
            Value::Array(items) => {
                items.capacity() * size_of::<Value>() + items.iter().map(Value::size).sum::<usize>()
            }
            Value::Object(pairs) => {
                let inside = pairs.iter().map(|(key, value)| key.len() + value.size());
                object_bytes(pairs.len()) + inside.sum::<usize>()
            }
        }
    }

    /// Writes the value as JSON. The only errors are the writer's.
    pub fn write_json(&self, out: &mut impl Write) -> fmt::Result {
        match self {
            Value::Null => out.write_str("null"),
            Value::Bool(it) => out.write_str(if *it { "true" } else { "false" }),
            Value::Int(it) => write!(out, "{it}"),
            Value::Float(it) => write_float(*it, out),
            Value::Number(it) => out.write_str(it),
            Value::Text(it) => write_string(it, out),
            Value::Array(items) => {
                out.write_char('[')?;
                for (idx, item) in items.iter().enumerate() {
                    if 0 < idx {
                        out.write_char(',')?;
                    }
                    item.write_json(out)?;
                }
                out.write_char(']')
            }
            Value::Object(pairs) => {
                out.write_char('{')?;
                for (idx, (key, value)) in pairs.iter().enumerate() {
                    if 0 < idx {
                        out.write_char(',')?;
                    }
                    write_string(key.as_bytes(), out)?;
                    out.write_char(':')?;
                    value.write_json(out)?;
                }
                out.write_char('}')
            }
        }
    }
}

/// Counts what is written.
struct Counted(usize);

impl Write for Counted {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

/// What a text has beside its bytes: who shares it, and what the allocator keeps for itself.
pub(crate) const TEXT_BYTES: usize = 32;

/// What a text of so many bytes has allocated, in bytes.
pub fn text_bytes(n_bytes: usize) -> usize {
    if n_bytes == 0 { 0 } else { TEXT_BYTES + n_bytes }
}

/// What an object of so many names has allocated, in bytes, without the names' own texts and what the values have.
///
/// A map keeps up to eleven pairs together and makes room for all of them with the first; at least five are there when
/// it has more of them than one.
pub fn object_bytes(n_names: usize) -> usize {
    const PAIRS_OF_NODE: usize = 11;
    const PAIRS_OF_NODE_MIN: usize = 5;
    const NODE_BYTES: usize = PAIRS_OF_NODE * size_of::<(String, Value)>() + 16;
    // Nodes are held together by others, of which there are a sixth as many, each with twelve pointers more.
    n_names.div_ceil(PAIRS_OF_NODE_MIN + 1) * (NODE_BYTES + NODE_BYTES / 6)
}

/// Go's shortest form: an exponent below 1e-6 and from 1e21 on, at least two digits of it only where Go has them.
fn write_float(number: f64, out: &mut impl Write) -> fmt::Result {
    let magnitude = number.abs();
    if !number.is_finite() {
        // JSON has no word for these; Go refuses them, and a mark in the text is better than a lost message.
        out.write_str("null")
    } else if number != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').expect("the format has an exponent");
        let sign = if exponent.starts_with('-') { "" } else { "+" };
        write!(out, "{digits}e{sign}{exponent}")
    } else {
        write!(out, "{number}")
    }
}

fn write_string(text: &[u8], out: &mut impl Write) -> fmt::Result {
    out.write_char('"')?;
    for chunk in text.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some(at) = rest.find(|c: char| c < ' ' || matches!(c, '"' | '\\' | '\u{2028}' | '\u{2029}'))
        {
            out.write_str(&rest[..at])?;
            let c = rest[at..].chars().next().expect("it was just found");
            match c {
                '"' => out.write_str("\\\""),
                '\\' => out.write_str("\\\\"),
                '\n' => out.write_str("\\n"),
                '\r' => out.write_str("\\r"),
                '\t' => out.write_str("\\t"),
                '\u{8}' => out.write_str("\\b"),
                '\u{c}' => out.write_str("\\f"),
                '\u{2028}' => out.write_str("\\u2028"),
                '\u{2029}' => out.write_str("\\u2029"),
                // Two digits are all that is left. Formatting them would take most of the time of a text of these.
                c => {
                    let digit = |it: u32| char::from_digit(it, 16).expect("four bits are a digit");
                    out.write_str("\\u00")?;
                    out.write_char(digit(c as u32 >> 4))?;
                    out.write_char(digit(c as u32 & 15))
                }
            }?;
            rest = &rest[at + c.len_utf8()..];
        }
        out.write_str(rest)?;
        if !chunk.invalid().is_empty() {
            out.write_char(char::REPLACEMENT_CHARACTER)?;
        }
    }
    out.write_char('"')
}

/// Escapes `<`, `>` and `&` in JSON.
struct WithoutMarkup<'a, W>(&'a mut W);

impl<W: Write> Write for WithoutMarkup<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let escape = |byte| match byte {
            b'<' => Some("\\u003c"),
            b'>' => Some("\\u003e"),
            b'&' => Some("\\u0026"),
            _ => None,
        };
        write_escaped(text, escape, self.0)
    }
}

/// Writes a text with escapes in the place of some of its ASCII: in runs, since a guest's text may be all escapes and
/// tens of mebibytes long.
fn write_escaped(
    text: &str,
    escape: impl Fn(u8) -> Option<&'static str>,
    out: &mut impl Write,
) -> fmt::Result {
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if let Some(escaped) = escape(byte) {
            if from < at {
                out.write_str(&text[from..at])?;
            }
            out.write_str(escaped)?;
            from = at + 1;
        }
    }
    if from < text.len() { out.write_str(&text[from..]) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever bounds what a text may be asks for its length first: a value of a guest may be tens of mebibytes of these.
    #[test]
    fn lengths_are_known_before_there_is_a_text() {
        let text = "a<b>&\u{1}\u{1f}\u{2028}\u{2029}\u{2027}\"\\\n\r\t\u{8}\u{c}é\u{7f}";
        let json = r#""a<b>&\u0001\u001f\u2028\u2029‧\"\\\n\r\t\b\fé"#.to_owned() + "\u{7f}\"";
        let escaped = json.replace('<', r"\u003c").replace('>', r"\u003e").replace('&', r"\u0026");
        let object = BTreeMap::from([("<".to_owned(), Value::text(text))]);
        for (value, json, as_text) in [
            (Value::text(text), json.clone(), text.to_owned()),
            (Value::Array(vec![Value::text(text)]), format!("[{json}]"), format!("[{escaped}]")),
            (Value::Object(object), format!("{{\"<\":{json}}}"), format!("{{\"\\u003c\":{escaped}}}")),
            (Value::Int(-7), "-7".to_owned(), "-7".to_owned()),
        ] {
            assert_eq!((value.to_json(), value.json_len()), (json.clone(), json.len()));
            assert_eq!((value.to_text(), value.text_len()), (as_text.clone().into(), as_text.len()));
        }
    }

    #[test]
    fn prints_as_bento_does() {
        let object = Value::Object(BTreeMap::from([
            ("b".to_string(), Value::Null),
            (
                "a".to_string(),
                Value::Array(vec![Value::Int(1), Value::Float(2.5), Value::Bool(true), Value::Null]),
            ),
        ]));
        let cases = [
            (object, r#"{"a":[1,2.5,true,null],"b":null}"#),
            (Value::Float(5.0), "5"),
            (Value::Float(0.1 + 0.2), "0.30000000000000004"),
            (Value::Float(1e22), "1e+22"),
            (Value::Float(1e-7), "1e-7"),
            (Value::Number("1.0".into()), "1.0"),
            (Value::text("<a & b>\n"), "<a & b>\n"),
            (Value::Array(vec![Value::text("<\"\n&>")]), r#"["\u003c\"\n\u0026\u003e"]"#),
        ];
        for (value, expected) in cases {
            assert_eq!(value.to_text(), expected);
            assert_eq!(value.json_len(), value.to_json().len());
        }
        let escaped = Value::text(b"a\xff\xfeb\x01\xe2\x80\xa8\"\\\t\xc3");
        assert_eq!(escaped.to_json(), "\"a\u{fffd}\u{fffd}b\\u0001\\u2028\\\"\\\\\\t\u{fffd}\"");
    }
}
