//! The processor `sync_response`.

use wappa_component::{BuildError, BuildProcessor, Component, Context, Logger, Part, Processor, Step};
use wappa_spec::Config;

use wappa_component::reply;

pub(super) const COMPONENT: Component =
    Component::processor::<SyncResponseConfig>("sync_response").categories(&["Utility"]);

/// Puts messages as they are now into the reply to whoever waits for it, and hands them on.
///
/// Whoever waits is an input with clients: it sends the reply once the messages have been answered.
/// Where no input waits nothing happens.
/// Each batch becomes a batch of the reply; of a batch in which messages of several clients are, each client gets its own.
///
/// # Examples
///
/// ### The length as the reply, and the message as it came for the output
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - branch:
///         processors:
///           - mapping: root = content().length()
///           - sync_response: {}
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// The reply is sent when the messages have arrived at the output; what fails is replied to by what the input makes of failures.
#[derive(Config, Debug)]
struct SyncResponseConfig;

impl BuildProcessor for SyncResponseConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        Ok(Box::new(SyncResponse { logger: ctx.logger() }))
    }
}

struct SyncResponse {
    logger: Logger,
}

impl Processor for SyncResponse {
    fn process(&self, part: &mut Part, _: &mut Step<'_>) -> usize {
        for idx in 0..part.n_batches() {
            if !reply::put(&part.messages()[part.batch(idx)]) {
                self.logger.debug("Failed to store message as a sync response: nobody waits for a reply to it");
            }
        }
        part.n_batches()
    }
}

#[cfg(test)]
mod tests {
    use crate::test::{Harness, check_process, reply_to};

    #[test]
    fn each_client_gets_its_own() {
        let mut harness = Harness::default();
        let config = "processors: [{mapping: 'root = content().uppercase()'}, {sync_response: {}}, {append: x}]";
        // The number in front of a message is its client.
        let (part, replies) = reply_to(&["1a|1b", "2c|1d|2e", "0f"]);
        assert_eq!(harness.process_part(config, part), "1Ax|1Bx\n2Cx|1Dx|2Ex\n0Fx\n");
        assert_eq!(replies(), "1: 1A|1B, 1D; 2: 2C|2E");
    }

    #[test]
    fn nobody_waits() {
        check_process("sync_response: {}", &["a", "", "b|c"], "a\n\"\"\nb|c\n");
    }
}
