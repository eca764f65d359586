//! The input `inproc`.

use std::sync::Arc;

use wappa_component::{
    BuildError, BuildInput, Component, ConnectError, Context, Input, Logger, Parcel, ReadError, Step, Waits,
};
use wappa_spec::Config;

use crate::inproc::{Pipe, Pipes};

pub(super) const COMPONENT: Component = Component::input::<InprocConfig>("inproc").categories(&["Utility"]);

/// Reads what outputs `inproc` with the same name write, in this stream or in another one of the same process.
///
/// Where several inputs have the name, each message comes to one of them: to whichever asks first.
///
/// # Examples
///
/// ### One stream as the end of another
///
/// ```yaml
/// input:
///   inproc: lines
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// A message is answered to the output that it came from when it has arrived, or has failed, and it is for the input of that
/// stream to deliver it again. The input has no end of its own: it waits for outputs that are yet to come until its stream is
/// stopped.
///
/// # Pitfalls
///
/// A stream that reads what it writes itself waits for itself when it is busy.
#[derive(Config, Debug)]
struct InprocConfig(#[config(default = "\"\"")] String);

impl BuildInput for InprocConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        let pipe = ctx.services().get_or_default::<Pipes>().pipe(&self.0);
        let end = pipe.receiver(ctx.input_bell());
        Ok(Box::new(Inproc { name: self.0, pipe, end, is_stopped: false, logger: ctx.logger() }))
    }
}

struct Inproc {
    name: String,
    pipe: Arc<Pipe>,
    end: u64,
    is_stopped: bool,
    logger: Logger,
}

impl Input for Inproc {
    fn connect(&mut self, _: &mut Waits) -> Result<(), ConnectError> {
        self.logger.info(&format!("Receiving inproc messages from ID: {}", self.name));
        Ok(())
    }

    fn read(&mut self, _: &mut Waits, _: &mut Step<'_>) -> Result<Parcel, ReadError> {
        if self.is_stopped {
            return Err(ReadError::EndOfInput);
        }
        // Whoever puts something in rings.
        let delivery = self.pipe.take().ok_or(ReadError::NotReady)?;
        // Batches of which nothing is left are left out.
        let mut part = delivery.part().clone();
        part.retain(|_| true);
        let (messages, batches) = part.into_parts();
        Ok(Parcel::of_messages(messages, batches, delivery.into_ack()))
    }

    fn stop(&mut self) {
        self.is_stopped = true;
        self.pipe.close_receiver(self.end);
    }

    fn is_exhausted(&self) -> bool {
        self.pipe.is_exhausted()
    }

    fn takes_back(&self) -> bool {
        true
    }
}

impl Drop for Inproc {
    fn drop(&mut self) {
        self.pipe.close_receiver(self.end);
    }
}

#[cfg(test)]
mod tests {
    use wappa_component::Failure;
    use wappa_message::Mark;

    use crate::test::{Harness, text};

    #[test]
    fn what_is_written_is_read_and_answered_to_whoever_wrote_it() {
        let mut harness = Harness::default();
        let mut input = harness.input("inproc: one");
        assert_eq!(harness.read(input.as_mut()), "not ready\n");
        let mut output = harness.output("inproc: one");
        let said = harness.give(&mut output, &["a|b", "c!"]);
        let (part, ack) = harness.read_part(input.as_mut()).expect("it was written");
        assert_eq!((text(&part).as_str(), said.take().as_str()), ("a|b\nc[c is bad]\n", "nothing"));
        ack.answer(vec![Failure { origin: 1, reason: Mark::new("full") }]);
        assert_eq!(said.take(), "partial: 1: full");
        let said = harness.give(&mut output, &["d"]);
        assert_eq!((harness.read(input.as_mut()).as_str(), said.take().as_str()), ("d\n", "delivered"));
    }

    #[test]
    fn each_message_comes_to_one_input() {
        let mut harness = Harness::default();
        let (mut one, mut two) = (harness.input("inproc: x"), harness.input("inproc: x"));
        let mut other = harness.input("inproc: y");
        let mut outputs = [harness.output("inproc: x"), harness.output("inproc: x")];
        for (output, text) in outputs.iter_mut().zip(["a", "b"]) {
            harness.give(output, &[text]);
        }
        assert_eq!([one.as_mut(), two.as_mut()].map(|it| harness.read(it)), ["a\n", "b\n"]);
        assert_eq!(harness.read(other.as_mut()), "not ready\n");
        one.stop();
        assert_eq!(harness.read(one.as_mut()), "end\n");
    }

    #[test]
    fn it_is_bounded_and_what_nobody_took_is_taken_back() {
        let mut harness = Harness::default();
        let mut output = harness.output("inproc: one");
        let many = vec!["a"; 256].join("|");
        let said = harness.give(&mut output, &[&many]);
        assert!(!output.has_room());
        let mut input = harness.input("inproc: one");
        let (_, ack) = harness.read_part(input.as_mut()).expect("it was written");
        assert!(harness.resume(&mut output) && output.has_room(), "the bell is rung");
        // Nothing more comes before that is answered.
        assert!(!input.is_exhausted());
        harness.flush(&mut output);
        assert!(input.is_exhausted());
        drop(ack);
        assert_eq!(said.take(), "failed: dropped before delivery");
        let said = harness.give(&mut output, &["b"]);
        assert!(!input.is_exhausted());
        output.close().expect("it can be closed");
        assert_eq!(said.take(), "failed: dropped before delivery");
        assert_eq!(harness.read(input.as_mut()), "not ready\n");
    }
}
