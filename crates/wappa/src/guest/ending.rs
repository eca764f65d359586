//! What became of one message that was given to a guest by hand, for whoever shows it.

use wappa_message::{Mark, Message};
use wappa_wasm::{CallError, Outcome};

/// What became of one message.
pub(super) struct Ending {
    pub(super) kind: Kind,
    /// What goes on in its place.
    pub(super) messages: Vec<Message>,
    /// Why it failed; the last message is marked with it.
    pub(super) failed: Option<CallError>,
    /// Where the guest was when it failed, innermost first, each with its place in the source where that is known;
    /// empty until somebody asked for it.
    pub(super) stack: Vec<String>,
}

/// What became of one message, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It goes on, changed or not.
    Kept,
    /// Others go on in its place.
    Sent,
    /// Nothing goes on.
    Filtered,
    /// It goes on with a mark.
    Failed,
}

impl Kind {
    pub(super) const ALL: [Kind; 4] = [Kind::Kept, Kind::Sent, Kind::Filtered, Kind::Failed];

    pub(super) fn word(self) -> &'static str {
        match self {
            Kind::Kept => "kept",
            Kind::Sent => "sent",
            Kind::Filtered => "filtered",
            Kind::Failed => "failed",
        }
    }
}

impl From<Outcome> for Ending {
    fn from(outcome: Outcome) -> Ending {
        let (mut messages, failed, kind) = match outcome {
            Outcome::Kept(message, failed) => (vec![message], failed, Kind::Kept),
            Outcome::Sent(messages, failed) if messages.is_empty() => (messages, failed, Kind::Filtered),
            Outcome::Sent(messages, failed) => (messages, failed, Kind::Sent),
        };
        if let (Some(err), Some(last)) = (&failed, messages.last_mut()) {
            last.set_error(Mark::new(err.mark_text()));
        }
        let kind = if failed.is_some() { Kind::Failed } else { kind };
        Ending { kind, messages, failed, stack: Vec::new() }
    }
}
