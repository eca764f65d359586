//! Connections to PostgreSQL.
//!
//! Values go and come as text, which the server reads and prints, as with Go's driver: so each type of column, those of
//! extensions and users included, is what it is in Bento, and a value is taken for what the statement wants at its place. The
//! library below asks for binary values wherever it hands over arguments itself. So a statement with arguments is prepared
//! under a name, and run by that name with its arguments as literals.

use std::{
    collections::HashMap,
    fmt::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::StreamExt;
use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Connection as _, Either, Executor, PgConnection, Row, SqlSafeStr,
    Statement, TypeInfo, ValueRef, postgres::PgRow,
};
use wappa_message::{Text, Value};

use super::{
    Rows,
    postgres_plan::{Plan, columns_of},
    relay::Relay,
    sound::{sound, sound_rows},
    time,
};
use crate::{
    driver::Driver,
    dsn::PostgresTarget,
    failed::{Failed, Kind},
    statement::Insert,
};

/// How many statements stay prepared: a component has one, unless its text is made for each message.
const PREPARED_MAX: usize = 16;

/// How many statements that write rows have a plan: no component has more than two.
const PLANS_MAX: usize = 4;

#[derive(Debug)]
pub(crate) struct Connection {
    inner: PgConnection,
    relay: Relay,
    /// What is prepared, by its text.
    prepared: HashMap<Arc<str>, Prepared>,
    n_prepared: u64,
    /// By the texts of the statements that write rows: a cache has two.
    plans: HashMap<Arc<str>, Plan>,
}

#[derive(Debug)]
struct Prepared {
    name: String,
    /// Which arguments are bytes, once somebody wants to know.
    are_bytes: Option<Vec<bool>>,
}

fn failed(err: sqlx::Error) -> Failed {
    Failed::of(Driver::Postgres, err)
}

async fn asked<T>(relay: &mut Relay, asked: impl Future<Output = sqlx::Result<T>>) -> Result<T, Failed> {
    relay.beside(Driver::Postgres, sound(Driver::Postgres, asked)).await
}

impl Connection {
    pub(super) async fn connect(target: &PostgresTarget) -> Result<Connection, Failed> {
        let (host, port) = (target.options.get_host(), target.options.get_port());
        let name = format!("/.s.PGSQL.{port}");
        let directory = target.options.get_socket().map(PathBuf::as_path);
        let server = match directory.or(host.starts_with('/').then_some(Path::new(host))) {
            Some(directory) => Relay::unix(&directory.join(&name[1..])).await,
            None => Relay::tcp(host, port).await,
        };
        let server = server.map_err(|err| failed(sqlx::Error::Io(err)))?;
        let options = target.options.clone();
        let connect = |path: PathBuf| async move { options.socket(path).connect().await };
        let (inner, relay) = server.open(Driver::Postgres, &name, connect).await?;
        let mut connection =
            Connection { inner, relay, prepared: HashMap::new(), n_prepared: 0, plans: HashMap::new() };
        for (name, value) in &target.settings {
            // Read as the server reads its own settings: one may be a list.
            let mut script = "SELECT set_config(".to_string();
            push_text(&mut script, name);
            script.push(',');
            push_text(&mut script, value);
            script.push_str(", false)");
            connection.run_script(&script).await?;
        }
        Ok(connection)
    }

    pub(super) async fn run_script(&mut self, script: &str) -> Result<(), Failed> {
        asked(&mut self.relay, sqlx::raw_sql(AssertSqlSafe(script)).execute(&mut self.inner))
            .await
            .map(|_| ())
    }

    pub(super) async fn execute(&mut self, sql: &Arc<str>, args: &[Value]) -> Result<(), Failed> {
        let mut rows = self.rows(sql, args).await?;
        while let Some(row) = rows.next().await {
            row?;
        }
        Ok(())
    }

