//! Connections to MySQL, MariaDB, and others that speak their language.
//!
//! What comes of a column depends on whether the statement has arguments, as with Go's driver: without any, the server
//! prints all values, and each is a text; with some, numbers are numbers.

use std::{fmt::Write, path::PathBuf, pin::pin, sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt};
use sqlx::{
    Arguments, AssertSqlSafe, Column, ConnectOptions, Connection as _, MySqlConnection, Row, TypeInfo,
    ValueRef,
    mysql::{MySqlArguments, MySqlColumn, MySqlRow},
};
use tokio::time::timeout;
use wappa_message::{Text, Value};

use super::{
    Rows,
    relay::Relay,
    sound::{sound, sound_rows},
    time,
};
use crate::{
    driver::Driver,
    dsn::MySqlTarget,
    failed::{Failed, Kind},
    statement::Insert,
};

/// As many arguments as a statement may have.
const ARGUMENTS_MAX: usize = 65_535;

#[derive(Debug)]
pub(crate) struct Connection {
    inner: MySqlConnection,
    relay: Relay,
    reading: Reading,
    answer_max: Option<Duration>,
}

/// How columns are read.
#[derive(Clone, Copy, Debug)]
struct Reading {
    parses_time: bool,
    as_text: bool,
}

fn failed(err: sqlx::Error) -> Failed {
    Failed::of(Driver::MySql, err)
}

impl Connection {
    pub(super) async fn connect(target: &MySqlTarget) -> Result<Connection, Failed> {
        let server = match target.options.get_socket() {
            Some(path) => Relay::unix(path).await,
            None => Relay::tcp(target.options.get_host(), target.options.get_port()).await,
        };
        let server = server.map_err(|err| failed(sqlx::Error::Io(err)))?;
        let options = target.options.clone();
        let connect = |path: PathBuf| async move { options.socket(path).connect().await };
        let (inner, relay) = server.open(Driver::MySql, "", connect).await?;
        let reading = Reading { parses_time: target.parses_time, as_text: target.as_text };
        let mut connection = Connection { inner, relay, reading, answer_max: target.answer_max };
        if !target.variables.is_empty() {
            let set: Vec<String> =
                target.variables.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            connection.run_script(&format!("SET {}", set.join(", "))).await?;
        }
        Ok(connection)
    }

    pub(super) async fn run_script(&mut self, script: &str) -> Result<(), Failed> {
        let rows = sqlx::raw_sql(AssertSqlSafe(script)).fetch(&mut self.inner);
        all(self.answer_max, sound_rows(Driver::MySql, &mut self.relay, rows, |row| Ok(((), size(row)))))
            .await
    }

    pub(super) async fn execute(&mut self, sql: &Arc<str>, args: &[Value]) -> Result<(), Failed> {
        if args.is_empty() {
            return self.run_script(sql).await;
        }
        let query = sqlx::query_with(AssertSqlSafe(Arc::clone(sql)), arguments(args)?);
        let rows = query.fetch(&mut self.inner);
        all(self.answer_max, sound_rows(Driver::MySql, &mut self.relay, rows, |row| Ok(((), size(row)))))
            .await
    }

    pub(super) async fn rows<'c>(&'c mut self, sql: &Arc<str>, args: &[Value]) -> Result<Rows<'c>, Failed> {
        let (reading, is_text) = (self.reading, args.is_empty());
        let sql = AssertSqlSafe(Arc::clone(sql));
        let rows = match is_text {
            true => sqlx::raw_sql(sql).fetch(&mut self.inner),
            false => sqlx::query_with(sql, arguments(args)?).fetch(&mut self.inner),
        };
        let read = move |row: &MySqlRow| Ok((object(row, is_text, reading)?, size(row)));
        let rows = Box::pin(sound_rows(Driver::MySql, &mut self.relay, rows, read));
        let answer_max = self.answer_max;
        let rows = futures_util::stream::unfold(Some(rows), move |rows| async move {
            let mut rows = rows?;
            match within(answer_max, async { Ok(rows.next().await) }).await {
                Ok(row) => Some((row?, Some(rows))),
                Err(late) => Some((Err(late), None)),
            }
        });
        Ok(rows.boxed())
    }

    pub(super) async fn insert(&mut self, insert: &Insert, rows: &[&[Value]]) -> Result<(), Failed> {
        let n_values = rows[0].len();
        for rows in rows.chunks((ARGUMENTS_MAX / n_values.max(1)).max(1)) {
            let mut args = MySqlArguments::default();
            for value in rows.iter().copied().flatten() {
                add(&mut args, value)?;
            }
            let sql = insert.with_placeholders(rows.len(), n_values);
            let query = sqlx::query_with(AssertSqlSafe(sql), args);
            let written = sound(Driver::MySql, query.execute(&mut self.inner));
            within(self.answer_max, self.relay.beside(Driver::MySql, written)).await?;
        }
        Ok(())
    }

    pub(super) async fn ping(&mut self) -> Result<(), Failed> {
        let answered = sound(Driver::MySql, self.inner.ping());
        within(self.answer_max, self.relay.beside(Driver::MySql, answered)).await
    }

    pub(super) fn is_spent(&self) -> bool {
        self.relay.is_spent()
    }

    pub(super) async fn close(mut self) {
        let closed = sound(Driver::MySql, self.inner.close());
        if self.relay.beside(Driver::MySql, closed).await.is_ok() {
            self.relay.finish().await;
        }
    }
}

