//! The log, as a component sees it.

use std::{borrow::Cow, fmt, sync::Arc};

use crate::{LINES_PER_SECOND, LineRate};

/// How much a line matters. Ordered: what matters most is smallest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The process ends.
    Fatal,
    /// Something was lost or given up.
    Error,
    /// Something is not as it should be.
    Warn,
    /// Start, stop, and what an operator wants to know.
    Info,
    /// Failures of single messages, for whoever builds a stream.
    Debug,
    /// Everything.
    Trace,
}

/// Where log lines go. Implemented by the program.
pub trait LogSink: Send + Sync {
    /// Whether a line of this level would be written.
    fn enabled(&self, level: Level) -> bool;

    /// Writes one line. Fields come in any order.
    fn write(&self, level: Level, message: &str, fields: &[(&str, Cow<'_, str>)]);
}

/// Writes lines with the label and path of one component. Cloning is cheap.
#[derive(Clone)]
pub struct Logger {
    sink: Arc<dyn LogSink>,
    component: Option<Arc<Of>>,
}

/// The component that lines are of.
struct Of {
    label: String,
    path: String,
    /// How many of its messages' failures are told.
    failures: LineRate,
    sink: Arc<dyn LogSink>,
}

/// Adds the name of a stream to all lines.
struct OfStream {
    stream: String,
    sink: Arc<dyn LogSink>,
}

impl LogSink for OfStream {
    fn enabled(&self, level: Level) -> bool {
        self.sink.enabled(level)
    }

    fn write(&self, level: Level, message: &str, fields: &[(&str, Cow<'_, str>)]) {
        let mut all: Vec<(&str, Cow<'_, str>)> = Vec::with_capacity(fields.len() + 1);
        all.extend(fields.iter().cloned());
        all.push(("stream", Cow::Borrowed(&self.stream)));
        self.sink.write(level, message, &all);
    }
}

impl Of {
    fn write(&self, level: Level, message: &str, fields: &[(&str, Cow<'_, str>)]) {
        let mut all: Vec<(&str, Cow<'_, str>)> = Vec::with_capacity(fields.len() + 2);
        all.extend(fields.iter().cloned());
        all.push(("label", Cow::Borrowed(&self.label)));
        all.push(("path", Cow::Borrowed(&self.path)));
        self.sink.write(level, message, &all);
    }

    fn say_dropped(&self, dropped: u64) {
        if 0 < dropped && self.sink.enabled(Level::Warn) {
            let s = if dropped == 1 { "" } else { "s" };
            let text = format!("{dropped} failure{s} not logged: over {LINES_PER_SECOND} a second");
            self.write(Level::Warn, &text, &[]);
        }
    }
}

impl Drop for Of {
    fn drop(&mut self) {
        self.say_dropped(self.failures.take_dropped());
    }
}

impl Logger {
    /// A logger of the program itself: lines without label and path.
    pub fn new(sink: Arc<dyn LogSink>) -> Logger {
        Logger { sink, component: None }
    }

    /// A logger that writes nothing.
    pub fn silent() -> Logger {
        struct Silent;
        impl LogSink for Silent {
            fn enabled(&self, _: Level) -> bool {
                false
            }
            fn write(&self, _: Level, _: &str, _: &[(&str, Cow<'_, str>)]) {}
        }
        Logger::new(Arc::new(Silent))
    }

    /// A logger of a stream among several: its lines, and those of its components, say which it is.
    pub fn for_stream(&self, stream: &str) -> Logger {
        Logger::new(Arc::new(OfStream { stream: stream.to_string(), sink: Arc::clone(&self.sink) }))
    }

    /// A logger for the component with this label (empty if it has none) and path.
    pub fn for_component(&self, label: &str, path: &str) -> Logger {
        let of = Of {
            label: label.to_string(),
            path: path.to_string(),
            failures: LineRate::new(LINES_PER_SECOND),
            sink: Arc::clone(&self.sink),
        };
        Logger { sink: Arc::clone(&self.sink), component: Some(Arc::new(of)) }
    }

    /// Whether a line of this level would be written.
    pub fn enabled(&self, level: Level) -> bool {
        self.sink.enabled(level)
    }

    /// Writes one line with more fields beside those of the component.
    pub fn log_with(&self, level: Level, message: &str, fields: &[(&str, Cow<'_, str>)]) {
        if !self.enabled(level) {
            return;
        }
        match &self.component {
            Some(component) => component.write(level, message, fields),
            None => self.sink.write(level, message, fields),
        }
    }

    /// Writes one line.
    pub fn log(&self, level: Level, message: &str) {
        self.log_with(level, message, &[]);
    }

    /// Something went wrong with a message: an error, as [`Logger::error`], of which a component writes no more than
    /// [`LINES_PER_SECOND`], since it may happen to every message. How many there were more is told.
    pub fn failed(&self, message: &str) {
        self.seldom(Level::Error, message);
    }

    /// The same for what is no failure, and may be said of every message.
    pub fn seldom(&self, level: Level, message: &str) {
        self.seldom_with(level, message, &[]);
    }

    /// The same, with more fields beside those of the component.
    pub fn seldom_with(&self, level: Level, message: &str, fields: &[(&str, Cow<'_, str>)]) {
        let Some(component) = &self.component else { return self.log_with(level, message, fields) };
        if !self.enabled(level) {
            return;
        }
        let admitted = component.failures.admit();
        component.say_dropped(admitted.dropped);
        if admitted.may_write {
            component.write(level, message, fields);
        }
    }

    /// Something was lost or given up.
    pub fn error(&self, message: &str) {
        self.log(Level::Error, message);
    }

    /// Something is not as it should be.
    pub fn warn(&self, message: &str) {
        self.log(Level::Warn, message);
    }

    /// What an operator wants to know.
    pub fn info(&self, message: &str) {
        self.log(Level::Info, message);
    }

    /// For whoever builds a stream.
    pub fn debug(&self, message: &str) {
        self.log(Level::Debug, message);
    }

    /// Everything.
    pub fn trace(&self, message: &str) {
        self.log(Level::Trace, message);
    }
}

impl fmt::Debug for Logger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = self.component.as_deref().map(|it| (&it.label, &it.path));
        f.debug_tuple("Logger").field(&of).finish()
    }
}
