//! Time: points in it, zones, and the notations that mappings know.

pub(crate) mod duration;
pub(crate) mod layout;
pub(crate) mod period;
pub(crate) mod strftime;
pub(crate) mod zone;

use std::time::{SystemTime, UNIX_EPOCH};

use wappa_message::{Text, Time};

use crate::error::{Error, Result};
use zone::Zone;

/// A second, in nanoseconds.
pub(crate) const SECOND: i64 = 1_000_000_000;

/// Seconds since 1970 and nanoseconds.
fn since_1970() -> (i64, u32) {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(it) => (it.as_secs() as i64, it.subsec_nanos()),
        Err(_) => (0, 0),
    }
}

/// The time, in the zone of the machine.
pub(crate) fn now() -> Time {
    let (seconds, nanos) = since_1970();
    Zone::local().time(seconds, nanos)
}

/// The same as text.
pub(crate) fn now_text() -> Text {
    let (seconds, nanos) = since_1970();
    Time::text_of(seconds, nanos, Zone::local().offset(seconds))
}

/// A point in time in the zone of the machine: seconds since 1970 and nanoseconds, which may be any number.
pub(crate) fn of_seconds(seconds: i64, nanos: i64) -> Time {
    let seconds = seconds.saturating_add(nanos.div_euclid(SECOND));
    Zone::local().time(seconds, nanos.rem_euclid(SECOND) as u32)
}

/// A text by RFC 3339.
pub(crate) fn parse_rfc3339(text: &str) -> Result<Time> {
    layout::parse(layout::RFC3339_NANO, text).map_err(Error::new)
}

/// A point in time as a number of units since 1970, of which a second has `per_second`.
pub(crate) fn unix(time: &Time, per_second: i64) -> i64 {
    time.seconds().wrapping_mul(per_second).wrapping_add(i64::from(time.nanos()) / (SECOND / per_second))
}

/// Year, month, day and so on, as the clocks of a place show them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    pub(crate) month: u32,
    pub(crate) day: u32,
    pub(crate) hour: u32,
    pub(crate) minute: u32,
    pub(crate) second: u32,
    /// Of the year, counted from 1.
    pub(crate) year_day: u32,
    /// Sunday is 0.
    pub(crate) weekday: u32,
}

impl Civil {
    pub(crate) fn of(time: &Time) -> Civil {
        Civil::at(time.seconds().saturating_add(time.offset().into()))
    }

    /// Of seconds since 1970, shown where they are.
    pub(crate) fn at(shown: i64) -> Civil {
        let (days, second) = (shown.div_euclid(86_400), shown.rem_euclid(86_400) as u32);
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * month + 2) / 5 + 1) as u32;
        let month = if month < 10 { month + 3 } else { month - 9 } as u32;
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Civil {
            year,
            month,
            day,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
            year_day: (days - days_since_1970(year, 1, 1) + 1) as u32,
            weekday: (days + 4).rem_euclid(7) as u32,
        }
    }
}

/// The days from 1970 to a date in the calendar of today. Source: Howard Hinnant's `days_from_civil`.
pub(crate) fn days_since_1970(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month = i64::from(if 2 < month { month - 3 } else { month + 9 });
    let day_of_year = (153 * month + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// How many days a month has.
pub(crate) fn days_in(year: i64, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

pub(crate) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub(crate) const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
