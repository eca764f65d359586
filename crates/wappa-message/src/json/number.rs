//! Numbers as Go prints them: floating-point ones with the shortest digits that give the number back.

use std::fmt::Write as _;

use super::Write;

/// Writes a whole number.
pub(super) fn write_int(number: i64, out: &mut impl Write) {
    write_digits(number < 0, number.unsigned_abs(), out);
}

/// Writes a whole number that has no sign.
pub(super) fn write_uint(number: u64, out: &mut impl Write) {
    write_digits(false, number, out);
}

fn write_digits(is_negative: bool, mut number: u64, out: &mut impl Write) {
    // As many as the largest number has, and a sign.
    let mut bytes = [0; 20 + 1];
    let mut at = bytes.len();
    loop {
        at -= 1;
        bytes[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    if is_negative {
        at -= 1;
        bytes[at] = b'-';
    }
    out.write(&bytes[at..]);
}

/// Writes a number as Go's JSON has it: an exponent below 1e-6 and from 1e21 on.
///
/// JSON has no word for what is not finite. Bento's content becomes empty then; `null` in its place loses less.
pub(super) fn write(number: f64, out: &mut impl Write) {
    match number.is_finite() {
        // Of a negative exponent Go's JSON writes no zero in front.
        true => write_finite(number, 1e-6..1e21, 1, out),
        false => out.write(b"null"),
    }
}

/// Writes a number as Bento makes text of it: an exponent below 1e-4 and from 1e6 on, of two digits at least.
pub(crate) fn write_text(number: f64, out: &mut impl Write) {
    if number.is_nan() {
        out.write(b"NaN");
    } else if number.is_infinite() {
        out.write(if 0.0 < number { b"+Inf" } else { b"-Inf" });
    } else {
        write_finite(number, 1e-4..1e6, 2, out);
    }
}

fn write_finite(number: f64, plain: std::ops::Range<f64>, digits_min: usize, out: &mut impl Write) {
    let mut short = Short::default();
    if number == 0.0 || plain.contains(&number.abs()) {
        write!(short, "{number}").expect("there is room");
        return out.write(short.as_slice());
    }
    write!(short, "{number:e}").expect("there is room");
    let text = short.as_slice();
    let at = text.iter().position(|it| *it == b'e').expect("the format has an exponent");
    let (digits, exponent) = (&text[..at], &text[at + 1..]);
    out.write(digits);
    let (sign, exponent, digits_min) = match exponent.strip_prefix(b"-") {
        Some(exponent) => (b"e-", exponent, digits_min),
        None => (b"e+", exponent, 2),
    };
    out.write(sign);
    if exponent.len() < digits_min {
        out.write(b"0");
    }
    out.write(exponent);
}

/// The text of a number, without an allocation. The longest one has 17 digits, a sign, a point, and either an exponent
/// or zeroes for up to 1e21.
#[derive(Default)]
struct Short {
    bytes: [u8; 32],
    len: usize,
}

impl Short {
    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl std::fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.len + text.len();
        let place = self.bytes.get_mut(self.len..end).ok_or(std::fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}
