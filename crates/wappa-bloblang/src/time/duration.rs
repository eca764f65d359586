//! Lengths of time as Go writes them: `1h2m3.5s`. Source: Go's `time.ParseDuration`.

use crate::value::go;

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// The nanoseconds of a length of time.
pub(crate) fn parse(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", go::told_time(text));
    let (is_negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let limit = 1u64 << 63;
    let mut total = 0u64;
    while !rest.is_empty() {
        let n_whole = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, behind) = rest.split_at(n_whole);
        let (fraction, behind) = match behind.strip_prefix('.') {
            Some(behind) => behind.split_at(behind.bytes().take_while(u8::is_ascii_digit).count()),
            None => ("", behind),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let n_unit = behind.bytes().take_while(|it| *it != b'.' && !it.is_ascii_digit()).count();
        let (unit, behind) = behind.split_at(n_unit);
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {}", go::told_time(text)));
        }
        let Some((_, nanos)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            let unit = go::told_time(unit);
            return Err(format!("time: unknown unit {unit} in duration {}", go::told_time(text)));
        };
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        let mut length = whole.checked_mul(*nanos).filter(|it| *it <= limit).ok_or_else(invalid)?;
        if !fraction.is_empty() {
            // As many digits as a number holds; the rest is too small to matter.
            let digits: String = fraction.chars().take(18).collect();
            let part: u64 = digits.parse().map_err(|_| invalid())?;
            let scale = 10f64.powi(digits.len() as i32);
            length += (part as f64 * (*nanos as f64 / scale)) as u64;
        }
        total = total.checked_add(length).filter(|it| *it <= limit).ok_or_else(invalid)?;
        rest = behind;
    }
    match is_negative {
        true => Ok((total as i64).wrapping_neg()),
        false if total < limit => Ok(total as i64),
        false => Err(invalid()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go() {
        for (text, expected) in [
            ("0", 0),
            ("5s", 5_000_000_000),
            ("-1.5h", -5_400_000_000_000),
            ("1h2m3s4ms5us6ns", 3_723_004_005_006),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("-9223372036854775808ns", i64::MIN),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
        for (text, expected) in [
            ("", "time: invalid duration \"\""),
            ("5", "time: missing unit in duration \"5\""),
            ("5d", "time: unknown unit \"d\" in duration \"5d\""),
            ("s", "time: invalid duration \"s\""),
            ("9223372036854775808ns", "time: invalid duration \"9223372036854775808ns\""),
        ] {
            assert_eq!(parse(text), Err(expected.to_string()), "{text}");
        }
    }
}