async fn within<T>(
    answer_max: Option<Duration>,
    asked: impl Future<Output = Result<T, Failed>>,
) -> Result<T, Failed> {
    match answer_max {
        None => asked.await,
        Some(longest) => match timeout(longest, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(Failed::new(Kind::Lost, format!("no answer within {longest:?}"))),
        },
    }
}

/// Reads rows that nobody wants, to the last one.
async fn all(
    answer_max: Option<Duration>,
    rows: impl Stream<Item = Result<(), Failed>>,
) -> Result<(), Failed> {
    let mut rows = pin!(rows);
    within(answer_max, async {
        while let Some(row) = rows.next().await {
            row?;
        }
        Ok(())
    })
    .await
}

/// About how many bytes a row was.
fn size(row: &MySqlRow) -> usize {
    let value = |idx| row.try_get_unchecked::<Option<&[u8]>, _>(idx).ok().flatten();
    // The head of a packet, and a length in front of each value.
    (0..row.len()).map(|idx| 5 + value(idx).map_or(0, <[u8]>::len)).sum::<usize>() + 4
}

fn arguments(values: &[Value]) -> Result<MySqlArguments, Failed> {
    let mut args = MySqlArguments::default();
    for value in values {
        add(&mut args, value)?;
    }
    Ok(args)
}

fn add(args: &mut MySqlArguments, value: &Value) -> Result<(), Failed> {
    let text = |args: &mut MySqlArguments, text: &[u8]| match std::str::from_utf8(text) {
        Ok(text) => args.add(text),
        Err(_) => args.add(text),
    };
    let added = match value {
        Value::Null => args.add(None::<i64>),
        Value::Bool(it) => args.add(*it),
        Value::Int(it) => args.add(*it),
        Value::Uint(it) => args.add(*it),
        Value::Float(it) => args.add(*it),
        Value::Number(it) => args.add(it.as_str()),
        Value::Text(it) => text(args, it.as_slice()),
        Value::Bytes(it) => text(args, &it.to_bytes()),
        Value::Time(it) => args.add(utc(it)),
        Value::Array(_) | Value::Object(_) => {
            return Err(Failed::new(Kind::Row, crate::args::no_such_argument(value)));
        }
    };
    added.map_err(|err| Failed::new(Kind::Row, err.to_string()))
}

