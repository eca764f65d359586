//! The output `inproc`.

use std::sync::Arc;

use wappa_component::{
    BuildError, BuildOutput, Component, ConnectError, Context, Delivery, Logger, Output, Step,
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
/// delivered it, and has failed when it failed there. As long as nobody reads, the stream waits.
#[derive(Config, Debug)]
struct InprocConfig(#[config(default = "\"\"")] String);

impl BuildOutput for InprocConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        let pipe = ctx.services().get_or_default::<Pipes>().pipe(&self.0);
        let end = pipe.sender(ctx.output_bell());
        Ok(Box::new(Inproc { name: self.0, pipe, end, logger: ctx.logger() }))
    }
}

struct Inproc {
    name: String,
    pipe: Arc<Pipe>,
    end: u64,
    logger: Logger,
}

impl Output for Inproc {
    fn connect(&mut self) -> Result<(), ConnectError> {
        self.logger.info(&format!("Sending inproc messages to ID: {}", self.name));
        Ok(())
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
