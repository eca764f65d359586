//! Go's layouts: how the second of January 2006, at four minutes and five seconds past three in the afternoon, would be
//! written. Source: the package `time` of Go, whose texts of errors these are.

use wappa_message::Time;

use super::{Civil, MONTHS, SECOND, WEEKDAYS, days_in, days_since_1970, zone, zone::Zone};
use crate::value::go;

/// The layout of a time as text.
pub(crate) const RFC3339_NANO: &str = "2006-01-02T15:04:05.999999999Z07:00";

/// An element of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperPm,
    LowerPm,
    Abbreviation,
    Offset(Offset),
    /// So many digits of a second, zeroes at the end included.
    Fraction0(usize),
    /// As many digits of a second as there are, up to so many.
    Fraction9(usize),
}

/// How an offset from UTC is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Offset {
    /// UTC is `Z`.
    has_z: bool,
    has_colon: bool,
    has_minutes: bool,
    has_seconds: bool,
}

/// The first element of a layout: what stands before it, itself, how it is written, and what is behind it.
fn next(layout: &str) -> Option<(&str, Element, &str, &str)> {
    let found = |at: usize, element: Element, len: usize| {
        Some((&layout[..at], element, &layout[at..at + len], &layout[at + len..]))
    };
    let is_lower = |rest: &str| rest.starts_with(|it: char| it.is_ascii_lowercase());
    for (at, byte) in layout.bytes().enumerate() {
        if !layout.is_char_boundary(at) {
            continue;
        }
        let rest = &layout[at..];
        match byte {
            b'J' if rest.starts_with("January") => return found(at, Element::LongMonth, 7),
            b'J' if rest.starts_with("Jan") && !is_lower(&rest[3..]) => return found(at, Element::Month, 3),
            b'M' if rest.starts_with("Monday") => return found(at, Element::LongWeekday, 6),
            b'M' if rest.starts_with("Mon") && !is_lower(&rest[3..]) => {
                return found(at, Element::Weekday, 3);
            }
            b'M' if rest.starts_with("MST") => return found(at, Element::Abbreviation, 3),
            b'0' => match rest.as_bytes().get(1) {
                Some(b'1') => return found(at, Element::ZeroMonth, 2),
                Some(b'2') => return found(at, Element::ZeroDay, 2),
                Some(b'3') => return found(at, Element::ZeroHour12, 2),
                Some(b'4') => return found(at, Element::ZeroMinute, 2),
                Some(b'5') => return found(at, Element::ZeroSecond, 2),
                Some(b'6') => return found(at, Element::Year, 2),
                _ if rest.starts_with("002") => return found(at, Element::ZeroYearDay, 3),
                _ => (),
            },
            b'1' if rest.starts_with("15") => return found(at, Element::Hour, 2),
            b'1' => return found(at, Element::NumMonth, 1),
            b'2' if rest.starts_with("2006") => return found(at, Element::LongYear, 4),
            b'2' => return found(at, Element::Day, 1),
            b'_' if rest.starts_with("_2006") => return found(at + 1, Element::LongYear, 4),
            b'_' if rest.starts_with("_2") => return found(at, Element::UnderDay, 2),
            b'_' if rest.starts_with("__2") => return found(at, Element::UnderYearDay, 3),
            b'3' => return found(at, Element::Hour12, 1),
            b'4' => return found(at, Element::Minute, 1),
            b'5' => return found(at, Element::Second, 1),
            b'P' if rest.starts_with("PM") => return found(at, Element::UpperPm, 2),
            b'p' if rest.starts_with("pm") => return found(at, Element::LowerPm, 2),
            b'-' | b'Z' => {
                let has_z = byte == b'Z';
                for (text, has_colon, has_minutes, has_seconds) in [
                    ("070000", false, true, true),
                    ("07:00:00", true, true, true),
                    ("0700", false, true, false),
                    ("07:00", true, true, false),
                    ("07", false, false, false),
                ] {
                    if rest[1..].starts_with(text) {
                        let offset = Offset { has_z, has_colon, has_minutes, has_seconds };
                        return found(at, Element::Offset(offset), text.len() + 1);
                    }
                }
            }
            b'.' | b',' => {
                if let Some(digit @ (b'0' | b'9')) = rest.as_bytes().get(1).copied() {
                    let n = rest.bytes().skip(1).take_while(|it| *it == digit).count();
                    let is_end = !rest.as_bytes().get(n + 1).is_some_and(u8::is_ascii_digit);
                    if is_end {
                        let element = match digit {
                            b'0' => Element::Fraction0(n),
                            _ => Element::Fraction9(n),
                        };
                        return found(at, element, n + 1);
                    }
                }
            }
            _ => (),
        }
    }
    None
}

