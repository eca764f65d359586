//! Durations in texts that are not read before the stream runs, with Go's words for what is none.

use std::time::Duration;

use wappa_spec::{Lint, Node, Reader, Rule, duration_hint, parse_duration};

/// Reads a duration; less than nothing is nothing. The error is Go's text.
pub fn parse(text: &str) -> Result<Duration, String> {
    let (is_negative, magnitude) = match text.strip_prefix('-') {
        Some(rest) if !rest.starts_with('+') => (true, rest),
        _ => (false, text),
    };
    match parse_duration(magnitude) {
        Some(_) if is_negative => Ok(Duration::ZERO),
        Some(duration) => Ok(duration),
        None => Err(why_not(text, magnitude)),
    }
}

/// Reports what is no duration, with the way out.
pub fn lint(text: String, at: &Node, reader: &mut Reader<'_>) {
    let hint = duration_hint(at.as_str().unwrap_or_default());
    reader.push(Lint::error(Rule::InvalidValue, at.pos, text).on(at).hint(hint));
}

fn why_not(text: &str, magnitude: &str) -> String {
    let number = magnitude.strip_prefix('+').unwrap_or(magnitude);
    let n_digits = number.find(|it: char| !it.is_ascii_digit() && it != '.').unwrap_or(number.len());
    let (number, rest) = number.split_at(n_digits);
    let has_digits = number.bytes().any(|it| it.is_ascii_digit()) && number.matches('.').count() < 2;
    let unit = &rest[..rest.find(|it: char| it.is_ascii_digit() || it == '.').unwrap_or(rest.len())];
    let is_unit = matches!(unit, "ns" | "us" | "µs" | "μs" | "ms" | "s" | "m" | "h");
    match (has_digits, unit) {
        (true, "") => format!("time: missing unit in duration {text:?}"),
        (true, unit) if !is_unit => format!("time: unknown unit {unit:?} in duration {text:?}"),
        _ => format!("time: invalid duration {text:?}"),
    }
}
