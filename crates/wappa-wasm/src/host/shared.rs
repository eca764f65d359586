//! What all instances of a guest share: its limits, and what it was given.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use wappa_component::Account;

use super::{
    clock::Clock, descriptors::Descriptors, exports::Allocator, interrupt::Interrupt, metrics::Ticks,
    threads::Threads,
};

/// What one guest may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest one message may take, allocator and frees included; and the start of an instance.
    pub timeout: Duration,
    /// Memories and tables of one instance, in bytes, and what else the host keeps for it past a mebibyte. Growing past
    /// it fails inside the guest.
    pub memory: usize,
    /// What one message may become, in bytes, content and metadata together. One that does not grow is never refused.
    pub output: usize,
    /// How many lines a second the guest's instances may write to the log together; the others are counted.
    pub log_lines_per_second: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            timeout: Duration::from_secs(10),
            memory: 128 << 20,
            output: 64 << 20,
            log_lines_per_second: 100,
        }
    }
}

/// A directory of the host that the guest sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The directory.
    pub host: PathBuf,
    /// Its name for the guest.
    pub guest: String,
    /// Whether the guest may change what is in it.
    pub writable: bool,
}

/// What all instances of a guest share.
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) config: Vec<(String, String)>,
    pub(crate) ticks: Option<Arc<dyn Ticks>>,
    /// Messages are given to a component one by one: effects of a call that is repeated would be there twice.
    pub(crate) is_one_by_one: bool,
    pub(crate) interrupt: Interrupt,
    pub(crate) clock: Arc<Clock>,
    /// The function of a core module; the interface of a component.
    pub(crate) function: String,
    /// The name by which memory 0 is exported.
    pub(crate) memory: Option<String>,
    pub(crate) allocator: Allocator,
    /// `_start` or `_initialize`, if there is one.
    pub(crate) start: Option<&'static str>,
    /// Whether there is `wappa_init`, and `wappa_close`.
    pub(crate) has_init: bool,
    pub(crate) has_close: bool,
    /// Who pays for what it holds.
    pub(crate) account: Account,
    /// What an instance costs the host beside its memories and tables, in bytes.
    pub(crate) footprint: usize,
    /// As much of that as counts against its own limit.
    pub(crate) footprint_charged: usize,
    /// Where files are waited for; absent where there are none.
    pub(crate) threads: Option<Threads>,
    /// How many files may be open; absent where there are none.
    pub(crate) descriptors: Option<Arc<Descriptors>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("function", &self.function).finish_non_exhaustive()
    }
}

impl Shared {
    /// When a call must be over; its time begins now when nobody asked before.
    pub(crate) fn deadline(&self, deadline: &mut Option<u64>) -> u64 {
        *deadline.get_or_insert_with(|| {
            let timeout = u64::try_from(self.limits.timeout.as_nanos()).unwrap_or(u64::MAX);
            self.clock.now().saturating_add(timeout)
        })
    }

    /// What one WASI call may make the host copy: no more than the guest can have, and enough for a small one.
    pub(crate) fn copy_limit(&self) -> usize {
        self.limits.memory.max(1 << 20)
    }
}
