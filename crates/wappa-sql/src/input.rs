//! The inputs `sql_select` and `sql_raw`.

use std::{
    mem,
    panic::resume_unwind,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::{FutureExt, StreamExt};
use tokio::{sync::mpsc, task::JoinHandle};
use wappa_component::{
    Batches, BuildError, BuildInput, Component, ConnectError, Context, Input, Logger, PARCEL_BYTES_MAX,
    PARCEL_MESSAGES_MAX, ReadError,
};
use wappa_message::{Message, Value};
use wappa_net::{Fed, Feeder, Source, Stopping, fed_by};
use wappa_spec::{Config, Mapping, Node, Reader};

use crate::{
    config::{ConnectingConfig, ConnectionConfig, DatabaseConfig},
    driver::Driver,
    failed::Failed,
    pool::{Lease, Pool},
    query::{Asked, Query},
    statement::{Around, select},
};

pub(crate) const RAW: Component = Component::input::<SqlRawConfig>("sql_raw").categories(&["Services"]);
pub(crate) const SELECT: Component =
    Component::input::<SqlSelectConfig>("sql_select").categories(&["Services"]);

/// Reads what a statement gives: each row is a message, an object with a field for each column. Ends after the last one.
///
/// # Examples
///
/// ### Rows of a database of SQLite
///
/// ```yaml
/// input:
///   sql_raw:
///     driver: sqlite
///     dsn: file:./numbers.db
///     query: SELECT n, n * n AS square FROM numbers WHERE n > ?
///     args_mapping: root = [ 1 ]
///     init_statement: |
///       CREATE TABLE IF NOT EXISTS numbers (n INTEGER PRIMARY KEY);
///       INSERT OR IGNORE INTO numbers VALUES (1), (2), (3);
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// A message that fails is delivered again from memory until it arrives. The database is told nothing: after a restart of
/// the process, and when the connection is lost in the middle, the statement runs again and all its rows come once more.
/// A statement that fails before it gives a row runs again, with a wait in between; one that fails later ends the input,
/// and the process ends with an error.
///
/// # Performance
///
/// Rows are read as the pipeline needs them, however many there are; no more than a few hundred wait in memory. One is at
/// most 64MiB with PostgreSQL and 15MiB with MySQL.
#[derive(Config, Debug)]
#[config(lint = lint_of_raw)]
struct SqlRawConfig {
    #[config(flatten)]
    database: DatabaseConfig,

    /// The statement. Placeholders for arguments are `?` for `mysql` and `sqlite`, and `$1`, `$2` and so on for
    /// `postgres`.
    #[config(example = "SELECT * FROM footable WHERE user_id = $1;")]
    query: String,

    /// A mapping that gives a list with a value for each placeholder. There is no message that it could look at.
    #[config(example = "root = [ now().ts_unix() - 3600 ]")]
    args_mapping: Option<Mapping>,

    /// Whether messages that fail are delivered again; without it they are lost.
    #[config(default = "true")]
    auto_replay_nacks: bool,

    #[config(flatten)]
    connecting: ConnectingConfig,
}

/// Reads rows of a table: each is a message, an object with a field for each column. Ends after the last one.
///
/// # Examples
///
/// ### Rows of a table of SQLite
///
/// ```yaml
/// input:
///   sql_select:
///     driver: sqlite
///     dsn: file:./numbers.db
///     table: numbers
///     columns: [ '*' ]
///     where: n > ?
///     args_mapping: root = [ 1 ]
///     suffix: ORDER BY n
///     init_statement: |
///       CREATE TABLE IF NOT EXISTS numbers (n INTEGER PRIMARY KEY);
///       INSERT OR IGNORE INTO numbers VALUES (1), (2), (3);
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// A message that fails is delivered again from memory until it arrives. The database is told nothing: after a restart of
/// the process, and when the connection is lost in the middle, all rows come once more. A statement that fails before it
/// gives a row runs again, with a wait in between; one that fails later ends the input, and the process ends with an error.
///
/// # Performance
///
/// Rows are read as the pipeline needs them, however many there are; no more than a few hundred wait in memory. One is at
/// most 64MiB with PostgreSQL and 15MiB with MySQL.
#[derive(Config, Debug)]
#[config(lint = lint_of_select)]
struct SqlSelectConfig {
    #[config(flatten)]
    database: DatabaseConfig,

    /// The table.
    #[config(example = "foo")]
    table: String,

    /// The columns to read.
    #[config(example = "[ '*' ]", example = "[ foo, bar, baz ]")]
    columns: Vec<String>,

    /// Which rows to read. Placeholders are question marks, whatever the database.
    #[config(name = "where", example = "type = ? and created_at > ?", example = "user_id = ?")]
    condition: Option<String>,

    /// A mapping that gives a list with a value for each placeholder. There is no message that it could look at.
    #[config(example = "root = [ \"article\", now().ts_format(\"2006-01-02\") ]")]
    args_mapping: Option<Mapping>,

    /// What stands in front of `SELECT`.
    #[config(advanced)]
    prefix: Option<String>,

    /// What stands behind it, such as an order.
    #[config(advanced)]
    suffix: Option<String>,

    /// Whether messages that fail are delivered again; without it they are lost.
    #[config(default = "true")]
    auto_replay_nacks: bool,

    #[config(flatten)]
    connecting: ConnectingConfig,
}

fn lint_of_raw(config: &SqlRawConfig, node: &Node, reader: &mut Reader<'_>) {
    ConnectionConfig::new(&config.database, &config.connecting).lint("dsn", node, reader);
}

fn lint_of_select(config: &SqlSelectConfig, node: &Node, reader: &mut Reader<'_>) {
    ConnectionConfig::new(&config.database, &config.connecting).lint("dsn", node, reader);
}

impl BuildInput for SqlRawConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        let connection = ConnectionConfig::new(&self.database, &self.connecting);
        let query = Query::new(self.query.into(), self.args_mapping, ctx);
        let pool = connection.pool(Some(1), ctx)?;
        Ok(fed_by(Selected::new(pool, query, ctx), self.auto_replay_nacks, ctx))
    }
}

