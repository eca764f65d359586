//! The types of plain scalars, as Go's `yaml.v3` (and so Bento) decides them.

/// The text of a plain scalar that means null.
pub(super) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// A bool where a bool is wanted: YAML 1.2's, and the spellings of YAML 1.1.
pub(super) fn bool(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" | "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "false" | "False" | "FALSE" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// An integer in any of the notations that `yaml.v3` knows, or a float without a fraction.
pub(super) fn int(text: &str) -> Option<i128> {
    if let Some(value) = strict_int(text) {
        return Some(value);
    }
    let value = strict_float(text)?;
    // Every integral float below 2^63 is exact in an i128.
    (value.fract() == 0.0 && value.abs() < 9.3e18).then_some(value as i128)
}

/// A float; an integer in any notation is one too.
pub(super) fn float(text: &str) -> Option<f64> {
    strict_int(text).map(|it| it as f64).or_else(|| strict_float(text))
}

/// The short tag of a plain scalar.
pub(super) fn tag(text: &str) -> &'static str {
    if is_null(text) {
        "!!null"
    } else if matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE") {
        "!!bool"
    } else if strict_int(text).is_some() {
        "!!int"
    } else if strict_float(text).is_some() {
        "!!float"
    } else {
        "!!str"
    }
}

fn strict_int(text: &str) -> Option<i128> {
    if !text.starts_with(|first: char| first.is_ascii_digit() || first == '+' || first == '-') {
        return None;
    }
    let digits = text.replace('_', "");
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, digits.strip_prefix('+').unwrap_or(&digits)),
    };
    let (radix, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, &digits[2..]),
        Some("0o" | "0O") => (8, &digits[2..]),
        Some("0b" | "0B") => (2, &digits[2..]),
        Some(two) if two.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    // `from_str_radix` would take another sign here.
    if !digits.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return None;
    }
    let value = i64::from_str_radix(digits, radix)
        .map(i128::from)
        .or_else(|_| u64::from_str_radix(digits, radix).map(i128::from))
        .ok()?;
    Some(sign * value)
}

fn strict_float(text: &str) -> Option<f64> {
    match text {
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Some(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
        _ => {}
    }
    // Rust would also read `inf`, `nan` and `infinity`.
    let digits = text.replace('_', "");
    let allowed = |it: char| it.is_ascii_digit() || matches!(it, '.' | 'e' | 'E' | '+' | '-');
    let begins = text.starts_with(|it: char| it.is_ascii_digit() || matches!(it, '.' | '+' | '-'));
    if !begins || !digits.contains(|it: char| it.is_ascii_digit()) || !digits.chars().all(allowed) {
        return None;
    }
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use expect_test::expect;

    use super::*;

    #[test]
    fn types_of_plain_scalars() {
        let mut out = String::new();
        for text in [
            "",
            "~",
            "null",
            "yes",
            "off",
            "True",
            "tRue",
            "1",
            "-1",
            "+1",
            "0x2",
            "-0x2",
            "1_000",
            "0o17",
            "017",
            "0",
            "08",
            "0b101",
            "1.0",
            "1.5",
            "1e3",
            ".5",
            "5.",
            ".inf",
            "-.INF",
            ".NaN",
            "inf",
            "nan",
            "e",
            "-",
            "+-1",
            "0x",
            "12345678901234567890",
            "123456789012345678901234567890",
            "1__0",
            "_1",
            "2001-01-01",
            "0x-1",
        ] {
            writeln!(out, "{text:<32} {:<8} {:?} {:?} {:?}", tag(text), bool(text), int(text), float(text))
                .expect("writing to a string");
        }
        expect![[r#"
                                             !!null   None None None
            ~                                !!null   None None None
            null                             !!null   None None None
            yes                              !!str    Some(true) None None
            off                              !!str    Some(false) None None
            True                             !!bool   Some(true) None None
            tRue                             !!str    None None None
            1                                !!int    None Some(1) Some(1.0)
            -1                               !!int    None Some(-1) Some(-1.0)
            +1                               !!int    None Some(1) Some(1.0)
            0x2                              !!int    None Some(2) Some(2.0)
            -0x2                             !!int    None Some(-2) Some(-2.0)
            1_000                            !!int    None Some(1000) Some(1000.0)
            0o17                             !!int    None Some(15) Some(15.0)
            017                              !!int    None Some(15) Some(15.0)
            0                                !!int    None Some(0) Some(0.0)
            08                               !!float  None Some(8) Some(8.0)
            0b101                            !!int    None Some(5) Some(5.0)
            1.0                              !!float  None Some(1) Some(1.0)
            1.5                              !!float  None None Some(1.5)
            1e3                              !!float  None Some(1000) Some(1000.0)
            .5                               !!float  None None Some(0.5)
            5.                               !!float  None Some(5) Some(5.0)
            .inf                             !!float  None None Some(inf)
            -.INF                            !!float  None None Some(-inf)
            .NaN                             !!float  None None Some(NaN)
            inf                              !!str    None None None
            nan                              !!str    None None None
            e                                !!str    None None None
            -                                !!str    None None None
            +-1                              !!str    None None None
            0x                               !!str    None None None
            12345678901234567890             !!int    None Some(12345678901234567890) Some(1.2345678901234567e19)
            123456789012345678901234567890   !!float  None None Some(1.2345678901234568e29)
            1__0                             !!int    None Some(10) Some(10.0)
            _1                               !!str    None None None
            2001-01-01                       !!str    None None None
            0x-1                             !!str    None None None
        "#]].assert_eq(&out);
    }
}
