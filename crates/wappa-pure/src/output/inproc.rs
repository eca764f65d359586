//! The output `inproc`.

use std::{sync::Arc, time::Duration};

use wappa_component::{
    BuildError, BuildOutput, Component, ConnectError, Context, Delivery, Logger, Output, Pulse, Step,
};
use wappa_spec::Config;

use crate::inproc::{Pipe, Pipes};

pub(super) const COMPONENT: Component = Component::output::<InprocConfig>("inproc").categories(&["Utility"]);

/// Writes to inputs `inproc` with the same name, in this stream or in another one of the same process.
///
/// Where several inputs have the name, each message goes to one of them; where several outputs have it, all of what they
/// write arrives.
///
/// # Examples
///
/// ### For a stream that listens; if none does within a second, it is no loss
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   drop_on:
///     error: true
///     back_pressure: 1s
///     output:
///       inproc: lines
/// ```
///
/// # Delivery
///
/// Messages keep their batches, their metadata and their marks. A message has arrived when the stream that reads it has
/// delivered it, and has failed when it failed there. As long as nobody reads, the stream waits; after ten seconds that is
/// said in the log.
#[derive(Config, Debug)]
struct InprocConfig(#[config(default = "\"\"")] String);

impl BuildOutput for InprocConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        let pipe = ctx.services().get_or_default::<Pipes>().pipe(&self.0);
        let end = pipe.sender(ctx.output_bell());
        Ok(Box::new(Inproc {
            name: self.0,
            pipe,
            end,
            told_at: None,
            has_told: false,
            pulse: ctx.pulse(),
            logger: ctx.logger(),
        }))
    }
}

/// How long nobody may read before that is said: streams of one process need not begin at the same time.
const UNREAD_MAX: Duration = Duration::from_secs(10);

struct Inproc {
    name: String,
    pipe: Arc<Pipe>,
    end: u64,
    /// When it is said that nobody reads, unless somebody does.
    told_at: Option<Duration>,
    has_told: bool,
    pulse: Arc<dyn Pulse>,
    logger: Logger,
}

impl Output for Inproc {
    fn connect(&mut self) -> Result<(), ConnectError> {
        self.logger.info(&format!("Sending inproc messages to ID: {}", self.name));
        self.told_at = Some(self.pulse.now() + UNREAD_MAX);
        Ok(())
    }

    fn resume(&mut self, step: &mut Step<'_>) {
        if self.due().is_some_and(|due| due <= step.now()) {
            self.has_told = true;
            let text = format!(
                "Nobody reads inproc messages from ID `{}`: the stream waits until somebody does",
                self.name
            );
            self.logger.warn(&text);
        }
    }

    fn due(&self) -> Option<Duration> {
        self.told_at.filter(|_| !self.has_told && !self.pipe.is_read())
    }

    fn has_room(&self) -> bool {
        self.pipe.has_room()
    }

    fn write(&mut self, delivery: Delivery, _: &mut Step<'_>) {
        self.pipe.put(self.end, delivery);
    }

    fn flush(&mut self, _: &mut Step<'_>) {
        self.pipe.flush(self.end);
    }

    fn close(&mut self) -> Result<(), String> {
        self.pipe.close_sender(self.end);
        Ok(())
    }
}

impl Drop for Inproc {
    fn drop(&mut self) {
        self.pipe.close_sender(self.end);
    }
}

#[cfg(test)]
mod tests {
    use crate::test::Harness;

    #[test]
    fn says_once_that_nobody_reads() {
        let mut harness = Harness::default();
        let mut output = harness.output("inproc: one");
        harness.log.take();
        let due = output.due();
        assert_eq!((harness.resume(&mut output), harness.log.take().as_str()), (false, ""));
        harness.advance_to(due);
        harness.resume(&mut output);
        let log = harness.log.take();
        assert!(log.starts_with("Warn Nobody reads inproc messages from ID `one`"), "{log}");
        assert_eq!((output.due(), harness.resume(&mut output)), (None, false));
        // Where somebody reads there is nothing to say.
        let mut read = harness.output("inproc: two");
        let _input = harness.input("inproc: two");
        assert_eq!(read.due(), None);
        read.close().expect("it can be closed");
    }

    #[test]
    fn keeps_what_it_is_given_until_it_is_read() {
        let mut harness = Harness::default();
        let mut output = harness.output("inproc: one");
        let said = harness.give(&mut output, &["a", "b"]);
        assert_eq!((said.take().as_str(), output.has_room()), ("nothing", false));
        let mut input = harness.input("inproc: one");
        assert!(output.has_room());
        assert_eq!(harness.read(input.as_mut()), "a\nb\n");
        assert_eq!(said.take(), "delivered");
        assert!(output.close().is_ok() && output.close().is_ok());
    }
}
