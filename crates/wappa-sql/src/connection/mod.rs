//! One connection to a database, of whichever kind.

mod mysql;
mod mysql_turns;
mod postgres;
mod postgres_plan;
mod relay;
mod sound;
pub(crate) mod sqlite;
mod time;

use std::sync::Arc;

use futures_util::stream::BoxStream;
use wappa_message::Value;

use crate::{dsn::Target, failed::Failed, statement::Insert};

/// Rows as they come, each an object.
pub(crate) type Rows<'c> = BoxStream<'c, Result<Value, Failed>>;

/// A connection. One that is dropped while a statement runs is closed.
#[derive(Debug)]
pub(crate) enum Connection {
    Postgres(postgres::Connection),
    MySql(mysql::Connection),
    Sqlite(sqlite::Connection),
}

macro_rules! each {
    ($self:expr, $it:ident => $do:expr) => {
        match $self {
            Connection::Postgres($it) => $do,
            Connection::MySql($it) => $do,
            Connection::Sqlite($it) => $do,
        }
    };
}

impl Connection {
    pub(crate) async fn connect(target: &Target) -> Result<Connection, Failed> {
        Ok(match target {
            Target::Postgres(target) => Connection::Postgres(postgres::Connection::connect(target).await?),
            Target::MySql(target) => Connection::MySql(mysql::Connection::connect(target).await?),
            Target::Sqlite(target) => Connection::Sqlite(sqlite::Connection::connect(target).await?),
        })
    }

    /// Runs a text of statements without arguments.
    pub(crate) async fn run_script(&mut self, script: &str) -> Result<(), Failed> {
        each!(self, it => it.run_script(script).await)
    }

    /// Runs a statement whose rows nobody wants.
    pub(crate) async fn execute(&mut self, sql: &Arc<str>, args: &[Value]) -> Result<(), Failed> {
        each!(self, it => it.execute(sql, args).await)
    }

    /// Runs a statement and gives its rows as they come.
    pub(crate) async fn rows<'c>(&'c mut self, sql: &Arc<str>, args: &[Value]) -> Result<Rows<'c>, Failed> {
        each!(self, it => it.rows(sql, args).await)
    }

    /// Writes rows with one statement, of which all arrive or none; each of them has as many values as the first.
    pub(crate) async fn insert(&mut self, insert: &Insert, rows: &[&[Value]]) -> Result<(), Failed> {
        each!(self, it => it.insert(insert, rows).await)
    }

    /// Forgets what is prepared.
    pub(crate) async fn forget(&mut self) -> Result<(), Failed> {
        match self {
            Connection::Postgres(it) => it.forget().await,
            // They notice by themselves.
            Connection::MySql(_) | Connection::Sqlite(_) => Ok(()),
        }
    }

    /// Whether the other end is still there.
    pub(crate) async fn ping(&mut self) -> Result<(), Failed> {
        each!(self, it => it.ping().await)
    }

    /// Whether it is not to be used for another statement.
    pub(crate) fn is_spent(&self) -> bool {
        match self {
            Connection::Postgres(it) => it.is_spent(),
            Connection::MySql(it) => it.is_spent(),
            // There is no other end that could say too much.
            Connection::Sqlite(_) => false,
        }
    }

    /// Says goodbye.
    pub(crate) async fn close(self) {
        each!(self, it => it.close().await);
    }
}
