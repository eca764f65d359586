//! The output `file`.

use std::{
    ffi::OsStr,
    fs, io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::Path,
};

use bytes::Bytes;
use rustix::{
    fs::{FileType, Mode, OFlags, fstat, ftruncate, open},
    io::Errno,
};
use wappa_component::{
    BuildError, BuildOutput, Component, ConnectError, Context, Output, Part, Step, WriteError, interpolate,
};
use wappa_message::{Mark, Message};
use wappa_spec::{Config, Interpolated, Node, Reader};

use crate::{
    fault, path,
    writer::{Codec, Encoded, Halt},
};

pub(super) const COMPONENT: Component = Component::output::<FileConfig>("file").categories(&["Local"]);

/// Writes messages to files.
///
/// The path may hold interpolations, which are evaluated for each message. One file is open at a time: it is closed
/// when a message goes to another one. Files and the directories above them are created when they are missing; what
/// is in a file stays, unless the codec is `all-bytes`.
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
///     path: ./copies/${! meta("path") }
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
/// A process that is killed outright (`kill -9`, out of memory) leaves the beginning of what it had to write, which can
/// end in the middle of a message; the next run goes on right behind it.
///
/// # Performance
///
/// All messages that are ready for one file are written with one call. A path without interpolations costs nothing for
/// each message; one that changes from message to message costs that a file is closed and another opened.
///
/// # Pitfalls
///
/// A file that is moved away while it is open, as `logrotate` does, is written to under its new name.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct FileConfig {
    /// The file to write to.
    #[config(example = "/tmp/data.txt", example = "\"/tmp/${! meta(\\\"kafka_topic\\\") }.txt\"")]
    path: Interpolated,

    /// How messages are set apart: `lines` puts a line feed after each, `delim:x` puts `x`, unless the message ends in
    /// it; `append` puts nothing. With `all-bytes` each message replaces what is in the file.
    #[config(default = "lines", example = "lines", example = "\"delim:\\t\"", example = "delim:foobar")]
    codec: String,
}

fn lint(config: &FileConfig, node: &Node, reader: &mut Reader<'_>) {
    Codec::lint(&config.codec, node, reader);
}

impl BuildOutput for FileConfig {
    fn build(self, _: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        let codec = Codec::parse(&self.codec).map_err(BuildError::new)?;
        let fixed_path = self.path.as_literal().map(|it| Bytes::from(path::clean(it.as_bytes())));
        Ok(Box::new(Files { path: self.path, fixed_path, codec, current: None, encoded: Encoded::default() }))
    }
}

struct Files {
    path: Interpolated,
    /// The path, where it is the same for all messages.
    fixed_path: Option<Bytes>,
    codec: Codec,
    current: Option<Open>,
    encoded: Encoded,
}

/// The file that is open.
struct Open {
    path: Bytes,
    descriptor: OwnedFd,
    /// Where the next write goes, if nobody else writes; nothing where that is not known.
    position: Option<u64>,
    /// What is missing of the message that was written last.
    rest: Vec<u8>,
}

impl Output for Files {
    fn connect(&mut self) -> Result<(), ConnectError> {
        Ok(())
    }

    fn write(&mut self, part: &mut Part, step: &mut Step<'_>) -> Result<(), WriteError> {
        let messages = part.messages();
        let mut failures = Vec::new();
        let mut start = 0;
        while start < messages.len() {
            let path = self.path_of(&messages[start]);
            let same = |it: &&Message| self.fixed_path.is_some() || self.path_of(it) == path;
            // With `all-bytes` every message is written by itself.
            let n_at_once = if self.codec.is_appending { messages.len() - start } else { 1 };
            let n = 1 + messages[start + 1..start + n_at_once].iter().take_while(same).count();
            if let Err((n_written, reason)) = self.write_run(path, &messages[start..start + n], step) {
                failures.extend((start + n_written..start + n).map(|it| (it, reason.clone())));
            }
            start += n;
        }
        match failures.first() {
            None => Ok(()),
            Some((_, reason)) if failures.len() == messages.len() => Err(WriteError::Failed(reason.clone())),
            Some(_) => Err(WriteError::Partial(failures)),
        }
    }

    fn close(&mut self) -> Result<(), String> {
        self.current = None;
        Ok(())
    }
}

impl Files {
    fn path_of(&self, message: &Message) -> Bytes {
        match &self.fixed_path {
            Some(path) => path.clone(),
            None => path::clean(&interpolate(&self.path, message)).into(),
        }
    }

