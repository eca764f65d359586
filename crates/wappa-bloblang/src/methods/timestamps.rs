//! Methods on points in time: values of that type, numbers of seconds since 1970, and texts by RFC 3339.

use wappa_message::{Time, Value};

use crate::{
    error::{Error, Result},
    registry::{
        Category, Constant, Method, Param, Status,
        args::Given,
        bound::{MethodBody, PreparedMethod},
        example,
    },
    time::{self, duration, layout, strftime, zone::Zone},
    value::{convert, types::Type},
};

const fn new(name: &'static str, description: &'static str, body: MethodBody) -> Method {
    Method::new(name, Category::Timestamps, description, body).unnamed().folded()
}

/// The time of a value, shown in a zone if one is given.
fn shown(value: &Value, zone: Option<&Zone>) -> Result<Time> {
    let time = convert::timestamp(value)?;
    Ok(match zone {
        Some(zone) => zone.time(time.seconds(), time.nanos()),
        None => time,
    })
}

fn zone_of(args: Given<'_>, idx: usize) -> Result<Option<Zone>> {
    let Some(name) = args.opt_text(idx) else { return Ok(None) };
    let zone = Zone::find(&name);
    zone.map(Some).map_err(|why| Error::new(format!("failed to parse timezone location name: {why}")))
}

fn formatted(args: Given<'_>, format: fn(&Time, &str) -> String) -> Result<PreparedMethod> {
    let (written, zone) = (args.text(0).into_owned(), zone_of(args, 1)?);
    Ok(Box::new(move |machine, value| {
        let text = format(&shown(&value, zone.as_ref())?, &written);
        machine.budget().bytes(text.len())?;
        Ok(Value::text(text))
    }))
}

fn go_format(args: Given<'_>) -> Result<PreparedMethod> {
    formatted(args, layout::format)
}

fn c_format(args: Given<'_>) -> Result<PreparedMethod> {
    formatted(args, strftime::format)
}

/// What is read of a text: a point in time, or its text by RFC 3339 where the method is an old one.
fn parsed(
    args: Given<'_>,
    parse: fn(&str, &str) -> std::result::Result<Time, String>,
    is_old: bool,
) -> Result<PreparedMethod> {
    let format = args.text(0).into_owned();
    Ok(Box::new(move |_, value| {
        let text = convert::text_of(&value).ok_or_else(|| Error::of_type(&value, &[Type::String]))?;
        let time = parse(&format, &String::from_utf8_lossy(&text)).map_err(Error::new)?;
        Ok(if is_old { Value::text(time.to_string()) } else { Value::Time(time) })
    }))
}

fn unix(value: Value, per_second: i64) -> Result<Value> {
    Ok(Value::Int(time::unix(&convert::timestamp(&value)?, per_second)))
}

const FORMAT: Param = Param::text("format", "How the time is written.");
const ZONE: Param = Param::text("tz", "The name of a time zone; the time's own when left out.").optional();
const LAYOUT: Param =
    Param::text("format", "How the time is written.").or(Constant::Text(layout::RFC3339_NANO));

const UNIX: &str = "The time in seconds since 1970.";
const UNIX_MILLI: &str = "The time in milliseconds since 1970.";
const UNIX_MICRO: &str = "The time in microseconds since 1970.";
const UNIX_NANO: &str = "The time in nanoseconds since 1970.";