/// A point in time, written by a layout.
pub(crate) fn format(time: &Time, layout: &str) -> String {
    use std::fmt::Write as _;

    let civil = Civil::of(time);
    let mut out = String::with_capacity(layout.len() + 8);
    let mut rest = layout;
    while let Some((before, element, written, behind)) = next(rest) {
        out.push_str(before);
        rest = behind;
        let hour12 = if civil.hour.is_multiple_of(12) { 12 } else { civil.hour % 12 };
        let _ = match element {
            Element::LongYear if civil.year < 0 => write!(out, "-{:04}", civil.year.unsigned_abs()),
            Element::LongYear => write!(out, "{:04}", civil.year),
            Element::Year => write!(out, "{:02}", civil.year.rem_euclid(100)),
            Element::LongMonth => write!(out, "{}", MONTHS[civil.month as usize - 1]),
            Element::Month => write!(out, "{}", &MONTHS[civil.month as usize - 1][..3]),
            Element::NumMonth => write!(out, "{}", civil.month),
            Element::ZeroMonth => write!(out, "{:02}", civil.month),
            Element::LongWeekday => write!(out, "{}", WEEKDAYS[civil.weekday as usize]),
            Element::Weekday => write!(out, "{}", &WEEKDAYS[civil.weekday as usize][..3]),
            Element::Day => write!(out, "{}", civil.day),
            Element::UnderDay => write!(out, "{:2}", civil.day),
            Element::ZeroDay => write!(out, "{:02}", civil.day),
            Element::UnderYearDay => write!(out, "{:3}", civil.year_day),
            Element::ZeroYearDay => write!(out, "{:03}", civil.year_day),
            Element::Hour => write!(out, "{:02}", civil.hour),
            Element::Hour12 => write!(out, "{hour12}"),
            Element::ZeroHour12 => write!(out, "{hour12:02}"),
            Element::Minute => write!(out, "{}", civil.minute),
            Element::ZeroMinute => write!(out, "{:02}", civil.minute),
            Element::Second => write!(out, "{}", civil.second),
            Element::ZeroSecond => write!(out, "{:02}", civil.second),
            Element::UpperPm => write!(out, "{}", if civil.hour < 12 { "AM" } else { "PM" }),
            Element::LowerPm => write!(out, "{}", if civil.hour < 12 { "am" } else { "pm" }),
            Element::Abbreviation => match zone::abbreviation(time).as_str() {
                "" => {
                    let minutes = time.offset().unsigned_abs() / 60;
                    let sign = if time.offset() < 0 { '-' } else { '+' };
                    write!(out, "{sign}{:02}{:02}", minutes / 60, minutes % 60)
                }
                name => write!(out, "{name}"),
            },
            Element::Offset(it) if it.has_z && time.offset() == 0 => write!(out, "Z"),
            Element::Offset(it) => {
                let seconds = time.offset().unsigned_abs();
                let colon = if it.has_colon { ":" } else { "" };
                let sign = if time.offset() < 0 { '-' } else { '+' };
                let _ = write!(out, "{sign}{:02}", seconds / 3600);
                if it.has_minutes {
                    let _ = write!(out, "{colon}{:02}", seconds / 60 % 60);
                }
                if it.has_seconds {
                    let _ = write!(out, "{colon}{:02}", seconds % 60);
                }
                Ok(())
            }
            Element::Fraction0(n) | Element::Fraction9(n) => {
                let digits = format!("{:09}", time.nanos());
                // Go has nine digits, and zeroes behind them.
                let mut digits = format!("{digits:0<n$}")[..n].to_string();
                if let Element::Fraction9(_) = element {
                    digits.truncate(digits.trim_end_matches('0').len());
                }
                match digits.is_empty() {
                    true => Ok(()),
                    false => write!(out, "{}{digits}", &written[..1]),
                }
            }
        };
    }
    out.push_str(rest);
    out
}

