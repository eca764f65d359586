//! The types of scalars without quotes.

use wappa_message::{Time, Value};

use crate::time::layout;

/// What a scalar without quotes means; nothing where it is a text.
pub(super) fn resolve(text: &str) -> Option<Value> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Value::Null),
        "true" | "True" | "TRUE" => return Some(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Some(Value::Bool(false)),
        ".nan" | ".NaN" | ".NAN" => return Some(Value::Float(f64::NAN)),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Some(Value::Float(f64::INFINITY)),
        "-.inf" | "-.Inf" | "-.INF" => return Some(Value::Float(f64::NEG_INFINITY)),
        _ => (),
    }
    match text.as_bytes()[0] {
        b'.' => float(text).map(Value::Float),
        b'+' | b'-' | b'0'..=b'9' => {
            if let Some(time) = timestamp(text) {
                return Some(Value::Time(time));
            }
            let digits = text.replace('_', "");
            int(&digits).or_else(|| float(&digits).map(Value::Float))
        }
        _ => None,
    }
}

/// A whole number, whose notation its beginning names.
fn int(text: &str) -> Option<Value> {
    let (sign, digits) = match text.split_at_checked(1)? {
        (sign @ ("+" | "-"), rest) => (sign, rest),
        _ => ("", text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.starts_with(|it: char| it.is_ascii_alphanumeric()) {
        return None;
    }
    if let Ok(it) = i64::from_str_radix(&format!("{}{digits}", if sign == "-" { "-" } else { "" }), radix) {
        return Some(Value::Int(it));
    }
    if sign.is_empty() { u64::from_str_radix(digits, radix).ok().map(Value::Uint) } else { None }
}

/// A floating-point number in decimal.
fn float(text: &str) -> Option<f64> {
    // Rust would read names as well.
    let may_stand = |it: char| it.is_ascii_digit() || matches!(it, '.' | 'e' | 'E' | '+' | '-');
    let begins = text.trim_start_matches(['+', '-']).starts_with(|it: char| it.is_ascii_digit() || it == '.');
    if !begins || !text.chars().all(may_stand) {
        return None;
    }
    text.parse().ok().filter(|it: &f64| it.is_finite())
}

/// A date, or a date and a time.
pub(super) fn timestamp(text: &str) -> Option<Time> {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || !bytes[..4].iter().all(u8::is_ascii_digit) || bytes[4] != b'-' {
        return None;
    }
    const LAYOUTS: [&str; 4] = [
        "2006-1-2T15:4:5.999999999Z07:00",
        "2006-1-2t15:4:5.999999999Z07:00",
        "2006-1-2 15:4:5.999999999",
        "2006-1-2",
    ];
    LAYOUTS.iter().find_map(|layout| layout::parse(layout, text).ok())
}

/// Whether a text would mean something else to some reader of YAML if it had no quotes.
pub(super) fn needs_quotes(text: &str) -> bool {
    let is_old_bool = matches!(
        text,
        "y" | "Y"
            | "yes"
            | "Yes"
            | "YES"
            | "on"
            | "On"
            | "ON"
            | "n"
            | "N"
            | "no"
            | "No"
            | "NO"
            | "off"
            | "Off"
            | "OFF"
    );
    // As a name, it would merge.
    is_old_bool || text == "<<" || resolve(text).is_some() || is_base_60(text)
}

/// A number of YAML 1.1 whose places count to 60.
fn is_base_60(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut places = whole.split(':');
    let is_number = |it: &str| it.bytes().all(|it| it.is_ascii_digit() || it == b'_');
    let first = places.next().unwrap_or_default();
    let mut n = 0;
    let are_places = places.all(|it| {
        n += 1;
        matches!(it.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9'])
    });
    0 < n
        && are_places
        && first.starts_with(|it: char| it.is_ascii_digit())
        && is_number(first)
        && is_number(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_mean_what_they_mean_in_go() {
        let shown = |text: &str| resolve(text).map_or("text".to_string(), |it| format!("{it:?}"));
        for (text, expected) in [
            ("", "Null"),
            ("True", "Bool(true)"),
            ("yes", "text"),
            ("0x1F", "Int(31)"),
            ("-0b11", "Int(-3)"),
            ("0o17", "Int(15)"),
            ("017", "Int(15)"),
            ("1_000", "Int(1000)"),
            ("+1", "Int(1)"),
            ("08", "Float(8.0)"),
            ("18446744073709551615", "Uint(18446744073709551615)"),
            ("18446744073709551616", "Float(1.8446744073709552e19)"),
            (".5", "Float(0.5)"),
            ("5.", "Float(5.0)"),
            ("1e3", "Float(1000.0)"),
            ("+-1", "text"),
            ("inf", "text"),
            ("-", "text"),
            ("0x", "text"),
            ("1e999", "text"),
            ("20011-01-01", "text"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        assert_eq!(timestamp("2001-1-2").map(|it| it.to_string()).as_deref(), Some("2001-01-02T00:00:00Z"));
        assert!(
            needs_quotes("12:30:45") && needs_quotes("on") && !needs_quotes("12:60") && !needs_quotes("a")
        );
    }
}
