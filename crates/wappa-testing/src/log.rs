//! What streams log.

use std::{
    borrow::Cow,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use wappa_component::{Level, LogSink};

use crate::PATIENCE;

/// What was logged: a line each, of the level and the message, and of the field `access_log` where there is one.
#[derive(Debug)]
pub struct Log {
    least: Level,
    lines: Mutex<Vec<String>>,
}

impl Log {
    /// An empty one of lines of this level and worse.
    pub fn new(least: Level) -> Log {
        Log { least, lines: Mutex::default() }
    }

    /// The lines up to now.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same as one text.
    pub fn text(&self) -> String {
        self.lines().join("\n")
    }

    /// Whether a line has this.
    pub fn has(&self, text: &str) -> bool {
        self.lines().iter().any(|it| it.contains(text))
    }

    /// The first line that has this, once there is one.
    ///
    /// # Panics
    ///
    /// Where none comes.
    pub fn line_with(&self, text: &str) -> String {
        let began = Instant::now();
        loop {
            if let Some(line) = self.lines().into_iter().find(|it| it.contains(text)) {
                return line;
            }
            assert!(began.elapsed() < PATIENCE, "{text}: never said, but\n{}", self.text());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// What follows this in the first line that has it, once there is one.
    ///
    /// # Panics
    ///
    /// Where none comes.
    pub fn behind(&self, text: &str) -> String {
        let line = self.line_with(text);
        line.split_once(text).map(|it| it.1.to_string()).unwrap_or_default()
    }
}

impl LogSink for Log {
    fn enabled(&self, level: Level) -> bool {
        level <= self.least
    }

    fn write(&self, level: Level, message: &str, fields: &[(&str, Cow<'_, str>)]) {
        let access = fields.iter().find(|it| it.0 == "access_log").map(|it| format!(" {}", it.1));
        let line = format!("{level:?} {message}{}", access.unwrap_or_default());
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}
