//! Connections to SQLite.

use std::{
    fs::File,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::StreamExt;
use sqlx::{
    Arguments, AssertSqlSafe, Column, ConnectOptions, Connection as _, Row, SqliteConnection, TypeInfo,
    ValueRef,
    sqlite::{SqliteArguments, SqliteConnectOptions, SqliteRow},
};
use wappa_message::{Text, Time, Value};

use super::{Rows, time};
use crate::{
    driver::Driver,
    dsn::SqliteTarget,
    failed::{Failed, Kind},
    statement::Insert,
};

/// As many arguments as a statement may have.
const ARGUMENTS_MAX: usize = 32_766;

/// After how many steps of its machine a statement looks whether anybody still wants it.
const STEPS_PER_LOOK: i32 = 10_000;

#[derive(Debug)]
pub(crate) struct Connection {
    inner: SqliteConnection,
    _unwanted: Unwanted,
    reads_ints_as_times: bool,
}

/// Ends what still runs when the connection is dropped: the library's thread would go on to its end.
#[derive(Debug)]
struct Unwanted(Arc<AtomicBool>);

impl Drop for Unwanted {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How what is said of a file ends that cannot be opened.
const CANNOT_OPEN: &str = "(14)";

/// What may be done about a file that cannot be opened, which SQLite does not say.
fn way_out(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    match folder {
        Some(folder) if !folder.exists() => {
            Some(format!("there is no folder {}, and only the file is made", folder.display()))
        }
        _ if path.is_dir() => Some("it is a folder".to_string()),
        _ if !path.exists() => Some("it is not there, and may not be made here".to_string()),
        _ => match File::open(path) {
            Err(err) => Some(wappa_component::cause(&err)),
            Ok(_) => None,
        },
    }
}

fn failed(err: sqlx::Error) -> Failed {
    Failed::of(Driver::Sqlite, err)
}

/// Opens a file. Where that is not possible the error says more of it than SQLite does.
pub(crate) async fn open(options: &SqliteConnectOptions, name: &str) -> Result<SqliteConnection, Failed> {
    options.connect().await.map_err(|err| {
        let failed = failed(err);
        let way_out = if failed.text.ends_with(CANNOT_OPEN) { way_out(Path::new(name)) } else { None };
        let text = way_out.map_or_else(|| failed.text.clone(), |it| format!("{}: {it}", failed.text));
        Failed { text, ..failed }
    })
}

impl Connection {
    pub(super) async fn connect(target: &SqliteTarget) -> Result<Connection, Failed> {
        let mut inner = open(&target.options, &target.name).await?;
        let is_unwanted = Arc::new(AtomicBool::new(false));
        let looked_at = Arc::clone(&is_unwanted);
        let mut handle = inner.lock_handle().await.map_err(failed)?;
        handle.set_progress_handler(STEPS_PER_LOOK, move || !looked_at.load(Ordering::Relaxed));
        drop(handle);
        let reads_ints_as_times = target.reads_ints_as_times;
        let mut connection = Connection { inner, _unwanted: Unwanted(is_unwanted), reads_ints_as_times };
        for pragma in &target.pragmas {
            connection.run_script(&format!("PRAGMA {pragma}")).await?;
        }
        Ok(connection)
    }

    pub(super) async fn run_script(&mut self, script: &str) -> Result<(), Failed> {
        let ran = sqlx::raw_sql(AssertSqlSafe(script)).execute(&mut self.inner).await;
        ran.map(|_| ()).map_err(failed)
    }

    pub(super) async fn execute(&mut self, sql: &Arc<str>, args: &[Value]) -> Result<(), Failed> {
        let query = sqlx::query_with(AssertSqlSafe(Arc::clone(sql)), arguments(args.iter())?);
        query.execute(&mut self.inner).await.map(|_| ()).map_err(failed)
    }

    pub(super) async fn rows<'c>(&'c mut self, sql: &Arc<str>, args: &[Value]) -> Result<Rows<'c>, Failed> {
        let reads_ints_as_times = self.reads_ints_as_times;
        let query = sqlx::query_with(AssertSqlSafe(Arc::clone(sql)), arguments(args.iter())?);
        let rows = query.fetch(&mut self.inner);
        Ok(rows.map(move |row| row.map_err(failed).and_then(|it| object(&it, reads_ints_as_times))).boxed())
    }

    pub(super) async fn insert(&mut self, insert: &Insert, rows: &[&[Value]]) -> Result<(), Failed> {
        let n_values = rows[0].len();
        for rows in rows.chunks((ARGUMENTS_MAX / n_values.max(1)).max(1)) {
            let args = arguments(rows.iter().copied().flatten())?;
            let query = sqlx::query_with(AssertSqlSafe(insert.with_placeholders(rows.len(), n_values)), args);
            query.execute(&mut self.inner).await.map_err(failed)?;
        }
        Ok(())
    }

    pub(super) async fn ping(&mut self) -> Result<(), Failed> {
        self.inner.ping().await.map_err(failed)
    }

    pub(super) async fn close(self) {
        _ = self.inner.close().await;
    }
}

