//! Numbers that stand in texts, as Go reads them.

use super::go;
use crate::error::Error;

/// Why a text is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NotParsed {
    Syntax,
    Range,
}

fn error(function: &str, text: &str, why: NotParsed) -> Error {
    let why = match why {
        NotParsed::Syntax => "invalid syntax",
        NotParsed::Range => "value out of range",
    };
    Error::new(format!("strconv.{function}: parsing {}: {why}", go::told(text)))
}

/// A floating-point number.
pub(crate) fn parse_float(text: &str) -> Result<f64, Error> {
    let fail = |why| error("ParseFloat", text, why);
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if let Some(digits) = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
        let number = parse_hexadecimal(digits).ok_or_else(|| fail(NotParsed::Syntax))?;
        return Ok(if text.starts_with('-') { -number } else { number });
    }
    match text.parse::<f64>() {
        Ok(number)
            if number.is_infinite() && unsigned.starts_with(|it: char| it.is_ascii_digit() || it == '.') =>
        {
            Err(fail(NotParsed::Range))
        }
        Ok(number) => Ok(number),
        Err(_) => Err(fail(NotParsed::Syntax)),
    }
}

/// The digits of `0x1.8p3`, in which the exponent is needed.
fn parse_hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut number = 0f64;
    for c in whole.chars().chain(fraction.chars()) {
        number = number * 16.0 + f64::from(c.to_digit(16)?);
    }
    let exponent = exponent.checked_sub(4 * i32::try_from(fraction.len()).ok()?)?;
    Some(number * 2f64.powi(exponent))
}

/// A whole number, in the base that its prefix says.
pub(crate) fn parse_int(text: &str) -> Result<i64, Error> {
    let fail = |why| error("ParseInt", text, why);
    let (is_negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let number = parse_digits(digits).map_err(fail)?;
    let limit = 1u64 << 63;
    match is_negative {
        true if number <= limit => Ok((number as i64).wrapping_neg()),
        false if number < limit => Ok(number as i64),
        _ => Err(fail(NotParsed::Range)),
    }
}

/// The same without a sign.
pub(crate) fn parse_uint(text: &str) -> Result<u64, Error> {
    parse_digits(text).map_err(|why| error("ParseUint", text, why))
}

fn parse_digits(text: &str) -> Result<u64, NotParsed> {
    let lower = text.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    let is_sound = |digits: &str| {
        // Underscores stand between digits, or between the prefix and them.
        let has_prefix = radix != 10;
        !digits.ends_with('_') && (has_prefix || !digits.starts_with('_')) && !digits.contains("__")
    };
    if digits.contains('_') && (radix == 10 || !is_sound(digits)) {
        // Of a number without a prefix underscores are an error, but between digits.
        if radix != 10 || !is_sound(digits) {
            return Err(NotParsed::Syntax);
        }
    }
    let digits: String = digits.chars().filter(|it| *it != '_').collect();
    if digits.is_empty() || !digits.chars().all(|it| it.is_digit(radix)) {
        return Err(NotParsed::Syntax);
    }
    u64::from_str_radix(&digits, radix).map_err(|_| NotParsed::Range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_have_the_base_of_their_prefix() {
        let int = |text: &str| parse_int(text).map_err(|it| it.to_string());
        assert_eq!(int("12"), Ok(12));
        assert_eq!(int("-0x1F"), Ok(-31));
        assert_eq!(int("0b101"), Ok(5));
        assert_eq!(int("017"), Ok(15));
        assert_eq!(int("0o17"), Ok(15));
        assert_eq!(int("1_000"), Ok(1000));
        assert_eq!(int("+5"), Ok(5));
        assert_eq!(int("-9223372036854775808"), Ok(i64::MIN));
        let syntax = |text: &str| Err(format!("strconv.ParseInt: parsing \"{text}\": invalid syntax"));
        for wrong in ["", "x", "1.5", "08", "1__0", "_1", "1_", " 1", "-"] {
            assert_eq!(int(wrong), syntax(wrong), "{wrong}");
        }
        let range = "strconv.ParseInt: parsing \"9223372036854775808\": value out of range";
        assert_eq!(int("9223372036854775808"), Err(range.to_string()));
    }

    #[test]
    fn floating_point_numbers_are_those_of_go() {
        let float = |text: &str| parse_float(text).map_err(|it| it.to_string());
        for (text, expected) in
            [("1", 1.0), ("-1.5e3", -1500.0), (".5", 0.5), ("5.", 5.0), ("0x1.8p3", 12.0), ("-0x1p-1", -0.5)]
        {
            assert_eq!(float(text), Ok(expected), "{text}");
        }
        assert_eq!(float("inf"), Ok(f64::INFINITY));
        assert!(float("NaN").is_ok_and(f64::is_nan));
        assert_eq!(
            float("1e999"),
            Err("strconv.ParseFloat: parsing \"1e999\": value out of range".to_string())
        );
        assert_eq!(float("no"), Err("strconv.ParseFloat: parsing \"no\": invalid syntax".to_string()));
        assert_eq!(float("0x1"), Err("strconv.ParseFloat: parsing \"0x1\": invalid syntax".to_string()));
    }
}
