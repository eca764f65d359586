//! What a guest writes to standard output, standard error and the log: lines, bounded in length and rate; and what it
//! counts.
//!
//! A line goes to the host's log as soon as its newline is there. A text without a newline is cut into lines of the
//! bound; what is left over is logged when the instance ends. The rate counts for all instances of a guest together,
//! because a guest that traps gets a new instance with every message.
//!
//! A call that may be run again holds its lines and counts back until it has succeeded.

use std::{
    collections::BTreeMap,
    fmt, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use wappa_component::{LineRate, counted};
use wappa_spec::is_printable;
use wasmtime_wasi::{
    async_trait,
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult},
};

use crate::{
    host::explanation::Explanation, host::metrics::GuestMetrics, host::waiting::look, interface::Level,
};

/// The longest line; what comes after it is a line of its own.
pub const LOG_LINE_BYTES_MAX: usize = 4 << 10;

/// So much of one text is looked at: more lines than that are over every rate, and cutting them up takes time.
const TEXT_BYTES_MAX: usize = 256 << 10;

/// So much is written to a stream at once; before there is more, the time is looked at.
const PIECE_BYTES: usize = 64 << 10;

/// Where a guest's lines go. Called on the guest's thread, between its instructions: it should not wait.
pub trait GuestLog: Send + Sync {
    /// Whether a line of this level would be written. One that would not does not count for the rate.
    fn is_enabled(&self, level: Level) -> bool {
        let _ = level;
        true
    }

    /// One line, without its newline and without control characters other than tabs.
    fn log(&self, level: Level, text: &str);
}

/// Who has a line to log. Each has a rate of its own, so that a guest that floods the log hides nothing that the host says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Author {
    Guest,
    Host,
}

/// Writes to the log within the rate.
pub(crate) struct RatedLog {
    log: Option<Arc<dyn GuestLog>>,
    of_guest: LineRate,
    of_host: LineRate,
}

impl fmt::Debug for RatedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RatedLog").field("of_guest", &self.of_guest).finish_non_exhaustive()
    }
}

impl RatedLog {
    pub(crate) fn new(log: Option<Arc<dyn GuestLog>>, lines_per_second: u32) -> RatedLog {
        let rate = || LineRate::new(lines_per_second);
        RatedLog { log, of_guest: rate(), of_host: rate() }
    }

    pub(crate) fn log(&self, author: Author, level: Level, text: &str) {
        self.log_made(author, level, || text);
    }

    /// The same with a text that is made only if it is written.
    fn log_made<T: AsRef<str>>(&self, author: Author, level: Level, text: impl FnOnce() -> T) {
        let Some(log) = self.log.as_ref().filter(|it| it.is_enabled(level)) else { return };
        let admitted = self.rate_of(author).admit();
        say_dropped(log.as_ref(), author, admitted.dropped);
        if admitted.may_write {
            log.log(level, text().as_ref());
        }
    }

    fn is_enabled(&self, level: Level) -> bool {
        self.log.as_ref().is_some_and(|it| it.is_enabled(level))
    }

    /// Counts a line of the guest that is not even looked at.
    fn drop_line(&self) {
        self.of_guest.drop_line();
    }

    fn rate_of(&self, author: Author) -> &LineRate {
        match author {
            Author::Guest => &self.of_guest,
            Author::Host => &self.of_host,
        }
    }
}

impl Drop for RatedLog {
    fn drop(&mut self) {
        if let Some(log) = &self.log {
            for author in [Author::Guest, Author::Host] {
                say_dropped(log.as_ref(), author, self.rate_of(author).take_dropped());
            }
        }
    }
}

fn say_dropped(log: &dyn GuestLog, author: Author, dropped: u64) {
    if 0 < dropped {
        let lines = counted(dropped, "line", "lines");
        let of = if author == Author::Guest { "of" } else { "about" };
        log.log(Level::Warn, &format!("{lines} {of} the guest dropped: over the rate of its log"));
    }
}

