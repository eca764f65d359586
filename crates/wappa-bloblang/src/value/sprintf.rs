//! Go's `fmt.Sprintf`, as far as it is about values of mappings. Source: the package `fmt` of Go.

use wappa_message::Value;

use super::{convert, go};
use crate::{error::Result, evaluate::Budget};

/// A width or a precision beyond this is none, as in Go.
const NUMBER_MAX: usize = 1_000_000;

#[derive(Clone, Copy, Default)]
struct Flags {
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// Writes a text in which each verb is replaced by a value.
pub(crate) fn format(text: &str, values: &[&Value], budget: &mut Budget) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut next = 0;
    let mut is_reordered = false;
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut flags = Flags::default();
        while let Some(c) = chars.peek() {
            match c {
                '+' => flags.plus = true,
                '-' => flags.minus = true,
                '#' => flags.sharp = true,
                ' ' => flags.space = true,
                '0' => flags.zero = true,
                _ => break,
            }
            chars.next();
        }
        let mut is_bad = false;
        let mut argument = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>, next: &mut usize| {
            // `[n]`: the value of this number comes next.
            if chars.peek() == Some(&'[') {
                is_reordered = true;
                let mut digits = String::new();
                chars.next();
                for c in chars.by_ref() {
                    if c == ']' {
                        break;
                    }
                    digits.push(c);
                }
                match digits.parse::<usize>() {
                    Ok(number) if (1..=values.len()).contains(&number) => *next = number - 1,
                    _ => is_bad = true,
                }
            }
        };
        argument(&mut chars, &mut next);
        let count = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
                     next: &mut usize,
                     out: &mut String,
                     what: &str| {
            if chars.peek() == Some(&'*') {
                chars.next();
                let number = values.get(*next).and_then(|it| match it {
                    Value::Int(number) => Some(*number),
                    _ => None,
                });
                *next += 1;
                return match number {
                    Some(number) if number.unsigned_abs() as usize <= NUMBER_MAX => Some(number),
                    _ => {
                        out.push_str(&format!("%!(BAD{what})"));
                        None
                    }
                };
            }
            let mut number = None;
            while let Some(digit) = chars.peek().and_then(|it| it.to_digit(10)) {
                chars.next();
                let so_far = number.unwrap_or(0i64).saturating_mul(10).saturating_add(digit.into());
                number = Some(so_far);
            }
            number.filter(|it| *it as usize <= NUMBER_MAX)
        };
        if let Some(width) = count(&mut chars, &mut next, &mut out, "WIDTH") {
            flags.minus |= width < 0;
            flags.width = Some(width.unsigned_abs() as usize);
        }
        if chars.peek() == Some(&'.') {
            chars.next();
            argument(&mut chars, &mut next);
            let precision = count(&mut chars, &mut next, &mut out, "PREC").unwrap_or(0);
            flags.precision = usize::try_from(precision).ok();
        }
        argument(&mut chars, &mut next);
        budget.bytes(flags.width.unwrap_or(0).saturating_add(flags.precision.unwrap_or(0)))?;
        let Some(verb) = chars.next() else {
            out.push_str("%!(NOVERB)");
            break;
        };
        match (verb, values.get(next)) {
            ('%', _) => out.push('%'),
            _ if is_bad => out.push_str(&format!("%!{verb}(BADINDEX)")),
            (verb, None) => out.push_str(&format!("%!{verb}(MISSING)")),
            (verb, Some(value)) => {
                next += 1;
                one(verb, flags, value, &mut out, budget)?;
            }
        }
    }
    if !is_reordered && next < values.len() {
        out.push_str("%!(EXTRA ");
        for (idx, it) in values[next..].iter().enumerate() {
            if 0 < idx {
                out.push_str(", ");
            }
            budget.bytes(printed_len(it).saturating_add(ONE_BYTES))?;
            match it {
                Value::Null => out.push_str("<nil>"),
                other => {
                    out.push_str(go::type_name(other, true));
                    out.push('=');
                    go::print(other, &mut out);
                }
            }
        }
        out.push(')');
    }
    Ok(out)
}

/// How long a list or an object is at most where Go prints it, in bytes; of a number or a text it is no matter.
fn printed_len(value: &Value) -> usize {
    match value {
        // Five bytes may stand for each of a text in bytes.
        Value::Bytes(it) => it.len().saturating_mul(5),
        Value::Array(_) | Value::Object(_) => value.text_len(),
        other => other.own().allocated,
    }
}

/// Writes one value of a list or an object: what is nothing has no verb there.
fn within(verb: char, flags: Flags, value: &Value, out: &mut String, budget: &mut Budget) -> Result<()> {
    match value {
        Value::Null => budget.bytes(5).map(|()| out.push_str("<nil>")),
        value => one(verb, flags, value, out, budget),
    }
}

