//! The input `file`.

use std::{
    collections::VecDeque,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use rustix::fs::{Mode, OFlags, fstat, open};
use wappa_component::{
    Ack, BuildError, BuildInput, Component, Context, Failure, Input, Logger, Parcel, Progress, ReadError, Stretch,
    ScannerFactory, Slices, SourceProgress, Step, Waits,
};
use wappa_message::{Metadata, Value};
use wappa_spec::{ComponentNode, Config, Node, Reader, Rule, printable};

use super::{
    codec,
    deletion::{Deletion, Deletions, Grown},
};
use crate::{
    fault,
    glob::{PathPattern, Search, Searched},
    reader::{NoParcel, SourceReader},
};

pub(super) const COMPONENT: Component = Component::input::<FileConfig>("file").categories(&["Local"]).reaching_machine();

/// Reads messages from files, one file after the other.
///
/// A path may be a pattern: `*` and `?` stand for characters of a name, `[a-z]` and `[^a-z]` for one of a set, and
/// `**` for any number of directories; a backslash takes the next character as it is. What one pattern finds is read
/// in alphabetical order, patterns are read in the order in which they are listed, and a path that is found twice is
/// read once. All patterns are looked up before the first file is read.
///
/// Patterns find files: a directory is passed over, or, by a pattern with `**`, stands for all files below it. A
/// symbolic link to a directory is gone through where the pattern has a name for it (`logs/*/today.log`), and is none
/// of the directories that `**` stands for. A pattern that finds nothing is no error, and a warning
/// in the log names it; a directory that may not be looked into is an error, as is a directory that is listed without a
/// pattern. A path may also be a named pipe, which is read until its writers are gone.
///
/// Messages get the metadata `path`, `mod_time_unix` (a number) and `mod_time` (RFC 3339).
///
/// # Examples
///
/// ### A directory of logs, file by file
///
/// ```yaml
/// input:
///   file:
///     paths: [ ./logs/**/*.log ]
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// A message that fails is delivered again from memory, before anything new, until it arrives. No position is kept:
/// a process that starts again reads its files from the beginning. With `delete_on_finish` a file is deleted as soon as
/// all its messages have arrived. What it has grown by until then is read first. If its name has come to mean another
/// file, as when logs are rotated, or if it was cut short or written over, nothing is deleted, and a warning says so. Who
/// keeps a file open and writes to it after it was deleted is not heard.
///
/// A file that cannot be opened, read or scanned is given up with an error, the others are read, and the process exits
/// with 1 at its end. So is one that becomes shorter while it is read (`copytruncate`): what was not read yet is lost.
///
/// # Performance
///
/// Messages are ranges of the buffer that was read. A read is as large as about 256 messages, at most 128 KiB.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct FileConfig {
    /// The files to read, as paths or patterns.
    #[config(example = "[ ./data/*.csv, ./more.csv ]")]
    paths: Vec<String>,

    /// How the bytes of a file are cut into messages.
    #[config(child = "scanner", default = "lines: {}")]
    scanner: ComponentNode,

    /// Whether a file is deleted once all its messages have arrived.
    #[config(default = "false", advanced)]
    delete_on_finish: bool,

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

fn lint(config: &FileConfig, node: &Node, reader: &mut Reader<'_>) {
    codec::lint(config.codec.as_deref(), node, reader);
    if config.paths.is_empty() {
        let at = node.get("paths").unwrap_or(node);
        reader.warn(Rule::Custom, at, "no paths, so there is nothing to read");
    }
}

impl BuildInput for FileConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        let scanner = codec::scanner(self.codec.as_deref(), self.max_buffer, &self.scanner, ctx)?;
        let FileConfig { paths, delete_on_finish, auto_replay_nacks, .. } = self;
        let config = FilesConfig { paths, delete_on_finish, auto_replay_nacks };
        Ok(Box::new(Files::new(config, scanner, 1, ctx)?))
    }
}

/// What inputs of files have in common.
pub(super) struct FilesConfig {
    pub(super) paths: Vec<String>,
    pub(super) delete_on_finish: bool,
    pub(super) auto_replay_nacks: bool,
}

/// How many names are looked at before control is given back, so that a stop need not wait for a long search.
const NAMES_AT_ONCE: usize = 1024;

