//! The output `file`.

use std::{
    ffi::OsStr,
    ops::Range,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{FileType, Mode, OFlags, Stat, fstat, ftruncate},
    io::{Errno, ioctl_fionread},
};
use wappa_component::{
    BuildError, BuildOutput, Component, ConnectError, Context, Delivery, Logger, Output, Part, Step, WriteError, cause,
};
use wappa_message::{Mark, Message};
use wappa_spec::{Config, Interpolated, Node, Reader, Rule};

use crate::{
    base::{Base, FileId},
    fault, path,
    writer::{Codec, Encoded, Halt},
};

pub(super) const COMPONENT: Component = Component::output::<FileConfig>("file").categories(&["Local"]).reaching_machine();

/// How often it is looked whether a file that is open still has its name. A look costs about as much as a small write.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// How long a wait for the reader of a named pipe goes without a look at whether there is one.
const READER_WAIT: Duration = Duration::from_millis(50);

const STOPPED: &str = "the stream was stopped";

/// Writes messages to files.
///
/// The path may hold interpolations, which are evaluated for each message. One file is open at a time: it is closed
/// when a message goes to another one. Files and the directories above them are created when they are missing; what
/// is in a file stays, unless the codec is `all-bytes`.
///
/// A path that is made of messages can lead anywhere: with `../` in it, or through a symbolic link. Set `root` to a
/// directory, and no path leads out of that.
///
/// # Examples
///
/// ### A copy of each file, below another directory
///
/// ```yaml
/// input:
///   file:
///     paths: [ ./logs/*.log ]
/// output:
///   file:
///     root: ./copies
///     path: ${! meta("path") }
/// ```
///
/// # Delivery
///
/// A message has arrived once the system has taken it; nothing waits for the disk, so a power failure can lose what
/// was written last. Messages are written in order. A write that fails in the middle of a message is taken back to the
/// end of the last whole one, so that a full disk leaves no half message behind; the messages that are missing fail,
/// and inputs that replay deliver them once there is room. In a named pipe, or in a file to which others write too,
/// the rest of the message is written before anything else.
///
/// A message whose path can never be one fails for good: one with a NUL in it, one that is too long, one that leads out
/// of `root`. It goes to the next output of a [`fallback`](fallback.md), and where there is none it is not replayed: its
/// input is told that it did not arrive, so that `delete_on_finish` keeps the file, the log says so, and the process
/// exits with 1.
///
/// A named pipe is waited for until somebody reads it, and again when its reader goes away. What a reader left behind
/// in the pipe goes to the next one; if there is none when the stream ends, that is an error.
///
/// A file that is moved away or deleted while it is open, as `logrotate` does, is noticed within a tenth of a second,
/// and a new one is made under its name. Nothing is written to a file that has been deleted.
///
/// A process that is killed outright (`kill -9`, out of memory) leaves the beginning of what it had to write, which can
/// end in the middle of a message; the next run goes on right behind it.
///
/// # Performance
///
/// All messages that are ready for one file are written with one call. A path without interpolations costs nothing for
/// each message; one that changes from message to message costs that a file is closed and another opened.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct FileConfig {
    /// The file to write to.
    #[config(example = "/tmp/data.txt", example = "\"/tmp/${! meta(\\\"kafka_topic\\\") }.txt\"")]
    path: Interpolated,

    /// A directory that paths begin at and never lead out of, through whatever links. A `/` at the beginning of a path
    /// stands for this directory then. Needs Linux 5.6.
    #[config(example = "./out")]
    root: Option<String>,

    /// How messages are set apart: `lines` puts a line feed after each, `delim:x` puts `x`, unless the message ends in
    /// it; `append` puts nothing. With `all-bytes` each message replaces what is in the file.
    #[config(default = "lines", example = "lines", example = "\"delim:\\t\"", example = "delim:foobar")]
    codec: String,
}

