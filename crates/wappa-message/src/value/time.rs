//! Points in time, with the place on earth whose clocks show them.

use std::{fmt, sync::Arc};

use super::Text;

/// A point in time and the offset from UTC at which it is shown. As text it is RFC 3339 with as many digits of a second
/// as it has. Cloning shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Time(Arc<Moment>);

#[derive(Debug, PartialEq, Eq)]
struct Moment {
    seconds: i64,
    nanos: u32,
    offset: i32,
    zone: Arc<str>,
}

impl Time {
    /// A point in time: seconds since 1970 in UTC, nanoseconds behind them, seconds east of UTC, and the name of the zone,
    /// its abbreviation, or nothing.
    pub fn new(seconds: i64, nanos: u32, offset: i32, zone: impl Into<Arc<str>>) -> Time {
        Time(Arc::new(Moment { seconds, nanos: nanos.min(999_999_999), offset, zone: zone.into() }))
    }

    /// The text of a point in time, as [`Time::new`] has it, without the time itself.
    pub fn text_of(seconds: i64, nanos: u32, offset: i32) -> Text {
        Text::copied(Digits::of(seconds, nanos.min(999_999_999), offset).as_str())
    }

    /// Seconds since 1970 in UTC, rounded down.
    pub fn seconds(&self) -> i64 {
        self.0.seconds
    }

    /// The nanoseconds behind [`Time::seconds`].
    pub fn nanos(&self) -> u32 {
        self.0.nanos
    }

    /// The offset at which the time is shown, in seconds east of UTC.
    pub fn offset(&self) -> i32 {
        self.0.offset
    }

    /// The name of the zone whose clocks show the time, or its abbreviation; empty where only the offset is known.
    pub fn zone(&self) -> &Arc<str> {
        &self.0.zone
    }

    /// What is allocated beside the value itself, in bytes.
    pub(crate) fn allocated(&self) -> usize {
        size_of::<Moment>() + 16 + self.0.zone.len()
    }
}

/// By RFC 3339, as Go's `RFC3339Nano`.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Digits::of(self.0.seconds, self.0.nanos, self.0.offset).as_str())
    }
}

/// A text of digits that is put together: times are printed for each message.
struct Digits {
    bytes: [u8; Digits::LEN_MAX],
    len: usize,
}

impl Digits {
    /// A year of thirteen characters and an offset of ten, which no clock has, and nine digits of a second.
    const LEN_MAX: usize = 48;

    /// A point in time: as [`Time::new`] has it.
    fn of(seconds: i64, nanos: u32, offset: i32) -> Digits {
        let shown = seconds.saturating_add(offset.into());
        let (days, second) = (shown.div_euclid(86_400), shown.rem_euclid(86_400) as u32);
        let (year, month, day) = civil(days);
        let mut text = Digits { bytes: [0; Digits::LEN_MAX], len: 0 };
        match year {
            0..=9999 => {
                text.push_two(year as u32 / 100);
                text.push_two(year as u32 % 100);
            }
            // The sign is one of the four characters that there are at least.
            ..0 => {
                text.push_byte(b'-');
                text.push(year.unsigned_abs(), 3);
            }
            _ => text.push(year as u64, 4),
        }
        for (before, number) in [
            (b'-', month as u32),
            (b'-', day as u32),
            (b'T', second / 3600),
            (b':', second / 60 % 60),
            (b':', second % 60),
        ] {
            text.push_byte(before);
            text.push_two(number);
        }
        if nanos != 0 {
            text.push_byte(b'.');
            text.push(nanos.into(), 9);
            text.trim_zeros();
        }
        match offset {
            0 => text.push_byte(b'Z'),
            offset => {
                let minutes = offset.unsigned_abs() / 60;
                text.push_byte(if offset < 0 { b'-' } else { b'+' });
                text.push((minutes / 60).into(), 2);
                text.push_byte(b':');
                text.push_two(minutes % 60);
            }
        }
        text
    }

    fn push_byte(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    /// A number below a hundred.
    fn push_two(&mut self, number: u32) {
        let digits = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        self.bytes[self.len..self.len + 2].copy_from_slice(&digits);
        self.len += 2;
    }

    /// A number with so many digits, zeros in front; with more, where it has more.
    fn push(&mut self, number: u64, n_digits: u32) {
        let n_digits = n_digits.max(number.checked_ilog10().map_or(1, |it| it + 1)) as usize;
        let mut rest = number;
        for byte in self.bytes[self.len..self.len + n_digits].iter_mut().rev() {
            *byte = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        self.len += n_digits;
    }

    fn trim_zeros(&mut self) {
        while self.bytes[..self.len].last() == Some(&b'0') {
            self.len -= 1;
        }
    }

    fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..self.len]).expect("digits and what is between them are ASCII")
    }
}

/// Year, month and day of a day since 1970, in the calendar of today. Source: Howard Hinnant's `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_at_their_offset() {
        let text = |seconds, nanos, offset| Time::new(seconds, nanos, offset, "").to_string();
        assert_eq!(text(0, 0, 0), "1970-01-01T00:00:00Z");
        assert_eq!(text(-1, 500_000_000, 0), "1969-12-31T23:59:59.5Z");
        assert_eq!(text(1_709_164_800, 1, 5_400), "2024-02-29T01:30:00.000000001+01:30");
        assert_eq!(text(1_709_164_800, 0, -28_800), "2024-02-28T16:00:00-08:00");
        assert_eq!(text(951_782_400, 0, 0), "2000-02-29T00:00:00Z");
        assert_eq!(text(253_402_300_799, 0, 0), "9999-12-31T23:59:59Z");
        assert_eq!(text(-62_135_596_800, 0, 0), "0001-01-01T00:00:00Z");
        assert_eq!(text(253_402_300_800, 0, 0), "10000-01-01T00:00:00Z");
        assert_eq!(text(-62_135_596_801, 999_000_000, i32::MAX), "0069-01-19T03:14:06.999+596523:14");
        assert_eq!(text(-62_167_219_201, 120_000, -1), "-001-12-31T23:59:58.00012-00:00");
    }
}
