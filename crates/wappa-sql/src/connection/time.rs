//! Times as databases write them.

use jiff::civil;
use wappa_message::{Time, Value};

/// The time that a text says: `2024-01-02`, `2024-01-02 03:04:05.678`, the same with `T`, and behind it nothing or an offset,
/// `Z`, `+02`, `+05:30`. `None`: it says something else, such as `infinity` or a year before the first.
pub(super) fn moment(text: &str) -> Option<Value> {
    let (date, rest) = text.split_at_checked(10)?;
    let [year, month, day] = numbers(date, '-')?;
    if rest.is_empty() {
        return at(year, month, day, (0, 0, 0, 0), 0);
    }
    let rest = rest.strip_prefix([' ', 'T'])?;
    let at_offset = rest.find(['+', '-', 'Z']).unwrap_or(rest.len());
    let (clock, offset) = rest.split_at(at_offset);
    at(year, month, day, of_clock(clock)?, of_offset(offset)?)
}

/// The time that a text says as Go prints one, and SQLite's client of Bento writes it: `2024-01-02 03:04:05.678 +0200 CEST`,
/// perhaps with a reading of another clock behind it, ` m=+0.5`.
pub(super) fn of_go(text: &str) -> Option<Value> {
    let text = text.split(" m=").next().unwrap_or_default();
    let mut words = text.split(' ');
    let (date, clock, offset, _zone) = (words.next()?, words.next()?, words.next()?, words.next()?);
    if words.next().is_some() {
        return None;
    }
    let [year, month, day] = numbers(date, '-')?;
    let (sign, digits) = (offset.get(..1)?, offset.get(1..5)?);
    let minutes = number(digits)? / 100 * 60 + number(digits)? % 100;
    let seconds = i32::try_from(minutes * 60).ok()?;
    let offset = match (sign, offset.len()) {
        ("+", 5) => seconds,
        ("-", 5) => -seconds,
        _ => return None,
    };
    at(year, month, day, of_clock(clock)?, offset)
}

/// The time that a text says of a day which nobody knows, as Go has it: in the year 0.
pub(super) fn clock(text: &str) -> Option<Value> {
    let at_offset = text.find(['+', '-', 'Z']).unwrap_or(text.len());
    let (clock, offset) = text.split_at(at_offset);
    at(0, 1, 1, of_clock(clock)?, of_offset(offset)?)
}

type Clock = (i64, i64, i64, u32);

fn at(year: i64, month: i64, day: i64, (hour, minute, second, nanos): Clock, offset: i32) -> Option<Value> {
    let date = civil::Date::new(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?).ok()?;
    let of_day = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..60).contains(&second);
    let days = i64::from(date.since(civil::Date::constant(1970, 1, 1)).ok()?.get_days());
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - i64::from(offset);
    let zone = if offset == 0 { "UTC" } else { "" };
    of_day.then(|| Value::Time(Time::new(seconds, nanos, offset, zone)))
}

/// `03:04`, `03:04:05`, `03:04:05.678`.
fn of_clock(text: &str) -> Option<Clock> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let [hour, minute, second] = match numbers(whole, ':') {
        Some(it) => it,
        None => {
            let [hour, minute] = numbers(whole, ':')?;
            [hour, minute, 0]
        }
    };
    let is_fraction = fraction.len() <= 9 && fraction.bytes().all(|it| it.is_ascii_digit());
    let nanos = match fraction {
        "" => 0,
        _ if is_fraction => format!("{fraction:0<9}").parse().ok()?,
        _ => return None,
    };
    Some((hour, minute, second, nanos))
}

/// ``, `Z`, `+02`, `-05:30`, `+05:30:10`, in seconds.
fn of_offset(text: &str) -> Option<i32> {
    let (sign, text) = match text.split_at_checked(1) {
        None | Some(("Z", "")) => return Some(0),
        Some(("+", text)) => (1, text),
        Some(("-", text)) => (-1, text),
        Some(_) => return None,
    };
    let mut seconds = 0;
    for (place, unit) in text.split(':').zip([3600, 60, 1]) {
        seconds += number(place)? as i32 * unit;
    }
    Some(sign * seconds)
}

fn numbers<const N: usize>(text: &str, between: char) -> Option<[i64; N]> {
    let mut found = [0; N];
    let mut places = text.split(between);
    for place in &mut found {
        *place = number(places.next()?)?;
    }
    places.next().is_none().then_some(found)
}

fn number(text: &str) -> Option<i64> {
    let is_number = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        let read = |text: &str| moment(text).map_or("none".to_string(), |it| it.to_json());
        assert_eq!(read("2024-01-02"), r#""2024-01-02T00:00:00Z""#);
        assert_eq!(read("2024-02-29 03:04:05"), r#""2024-02-29T03:04:05Z""#);
        assert_eq!(read("2024-01-02 03:04:05.678"), r#""2024-01-02T03:04:05.678Z""#);
        assert_eq!(read("2024-01-02T03:04:05.678901+02"), r#""2024-01-02T03:04:05.678901+02:00""#);
        assert_eq!(read("2024-01-02 03:04-05:30"), r#""2024-01-02T03:04:00-05:30""#);
        assert_eq!(read("0001-01-01 00:00:00+00"), r#""0001-01-01T00:00:00Z""#);
        for text in ["infinity", "0044-03-15 BC", "2023-02-29", "2024-01-02 25:00:00", "", "2024-01-02x"] {
            assert_eq!(read(text), "none", "{text}");
        }
        let read = |text: &str| of_go(text).map_or("none".to_string(), |it| it.to_json());
        assert_eq!(read("2024-02-29 12:34:56.789 +0000 UTC"), r#""2024-02-29T12:34:56.789Z""#);
        assert_eq!(read("2024-02-29 12:34:56 -0530 XYZ m=+0.000012"), r#""2024-02-29T12:34:56-05:30""#);
        for text in
            ["2024-02-29 12:34:56", "2024-02-29 12:34:56 +0 UTC", "a b ü c", "", "2024-02-29 1 +00é0 UTC"]
        {
            assert_eq!(read(text), "none", "{text}");
        }
        let read = |text: &str| clock(text).map_or("none".to_string(), |it| it.to_json());
        assert_eq!(read("12:34:56.5"), r#""0000-01-01T12:34:56.5Z""#);
        assert_eq!(read("12:34:56+02"), r#""0000-01-01T12:34:56+02:00""#);
        assert_eq!(read("24:00:00"), "none");
    }
}
