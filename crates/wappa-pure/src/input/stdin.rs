//! The input `stdin`.

use std::{os::fd::AsFd, sync::Arc};

use wappa_component::{
    Ack, BuildError, BuildInput, Component, Context, Input, Logger, Parcel, Progress, ReadError, ScannerFactory,
    SourceProgress, Step, Waits,
};
use wappa_spec::{ComponentNode, Config, Node, Reader};

use super::codec;
use crate::reader::{NoParcel, SourceReader, standard_input};

pub(super) const COMPONENT: Component = Component::input::<StdinConfig>("stdin").categories(&["Local"]);

/// Reads messages from standard input.
///
/// Every message that is complete is handed on at once, also while the other end of a pipe is silent. The stream
/// ends when standard input does.
///
/// # Examples
///
/// ### Lines in, lines out
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// A message that fails is delivered again from memory, before anything new, until it arrives. What was read and has
/// not arrived when the process is killed is lost: standard input keeps no position. At a stop, what was read is
/// delivered, except for the beginning of a message whose end has not come.
///
/// # Performance
///
/// Messages are ranges of the buffer that was read. A read is as large as about 256 messages, at most 128 KiB.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct StdinConfig {
    /// How the bytes are cut into messages.
    #[config(child = "scanner", default = "lines: {}")]
    scanner: ComponentNode,

    /// Whether messages that fail are delivered again; without it they are lost.
    #[config(default = "true")]
    auto_replay_nacks: bool,

    /// The name of a scanner, as it was written before there was `scanner`.
    #[config(deprecated)]
    codec: Option<String>,

    /// How many bytes a line can have; only together with `codec`.
    #[config(deprecated)]
    max_buffer: Option<i64>,
}

fn lint(config: &StdinConfig, node: &Node, reader: &mut Reader<'_>) {
    codec::lint(config.codec.as_deref(), node, reader);
}

impl BuildInput for StdinConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        let scanner = codec::scanner(self.codec.as_deref(), self.max_buffer, &self.scanner, ctx)?;
        let mut stdin = Stdin::new(standard_input(), scanner, self.auto_replay_nacks, ctx.logger());
        if let Some(progress) = ctx.services().get::<Progress>() {
            stdin.show(progress);
        }
        Ok(Box::new(stdin))
    }
}

struct Stdin<D> {
    /// Nothing once the source is given up.
    reader: Option<SourceReader<D>>,
    /// Why it is given up, where nobody was told yet.
    failure: Option<String>,
    scanner: Box<dyn ScannerFactory>,
    progress: SourceProgress,
    auto_replay_nacks: bool,
    logger: Logger,
}

impl<D: AsFd + Send + Sync + 'static> Stdin<D> {
    fn new(
        descriptor: D,
        scanner: Box<dyn ScannerFactory>,
        auto_replay_nacks: bool,
        logger: Logger,
    ) -> Stdin<D> {
        let (reader, failure) = match scanner.open("") {
            Ok(opened) => (Some(SourceReader::new(descriptor, opened, "standard input")), None),
            Err(text) => (None, Some(text)),
        };
        let progress = SourceProgress::new(None, 0);
        Stdin { reader, failure, scanner, progress, auto_replay_nacks, logger }
    }

    /// Somebody wants to see how far it is, which is known of a file: `< file`.
    fn show(&mut self, progress: Arc<Progress>) {
        let n_bytes = self.reader.as_ref().and_then(SourceReader::size).unwrap_or(0);
        progress.expect(n_bytes);
        self.progress = SourceProgress::new(Some(progress), n_bytes);
    }
}

