//! Numbers as Go prints and reads them.

/// Writes a number as Go's `%g` does, with as few digits as tell it from all others. `digits` is what Rust's `{:e}` prints.
pub(super) fn write(digits: &str, out: &mut Vec<u8>) {
    let (mantissa, exponent) = digits.split_once('e').unwrap_or((digits, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits: Vec<u8> = mantissa.bytes().filter(|it| *it != b'.').collect();
    out.extend_from_slice(sign.as_bytes());
    if !(-4..6).contains(&exponent) {
        out.push(digits[0]);
        if 1 < digits.len() {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.extend_from_slice(
            format!("e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs()).as_bytes(),
        );
        return;
    }
    if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', usize::try_from(-exponent - 1).unwrap_or_default()));
        out.extend_from_slice(&digits);
        return;
    }
    let n_whole = usize::try_from(exponent + 1).unwrap_or_default();
    for place in 0..n_whole {
        out.push(digits.get(place).copied().unwrap_or(b'0'));
    }
    if n_whole < digits.len() {
        out.push(b'.');
        out.extend_from_slice(&digits[n_whole..]);
    }
}

/// How long the number is that a text begins with, as JSON writes numbers.
pub(super) fn len(text: &[u8], may_be_float: bool) -> Result<usize, String> {
    let short = || "short buffer".to_string();
    let digits = |from: usize| text[from..].iter().take_while(|it| it.is_ascii_digit()).count();
    let unexpected = |at: usize| match text.get(at) {
        Some(byte) => format!("unexpected byte: {:?}", char::from(*byte)),
        None => short(),
    };
    let mut end = usize::from(text.first() == Some(&b'-'));
    match text.get(end) {
        Some(b'0') => end += 1,
        Some(b'1'..=b'9') => end += digits(end),
        _ => return Err(unexpected(end)),
    }
    if !may_be_float {
        return Ok(end);
    }
    if text.get(end) == Some(&b'.') {
        let n = digits(end + 1);
        end += 1 + n;
        if n == 0 {
            return Err(unexpected(end));
        }
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        end += 1;
        end += usize::from(matches!(text.get(end), Some(b'+' | b'-')));
        let n = digits(end);
        end += n;
        if n == 0 {
            return Err(unexpected(end));
        }
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_written_as_go_writes_them() {
        for (number, expected) in [
            (0.0, "0"),
            (-1.0, "-1"),
            (1.5, "1.5"),
            (999_999.0, "999999"),
            (1e6, "1e+06"),
            (1_234_567.0, "1.234567e+06"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (5e-324, "5e-324"),
            (2_097_152.25, "2.09715225e+06"),
            (1e100, "1e+100"),
        ] {
            let mut out = Vec::new();
            super::write(&format!("{number:e}"), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }

    #[test]
    fn where_a_number_ends() {
        let len = |text: &str| super::len(text.as_bytes(), true);
        assert_eq!((len("0"), len("-12.50e+3,")), (Ok(1), Ok(9)));
        assert_eq!(super::len(b"1.5", false), Ok(1));
        assert_eq!(len("x"), Err("unexpected byte: 'x'".to_string()));
        assert_eq!((len("-"), len("1.")), (Err("short buffer".to_string()), Err("short buffer".to_string())));
    }
}
