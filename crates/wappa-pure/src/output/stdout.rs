//! The output `stdout`.

use std::os::fd::AsFd;

use rustix::io::Errno;
use wappa_component::{BuildError, BuildOutput, Component, ConnectError, Context, Output, Part, Step, WriteError};
use wappa_message::Mark;
use wappa_spec::Config;

use crate::{
    fault,
    writer::{Codec, Encoded, Halt},
};

pub(super) const COMPONENT: Component = Component::output::<StdoutConfig>("stdout").categories(&["Local"]);

/// Writes messages to standard output.
///
/// The log goes to standard error as long as a stream writes here.
///
/// # Examples
///
/// ### Messages without anything between them
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   stdout:
///     codec: append
/// ```
///
/// # Delivery
///
/// A message has arrived once it is written, in order. When nobody reads any more, as in `wappa -c a.yaml | head -1`,
/// the stream ends, which is no error. A message that could be written only in part fails and comes again; its rest
/// is written before anything else, so that it stays one message.
///
/// # Performance
///
/// All messages that are ready are written with one call.
#[derive(Config, Debug)]
struct StdoutConfig {
    /// How messages are set apart: `lines` puts a line feed after each, `delim:x` puts `x`, unless the message ends in
    /// it; `append` puts nothing, as does `all-bytes`.
    #[config(default = "lines", example = "lines", example = "\"delim:\\t\"", example = "delim:foobar")]
    codec: String,
}

impl BuildOutput for StdoutConfig {
    fn build(self, _: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        let codec = Codec::parse(&self.codec).map_err(BuildError::new)?;
        Ok(Box::new(Stdout::new(std::io::stdout(), codec)))
    }
}

struct Stdout<D> {
    descriptor: D,
    codec: Codec,
    encoded: Encoded,
    /// What is missing of the message that was written last.
    rest: Vec<u8>,
}

impl<D: AsFd> Stdout<D> {
    fn new(descriptor: D, codec: Codec) -> Stdout<D> {
        Stdout { descriptor, codec, encoded: Encoded::default(), rest: Vec::new() }
    }

    fn halted(&mut self, halt: Halt, n_messages: usize) -> WriteError {
        if halt.errno == Some(Errno::PIPE) {
            return WriteError::Closed;
        }
        let reason = match halt.errno {
            Some(errno) => Mark::new(fault::failed("write", "standard output", errno)),
            None => Mark::new("the stream was stopped"),
        };
        let (n_whole, _) = self.encoded.whole(halt.written);
        self.rest = self.encoded.rest_of_message(halt.written, self.rest.len());
        match n_whole {
            0 => WriteError::Failed(reason),
            n_whole => WriteError::Partial((n_whole..n_messages).map(|it| (it, reason.clone())).collect()),
        }
    }
}

impl<D: AsFd + Send> Output for Stdout<D> {
    fn connect(&mut self) -> Result<(), ConnectError> {
        Ok(())
    }

    fn write(&mut self, part: &mut Part, step: &mut Step<'_>) -> Result<(), WriteError> {
        self.encoded.begin(&self.rest);
        self.encoded.push_messages(part.messages(), &self.codec);
        let result = match self.encoded.write_to(&self.descriptor, step) {
            Ok(_) => {
                self.rest.clear();
                Ok(())
            }
            Err(halt) => Err(self.halted(halt, part.n_messages())),
        };
        self.encoded.release();
        result
    }
}
