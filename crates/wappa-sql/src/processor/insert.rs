//! The processor `sql_insert`.

use std::sync::Arc;

use wappa_component::{BuildError, BuildProcessor, Component, Context, Logger, Part, Processor, Step};
use wappa_message::Mark;
use wappa_net::Runtime;
use wappa_spec::{Config, Node, Reader};

use super::verify;
use crate::{
    args::Args,
    asking::ask,
    config::{ConnectingConfig, ConnectionConfig, DatabaseConfig, RowsConfig},
    driver::Driver,
    insert::write,
    output::insert::row,
    pool::Pool,
    statement::Insert,
};

pub(crate) const COMPONENT: Component =
    Component::processor::<SqlInsertConfig>("sql_insert").categories(&["Integration"]);

/// Writes a row of a table for each message, and leaves the message as it is.
///
/// # Examples
///
/// ### Lines in a table of SQLite, and on
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - sql_insert:
///         driver: sqlite
///         dsn: file:./seen.db
///         table: seen
///         columns: [ line ]
///         args_mapping: 'root = [ content().string() ]'
///         init_statement: CREATE TABLE IF NOT EXISTS seen (line TEXT)
/// output:
///   stdout: {}
/// ```
///
/// # Failures
///
/// A message whose row the database refuses is marked, with the database's words, and the rows of the others are written.
/// Where the database is not there each message fails, until it is. What was written stays, whatever becomes of the message
/// later: one that is delivered again is a row once more.
///
/// # Performance
///
/// The messages that are at hand are rows of one statement.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct SqlInsertConfig {
    #[config(flatten)]
    database: DatabaseConfig,

    #[config(flatten)]
    rows: RowsConfig,

    #[config(flatten)]
    connecting: ConnectingConfig,
}

fn lint(config: &SqlInsertConfig, node: &Node, reader: &mut Reader<'_>) {
    ConnectionConfig::new(&config.database, &config.connecting).lint("dsn", node, reader);
}

impl BuildProcessor for SqlInsertConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        let driver = Driver::find(&self.database.driver).map_err(BuildError::new)?;
        // A file of SQLite has one writer at a time.
        let n_open = if driver == Driver::Sqlite { Some(1) } else { None };
        let pool = ConnectionConfig::new(&self.database, &self.connecting).pool(n_open, ctx)?;
        verify(&pool, ctx)?;
        let (insert, args) = self.rows.open(driver, ctx);
        Ok(Box::new(Inserting {
            pool,
            insert: Arc::new(insert),
            args,
            runtime: Runtime::of(ctx),
            logger: ctx.logger(),
        }))
    }
}

struct Inserting {
    pool: Pool,
    insert: Arc<Insert>,
    args: Args,
    runtime: Runtime,
    logger: Logger,
}

impl Processor for Inserting {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let n_batches = part.n_batches();
        let mut rows = Vec::with_capacity(part.n_messages());
        let mut failures: Vec<(usize, String)> = Vec::new();
        for idx in 0..n_batches {
            let range = part.batch(idx);
            let batch = &mut part.messages_mut()[range.clone()];
            for (place, of_part) in range.enumerate() {
                match row(&self.args, &self.insert, batch, place) {
                    Ok(row) => rows.push((of_part, row)),
                    Err(text) => failures.push((of_part, text)),
                }
            }
        }
        if step.is_interrupted() {
            return 0;
        }
        let n_rows = rows.len();
        let (pool, insert) = (self.pool.clone(), Arc::clone(&self.insert));
        let writing = async move {
            match rows.is_empty() {
                true => Ok(Vec::new()),
                false => ask!(pool, connection => write(connection, &insert, &rows).await),
            }
        };
        let written = match self.runtime.finish_within(step, writing) {
            None => return 0,
            Some(Ok(written)) => written.map_err(|err| err.text),
            Some(Err(text)) => Err(text),
        };
        match written {
            Ok(not_written) => failures.extend(not_written.into_iter().map(|(place, err)| (place, err.text))),
            Err(text) => {
                // Nobody knows what has arrived, and those that were not asked for have failed already.
                let known: Vec<usize> = failures.iter().map(|(place, _)| *place).collect();
                let others = (0..part.n_messages()).filter(|it| known.binary_search(it).is_err());
                let others: Vec<_> = others.map(|place| (place, text.clone())).collect();
                debug_assert_eq!(others.len(), n_rows);
                failures.extend(others);
            }
        }
        for (place, text) in failures {
            self.logger.debug(&format!("Failed to run query: {text}"));
            step.mark(&mut part.messages_mut()[place], Mark::new(text));
        }
        n_batches
    }
}
