//! Levels of log lines, which every tier has.

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The guest said so.
    Trace,
    /// The guest said so.
    Debug,
    /// A line on standard output, or the guest said so.
    Info,
    /// A line on standard error, or a note about lines that were dropped, or the guest said so.
    Warn,
    /// A mistake of the guest that fails no message, or the guest said so.
    Error,
}

impl Level {
    /// The level by its number in guest interface v1.
    pub(crate) fn from_number(number: u32) -> Option<Level> {
        let all = [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error];
        all.get(number as usize).copied()
    }
}
