//! Typed values, and how Bento prints them.

use std::{collections::BTreeMap, fmt::Write, sync::Arc};

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
            Value::Array(_) | Value::Object(_) => {
                // They stand in strings only.
                let json = self.to_json().replace('<', "\\u003c").replace('>', "\\u003e");
                Bytes::from(json.replace('&', "\\u0026"))
            }
            other => Bytes::from(other.to_json()),
        }
    }

    /// The value as JSON: keys ordered, no white space, `<`, `>` and `&` as they are.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    /// What the value makes its holder keep, in bytes, roughly.
    pub fn size(&self) -> usize {
        match self {
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => 8,
            Value::Number(text) => text.len(),
            Value::Text(text) => text.len(),
            Value::Array(items) => items.iter().map(Value::size).sum::<usize>() + 8,
            Value::Object(pairs) => {
                pairs.iter().map(|(key, value)| key.len() + value.size()).sum::<usize>() + 8
            }
        }
    }

    fn write_json(&self, out: &mut String) {
        match self {
            Value::Null => out.push_str("null"),
            Value::Bool(it) => out.push_str(if *it { "true" } else { "false" }),
            Value::Int(it) => write!(out, "{it}").expect("writing to a string cannot fail"),
            Value::Float(it) => write_float(*it, out),
            Value::Number(it) => out.push_str(it),
            Value::Text(it) => write_string(&String::from_utf8_lossy(it), out),
            Value::Array(items) => {
                out.push('[');
                for (idx, item) in items.iter().enumerate() {
                    if 0 < idx {
                        out.push(',');
                    }
                    item.write_json(out);
                }
                out.push(']');
            }
            Value::Object(pairs) => {
                out.push('{');
                for (idx, (key, value)) in pairs.iter().enumerate() {
                    if 0 < idx {
                        out.push(',');
                    }
                    write_string(key, out);
                    out.push(':');
                    value.write_json(out);
                }
                out.push('}');
            }
        }
    }
}

/// Go's shortest form: an exponent below 1e-6 and from 1e21 on, at least two digits of it only where Go has them.
fn write_float(number: f64, out: &mut String) {
    let magnitude = number.abs();
    if !number.is_finite() {
        // JSON has no word for these; Go refuses them, and a mark in the text is better than a lost message.
        out.push_str("null");
    } else if number != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').expect("the format has an exponent");
        let sign = if exponent.starts_with('-') { "" } else { "+" };
        write!(out, "{digits}e{sign}{exponent}").expect("writing to a string cannot fail");
    } else {
        write!(out, "{number}").expect("writing to a string cannot fail");
    }
}

fn write_string(text: &str, out: &mut String) {
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
            c if (c as u32) < 0x20 || c == '\u{2028}' || c == '\u{2029}' => {
                write!(out, "\\u{:04x}", c as u32).expect("writing to a string cannot fail");
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

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
        }
    }
}
