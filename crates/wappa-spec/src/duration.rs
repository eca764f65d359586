//! Durations in Go's syntax: `1h2m`, `300ms`, `1.5s`.

use std::time::Duration;

use crate::suggest;

/// Reads a duration; nothing when it is none, is negative or does not fit Go's.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut nanos: u128 = 0;
    while !rest.is_empty() {
        let unit = rest.find(|it: char| !it.is_ascii_digit() && it != '.')?;
        let (number, after) = rest.split_at(unit);
        let end = after.find(|it: char| it.is_ascii_digit() || it == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let scale: u128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        nanos = nanos.checked_add(decimal(number, scale)?)?;
        rest = after;
    }
    // Go counts nanoseconds in 63 bits.
    let nanos = i64::try_from(nanos).ok()?;
    u64::try_from(nanos).ok().map(Duration::from_nanos)
}

/// How a text that is no duration could be written.
pub fn duration_hint(text: &str) -> String {
    let is_number = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    if is_number {
        return format!("a duration has a unit: `{0}s`, `{0}ms` or `{0}m`", suggest::shown(text));
    }
    if is_too_long(text) {
        return "the longest duration is about 292 years, `2562047h`".to_string();
    }
    "a duration is written like `300ms`, `5s` or `1h30m`".to_string()
}

/// Whether a text is a duration but for its length.
fn is_too_long(text: &str) -> bool {
    let units = text.split(|it: char| it.is_ascii_digit()).filter(|it| !it.is_empty());
    let shorter: String = units.map(|unit| format!("1{unit}")).collect();
    let begins = text.starts_with(|it: char| it.is_ascii_digit());
    begins && parse_duration(text).is_none() && parse_duration(&shorter).is_some()
}

/// A decimal number times a scale, cut to a whole number.
pub(crate) fn decimal(number: &str, scale: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_number = |it: &str| it.bytes().all(|it| it.is_ascii_digit());
    if whole.is_empty() && fraction.is_empty() || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // More digits than this are below a nanosecond of an hour.
    let fraction = &fraction[..fraction.len().min(18)];
    let part = if fraction.is_empty() {
        0
    } else {
        let digits: u128 = fraction.parse().ok()?;
        digits * scale / 10u128.pow(u32::try_from(fraction.len()).ok()?)
    };
    u128::from(whole).checked_mul(scale)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints() {
        for (text, hint) in [
            ("5", "a duration has a unit: `5s`, `5ms` or `5m`"),
            ("99999999h", "the longest duration is about 292 years, `2562047h`"),
            ("99999999999999999999h5m", "the longest duration is about 292 years, `2562047h`"),
            ("5 s", "a duration is written like `300ms`, `5s` or `1h30m`"),
            ("1.2.3s", "a duration is written like `300ms`, `5s` or `1h30m`"),
            ("-1s", "a duration is written like `300ms`, `5s` or `1h30m`"),
            ("soon", "a duration is written like `300ms`, `5s` or `1h30m`"),
        ] {
            assert_eq!(duration_hint(text), hint, "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, nanos) in [
            ("0", Some(0)),
            ("0s", Some(0)),
            ("300ms", Some(300_000_000)),
            ("1h2m", Some(3_720_000_000_000)),
            ("1.5s", Some(1_500_000_000)),
            (".5s", Some(500_000_000)),
            ("1.s", Some(1_000_000_000)),
            ("+1µs", Some(1_000)),
            ("1us2ns", Some(1_002)),
            ("0.0000000001s", Some(0)),
            ("", None),
            ("5", None),
            ("s", None),
            (".s", None),
            ("-1s", None),
            ("1d", None),
            ("1 s", None),
            ("lots", None),
            ("1.2.3s", None),
            ("99999999999999999999h", None),
            ("9999999h", None),
        ] {
            assert_eq!(parse_duration(text).map(|it| it.as_nanos()), nanos, "{text}");
        }
    }
}