    pub(super) async fn rows<'c>(&'c mut self, sql: &Arc<str>, args: &[Value]) -> Result<Rows<'c>, Failed> {
        if args.is_empty() {
            return Ok(self.rows_of(Arc::clone(sql)));
        }
        let call = self.call(sql, args).await?;
        Ok(self.rows_of(call.into()))
    }

    fn rows_of(&mut self, sql: Arc<str>) -> Rows<'_> {
        let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch(&mut self.inner);
        sound_rows(Driver::Postgres, &mut self.relay, rows, object).boxed()
    }

    /// The statement that runs a prepared one with these arguments.
    async fn call(&mut self, sql: &Arc<str>, args: &[Value]) -> Result<String, Failed> {
        self.prepare(sql).await?;
        if args.iter().any(needs_type) {
            self.learn_types(sql).await?;
        }
        let prepared = &self.prepared[sql];
        let mut call = format!("EXECUTE {}(", prepared.name);
        for (idx, arg) in args.iter().enumerate() {
            if 0 < idx {
                call.push(',');
            }
            push_literal(&mut call, arg, prepared.is_bytes(idx))?;
        }
        call.push(')');
        Ok(call)
    }

    /// Prepares a statement unless it is.
    async fn prepare(&mut self, sql: &Arc<str>) -> Result<(), Failed> {
        if self.prepared.contains_key(sql) {
            return Ok(());
        }
        if PREPARED_MAX <= self.prepared.len() {
            self.forget().await?;
        }
        self.n_prepared += 1;
        let name = format!("wappa_{}", self.n_prepared);
        // As a statement of the extended protocol it is one: what follows a semicolon is refused.
        let prepare = sqlx::query(AssertSqlSafe(format!("PREPARE {name} AS {sql}"))).persistent(false);
        asked(&mut self.relay, self.inner.execute(prepare)).await?;
        self.prepared.insert(Arc::clone(sql), Prepared { name, are_bytes: None });
        Ok(())
    }

    /// Asks the server which arguments of a statement are bytes.
    async fn learn_types(&mut self, sql: &Arc<str>) -> Result<(), Failed> {
        if self.prepared.get(sql).is_some_and(|it| it.are_bytes.is_some()) {
            return Ok(());
        }
        let statement =
            asked(&mut self.relay, self.inner.prepare(AssertSqlSafe(Arc::clone(sql)).into_sql_str())).await?;
        let are_bytes = match statement.parameters() {
            Some(Either::Left(types)) => types.iter().map(|it| it.name() == "BYTEA").collect(),
            _ => Vec::new(),
        };
        let prepared = self.prepared.entry(Arc::clone(sql));
        prepared.or_insert(Prepared { name: String::new(), are_bytes: None }).are_bytes = Some(are_bytes);
        Ok(())
    }

    /// Forgets what is prepared.
    pub(super) async fn forget(&mut self) -> Result<(), Failed> {
        for prepared in std::mem::take(&mut self.prepared).into_values().filter(|it| !it.name.is_empty()) {
            match self.run_script(&format!("DEALLOCATE {}", prepared.name)).await {
                Err(err) if err.is_lost() => return Err(err),
                // Somebody else did it.
                _ => (),
            }
        }
        Ok(())
    }

    pub(super) async fn insert(&mut self, insert: &Insert, rows: &[&[Value]]) -> Result<(), Failed> {
        match self.insert_prepared(insert, rows).await {
            Some(Err(err)) if err.is_lost() => Err(err),
            Some(Ok(())) => Ok(()),
            // Nothing is written then. What is wrong is said of the row as literals.
            Some(Err(_)) | None => self.insert_literals(insert, rows).await,
        }
    }

    /// Writes rows as arguments of a prepared statement, where that means the same. `None`: it may not.
    async fn insert_prepared(&mut self, insert: &Insert, rows: &[&[Value]]) -> Option<Result<(), Failed>> {
        let n_values = rows[0].len();
        if PLANS_MAX <= self.plans.len() && !self.plans.contains_key(insert.text()) {
            return None;
        }
        let plan = self.plans.entry(Arc::clone(insert.text())).or_default();
        if !plan.wants(rows.len(), n_values) {
            return None;
        }
        if plan.is_new() {
            let one = AssertSqlSafe(insert.with_placeholders(1, n_values)).into_sql_str();
            match asked(&mut self.relay, self.inner.prepare(one)).await {
                Ok(statement) => plan.learn(match statement.parameters() {
                    Some(Either::Left(types)) if types.len() == n_values => columns_of(types),
                    _ => None,
                }),
                Err(err) if err.is_lost() => return Some(Err(err)),
                Err(_) => plan.give_up(),
            }
        }
        let (sql, args) = plan.call(insert, rows)?;
        let written =
            asked(&mut self.relay, sqlx::query_with(AssertSqlSafe(sql), args).execute(&mut self.inner)).await;
        if written.as_ref().is_err_and(|err| !matches!(err.kind, Kind::Row | Kind::Hopeless | Kind::Lost)) {
            plan.give_up();
        }
        Some(written.map(|_| ()))
    }

    async fn insert_literals(&mut self, insert: &Insert, rows: &[&[Value]]) -> Result<(), Failed> {
        let mut types: Option<&Prepared> = None;
        if rows.iter().any(|row| row.iter().any(needs_type)) {
            let one: Arc<str> = insert.with_placeholders(1, rows[0].len()).into();
            self.learn_types(&one).await?;
            types = self.prepared.get(&one);
        }
        let written = insert.with_values(rows, |sql, column, value| {
            push_literal(sql, value, types.is_some_and(|it| it.is_bytes(column)))
        });
        let sql = written.map_err(|(_, err)| err)?;
        asked(&mut self.relay, sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.inner)).await.map(|_| ())
    }

    pub(super) async fn ping(&mut self) -> Result<(), Failed> {
        asked(&mut self.relay, self.inner.ping()).await
    }

    pub(super) fn is_spent(&self) -> bool {
        self.relay.is_spent()
    }

    pub(super) async fn close(mut self) {
        if asked(&mut self.relay, self.inner.close()).await.is_ok() {
            self.relay.finish().await;
        }
    }
}