pub(super) struct Files {
    patterns: Vec<PathPattern>,
    /// What is still to be looked up.
    search: Option<Search>,
    /// Whether it was looked up before: what is not there is told once.
    is_again: bool,
    scanner: Box<dyn ScannerFactory>,
    /// What is still to be read.
    paths: VecDeque<(PathBuf, u64)>,
    /// Where somebody wants to see how far it is.
    progress: Option<Arc<Progress>>,
    current: Option<Source>,
    /// Where files are to be deleted.
    deletions: Option<Arc<Deletions>>,
    is_stopped: bool,
    auto_replay_nacks: bool,
    logger: Logger,
    /// How many messages of a file make a batch.
    batch_size: usize,
    /// Messages of the current file that wait for the others of their batch.
    collected: Vec<Slices>,
    /// Why the current file is given up, or a piece of it, where what was collected goes first.
    failure: Option<NoParcel>,
}

/// The file that is read now.
struct Source {
    reader: SourceReader<OwnedFd>,
    metadata: Metadata,
    progress: SourceProgress,
    /// Answers that are waited for before the file is deleted, if it is.
    deletion: Option<Arc<Deletion>>,
    /// Not all of it could be handed on.
    is_broken: bool,
}

impl Input for Files {
    fn read(&mut self, waits: &mut Waits, _: &mut Step<'_>) -> Result<Parcel, ReadError> {
        self.search(waits)?;
        loop {
            let Some(source) = &mut self.current else {
                self.current = Some(self.next()?);
                continue;
            };
            let read = match self.failure.take() {
                Some(failure) => Err(failure),
                None => source.reader.read(waits),
            };
            match read {
                Ok(slices) => {
                    source.progress.reached(source.reader.offset());
                    let slices = Slices { metadata: source.metadata.unshared(), ..slices };
                    if self.batch_size == 1 {
                        let ack = source.ack(slices.ranges.len() as u32);
                        return Ok(Parcel::of_slices(slices, ack));
                    }
                    self.collected.push(slices);
                    if let Some(parcel) = self.hand_over(false) {
                        return Ok(parcel);
                    }
                }
                Err(NoParcel::NotReady) => return Err(ReadError::NotReady),
                Err(failure) => {
                    // What is left of a file is its last batch.
                    if let Some(parcel) = self.hand_over(true) {
                        self.failure = Some(failure);
                        return Ok(parcel);
                    }
                    self.over(failure)?;
                }
            }
        }
    }

    fn stop(&mut self) {
        self.search = None;
        self.paths.clear();
        self.is_stopped = true;
        if let Some(deletions) = &self.deletions {
            deletions.stop();
        }
        if let Some(source) = &mut self.current {
            source.reader.stop();
            source.end(false);
        }
    }

    fn restart(&mut self) -> bool {
        self.search = Some(Search::new(self.patterns.clone()));
        self.is_again = true;
        true
    }

    fn is_exhausted(&self) -> bool {
        self.search.is_none() && self.paths.is_empty() && self.current.is_none()
    }

    fn auto_replay_nacks(&self) -> bool {
        self.auto_replay_nacks
    }
}

impl Files {
    /// Files of messages in batches of this size.
    pub(super) fn new(
        config: FilesConfig,
        scanner: Box<dyn ScannerFactory>,
        batch_size: usize,
        ctx: &Context<'_>,
    ) -> Result<Files, BuildError> {
        let patterns: Result<Vec<_>, String> = config.paths.iter().map(|it| PathPattern::parse(it)).collect();
        let patterns = patterns.map_err(BuildError::new)?;
        let deletions = config.delete_on_finish.then(|| Deletions::new(ctx.logger(), ctx.input_bell()));
        Ok(Files {
            search: Some(Search::new(patterns.clone())),
            patterns,
            is_again: false,
            scanner,
            paths: VecDeque::new(),
            progress: ctx.services().get::<Progress>(),
            current: None,
            deletions,
            is_stopped: false,
            auto_replay_nacks: config.auto_replay_nacks,
            logger: ctx.logger(),
            batch_size,
            collected: Vec::new(),
            failure: None,
        })
    }