/// Everything that one instance says.
pub(crate) struct Output {
    log: Arc<RatedLog>,
    metrics: Option<Arc<dyn GuestMetrics>>,
    /// Whether anything was written since it was last asked; only the guest's own thread looks.
    wrote: AtomicBool,
    lines: Mutex<Lines>,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Lines {
    out: Vec<u8>,
    err: Vec<u8>,
    explanation: Explanation,
    /// What is held back; `None`: nothing is.
    held: Option<Held>,
}

/// The most that is held back of one call, in bytes; what is more is dropped, and that is said.
const HELD_BYTES_MAX: usize = 1 << 20;

#[derive(Default)]
struct Held {
    lines: Vec<(Author, Level, String)>,
    counts: BTreeMap<String, u64>,
    bytes: usize,
    dropped: u64,
    /// What had no newline yet when holding began, of standard output and of standard error.
    unfinished: (Vec<u8>, Vec<u8>),
}

impl Held {
    /// Whether there is room for so many bytes.
    fn takes(&mut self, bytes: usize) -> bool {
        // An entry has a price of its own.
        let fits = self.bytes + bytes + 64 <= HELD_BYTES_MAX;
        if fits {
            self.bytes += bytes + 64;
        }
        fits
    }
}

impl Output {
    pub(crate) fn new(log: Arc<RatedLog>, metrics: Option<Arc<dyn GuestMetrics>>) -> Arc<Output> {
        Arc::new(Output { log, metrics, wrote: AtomicBool::new(false), lines: Mutex::new(Lines::default()) })
    }

    /// Logs one line of the host about the guest.
    pub(crate) fn log(&self, level: Level, text: &str) {
        self.say(&mut lock(&self.lines), Author::Host, level, text);
    }

    /// Logs a text of the guest, line by line. What it says of errors explains a trap that follows.
    pub(crate) fn log_text(&self, level: Level, text: &[u8]) {
        self.wrote.store(true, Ordering::Relaxed);
        let mut lines = lock(&self.lines);
        let (text, rest) = text.split_at(text.len().min(TEXT_BYTES_MAX));
        for line in text.split(|it| *it == b'\n').flat_map(|it| it.chunks(LOG_LINE_BYTES_MAX)) {
            let line = printable(line);
            if line.trim().is_empty() {
                continue;
            }
            self.say(&mut lines, Author::Guest, level, &line);
            if level == Level::Error {
                lines.explanation.take(&line);
            }
        }
        if !rest.is_empty() && self.log.is_enabled(level) {
            match &mut lines.held {
                Some(held) => held.dropped += 1,
                None => self.log.drop_line(),
            }
        }
    }

    /// Adds to a counter.
    pub(crate) fn count(&self, name: &str, delta: u64) {
        let Some(metrics) = &self.metrics else { return };
        let mut lines = lock(&self.lines);
        let Some(held) = &mut lines.held else { return metrics.count(name, delta) };
        if let Some(sum) = held.counts.get_mut(name) {
            *sum = sum.saturating_add(delta);
        } else if held.takes(name.len()) {
            held.counts.insert(name.to_string(), delta);
        } else {
            held.dropped += 1;
        }
    }

    /// Holds lines and counts back from now on.
    pub(crate) fn hold(&self) {
        let mut lines = lock(&self.lines);
        let unfinished = (lines.out.clone(), lines.err.clone());
        lines.held = Some(Held { unfinished, ..Held::default() });
    }

    /// What was held back goes on, or is forgotten; nothing is held back any more.
    pub(crate) fn release(&self, keep: bool) {
        let mut lines = lock(&self.lines);
        let Some(held) = lines.held.take() else { return };
        if !keep {
            (lines.out, lines.err) = held.unfinished;
            return;
        }
        for (author, level, line) in &held.lines {
            self.log.log(*author, *level, line);
        }
        if let Some(metrics) = &self.metrics {
            held.counts.iter().for_each(|(name, delta)| metrics.count(name, *delta));
        }
        if 0 < held.dropped {
            let text = format!("{} lines or counts of the guest dropped: too many in one call", held.dropped);
            self.log.log(Author::Host, Level::Warn, &text);
        }
    }

    fn say(&self, lines: &mut Lines, author: Author, level: Level, text: &str) {
        let Some(held) = &mut lines.held else { return self.log.log(author, level, text) };
        if !self.log.is_enabled(level) {
            return;
        }
        if held.takes(text.len()) {
            held.lines.push((author, level, text.to_string()));
        } else {
            held.dropped += 1;
        }
    }

