//! What can go wrong: with a module or a guest before the first message, and with one message afterwards.

use std::{borrow::Cow, fmt, io};

use rustix::io::Errno;
use wappa_component::cause_of_start;
use wappa_message::Message;
use wasmtime::{ThrownException, Trap};

use crate::{
    compile::frames::Frame,
    file::text::{into_one_line, one_line},
};

/// What a message failed of. The names are part of the mark and do not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The guest trapped.
    Trap,
    /// The message took longer than `timeout`.
    Timeout,
    /// The guest trapped in a message during which a growth of its memory was refused.
    Memory,
    /// The message became larger than `output_limit`.
    Output,
    /// The guest called `proc_exit`.
    Exit,
    /// A host function could not do what it was asked for.
    HostCall,
    /// There was no instance and none could be made.
    Instance,
    /// The guest said so.
    Fail,
    /// The host is shutting down. The message is neither marked nor sent.
    Interrupted,
}

impl Kind {
    /// Of what messages fail.
    pub(crate) const OF_MESSAGES: [Kind; 8] = [
        Kind::Trap,
        Kind::Timeout,
        Kind::Memory,
        Kind::Output,
        Kind::Exit,
        Kind::HostCall,
        Kind::Instance,
        Kind::Fail,
    ];

    /// The word for it in marks and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Trap => "trap",
            Kind::Timeout => "timeout",
            Kind::Memory => "memory",
            Kind::Output => "output",
            Kind::Exit => "exit",
            Kind::HostCall => "host call",
            Kind::Instance => "instance",
            Kind::Fail => "fail",
            Kind::Interrupted => "interrupted",
        }
    }
}

/// Why one message failed.
///
/// After [`Kind::HostCall`] from a call that went to its end ([`CallError::changes_kept`]), the message carries what
/// the guest changed; after everything else it is exactly as it came in.
#[derive(Debug)]
pub struct CallError(Box<Inner>);

/// So much of a reason is kept of each message, whatever else its part holds.
const SHORT_REASON_BYTES: usize = 200;

#[derive(Debug)]
struct Inner {
    kind: Kind,
    reason: String,
    frames: Vec<Frame>,
    changes_kept: bool,
    sent: Vec<Message>,
}

impl CallError {
    pub(crate) fn new(kind: Kind, reason: impl Into<String>) -> CallError {
        CallError(Box::new(Inner {
            kind,
            reason: into_one_line(reason.into()),
            frames: Vec::new(),
            changes_kept: false,
            sent: Vec::new(),
        }))
    }

    pub(crate) fn with_frames(mut self, frames: Vec<Frame>) -> CallError {
        self.0.frames = frames;
        self
    }

    pub(crate) fn take_frames(&mut self) -> Vec<Frame> {
        std::mem::take(&mut self.0.frames)
    }

    pub(crate) fn keeping_changes(mut self) -> CallError {
        self.0.changes_kept = true;
        self
    }

    pub(crate) fn with_sent(mut self, sent: Vec<Message>) -> CallError {
        self.0.sent = sent;
        self
    }

    /// What the guest sent before the message that failed, from [`Instance::call`](crate::Instance::call): these go on
    /// before it. There are some only where the changes are kept.
    pub fn take_sent(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.0.sent)
    }

    /// What it failed of.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Why, in one line, without the kind.
    pub fn reason(&self) -> &str {
        &self.0.reason
    }

    /// The guest's call stack, innermost first; empty where there is none to tell of.
    pub fn frames(&self) -> &[Frame] {
        &self.0.frames
    }

    /// The same as text, a line for each frame, made when it is asked for. It is bounded: 20 frames, each with no more
    /// than 300 bytes of a name.
    pub fn backtrace(&self) -> Option<String> {
        crate::compile::frames::text(&self.0.frames)
    }

    /// Whether the message carries what the guest changed before and after the failure.
    pub fn changes_kept(&self) -> bool {
        self.0.changes_kept
    }

    /// What is kept of it while its message is on its way, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.0.reason.len() + self.0.frames.iter().map(Frame::bytes).sum::<usize>()
    }

    /// Keeps no more than the beginning of the reason.
    #[cold]
    pub(crate) fn shorten(&mut self) {
        self.0.frames = Vec::new();
        if SHORT_REASON_BYTES < self.0.reason.len() {
            let end = self.0.reason.floor_char_boundary(SHORT_REASON_BYTES);
            self.0.reason = format!("{}…", &self.0.reason[..end]);
        }
    }

    /// The text for the message's mark, one line: `trap: unreachable`.
    pub fn mark_text(&self) -> String {
        [self.0.kind.as_str(), ": ", &self.0.reason].concat()
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.kind.as_str(), self.0.reason)
    }
}

