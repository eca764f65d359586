//! The notation of C for times: `%Y-%m-%d`. Directives and texts of errors are those of the library that Bento uses.

use wappa_message::Time;

use super::{Civil, MONTHS, WEEKDAYS, days_since_1970, zone, zone::Zone};

/// A width beyond this is as good as none.
const WIDTH_MAX: usize = 1024;

/// A point in time, written by a format.
pub(crate) fn format(time: &Time, format: &str) -> String {
    let mut out = String::with_capacity(format.len() * 2);
    write(time, &Civil::of(time), format, &mut out);
    out
}

fn write(time: &Time, civil: &Civil, format: &str, out: &mut String) {
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let begin = chars.as_str();
        let (mut fill, mut is_upper, mut is_swapped, mut n_colons) = (None, false, false, 0);
        let mut width = None;
        loop {
            let Some(c) = chars.next() else {
                out.push('%');
                out.push_str(begin);
                return;
            };
            match c {
                '-' => fill = Some(None),
                '_' => fill = Some(Some(' ')),
                '^' => is_upper = true,
                '#' => is_swapped = true,
                '0' if width.is_none() => fill = Some(Some('0')),
                '0'..='9' => {
                    let digit = c.to_digit(10).unwrap_or(0) as usize;
                    width = Some((width.unwrap_or(0) * 10 + digit).min(WIDTH_MAX));
                }
                ':' => n_colons += 1,
                _ => {
                    let padding = Padding { fill, width };
                    let before = out.len();
                    if !directive(c, n_colons, padding, time, civil, out) {
                        out.push('%');
                        out.push_str(&begin[..begin.len() - chars.as_str().len()]);
                    }
                    if is_upper || is_swapped {
                        let text = out.split_off(before);
                        out.push_str(&match is_swapped && (c == 'p' || c == 'Z') {
                            true => text.to_lowercase(),
                            false => text.to_uppercase(),
                        });
                    }
                    break;
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Padding {
    /// What is filled with: nothing at all, or this; by default what the directive says.
    fill: Option<Option<char>>,
    width: Option<usize>,
}

impl Padding {
    fn number(self, number: i64, width: usize, fill: char, out: &mut String) {
        self.text(&number.to_string(), width, fill, out);
    }

    fn text(self, text: &str, width: usize, fill: char, out: &mut String) {
        let width = self.width.unwrap_or(width);
        match self.fill {
            Some(None) => out.push_str(text),
            Some(Some(fill)) => pad(text, width, fill, out),
            None => pad(text, width, fill, out),
        }
    }
}

fn pad(text: &str, width: usize, fill: char, out: &mut String) {
    out.extend(std::iter::repeat_n(fill, width.saturating_sub(text.chars().count())));
    out.push_str(text);
}

/// The year and the week of a day by ISO 8601.
fn iso_week(civil: &Civil) -> (i64, u32) {
    let weekday = (civil.weekday + 6) % 7;
    // The week belongs to the year of its Thursday.
    let thursday = days_since_1970(civil.year, civil.month, civil.day) - i64::from(weekday) + 3;
    let at = Civil::at(thursday * 86_400);
    (at.year, (at.year_day - 1) / 7 + 1)
}

fn directive(
    c: char,
    n_colons: usize,
    padding: Padding,
    time: &Time,
    civil: &Civil,
    out: &mut String,
) -> bool {
    let hour12 = if civil.hour.is_multiple_of(12) { 12 } else { civil.hour % 12 };
    let (month, weekday) = (MONTHS[civil.month as usize - 1], WEEKDAYS[civil.weekday as usize]);
    let mut inner = |format: &str| {
        write(time, civil, format, out);
        true
    };
    match c {
        'c' => return inner("%a %b %e %H:%M:%S %Y"),
        'D' | 'x' => return inner("%m/%d/%y"),
        'F' => return inner("%Y-%m-%d"),
        'R' => return inner("%H:%M"),
        'r' => return inner("%I:%M:%S %p"),
        'T' | 'X' => return inner("%H:%M:%S"),
        'v' => return inner("%e-%b-%Y"),
        '+' => return inner("%a %b %e %H:%M:%S %Z %Y"),
        _ => (),
    }
    match c {
        'Y' => padding.number(civil.year, 4, '0', out),
        'y' => padding.number(civil.year.rem_euclid(100), 2, '0', out),
        'C' => padding.number(civil.year.div_euclid(100), 2, '0', out),
        'm' => padding.number(civil.month.into(), 2, '0', out),
        'B' => padding.text(month, 0, ' ', out),
        'b' | 'h' => padding.text(&month[..3], 0, ' ', out),
        'A' => padding.text(weekday, 0, ' ', out),
        'a' => padding.text(&weekday[..3], 0, ' ', out),
        'd' => padding.number(civil.day.into(), 2, '0', out),
        'e' => padding.number(civil.day.into(), 2, ' ', out),
        'j' => padding.number(civil.year_day.into(), 3, '0', out),
        'H' => padding.number(civil.hour.into(), 2, '0', out),
        'k' => padding.number(civil.hour.into(), 2, ' ', out),
        'I' => padding.number(hour12.into(), 2, '0', out),
        'l' => padding.number(hour12.into(), 2, ' ', out),
        'M' => padding.number(civil.minute.into(), 2, '0', out),
        'S' => padding.number(civil.second.into(), 2, '0', out),
        'L' => padding.number(i64::from(time.nanos() / 1_000_000), 3, '0', out),
        'f' => padding.number(i64::from(time.nanos() / 1_000), 6, '0', out),
        'N' => padding.number(time.nanos().into(), 9, '0', out),
        'p' => padding.text(if civil.hour < 12 { "AM" } else { "PM" }, 0, ' ', out),
        'P' => padding.text(if civil.hour < 12 { "am" } else { "pm" }, 0, ' ', out),
        's' => padding.number(time.seconds(), 0, ' ', out),
        'u' => padding.number(i64::from((civil.weekday + 6) % 7 + 1), 1, '0', out),
        'w' => padding.number(civil.weekday.into(), 1, '0', out),
        'U' => padding.number(i64::from((civil.year_day + 6 - civil.weekday) / 7), 2, '0', out),
        'W' => padding.number(i64::from((civil.year_day + 6 - (civil.weekday + 6) % 7) / 7), 2, '0', out),
        'G' => padding.number(iso_week(civil).0, 4, '0', out),
        'g' => padding.number(iso_week(civil).0.rem_euclid(100), 2, '0', out),
        'V' => padding.number(iso_week(civil).1.into(), 2, '0', out),
        'Z' => match zone::abbreviation(time).as_str() {
            "" => padding.text(&offset(time.offset(), 0), 0, ' ', out),
            name => padding.text(name, 0, ' ', out),
        },
        'z' => padding.text(&offset(time.offset(), n_colons), 0, '0', out),
        't' => out.push('\t'),
        'n' => out.push('\n'),
        '%' => out.push('%'),
        _ => return false,
    }
    true
}

fn offset(seconds: i32, n_colons: usize) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let seconds = seconds.unsigned_abs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match n_colons {
        0 => format!("{sign}{hours:02}{minutes:02}"),
        1 => format!("{sign}{hours:02}:{minutes:02}"),
        _ => format!("{sign}{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

/// Reads a text that is written by a format.
pub(crate) fn parse(format: &str, text: &str) -> Result<Time, String> {
    let mut parts = Parts::default();
    let mut rest = text;
    parts
        .take_all(format, &mut rest)
        .and_then(|()| match rest {
            "" => parts.time(),
            rest => Err(format!("unparsed string {}", crate::value::go::told(rest))),
        })
        .map_err(|why| {
            let (text, format) = (crate::value::go::told(text), crate::value::go::told(format));
            format!("failed to parse {text} with {format}: {why}")
        })
}

#[derive(Default)]
struct Parts {
    year: Option<i64>,
    century: Option<i64>,
    month: Option<u32>,
    day: Option<u32>,
    year_day: Option<u32>,
    hour: u32,
    minute: u32,
    second: u32,
    nanos: u32,
    is_pm: Option<bool>,
    offset: Option<i32>,
    zone: Option<String>,
    unix: Option<i64>,
}

impl Parts {
    fn take_all(&mut self, format: &str, rest: &mut &str) -> Result<(), String> {
        let mut chars = format.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                literal(rest, c)?;
                continue;
            }
            let mut n_colons = 0;
            let directive = loop {
                match chars.next() {
                    Some('-' | '_' | '0' | '^' | '#') => (),
                    Some(':') => n_colons += 1,
                    Some(c) => break c,
                    None => return Err("expected a format specifier".to_string()),
                }
            };
            self.take(directive, n_colons, rest)?;
        }
        Ok(())
    }

    fn take(&mut self, c: char, n_colons: usize, rest: &mut &str) -> Result<(), String> {
        match c {
            'Y' => self.year = Some(number(rest, 4, c)?),
            'C' => self.century = Some(number(rest, 2, c)?),
            'y' => {
                let year = number(rest, 2, c)?;
                self.year = Some(if year < 69 { year + 2000 } else { year + 1900 });
            }
            'm' => self.month = Some(within(rest, 2, c, 1, 12)?),
            'B' => self.month = Some(name(rest, &MONTHS, None, c)? + 1),
            'b' | 'h' => self.month = Some(name(rest, &MONTHS, Some(3), c)? + 1),
            'A' => drop(name(rest, &WEEKDAYS, None, c)?),
            'a' => drop(name(rest, &WEEKDAYS, Some(3), c)?),
            'd' => self.day = Some(within(rest, 2, c, 1, 31)?),
            'e' => {
                *rest = rest.trim_start_matches(' ');
                self.day = Some(within(rest, 2, c, 1, 31)?);
            }
            'j' => self.year_day = Some(within(rest, 3, c, 1, 366)?),
            'H' => self.hour = within(rest, 2, c, 0, 23)?,
            'k' => {
                *rest = rest.trim_start_matches(' ');
                self.hour = within(rest, 2, c, 0, 23)?;
            }
            'I' => self.hour = within(rest, 2, c, 1, 12)?,
            'l' => {
                *rest = rest.trim_start_matches(' ');
                self.hour = within(rest, 2, c, 1, 12)?;
            }
            'M' => self.minute = within(rest, 2, c, 0, 59)?,
            'S' => self.second = within(rest, 2, c, 0, 59)?,
            'L' => self.nanos = fraction(rest, 3, c)?,
            'f' => self.nanos = fraction(rest, 6, c)?,
            'N' => self.nanos = fraction(rest, 9, c)?,
            'p' | 'P' => {
                self.is_pm = Some(name(rest, &["AM", "PM"], None, c)? == 1);
            }
            's' => self.unix = Some(signed(rest, c)?),
            'u' => drop(within(rest, 1, c, 1, 7)?),
            'w' => drop(within(rest, 1, c, 0, 6)?),
            'U' | 'W' | 'V' => drop(within(rest, 2, c, 0, 53)?),
            'G' => drop(number(rest, 4, c)?),
            'g' => drop(number(rest, 2, c)?),
            'F' => self.take_all("%Y-%m-%d", rest)?,
            'T' | 'X' => self.take_all("%H:%M:%S", rest)?,
            'R' => self.take_all("%H:%M", rest)?,
            'r' => self.take_all("%I:%M:%S %p", rest)?,
            'D' | 'x' => self.take_all("%m/%d/%y", rest)?,
            'v' => self.take_all("%e-%b-%Y", rest)?,
            'c' => self.take_all("%a %b %e %H:%M:%S %Y", rest)?,
            '+' => self.take_all("%a %b %e %H:%M:%S %Z %Y", rest)?,
            'z' => self.offset = Some(take_offset(rest, n_colons)?),
            'Z' => {
                let n = rest.bytes().take_while(u8::is_ascii_uppercase).count();
                if n == 0 {
                    return Err(cannot("%Z"));
                }
                self.zone = Some(rest[..n].to_string());
                *rest = &rest[n..];
            }
            't' => literal(rest, '\t')?,
            'n' => literal(rest, '\n')?,
            '%' => literal(rest, '%')?,
            c => return Err(format!("unexpected format: \"%{c}\"")),
        }
        Ok(())
    }

    fn time(&self) -> Result<Time, String> {
        if let Some(unix) = self.unix {
            return Ok(Zone::utc().time(unix, self.nanos));
        }
        let year = match (self.year, self.century) {
            (Some(year), Some(century)) => century * 100 + year.rem_euclid(100),
            (Some(year), None) => year,
            (None, Some(century)) => century * 100,
            (None, None) => 1900,
        };
        let hour = match self.is_pm {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let days = match self.year_day {
            Some(day) => days_since_1970(year, 1, 1) + i64::from(day) - 1,
            // A day behind the end of its month is one of the next.
            None => days_since_1970(year, self.month.unwrap_or(1), 1) + i64::from(self.day.unwrap_or(1)) - 1,
        };
        let shown = days * 86_400 + i64::from(hour * 3600 + self.minute * 60 + self.second);
        if let Some(offset) = self.offset {
            return Ok(match offset {
                0 => Zone::utc().time(shown, self.nanos),
                offset => Time::new(
                    shown - i64::from(offset),
                    self.nanos,
                    offset,
                    self.zone.as_deref().unwrap_or(""),
                ),
            });
        }
        // As Go takes it: an abbreviation says nothing of an offset, but for that of `GMT+3`.
        Ok(match self.zone.as_deref() {
            None | Some("UTC") => Zone::utc().time(shown, self.nanos),
            Some(name) => {
                let hours = name.strip_prefix("GMT").and_then(|it| it.parse::<i32>().ok());
                let offset = hours.unwrap_or(0).clamp(-24, 24) * 3600;
                Time::new(shown - i64::from(offset), self.nanos, offset, name)
            }
        })
    }
}

fn cannot(directive: &str) -> String {
    format!("cannot parse \"{directive}\"")
}

fn literal(rest: &mut &str, c: char) -> Result<(), String> {
    match rest.strip_prefix(c) {
        Some(behind) => {
            *rest = behind;
            Ok(())
        }
        None => Err(format!("expected {}", crate::value::go::quote_char(c))),
    }
}

fn number(rest: &mut &str, len: usize, c: char) -> Result<i64, String> {
    let n = rest.bytes().take(len).take_while(u8::is_ascii_digit).count();
    let number = rest[..n].parse().map_err(|_| cannot(&format!("%{c}")))?;
    *rest = &rest[n..];
    Ok(number)
}

fn within(rest: &mut &str, len: usize, c: char, min: u32, max: u32) -> Result<u32, String> {
    let before = *rest;
    let number = number(rest, len, c)?;
    match u32::try_from(number) {
        Ok(it) if (min..=max).contains(&it) => Ok(it),
        _ => {
            *rest = before;
            Err(cannot(&format!("%{c}")))
        }
    }
}

fn signed(rest: &mut &str, c: char) -> Result<i64, String> {
    let is_negative = rest.starts_with('-');
    if is_negative {
        *rest = &rest[1..];
    }
    let number = number(rest, 18, c)?;
    Ok(if is_negative { -number } else { number })
}

fn fraction(rest: &mut &str, len: usize, c: char) -> Result<u32, String> {
    let n = rest.bytes().take(len).take_while(u8::is_ascii_digit).count();
    if n == 0 {
        return Err(cannot(&format!("%{c}")));
    }
    let digits = &rest[..n];
    *rest = &rest[n..];
    format!("{digits:0<9}").parse().map_err(|_| cannot(&format!("%{c}")))
}

fn name(rest: &mut &str, names: &[&str], len: Option<usize>, c: char) -> Result<u32, String> {
    for (idx, name) in names.iter().enumerate() {
        let name = len.map_or(*name, |n| &name[..n]);
        if rest.get(..name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name)) {
            *rest = &rest[name.len()..];
            return Ok(idx as u32);
        }
    }
    Err(cannot(&format!("%{c}")))
}

fn take_offset(rest: &mut &str, n_colons: usize) -> Result<i32, String> {
    let fail = || cannot("%z");
    if let Some(behind) = rest.strip_prefix('Z') {
        *rest = behind;
        return Ok(0);
    }
    let sign = match rest.as_bytes().first() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return Err(fail()),
    };
    *rest = &rest[1..];
    let hours = within(rest, 2, 'z', 0, 24)? as i32;
    if 0 < n_colons || rest.starts_with(':') {
        *rest = rest.strip_prefix(':').ok_or_else(fail)?;
    }
    let minutes = within(rest, 2, 'z', 0, 59)? as i32;
    let mut seconds = 0;
    if 1 < n_colons {
        *rest = rest.strip_prefix(':').ok_or_else(fail)?;
        seconds = within(rest, 2, 'z', 0, 59)? as i32;
    }
    Ok(sign * (hours * 3600 + minutes * 60 + seconds))
}