    /// The batches that are whole; `is_last`: and what is left.
    fn hand_over(&mut self, is_last: bool) -> Option<Parcel> {
        let n_messages: usize = self.collected.iter().map(|it| it.ranges.len()).sum();
        let n_whole = n_messages / self.batch_size * self.batch_size;
        let n_given = if is_last { n_messages } else { n_whole };
        let source = self.current.as_ref().filter(|_| 0 < n_given)?;
        let rest = match n_messages - n_given {
            0 => None,
            n_rest => self.collected.last_mut().map(|it| it.split_off(it.ranges.len() - n_rest)),
        };
        let stretches = std::mem::take(&mut self.collected).into_iter().map(Stretch::Slices).collect();
        self.collected.extend(rest);
        let mut ends: Vec<u32> =
            (1..=n_whole / self.batch_size).map(|it| (it * self.batch_size) as u32).collect();
        if n_whole < n_given {
            ends.push(n_given as u32);
        }
        Some(Parcel::of_stretches(stretches, ends, source.ack(n_given as u32)))
    }

    /// The current file has ended, or is given up; or a piece of it is, and it is read on.
    fn over(&mut self, why: NoParcel) -> Result<(), ReadError> {
        if let (NoParcel::Broken(text), Some(source)) = (&why, &mut self.current) {
            source.is_broken = true;
            return Err(ReadError::SourceFailed(text.clone()));
        }
        if let Some(mut source) = self.current.take() {
            source.end(why == NoParcel::End && !source.is_broken);
        }
        match why {
            NoParcel::Failed(text) => Err(ReadError::SourceFailed(text)),
            _ => Ok(()),
        }
    }

    /// What is read next: what has grown, then the next file. The end comes when no file can have grown any more.
    fn next(&mut self) -> Result<Source, ReadError> {
        // Looked at first: what is settled in between has grown, or has not.
        let waits = self.deletions.as_ref().is_some_and(|it| it.is_waiting()) && !self.is_stopped;
        if let Some(grown) = self.deletions.as_ref().and_then(|it| it.take_grown()) {
            return self.go_on(grown);
        }
        match self.paths.pop_front() {
            Some((path, size)) => self.open(path, size),
            // The bell is rung when one is settled.
            None if waits => Err(ReadError::NotReady),
            None => Err(ReadError::EndOfInput),
        }
    }

    /// Goes on looking for files, until all are found.
    fn search(&mut self, waits: &mut Waits) -> Result<(), ReadError> {
        let Some(search) = &mut self.search else { return Ok(()) };
        for _ in 0..NAMES_AT_ONCE {
            match search.step() {
                Searched::Found(path) => {
                    let size = self.progress.as_ref().map_or(0, |progress| {
                        let size = std::fs::metadata(&path).ok().filter(|it| it.is_file()).map_or(0, |it| it.len());
                        progress.expect(size);
                        size
                    });
                    self.paths.push_back((path, size));
                }
                Searched::Failed(text) => return Err(ReadError::SourceFailed(text)),
                Searched::Unmatched(_) if self.is_again => (),
                Searched::Unmatched(pattern) => {
                    let pattern = printable(&pattern);
                    self.logger.warn(&format!("no file is found by the pattern `{pattern}`"));
                }
                Searched::Nothing => (),
                Searched::Over => {
                    self.search = None;
                    return Ok(());
                }
            }
        }
        waits.again();
        Err(ReadError::NotReady)
    }

    /// Opens a file at its beginning.
    fn open(&mut self, path: PathBuf, size: u64) -> Result<Source, ReadError> {
        let progress = SourceProgress::new(self.progress.clone(), size);
        // Without waiting, for named pipes: those are waited for where the engine can end the wait.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        let descriptor = open(&path, flags, Mode::empty())
            .map_err(|err| ReadError::SourceFailed(fault::failed("open", path.display(), err)))?;
        self.logger.debug(&format!("Consuming from file '{}'", path.display()));
        self.source(path, descriptor, 0, true, progress)
    }

    /// Reads what a file has grown by.
    fn go_on(&self, grown: Grown) -> Result<Source, ReadError> {
        let Grown { path, descriptor, position, is_deleted } = grown;
        self.logger.debug(&format!("'{}' has grown, and is read on from byte {position}", path.display()));
        // Nobody knew of this when it was said how much there is.
        self.source(path, descriptor, position, !is_deleted, SourceProgress::new(None, 0))
    }

