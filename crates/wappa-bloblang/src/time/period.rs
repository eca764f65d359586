//! Periods: lengths of time in years, months and so on, as ISO 8601 writes them: `P1Y2M3DT4H5.5S`.

use wappa_message::Time;

use super::{Civil, SECOND, days_since_1970, layout, zone::Zone};

/// A number in decimal: `digits` with the point so many places from the right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Decimal {
    digits: i64,
    n_places: u32,
}

impl Decimal {
    fn parse(text: &str) -> Option<Decimal> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || !digits.bytes().all(|it| it.is_ascii_digit()) {
            return None;
        }
        Some(Decimal { digits: sign * digits.parse::<i64>().ok()?, n_places: fraction.len() as u32 })
    }

    /// The number of nanoseconds, say, of which a unit has so many; what is beyond them is left out.
    fn times(self, unit: i128) -> i128 {
        let unit = 10i128.checked_pow(self.n_places).map_or(0, |it| unit / it);
        i128::from(self.digits) * unit
    }
}

/// The designators, in their order.
const DESIGNATORS: [char; 7] = ['Y', 'M', 'W', 'D', 'H', 'M', 'S'];

/// The first of those that stand behind a `T`.
const HOURS: usize = 4;

/// A length of time whose days and months are as long as they are where it begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Period {
    /// One for each designator.
    parts: [Decimal; 7],
}

/// A year by the calendar of today, on average, in millionths of a day.
const YEAR: i128 = 365_242_500;

impl Period {
    /// Reads a period. Weeks may stand beside other parts, and the last part may have a fraction.
    pub(crate) fn parse(text: &str) -> Result<Period, String> {
        let blank = || "cannot parse a blank string as a period".to_string();
        let failed = |why: String| format!("{text}: {why}");
        let (is_negative, rest) = match text.as_bytes().first() {
            None => return Err(blank()),
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            Some(_) => (false, text),
        };
        if rest.is_empty() {
            return Err(blank());
        }
        let Some(mut rest) = rest.strip_prefix('P') else {
            return Err(failed("expected 'P' period mark at the start".to_string()));
        };
        let mut parts = [None; 7];
        let mut is_time = false;
        let mut with_fraction = None;
        while let Some(first) = rest.chars().next() {
            if first == 'T' {
                if is_time {
                    return Err(failed("'T' designator cannot occur more than once".to_string()));
                }
                is_time = true;
                rest = &rest[1..];
                continue;
            }
            let is_number = |it: char| it.is_ascii_digit() || it == '.' || it == ',';
            let sign = usize::from(first == '-');
            let n = rest[sign..].find(|it| !is_number(it));
            let Some(n) = n.map(|it| it + sign) else {
                return Err(failed("missing designator at the end".to_string()));
            };
            if n == 0 {
                return Err(failed(format!("expected a number but found '{first}'")));
            }
            let (number, behind) = rest.split_at(n);
            let Some(number) = Decimal::parse(&number.replace(',', ".")) else {
                return Err(failed("number invalid or out of range".to_string()));
            };
            let designator = behind.chars().next().unwrap_or_default();
            let idx = match designator {
                'M' if is_time => 5,
                'M' => 1,
                other => match DESIGNATORS.iter().position(|it| *it == other) {
                    Some(idx) => idx,
                    None => {
                        return Err(failed(format!(
                            "expected a designator Y, M, W, D, H, or S not '{other}'"
                        )));
                    }
                },
            };
            if let Some(before) = with_fraction
                && number.digits != 0
            {
                return Err(failed(format!(
                    "'{before}' & '{designator}' only the last field can have a fraction"
                )));
            }
            if (idx < HOURS) == is_time {
                return Err(failed(format!("'{designator}' designator cannot occur here")));
            }
            if parts[idx].replace(number).is_some() {
                return Err(failed(format!("'{designator}' designator cannot occur more than once")));
            }
            if 0 < number.n_places {
                with_fraction = Some(designator);
            }
            rest = &behind[designator.len_utf8()..];
        }
        if parts.iter().all(Option::is_none) {
            return Err(failed("expected 'Y', 'M', 'W', 'D', 'H', 'M', or 'S' designator".to_string()));
        }
        let period = Period { parts: parts.map(Option::unwrap_or_default) };
        Ok(if is_negative { period.negated() } else { period })
    }

    pub(crate) fn negated(mut self) -> Period {
        self.parts.iter_mut().for_each(|it| it.digits = -it.digits);
        self
    }

    /// Hours, minutes and seconds, in nanoseconds.
    fn clock(&self) -> i128 {
        let [.., hours, minutes, seconds] = self.parts;
        let second = i128::from(SECOND);
        hours.times(3600 * second) + minutes.times(60 * second) + seconds.times(second)
    }