    /// A new message begins: lines before it do not explain its failure, one that is not finished included.
    #[inline]
    pub(crate) fn begin(&self) {
        if self.wrote.load(Ordering::Relaxed) {
            self.wrote.store(false, Ordering::Relaxed);
            self.end_message();
        }
    }

    #[cold]
    fn end_message(&self) {
        let mut lines = lock(&self.lines);
        let unfinished = printable(&mem::take(&mut lines.err));
        if !unfinished.trim().is_empty() {
            self.say(&mut lines, Author::Guest, Level::Warn, &unfinished);
        }
        lines.explanation = Explanation::default();
    }

    /// What the guest wrote to standard error since the message began that says best why it failed, finished or not.
    pub(crate) fn last_err(&self) -> Option<String> {
        if !self.wrote.load(Ordering::Relaxed) {
            return None;
        }
        let mut lines = lock(&self.lines);
        let partial = printable(&lines.err);
        lines.explanation.take(&partial);
        lines.explanation.text()
    }

    fn write(&self, stderr: bool, bytes: &[u8]) {
        self.wrote.store(true, Ordering::Relaxed);
        let mut lines = lock(&self.lines);
        let level = if stderr { Level::Warn } else { Level::Info };
        // Taken out, so that the log can be written to meanwhile.
        let mut buffer = mem::take(if stderr { &mut lines.err } else { &mut lines.out });
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = LOG_LINE_BYTES_MAX - buffer.len();
            let window = &rest[..rest.len().min(room)];
            let newline = window.iter().position(|it| *it == b'\n');
            buffer.extend_from_slice(&window[..newline.unwrap_or(window.len())]);
            rest = &rest[newline.map_or(window.len(), |at| at + 1)..];
            if newline.is_some() || buffer.len() == LOG_LINE_BYTES_MAX {
                self.write_line(&mut lines, level, stderr, &buffer);
                buffer.clear();
            }
        }
        *(if stderr { &mut lines.err } else { &mut lines.out }) = buffer;
    }

    /// Logs a whole line. Of a flood no text is made that nobody reads.
    fn write_line(&self, lines: &mut Lines, level: Level, stderr: bool, line: &[u8]) {
        if String::from_utf8_lossy(line).trim().is_empty() {
            return;
        }
        if !stderr && lines.held.is_none() {
            return self.log.log_made(Author::Guest, level, || printable(line));
        }
        let text = printable(line);
        self.say(lines, Author::Guest, level, &text);
        if stderr {
            lines.explanation.take(&text);
        }
    }

    /// The instance ends: what has no newline is a line now.
    pub(crate) fn finish(&self) {
        self.release(true);
        let mut lines = lock(&self.lines);
        for (buffer, level) in
            [(mem::take(&mut lines.out), Level::Info), (mem::take(&mut lines.err), Level::Warn)]
        {
            let text = printable(&buffer);
            if !text.trim().is_empty() {
                self.log.log(Author::Guest, level, &text);
            }
        }
    }
}

/// Control characters would let a guest write to the terminal of whoever reads the log.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_suffix('\r').unwrap_or(&text);
    text.chars().map(|c| if !is_printable(c) && c != '\t' { '\u{fffd}' } else { c }).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One of the two streams, as WASI wants it.
#[derive(Debug)]
pub(crate) struct Stream {
    output: Arc<Output>,
    stderr: bool,
    /// What was written since the time was last looked at, in bytes.
    unseen: usize,
}

impl Stream {
    pub(crate) fn new(output: &Arc<Output>, stderr: bool) -> Stream {
        Stream { output: Arc::clone(output), stderr, unseen: 0 }
    }
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    // Preview 1 writes through `p2_stream` alone; this one has no other caller here.
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        StdoutStream::async_stream(&std::io::empty())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Stream::new(&self.output, self.stderr))
    }
}

#[async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {
        if PIECE_BYTES <= self.unseen {
            self.unseen = 0;
            look().await;
        }
    }
}

