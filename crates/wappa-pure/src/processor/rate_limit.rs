//! The processor `rate_limit`.

use std::{sync::Arc, time::Duration};

use wappa_component::{
    BuildError, BuildProcessor, Component, Context, Logger, Part, Processor, RateLimit, Step,
};
use wappa_message::Message;
use wappa_spec::Config;

pub(super) const COMPONENT: Component =
    Component::processor::<RateLimitConfig>("rate_limit").categories(&["Utility"]);

/// Holds messages back until a rate limit lets them go on.
///
/// All who refer to one rate limit share it, with all their threads.
///
/// # Examples
///
/// ### At most ten messages a second
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - rate_limit:
///         resource: slowly
/// output:
///   stdout: {}
/// rate_limit_resources:
///   - label: slowly
///     local:
///       count: 10
///       interval: 1s
/// ```
///
/// # Delivery
///
/// What was let go is not held up by what waits behind it. A rate limit that cannot tell is asked again after a second, and
/// the log says so. A stream that gives up at the end of its shutdown does not wait any longer; messages that still did are
/// answered as failed.
#[derive(Config, Debug)]
struct RateLimitConfig {
    /// The label of the rate limit.
    #[config(label_of = "rate_limit")]
    resource: String,
}

impl BuildProcessor for RateLimitConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        Ok(Box::new(Limited { limit: ctx.rate_limit(&self.resource)?, logger: ctx.logger() }))
    }
}

struct Limited {
    limit: Arc<dyn RateLimit>,
    logger: Logger,
}

/// How long to wait before a rate limit that failed is asked again; Bento's.
const FAILED_WAIT: Duration = Duration::from_secs(1);

impl Limited {
    /// How long a message has to wait before it is worth while to ask again; zero: it may go on.
    fn wait_for(&self, message: &Message) -> Duration {
        self.limit.access(message).unwrap_or_else(|err| {
            self.logger.failed(&format!("Failed to access rate limit: {err}"));
            FAILED_WAIT
        })
    }
}

impl Processor for Limited {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let n_batches = part.n_batches();
        for idx in 0..n_batches {
            for (idx_in_batch, message) in part.messages()[part.batch(idx)].iter().enumerate() {
                loop {
                    let wait = self.wait_for(message);
                    if wait.is_zero() {
                        break;
                    }
                    // Nothing of the batch was let go: those before it need not wait, and it asks again.
                    if 0 < idx && idx_in_batch == 0 {
                        return idx;
                    }
                    if !step.sleep(wait) {
                        return idx;
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

#[cfg(test)]
mod tests {
    use wappa_component::Pulse;
    use wappa_spec::ComponentKind;

    use super::*;
    use crate::test::{Harness, batches, text};

    #[test]
    fn messages_wait_until_they_may_go_on() {
        for (limit, inputs, seconds) in [
            ("count: 2", &["a", "b", "c|d|e"][..], 2),
            ("count: 5", &["a", "b", "c|d|e"], 0),
            ("count: 0, byte_size: 3", &["aa", "b", "c", "dddddddd", "e"], 3),
            ("count: 2, byte_size: 3", &["a", "b", "c", "d"], 1),
        ] {
            let mut harness = Harness::default();
            harness.resource(ComponentKind::RateLimit, &format!("{{label: r, local: {{{limit}}}}}"));
            assert_eq!(harness.process("rate_limit: {resource: r}", inputs), text(&batches(inputs)), "{limit}");
            assert_eq!(harness.time.now(), Duration::from_secs(seconds), "{limit}");
        }
    }

    #[test]
    fn what_was_let_go_does_not_wait_for_the_rest() {
        let mut harness = Harness::default();
        harness.resource(ComponentKind::RateLimit, "{label: r, local: {count: 2}}");
        let processor = harness.processor("rate_limit: {resource: r}").expect("it can be built");
        let mut part = batches(&["a", "b", "c"]);
        assert_eq!(processor.process(&mut part, &mut Step::new(0, harness.time.as_ref())), 2);
        assert_eq!(harness.time.now(), Duration::ZERO);
    }

    #[test]
    fn a_stream_that_gives_up_does_not_wait() {
        let inputs = ["a", "b", "c"];
        let mut harness = Harness::default();
        harness.resource(ComponentKind::RateLimit, "{label: r, local: {count: 1}}");
        harness.time.is_interrupted.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(harness.process("rate_limit: {resource: r}", &inputs), "a\n");
    }
}