/// Writes one value, which is charged before.
fn one(verb: char, flags: Flags, value: &Value, out: &mut String, budget: &mut Budget) -> Result<()> {
    budget.step()?;
    match (verb, value) {
        // What is in it is charged by itself.
        (verb, Value::Array(_) | Value::Object(_)) if verb != 'T' => budget.walk(value.own().total())?,
        _ => {
            let padding = flags.width.unwrap_or(0).saturating_add(flags.precision.unwrap_or(0));
            let one = if matches!(verb, 'f' | 'F') { DIGITS_MAX } else { ONE_BYTES };
            budget.bytes(value.own().allocated.saturating_mul(5).saturating_add(padding + one))?;
        }
    }
    match (verb, value) {
        ('T', _) => pad(go::type_name(value, true), flags, out),
        ('v', Value::Null) => pad("<nil>", flags, out),
        (_, Value::Null) => out.push_str(&format!("%!{verb}(<nil>)")),
        ('t' | 'v', Value::Bool(it)) => pad(if *it { "true" } else { "false" }, flags, out),
        ('v', Value::Text(text)) if flags.sharp => pad(&go::quote_bytes(text), flags, out),
        ('s' | 'v', Value::Text(text)) => pad(&cut(text, flags), flags, out),
        ('s', Value::Bytes(bytes)) => pad(&cut(bytes, flags), flags, out),
        ('q', Value::Text(_) | Value::Bytes(_)) => {
            let text = convert::text_of(value).unwrap_or_default();
            let text = cut(&text, flags);
            match flags.sharp && !text.contains(['`', '\n']) {
                true => pad(&format!("`{text}`"), flags, out),
                false => pad(&go::quote(&text), flags, out),
            }
        }
        ('x' | 'X', Value::Text(_) | Value::Bytes(_)) => {
            let bytes = convert::text_of(value).unwrap_or_default();
            let bytes = &bytes[..flags.precision.map_or(bytes.len(), |n| n.min(bytes.len()))];
            let separator = if flags.space { " " } else { "" };
            let prefix = if flags.sharp { format!("0{verb}") } else { String::new() };
            let digits = if verb == 'x' { b"0123456789abcdef" } else { b"0123456789ABCDEF" };
            let mut text = String::new();
            for (idx, byte) in bytes.iter().enumerate() {
                // The prefix stands before each byte that stands by itself.
                if idx == 0 || flags.space {
                    text.push_str(if idx == 0 { "" } else { separator });
                    text.push_str(&prefix);
                }
                text.push(char::from(digits[usize::from(byte >> 4)]));
                text.push(char::from(digits[usize::from(byte & 15)]));
            }
            pad(&text, flags, out);
        }
        // A number of a document is text as well.
        ('s', Value::Int(it)) => pad(&it.to_string(), flags, out),
        (_, Value::Int(it)) => integer(verb, flags, (*it).into(), value, out),
        (_, Value::Uint(it)) => integer(verb, flags, (*it).into(), value, out),
        (_, Value::Float(it)) => float(verb, flags, *it, value, out),
        ('v' | 's', Value::Number(it)) => pad(it.as_str(), flags, out),
        (_, Value::Number(it)) => match it.to_i64() {
            Some(number) => integer(verb, flags, number.into(), value, out),
            None => float(verb, flags, it.to_f64(), value, out),
        },
        ('s' | 'v', Value::Time(_)) => {
            let mut shown = String::new();
            go::print(value, &mut shown);
            pad(&shown, flags, out);
        }
        (_, Value::Array(array)) => {
            out.push('[');
            for (idx, it) in array.iter().enumerate() {
                if 0 < idx {
                    out.push(' ');
                }
                within(verb, flags, &it, out, budget)?;
            }
            out.push(']');
        }
        (_, Value::Object(object)) => {
            out.push_str("map[");
            for (idx, (name, it)) in object.iter().enumerate() {
                if 0 < idx {
                    out.push(' ');
                }
                one(verb, flags, &Value::Text(name), out, budget)?;
                out.push(':');
                within(verb, flags, &it, out, budget)?;
            }
            out.push(']');
        }
        ('v' | 'd', Value::Bytes(bytes)) => {
            go::print_bytes(bytes, out);
        }
        _ => bad(verb, value, out),
    }
    Ok(())
}

/// What a short value may take,
const ONE_BYTES: usize = 32;

/// and a number that is written without an exponent.
const DIGITS_MAX: usize = 340;

fn bad(verb: char, value: &Value, out: &mut String) {
    let mut shown = String::new();
    go::print(value, &mut shown);
    out.push_str(&format!("%!{verb}({}={shown})", go::type_name(value, true)));
}

