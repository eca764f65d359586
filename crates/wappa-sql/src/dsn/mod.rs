//! Data source names: where a database is and how to connect to it, in the forms that Go's drivers read.
//!
//! No text of this module repeats what it read: a password may be anywhere in it.

mod mysql;
mod postgres;
mod sqlite;

use std::time::Duration;

use wappa_spec::parse_duration;

pub(crate) use self::{mysql::MySqlTarget, postgres::PostgresTarget, sqlite::SqliteTarget};
use crate::driver::Driver;

/// How long connecting may take, where the name does not say: as long as a server that is there ever needs.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Where a database is, and how to connect to it.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    Postgres(Box<PostgresTarget>),
    MySql(Box<MySqlTarget>),
    Sqlite(Box<SqliteTarget>),
}

impl Target {
    /// Reads a name. The error says what is wrong with it, and nothing of what it holds but names of parameters.
    pub(crate) fn parse(driver: Driver, dsn: &str) -> Result<Target, String> {
        Ok(match driver {
            Driver::Postgres => Target::Postgres(Box::new(PostgresTarget::parse(dsn)?)),
            Driver::MySql => Target::MySql(Box::new(MySqlTarget::parse(dsn)?)),
            Driver::Sqlite => Target::Sqlite(Box::new(SqliteTarget::parse(dsn)?)),
        })
    }

    /// What errors call it: never with a user or a password.
    pub(crate) fn place(&self) -> String {
        match self {
            Target::Postgres(it) => format!("postgres at {}", it.address),
            Target::MySql(it) => format!("mysql at {}", it.address),
            Target::Sqlite(it) => format!("sqlite {}", it.name),
        }
    }

    /// How long connecting may take.
    pub(crate) fn connect_max(&self) -> Duration {
        match self {
            Target::Postgres(it) => it.connect_max,
            Target::MySql(it) => it.connect_max,
            Target::Sqlite(_) => CONNECT_MAX,
        }
    }

    /// Whether each connection has a database of its own, which is gone with it.
    pub(crate) fn is_in_memory(&self) -> bool {
        matches!(self, Target::Sqlite(it) if it.is_in_memory)
    }

    /// Whether files of the machine, or its environment, are read to connect, or by statements: those of SQLite open
    /// any file with `ATTACH` and `VACUUM INTO`, also where the database itself is in memory.
    pub(crate) fn reaches_machine(&self) -> bool {
        match self {
            Target::Postgres(it) => it.reaches_machine,
            Target::MySql(it) => it.reaches_machine,
            Target::Sqlite(_) => true,
        }
    }
}

/// Pairs of the query of a URL, with what is escaped in them.
fn query_pairs(query: &str) -> Result<Vec<(String, String)>, String> {
    let pairs = query.split('&').filter(|it| !it.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((unescaped(&key.replace('+', " "))?, unescaped(&value.replace('+', " "))?))
        })
        .collect()
}

/// A text without the escapes of URLs: `%2F` is `/`.
fn unescaped(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digit = |it: u8| (it as char).to_digit(16).map(|it| it as u8);
        match tail {
            [high, low, tail @ ..] if let (Some(high), Some(low)) = (digit(*high), digit(*low)) => {
                bytes.push(high << 4 | low);
                rest = tail;
            }
            _ => return Err("a `%` in it begins no escape: a `%` itself is written `%25`".to_string()),
        }
    }
    String::from_utf8(bytes).map_err(|_| "what is escaped in it is no UTF-8".to_string())
}

/// A text as a value in the query of a URL.
fn escaped(text: &str) -> String {
    let escape = |it: u8| match it {
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => (it as char).to_string(),
        _ => format!("%{it:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// A time as Go writes one.
fn duration(key: &str, value: &str) -> Result<Duration, String> {
    parse_duration(value).ok_or_else(|| format!("`{key}` is no duration, such as `5s`"))
}
