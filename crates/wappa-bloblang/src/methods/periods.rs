//! Methods on periods by ISO 8601.

use wappa_message::Value;

use crate::{
    error::{Error, Result},
    registry::{
        Category, Method, Param,
        args::Given,
        bound::{MethodBody, PreparedMethod},
        example,
    },
    time::period::Period,
    value::{convert, types::Type},
};

const fn new(name: &'static str, description: &'static str, body: MethodBody) -> Method {
    Method::new(name, Category::Timestamps, description, body).unnamed().folded()
}

fn parse_duration(value: Value, _: Given<'_>) -> Result<Value> {
    let text = convert::text_of(&value).ok_or_else(|| Error::of_type(&value, &[Type::String]))?;
    let period = Period::parse(&String::from_utf8_lossy(&text)).map_err(Error::new)?;
    Ok(Value::Int(period.nanos()))
}

fn moved(args: Given<'_>, turn: fn(Period) -> Period) -> Result<PreparedMethod> {
    let period = turn(Period::parse(&args.text(0)).map_err(Error::new)?);
    Ok(Box::new(move |_, value| Ok(Value::Time(period.add_to(&convert::timestamp(&value)?)))))
}

const PERIOD: &[Param] = &[Param::text("duration", "The period, as `P1Y2M3DT4H5M6S`.")];

pub(super) const METHODS: &[Method] = &[
    new(
        "parse_duration_iso8601",
        "The nanoseconds of a period by ISO 8601. Years, months and days are as long as they are on average.",
        MethodBody::Value(parse_duration),
    )
    .examples(&[example("root = this.a.parse_duration_iso8601()", &[
        (r#"{"a":"P1DT1H"}"#, "90000000000000"),
        (r#"{"a":"1D"}"#, r#"Error("failed assignment (line 1): 1D: expected 'P' period mark at the start")"#),
    ])]),
    new(
        "ts_add_iso8601",
        "The time that is a period by ISO 8601 later. Years, months, weeks and days go by the calendar, unless one of them \
         has a fraction.",
        MethodBody::Prepared(|args| moved(args, |it| it)),
    )
    .params(PERIOD)
    .examples(&[example(r#"root = this.a.ts_add_iso8601("P1MT1H")"#, &[(
        r#"{"a":"2024-01-15T10:00:00Z"}"#,
        "\"2024-02-15T11:00:00Z\"",
    )])]),
    new(
        "ts_sub_iso8601",
        "The time that is a period by ISO 8601 earlier.",
        MethodBody::Prepared(|args| moved(args, Period::negated)),
    )
    .params(PERIOD)
    .examples(&[example(r#"root = this.a.ts_sub_iso8601("P1Y")"#, &[(
        r#"{"a":"2024-01-15T10:00:00Z"}"#,
        "\"2023-01-15T10:00:00Z\"",
    )])]),
];
