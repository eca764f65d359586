//! A method on whole numbers of any size that stand for decimal ones.

use wappa_message::Value;

use crate::{
    error::{Error, Result},
    registry::{
        Category, Method, Param,
        args::Given,
        bound::{MethodBody, PreparedMethod},
        example,
    },
    value::convert,
};

/// How many digits may stand behind the point, as in Bento.
const SCALE_MAX: i64 = 16_383;

/// How many digits are calculated at once: as many as a number of 64 bits holds.
const CHUNK_DIGITS: usize = 18;
const CHUNK: u64 = 1_000_000_000_000_000_000;

fn parse_big_decimal(args: Given<'_>) -> Result<PreparedMethod> {
    let scale = args.int(0);
    if !(0..=SCALE_MAX).contains(&scale) {
        return Err(Error::new(format!("scale must be between 0 and {SCALE_MAX}, got {scale}")));
    }
    Ok(Box::new(move |machine, value| {
        let bytes: &[u8] = &convert::bytes(&value)?;
        if bytes.is_empty() {
            return Err(Error::new("cannot parse empty bytes as big decimal"));
        }
        // Each part of the number is divided as often as there are digits to come.
        let n_parts = bytes.len() as u64 / 4 + 1;
        machine.budget().steps(n_parts.saturating_mul(n_parts) / 4)?;
        machine.budget().bytes(bytes.len().saturating_mul(3).saturating_add(scale as usize))?;
        Ok(Value::text(decimal(bytes, scale as usize)))
    }))
}

/// A number in two's complement, its highest byte first, in decimal, with the point so many digits from the right.
fn decimal(bytes: &[u8], scale: usize) -> String {
    let is_negative = bytes[0] & 0x80 != 0;
    // Without its sign, in parts of 32 bits, the highest first.
    let mut parts: Vec<u32> = bytes
        .rchunks(4)
        .rev()
        .map(|chunk| {
            let fill = if is_negative && chunk.len() < 4 { u32::MAX } else { 0 };
            let part = chunk.iter().fold(fill, |part, byte| part << 8 | u32::from(*byte));
            if is_negative { !part } else { part }
        })
        .collect();
    if is_negative {
        let mut carry = true;
        for part in parts.iter_mut().rev() {
            (*part, carry) = part.overflowing_add(carry.into());
        }
        if carry {
            parts.insert(0, 1);
        }
    }
    let mut chunks = Vec::new();
    while let Some(begin) = parts.iter().position(|it| *it != 0) {
        parts.drain(..begin);
        let mut rest = 0u128;
        for part in &mut parts {
            let dividend = rest << 32 | u128::from(*part);
            *part = (dividend / u128::from(CHUNK)) as u32;
            rest = dividend % u128::from(CHUNK);
        }
        chunks.push(rest as u64);
    }
    let mut digits: String =
        chunks.iter().rev().map(|it| format!("{it:0width$}", width = CHUNK_DIGITS)).collect();
    digits.drain(..digits.len() - digits.trim_start_matches('0').len());
    let (sign, zeros) = (if is_negative { "-" } else { "" }, (scale + 1).saturating_sub(digits.len()));
    let digits = format!("{}{digits}", "0".repeat(zeros));
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let point = if scale == 0 { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

pub(super) const METHODS: &[Method] = &[Method::new(
    "parse_big_decimal",
    Category::Parsing,
    "The decimal number that bytes hold as Kafka Connect writes it: a whole number in two's complement, its highest byte \
     first, of which some digits stand behind the point. It is a text, so that no digit is lost.",
    MethodBody::Prepared(parse_big_decimal),
)
.unnamed()
.params(&[Param::int("scale", "How many digits stand behind the point: from 0 to 16383.")])
.examples(&[example(r#"root = this.a.decode("hex").parse_big_decimal(2)"#, &[
    (r#"{"a":"3039"}"#, "123.45"),
    (r#"{"a":"ff"}"#, "-0.01"),
    (r#"{"a":""}"#, r#"Error("failed assignment (line 1): cannot parse empty bytes as big decimal")"#),
])])];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_size_are_written_in_decimal() {
        for number in [0, 1, -1, 127, 128, -128, -129, 255, 65_535, i64::MIN.into(), i128::MAX, i128::MIN] {
            assert_eq!(decimal(&number.to_be_bytes(), 0), number.to_string());
        }
        for (bytes, scale, expected) in [
            (b"\xff".as_slice(), 3, "-0.001"),
            (b"\x80", 0, "-128"),
            (b"\x80\x00\x00\x00\x00", 0, "-549755813888"),
            (b"\x00\x00\x00\x00\x00", 2, "0.00"),
            // 2 to the power of 135, less one.
            (&[&[0x7f], [0xff; 16].as_slice()].concat(), 4, "4355614296588012332331194975126633106.6367"),
        ] {
            assert_eq!(decimal(bytes, scale), expected);
        }
    }
}