fn lint(config: &FileConfig, node: &Node, reader: &mut Reader<'_>) {
    Codec::lint(&config.codec, node, reader);
    let of = |name| node.get(name).unwrap_or(node);
    if config.root.as_deref() == Some("") {
        reader.error(Rule::InvalidValue, of("root"), "`root` is the path of a directory");
    }
    match config.path.as_literal() {
        Some(path) => {
            if let Err(text) = named(path.as_bytes(), config.root.is_some()) {
                reader.error(Rule::InvalidValue, of("path"), text);
            }
        }
        None if config.root.is_none() => {
            let text = "messages decide where this output writes, and may name any file that this process can write \
                        to: set `root` to a directory that no path leads out of";
            reader.warn(Rule::Custom, of("path"), text);
        }
        None => (),
    }
}

/// The path that a text means; the error is why no file can ever have it.
fn named(text: &[u8], is_below: bool) -> Result<Vec<u8>, String> {
    path::of_file(text, is_below.then_some("root"))
}

impl BuildOutput for FileConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        let codec = Codec::parse(&self.codec).map_err(BuildError::new)?;
        let is_below = self.root.is_some();
        let fixed_path = self.path.as_literal().map(|it| named(it.as_bytes(), is_below).map(Bytes::from));
        let base = self.root.map_or(Base::Anywhere, |it| Base::Below(PathBuf::from(it)));
        Ok(Box::new(Files {
            path: self.path,
            fixed_path: fixed_path.transpose().map_err(BuildError::new)?,
            base,
            codec,
            current: None,
            encoded: Encoded::default(),
            logger: ctx.logger(),
        }))
    }
}

struct Files {
    path: Interpolated,
    /// The path, where it is the same for all messages.
    fixed_path: Option<Bytes>,
    base: Base,
    codec: Codec,
    current: Option<Open>,
    encoded: Encoded,
    logger: Logger,
}

/// The file that is open.
struct Open {
    path: Bytes,
    descriptor: OwnedFd,
    kind: Kind,
    /// Where the next write goes, if nobody else writes; nothing where that is not known.
    position: Option<u64>,
    /// What is missing of the message that was written last.
    rest: Vec<u8>,
}

enum Kind {
    /// A file with a name, and when it was last seen there.
    Named { id: FileId, seen: Duration },
    Pipe,
    Other,
}

impl Output for Files {
    fn connect(&mut self) -> Result<(), ConnectError> {
        self.base.prepare().map_err(|err| {
            let Base::Below(root) = &self.base else { unreachable!("there is nothing to prepare anywhere else") };
            match err.raw_os_error() == Some(Errno::NOSYS.raw_os_error()) {
                true => ConnectError::Fatal("this system has no way to keep paths below `root`: it needs Linux 5.6".into()),
                false => ConnectError::BackOff(fault::failed("open", root.display(), err)),
            }
        })
    }

    fn write(&mut self, mut delivery: Delivery, step: &mut Step<'_>) {
        let mut paths = Vec::new();
        if self.fixed_path.is_none() {
            delivery.part_mut().see_each(|batch, place| paths.push(self.path_of(batch, place)));
        }
        let result = self.write_all(delivery.part(), &paths, step);
        delivery.answer(result);
    }

    fn close(&mut self) -> Result<(), String> {
        self.current.take().map_or(Ok(()), |it| it.leave())
    }
}

