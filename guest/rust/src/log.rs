//! The log and the metrics of the stream.

use std::fmt::Arguments;

use crate::host;

/// How important a line of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// For following single steps.
    Trace,
    /// For finding mistakes.
    Debug,
    /// What an operator may want to know.
    Info,
    /// What an operator should look at.
    Warn,
    /// What went wrong.
    Error,
}

/// Writes one line to the log of the stream, where it stands under the processor's label and path.
///
/// The host bounds the length of a line, and the lines per second. [`info!`](crate::info) and its siblings take
/// formats.
pub fn log(level: Level, text: &str) {
    host::log(level, text);
}

/// Adds to the counter `wasm_guest_<name>` of this processor.
///
/// A name has ASCII letters, digits and underscores, at most 64 of them; the host stops a guest that uses another one.
/// The number of different names is bounded, so do not make them of data.
pub fn count(name: &str, delta: u64) {
    host::count(name, delta);
}

/// Writes a line that may have to be formatted first. Without arguments nothing is allocated.
#[doc(hidden)]
pub fn log_arguments(level: Level, arguments: Arguments<'_>) {
    match arguments.as_str() {
        Some(text) => log(level, text),
        None => log(level, &arguments.to_string()),
    }
}

/// Writes a formatted line to the log, at [`Level::Trace`].
#[macro_export]
macro_rules! trace {
    ($($format:tt)+) => { $crate::__private::log_arguments($crate::Level::Trace, ::core::format_args!($($format)+)) };
}

/// Writes a formatted line to the log, at [`Level::Debug`].
#[macro_export]
macro_rules! debug {
    ($($format:tt)+) => { $crate::__private::log_arguments($crate::Level::Debug, ::core::format_args!($($format)+)) };
}

/// Writes a formatted line to the log, at [`Level::Info`].
///
/// ```
/// wappa_guest::info!("{} lines so far", 3);
/// ```
#[macro_export]
macro_rules! info {
    ($($format:tt)+) => { $crate::__private::log_arguments($crate::Level::Info, ::core::format_args!($($format)+)) };
}

/// Writes a formatted line to the log, at [`Level::Warn`].
#[macro_export]
macro_rules! warn {
    ($($format:tt)+) => { $crate::__private::log_arguments($crate::Level::Warn, ::core::format_args!($($format)+)) };
}

/// Writes a formatted line to the log, at [`Level::Error`].
#[macro_export]
macro_rules! error {
    ($($format:tt)+) => { $crate::__private::log_arguments($crate::Level::Error, ::core::format_args!($($format)+)) };
}