impl BuildInput for SqlSelectConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        let connection = ConnectionConfig::new(&self.database, &self.connecting);
        let driver = Driver::find(&self.database.driver).map_err(BuildError::new)?;
        let condition = self.condition.as_deref().filter(|it| !it.is_empty());
        // Without a condition there is nothing that arguments could be for.
        let args = if condition.is_some() { self.args_mapping } else { None };
        let around = Around { prefix: self.prefix, suffix: self.suffix };
        let sql = select(driver, &self.table, &self.columns, condition, &around);
        let query = Query::new(sql, args, ctx);
        let pool = connection.pool(Some(1), ctx)?;
        Ok(fed_by(Selected::new(pool, query, ctx), self.auto_replay_nacks, ctx))
    }
}

/// So many runs of rows wait to be put into the feed.
const RUNS_MAX: usize = 2;

struct Selected {
    pool: Pool,
    query: Arc<Query>,
    logger: Logger,
    /// A statement failed after it had given rows.
    is_over: AtomicBool,
}

/// Rows on their way.
enum Reading {
    Rows { first: Vec<Message>, rest: mpsc::Receiver<Result<Vec<Message>, Failed>>, task: Task },
    Over,
}

/// Ends what reads, with whoever wants the rows.
struct Task(JoinHandle<()>);