impl Files {
    /// Writes messages to the paths that each of them has, or all to the one that is fixed.
    fn write_all(
        &mut self,
        part: &Part,
        paths: &[Result<Bytes, Mark>],
        step: &Step<'_>,
    ) -> Result<(), WriteError> {
        let n_messages = part.n_messages();
        let mut failures = Vec::new();
        let mut start = 0;
        while start < n_messages {
            let path = match (&self.fixed_path, paths.get(start)) {
                (Some(path), _) | (None, Some(Ok(path))) => path.clone(),
                (None, Some(Err(reason))) => {
                    failures.push((start, reason.clone()));
                    start += 1;
                    continue;
                }
                (None, None) => unreachable!("each message has its path"),
            };
            let n = match (self.codec.is_appending, &self.fixed_path) {
                // With `all-bytes` every message is written by itself.
                (false, _) => 1,
                (true, Some(_)) => n_messages - start,
                (true, None) => paths[start..].iter().take_while(|it| it.as_ref() == Ok(&path)).count(),
            };
            if let Err((n_written, reason)) = self.write_run(path, part, start..start + n, step) {
                failures.extend((start + n_written..start + n).map(|it| (it, reason.clone())));
            }
            start += n;
        }
        match failures.first() {
            None => Ok(()),
            Some((_, reason)) if failures.len() == n_messages && failures.iter().all(|it| it.1 == *reason) => {
                Err(WriteError::Failed(reason.clone()))
            }
            Some(_) => Err(WriteError::Partial(failures)),
        }
    }

    /// Where a message of a batch goes; the error is why it never can.
    fn path_of(&self, batch: &mut [Message], place: usize) -> Result<Bytes, Mark> {
        let path = self
            .path
            .evaluate(batch, place)
            .map_err(|failure| Mark::of_hopeless(format!("path interpolation error: {failure}")))?;
        named(&path, matches!(self.base, Base::Below(_))).map(Bytes::from).map_err(Mark::of_hopeless)
    }

    /// Writes messages that go to one file; the error is how many arrived, and why the others did not.
    fn write_run(
        &mut self,
        path: Bytes,
        part: &Part,
        messages: Range<usize>,
        step: &Step<'_>,
    ) -> Result<(), (usize, Mark)> {
        let mut file = self.file(path, step).map_err(|it| (0, it))?;
        let mut result = self.write_to(&mut file, part, messages.clone(), step);
        if result.is_ok() && file.is_deleted() {
            // What was just written is gone with it.
            self.say_moved(&file);
            file = self.open(file.path, step).map_err(|it| (0, it))?;
            result = self.write_to(&mut file, part, messages, step);
            if result.is_ok() && file.is_deleted() {
                result = Err((0, Mark::new(format!("write {}: it is deleted again and again", path::shown(&file.path)))));
            }
        }
        // After a failure it is opened anew, unless something of it is still to be written, or to be read in a pipe.
        let stays = result.is_ok() || !file.rest.is_empty() || matches!(file.kind, Kind::Pipe);
        if self.codec.is_appending && stays {
            self.current = Some(file);
        } else if let Err(text) = file.leave() {
            self.logger.error(&text);
        }
        result
    }

    /// The file that is open, if it is this one and still has its name, or else a new one.
    fn file(&mut self, path: Bytes, step: &Step<'_>) -> Result<Open, Mark> {
        let Some(mut file) = self.current.take() else { return self.open(path, step) };
        if file.path == path && self.codec.is_appending {
            if !file.rest.is_empty() || file.has_its_name(&self.base, step) {
                return Ok(file);
            }
            self.say_moved(&file);
        } else if let Err(text) = file.leave() {
            self.logger.error(&text);
        }
        self.open(path, step)
    }

    fn say_moved(&self, file: &Open) {
        let path = path::shown(&file.path);
        self.logger.info(&format!("`{path}` was moved away or deleted while it was open, and is opened anew"));
    }

    fn write_to(
        &mut self,
        file: &mut Open,
        part: &Part,
        messages: Range<usize>,
        step: &Step<'_>,
    ) -> Result<(), (usize, Mark)> {
        self.encoded.encode(&file.rest, part, messages, &self.codec);
        let mut from = 0;
        let result = loop {
            match self.encoded.write_to(&file.descriptor, from, step) {
                Err(halt) if halt.errno == Some(Errno::PIPE) && matches!(file.kind, Kind::Pipe) => {
                    from = halt.written;
                    if !self.wait_for_reader(&file.path, step, || !file.has_reader()) {
                        break Err(Halt { written: from, errno: None });
                    }
                }
                result => break result,
            }
        };
        let result = match result {
            Ok(n_bytes) => {
                file.wrote(n_bytes);
                file.rest.clear();
                Ok(())
            }
            Err(halt) => Err(file.halted(&halt, &self.encoded)),
        };
        self.encoded.release();
        result
    }

