//! The output `sync_response`.

use wappa_component::{
    BuildError, BuildOutput, Component, ConnectError, Context, Delivery, Logger, Output, Step,
};
use wappa_spec::Config;

use wappa_component::reply;

pub(super) const COMPONENT: Component =
    Component::output::<SyncResponseConfig>("sync_response").categories(&["Utility"]);

/// Replies with messages to whoever waits for what becomes of those that they were made of.
///
/// Whoever waits is an input with clients: it sends the reply once the messages have been answered.
/// Below a `broker` with others, or under a `switch`, it replies beside what else happens to the messages.
/// Each batch becomes a batch of the reply; of a batch in which messages of several clients are, each client gets its own.
///
/// # Examples
///
/// ### Everything to a file, and its length as the reply
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   broker:
///     pattern: fan_out
///     outputs:
///       - file:
///           path: ./all.txt
///       - sync_response: {}
///         processors:
///           - mapping: root = content().length()
/// ```
///
/// # Delivery
///
/// A message has arrived once it is in the reply.
/// Where nobody waits for one it is dropped, and has arrived too; the log says so once.
#[derive(Config, Debug)]
struct SyncResponseConfig;

impl BuildOutput for SyncResponseConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        Ok(Box::new(SyncResponse { logger: ctx.logger(), has_said_nobody: false }))
    }
}

struct SyncResponse {
    logger: Logger,
    /// It was said that nobody waits.
    has_said_nobody: bool,
}

impl Output for SyncResponse {
    fn connect(&mut self) -> Result<(), ConnectError> {
        Ok(())
    }

    fn write(&mut self, delivery: Delivery, _: &mut Step<'_>) {
        let part = delivery.part();
        for idx in 0..part.n_batches() {
            if !reply::put(&part.messages()[part.batch(idx)]) && !std::mem::replace(&mut self.has_said_nobody, true) {
                self.logger.warn("Nobody waits for a reply to some messages, which are dropped");
            }
        }
        delivery.answer(Ok(()));
    }
}

#[cfg(test)]
mod tests {
    use crate::test::{Harness, reply_to};

    #[test]
    fn each_client_gets_its_own() {
        let mut harness = Harness::default();
        let mut output = harness.output("sync_response: {}");
        let (part, replies) = reply_to(&["1a|1b", "2c|1d|2e"]);
        assert_eq!(harness.write_part(&mut output, part), "delivered");
        assert_eq!((replies(), harness.log.take()), ("1: 1a|1b, 1d; 2: 2c|2e".to_string(), String::new()));
    }

    #[test]
    fn what_nobody_waits_for_is_dropped() {
        let mut harness = Harness::default();
        let mut output = harness.output("sync_response: {}");
        assert_eq!(harness.write(&mut output, &["a", "b|c"]), "delivered");
        let text = "Warn Nobody waits for a reply to some messages, which are dropped label= path=root.output\n";
        assert_eq!(harness.log.take(), text);
    }

    #[test]
    fn copies_of_a_broker_and_replays_reply_too() {
        let mut harness = Harness::default();
        let outputs = "[{sync_response: {}}, {failing: {name: two, on: b}}, {sync_response: {}}]";
        let mut output = harness.output(&format!("broker: {{pattern: fan_out_fail_fast, outputs: {outputs}}}"));
        let (part, replies) = reply_to(&["1a", "2b"]);
        assert_eq!(harness.write_part(&mut output, part), "partial: 1: two failed");
        assert_eq!(replies(), "1: 1a, 1a; 2: 2b, 2b");
    }
}