impl Task {
    /// Nothing more comes of it. Where it panicked, this does: what is missing then is not the end of the rows.
    async fn ended(&mut self) {
        if let Err(err) = (&mut self.0).await
            && let Ok(panic) = err.try_into_panic()
        {
            resume_unwind(panic);
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Selected {
    fn new(pool: Pool, query: Query, ctx: &Context<'_>) -> Selected {
        Selected { pool, query: Arc::new(query), logger: ctx.logger(), is_over: AtomicBool::new(false) }
    }

    fn asked(&self) -> Result<Asked, String> {
        // There is no message, and what asks for one says so.
        self.query.on_runtime(|query| query.of(&mut [], 0))
    }
}

impl Source for Selected {
    type Connection = Reading;

    async fn connect(&self) -> Result<Reading, ConnectError> {
        if self.is_over.swap(false, Ordering::Relaxed) {
            return Ok(Reading::Over);
        }
        self.pool.clear();
        let asked = self.asked().map_err(ConnectError::BackOff)?;
        let lease = self.pool.acquire().await.map_err(|err| ConnectError::BackOff(err.text))?;
        let (runs, mut rest) = mpsc::channel(RUNS_MAX);
        let task = Task(tokio::spawn(read_rows(lease, asked, runs)));
        // What is wrong with the statement is known with the first row.
        match rest.recv().await {
            None => Ok(Reading::Rows { first: Vec::new(), rest, task }),
            Some(Ok(first)) => Ok(Reading::Rows { first, rest, task }),
            Some(Err(err)) => Err(ConnectError::BackOff(err.text)),
        }
    }

    async fn read(&self, reading: Reading, feeder: Feeder, mut stop: Stopping) -> ReadError {
        let Reading::Rows { first, mut rest, task } = reading else { return ReadError::EndOfInput };
        // Held as long as rows are wanted.
        let mut task = task;
        let mut next: Option<Result<_, Failed>> = if first.is_empty() { None } else { Some(Ok(first)) };
        loop {
            match next.take() {
                Some(Ok(rows)) => {
                    let put = feeder.put(Fed::messages(rows, Batches::Singles));
                    let is_closed = tokio::select! {
                        put = put => put.is_err(),
                        () = stop.requested() => return ReadError::EndOfInput,
                    };
                    if is_closed {
                        return ReadError::EndOfInput;
                    }
                }
                Some(Err(err)) if err.is_lost() => {
                    self.logger.error(&format!("Lost the database while rows were read: {}", err.text));
                    return ReadError::NotConnected;
                }
                Some(Err(err)) => {
                    self.is_over.store(true, Ordering::Relaxed);
                    return ReadError::SourceFailed(err.text);
                }
                None => (),
            }
            next = tokio::select! {
                it = rest.recv() => it,
                () = stop.requested() => return ReadError::EndOfInput,
            };
            if next.is_none() {
                task.ended().await;
                return ReadError::EndOfInput;
            }
        }
    }
}

/// Reads the rows of a statement and gives them away in runs, as many as are there.
async fn read_rows(mut lease: Lease, asked: Asked, runs: mpsc::Sender<Result<Vec<Message>, Failed>>) {
    let result = async {
        let mut rows = lease.rows(&asked.sql, &asked.args).await?;
        let (mut run, mut n_bytes) = (Vec::new(), 0);
        loop {
            let next = match rows.next().now_or_never() {
                Some(next) => next,
                None => {
                    // Nothing waits to make a run longer.
                    if !run.is_empty() && runs.send(Ok(mem::take(&mut run))).await.is_err() {
                        return Ok(());
                    }
                    n_bytes = 0;
                    rows.next().await
                }
            };
            let Some(row) = next else { break };
            let row: Value = row?;
            n_bytes += row.size();
            let mut message = Message::new("");
            message.set_value(row);
            run.push(message);
            if PARCEL_MESSAGES_MAX <= run.len() || PARCEL_BYTES_MAX <= n_bytes {
                n_bytes = 0;
                if runs.send(Ok(mem::take(&mut run))).await.is_err() {
                    return Ok(());
                }
            }
        }
        if !run.is_empty() {
            _ = runs.send(Ok(run)).await;
        }
        Ok::<(), Failed>(())
    };
    if let Err(err) = result.await {
        _ = runs.send(Err(err)).await;
        return;
    }
    if !runs.is_closed() {
        lease.give_back();
    }
}