    fn open(&self, path: Bytes, step: &Step<'_>) -> Result<Open, Mark> {
        let as_path = as_path(&path);
        let descriptor = match self.open_file(as_path, step)? {
            Err(Errno::NOENT | Errno::NOTDIR) => {
                let parent = as_path.parent().unwrap_or(Path::new("."));
                let made = self.base.make_parents(as_path);
                made.map_err(|err| self.refusal("mkdir", parent, &err))?;
                self.open_file(as_path, step)?
            }
            result => result,
        };
        let descriptor = descriptor.map_err(|err| self.refusal("open", as_path, &err.into()))?;
        let stat = fstat(&descriptor).map_err(|err| self.refusal("open", as_path, &err.into()))?;
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            // One that never had a name, or has none any more, cannot lose it.
            FileType::RegularFile if stat.st_nlink != 0 => Kind::Named { id: FileId::of(&stat), seen: step.now() },
            FileType::Fifo => Kind::Pipe,
            _ => Kind::Other,
        };
        let position = size(&stat);
        Ok(Open { path, descriptor, kind, position, rest: Vec::new() })
    }

    /// Opens a file; the outer error is that the stream was given up while a pipe had no reader.
    fn open_file(&self, path: &Path, step: &Step<'_>) -> Result<Result<OwnedFd, Errno>, Mark> {
        let how = if self.codec.is_appending { OFlags::APPEND } else { OFlags::TRUNC };
        // Without waiting, for named pipes: those are waited for where a stop can end the wait.
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOCTTY | how;
        let open = || self.base.open(path, flags, Mode::from_raw_mode(0o666));
        let is_pipe = |it: Stat| FileType::from_raw_mode(it.st_mode) == FileType::Fifo;
        let mut result = Err(Errno::NXIO);
        let is_there = self.wait_for_reader(path.as_os_str().as_bytes(), step, || {
            result = open();
            matches!(result, Err(Errno::NXIO)) && self.base.look(path).is_ok_and(is_pipe)
        });
        if is_there { Ok(result) } else { Err(Mark::new(STOPPED)) }
    }

    /// Waits until somebody reads a pipe. `false`: the stream was given up.
    fn wait_for_reader(&self, path: &[u8], step: &Step<'_>, mut has_none: impl FnMut() -> bool) -> bool {
        if !has_none() {
            return true;
        }
        self.logger.warn(&format!("the named pipe `{}` has no reader, and is waited for", path::shown(path)));
        while step.sleep(READER_WAIT) {
            if !has_none() {
                return true;
            }
        }
        false
    }

    /// Why a file cannot be had: for good, if it is the path itself that cannot be and messages made it.
    fn refusal(&self, call: &str, path: &Path, err: &std::io::Error) -> Mark {
        let is = |errno: Errno| err.raw_os_error() == Some(errno.raw_os_error());
        let leads_out = matches!(self.base, Base::Below(_)) && is(Errno::XDEV);
        let why = if leads_out { "it leads out of `root`".to_string() } else { cause(err) };
        let text = format!("{call} {}: {why}", path::shown(path.as_os_str().as_bytes()));
        let is_hopeless = leads_out || is(Errno::NAMETOOLONG) || is(Errno::ILSEQ);
        match is_hopeless && self.fixed_path.is_none() {
            true => Mark::of_hopeless(text),
            false => Mark::new(text),
        }
    }
}

impl Open {
    fn wrote(&mut self, n_bytes: usize) {
        self.position = self.position.map(|it| it + n_bytes as u64);
    }

    /// Whether it is still the file that its path leads to; not asked more often than it has to be.
    fn has_its_name(&mut self, base: &Base, step: &Step<'_>) -> bool {
        let Kind::Named { id, seen } = &mut self.kind else { return true };
        if step.now() < *seen + LOOK_INTERVAL {
            return true;
        }
        *seen = step.now();
        match base.look(as_path(&self.path)) {
            Ok(stat) => FileId::of(&stat) == *id,
            Err(Errno::NOENT | Errno::NOTDIR) => false,
            // Nobody knows: whoever opens it would not get further.
            Err(_) => true,
        }
    }