    /// The length in nanoseconds, as if all years, months and days were as long as they are on average; as far as a
    /// number of 64 bits goes.
    pub(crate) fn nanos(&self) -> i64 {
        let [years, months, weeks, days, ..] = self.parts;
        // Days are counted in billionths, as Bento does.
        let days = days.times(1_000_000_000)
            + weeks.times(7_000_000_000)
            + months.times(YEAR / 12 * 1000)
            + years.times(YEAR * 1000);
        (days * 86_400 + self.clock()).clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    /// The time that is so much later, by the clocks and the calendar of its place.
    pub(crate) fn add_to(&self, time: &Time) -> Time {
        let [years, months, weeks, days, ..] = self.parts;
        let calendar = [years, months, weeks, days];
        let at = i128::from(time.seconds()) * i128::from(SECOND) + i128::from(time.nanos());
        let is_clock = calendar.iter().all(|it| it.digits == 0);
        if is_clock || calendar.iter().any(|it| 0 < it.n_places) {
            return layout::at(time, at + i128::from(self.nanos()));
        }
        // Days go on by the calendar first; then hours go on by the clock.
        let civil = Civil::of(time);
        let limited = |it: i128| it.clamp(-4_000_000_000_000, 4_000_000_000_000) as i64;
        let months = i128::from(months.digits)
            + 12 * (i128::from(years.digits) + i128::from(civil.year))
            + i128::from(civil.month)
            - 1;
        // About as far as Go's calendar is exact.
        let (year, month) = (
            limited(months.div_euclid(12)).clamp(-290_000_000, 290_000_000),
            months.rem_euclid(12) as u32 + 1,
        );
        let days =
            limited(i128::from(civil.day) - 1 + i128::from(days.digits) + 7 * i128::from(weeks.digits));
        let days = days_since_1970(year, month, 1).saturating_add(days);
        let of_day = time.seconds().saturating_add(time.offset().into()).rem_euclid(86_400);
        let shown = days.saturating_mul(86_400).saturating_add(of_day);
        let moved = match Zone::of(time) {
            Some(zone) => zone.time_of_shown(shown, time.nanos()),
            None => {
                Time::new(shown - i64::from(time.offset()), time.nanos(), time.offset(), time.zone().clone())
            }
        };
        let at = i128::from(moved.seconds()) * i128::from(SECOND) + i128::from(moved.nanos());
        layout::at(&moved, at + self.clock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::parse_rfc3339;

    #[test]
    fn periods_are_read() {
        for (text, nanos) in [
            ("P0D", 0),
            ("PT5S", 5 * SECOND),
            ("-PT1M", -60 * SECOND),
            ("PT1,5S", 3 * SECOND / 2),
            ("P1W2D", 9 * 86_400 * SECOND),
            ("P1Y", 31_556_952 * SECOND),
            ("P1M", 2_629_746 * SECOND),
            ("P0.5D", 43_200 * SECOND),
            ("P100000Y", i64::MAX),
        ] {
            assert_eq!(Period::parse(text).map(|it| it.nanos()), Ok(nanos), "{text}");
        }
        for (text, why) in [
            ("", "cannot parse a blank string as a period"),
            ("-", "cannot parse a blank string as a period"),
            ("1D", "1D: expected 'P' period mark at the start"),
            ("P", "P: expected 'Y', 'M', 'W', 'D', 'H', 'M', or 'S' designator"),
            ("P1", "P1: missing designator at the end"),
            ("PxD", "PxD: expected a number but found 'x'"),
            ("P1H", "P1H: 'H' designator cannot occur here"),
            ("PT1D", "PT1D: 'D' designator cannot occur here"),
            ("P1D1D", "P1D1D: 'D' designator cannot occur more than once"),
            ("PT1TH", "PT1TH: expected a designator Y, M, W, D, H, or S not 'T'"),
            ("P1.5D1.5D", "P1.5D1.5D: 'D' & 'D' only the last field can have a fraction"),
            ("P1..5D", "P1..5D: number invalid or out of range"),
            ("P99999999999999999999D", "P99999999999999999999D: number invalid or out of range"),
            ("P1\u{e4}", "P1\u{e4}: expected a designator Y, M, W, D, H, or S not '\u{e4}'"),
        ] {
            assert_eq!(Period::parse(text), Err(why.to_string()));
        }
    }

    #[test]
    fn periods_follow_the_calendar() {
        for (time, period, expected) in [
            ("2020-01-31T10:00:00Z", "P1M", "2020-03-02T10:00:00Z"),
            ("2020-02-29T10:00:00+02:00", "P1Y", "2021-03-01T10:00:00+02:00"),
            ("2020-12-31T23:59:59.5Z", "PT0.5S", "2021-01-01T00:00:00Z"),
            ("2020-03-31T00:00:00Z", "-P1M1DT1H", "2020-02-29T23:00:00Z"),
            ("2020-01-01T00:00:00Z", "P0.5D", "2020-01-01T12:00:00Z"),
        ] {
            let time = parse_rfc3339(time).expect("it is a time");
            let period = Period::parse(period).expect("it is a period");
            assert_eq!(period.add_to(&time).to_string(), expected);
        }
        let time = parse_rfc3339("2020-01-01T00:00:00Z").expect("it is a time");
        let far = Period::parse("P9223372036854775807Y9223372036854775807M9223372036854775807D")
            .expect("it is one");
        far.add_to(&time);
        far.negated().add_to(&time);
    }
}