/// Why an element does not fit.
enum Bad {
    /// Something else stands there.
    Text,
    /// The number of this is too large.
    Range(&'static str),
}

type Parsed<T> = Result<T, Bad>;

/// Reads a text that is written by a layout.
pub(crate) fn parse(layout: &str, text: &str) -> Result<Time, String> {
    let quoted = go::told_time(text);
    let mut parts = Parts::default();
    let mut value = text;
    let mut rest = layout;
    loop {
        let Some((before, element, written, behind)) = next(rest) else {
            value = skip(value, rest).map_err(|at| mistake(layout, text, at, rest))?;
            if !value.is_empty() {
                return Err(format!("parsing time {quoted}: extra text: {}", go::told_time(value)));
            }
            break;
        };
        value = skip(value, before).map_err(|at| mistake(layout, text, at, before))?;
        let hold = value;
        match parts.take(element, &mut value, behind) {
            Ok(()) => rest = behind,
            Err(Bad::Text) => return Err(mistake(layout, text, hold, written)),
            Err(Bad::Range(what)) => {
                return Err(format!("parsing time {quoted}: {what} out of range"));
            }
        }
    }
    parts.time().map_err(|what| format!("parsing time {quoted}: {what} out of range"))
}

fn mistake(layout: &str, text: &str, at: &str, element: &str) -> String {
    let (text, layout, at, element) =
        (go::told_time(text), go::told_time(layout), go::told_time(at), go::told_time(element));
    format!("parsing time {text} as {layout}: cannot parse {at} as {element}")
}

/// Passes over what stands between elements; a blank stands for any number of them. Else gives where it does not fit.
fn skip<'a>(mut value: &'a str, mut prefix: &str) -> Result<&'a str, &'a str> {
    while let Some(c) = prefix.chars().next() {
        if c == ' ' {
            if !value.is_empty() && !value.starts_with(' ') {
                return Err(value);
            }
            prefix = prefix.trim_start_matches(' ');
            value = value.trim_start_matches(' ');
            continue;
        }
        if !value.starts_with(c) {
            return Err(value);
        }
        prefix = &prefix[c.len_utf8()..];
        value = &value[c.len_utf8()..];
    }
    Ok(value)
}

fn is_digit(value: &str, idx: usize) -> bool {
    value.as_bytes().get(idx).is_some_and(u8::is_ascii_digit)
}

/// One digit, or two.
fn number(value: &mut &str, is_fixed: bool) -> Parsed<u32> {
    let n = match (is_digit(value, 0), is_digit(value, 1)) {
        (true, true) => 2,
        (true, false) if !is_fixed => 1,
        _ => return Err(Bad::Text),
    };
    let (digits, rest) = value.split_at(n);
    *value = rest;
    digits.parse().map_err(|_| Bad::Text)
}

/// The place of a name among others, whatever its case.
fn lookup(value: &mut &str, names: &[&str], len: Option<usize>) -> Parsed<u32> {
    for (idx, name) in names.iter().enumerate() {
        let name = len.map_or(*name, |n| &name[..n]);
        if value.get(..name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name)) {
            *value = &value[name.len()..];
            return Ok(idx as u32);
        }
    }
    Err(Bad::Text)
}