impl<D: AsFd + Send + Sync + 'static> Input for Stdin<D> {
    fn read(&mut self, waits: &mut Waits, _: &mut Step<'_>) -> Result<Parcel, ReadError> {
        if let Some(text) = self.failure.take() {
            return Err(ReadError::SourceFailed(format!("read standard input: {text}")));
        }
        let Some(reader) = &mut self.reader else { return Err(ReadError::EndOfInput) };
        match reader.read(waits) {
            Ok(slices) => {
                self.progress.reached(reader.offset());
                let ack = Ack::new(slices.ranges.len() as u32, |_| ());
                Ok(Parcel::of_slices(slices, ack))
            }
            Err(NoParcel::Broken(text)) => Err(ReadError::SourceFailed(text)),
            Err(NoParcel::NotReady) => Err(ReadError::NotReady),
            Err(NoParcel::End) => Err(ReadError::EndOfInput),
            Err(NoParcel::Failed(text)) => {
                self.reader = None;
                Err(ReadError::SourceFailed(text))
            }
        }
    }

    fn stop(&mut self) {
        let Some(reader) = &mut self.reader else { return };
        let n_bytes = reader.stop();
        if 0 < n_bytes {
            self.logger.debug(&format!("{n_bytes} bytes were read and not yet scanned; what is no whole message is lost"));
        }
    }

    /// There is nothing to go back to, but one who types may go on after the end.
    fn restart(&mut self) -> bool {
        let Some(reader) = &mut self.reader else { return false };
        match self.scanner.open("") {
            Ok(opened) => reader.restart(opened),
            Err(_) => return false,
        }
        true
    }

    fn auto_replay_nacks(&self) -> bool {
        self.auto_replay_nacks
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File},
        io::Write,
        os::fd::OwnedFd,
    };

    use wappa_component::ScannerFactory;

    use super::*;
    use crate::test::{Harness, TempDir, check_lint};

    fn stdin(harness: &mut Harness, descriptor: impl Into<OwnedFd>) -> Stdin<OwnedFd> {
        let scanner: Box<dyn ScannerFactory> = harness.scanner("lines: {max_buffer_size: 10}");
        Stdin::new(descriptor.into(), scanner, true, Logger::silent())
    }

    #[test]
    fn what_is_there_is_handed_on_during_silence() {
        let mut harness = Harness::default();
        let (reader, mut writer) = std::io::pipe().expect("a pipe can be had");
        let mut input = stdin(&mut harness, reader);
        assert_eq!(harness.read(&mut input), "not ready\n");
        writer.write_all(b"a\nb\nc").expect("the pipe has room");
        assert_eq!(harness.read(&mut input), "a\nb\n");
        assert_eq!(harness.read(&mut input), "not ready\n");
        writer.write_all(b"c\nd").expect("the pipe has room");
        assert_eq!(harness.read(&mut input), "cc\n");
        drop(writer);
        assert_eq!(harness.read_all(&mut input), "d\nend\n");
        assert_eq!(harness.read(&mut input), "end\n");
    }

    #[test]
    fn a_stop_hands_over_what_is_whole() {
        let mut harness = Harness::default();
        let (reader, mut writer) = std::io::pipe().expect("a pipe can be had");
        let mut input = stdin(&mut harness, reader);
        writer.write_all("a\n".repeat(300).as_bytes()).expect("the pipe has room");
        writer.write_all(b"half").expect("the pipe has room");
        assert_eq!(harness.read(&mut input), "a\n".repeat(256));
        input.stop();
        assert_eq!(harness.read_all(&mut input), "a\n".repeat(44) + "end\n");
    }

    #[test]
    fn a_line_over_the_bound_ends_it() {
        let mut harness = Harness::default();
        let (reader, mut writer) = std::io::pipe().expect("a pipe can be had");
        let mut input = stdin(&mut harness, reader);
        writer.write_all(b"a\r\n\n0123456789\nb\n").expect("the pipe has room");
        let text = "read standard input: at byte 4: a line is longer than 10 bytes: raise `max_buffer_size` of the \
                    scanner `lines`";
        let expected = format!("a\n\"\"\nsource failed: {text}\nend\n");
        assert_eq!(harness.read_all(&mut input), expected);
    }

    #[test]
    fn it_need_not_be_a_pipe() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let file = File::open(dir.write("a", "\0\n\u{ff}\n")).expect("it is there");
        let mut input = stdin(&mut harness, file);
        assert_eq!(harness.read_all(&mut input), "\\x00\n\\xc3\\xbf\nend\n");
        let mut input = stdin(&mut harness, File::open("/dev/null").expect("it is there"));
        assert_eq!(harness.read_all(&mut input), "end\n");
        let mut input = stdin(&mut harness, File::open(dir.path()).expect("it is there"));
        assert_eq!(harness.read_all(&mut input), "source failed: read standard input: is a directory\nend\n");
        let write_only = fs::OpenOptions::new().write(true).open("/dev/null").expect("it is there");
        let mut input = stdin(&mut harness, write_only);
        assert_eq!(harness.read_all(&mut input), "source failed: read standard input: bad file descriptor\nend\n");
    }

    #[test]
    fn fields_that_are_deprecated() {
        let lint = |body: &str| format!("input:\n  stdin: {body}\n");
        check_lint(&lint("{}"), "");
        check_lint(&lint("{codec: lines}"), "(2,1) field codec is deprecated\n");
        check_lint(&lint("{codec: csv-safe}"), "(2,1) field codec is deprecated\n");
        check_lint(
            &lint("{codec: nope}"),
            "(2,1) field codec is deprecated\n(2,1) codec was not recognised: nope\n",
        );
    }
}
