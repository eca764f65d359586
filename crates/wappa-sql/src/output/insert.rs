//! The output `sql_insert`.

use wappa_component::{
    BuildError, BuildOutput, Component, ConnectError, Context, Logger, Output, WriteError,
    batching::{PolicyConfig, batched},
    stopped,
};
use wappa_message::{Mark, Message, Value};
use wappa_net::{Client, Limit, Sending, in_flight};
use wappa_spec::{Config, Node, Reader};

use super::{mark, queue::Queue};
use crate::{
    args::Args,
    asking::ask,
    config::{ConnectingConfig, ConnectionConfig, DatabaseConfig, RowsConfig},
    driver::Driver,
    insert::write,
    pool::Pool,
    statement::Insert,
};

pub(crate) const COMPONENT: Component =
    Component::output::<SqlInsertConfig>("sql_insert").categories(&["Services"]);

/// Writes a row of a table for each message.
///
/// # Examples
///
/// ### Lines in a table of SQLite, which is made if it is not there
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   sql_insert:
///     driver: sqlite
///     dsn: file:./lines.db
///     table: lines
///     columns: [ line, at ]
///     args_mapping: 'root = [ content().string(), now() ]'
///     init_statement: CREATE TABLE IF NOT EXISTS lines (line TEXT, at TEXT)
/// ```
///
/// # Delivery
///
/// A message has arrived once the database has committed its row. A message whose row the database refuses fails, with the
/// database's words, and the others of its batch arrive: the statement with all of them is taken back by the database, and
/// divided until the row is found. When the connection is lost while a statement runs, nobody knows what became of it, and
/// its messages come again on the next one: a suffix such as `ON CONFLICT DO NOTHING` keeps a row from being there twice.
///
/// # Performance
///
/// The messages of a batch are rows of one statement, and so are batches that are ready together. What `args_mapping`
/// gives for the next batch is made while the database works on those before it.
///
/// # Order
///
/// With a `suffix` one statement follows the other, in the order of the stream, so that of two messages for one row the later
/// one is there in the end; `max_in_flight` is how many batches may wait for it. Without one statements run at the same
/// time, and so they do with several processes, and with the processor of this name in several threads.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct SqlInsertConfig {
    #[config(flatten)]
    database: DatabaseConfig,

    #[config(flatten)]
    rows: RowsConfig,

    /// How many batches may be on their way at once.
    #[config(default = "64")]
    max_in_flight: usize,

    /// How messages are put together to batches.
    batching: PolicyConfig,

    #[config(flatten)]
    connecting: ConnectingConfig,
}

fn lint(config: &SqlInsertConfig, node: &Node, reader: &mut Reader<'_>) {
    ConnectionConfig::new(&config.database, &config.connecting).lint("dsn", node, reader);
}

impl BuildOutput for SqlInsertConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        let driver = Driver::find(&self.database.driver).map_err(BuildError::new)?;
        // A file of SQLite has one writer at a time.
        let n_open = if driver == Driver::Sqlite { Some(1) } else { None };
        let pool = ConnectionConfig::new(&self.database, &self.connecting).pool(n_open, ctx)?;
        // What a suffix says of rows that are there already hangs on their order, and statements of many such rows at once
        // wait for each other. With one in flight it is so anyway.
        let queue = (self.rows.suffix.is_some() && 1 < self.max_in_flight).then(Queue::default);
        let limit = Limit::of(self.max_in_flight).at_once(self.max_in_flight);
        let limit = if queue.is_some() { limit } else { limit.ahead(1) };
        let (insert, args) = self.rows.open(driver, ctx);
        let output = in_flight(Inserting { pool, insert, args, queue, logger: ctx.logger() }, limit, ctx);
        batched(output, &self.batching, ctx)
    }
}

struct Inserting {
    pool: Pool,
    insert: Insert,
    args: Args,
    /// Where one statement follows the other.
    queue: Option<Queue>,
    logger: Logger,
}

/// Batches whose rows are made.
pub(super) struct Ready {
    sending: Sending,
    /// Each with the place of its message.
    pub(super) rows: Vec<(usize, Vec<Value>)>,
    failures: Vec<(usize, Mark)>,
}

impl Ready {
    /// Nobody writes them any more.
    pub(super) fn give_up(self) {
        self.sending.answer(Err(WriteError::Failed(stopped())));
    }
}

impl Client for Inserting {
    async fn connect(&self) -> Result<(), ConnectError> {
        super::connect(&self.pool).await
    }

    async fn send(&self, sending: Sending) {
        let ready = self.ready(sending);
        match &self.queue {
            Some(queue) => {
                queue.put(ready);
                let turn = queue.turn().await;
                self.write(queue.take()).await;
                drop(turn);
            }
            None => self.write(vec![ready]).await,
        }
    }

    async fn close(&self) -> Result<(), String> {
        if let Some(queue) = &self.queue {
            queue.clear();
        }
        self.pool.close().await;
        Ok(())
    }
}

impl Inserting {
    /// Makes the rows.
    fn ready(&self, sending: Sending) -> Ready {
        let mut failures: Vec<(usize, Mark)> = Vec::new();
        let mut rows = Vec::with_capacity(sending.messages().len());
        self.args.on_runtime(|args| {
            let part = sending.part();
            for batch in (0..part.n_batches()).map(|idx| part.batch(idx)) {
                // Copies share what they hold.
                let mut messages: Vec<Message> = part.messages()[batch.clone()].to_vec();
                for (idx, place) in batch.enumerate() {
                    match row(args, &self.insert, &mut messages, idx) {
                        Ok(row) => rows.push((place, row)),
                        Err(text) => failures.push((place, Mark::new(text))),
                    }
                }
            }
        });
        Ready { sending, rows, failures }
    }

    /// Writes rows with one statement, and answers for them.
    async fn write(&self, readies: Vec<Ready>) {
        // Places are those of all messages, one call after the other.
        let mut rows = Vec::with_capacity(readies.iter().map(|it| it.rows.len()).sum());
        let mut answers = Vec::with_capacity(readies.len());
        let mut n_messages = 0;
        for Ready { mut sending, rows: own, failures } in readies {
            if !sending.turn().await {
                sending.answer(Err(WriteError::NotConnected));
                continue;
            }
            rows.extend(own.into_iter().map(|(place, row)| (n_messages + place, row)));
            n_messages += sending.messages().len();
            answers.push((sending, failures));
        }
        let written = match rows.is_empty() {
            true => Ok(Vec::new()),
            false => ask!(self.pool, connection => write(connection, &self.insert, &rows).await),
        };
        if let Err(err) = &written {
            super::tell(err, &self.logger);
        }
        let mut not_written = match &written {
            Ok(not_written) => not_written.as_slice(),
            Err(_) => &[],
        };
        let mut begin = 0;
        for (sending, mut failures) in answers {
            let end = begin + sending.messages().len();
            let own = not_written.partition_point(|(place, _)| *place < end);
            failures.extend(not_written[..own].iter().map(|(place, err)| (place - begin, mark(err.clone()))));
            failures.sort_by_key(|(place, _)| *place);
            super::answer(sending, written.as_ref().map(|_| failures));
            not_written = &not_written[own..];
            begin = end;
        }
    }
}

/// The row of one message; the error is the text of its mark.
pub(crate) fn row(
    args: &Args,
    insert: &Insert,
    batch: &mut [Message],
    place: usize,
) -> Result<Vec<Value>, String> {
    let row = args.of(batch, place)?;
    match insert.misfit(&row) {
        Some(text) => Err(text),
        None => Ok(row),
    }
}
