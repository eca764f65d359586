//! The host's side of one instance: the data of its store.

pub(crate) mod arena;
pub(crate) mod batches;
pub(crate) mod clock;
pub(crate) mod descriptors;
pub(crate) mod error;
mod explanation;
pub(crate) mod exports;
pub(crate) mod files;
pub(crate) mod functions;
pub(crate) mod interrupt;
pub mod json;
pub(crate) mod lifted;
pub(crate) mod limiter;
pub(crate) mod listing;
pub(crate) mod log;
pub(crate) mod machine;
pub(crate) mod memory;
pub(crate) mod metrics;
pub(crate) mod pace;
pub(crate) mod run;
pub(crate) mod shared;
pub(crate) mod stack;
pub(crate) mod threads;
pub(crate) mod waiting;
pub(crate) mod work;

use std::{fmt, sync::Arc, time::Instant};

use wasmtime_wasi::{WasiCtxView, WasiView, p1::WasiP1Ctx};

use crate::{
    host::batches::Batches,
    host::error::Stop,
    host::exports::Exports,
    host::files::Files,
    host::limiter::MemoryLimiter,
    host::log::Output,
    host::shared::Shared,
    host::work::{Phase, Work},
    interface::Level,
};

/// What the host must free after one message at most. Each entry stands for one allocation inside the guest.
const FREES_MAX: usize = 1 << 20;

/// What is long is done in such pieces, and the time looked at in between.
const PIECE_BYTES: usize = 1 << 20;

/// The data of an instance's store.
pub(crate) struct Host {
    pub(crate) shared: Arc<Shared>,
    pub(crate) wasi: WasiP1Ctx,
    pub(crate) limiter: MemoryLimiter,
    pub(crate) output: Arc<Output>,
    pub(crate) exports: Exports,
    /// Where the guest's monotonic clock begins.
    pub(crate) began: Instant,
    /// When the message at work, or the start of the instance, must be over, in nanoseconds of the engine's clock;
    /// absent until somebody asks.
    pub(crate) deadline: Option<u64>,
    /// The tick at which this was last compared with the real clock.
    seen: u64,
    /// The guest is in a state that nobody knows: it must not be called again.
    pub(crate) spent: bool,
    /// Memory that the guest allocated for the host in this call, to be freed at its end, in this order.
    pub(crate) frees: Vec<u32>,
    pub(crate) work: Work,
    pub(crate) batches: Batches,
    pub(crate) files: Files,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("spent", &self.spent).finish_non_exhaustive()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // A stream may have a read or a write under way.
        if let Some(threads) = &self.shared.threads {
            threads.give_up(self.files.streams.len());
        }
    }
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.wasi.ctx()
    }
}

impl Host {
    pub(crate) fn new(
        shared: Arc<Shared>,
        wasi: WasiP1Ctx,
        output: Arc<Output>,
        limiter: MemoryLimiter,
        began: Instant,
        deadline: u64,
    ) -> Host {
        Host {
            limiter,
            work: Work::new(shared.limits.output),
            shared,
            wasi,
            output,
            exports: Exports::default(),
            began,
            deadline: Some(deadline),
            seen: 0,
            spent: false,
            frees: Vec::new(),
            batches: Batches::default(),
            files: Files::default(),
        }
    }

    /// The next message of the run is given to the guest; its time begins.
    #[inline]
    pub(crate) fn begin(&mut self) {
        self.work.begin();
        self.begin_call();
    }

    /// A call begins: its time, what explains its failure.
    #[inline]
    pub(crate) fn begin_call(&mut self) {
        self.deadline = None;
        self.output.begin();
        self.limiter.forget_refused();
    }

    /// When the message at work must be over, in nanoseconds of the engine's clock. Its time begins with the first
    /// question, which is a tick after its beginning at most.
    pub(crate) fn deadline(&mut self) -> u64 {
        self.shared.deadline(&mut self.deadline)
    }

    /// The guest enters the host: an error when its time is over or the host shuts down. As good as free between two
    /// ticks.
    ///
    /// Epochs end a guest in its loops and where its functions begin; a row of calls of host functions has neither.
    #[inline(always)]
    pub(crate) fn enter(&mut self) -> wasmtime::Result<()> {
        let ticks = self.shared.clock.ticks();
        if ticks == self.seen { Ok(()) } else { self.look(ticks) }
    }

    #[cold]
    fn look(&mut self, ticks: u64) -> wasmtime::Result<()> {
        self.seen = ticks;
        Ok(self.check_time()?)
    }

    /// An error when the message at work is over its time, for what the host does that takes long.
    pub(crate) fn check_time(&mut self) -> Result<(), Stop> {
        if self.shared.interrupt.is_raised() {
            return Err(Stop::Interrupted);
        }
        if self.deadline() <= self.shared.clock.now() {
            return Err(Stop::Timeout);
        }
        Ok(())
    }

    /// Fills it with random bytes, until the time is over.
    pub(crate) fn fill_randomly(&mut self, target: &mut [u8]) -> Result<(), Stop> {
        let mut random = rand::rng();
        for piece in target.chunks_mut(PIECE_BYTES) {
            rand::Rng::fill_bytes(&mut random, piece);
            if PIECE_BYTES == piece.len() {
                self.check_time()?;
            }
        }
        Ok(())
    }

    /// Whether there is a message to work on; says in the log when not.
    #[inline]
    pub(crate) fn has_message(&self, function: &'static str) -> bool {
        if self.work.phase != Phase::Message {
            let text = format!("the guest called `{function}` outside of a message: ignored");
            self.output.log(Level::Error, &text);
            return false;
        }
        true
    }

    /// Whether the round should end: a batch begins, and the time is over or the guest grew, which whoever replaces
    /// leaking guests wants to see.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        let run = &self.work.run;
        run.begins_batch(run.next)
            && (self.limiter.has_grown() || run.growth.is_much() || self.is_over(run.due))
    }

    #[inline]
    fn is_over(&self, due: Option<u64>) -> bool {
        match (due, &self.shared.ticks) {
            (Some(due), Some(ticks)) => due <= ticks.ticks(),
            _ => false,
        }
    }

    /// Records a mistake that fails the message but not the call.
    #[cold]
    pub(crate) fn fail_softly(&mut self, text: impl Into<String>) {
        self.work.fail_softly(text.into());
    }

    /// Remembers to free what the guest allocated.
    #[inline]
    pub(crate) fn free_later(&mut self, pointer: u32) -> Result<(), Stop> {
        if self.frees.len() == FREES_MAX {
            return Err(Stop::Output(format!(
                "the guest asked for more than {FREES_MAX} texts in one message"
            )));
        }
        self.frees.push(pointer);
        Ok(())
    }
}