/// No more characters of a text than the precision says.
fn cut(text: &[u8], flags: Flags) -> String {
    let text = String::from_utf8_lossy(text);
    match flags.precision {
        Some(n) => text.chars().take(n).collect(),
        None => text.into_owned(),
    }
}

fn pad(text: &str, flags: Flags, out: &mut String) {
    let missing = flags.width.unwrap_or(0).saturating_sub(text.chars().count());
    let fill = if flags.zero && !flags.minus { '0' } else { ' ' };
    if flags.minus {
        out.push_str(text);
    }
    out.extend(std::iter::repeat_n(fill, missing));
    if !flags.minus {
        out.push_str(text);
    }
}

/// A number with its sign: zeroes stand behind that.
fn pad_number(sign: &str, digits: &str, flags: Flags, out: &mut String) {
    if flags.zero && !flags.minus {
        let missing = flags.width.unwrap_or(0).saturating_sub(sign.len() + digits.len());
        out.push_str(sign);
        out.extend(std::iter::repeat_n('0', missing));
        out.push_str(digits);
        return;
    }
    pad(&format!("{sign}{digits}"), Flags { zero: false, ..flags }, out);
}

fn sign(is_negative: bool, flags: Flags) -> &'static str {
    match (is_negative, flags.plus, flags.space) {
        (true, ..) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        _ => "",
    }
}

fn integer(verb: char, mut flags: Flags, number: i128, value: &Value, out: &mut String) {
    let magnitude = number.unsigned_abs();
    let (prefix, digits) = match verb {
        'd' | 'v' => ("", magnitude.to_string()),
        'b' => ("0b", format!("{magnitude:b}")),
        'o' => ("0", format!("{magnitude:o}")),
        'O' => {
            let digits = format!("0o{magnitude:o}");
            return pad_number(sign(number < 0, flags), &digits, flags, out);
        }
        'x' => ("0x", format!("{magnitude:x}")),
        'X' => ("0X", format!("{magnitude:X}")),
        'c' | 'q' => {
            let c =
                u32::try_from(number).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER);
            let text = if verb == 'c' { c.to_string() } else { go::quote_char(c) };
            return pad(&text, Flags { zero: false, ..flags }, out);
        }
        'U' => return pad(&format!("U+{magnitude:04X}"), Flags { zero: false, ..flags }, out),
        // As Go would print it if it were one.
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' if matches!(value, Value::Number(_)) => {
            return float(verb, flags, number as f64, value, out);
        }
        _ => return bad(verb, value, out),
    };
    let mut digits = digits;
    if let Some(precision) = flags.precision {
        flags.zero = false;
        if precision == 0 && number == 0 {
            digits.clear();
        }
        digits = format!("{digits:0>precision$}");
    }
    if flags.sharp {
        digits.insert_str(0, prefix);
    }
    pad_number(sign(number < 0, flags), &digits, flags, out);
}

fn float(verb: char, flags: Flags, number: f64, value: &Value, out: &mut String) {
    if !number.is_finite() {
        let text = match (number.is_nan(), number < 0.0) {
            (true, _) => "NaN",
            (false, true) => "-Inf",
            (false, false) => "+Inf",
        };
        return pad(text, Flags { zero: false, ..flags }, out);
    }
    let magnitude = number.abs();
    let digits = match verb {
        'f' | 'F' => format!("{magnitude:.*}", flags.precision.unwrap_or(6)),
        'e' | 'E' => exponent(&format!("{magnitude:.*e}", flags.precision.unwrap_or(6))),
        'g' | 'G' | 'v' => general(magnitude, flags.precision),
        _ => return bad(verb, value, out),
    };
    let digits = if verb.is_ascii_uppercase() { digits.to_uppercase() } else { digits };
    pad_number(sign(number.is_sign_negative(), flags), &digits, flags, out);
}

/// An exponent with its sign and two digits at least.
fn exponent(text: &str) -> String {
    let (digits, exponent) = text.split_once('e').expect("the format has an exponent");
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

/// The shorter of the two notations.
fn general(magnitude: f64, precision: Option<usize>) -> String {
    let Some(precision) = precision else {
        return String::from_utf8_lossy(&Value::Float(magnitude).to_text()).into_owned();
    };
    let precision = precision.max(1);
    if magnitude == 0.0 {
        return "0".to_string();
    }
    let scientific = format!("{magnitude:.*e}", precision - 1);
    let power: i32 = scientific.split_once('e').and_then(|(_, it)| it.parse().ok()).unwrap_or(0);
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text.to_string(),
    };
    if power < -4 || precision as i32 <= power {
        let (digits, power) = scientific.split_once('e').expect("the format has an exponent");
        return exponent(&format!("{}e{power}", trim(digits)));
    }
    trim(&format!("{magnitude:.*}", (precision as i32 - 1 - power).max(0) as usize))
}
