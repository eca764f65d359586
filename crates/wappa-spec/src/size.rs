//! Sizes in bytes: `128MiB`, `64KB`, `1024`.

use std::fmt;

use crate::duration::decimal;

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

impl Size {
    /// The number of bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }

    /// Reads a size; units of 1000 (`KB`) and of 1024 (`KiB`) in any case, a fraction is allowed.
    pub fn parse(text: &str) -> Option<Size> {
        let end = text.find(|it: char| !it.is_ascii_digit() && it != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let scale: u128 = match unit.trim_start().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" => 1_000,
            "m" | "mb" => 1_000_000,
            "g" | "gb" => 1_000_000_000,
            "t" | "tb" => 1_000_000_000_000,
            "ki" | "kib" => 1 << 10,
            "mi" | "mib" => 1 << 20,
            "gi" | "gib" => 1 << 30,
            "ti" | "tib" => 1 << 40,
            _ => return None,
        };
        u64::try_from(decimal(number, scale)?).ok().map(Size)
    }
}

/// The largest unit of 1024 that divides it: `128MiB`.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, shift) in [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)] {
            if self.0 != 0 && self.0.is_multiple_of(1 << shift) {
                return write!(f, "{}{unit}", self.0 >> shift);
            }
        }
        write!(f, "{}B", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("1024", Some(1024)),
            ("128MiB", Some(128 << 20)),
            ("64KB", Some(64_000)),
            ("64 kb", Some(64_000)),
            ("1.5GiB", Some(3 << 29)),
            ("5b", Some(5)),
            ("", None),
            ("MiB", None),
            ("-1", None),
            ("1 MiB x", None),
            ("99999999TiB", None),
            ("lots", None),
        ] {
            assert_eq!(Size::parse(text).map(Size::bytes), bytes, "{text}");
        }
        assert_eq!(Size(128 << 20).to_string(), "128MiB");
        assert_eq!(Size(0).to_string(), "0B");
        assert_eq!(Size(64_000).to_string(), "64000B");
    }
}
