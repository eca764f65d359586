//! Processors: a command or a script for each message, whose answer becomes the content.

pub(crate) mod redis;
pub(crate) mod script;

use std::{future::Future, time::Duration};

use ::redis::{Cmd, Value};
use tokio::time::sleep;
use wappa_component::{Logger, Part, Step};
use wappa_message::{Mark, Message};

use crate::{args, asking::Shared, connection::Failed};

/// How what fails is tried again: Bento's fields `retries` and `retry_period`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retries {
    pub(crate) n: u64,
    pub(crate) period: Duration,
}

/// Asks once more where it fails, and says so in the log.
pub(crate) async fn insist<F: Future<Output = Result<Value, Failed>>>(
    retries: Retries,
    what: &str,
    logger: &Logger,
    ask: impl Fn() -> F,
) -> Result<Value, String> {
    let mut n = 0;
    loop {
        match ask().await {
            Ok(value) => return Ok(value),
            Err(failed) => {
                // As in Bento, where the first attempt of these is none.
                if retries.n < n {
                    return Err(failed.text());
                }
                logger.error(&format!("{what} failed: {}", failed.text()));
                n += 1;
                sleep(retries.period).await;
            }
        }
    }
}

/// What is asked for a message.
pub(crate) struct Asked {
    pub(crate) command: Cmd,
    /// What errors call it.
    pub(crate) name: String,
}

/// Asks for each message of each batch, in their order, and gives the answers out.
pub(crate) fn each<F>(
    shared: &Shared,
    part: &mut Part,
    step: &mut Step<'_>,
    asked: impl Fn(&mut [Message], usize) -> Result<Asked, String>,
    ask: impl Fn(Asked) -> F,
) -> usize
where
    F: Future<Output = Result<Value, String>> + Send + 'static,
{
    let n_batches = part.n_batches();
    for idx in 0..n_batches {
        let range = part.batch(idx);
        let batch = &mut part.messages_mut()[range];
        let all: Vec<Result<F, String>> =
            (0..batch.len()).map(|place| asked(batch, place).map(&ask)).collect();
        let asking = async move {
            let mut answers = Vec::with_capacity(all.len());
            for it in all {
                answers.push(match it {
                    Ok(asking) => asking.await,
                    Err(text) => Err(text),
                });
            }
            answers
        };
        let answers = match shared.finish_within(step, asking) {
            None => return idx,
            Some(Ok(answers)) => answers,
            Some(Err(text)) => batch.iter().map(|_| Err(text.clone())).collect(),
        };
        for (message, answer) in batch.iter_mut().zip(answers) {
            match answer.and_then(args::answer) {
                Ok(Some(value)) => {
                    step.grow(value.size().saturating_sub(message.content_size()));
                    message.set_value(value);
                }
                Ok(None) => step.mark(message, Mark::new("redis: nil")),
                Err(text) => step.mark(message, Mark::new(text)),
            }
        }
        if step.is_due() {
            return idx + 1;
        }
    }
    n_batches
}