/// A time as the server reads it, of which it knows no offset.
fn utc(time: &wappa_message::Time) -> String {
    let stamp = jiff::Timestamp::new(time.seconds(), time.nanos() as i32).unwrap_or_default();
    stamp.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

/// A row as an object.
fn object(row: &MySqlRow, is_text: bool, reading: Reading) -> Result<Value, Failed> {
    let mut pairs = Vec::with_capacity(row.len());
    for column in row.columns() {
        let idx = column.ordinal();
        let name = column.type_info().name();
        // A date of zeros is no date for the library, and a text for everybody else.
        let is_null = row.try_get_raw(idx).map_err(failed)?.is_null();
        let bytes = || row.try_get_unchecked::<&[u8], _>(idx);
        let value = match name {
            "DATE" | "DATETIME" | "TIMESTAMP" => match bytes() {
                Ok(bytes) => of_moment(bytes, column, is_text, reading.parses_time),
                Err(_) => Value::Null,
            },
            _ if is_null => Value::Null,
            "TIME" if !is_text => Value::text(clock(bytes().map_err(failed)?, decimals(column))),
            _ if is_text => Value::text(bytes().map_err(failed)?),
            "FLOAT" => {
                let it = row.try_get_unchecked::<f32, _>(idx).map_err(failed)?;
                // As many digits as tell it from its neighbors.
                number(it.to_string().parse().map_or(Value::Null, Value::Float), reading)
            }
            "DOUBLE" => number(Value::Float(row.try_get_unchecked(idx).map_err(failed)?), reading),
            "BOOLEAN" | "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" => {
                number(Value::Int(row.try_get_unchecked(idx).map_err(failed)?), reading)
            }
            "YEAR" | "TINYINT UNSIGNED" | "SMALLINT UNSIGNED" | "MEDIUMINT UNSIGNED" | "INT UNSIGNED"
            | "BIGINT UNSIGNED" => {
                let it: u64 = row.try_get_unchecked(idx).map_err(failed)?;
                number(i64::try_from(it).map_or_else(|_| Value::text(it.to_string()), Value::Int), reading)
            }
            _ => Value::text(bytes().map_err(failed)?),
        };
        pairs.push((Text::copied(column.name()), value));
    }
    Value::object(pairs).map_err(|err| Failed::new(Kind::Statement, err.to_string()))
}

fn number(value: Value, reading: Reading) -> Value {
    if reading.as_text { Value::text(value.to_text()) } else { value }
}

/// A date, or a date and a time.
fn of_moment(bytes: &[u8], column: &MySqlColumn, is_text: bool, parses_time: bool) -> Value {
    let text = match is_text {
        true => String::from_utf8_lossy(bytes).into_owned(),
        false => {
            let decimals = if parses_time { None } else { decimals(column) };
            date_and_clock(bytes, column.type_info().name() == "DATE", decimals)
        }
    };
    let parsed = if parses_time { time::moment(&text) } else { None };
    parsed.unwrap_or_else(|| Value::text(text))
}

/// A date as the server sends it to whoever asked with arguments: its length, then what is not nothing.
fn date_and_clock(bytes: &[u8], is_date: bool, decimals: Option<usize>) -> String {
    let at = |idx: usize| bytes.get(idx).copied().unwrap_or(0);
    let year = u16::from_le_bytes([at(1), at(2)]);
    let mut text = format!("{year:04}-{:02}-{:02}", at(3), at(4));
    if !is_date {
        _ = write!(text, " {:02}:{:02}:{:02}", at(5), at(6), at(7));
        push_micros(&mut text, u32::from_le_bytes([at(8), at(9), at(10), at(11)]), decimals);
    }
    text
}

/// A time without a date, in the same form: it may be negative, and longer than a day.
fn clock(bytes: &[u8], decimals: Option<usize>) -> String {
    let at = |idx: usize| bytes.get(idx).copied().unwrap_or(0);
    let days = u32::from_le_bytes([at(2), at(3), at(4), at(5)]);
    let sign = if at(1) == 1 { "-" } else { "" };
    let mut text = format!("{sign}{:02}:{:02}:{:02}", u64::from(days) * 24 + u64::from(at(6)), at(7), at(8));
    push_micros(&mut text, u32::from_le_bytes([at(9), at(10), at(11), at(12)]), decimals);
    text
}

/// What is behind the seconds: as many digits as the column has; those there are, where nobody knows.
fn push_micros(text: &mut String, micros: u32, decimals: Option<usize>) {
    let digits = format!(".{micros:06}");
    match decimals {
        Some(0) => (),
        Some(n) => text.push_str(&digits[..=n.min(6)]),
        None if micros == 0 => (),
        None => text.push_str(&digits),
    }
}

/// How many digits a column has behind the seconds. The library knows how long its texts are at most, and says so to nobody
/// but who looks at all of it.
fn decimals(column: &MySqlColumn) -> Option<usize> {
    let shown = format!("{:?}", column.type_info());
    let (_, size) = shown.split_once("max_size: Some(")?;
    let size: usize = size.split(')').next()?.parse().ok()?;
    // `2024-01-02 03:04:05`, or `-838:59:59`.
    let without = if column.type_info().name() == "TIME" { 10 } else { 19 };
    Some(size.checked_sub(without)?.saturating_sub(1))
}