impl std::error::Error for CallError {}

/// Why the host ends a guest: travels through the guest's frames as an error that no guest can catch.
#[derive(Debug)]
pub(crate) enum Stop {
    Timeout,
    Interrupted,
    Exit(u32),
    Output(String),
    HostCall(Cow<'static, str>),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::Timeout => f.write_str("over the deadline"),
            Stop::Interrupted => f.write_str("interrupted by shutdown"),
            Stop::Exit(code) => write!(f, "the guest exited with code {code}"),
            Stop::Output(text) => f.write_str(text),
            Stop::HostCall(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Stop {}

/// Whether the error must end the whole call, as against one that a host function reports and survives.
pub(crate) fn is_stop(error: &wasmtime::Error) -> bool {
    error.downcast_ref::<Stop>().is_some()
}

/// Whether the guest ended where nothing expects it to, so that nobody knows its state.
pub(crate) fn is_trap(error: &wasmtime::Error) -> bool {
    error.is::<Trap>() || error.is::<ThrownException>()
}

/// The reason for an error out of guest code that is not a [`Stop`], one line.
pub(crate) fn trap_reason(error: &wasmtime::Error) -> String {
    match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => "unreachable".into(),
        Some(Trap::IntegerDivisionByZero) => "integer divide by zero".into(),
        Some(Trap::IntegerOverflow) => "integer overflow".into(),
        Some(Trap::BadConversionToInteger) => "invalid conversion to integer".into(),
        Some(Trap::MemoryOutOfBounds) => "out of bounds memory access".into(),
        Some(Trap::HeapMisaligned) => "misaligned memory access".into(),
        Some(Trap::TableOutOfBounds) => "out of bounds table access".into(),
        Some(Trap::IndirectCallToNull) => "indirect call to a null table element".into(),
        Some(Trap::BadSignature) => "indirect call of a function with another type".into(),
        Some(Trap::StackOverflow) => "stack overflow".into(),
        Some(Trap::NullReference) => "null reference".into(),
        Some(Trap::CastFailure) => "cast of an object to another type".into(),
        Some(Trap::ArrayOutOfBounds) => "out of bounds array access".into(),
        Some(Trap::AllocationTooLarge) => "an object that is too large for any heap".into(),
        Some(other) => one_line(&other.to_string()),
        None if error.is::<ThrownException>() => "an exception that the guest did not catch".into(),
        None => one_line(&error.root_cause().to_string()),
    }
}

/// What the machine refused the host, which is no failure of the guest; one line with the limit that is in the way.
pub(crate) fn refusal_of_machine(error: &wasmtime::Error) -> Option<String> {
    let errno = error.chain().find_map(|it| {
        let of_system = it.downcast_ref::<io::Error>().and_then(Errno::from_io_error);
        of_system.or_else(|| it.downcast_ref::<Errno>().copied())
    })?;
    let cause = cause_of_start(&errno.into());
    Some(match errno {
        Errno::NOMEM => format!(
            "{cause}: an instance needs 4 GiB of addresses for each memory, or the machine has no memory left (`ulimit -v`)"
        ),
        _ => cause,
    })
}