/// A point or a comma, and digits behind it.
fn fraction(value: &mut &str, len: usize) -> Parsed<u32> {
    let (text, rest) = (value.get(..len).ok_or(Bad::Text)?, value.get(len..).ok_or(Bad::Text)?);
    if !text.starts_with(['.', ',']) || !text[1..].bytes().all(|it| it.is_ascii_digit()) || len < 2 {
        return Err(Bad::Text);
    }
    *value = rest;
    let digits: String = text[1..].chars().take(9).collect();
    format!("{digits:0<9}").parse().map_err(|_| Bad::Range("fractional second"))
}

/// What was read of a text.
#[derive(Default)]
struct Parts {
    year: i64,
    month: Option<u32>,
    day: Option<u32>,
    year_day: Option<u32>,
    hour: u32,
    minute: u32,
    second: u32,
    nanos: u32,
    is_pm: Option<bool>,
    is_utc: bool,
    offset: Option<i32>,
    abbreviation: String,
}

impl Parts {
    fn take(&mut self, element: Element, value: &mut &str, behind: &str) -> Parsed<()> {
        match element {
            Element::Year => {
                if !(is_digit(value, 0) && is_digit(value, 1)) {
                    return Err(Bad::Text);
                }
                let year = i64::from(number(value, true)?);
                // Unix began on a day of 1969, in some places.
                self.year = if 69 <= year { year + 1900 } else { year + 2000 };
            }
            Element::LongYear => {
                let text = value.get(..4).filter(|it| it.bytes().all(|it| it.is_ascii_digit()));
                self.year = text.ok_or(Bad::Text)?.parse().map_err(|_| Bad::Text)?;
                *value = &value[4..];
            }
            Element::Month => self.month = Some(lookup(value, &MONTHS, Some(3))? + 1),
            Element::LongMonth => self.month = Some(lookup(value, &MONTHS, None)? + 1),
            Element::NumMonth | Element::ZeroMonth => {
                let month = number(value, element == Element::ZeroMonth)?;
                if !(1..=12).contains(&month) {
                    return Err(Bad::Range("month"));
                }
                self.month = Some(month);
            }
            Element::Weekday => drop(lookup(value, &WEEKDAYS, Some(3))?),
            Element::LongWeekday => drop(lookup(value, &WEEKDAYS, None)?),
            Element::Day | Element::UnderDay | Element::ZeroDay => {
                if element == Element::UnderDay {
                    *value = value.strip_prefix(' ').unwrap_or(value);
                }
                self.day = Some(number(value, element == Element::ZeroDay)?);
            }
            Element::UnderYearDay | Element::ZeroYearDay => {
                for _ in 0..2 {
                    if element == Element::UnderYearDay {
                        *value = value.strip_prefix(' ').unwrap_or(value);
                    }
                }
                let n = value.bytes().take(3).take_while(u8::is_ascii_digit).count();
                if n == 0 || (element == Element::ZeroYearDay && n != 3) {
                    return Err(Bad::Text);
                }
                self.year_day = Some(value[..n].parse().map_err(|_| Bad::Text)?);
                *value = &value[n..];
            }
            Element::Hour => {
                self.hour = number(value, false)?;
                if 24 <= self.hour {
                    return Err(Bad::Range("hour"));
                }
            }
            Element::Hour12 | Element::ZeroHour12 => {
                self.hour = number(value, element == Element::ZeroHour12)?;
                if 12 < self.hour {
                    return Err(Bad::Range("hour"));
                }
            }
            Element::Minute | Element::ZeroMinute => {
                self.minute = number(value, element == Element::ZeroMinute)?;
                if 60 <= self.minute {
                    return Err(Bad::Range("minute"));
                }
            }
            Element::Second | Element::ZeroSecond => {
                self.second = number(value, element == Element::ZeroSecond)?;
                if 60 <= self.second {
                    return Err(Bad::Range("second"));
                }
                // A fraction may follow, whether the layout has one or not.
                let has_own =
                    matches!(next(behind), Some((_, Element::Fraction0(_) | Element::Fraction9(_), ..)));
                if value.starts_with(['.', ',']) && is_digit(value, 1) && !has_own {
                    let n = value.bytes().skip(1).take_while(u8::is_ascii_digit).count();
                    self.nanos = fraction(value, n + 1)?;
                }
            }
            Element::UpperPm | Element::LowerPm => {
                let (am, pm) = if element == Element::UpperPm { ("AM", "PM") } else { ("am", "pm") };
                self.is_pm = match value.get(..2) {
                    Some(it) if it == pm => Some(true),
                    Some(it) if it == am => Some(false),
                    _ => return Err(Bad::Text),
                };
                *value = &value[2..];
            }
            Element::Offset(offset) => self.take_offset(offset, value)?,
            Element::Abbreviation => {
                if let Some(rest) = value.strip_prefix("UTC") {
                    self.is_utc = true;
                    *value = rest;
                } else {
                    let n = abbreviation_len(value).ok_or(Bad::Text)?;
                    self.abbreviation = value[..n].to_string();
                    *value = &value[n..];
                }
            }
            Element::Fraction0(n) => self.nanos = fraction(value, n + 1)?,
            Element::Fraction9(_) => {
                // It may be left out.
                if value.starts_with(['.', ',']) && is_digit(value, 1) {
                    let n = value.bytes().skip(1).take(9).take_while(u8::is_ascii_digit).count();
                    self.nanos = fraction(value, n + 1)?;
                }
            }
        }
        Ok(())
    }