    /// Whether it has lost all its names, so that nobody will ever read what is in it.
    fn is_deleted(&self) -> bool {
        matches!(self.kind, Kind::Named { .. }) && fstat(&self.descriptor).is_ok_and(|it| it.st_nlink == 0)
    }

    /// Whether somebody reads the pipe.
    fn has_reader(&self) -> bool {
        let mut polled = [PollFd::new(&self.descriptor, PollFlags::OUT)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut polled, Some(&at_once)).is_ok() && !polled[0].revents().contains(PollFlags::ERR)
    }

    /// Lets go of it; the error is that something was written which nobody can read any more.
    fn leave(self) -> Result<(), String> {
        if !matches!(self.kind, Kind::Pipe) || self.has_reader() {
            return Ok(());
        }
        match ioctl_fionread(&self.descriptor) {
            Ok(n_bytes) if 0 < n_bytes => {
                let path = path::shown(&self.path);
                Err(format!("the reader of the named pipe `{path}` is gone and has left {n_bytes} bytes in it, which are lost"))
            }
            _ => Ok(()),
        }
    }

    /// Takes back what is only a part of a message, where that is possible; how many messages are there, and why not
    /// all.
    fn halted(&mut self, halt: &Halt, encoded: &Encoded) -> (usize, Mark) {
        let (n_whole, whole_bytes) = encoded.whole(halt.written);
        let n_before = self.rest.len();
        let begun = self.position;
        self.wrote(halt.written);
        // Of a message that an earlier write began, nothing can be taken back.
        let keep = whole_bytes.max(halt.written.min(n_before));
        let is_truncated = keep < halt.written
            && self.position == fstat(&self.descriptor).ok().as_ref().and_then(size)
            && begun.is_some_and(|it| ftruncate(&self.descriptor, it + keep as u64).is_ok());
        if is_truncated {
            self.position = begun.map(|it| it + keep as u64);
            self.rest.clear();
        } else {
            self.rest = encoded.rest_of_message(halt.written, n_before);
        }
        let reason = match halt.errno {
            Some(errno) => fault::failed("write", path::shown(&self.path), errno),
            None => STOPPED.to_string(),
        };
        (n_whole, Mark::new(reason))
    }
}

fn as_path(path: &Bytes) -> &Path {
    Path::new(OsStr::from_bytes(path))
}

