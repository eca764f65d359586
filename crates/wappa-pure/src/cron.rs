//! Schedules as `cron` knows them, in the dialect of the library that Bento has for it, with its words for what is none.

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};

use crate::duration;

/// Times that come again and again.
#[derive(Clone, Debug)]
pub(crate) enum Schedule {
    /// So long after the last one, at the beginning of a second.
    Every(Duration),
    /// Whenever the clock of a time zone shows what the fields say.
    Clock(Box<Fields>),
}

/// The fields of an expression: a set of numbers each.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    second: Set,
    minute: Set,
    hour: Set,
    day: Set,
    month: Set,
    weekday: Set,
    zone: TimeZone,
}

/// The numbers that a field stands for.
#[derive(Clone, Copy, Debug, Default)]
struct Set {
    bits: u64,
    /// The field says nothing (`*`).
    is_any: bool,
}

/// What a field can say.
struct Bounds {
    min: u64,
    max: u64,
    /// Names, of which the first one means `min`.
    names: &'static [&'static str],
}

const SECOND: Bounds = Bounds { min: 0, max: 59, names: &[] };
const MINUTE: Bounds = Bounds { min: 0, max: 59, names: &[] };
const HOUR: Bounds = Bounds { min: 0, max: 23, names: &[] };
const DAY: Bounds = Bounds { min: 1, max: 31, names: &[] };
const MONTH: Bounds = Bounds {
    min: 1,
    max: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAY: Bounds = Bounds { min: 0, max: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

/// What does not come within so many years never comes.
const YEARS_MAX: i16 = 5;

const SECOND_LONG: Duration = Duration::from_secs(1);

impl Schedule {
    /// Reads an expression of five fields, or of six with seconds first; or a descriptor, such as `@daily` and `@every 5m`.
    /// `TZ=` and the name of a time zone may stand before it; without one it is UTC.
    pub(crate) fn parse(text: &str) -> Result<Schedule, String> {
        let (zone, expression) = match text.strip_prefix("TZ=") {
            None => (TimeZone::UTC, text),
            Some(rest) => {
                let (name, expression) = rest.split_once(' ').unwrap_or((rest, ""));
                (zone_of(name)?, expression.trim())
            }
        };
        if let Some(interval) = expression.strip_prefix("@every ") {
            let interval = duration::parse(interval)
                .map_err(|err| format!("failed to parse duration {expression}: {err}"))?;
            return Ok(Schedule::Every(Duration::from_secs(interval.max(SECOND_LONG).as_secs())));
        }
        let expression = match expression {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            it if it.starts_with('@') => return Err(format!("unrecognized descriptor: {it}")),
            it => it,
        };
        let fields: Vec<&str> = expression.split_whitespace().collect();
        let (second, rest) = match fields.as_slice() {
            [second, rest @ ..] if rest.len() == 5 => (*second, rest),
            rest if rest.len() == 5 => ("0", rest),
            _ => return Err(format!("expected 5 to 6 fields, found {}: [{expression}]", fields.len())),
        };
        let fields = Fields {
            second: SECOND.read(second)?,
            minute: MINUTE.read(rest[0])?,
            hour: HOUR.read(rest[1])?,
            day: DAY.read(rest[2])?,
            month: MONTH.read(rest[3])?,
            weekday: WEEKDAY.read(rest[4])?,
            zone,
        };
        Ok(Schedule::Clock(Box::new(fields)))
    }

    /// The first time after this one; none where it never comes, such as the 30th of February.
    pub(crate) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let second = Timestamp::from_second(after.as_second()).ok()?;
        match self {
            Schedule::Every(interval) => second.checked_add(*interval).ok(),
            Schedule::Clock(fields) => fields.next(second.checked_add(SECOND_LONG).ok()?),
        }
    }
}

/// A time zone by its name in the IANA database.
fn zone_of(name: &str) -> Result<TimeZone, String> {
    match name {
        "" | "UTC" => Ok(TimeZone::UTC),
        "Local" => Ok(TimeZone::system()),
        name => {
            TimeZone::get(name).map_err(|_| format!("provided bad location {name}: unknown time zone {name}"))
        }
    }
}

impl Fields {
    /// The first time from this one on. Steps through real time, so that an hour that a zone's clock leaves out is left
    /// out, and one that it shows twice comes twice.
    fn next(&self, from: Timestamp) -> Option<Timestamp> {
        let mut time = from;
        let year_last = from.to_zoned(self.zone.clone()).year().saturating_add(YEARS_MAX);
        loop {
            let clock = time.to_zoned(self.zone.clone());
            if year_last < clock.year() {
                return None;
            }
            let date = clock.date();
            time = if !self.month.has(clock.month()) {
                let next = date.last_of_month().tomorrow().ok()?;
                next.to_zoned(self.zone.clone()).ok()?.timestamp()
            } else if !self.is_day(clock.day(), clock.weekday().to_sunday_zero_offset()) {
                date.tomorrow().ok()?.to_zoned(self.zone.clone()).ok()?.timestamp()
            } else if !self.hour.has(clock.hour()) {
                let within = i64::from(clock.minute()) * 60 + i64::from(clock.second());
                Timestamp::from_second(time.as_second() + 3600 - within).ok()?
            } else if !self.minute.has(clock.minute()) {
                Timestamp::from_second(time.as_second() + 60 - i64::from(clock.second())).ok()?
            } else if !self.second.has(clock.second()) {
                time.checked_add(SECOND_LONG).ok()?
            } else {
                return Some(time);
            };
        }
    }

    /// Where both fields of days say something, one of them is enough.
    fn is_day(&self, day: i8, weekday: i8) -> bool {
        let (by_day, by_weekday) = (self.day.has(day), self.weekday.has(weekday));
        match self.day.is_any || self.weekday.is_any {
            true => by_day && by_weekday,
            false => by_day || by_weekday,
        }
    }
}

impl Set {
    fn has(self, number: i8) -> bool {
        self.bits & 1 << number != 0
    }
}

impl Bounds {
    /// Reads a list of ranges.
    fn read(&self, text: &str) -> Result<Set, String> {
        let mut set = Set::default();
        for range in text.split(',').filter(|it| !it.is_empty()) {
            let Set { bits, is_any } = self.range(range)?;
            set.bits |= bits;
            set.is_any |= is_any;
        }
        Ok(set)
    }

    /// Reads a number, a range, or `*`, each with a step or without.
    fn range(&self, text: &str) -> Result<Set, String> {
        let mut parts = text.split('/');
        let (range, step) = (parts.next().unwrap_or_default(), parts.next());
        if parts.next().is_some() {
            return Err(format!("too many slashes: {text}"));
        }
        let ends: Vec<&str> = range.split('-').collect();
        let is_all = matches!(ends[0], "*" | "?");
        let (first, mut last) = match ends.as_slice() {
            _ if is_all => (self.min, self.max),
            [one] => (self.number(one)?, self.number(one)?),
            [first, last] => (self.number(first)?, self.number(last)?),
            _ => return Err(format!("too many hyphens: {text}")),
        };
        let step = match step {
            None => 1,
            Some(step) => {
                if ends.len() == 1 {
                    last = self.max;
                }
                number(step)?
            }
        };
        let Bounds { min, max, .. } = self;
        if first < *min {
            return Err(format!("beginning of range ({first}) below minimum ({min}): {text}"));
        }
        if *max < last {
            return Err(format!("end of range ({last}) above maximum ({max}): {text}"));
        }
        if last < first {
            return Err(format!("beginning of range ({first}) beyond end of range ({last}): {text}"));
        }
        if step == 0 {
            return Err(format!("step of range should be a positive number: {text}"));
        }
        let step = usize::try_from(step).unwrap_or(usize::MAX);
        let bits = (first..=last).step_by(step).fold(0, |bits, it| bits | 1 << it);
        Ok(Set { bits, is_any: is_all && step == 1 })
    }

    fn number(&self, text: &str) -> Result<u64, String> {
        match self.names.iter().position(|it| text.eq_ignore_ascii_case(it)) {
            Some(idx) => Ok(self.min + idx as u64),
            None => number(text),
        }
    }
}

fn number(text: &str) -> Result<u64, String> {
    match text.parse::<i64>() {
        Ok(it) => u64::try_from(it).map_err(|_| format!("negative number ({it}) not allowed: {text}")),
        Err(_) => {
            let why = format!("strconv.Atoi: parsing {text:?}: invalid syntax");
            Err(format!("failed to parse int from {text}: {why}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first three times after one.
    fn check(text: &str, after: &str, expected: &str) {
        let schedule = Schedule::parse(text).expect("it is a schedule");
        let mut time: Timestamp = after.parse().expect("it is a time");
        let mut times = Vec::new();
        for _ in 0..3 {
            let Some(next) = schedule.next(time) else { break };
            times.push(next.to_string());
            time = next;
        }
        assert_eq!(times.join(" "), expected, "{text}");
    }

    #[test]
    fn times() {
        let after = "2026-01-31T23:59:58.5Z";
        check("@every 5m", after, "2026-02-01T00:04:58Z 2026-02-01T00:09:58Z 2026-02-01T00:14:58Z");
        check("@every 10ms", after, "2026-01-31T23:59:59Z 2026-02-01T00:00:00Z 2026-02-01T00:00:01Z");
        check("0,30 */2 * * * *", after, "2026-02-01T00:00:00Z 2026-02-01T00:00:30Z 2026-02-01T00:02:00Z");
        check("*/20 * * * *", after, "2026-02-01T00:00:00Z 2026-02-01T00:20:00Z 2026-02-01T00:40:00Z");
        check("@monthly", after, "2026-02-01T00:00:00Z 2026-03-01T00:00:00Z 2026-04-01T00:00:00Z");
        check("30 12 * feb-MAR sun", after, "2026-02-01T12:30:00Z 2026-02-08T12:30:00Z 2026-02-15T12:30:00Z");
        // Either of two days, where both fields say something.
        check("0 0 13 * 5", after, "2026-02-06T00:00:00Z 2026-02-13T00:00:00Z 2026-02-20T00:00:00Z");
        check(
            "0 0 13/1 * 5",
            "2026-02-14T00:00:00Z",
            "2026-02-15T00:00:00Z 2026-02-16T00:00:00Z 2026-02-17T00:00:00Z",
        );
        check("0 0 29 2 *", after, "2028-02-29T00:00:00Z 2032-02-29T00:00:00Z 2036-02-29T00:00:00Z");
        check("0 0 30 2 *", after, "");
    }

    #[test]
    fn zones_and_their_clocks() {
        let zone = "TZ=Europe/London";
        check(
            &format!("{zone} 30 3-6,20-23 * * *"),
            "2026-06-30T21:00:00Z",
            "2026-06-30T21:30:00Z 2026-06-30T22:30:00Z 2026-07-01T02:30:00Z",
        );
        // An hour that is left out, and one that comes twice.
        check(
            &format!("{zone} 30 1 * * *"),
            "2026-03-28T00:00:00Z",
            "2026-03-28T01:30:00Z 2026-03-30T00:30:00Z 2026-03-31T00:30:00Z",
        );
        check(
            &format!("{zone} 30 1 * * *"),
            "2026-10-24T12:00:00Z",
            "2026-10-25T00:30:00Z 2026-10-25T01:30:00Z 2026-10-26T01:30:00Z",
        );
    }

    #[test]
    fn what_is_none() {
        for (text, expected) in [
            ("* * * *", "expected 5 to 6 fields, found 4: [* * * *]"),
            ("", "expected 5 to 6 fields, found 0: []"),
            ("TZ=UTC", "expected 5 to 6 fields, found 0: []"),
            ("@reboot", "unrecognized descriptor: @reboot"),
            ("@every x", "failed to parse duration @every x: time: invalid duration \"x\""),
            ("TZ=No/Where * * * * *", "provided bad location No/Where: unknown time zone No/Where"),
            ("99 * * * *", "end of range (99) above maximum (59): 99"),
            ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
            ("5-2 * * * *", "beginning of range (5) beyond end of range (2): 5-2"),
            ("*/0 * * * *", "step of range should be a positive number: */0"),
            ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
            ("1/2/3 * * * *", "too many slashes: 1/2/3"),
            ("* * * * mond", "failed to parse int from mond: strconv.Atoi: parsing \"mond\": invalid syntax"),
        ] {
            assert_eq!(Schedule::parse(text).err().as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_step_may_be_any_number() {
        let expected = "2026-01-01T01:00:00Z 2026-01-01T02:00:00Z 2026-01-01T03:00:00Z";
        check("*/9223372036854775807 * * * *", "2026-01-01T00:00:00Z", expected);
    }
}