    fn take_offset(&mut self, offset: Offset, value: &mut &str) -> Parsed<()> {
        if offset.has_z
            && let Some(rest) = value.strip_prefix('Z')
        {
            self.is_utc = true;
            *value = rest;
            return Ok(());
        }
        let is_negative = match value.as_bytes().first() {
            Some(b'+') => false,
            Some(b'-') => true,
            _ => return Err(Bad::Text),
        };
        let mut rest = &value[1..];
        let hours = number(&mut rest, true)?;
        let mut more = |is_there: bool| -> Parsed<u32> {
            if !is_there {
                return Ok(0);
            }
            if offset.has_colon {
                rest = rest.strip_prefix(':').ok_or(Bad::Text)?;
            }
            number(&mut rest, true)
        };
        let minutes = more(offset.has_minutes)?;
        let seconds = more(offset.has_seconds)?;
        for (number, most, what) in [
            (hours, 24, "time zone offset hour"),
            (minutes, 60, "time zone offset minute"),
            (seconds, 60, "time zone offset second"),
        ] {
            if most < number {
                return Err(Bad::Range(what));
            }
        }
        let total = ((hours * 60 + minutes) * 60 + seconds) as i32;
        self.offset = Some(if is_negative { -total } else { total });
        *value = rest;
        Ok(())
    }