    fn source(
        &self,
        path: PathBuf,
        descriptor: OwnedFd,
        position: u64,
        deletes: bool,
        progress: SourceProgress,
    ) -> Result<Source, ReadError> {
        let metadata = metadata(&path, &descriptor);
        let name = path.display().to_string();
        let opened = self.scanner.open(&name);
        let opened = opened.map_err(|err| ReadError::SourceFailed(format!("read {name}: {err}")))?;
        let reader = SourceReader::new(descriptor, opened, name);
        let all = self.deletions.as_ref().filter(|_| deletes);
        let deletion = all.map(|all| Arc::new(Deletion::new(path, all)));
        let reader = reader.beginning_at(position);
        Ok(Source { reader, metadata, progress, deletion, is_broken: false })
    }
}

fn metadata(path: &Path, descriptor: &OwnedFd) -> Metadata {
    let mut metadata = Metadata::default();
    metadata.set("path", Value::text(path.as_os_str().as_bytes()));
    if let Ok(stat) = fstat(descriptor)
        && let Ok(time) = Timestamp::from_second(stat.st_mtime)
    {
        metadata.set("mod_time_unix", Value::Int(stat.st_mtime));
        metadata.set("mod_time", Value::text(time.to_string()));
    }
    metadata
}

impl Source {
    fn ack(&self, n_messages: u32) -> Ack {
        match &self.deletion {
            None => Ack::new(n_messages, |_| ()),
            Some(deletion) => {
                let deletion = Arc::clone(deletion);
                deletion.expect();
                Ack::new(n_messages, move |failures: Vec<Failure>| deletion.answered(failures.is_empty()))
            }
        }
    }

    /// Nothing more is read of the file; `is_whole`: all of it was.
    fn end(&mut self, is_whole: bool) {
        match self.deletion.take() {
            Some(deletion) if is_whole => deletion.is_whole(self.reader.descriptor(), self.reader.position()),
            Some(deletion) => deletion.answered(false),
            None => (),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, OpenOptions, Permissions},
        io::Write,
        os::unix::fs::PermissionsExt,
        time::{Duration, UNIX_EPOCH},
    };

    use wappa_message::Mark;

    use super::*;
    use crate::test::{Harness, TempDir};

    fn check(dir: &TempDir, body: &str, expected: &str) {
        let mut harness = Harness::default();
        let mut input = harness.input(&format!("file: {}", body.replace("DIR", &dir.path().display().to_string())));
        let read = harness.read_all(input.as_mut());
        assert_eq!(read.replace(&dir.path().display().to_string(), "DIR"), expected, "{body}");
    }

    #[test]
    fn reads_one_after_the_other() {
        let dir = TempDir::new();
        dir.write("a.txt", "a\nb");
        dir.write("b.txt", "");
        dir.write("sub/c.txt", b"c\n\xff\0\n");
        check(&dir, "{paths: ['DIR/**/*.txt', DIR/a.txt]}", "a\nb\nc\n\\xff\\x00\nend\n");
        check(&dir, "{paths: [DIR/*.txt], scanner: {to_the_end: {}}}", "a\\nb\n\"\"\nend\n");
        check(&dir, "{paths: ['DIR/*.nope']}", "end\n");
        check(&dir, "{paths: []}", "end\n");
    }

    #[test]
    fn a_source_that_fails_does_not_stop_the_others() {
        let dir = TempDir::new();
        dir.write("a.txt", "a\n0123456789\nb\n");
        dir.write("b.txt", "b\n");
        dir.write("d/x", "");
        check(
            &dir,
            "{paths: [DIR/missing.txt, DIR/d, DIR/a.txt, DIR/b.txt], scanner: {lines: {max_buffer_size: 5}}}",
            "source failed: open DIR/missing.txt: no such file or directory
source failed: read DIR/d: is a directory
a
source failed: read DIR/a.txt: at byte 2: a line is longer than 5 bytes: raise `max_buffer_size` of the scanner `lines`
b
end
",
        );
    }

    #[test]
    fn a_file_that_may_not_be_read() {
        let dir = TempDir::new();
        let path = dir.write("a.txt", "a\n");
        fs::set_permissions(&path, Permissions::from_mode(0o000)).expect("it is ours");
        // Whoever runs as root may read everything.
        let expected = match fs::File::open(&path) {
            Ok(_) => "a\nend\n",
            Err(_) => "source failed: open DIR/a.txt: permission denied\nend\n",
        };
        check(&dir, "{paths: [DIR/a.txt]}", expected);
    }

