//! Reading and compiling a module with a bound on what it may cost.
//!
//! Neither parsing nor validating nor compiling can be bounded or cancelled in process, and 300 KB of wasm can cost 14
//! seconds of a core.
//! So the program does all of it in a child process of itself, which limits its own processor time and memory, and which
//! the parent stops by the wall clock or on shutdown.
//! `Compile` is the hook: whoever embeds the engine may compile in process, or elsewhere.

mod child;
pub(crate) mod compiler;
pub(crate) mod error;
pub(crate) mod frames;
pub(crate) mod load;
mod parent;
pub(crate) mod settings;
pub(crate) mod source_lines;
mod wire;

use std::fmt::Debug;
use std::time::Duration;

pub use child::{child_main, child_main_with};
pub use parent::ChildCompiler;
pub(crate) use parent::THREADS_MAX;
pub use wire::{Answer, Question};

/// Makes code from modules. Called once per module, by any thread; may block for as long as its own bounds allow.
///
/// **The code is trusted**: it is loaded without any check of its content, so it must come from the same build of
/// the engine with equal settings.
pub trait Compile: Send + Sync + Debug {
    /// The serialized code of what is in a module's file, binary or text, as [`crate::precompile`] makes it.
    fn compile(&self, file: &[u8]) -> Result<Vec<u8>, CompileError>;
}

/// What one compilation may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Processor time of all threads together, in whole seconds (rounded up).
    pub cpu: Duration,
    /// Time by the clock, from the start of the child to its last byte.
    pub wall: Duration,
    /// Bytes of memory that compiling may take.
    pub memory: u64,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { cpu: Duration::from_secs(120), wall: Duration::from_secs(60), memory: 2 << 30 }
    }
}

/// Why there is no code. Every text stands alone on one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The engine's own reason.
    #[error("{0}")]
    Refused(String),
    /// The file is no module, or not a valid one, or no component can be made of it.
    #[error("{0}")]
    Unfit(String),
    #[error("compiling took more than {0:?} of processor time (limit `--compile-cpu-limit`)")]
    CpuLimit(Duration),
    #[error("compiling took more than {0:?} (limit `--compile-time-limit`)")]
    TimeLimit(Duration),
    #[error("compiling took more than {}MiB of memory (limit `--compile-memory-limit`)", .0.div_ceil(1 << 20))]
    MemoryLimit(u64),
    /// The process is being shut down.
    #[error("compiling was interrupted by shutdown")]
    Interrupted,
    /// No child could be started, or no longer be talked to.
    #[error("running the compiler process `{program}`: {reason}")]
    Process { program: String, reason: String },
    /// The child ended without an answer: it crashed, or somebody else killed it.
    #[error("the compiler process ended with {how}{}{stderr}", if .stderr.is_empty() { "" } else { ": " })]
    Ended {
        how: String,
        /// The last line it wrote to its standard error.
        stderr: String,
    },
    /// What came back is not an answer of this program.
    #[error("the compiler process answered with {0}")]
    Answer(&'static str),
}