impl Prepared {
    fn is_bytes(&self, idx: usize) -> bool {
        self.are_bytes.as_ref().is_some_and(|it| it.get(idx).is_some_and(|it| *it))
    }
}

/// Whether what a value is written as depends on whether the statement wants bytes.
fn needs_type(value: &Value) -> bool {
    let check =
        |text: &[u8]| text.iter().any(|it| matches!(it, b'\\' | 0)) || std::str::from_utf8(text).is_err();
    match value {
        Value::Text(text) => check(text.as_slice()),
        Value::Bytes(bytes) => check(&bytes.to_bytes()),
        _ => false,
    }
}

/// Writes a value as a literal of no type: the server takes it for what it wants there.
fn push_literal(sql: &mut String, value: &Value, is_bytes: bool) -> Result<(), Failed> {
    match value {
        Value::Null => sql.push_str("NULL"),
        Value::Bool(it) => sql.push_str(if *it { "'true'" } else { "'false'" }),
        Value::Int(it) => _ = write!(sql, "'{it}'"),
        Value::Uint(it) => _ = write!(sql, "'{it}'"),
        Value::Float(it) => _ = write!(sql, "'{it}'"),
        Value::Number(it) => _ = write!(sql, "'{}'", it.as_str()),
        Value::Text(it) => push_content(sql, it.as_slice(), is_bytes)?,
        Value::Bytes(it) => push_content(sql, &it.to_bytes(), is_bytes)?,
        Value::Time(_) => push_content(sql, &value.to_text(), is_bytes)?,
        Value::Array(_) | Value::Object(_) => {
            return Err(Failed::new(Kind::Row, crate::args::no_such_argument(value)));
        }
    }
    Ok(())
}

fn push_content(sql: &mut String, content: &[u8], is_bytes: bool) -> Result<(), Failed> {
    if is_bytes {
        sql.push_str("'\\x");
        content.iter().for_each(|it| _ = write!(sql, "{it:02x}"));
        sql.push('\'');
        return Ok(());
    }
    let refused =
        |what| Failed::new(Kind::Hopeless, format!("pq: invalid byte sequence for encoding \"UTF8\"{what}"));
    let text = std::str::from_utf8(content).map_err(|_| refused(""))?;
    if text.contains('\0') {
        return Err(refused(": 0x00"));
    }
    push_text(sql, text);
    Ok(())
}

/// Writes a text as a literal that means the same in every mode of the server.
fn push_text(sql: &mut String, text: &str) {
    // In the form with an `E` a backslash is an escape whatever `standard_conforming_strings` says.
    sql.push_str(if text.contains('\\') { " E'" } else { "'" });
    for piece in text.split_inclusive(['\'', '\\']) {
        sql.push_str(piece);
        match piece.as_bytes().last() {
            Some(b'\'') => sql.push('\''),
            Some(b'\\') => sql.push('\\'),
            _ => (),
        }
    }
    sql.push('\'');
}