fn arguments<'a>(values: impl Iterator<Item = &'a Value>) -> Result<SqliteArguments, Failed> {
    let mut args = SqliteArguments::default();
    for value in values {
        let added = match value {
            Value::Null => args.add(None::<i64>),
            Value::Bool(it) => args.add(*it),
            Value::Int(it) => args.add(*it),
            Value::Uint(it) => match i64::try_from(*it) {
                Ok(it) => args.add(it),
                Err(_) => args.add(it.to_string()),
            },
            Value::Float(it) => args.add(*it),
            // As it is written, as Bento hands it over: a column of numbers makes a number of it.
            Value::Number(it) => args.add(it.as_str().to_string()),
            Value::Text(it) => args.add(String::from_utf8_lossy(it.as_slice()).into_owned()),
            Value::Bytes(it) => args.add(it.to_bytes().to_vec()),
            Value::Time(it) => args.add(of_go(it)),
            Value::Array(_) | Value::Object(_) => {
                return Err(Failed::new(Kind::Row, crate::args::no_such_argument(value)));
            }
        };
        added.map_err(|err| Failed::new(Kind::Row, err.to_string()))?;
    }
    Ok(args)
}

/// A time as Go prints it, which is what its driver stores: `2024-01-02 03:04:05.6 +0200 CEST`.
fn of_go(time: &Time) -> String {
    let local = jiff::Timestamp::new(time.seconds() + i64::from(time.offset()), time.nanos() as i32);
    let local = local.unwrap_or_default().strftime("%Y-%m-%d %H:%M:%S%.f").to_string();
    let offset = time.offset().abs();
    let sign = if time.offset() < 0 { '-' } else { '+' };
    let (hours, minutes) = (offset / 3600, offset / 60 % 60);
    let zone = match &**time.zone() {
        "" => format!("{sign}{hours:02}{minutes:02}"),
        zone => zone.to_string(),
    };
    format!("{local} {sign}{hours:02}{minutes:02} {zone}")
}

/// A row as an object. What a value is, is the value's own to say; a column of times has its texts read.
fn object(row: &SqliteRow, reads_ints_as_times: bool) -> Result<Value, Failed> {
    let mut pairs = Vec::with_capacity(row.len());
    for column in row.columns() {
        let idx = column.ordinal();
        let is_time = matches!(column.type_info().name(), "DATE" | "DATETIME");
        let raw = row.try_get_raw(idx).map_err(failed)?;
        let is_null = raw.is_null();
        let kind = raw.type_info().name().to_string();
        drop(raw);
        let value = match kind.as_str() {
            _ if is_null => Value::Null,
            "INTEGER" => {
                let it: i64 = row.try_get_unchecked(idx).map_err(failed)?;
                match is_time && reads_ints_as_times {
                    true => of_unix(it),
                    false => Value::Int(it),
                }
            }
            "REAL" => Value::Float(row.try_get_unchecked(idx).map_err(failed)?),
            _ => {
                let bytes: &[u8] = row.try_get_unchecked(idx).map_err(failed)?;
                let text = if is_time && kind == "TEXT" { std::str::from_utf8(bytes).ok() } else { None };
                let moment = text.and_then(|it| time::moment(it).or_else(|| time::of_go(it)));
                moment.unwrap_or_else(|| Value::text(bytes))
            }
        };
        pairs.push((Text::copied(column.name()), value));
    }
    Value::object(pairs).map_err(|err| Failed::new(Kind::Statement, err.to_string()))
}

/// Seconds, or milliseconds where they are that many.
fn of_unix(it: i64) -> Value {
    let is_millis = it.unsigned_abs() > 1_000_000_000_000;
    let (seconds, nanos) = match is_millis {
        true => (it.div_euclid(1000), it.rem_euclid(1000) as u32 * 1_000_000),
        false => (it, 0),
    };
    Value::Time(Time::new(seconds, nanos, 0, "UTC"))
}