#[async_trait]
impl OutputStream for Stream {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.unseen += bytes.len();
        self.output.write(self.stderr, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PIECE_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes what matters at least as much as a warning.
    #[derive(Default)]
    struct Warnings(Mutex<Vec<String>>);

    impl GuestLog for Warnings {
        fn is_enabled(&self, level: Level) -> bool {
            matches!(level, Level::Warn | Level::Error)
        }

        fn log(&self, _: Level, text: &str) {
            lock(&self.0).push(text.to_string());
        }
    }

    #[test]
    fn lines_below_the_level_do_not_count() {
        let log = Arc::new(Warnings::default());
        let to_log: Arc<dyn GuestLog> = log.clone();
        let output = Output::new(Arc::new(RatedLog::new(Some(to_log), 3)), None);
        for number in 0..1000 {
            output.log_text(Level::Debug, b"not seen");
            output.write(false, b"nor this\n");
            if number % 500 == 0 {
                output.log_text(Level::Warn, b"seen");
            }
        }
        output.hold();
        (0..HELD_BYTES_MAX / 64).for_each(|_| output.log_text(Level::Info, b"not even held"));
        output.log_text(Level::Error, b"held");
        output.release(true);
        drop(output);
        assert_eq!(*lock(&log.0), ["seen", "seen", "held"]);
    }

    #[test]
    fn a_text_without_a_newline_is_cut_into_lines() {
        let log = Arc::new(Warnings::default());
        let to_log: Arc<dyn GuestLog> = log.clone();
        let output = Output::new(Arc::new(RatedLog::new(Some(to_log), u32::MAX)), None);
        output.write(true, &[b'x'; 3 * LOG_LINE_BYTES_MAX]);
        output.log_text(Level::Warn, &[b'x'; LOG_LINE_BYTES_MAX + 1]);
        let lengths: Vec<usize> = lock(&log.0).iter().map(String::len).collect();
        assert_eq!(
            lengths,
            [LOG_LINE_BYTES_MAX, LOG_LINE_BYTES_MAX, LOG_LINE_BYTES_MAX, LOG_LINE_BYTES_MAX, 1]
        );
    }

    #[test]
    fn what_is_held_back_is_bounded() {
        let log = Arc::new(Warnings::default());
        let to_log: Arc<dyn GuestLog> = log.clone();
        let output = Output::new(Arc::new(RatedLog::new(Some(to_log), u32::MAX)), None);
        output.hold();
        (0..2000).for_each(|_| output.log_text(Level::Warn, &[b'x'; 1000]));
        output.release(true);
        let lines = lock(&log.0);
        let held = HELD_BYTES_MAX / (1000 + 64);
        assert_eq!(lines.len(), held + 1);
        let dropped = format!("{} lines or counts of the guest dropped: too many in one call", 2000 - held);
        assert_eq!(lines.last(), Some(&dropped));
    }

    #[test]
    fn a_guest_that_floods_the_log_hides_nothing_of_the_host() {
        let log = Arc::new(Warnings::default());
        let to_log: Arc<dyn GuestLog> = log.clone();
        let output = Output::new(Arc::new(RatedLog::new(Some(to_log), 2)), None);
        (0..1000).for_each(|_| output.write(true, b"flood\n"));
        output.log(Level::Warn, "a file is not opened");
        output.hold();
        (0..1000).for_each(|_| output.log_text(Level::Warn, b"flood"));
        output.log(Level::Warn, "another file is not opened");
        output.release(true);
        (0..5).for_each(|_| output.log(Level::Error, "one too many"));
        drop(output);
        assert_eq!(
            *lock(&log.0),
            [
                "flood",
                "flood",
                "a file is not opened",
                "another file is not opened",
                "1998 lines of the guest dropped: over the rate of its log",
                "5 lines about the guest dropped: over the rate of its log"
            ]
        );
    }

    #[test]
    fn a_line_that_is_not_finished_belongs_to_its_message() {
        let log = Arc::new(Warnings::default());
        let to_log: Arc<dyn GuestLog> = log.clone();
        let output = Output::new(Arc::new(RatedLog::new(Some(to_log), 100)), None);
        output.begin();
        output.write(true, b"of the first");
        assert_eq!(output.last_err().as_deref(), Some("of the first"));
        output.begin();
        assert_eq!(output.last_err(), None);
        output.write(true, b"of the second");
        assert_eq!(output.last_err().as_deref(), Some("of the second"));
        output.finish();
        assert_eq!(*lock(&log.0), ["of the first", "of the second"]);
    }
}