    #[test]
    fn codecs_of_old() {
        let dir = TempDir::new();
        dir.write("a.txt", "abcd\r\n");
        check(&dir, "{paths: [DIR/a.txt], codec: 'chunker:3'}", "abc\nd\\r\\n\nend\n");
        check(&dir, "{paths: [DIR/a.txt], codec: 'delim:c', scanner: {to_the_end: {}}}", "ab\nd\\r\\n\nend\n");
        check(&dir, "{paths: [DIR/a.txt], codec: all-bytes}", "abcd\\r\\n\nend\n");
        check(&dir, "{paths: [DIR/a.txt], max_buffer: 2}", "abcd\nend\n");
        let text = "at byte 0: a line is longer than 2 bytes: raise `max_buffer_size` of the scanner `lines`";
        let expected = format!("source failed: read DIR/a.txt: {text}\nend\n");
        check(&dir, "{paths: [DIR/a.txt], codec: lines, max_buffer: 2}", &expected);
    }

    #[test]
    fn metadata_of_the_file() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let path = dir.write("a.txt", "a\n");
        let time = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        fs::File::open(&path).and_then(|it| it.set_modified(time)).expect("it is ours");
        let mut input = harness.input(&format!("file: {{paths: [{path}]}}"));
        let (part, ack) = harness.read_part(input.as_mut()).expect("it has a line");
        ack.delivered();
        let metadata = part.messages()[0].metadata();
        assert_eq!(metadata.text("path"), path);
        assert_eq!(metadata.get("mod_time_unix"), Some(&Value::Int(1_700_000_000)));
        assert_eq!(metadata.text("mod_time"), "2023-11-14T22:13:20Z");
    }

    #[test]
    fn is_deleted_when_all_of_it_has_arrived() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        dir.write("1", "a\n".repeat(300));
        dir.write("2", "a\n");
        dir.write("3", "");
        dir.write("4", "a\n0123456789\n");
        let scanner = "scanner: {lines: {max_buffer_size: 5}}";
        let mut input = harness
            .input(&format!("file: {{paths: ['{}/*'], delete_on_finish: true, {scanner}}}", dir.path().display()));
        let (_, first) = harness.read_part(input.as_mut()).expect("messages");
        let (_, rest) = harness.read_part(input.as_mut()).expect("more messages");
        rest.delivered();
        let (_, second) = harness.read_part(input.as_mut()).expect("messages");
        assert!(dir.has("1"), "its first messages are not answered");
        first.delivered();
        assert!(!dir.has("1") && dir.has("2"));
        second.failed(Mark::new("no"));
        let read = harness.read_all(input.as_mut());
        assert!(read.starts_with("a\nsource failed: ") && read.ends_with("end\n"), "{read}");
        assert_eq!([2, 3, 4].map(|it| dir.has(&it.to_string())), [true, false, true]);
    }

    /// Reads a file that is to be deleted, and then the answer comes after `meanwhile`; what is read after that, what
    /// is in the file then, and what the log says.
    fn check_deletion(meanwhile: impl Fn(&TempDir), expected: &str) {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let path = dir.write("in", "a\nb\n");
        let mut input = harness.input(&format!("file: {{paths: [{path}], delete_on_finish: true}}"));
        let (_, ack) = harness.read_part(input.as_mut()).expect("messages");
        assert_eq!(harness.read(input.as_mut()), "not ready\n");
        assert!(input.is_exhausted());
        meanwhile(&dir);
        harness.log.take();
        ack.delivered();
        let read = harness.read_all(input.as_mut());
        let left = if dir.has("in") { dir.read("in") } else { "gone\n".to_string() };
        let log = harness.log.take().replace(&path, "IN");
        assert_eq!(format!("{read}--\n{left}--\n{log}"), expected);
    }

    #[test]
    fn only_what_was_read_is_deleted() {
        let append = |dir: &TempDir, text: &str| {
            let mut file = OpenOptions::new().append(true).open(dir.at("in")).expect("it is there");
            file.write_all(text.as_bytes()).expect("there is room");
        };
        let rename = |dir: &TempDir| fs::rename(dir.at("in"), dir.at("in.1")).expect("it is there");
        check_deletion(|_| (), "end\n--\ngone\n--\n");
        check_deletion(|dir| append(dir, "c\nd"), "c\nd\nend\n--\ngone\n--\n");
        check_deletion(
            |dir| {
                rename(dir);
                dir.write("in", "new\n");
            },
            "end\n--\nnew\n--\nWarn `IN` is not the file any more that was read: it is not deleted label= path=root.input\n",
        );
        check_deletion(rename, "end\n--\ngone\n--\nInfo `IN` is gone already: there is nothing to delete label= path=root.input\n");
        check_deletion(
            |dir| _ = dir.write("in", "x\n"),
            "end\n--\nx\n--\nWarn `IN` was changed while it was read: it is not deleted label= path=root.input\n",
        );
        check_deletion(
            |dir| {
                let file = OpenOptions::new().write(true).open(dir.at("in")).expect("it is there");
                file.set_modified(UNIX_EPOCH).expect("it is ours");
            },
            "end\n--\na\nb\n--\nWarn `IN` was changed while it was read: it is not deleted label= path=root.input\n",
        );
    }

    #[test]
    fn what_has_grown_when_the_stream_stops_stays() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let path = dir.write("in", "a\n");
        let mut input = harness.input(&format!("file: {{paths: [{path}], delete_on_finish: true}}"));
        let (_, ack) = harness.read_part(input.as_mut()).expect("messages");
        assert_eq!(harness.read(input.as_mut()), "not ready\n");
        dir.write("in", "a\nb\n");
        input.stop();
        ack.delivered();
        assert_eq!((harness.read_all(input.as_mut()).as_str(), dir.read("in").as_str()), ("end\n", "a\nb\n"));
    }

    #[test]
    fn a_stop_keeps_what_is_not_read() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        dir.write("1", "a\n".repeat(300));
        dir.write("2", "b\n");
        let mut input =
            harness.input(&format!("file: {{paths: ['{}/*'], delete_on_finish: true}}", dir.path().display()));
        assert_eq!(harness.read(input.as_mut()), "a\n".repeat(256));
        input.stop();
        assert_eq!(harness.read_all(input.as_mut()), "a\n".repeat(44) + "end\n");
        assert!(dir.has("1") && dir.has("2"));
    }

    #[test]
    fn a_named_pipe_is_waited_for() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let path = dir.at("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, Mode::from_raw_mode(0o600)).expect("a pipe can be made");
        let mut input = harness.input(&format!("file: {{paths: [{path}]}}"));
        assert_eq!(harness.read(input.as_mut()), "not ready\n");
        let mut writer = OpenOptions::new().write(true).open(&path).expect("there is a reader");
        assert_eq!(harness.read(input.as_mut()), "not ready\n");
        writer.write_all(b"a\n").expect("the pipe has room");
        assert_eq!(harness.read(input.as_mut()), "a\n");
        drop(writer);
        assert_eq!(harness.read(input.as_mut()), "end\n");
    }

    #[test]
    fn a_long_search_can_be_stopped() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        (0..NAMES_AT_ONCE * 2).for_each(|it| _ = dir.write(&format!("{it}.no"), ""));
        dir.write("z.txt", "z\n");
        let config = format!("file: {{paths: ['{}/*.*']}}", dir.path().display());
        let mut input = harness.input(&config);
        assert_eq!(harness.read(input.as_mut()), "not ready\n");
        assert_eq!(harness.read_all(input.as_mut()), "not ready\nz\nend\n");
        let mut input = harness.input(&config);
        assert_eq!(harness.read(input.as_mut()), "not ready\n");
        input.stop();
        assert_eq!(harness.read(input.as_mut()), "end\n");
    }

    #[test]
    fn a_pattern_that_finds_nothing_is_told() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        dir.write("a.txt", "a\n");
        let root = dir.path().display().to_string();
        let mut input = harness.input(&format!("file: {{paths: ['{root}/*.lgo', '{root}/*.txt', '{root}/a*']}}"));
        assert_eq!(harness.read_all(input.as_mut()), "a\nend\n");
        // A pattern that finds what another one has found has found something.
        let told = format!("Warn no file is found by the pattern `{root}/*.lgo` label= path=root.input\n");
        assert_eq!(harness.log.take(), told);
        assert!(input.restart());
        assert_eq!((harness.read_all(input.as_mut()), harness.log.take()), ("a\nend\n".to_string(), String::new()));
    }

    #[test]
    fn a_pattern_that_is_none() {
        let err = Harness::default().try_input("file: {paths: ['a[']}").err().map(|it| it.to_string());
        let text = "failed to init input <no label> path root.input: the pattern `a[` is not understood: a `[` without \
                    its `]`";
        assert_eq!(err.as_deref(), Some(text));
    }
}
