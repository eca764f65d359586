//! The processors.

pub(crate) mod deprecated;
pub(crate) mod insert;
pub(crate) mod raw;
pub(crate) mod select;

use futures_util::StreamExt;
use wappa_component::{BuildError, Context, Logger, Part, Processor, Step};
use wappa_message::{Mark, Value};
use wappa_net::Runtime;

use crate::{
    asking::ask,
    failed::{Failed, Kind},
    pool::Pool,
    query::{Asked, Query},
};

/// How much messages that are worked on together may grow by: what `part_limit` of guests is by default.
const PART_LIMIT: usize = 512 << 20;

/// What is said of a message that would be larger.
const TOO_LARGE: &str = "the messages worked on together would grow by more than 512MiB";

/// Where the config wants to know before the stream begins whether the database is there.
pub(crate) fn verify(pool: &Pool, ctx: &Context<'_>) -> Result<(), BuildError> {
    if !pool.verifies() {
        return Ok(());
    }
    let failed =
        |text: String| BuildError::new(format!("could not establish connection to database: {text}"));
    let runtime = Runtime::of(ctx).start().map_err(BuildError::new)?;
    let lease = runtime.block_on(pool.acquire()).map_err(|err| failed(err.text))?;
    // What is given back belongs to the runtime.
    runtime.block_on(async move { lease.give_back() });
    Ok(())
}

/// A processor that asks something for each message.
struct Asking {
    pool: Pool,
    query: Query,
    /// Whether what comes of it is of no interest, and the message stays as it is.
    is_mute: bool,
    runtime: Runtime,
    logger: Logger,
}

impl Asking {
    fn boxed(
        pool: Pool,
        query: Query,
        is_mute: bool,
        ctx: &Context<'_>,
    ) -> Result<Box<dyn Processor>, BuildError> {
        verify(&pool, ctx)?;
        Ok(Box::new(Asking { pool, query, is_mute, runtime: Runtime::of(ctx), logger: ctx.logger() }))
    }
}

/// What came of a message: the rows, if somebody wants them.
type Answer = Result<Option<Value>, String>;

/// Asks for one message after the other. What the rows of all together take is bounded.
async fn ask_all(pool: Pool, all: Vec<Result<Asked, String>>, is_mute: bool, mut left: usize) -> Vec<Answer> {
    let mut answers = Vec::with_capacity(all.len());
    for asked in all {
        let answer = match asked {
            Err(text) => Err(text),
            Ok(Asked { sql, args }) if is_mute => {
                let ran = ask!(pool, connection => connection.execute(&sql, &args).await);
                ran.map(|()| None).map_err(|err| err.text)
            }
            Ok(Asked { sql, args }) => {
                let read = ask!(pool, connection => {
                    let mut rows = connection.rows(&sql, &args).await?;
                    let (mut all, mut size) = (Vec::new(), 0);
                    while let Some(row) = rows.next().await {
                        let row = row?;
                        size += row.size() + size_of::<Value>();
                        if left < size {
                            // The connection is closed: there may be rows without end behind these.
                            return Err(Failed::new(Kind::Lost, TOO_LARGE));
                        }
                        all.push(row);
                    }
                    Ok((all, size))
                });
                read.map_err(|err| err.text).and_then(|(rows, size)| {
                    left -= size;
                    Value::array(rows).map(Some).map_err(|err| err.to_string())
                })
            }
        };
        answers.push(answer);
    }
    answers
}

impl Processor for Asking {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let n_batches = part.n_batches();
        for idx in 0..n_batches {
            let range = part.batch(idx);
            let batch = &mut part.messages_mut()[range.clone()];
            // All mappings see the batch as it came.
            let all: Vec<_> = (0..batch.len()).map(|place| self.query.of(batch, place)).collect();
            if step.is_interrupted() {
                return idx;
            }
            let left = step.growth().left(PART_LIMIT);
            let asking = ask_all(self.pool.clone(), all, self.is_mute, left);
            let answers = match self.runtime.finish_within(step, asking) {
                None => return idx,
                Some(Ok(answers)) => answers,
                Some(Err(text)) => range.clone().map(|_| Err(text.clone())).collect(),
            };
            for (message, answer) in part.messages_mut()[range].iter_mut().zip(answers) {
                match answer {
                    Ok(None) => (),
                    Ok(Some(rows)) => {
                        step.grow(rows.size().saturating_sub(message.content_size()));
                        message.set_value(rows);
                    }
                    Err(text) => {
                        self.logger.debug(&format!("Failed to run query: {text}"));
                        step.mark(message, Mark::new(text));
                    }
                }
            }
            if step.is_due() {
                return idx + 1;
            }
        }
        n_batches
    }
}
