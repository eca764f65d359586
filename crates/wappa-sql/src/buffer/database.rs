//! The file of a buffer. The table is Bento's.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use sqlx::{
    Arguments, AssertSqlSafe, Connection, Row, SqliteConnection,
    sqlite::{SqliteArguments, SqliteJournalMode, SqliteLockingMode, SqliteSynchronous},
};

use super::Rows;
use crate::{
    connection::sqlite::open,
    driver::Driver,
    dsn::SqliteTarget,
    failed::{Failed, Kind},
};

/// How long it is waited for whoever has the file.
const BUSY_MAX: Duration = Duration::from_millis(500);

/// So many rows may wait on their way from the library's thread.
const ROWS_ON_THEIR_WAY: usize = 8;

/// How many rows a statement writes: few lengths, so that all of them stay prepared.
const ROWS_OF_STATEMENTS: [usize; 4] = [256, 32, 4, 1];

/// Bento's table.
const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY AUTOINCREMENT, \
                      content TEXT NOT NULL, requeue INTEGER NOT NULL)";

const LOOK: &str = "SELECT id, content, requeue FROM messages, sqlite_sequence LIMIT 0";

/// What SQLite says of a file that is damaged, and of one that is something else.
const DAMAGED: [&str; 2] = ["(11)", "(26)"];

/// What Bento writes for a batch that has not failed yet.
const NOT_REQUEUED: i64 = i64::MAX;

/// A file that is open, which nobody else has.
pub(super) struct Database {
    connection: SqliteConnection,
    /// The newest row that there was.
    pub(super) newest: i64,
}

/// A row.
pub(super) struct Stored {
    pub(super) id: i64,
    pub(super) content: Bytes,
}

impl Database {
    /// Opens the file. With it comes where its oldest row is; behind the newest, where there is none.
    pub(super) async fn open(target: &SqliteTarget) -> Result<(Database, i64), Failed> {
        let options = target.options.clone();
        let options = options
            .busy_timeout(BUSY_MAX)
            .locking_mode(SqliteLockingMode::Exclusive)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .row_buffer_size(ROWS_ON_THEIR_WAY);
        let mut connection = open(&options, &target.name).await.map_err(with_way_out)?;
        sqlx::raw_sql(SCHEMA).execute(&mut connection).await.map_err(failed)?;
        // What has the name may be something else.
        if sqlx::raw_sql(LOOK).execute(&mut connection).await.is_err() {
            return Err(Failed::new(Kind::Statement, "it has a table `messages` that is no buffer's"));
        }
        let ends = "SELECT (SELECT min(id) FROM messages), \
                    max(coalesce((SELECT max(id) FROM messages), 0), \
                    coalesce((SELECT max(seq) FROM sqlite_sequence WHERE name = 'messages'), 0))";
        let row = sqlx::query(ends).fetch_one(&mut connection).await.map_err(failed)?;
        let (oldest, newest): (Option<i64>, i64) =
            (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
        let database = Database { connection, newest };
        Ok((database, oldest.unwrap_or(newest + 1)))
    }

    /// Writes rows behind the newest, and takes others away: all of it or nothing. The number of the first of the new ones.
    pub(super) async fn write(&mut self, rows: &[&[u8]], gone: &[Rows]) -> Result<i64, Failed> {
        self.run("BEGIN IMMEDIATE").await?;
        let written = match self.write_within(rows, gone).await {
            Ok(()) => self.run("COMMIT").await,
            Err(err) => Err(err),
        };
        if let Err(err) = written {
            // Where SQLite has taken it back itself, there is nothing to take back.
            _ = self.run("ROLLBACK").await;
            return Err(err);
        }
        let first = self.newest + 1;
        self.newest += rows.len() as i64;
        Ok(first)
    }

    async fn write_within(&mut self, rows: &[&[u8]], gone: &[Rows]) -> Result<(), Failed> {
        let (mut rest, mut id) = (rows, self.newest);
        while !rest.is_empty() {
            let fits = ROWS_OF_STATEMENTS.into_iter().find(|n| *n <= rest.len());
            let (now, behind) = rest.split_at(fits.unwrap_or(1));
            let mut args = SqliteArguments::default();
            for row in now {
                id += 1;
                args.add(id).and_then(|()| args.add(*row)).map_err(|err| failed(sqlx::Error::Encode(err)))?;
            }
            let query = sqlx::query_with(AssertSqlSafe(insert(now.len())), args);
            query.execute(&mut self.connection).await.map_err(failed)?;
            rest = behind;
        }
        for rows in gone {
            let query = sqlx::query("DELETE FROM messages WHERE id BETWEEN ? AND ?");
            query.bind(rows.first).bind(rows.last).execute(&mut self.connection).await.map_err(failed)?;
        }
        Ok(())
    }

    /// The library's own transactions do not know of those that SQLite takes back by itself, on a full disk.
    async fn run(&mut self, sql: &'static str) -> Result<(), Failed> {
        sqlx::raw_sql(sql).execute(&mut self.connection).await.map(|_| ()).map_err(failed)
    }

    /// Reads rows behind one, in order: no more than `n_max`, and none once there are `bytes_max`.
    pub(super) async fn read(
        &mut self,
        behind: i64,
        n_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Stored>, Failed> {
        let sql = "SELECT id, CAST(content AS BLOB) FROM messages WHERE id > ? ORDER BY id LIMIT ?";
        let mut stored = sqlx::query(sql).bind(behind).bind(n_max as i64).fetch(&mut self.connection);
        let (mut rows, mut n_bytes) = (Vec::new(), 0);
        while n_bytes < bytes_max
            && let Some(row) = stored.next().await
        {
            let row = row.map_err(failed)?;
            let content: Vec<u8> = row.try_get(1).map_err(failed)?;
            n_bytes += content.len();
            rows.push(Stored { id: row.try_get(0).map_err(failed)?, content: content.into() });
        }
        Ok(rows)
    }

    pub(super) async fn close(self) {
        _ = self.connection.close().await;
    }
}

fn failed(err: sqlx::Error) -> Failed {
    with_way_out(Failed::of(Driver::Sqlite, err))
}

fn with_way_out(failed: Failed) -> Failed {
    if !DAMAGED.iter().any(|it| failed.text.ends_with(it)) {
        return failed;
    }
    let way_out = "put another file in its place; `sqlite3` with `.recover` saves what is whole";
    Failed { text: format!("{}: {way_out}", failed.text), ..failed }
}

fn insert(n_rows: usize) -> String {
    let row = format!("(?, ?, {NOT_REQUEUED})");
    let rows = vec![row; n_rows].join(", ");
    format!("INSERT INTO messages (id, content, requeue) VALUES {rows}")
}
