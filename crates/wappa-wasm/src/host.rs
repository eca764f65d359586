//! The host's side of one instance: the message being processed, and what the guest did to it.
//!
//! Until a call has succeeded the message keeps its own content and a share of its metadata, so that a failure at any
//! point leaves it exactly as it came in. Both are moved or shared, never copied.

use std::{fmt, mem, sync::Arc, time::Instant};

use bytes::Bytes;
use wappa_message::{Message, Metadata, Value};
use wasmtime_wasi::p1::WasiP1Ctx;

use crate::{
    arena::Arena,
    error::Stop,
    exports::Exports,
    guest::Shared,
    limiter::MemoryLimiter,
    log::{Level, Output},
};

/// What the host must free after one call at most. Each entry stands for one allocation inside the guest.
const FREES_MAX: usize = 1 << 20;

/// What a key that was not there costs beside its bytes.
const KEY_OVERHEAD_BYTES: usize = 64;

/// The data of an instance's store.
pub(crate) struct Host {
    pub(crate) shared: Arc<Shared>,
    pub(crate) wasi: WasiP1Ctx,
    pub(crate) limiter: MemoryLimiter,
    pub(crate) output: Arc<Output>,
    pub(crate) exports: Exports,
    pub(crate) arena: Arena,
    /// Where the guest's monotonic clock begins.
    pub(crate) began: Instant,
    /// When the running call, or the start of the instance, must be over, in nanoseconds of the engine's clock; absent
    /// until somebody asks.
    pub(crate) deadline: Option<u64>,
    /// The guest is in a state that nobody knows: it must not be called again.
    pub(crate) spent: bool,
    /// Memory that the guest allocated for the host in this call, to be freed at its end, in this order.
    pub(crate) frees: Vec<u32>,
    active: bool,
    message: Message,
    content: Option<Bytes>,
    metadata_before: Option<Metadata>,
    /// Bytes of the metadata: as they came in, and now.
    metadata_bytes: Option<(usize, usize)>,
    soft_error: Option<String>,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("spent", &self.spent).finish_non_exhaustive()
    }
}

impl Host {
    pub(crate) fn new(
        shared: Arc<Shared>,
        wasi: WasiP1Ctx,
        output: Arc<Output>,
        began: Instant,
        deadline: u64,
    ) -> Host {
        Host {
            limiter: MemoryLimiter::new(shared.limits.memory),
            shared,
            wasi,
            output,
            exports: Exports::default(),
            arena: Arena::default(),
            began,
            deadline: Some(deadline),
            spent: false,
            frees: Vec::new(),
            active: false,
            message: Message::default(),
            content: None,
            metadata_before: None,
            metadata_bytes: None,
            soft_error: None,
        }
    }

    /// Takes the message out of the caller's hands.
    #[inline]
    pub(crate) fn begin(&mut self, message: &mut Message, part: u64) {
        // Between calls this one is empty: nothing is dropped here, and nothing made.
        mem::swap(&mut self.message, message);
        self.active = true;
        self.deadline = None;
        self.arena.begin(part);
        self.output.begin();
        self.limiter.take_refused();
    }

    /// When the running call must be over, in nanoseconds of the engine's clock. Its time begins with the first
    /// question, which is a tick after its beginning at most.
    pub(crate) fn deadline(&mut self) -> u64 {
        self.shared.deadline(&mut self.deadline)
    }

    /// Gives the message back with the guest's changes, and the last mistake of a host function's caller.
    #[inline]
    pub(crate) fn keep(&mut self, message: &mut Message) -> Option<String> {
        self.active = false;
        mem::swap(&mut self.message, message);
        if let Some(content) = self.content.take() {
            message.set_content(content);
        }
        self.metadata_before = None;
        self.metadata_bytes = None;
        self.soft_error.take()
    }

    /// Gives the message back as it came in.
    pub(crate) fn restore(&mut self, message: &mut Message) {
        self.active = false;
        mem::swap(&mut self.message, message);
        if let Some(metadata) = self.metadata_before.take() {
            *message.metadata_mut() = metadata;
        }
        self.content = None;
        self.metadata_bytes = None;
        self.soft_error = None;
        self.frees.clear();
    }

    /// Whether there is a message to work on; says in the log when not.
    #[inline]
    pub(crate) fn has_message(&self, function: &'static str) -> bool {
        if !self.active {
            let text = format!("the guest called `{function}` outside of a message: ignored");
            self.output.log(Level::Error, &text);
        }
        self.active
    }

    /// The content as the guest sees it.
    #[inline]
    pub(crate) fn content(&self) -> &[u8] {
        self.content.as_deref().unwrap_or_else(|| self.message.content())
    }

    /// Replaces the content with a copy of this.
    #[inline]
    pub(crate) fn set_content(&mut self, content: &[u8]) -> Result<(), Stop> {
        let before = self.message.content().len();
        // A content that is no larger than it was can still be too much beside metadata that grew meanwhile.
        if before < content.len() || self.metadata_bytes.is_some_and(|(before, now)| before < now) {
            let (metadata_before, metadata) = self.metadata_bytes();
            self.check_output(before + metadata_before, content.len() + metadata)?;
        }
        self.content = Some(self.arena.copy(content));
        Ok(())
    }

    /// The value of a key as text; a missing one is empty.
    pub(crate) fn metadata_text(&self, key: &[u8]) -> Bytes {
        self.message.metadata().text(key)
    }

    /// Sets a key to a text.
    pub(crate) fn set_metadata(&mut self, key: Bytes, value: Bytes) -> Result<(), Stop> {
        let (before, now) = self.metadata_bytes();
        let now = match self.message.metadata().get(&key) {
            Some(old) => now - old.size() + value.len(),
            None => now + key.len() + value.len() + KEY_OVERHEAD_BYTES,
        };
        self.check_output(self.message.content().len() + before, self.content().len() + now)?;
        self.metadata_bytes = Some((before, now));
        if self.metadata_before.is_none() {
            self.metadata_before = Some(self.message.metadata().clone());
        }
        self.message.metadata_mut().set(key, Value::Text(value));
        Ok(())
    }

    /// Records a mistake that fails the message but not the call. The last one counts.
    #[cold]
    pub(crate) fn fail_softly(&mut self, text: impl Into<String>) {
        self.soft_error = Some(text.into());
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

    fn metadata_bytes(&mut self) -> (usize, usize) {
        *self.metadata_bytes.get_or_insert_with(|| {
            let bytes = self.message.metadata().size();
            (bytes, bytes)
        })
    }

    fn check_output(&self, before: usize, now: usize) -> Result<(), Stop> {
        let limit = self.shared.limits.output;
        if limit < now && before < now {
            let text =
                format!("the message would be {now} bytes, over the limit of {limit} (`output_limit`)");
            return Err(Stop::Output(text));
        }
        Ok(())
    }
}
