//! Numbers in decimal, compared without rounding as far as their digits allow.

use std::{cmp::Ordering, fmt};

use wappa_message::Value;

/// A number: so many times ten to the power of the exponent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decimal {
    digits: i128,
    exponent: i32,
    /// The number as nearly as it can be, for those with too many digits.
    nearest: f64,
}

/// The exponents that are calculated with exactly.
const EXPONENT_MAX: i32 = 30;

impl Decimal {
    pub(super) fn of(value: &Value) -> Option<Decimal> {
        match value {
            Value::Int(it) => Some(Decimal::whole((*it).into(), *it as f64)),
            Value::Uint(it) => Some(Decimal::whole((*it).into(), *it as f64)),
            Value::Float(it) => Some(Decimal::parse(&format!("{it:e}"), *it)),
            Value::Number(it) => Some(Decimal::parse(it.as_str(), it.to_f64())),
            _ => None,
        }
    }

    fn whole(digits: i128, nearest: f64) -> Decimal {
        Decimal { digits, exponent: 0, nearest }
    }

    fn parse(text: &str, nearest: f64) -> Decimal {
        let exact = || {
            let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
            let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
            let fraction = fraction.trim_end_matches('0');
            let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
            let exponent: i32 =
                exponent.parse::<i32>().ok()?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
            if digits == 0 {
                return Some((0, 0));
            }
            (-EXPONENT_MAX..=EXPONENT_MAX).contains(&exponent).then_some((digits, exponent))
        };
        let (digits, exponent) = exact().unwrap_or((0, i32::MAX));
        Decimal { digits, exponent, nearest }
    }

    /// The digits of both with the same exponent.
    fn aligned(self, other: Decimal) -> Option<(i128, i128)> {
        if self.exponent == i32::MAX || other.exponent == i32::MAX {
            return None;
        }
        let exponent = self.exponent.min(other.exponent);
        let scaled =
            |it: Decimal| it.digits.checked_mul(10i128.checked_pow((it.exponent - exponent) as u32)?);
        Some((scaled(self)?, scaled(other)?))
    }

    pub(super) fn compare(self, other: Decimal) -> Ordering {
        match self.aligned(other) {
            Some((one, other)) => one.cmp(&other),
            None => self.nearest.partial_cmp(&other.nearest).unwrap_or(Ordering::Equal),
        }
    }

    pub(super) fn is_multiple_of(self, other: Decimal) -> bool {
        match self.aligned(other) {
            Some((_, 0)) => false,
            Some((one, other)) => one % other == 0,
            None => (self.nearest / other.nearest).fract() == 0.0,
        }
    }

    pub(super) fn is_whole(self) -> bool {
        self.is_multiple_of(Decimal::whole(1, 1.0))
    }

    pub(super) fn is_negative(self) -> bool {
        self.nearest < 0.0
    }

    /// The whole number, or the largest one.
    pub(super) fn to_u64(self) -> u64 {
        match self.aligned(Decimal::whole(0, 0.0)) {
            Some((digits, _)) if self.exponent == 0 => u64::try_from(digits).unwrap_or(u64::MAX),
            _ => self.nearest as u64,
        }
    }

    pub(super) fn is_positive(self) -> bool {
        0.0 < self.nearest
    }
}

/// As few digits as tell it from others, with an exponent from a million on, as Go has it.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&Value::Float(self.nearest).to_text()))
    }
}
