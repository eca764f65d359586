//! The output `sql_raw`.

use wappa_component::{
    BuildError, BuildOutput, Component, ConnectError, Context, Logger, Output, WriteError,
    batching::{PolicyConfig, batched},
};
use wappa_message::{Mark, Message};
use wappa_net::{Client, Limit, Sending, in_flight};
use wappa_spec::{Config, Node, Reader};

use super::mark;
use crate::{
    asking::ask,
    config::{ArgumentsConfig, ConnectingConfig, ConnectionConfig, DatabaseConfig},
    driver::Driver,
    failed::Failed,
    pool::Pool,
    query::{Asked, Query},
};

pub(crate) const COMPONENT: Component =
    Component::output::<SqlRawConfig>("sql_raw").categories(&["Services"]);

/// Runs a statement for each message.
///
/// # Examples
///
/// ### How often each line came, in a table of SQLite
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   sql_raw:
///     driver: sqlite
///     dsn: file:./counts.db
///     query: INSERT INTO counts VALUES (?, 1) ON CONFLICT (line) DO UPDATE SET n = n + 1
///     args_mapping: 'root = [ content().string() ]'
///     init_statement: CREATE TABLE IF NOT EXISTS counts (line TEXT PRIMARY KEY, n INTEGER)
/// ```
///
/// # Delivery
///
/// A message has arrived once the database has done what the statement says. One whose statement fails has failed, and the
/// others of its batch go on. When the connection is lost while a statement runs, nobody knows what became of it, and all
/// messages of the batch come again.
///
/// # Performance
///
/// Each message is a statement and a way to the database and back; `sql_insert` has one for a batch.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct SqlRawConfig {
    #[config(flatten)]
    database: DatabaseConfig,

    /// The statement. Placeholders for arguments are `?` for `mysql` and `sqlite`, and `$1`, `$2` and so on for
    /// `postgres`.
    #[config(example = "INSERT INTO footable (foo, bar, baz) VALUES (?, ?, ?);")]
    query: String,

    #[config(flatten)]
    arguments: ArgumentsConfig,

    /// How many batches may be on their way at once.
    #[config(default = "64")]
    max_in_flight: usize,

    /// How messages are put together to batches.
    batching: PolicyConfig,

    #[config(flatten)]
    connecting: ConnectingConfig,
}

fn lint(config: &SqlRawConfig, node: &Node, reader: &mut Reader<'_>) {
    ConnectionConfig::new(&config.database, &config.connecting).lint("dsn", node, reader);
    config.arguments.lint_query(node, reader);
}

impl BuildOutput for SqlRawConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        let connection = ConnectionConfig::new(&self.database, &self.connecting);
        let query = self.arguments.query(self.query, ctx)?;
        let pool = connection.pool(writers(&self.database.driver), ctx)?;
        boxed(pool, query, self.max_in_flight, &self.batching, ctx)
    }
}

/// How many connections an output has where its config does not say.
pub(super) fn writers(driver: &str) -> Option<usize> {
    // A file of SQLite has one writer at a time.
    if Driver::find(driver) == Ok(Driver::Sqlite) { Some(1) } else { None }
}

pub(super) fn boxed(
    pool: Pool,
    query: Query,
    max_in_flight: usize,
    batching: &PolicyConfig,
    ctx: &mut Context<'_>,
) -> Result<Box<dyn Output>, BuildError> {
    let output =
        in_flight(Running { pool, query, logger: ctx.logger() }, Limit::of(max_in_flight).ahead(1), ctx);
    batched(output, batching, ctx)
}

struct Running {
    pool: Pool,
    query: Query,
    logger: Logger,
}

impl Running {
    /// What is to be asked for each message, in batches as they are.
    fn asked(&self, sending: &Sending) -> Vec<Result<Asked, String>> {
        let part = sending.part();
        let mut all = Vec::with_capacity(part.n_messages());
        self.query.on_runtime(|query| {
            for batch in (0..part.n_batches()).map(|idx| part.batch(idx)) {
                // Copies share what they hold.
                let mut messages: Vec<Message> = part.messages()[batch].to_vec();
                all.extend((0..messages.len()).map(|place| query.of(&mut messages, place)));
            }
        });
        all
    }

    async fn run(&self, all: Vec<Result<Asked, String>>) -> Result<Vec<(usize, Mark)>, Failed> {
        let mut failures = Vec::new();
        for (place, asked) in all.into_iter().enumerate() {
            let result = match asked {
                Ok(Asked { sql, args }) => {
                    match ask!(self.pool, connection => connection.execute(&sql, &args).await) {
                        Err(err) if err.is_lost() => return Err(err),
                        ran => ran.map_err(mark),
                    }
                }
                Err(text) => Err(Mark::new(text)),
            };
            failures.extend(result.err().map(|mark| (place, mark)));
        }
        Ok(failures)
    }
}

impl Client for Running {
    async fn connect(&self) -> Result<(), ConnectError> {
        super::connect(&self.pool).await
    }

    async fn send(&self, mut sending: Sending) {
        let all = self.asked(&sending);
        if !sending.turn().await {
            return sending.answer(Err(WriteError::NotConnected));
        }
        let result = self.run(all).await.inspect_err(|err| super::tell(err, &self.logger));
        super::answer(sending, result);
    }

    async fn close(&self) -> Result<(), String> {
        self.pool.close().await;
        Ok(())
    }
}
