//! What became of one message that was given to a guest by hand, for whoever shows it.

use wappa_message::{Mark, Message};
use wappa_wasm::{CallError, Outcome};

/// What became of one message.
pub(crate) struct Ending {
    pub(crate) kind: Kind,
    /// What goes on in its place.
    pub(crate) messages: Vec<Message>,
    /// Why it failed, as it is marked.
    pub(crate) reason: Option<String>,
    /// How a guest failed; the last message is marked with it.
    pub(crate) failed: Option<CallError>,
    /// Where the guest was when it failed, innermost first, each with its place in the source where that is known;
    /// empty until somebody asked for it.
    pub(crate) stack: Vec<String>,
}

/// What became of one message, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
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
    pub(crate) const ALL: [Kind; 4] = [Kind::Kept, Kind::Sent, Kind::Filtered, Kind::Failed];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Kind::Kept => "kept",
            Kind::Sent => "sent",
            Kind::Filtered => "filtered",
            Kind::Failed => "failed",
        }
    }
}

impl Ending {
    /// What became of a message in a processor, of which these came.
    pub(crate) fn of_messages(messages: Vec<Message>) -> Ending {
        let reason = messages.iter().rev().find_map(|it| it.error().map(|mark| mark.as_str().to_string()));
        let kind = match (messages.len(), &reason) {
            (_, Some(_)) => Kind::Failed,
            (0, None) => Kind::Filtered,
            (1, None) => Kind::Kept,
            (_, None) => Kind::Sent,
        };
        Ending { kind, messages, reason, failed: None, stack: Vec::new() }
    }
}

impl From<Outcome> for Ending {
    fn from(outcome: Outcome) -> Ending {
        let (mut messages, failed, kind) = match outcome {
            Outcome::Kept(message, failed) => (vec![message], failed, Kind::Kept),
            Outcome::Sent(messages, failed) if messages.is_empty() => (messages, failed, Kind::Filtered),
            Outcome::Sent(messages, failed) => (messages, failed, Kind::Sent),
        };
        let reason = failed.as_ref().map(|it| it.mark_text());
        if let (Some(err), Some(last)) = (&failed, messages.last_mut()) {
            last.set_error(Mark::new(err.mark_text()));
        }
        let kind = if failed.is_some() { Kind::Failed } else { kind };
        Ending { kind, messages, reason, failed, stack: Vec::new() }
    }
}