pub(super) const METHODS: &[Method] = &[
    new(
        "ts_format",
        "The time as a text. The format shows how the second of January 2006, at 15:04:05, is written: `2006-01-02 15:04:05`.",
        MethodBody::Prepared(go_format),
    )
    .params(&[LAYOUT, ZONE])
    .examples(&[
        example(
            r#"root = this.at.ts_format("Mon 2 Jan 06, 3:04 PM", "UTC")"#,
            &[(r#"{"at":0}"#, "Thu 1 Jan 70, 12:00 AM"), (r#"{"at":"2024-02-29T13:05:06.5+01:00"}"#, "Thu 29 Feb 24, 12:05 PM")],
        ),
        example(
            r#"root = this.at.ts_format(tz: "America/New_York")"#,
            &[(r#"{"at":1700000000.25}"#, "2023-11-14T17:13:20.25-05:00")],
        ),
    ]),
    new("ts_strftime", "The time as a text. The format is that of C: `%Y-%m-%d %H:%M:%S`.", MethodBody::Prepared(c_format))
        .params(&[FORMAT, ZONE])
        .examples(&[example(
            r#"root = this.at.ts_strftime("%a %d.%m.%Y %H:%M:%S.%f", "UTC")"#,
            &[(r#"{"at":1700000000.25}"#, "Tue 14.11.2023 22:13:20.250000")],
        )]),
    new(
        "ts_parse",
        "The time that a text holds. The format shows how the second of January 2006, at 15:04:05, is written.",
        MethodBody::Prepared(|args| parsed(args, layout::parse, false)),
    )
    .params(&[FORMAT])
    .examples(&[example(
        r#"root.at = this.at.ts_parse("2006-Jan-02")"#,
        &[
            (r#"{"at":"2024-Feb-29"}"#, r#"{"at":"2024-02-29T00:00:00Z"}"#),
            (
                r#"{"at":"today"}"#,
                r#"Error("failed assignment (line 1): parsing time "today" as "2006-Jan-02": cannot parse "today" as "2006"")"#,
            ),
        ],
    )]),
    new(
        "ts_strptime",
        "The time that a text holds. The format is that of C: `%Y-%m-%d %H:%M:%S`.",
        MethodBody::Prepared(|args| parsed(args, strftime::parse, false)),
    )
    .params(&[FORMAT])
    .examples(&[example(
        r#"root.at = this.at.ts_strptime("%d.%m.%Y %H:%M:%S.%f")"#,
        &[(r#"{"at":"29.02.2024 12:00:00.25"}"#, r#"{"at":"2024-02-29T12:00:00.25Z"}"#)],
    )]),
    new(
        "ts_round",
        "The time, rounded to a multiple of so many nanoseconds; halves go up.",
        MethodBody::Value(|value, args| Ok(Value::Time(layout::rounded(&convert::timestamp(&value)?, args.int(0))))),
    )
    .params(&[Param::int("duration", "The nanoseconds.")])
    .examples(&[example(
        r#"root = this.at.ts_round("1h".parse_duration()).string()"#,
        &[(r#"{"at":"2024-02-29T12:30:00Z"}"#, "2024-02-29T13:00:00Z")],
    )]),
    new(
        "ts_tz",
        "The time as the clocks of a time zone show it.",
        MethodBody::Prepared(|args| {
            let zone = zone_of(args, 0)?;
            Ok(Box::new(move |_, value| Ok(Value::Time(shown(&value, zone.as_ref())?))))
        }),
    )
    .params(&[Param::text("tz", "The name of the zone.")])
    .examples(&[example(
        r#"root = this.at.ts_tz("Asia/Tokyo").string()"#,
        &[(r#"{"at":"2024-02-29T12:00:00Z"}"#, "2024-02-29T21:00:00+09:00")],
    )]),
    new("ts_sub", "How many nanoseconds the time is later than another one.", MethodBody::Value(|value, args| {
        let one = convert::timestamp(&value)?;
        let Some(other) = args.time(0) else { return Err(Error::of_type(args.value(0), &[Type::Timestamp])) };
        let nanos = i128::from(one.seconds() - other.seconds()) * i128::from(time::SECOND)
            + i128::from(one.nanos()) - i128::from(other.nanos());
        Ok(Value::Int(nanos.clamp(i64::MIN.into(), i64::MAX.into()) as i64))
    }))
    .params(&[Param::new("t2", Type::Timestamp, "The other time.")])
    .examples(&[example(
        r#"root = this.at.ts_sub("2024-02-29T00:00:00Z")"#,
        &[(r#"{"at":"2024-02-29T00:00:01.5Z"}"#, "1500000000")],
    )]),
    new("ts_unix", UNIX, MethodBody::Value(|value, _| unix(value, 1)))
        .examples(&[example("root = this.at.ts_unix()", &[(r#"{"at":"1970-01-01T00:01:00Z"}"#, "60")])]),
    new("ts_unix_milli", UNIX_MILLI, MethodBody::Value(|value, _| unix(value, 1_000)))
        .examples(&[example("root = this.at.ts_unix_milli()", &[(r#"{"at":"1970-01-01T00:00:01.5Z"}"#, "1500")])]),
    new("ts_unix_micro", UNIX_MICRO, MethodBody::Value(|value, _| unix(value, 1_000_000)))
        .examples(&[example("root = this.at.ts_unix_micro()", &[(r#"{"at":"1970-01-01T00:00:01.5Z"}"#, "1500000")])]),
    new("ts_unix_nano", UNIX_NANO, MethodBody::Value(|value, _| unix(value, 1_000_000_000)))
        .examples(&[example("root = this.at.ts_unix_nano()", &[(r#"{"at":"1970-01-01T00:00:01.5Z"}"#, "1500000000")])]),
    new("parse_duration", "The nanoseconds of a length of time such as `1h2m3.5s`.", MethodBody::Value(|value, _| {
        let text = convert::text_of(&value).ok_or_else(|| Error::of_type(&value, &[Type::String]))?;
        duration::parse(&String::from_utf8_lossy(&text)).map(Value::Int).map_err(Error::new)
    }))
    .examples(&[example("root = this.a.parse_duration()", &[(r#"{"a":"1m0.5s"}"#, "60500000000")])]),
    new("format_timestamp", "As `ts_format`.", MethodBody::Prepared(go_format))
        .params(&[LAYOUT, ZONE])
        .status(Status::Deprecated)
        .examples(&[example(r#"root = this.at.format_timestamp("2006", "UTC")"#, &[(r#"{"at":0}"#, "1970")])]),
    new("format_timestamp_strftime", "As `ts_strftime`.", MethodBody::Prepared(c_format))
        .params(&[FORMAT, ZONE])
        .status(Status::Deprecated)
        .examples(&[example(r#"root = this.at.format_timestamp_strftime("%Y", "UTC")"#, &[(r#"{"at":0}"#, "1970")])]),
    new("format_timestamp_unix", UNIX, MethodBody::Value(|value, _| unix(value, 1)))
        .status(Status::Deprecated)
        .examples(&[example("root = this.at.format_timestamp_unix()", &[(r#"{"at":5}"#, "5")])]),
    new("format_timestamp_unix_milli", UNIX_MILLI, MethodBody::Value(|value, _| unix(value, 1_000)))
        .status(Status::Deprecated)
        .examples(&[example("root = this.at.format_timestamp_unix_milli()", &[(r#"{"at":5}"#, "5000")])]),
    new("format_timestamp_unix_micro", UNIX_MICRO, MethodBody::Value(|value, _| unix(value, 1_000_000)))
        .status(Status::Deprecated)
        .examples(&[example("root = this.at.format_timestamp_unix_micro()", &[(r#"{"at":5}"#, "5000000")])]),
    new("format_timestamp_unix_nano", UNIX_NANO, MethodBody::Value(|value, _| unix(value, 1_000_000_000)))
        .status(Status::Deprecated)
        .examples(&[example("root = this.at.format_timestamp_unix_nano()", &[(r#"{"at":5}"#, "5000000000")])]),
    new("parse_timestamp", "As `ts_parse`, but the time is a text.", MethodBody::Prepared(|args| {
        parsed(args, layout::parse, true)
    }))
    .params(&[FORMAT])
    .status(Status::Deprecated)
    .examples(&[example(
        r#"root = this.at.parse_timestamp("2006-01-02")"#,
        &[(r#"{"at":"2024-02-29"}"#, "2024-02-29T00:00:00Z")],
    )]),
    new("parse_timestamp_strptime", "As `ts_strptime`, but the time is a text.", MethodBody::Prepared(|args| {
        parsed(args, strftime::parse, true)
    }))
    .params(&[FORMAT])
    .status(Status::Deprecated)
    .examples(&[example(
        r#"root = this.at.parse_timestamp_strptime("%Y")"#,
        &[(r#"{"at":"2024"}"#, "2024-01-01T00:00:00Z")],
    )]),
];
