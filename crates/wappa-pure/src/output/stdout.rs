//! The output `stdout`.

use std::os::fd::AsFd;

use rustix::{
    fs::{OFlags, fcntl_getfl},
    io::Errno,
};
use wappa_component::{
    BuildError, BuildOutput, Component, ConnectError, Context, Delivery, Output, Step, WriteError,
};
use wappa_message::Mark;
use wappa_spec::{Config, Node, Reader};

use crate::{
    fault,
    writer::{Codec, Encoded, Halt},
};

pub(super) const COMPONENT: Component = Component::output::<StdoutConfig>("stdout").categories(&["Local"]);

/// Writes messages to standard output.
///
/// While it is the output of the stream, the log goes to standard error.
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
/// is written before anything else, so that it stays one message. Where standard output was closed at the start
/// (`>&-`) nothing is read, and the process exits with 1.
///
/// # Performance
///
/// All messages that are ready are written with one call.
///
/// # Pitfalls
///
/// Below another output, such as [`fallback`](fallback.md), the log stays on standard output and comes between the
/// messages, as in Bento.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct StdoutConfig {
    /// How messages are set apart: `lines` puts a line feed after each, `delim:x` puts `x`, unless the message ends in
    /// it; `append` puts nothing, as does `all-bytes`.
    #[config(default = "lines", example = "lines", example = "\"delim:\\t\"", example = "delim:foobar")]
    codec: String,
}

fn lint(config: &StdoutConfig, node: &Node, reader: &mut Reader<'_>) {
    Codec::lint(&config.codec, node, reader);
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
        match fcntl_getfl(&self.descriptor) {
            Ok(flags) if !flags.intersects(OFlags::WRONLY | OFlags::RDWR) => {
                Err(ConnectError::Fatal("standard output is closed, or not open for writing".to_string()))
            }
            // What else is wrong with it is said by a write.
            _ => Ok(()),
        }
    }

    fn write(&mut self, delivery: Delivery, step: &mut Step<'_>) {
        let n_messages = delivery.part().n_messages();
        self.encoded.encode(&self.rest, delivery.part(), 0..n_messages, &self.codec);
        let result = match self.encoded.write_to(&self.descriptor, 0, step) {
            Ok(_) => {
                self.rest.clear();
                Ok(())
            }
            Err(halt) => Err(self.halted(halt, n_messages)),
        };
        self.encoded.release();
        delivery.answer(result);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{File, OpenOptions},
        io::Read,
        os::fd::OwnedFd,
    };

    use super::*;
    use crate::test::{Harness, TempDir, check_lint};

    fn stdout(descriptor: impl Into<OwnedFd>) -> Box<dyn Output> {
        Box::new(Stdout::new(descriptor.into(), Codec::parse("lines").expect("a codec")))
    }

    #[test]
    fn lints() {
        let lint = |codec: &str, expected: &str| {
            check_lint(&format!("output:\n  stdout:\n    codec: {codec}\n"), expected);
            check_lint(&format!("output:\n  file: {{path: a,\n    codec: {codec}}}\n"), expected);
        };
        ["lines", "append", "all-bytes", "'delim:x'"].iter().for_each(|it| lint(it, ""));
        lint("LINES", "(3,1) codec was not recognised: LINES\n");
        lint("'delim:'", "(3,1) custom delimiter codec requires a non-empty delimiter\n");
    }

    #[test]
    fn writes_batches_without_a_gap() {
        let (mut reader, writer) = std::io::pipe().expect("a pipe can be had");
        let mut output = stdout(writer);
        assert_eq!(Harness::default().write(&mut output, &["a|b", "", "c\n"]), "delivered");
        drop(output);
        let mut written = String::new();
        reader.read_to_string(&mut written).expect("the pipe can be read");
        assert_eq!(written, "a\nb\n\nc\n");
    }

    #[test]
    fn nobody_reads() {
        let (reader, writer) = std::io::pipe().expect("a pipe can be had");
        drop(reader);
        assert_eq!(Harness::default().write(&mut stdout(writer), &["a"]), "closed");
    }

    #[test]
    fn what_is_not_open_for_writing_cannot_be_connected() {
        let reader = File::open("/dev/null").expect("it is there");
        let text = "standard output is closed, or not open for writing";
        match stdout(reader).connect() {
            Err(ConnectError::Fatal(it)) => assert_eq!(it, text),
            result => panic!("{result:?}"),
        }
    }

    #[test]
    fn a_full_device() {
        let full = OpenOptions::new().write(true).open("/dev/full").expect("it is there");
        let text = "failed: write standard output: no space left on device";
        assert_eq!(Harness::default().write(&mut stdout(full), &["a", "b"]), text);
    }

    #[test]
    fn goes_on_at_the_byte_where_it_stopped() {
        let (mut reader, writer) = std::io::pipe().expect("a pipe can be had");
        rustix::io::ioctl_fionbio(&writer, true).expect("it is ours");
        let mut harness = Harness::default();
        let mut output = stdout(writer);
        // Given up while the pipe is full: one message is written in part.
        harness.time.is_interrupted.store(true, std::sync::atomic::Ordering::Relaxed);
        let large = "L".repeat(40_000);
        let result = harness.write(&mut output, &["a", &large, &large, "b"]);
        assert_eq!(result, "partial: 2: the stream was stopped, 3: the stream was stopped");
        let mut head = vec![0; 65_536];
        reader.read_exact(&mut head).expect("it was written");
        assert_eq!(harness.write(&mut output, &["c"]), "delivered");
        drop(output);
        reader.read_to_end(&mut head).expect("the pipe can be read");
        let expected = format!("a\n{large}\n{large}\nc\n");
        assert!(head == expected.as_bytes(), "{} bytes", head.len());
    }

    #[test]
    fn it_need_not_be_a_pipe() {
        let dir = TempDir::new();
        let mut output = stdout(File::create(dir.at("out")).expect("a file can be made"));
        let large = "L".repeat(100_000);
        assert_eq!(Harness::default().write(&mut output, &["a", &large, &large]), "delivered");
        assert_eq!(dir.read("out"), format!("a\n{large}\n{large}\n"));
    }
}