    /// Writes messages that go to one file; the error is how many arrived, and why the others did not.
    fn write_run(&mut self, path: Bytes, messages: &[Message], step: &Step<'_>) -> Result<(), (usize, Mark)> {
        let mut file = match self.current.take() {
            Some(file) if file.path == path && self.codec.is_appending => file,
            _ => Open::new(path, self.codec.is_appending).map_err(|text| (0, Mark::new(text)))?,
        };
        self.encoded.encode(&file.rest, messages, &self.codec);
        let result = match self.encoded.write_to(&file.descriptor, step) {
            Ok(n_bytes) => {
                file.wrote(n_bytes);
                file.rest.clear();
                Ok(())
            }
            Err(halt) => Err(file.halted(&halt, &self.encoded)),
        };
        self.encoded.release();
        // After a failure it is opened anew, unless something of it is still to be written.
        let stays = self.codec.is_appending && (result.is_ok() || !file.rest.is_empty());
        self.current = Some(file).filter(|_| stays);
        result
    }
}

impl Open {
    fn new(path: Bytes, is_appending: bool) -> Result<Open, String> {
        let as_path = as_path(&path);
        let descriptor = match open_file(as_path, is_appending) {
            Err(Errno::NOENT | Errno::NOTDIR) => {
                let parent = as_path.parent().unwrap_or(Path::new("."));
                make_directory(parent).map_err(|err| fault::failed("mkdir", parent.display(), err))?;
                open_file(as_path, is_appending)
            }
            result => result,
        };
        let descriptor = descriptor.map_err(|err| fault::failed("open", as_path.display(), err))?;
        let position = size(&descriptor);
        Ok(Open { path, descriptor, position, rest: Vec::new() })
    }

    fn wrote(&mut self, n_bytes: usize) {
        self.position = self.position.map(|it| it + n_bytes as u64);
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
            && self.position == size(&self.descriptor)
            && begun.is_some_and(|it| ftruncate(&self.descriptor, it + keep as u64).is_ok());
        if is_truncated {
            self.position = begun.map(|it| it + keep as u64);
            self.rest.clear();
        } else {
            self.rest = encoded.rest_of_message(halt.written, n_before);
        }
        let reason = match halt.errno {
            Some(errno) => fault::failed("write", as_path(&self.path).display(), errno),
            None => "the stream was stopped".to_string(),
        };
        (n_whole, Mark::new(reason))
    }
}

fn as_path(path: &Bytes) -> &Path {
    Path::new(OsStr::from_bytes(path))
}

fn make_directory(path: &Path) -> io::Result<()> {
    match fs::create_dir_all(path) {
        // Go's words for it.
        Err(err) if err.kind() == io::ErrorKind::AlreadyExists => Err(Errno::NOTDIR.into()),
        result => result,
    }
}

fn open_file(path: &Path, is_appending: bool) -> Result<OwnedFd, Errno> {
    let how = if is_appending { OFlags::APPEND } else { OFlags::TRUNC };
    let flags = OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOCTTY | how;
    let mode = Mode::from_raw_mode(0o666);
    // For reading too, as in Bento: that never waits for the other end of a named pipe.
    match open(path, flags | OFlags::RDWR, mode) {
        Err(Errno::ACCESS) => open(path, flags | OFlags::WRONLY, mode),
        result => result,
    }
}

/// How large a file is; nothing for what is no file.
fn size(descriptor: &OwnedFd) -> Option<u64> {
    let stat = fstat(descriptor).ok()?;
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    u64::try_from(stat.st_size).ok().filter(|_| is_file)
}

#[cfg(test)]
mod tests {
    use std::{fs::OpenOptions, io::Write};

    use wappa_message::{Message, Value};

    use super::*;
    use crate::test::{Harness, TempDir};

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
        let path = Bytes::from(dir.write("out", "old\n"));
        let mut file = Open::new(path.clone(), true).expect("it can be opened");
        let mut encoded = Encoded::default();
        let messages = ["one", "two", "three"].map(|it| Message::new(it.to_string()));
        encoded.encode(b"", &messages, &Codec::parse("lines").expect("a codec"));
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
        encoded.encode(&file.rest, &messages[..1], &Codec::parse("lines").expect("a codec"));
        rustix::io::write(&file.descriptor, b"n").expect("there is room");
        let (n, _) = file.halted(&Halt { written: 1, errno: Some(Errno::NOSPC) }, &encoded);
        assert_eq!((n, file.rest.as_slice()), (0, &b"e\n"[..]));
    }
}
