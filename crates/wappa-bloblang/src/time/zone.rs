//! Time zones: of the machine, by their names, and by their offsets.

use std::sync::{Arc, OnceLock};

use jiff::{Timestamp, tz::TimeZone};
use wappa_message::Time;

/// A place on earth and its clocks.
#[derive(Clone, Debug)]
pub(crate) struct Zone {
    name: Arc<str>,
    zone: TimeZone,
}

/// What the zone of the machine is called, as in Go.
const LOCAL: &str = "Local";

impl Zone {
    /// The zone of the machine.
    pub(crate) fn local() -> &'static Zone {
        static ZONE: OnceLock<Zone> = OnceLock::new();
        ZONE.get_or_init(|| match TimeZone::try_system() {
            Ok(zone) if zone.iana_name().is_none_or(|it| it != "UTC") => Zone { name: LOCAL.into(), zone },
            _ => Zone::utc().clone(),
        })
    }

    pub(crate) fn utc() -> &'static Zone {
        static ZONE: OnceLock<Zone> = OnceLock::new();
        ZONE.get_or_init(|| Zone { name: "UTC".into(), zone: TimeZone::UTC })
    }

    /// The zone of this name.
    pub(crate) fn find(name: &str) -> Result<Zone, String> {
        match name {
            "" | "UTC" => return Ok(Zone::utc().clone()),
            LOCAL => return Ok(Zone::local().clone()),
            _ => (),
        }
        let is_path = name.contains("..") || name.starts_with(['/', '\\']);
        match jiff::tz::db().get(name) {
            Ok(zone) if !is_path => Ok(Zone { name: name.into(), zone }),
            _ => Err(format!("unknown time zone {name}")),
        }
    }

    /// The zone whose clocks show a time, where more is known than their offset.
    pub(crate) fn of(time: &Time) -> Option<Zone> {
        match &**time.zone() {
            "" => None,
            name => Zone::find(name).ok().filter(|it| it.offset(time.seconds()) == time.offset()),
        }
    }

    /// How far the clocks are ahead of UTC, in seconds.
    pub(crate) fn offset(&self, seconds: i64) -> i32 {
        self.zone.to_offset(timestamp(seconds)).seconds()
    }

    /// What the clocks' time is called.
    pub(crate) fn abbreviation(&self, seconds: i64) -> String {
        self.zone.to_offset_info(timestamp(seconds)).abbreviation().to_string()
    }

    /// A point in time as the clocks show it.
    pub(crate) fn time(&self, seconds: i64, nanos: u32) -> Time {
        Time::new(seconds, nanos, self.offset(seconds), Arc::clone(&self.name))
    }

    /// The point in time at which the clocks show this many seconds since the beginning of 1970. Where there are two such
    /// times, or none, it is the one that Go finds.
    pub(crate) fn time_of_shown(&self, shown: i64, nanos: u32) -> Time {
        // As Go looks for it: with the offset at the time as if it were UTC, and with what that leads to.
        let guess = self.offset(shown);
        let mut seconds = shown - i64::from(guess);
        let other = self.offset(seconds);
        if other != guess {
            seconds = shown - i64::from(other);
        }
        self.time(seconds, nanos)
    }
}

fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// What the time of clocks is called that show a time: an abbreviation, or nothing where only the offset is known.
pub(crate) fn abbreviation(time: &Time) -> String {
    match Zone::of(time) {
        Some(zone) => zone.abbreviation(time.seconds()),
        None => time.zone().to_string(),
    }
}