/// How large a file is; nothing for what is no file.
fn size(stat: &Stat) -> Option<u64> {
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    u64::try_from(stat.st_size).ok().filter(|_| is_file)
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, OpenOptions},
        io::{Read, Write},
        os::unix::fs::symlink,
        sync::{Arc, atomic::Ordering},
    };

    use rustix::fs::{CWD, mkfifoat};

    use wappa_message::Value;

    use super::*;
    use crate::test::{Harness, TempDir, Time, check_lint};

    impl Files {
        fn new(path: &str, root: Option<&TempDir>, codec: &str) -> Files {
            Files {
                path: Interpolated::parse(path, &Default::default()).expect("it can be read"),
                fixed_path: None,
                base: root.map_or(Base::Anywhere, |it| Base::Below(it.path().to_path_buf())),
                codec: Codec::parse(codec).expect("a codec"),
                current: None,
                encoded: Encoded::default(),
                logger: Logger::silent(),
            }
        }
    }

    /// Which messages failed, and whether for good.
    fn finals(output: &mut Files, inputs: &[&str]) -> Vec<(usize, bool)> {
        let time = Time::default();
        let answer = crate::test::answer(output, crate::test::batches(inputs), &time);
        answer.failures.iter().map(|(idx, it)| (*idx, it.is_final())).collect()
    }

    fn output(harness: &mut Harness, path: &str, codec: &str) -> Box<dyn Output> {
        harness.output(&format!("file: {{path: '{path}', codec: '{codec}'}}"))
    }

    #[test]
    fn codecs() {
        let dir = TempDir::new();
        for (codec, expected) in
            [("lines", "old\na\nb\n\nc\nd\n"), ("append", "old\nabc\nd"), ("delim:x", "old\naxbxxc\nxdx"), ("all-bytes", "d")]
        {
            let path = dir.write("out", "old\n");
            let mut harness = Harness::default();
            let mut output = output(&mut harness, &path, codec);
            assert_eq!(harness.write(&mut output, &["a|b", "", "c\n"]), "delivered");
            assert_eq!(harness.write(&mut output, &["d"]), "delivered");
            assert_eq!(dir.read("out"), expected, "{codec}");
        }
    }

    #[test]
    fn a_path_for_each_message() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let path = dir.at("x//${! @dir }/../${! meta(\"name\") }.txt");
        let mut output = output(&mut harness, &path, "lines");
        let mut part = crate::test::batches(&["1|2", "3", "4"]);
        for (message, name) in part.messages_mut().iter_mut().zip(["a", "a", "b", "a"]) {
            message.metadata_mut().set("name", Value::text(name));
        }
        assert_eq!(harness.write_part(&mut output, part), "delivered");
        assert_eq!((dir.read("x/a.txt"), dir.read("x/b.txt")), ("1\n2\n4\n".to_string(), "3\n".to_string()));
        assert_eq!(harness.write(&mut output, &["5"]), "delivered");
        assert_eq!(dir.read("x/null.txt"), "5\n");
    }

    #[test]
    fn large_and_small_contents() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let mut output = output(&mut harness, &dir.at("out"), "lines");
        let large = "L".repeat(300_000);
        let inputs: Vec<&str> = (0..3000).map(|it| if it % 1000 == 0 { large.as_str() } else { "s" }).collect();
        assert_eq!(harness.write(&mut output, &inputs), "delivered");
        let expected: String = inputs.iter().map(|it| format!("{it}\n")).collect();
        assert!(dir.read("out") == expected);
    }

    #[test]
    fn what_cannot_be_opened() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        dir.write("f", "");
        dir.write("d/x", "");
        let root = dir.path().display();
        let mut output = output(&mut harness, &format!("{root}/${{! content() }}"), "lines");
        let mut write = |content: &str| harness.write(&mut output, &[content]).replace(&root.to_string(), "DIR");
        assert_eq!(write("d"), "failed: open DIR/d: is a directory");
        assert_eq!(write("f/x"), "failed: mkdir DIR/f: not a directory");
        assert_eq!(write(""), "failed: open DIR: is a directory");
        let result = harness.write(&mut output, &["one", "d", "two"]).replace(&root.to_string(), "DIR");
        assert_eq!(result, "partial: 1: open DIR/d: is a directory");
        assert_eq!(dir.read("two"), "two\n");
    }

    #[test]
    fn a_full_device() {
        let mut harness = Harness::default();
        let text = "failed: write /dev/full: no space left on device";
        for codec in ["lines", "all-bytes"] {
            let mut output = output(&mut harness, "/dev/full", codec);
            assert_eq!(harness.write(&mut output, &["a", "b"]), text);
            assert_eq!(harness.write(&mut output, &["a"]), text);
        }
    }

    #[test]
    fn a_half_message_is_taken_back() {
        let dir = TempDir::new();
        let path = dir.write("out", "old\n");
        let files = Files::new(&path, None, "lines");
        let time = Time::default();
        let mut file = files.open(path.into(), &Step::new(2, &time)).expect("it can be opened");
        let mut encoded = Encoded::default();
        let part = crate::test::batches(&["one", "two", "three"]);
        encoded.encode(b"", &part, 0..3, &Codec::parse("lines").expect("a codec"));
        let halt = |file: &mut Open, bytes: &[u8]| {
            rustix::io::write(&file.descriptor, bytes).expect("there is room");
            let (n, mark) = file.halted(&Halt { written: bytes.len(), errno: Some(Errno::NOSPC) }, &encoded);
            assert!(mark.as_str().ends_with("no space left on device"), "{mark}");
            n
        };
        assert_eq!(halt(&mut file, b"one\ntw"), 1);
        assert_eq!((dir.read("out").as_str(), file.rest.len()), ("old\none\n", 0));
        assert_eq!(halt(&mut file, b"one\ntwo\n"), 2);
        assert_eq!((dir.read("out").as_str(), file.rest.len()), ("old\none\none\ntwo\n", 0));
        // Somebody else writes too: nothing is taken back, the rest comes first when it goes on.
        let mut other = OpenOptions::new().append(true).open(dir.at("out")).expect("it is there");
        other.write_all(b"other\n").expect("there is room");
        assert_eq!(halt(&mut file, b"o"), 0);
        assert_eq!(file.rest, b"ne\n");
        encoded.encode(&file.rest, &part, 0..1, &Codec::parse("lines").expect("a codec"));
        rustix::io::write(&file.descriptor, b"n").expect("there is room");
        let (n, _) = file.halted(&Halt { written: 1, errno: Some(Errno::NOSPC) }, &encoded);
        assert_eq!((n, file.rest.as_slice()), (0, &b"e\n"[..]));
    }

    #[test]
    fn a_path_that_can_never_be_one_fails_its_message_for_good() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let root = dir.path().display().to_string();
        let path = format!("{root}/${{! content() }}");
        let long = "x".repeat(300);
        assert_eq!(finals(&mut Files::new(&path, None, "lines"), &["a", "b\0", &long, "c"]), [(1, true), (2, true)]);
        assert_eq!((dir.read("a"), dir.read("c")), ("a\n".to_string(), "c\n".to_string()));
        // A directory may go away, or a file that stands where one should be.
        assert_eq!(finals(&mut Files::new(&path, None, "lines"), &["a/x"]), [(0, false)]);
        let mut output = output(&mut harness, &path, "lines");
        let mut write = |content: &str| harness.write(&mut output, &[content]).replace(&root, "DIR");
        assert_eq!(write("a\0\nb"), r"failed: open DIR/a\0\nb: a path cannot have a NUL in it");
        let cut = "x".repeat(path::SHOWN_MAX - root.len() - 1);
        assert_eq!(write(&long), format!("failed: open DIR/{cut}…: file name too long"));
    }

    #[test]
    fn nothing_leads_out_of_the_root() {
        let dir = TempDir::new();
        dir.write("secret", "mine\n");
        dir.write("root/in/x", "");
        let link = |to: &str, name: &str| symlink(to, dir.at(name)).expect("a link can be made");
        link("..", "root/up");
        link("../secret", "root/file");
        link(&dir.at("secret"), "root/absolute");
        link("in", "root/fine");
        let mut output = Files::new("${! content() }", Some(&dir), "lines");
        output.base = Base::Below(dir.path().join("root"));
        let hopeless = ["../secret", "a/../../secret", "/../secret", "up/secret", "up/new/x", "file", "absolute", "", "..", "."];
        for path in hopeless {
            assert_eq!(finals(&mut output, &[path]), [(0, true)], "{path}");
        }
        assert_eq!(dir.read("secret"), "mine\n");
        assert!(!dir.has("new"));
        for (path, file) in [("a", "a"), ("/b", "b"), ("c/d/e", "c/d/e"), ("fine/f", "in/f"), ("x/../g", "g")] {
            assert_eq!(finals(&mut output, &[path]), [], "{path}");
            assert_eq!(dir.read(&format!("root/{file}")), format!("{path}\n"));
        }
    }

    #[test]
    fn lints_of_paths() {
        let warning = "messages decide where this output writes, and may name any file that this process can write to: \
                       set `root` to a directory that no path leads out of";
        for (fields, expected) in [
            ("path: a", ""),
            ("path: '${! content() }', root: out", ""),
            ("path: 'a/${! @x }'", warning),
            ("path: ../a", ""),
            ("path: ../a, root: out", "open ../a: it leads out of `root`"),
            ("path: /a, root: out", ""),
            ("path: '${! @x }', root: ''", "`root` is the path of a directory"),
            ("path: ''", "open .: it is the path of a directory"),
            ("path: \"a\\0b\"", "open a\\0b: a path cannot have a NUL in it"),
        ] {
            let expected = if expected.is_empty() { String::new() } else { format!("(2,1) {expected}\n") };
            check_lint(&format!("output:\n  file: {{{fields}}}\n"), &expected);
        }
    }

    #[test]
    fn a_file_that_was_moved_away_or_deleted_is_made_anew() {
        for codec in ["lines", "append"] {
            let (dir, mut harness) = (TempDir::new(), Harness::default());
            let mut output = output(&mut harness, &dir.at("out"), codec);
            let time = Arc::clone(&harness.time);
            let mut write = |content: &str| assert_eq!(harness.write(&mut output, &[content]), "delivered");
            let rename = |from: &str, to: &str| fs::rename(dir.at(from), dir.at(to)).expect("it is there");
            write("a\n");
            rename("out", "out.1");
            time.advance(LOOK_INTERVAL);
            write("b\n");
            rename("out", "out.2");
            fs::write(dir.at("out"), "c\n").expect("a file can be written");
            time.advance(LOOK_INTERVAL);
            write("d\n");
            assert_eq!([dir.read("out.1"), dir.read("out.2"), dir.read("out")], ["a\n", "b\n", "c\nd\n"]);
            // One that is deleted is not written to, however short ago that was.
            fs::remove_file(dir.at("out")).expect("it is there");
            write("e\n");
            write("f\n");
            assert_eq!(dir.read("out"), "e\nf\n");
        }
    }

    #[test]
    fn a_pipe_is_written_to_once_somebody_reads_it() {
        let dir = TempDir::new();
        let path = dir.at("pipe");
        mkfifoat(CWD, &path, Mode::from_raw_mode(0o600)).expect("a pipe can be made");
        check_pipe(&path, &format!("file: {{path: '{path}'}}"), &path);
        // Below a root it is the same.
        check_pipe(&path, &format!("file: {{path: pipe, root: '{}'}}", dir.path().display()), "pipe");
    }

    /// An output that writes to the pipe at this path, which it calls by a name.
    fn check_pipe(path: &str, config: &str, name: &str) {
        let mut harness = Harness::default();
        let mut output = harness.output(config);
        harness.time.is_interrupted.store(true, Ordering::Relaxed);
        assert_eq!(harness.write(&mut output, &["a"]), "failed: the stream was stopped");
        harness.time.is_interrupted.store(false, Ordering::Relaxed);
        let read = |path: &str| {
            let flags = OFlags::RDONLY | OFlags::NONBLOCK;
            fs::File::from(rustix::fs::open(path, flags, Mode::empty()).expect("a pipe can be opened"))
        };
        let mut reader = read(path);
        assert_eq!(harness.write(&mut output, &["a", "b"]), "delivered");
        let mut start = [0; 2];
        reader.read_exact(&mut start).expect("it was written");
        drop(reader);
        // What the first reader left is there for the next one, in front of what is new.
        harness.time.is_interrupted.store(true, Ordering::Relaxed);
        assert_eq!(harness.write(&mut output, &["c"]), "failed: the stream was stopped");
        let mut reader = read(path);
        assert_eq!(harness.write(&mut output, &["c"]), "delivered");
        let mut rest = [0; 4];
        reader.read_exact(&mut rest).expect("it was written");
        assert_eq!((&start, &rest), (b"a\n", b"b\nc\n"));
        assert_eq!(harness.write(&mut output, &["d"]), "delivered");
        drop(reader);
        let text = format!("the reader of the named pipe `{name}` is gone and has left 2 bytes in it, which are lost");
        assert_eq!(output.close(), Err(text));
    }
}