/// A row as an object, and how many bytes it was.
fn object(row: &PgRow) -> Result<(Value, usize), Failed> {
    let mut pairs = Vec::with_capacity(row.len());
    // A letter, a length and a count; and a length in front of each value.
    let mut n_bytes = 7 + 4 * row.len();
    for column in row.columns() {
        let value = row.try_get_raw(column.ordinal()).map_err(failed)?;
        let value = match value.is_null() {
            true => Value::Null,
            false => {
                let oid = column.type_info().oid().map_or(0, |it| it.0);
                let text = value.as_bytes().map_err(|err| Failed::new(Kind::Statement, err.to_string()))?;
                n_bytes += text.len();
                of_text(oid, text)
            }
        };
        pairs.push((Text::copied(column.name()), value));
    }
    let object = Value::object(pairs).map_err(|err| Failed::new(Kind::Statement, err.to_string()))?;
    Ok((object, n_bytes))
}

/// What the text of a column of this type is; what is not told apart is text.
/// Source: `pg_type.dat` of PostgreSQL, and what `lib/pq` gives.
fn of_text(oid: u32, bytes: &[u8]) -> Value {
    const BOOL: u32 = 16;
    const BYTEA: u32 = 17;
    const INT8: u32 = 20;
    const INT2: u32 = 21;
    const INT4: u32 = 23;
    const FLOAT4: u32 = 700;
    const FLOAT8: u32 = 701;
    const DATE: u32 = 1082;
    const TIME: u32 = 1083;
    const TIMESTAMP: u32 = 1114;
    const TIMESTAMPTZ: u32 = 1184;
    const TIMETZ: u32 = 1266;
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let read = match oid {
        BOOL => Some(Value::Bool(bytes == b"t")),
        INT2 | INT4 | INT8 => text.parse().ok().map(Value::Int),
        FLOAT4 | FLOAT8 => text.parse().ok().filter(|it: &f64| it.is_finite()).map(Value::Float),
        BYTEA => of_bytea(bytes).map(Value::text),
        DATE | TIMESTAMP | TIMESTAMPTZ => time::moment(text),
        TIME | TIMETZ => time::clock(text),
        _ => None,
    };
    read.unwrap_or_else(|| Value::text(bytes))
}

/// Bytes as the server prints them: in hexadecimal, or with escapes.
fn of_bytea(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |it: u8, radix| (it as char).to_digit(radix);
    if let Some(digits) = text.strip_prefix(b"\\x") {
        let pairs = digits.chunks_exact(2);
        return pairs.map(|it| Some((digit(it[0], 16)? << 4 | digit(it[1], 16)?) as u8)).collect();
    }
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text);
    loop {
        match rest {
            [] => return Some(bytes),
            [b'\\', b'\\', tail @ ..] => {
                bytes.push(b'\\');
                rest = tail;
            }
            [b'\\', a, b, c, tail @ ..] => {
                bytes.push((digit(*a, 8)? << 6 | digit(*b, 8)? << 3 | digit(*c, 8)?) as u8);
                rest = tail;
            }
            [b'\\', ..] => return None,
            [it, tail @ ..] => {
                bytes.push(*it);
                rest = tail;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_mean_the_same_in_every_mode() {
        let literal = |value: Value, is_bytes| {
            let mut sql = String::new();
            match push_literal(&mut sql, &value, is_bytes) {
                Ok(()) => sql,
                Err(err) => format!("{:?} {}", err.kind, err.text),
            }
        };
        assert_eq!(literal(Value::Null, false), "NULL");
        assert_eq!(literal(Value::Bool(true), false), "'true'");
        assert_eq!(literal(Value::Int(-5), false), "'-5'");
        assert_eq!(literal(Value::Float(3.0), false), "'3'");
        assert_eq!(literal(Value::Float(1e21), false), "'1000000000000000000000'");
        assert_eq!(literal(Value::text("it's"), false), "'it''s'");
        assert_eq!(literal(Value::text("'; DROP TABLE t; --"), false), "'''; DROP TABLE t; --'");
        assert_eq!(literal(Value::text("a\\'b"), false), " E'a\\\\''b'");
        assert_eq!(literal(Value::text("a\\"), false), " E'a\\\\'");
        assert_eq!(literal(Value::text(b"a\\\0\xff"), true), "'\\x615c00ff'");
        assert!(literal(Value::text("a\0"), false).starts_with("Hopeless pq: invalid byte sequence"));
        assert!(literal(Value::text(b"\xff"), false).starts_with("Hopeless pq: invalid byte sequence"));
    }

    #[test]
    fn bytes_are_read_in_both_forms() {
        assert_eq!(of_bytea(b"\\x00ff5c"), Some(vec![0, 255, 92]));
        assert_eq!(of_bytea(b"a\\\\b\\000\\377"), Some(b"a\\b\0\xff".to_vec()));
        assert_eq!(of_bytea(b"\\9"), None);
    }
}