    fn time(mut self) -> Result<Time, &'static str> {
        match self.is_pm {
            Some(true) if self.hour < 12 => self.hour += 12,
            Some(false) if self.hour == 12 => self.hour = 0,
            _ => (),
        }
        let days_of_year = 337 + days_in(self.year, 2);
        if let Some(year_day) = self.year_day {
            if year_day < 1 || days_of_year < year_day {
                return Err("day-of-year");
            }
            let day = days_since_1970(self.year, 1, 1) + i64::from(year_day) - 1;
            let civil = Civil::at(day * 86_400);
            if self.month.is_some_and(|it| it != civil.month) || self.day.is_some_and(|it| it != civil.day) {
                return Err("day-of-year does not match");
            }
            (self.month, self.day) = (Some(civil.month), Some(civil.day));
        }
        let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        if day < 1 || days_in(self.year, month) < day {
            return Err("day");
        }
        let days = days_since_1970(self.year, month, day);
        let shown = days * 86_400 + i64::from(self.hour * 3600 + self.minute * 60 + self.second);
        if self.is_utc {
            return Ok(Zone::utc().time(shown, self.nanos));
        }
        if let Some(offset) = self.offset {
            let seconds = shown - i64::from(offset);
            // Where the clocks of the machine show the same, it is their time.
            let local = Zone::local();
            let is_local = local.offset(seconds) == offset
                && (self.abbreviation.is_empty() || local.abbreviation(seconds) == self.abbreviation);
            return Ok(match is_local {
                true => local.time(seconds, self.nanos),
                false => Time::new(seconds, self.nanos, offset, self.abbreviation),
            });
        }
        if !self.abbreviation.is_empty() {
            let local = Zone::local().time_of_shown(shown, self.nanos);
            if zone::abbreviation(&local) == self.abbreviation {
                return Ok(local);
            }
            let hours = self.abbreviation.strip_prefix("GMT").and_then(|it| it.parse::<i32>().ok());
            let offset = hours.unwrap_or(0) * 3600;
            return Ok(Time::new(shown - i64::from(offset), self.nanos, offset, self.abbreviation));
        }
        Ok(Zone::utc().time(shown, self.nanos))
    }
}

/// How long the name of a zone is that a text begins with.
fn abbreviation_len(value: &str) -> Option<usize> {
    if value.len() < 3 {
        return None;
    }
    if value.starts_with("ChST") || value.starts_with("MeST") {
        return Some(4);
    }
    if let Some(rest) = value.strip_prefix("GMT") {
        return Some(3 + signed_len(rest));
    }
    if value.starts_with(['+', '-']) {
        return Some(signed_len(value)).filter(|it| 0 < *it);
    }
    let n = value.bytes().take(6).take_while(u8::is_ascii_uppercase).count();
    match n {
        3 => Some(3),
        4 if value.as_bytes()[3] == b'T' || value.starts_with("WITA") => Some(4),
        5 if value.as_bytes()[4] == b'T' => Some(5),
        _ => None,
    }
}

/// How long a number of hours with a sign is.
fn signed_len(value: &str) -> usize {
    if !value.starts_with(['+', '-']) {
        return 0;
    }
    let n = value.bytes().skip(1).take_while(u8::is_ascii_digit).count();
    match value[1..1 + n].parse::<u32>() {
        Ok(hours) if hours < 24 => 1 + n,
        _ => 0,
    }
}

/// Go's `time.Duration` counts nanoseconds; so far does this module go with them.
pub(crate) fn rounded(time: &Time, nanos: i64) -> Time {
    if nanos <= 0 {
        return time.clone();
    }
    // Counted from the year 1, as Go does.
    const YEAR_1: i128 = -62_135_596_800;
    let since = (i128::from(time.seconds()) - YEAR_1) * i128::from(SECOND) + i128::from(time.nanos());
    let rest = since.rem_euclid(i128::from(nanos));
    let rounded = match rest + rest < i128::from(nanos) {
        true => since - rest,
        false => since + i128::from(nanos) - rest,
    };
    at(time, rounded + YEAR_1 * i128::from(SECOND))
}

/// The same clocks at another time, in nanoseconds since 1970.
pub(crate) fn at(time: &Time, nanos: i128) -> Time {
    let second = i128::from(SECOND);
    let seconds = nanos.div_euclid(second).clamp(i64::MIN.into(), i64::MAX.into()) as i64;
    let nanos = nanos.rem_euclid(second) as u32;
    match Zone::of(time) {
        Some(zone) => zone.time(seconds, nanos),
        None => Time::new(seconds, nanos, time.offset(), time.zone().clone()),
    }
}
