//! The buffer `memory`.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use wappa_component::{
    Ack, Buffer, BufferEnds, BuildBuffer, BuildError, Charges, Component, Context, Counter, Failure, Gauge,
    Input, InputBell, Parcel, ReadError, Step, Waits,
};
use wappa_spec::{Config, Node, Reader, Rule};

use crate::{batching::OptionalPolicyConfig, input::batched};

pub(super) const COMPONENT: Component = Component::buffer::<MemoryConfig>("memory").categories(&["Utility"]);

wappa_component::series! {
    ACTIVE: gauge "buffer_active", [], "Bytes of messages in the buffer `memory`, those included that came out and are not answered.";
    SPILLOVER: counter "buffer_spillover", [], "Bytes of messages that the buffer `memory` dropped for want of room.";
}

/// What a message takes up beside its content and metadata, in bytes.
const MESSAGE_BYTES: usize = 64;

/// Keeps messages in memory between the input and the pipeline.
///
/// The input is read as long as there is room, whatever the pipeline does, so that a burst need not wait at its source.
///
/// # Examples
///
/// ### Batches of all that came within a second
///
/// ```yaml
/// input:
///   stdin: {}
/// buffer:
///   memory:
///     limit: 100000000
///     batch_policy:
///       enabled: true
///       count: 1000
///       period: 1s
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// For the input a message has arrived as soon as it is in the buffer: its source forgets it. What is in the buffer when the
/// process is killed is lost. A message that fails is delivered again from memory, before anything new, until it arrives.
///
/// When the input ends, or at a stop, the buffer is emptied through the pipeline. What is left of it when the time for a
/// stop is over is lost, and counts as not delivered.
///
/// # Performance
///
/// Messages stay as they were read, as ranges of their buffers. The input is read by a thread of its own, and the
/// processors under it run there.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct MemoryConfig {
    /// How many bytes of messages there may be, those included that came out and are not answered yet. Each counts with
    /// its content, its metadata and 64 bytes. What the input has ready at once may come on top of it.
    #[config(default = "524288000")]
    limit: i64,

    /// Whether batches are dropped that come when there is no room, in place of letting the input wait.
    #[config(default = "false")]
    spillover: bool,

    /// In which batches messages come out. Unless it is enabled, those are the batches in which they came.
    #[config(advanced)]
    batch_policy: OptionalPolicyConfig,
}

fn lint(config: &MemoryConfig, node: &Node, reader: &mut Reader<'_>) {
    if config.limit <= 0 {
        let at = node.get("limit").unwrap_or(node);
        reader.error(Rule::Custom, at, format!("a limit of {} bytes leaves no room for any message", config.limit));
    }
}

impl BuildBuffer for MemoryConfig {
    fn build(self, filler: InputBell, ctx: &mut Context<'_>) -> Result<BufferEnds, BuildError> {
        let labels = [("label", ctx.label()), ("path", ctx.path())];
        let shared = Arc::new(Shared {
            limit: usize::try_from(self.limit).unwrap_or(0),
            filler,
            reader: ctx.input_bell(),
            active: ctx.metrics().gauge(ACTIVE.name, &labels),
            state: Mutex::default(),
        });
        let spillover = ctx.metrics().counter(SPILLOVER.name, &labels);
        let buffer = Memory { shared: Arc::clone(&shared), spillover, spills: self.spillover };
        let mut input: Box<dyn Input> = Box::new(Outlet(shared));
        if let Some(policy) = self.batch_policy.policy() {
            input = batched(input, &policy, ctx)?;
        }
        Ok(BufferEnds::new(Box::new(buffer), input))
    }
}

struct Shared {
    limit: usize,
    /// Rung for whoever puts something in.
    filler: InputBell,
    /// Rung for whoever takes it out.
    reader: InputBell,
    active: Gauge,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(Parcel, Charges)>,
    /// Of what waits and what is not answered.
    n_bytes: usize,
    has_ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was answered.
    fn free(&self, n_bytes: usize) {
        let mut state = self.lock();
        let had_room = state.n_bytes < self.limit;
        state.n_bytes -= n_bytes;
        self.active.set(state.n_bytes as i64);
        let has_room = state.n_bytes < self.limit;
        drop(state);
        if has_room && !had_room {
            self.filler.ring();
        }
    }
}

/// Where messages come in.
struct Memory {
    shared: Arc<Shared>,
    spillover: Counter,
    spills: bool,
}

impl Memory {
    /// How many of the batches there is room for. The first has room where nothing else is: one that is larger than the
    /// limit comes by itself.
    fn n_batches_kept(&self, parcel: &Parcel) -> usize {
        let mut n_bytes = self.shared.lock().n_bytes;
        let is_kept = |size: &usize| {
            let was_empty = n_bytes == 0;
            n_bytes = n_bytes.saturating_add(*size);
            was_empty || n_bytes <= self.shared.limit
        };
        parcel.batch_sizes(MESSAGE_BYTES).into_iter().take_while(is_kept).count()
    }
}

impl Buffer for Memory {
    fn has_room(&self) -> bool {
        self.spills || self.shared.lock().n_bytes < self.shared.limit
    }

    fn put(&mut self, parcel: Parcel, charges: Charges) -> usize {
        let (n_all, size_of_all) = (parcel.n_origins(), size_of(&parcel));
        let n_batches = if self.spills { self.n_batches_kept(&parcel) } else { parcel.n_batches() };
        let (parcel, read) = parcel.first_batches(n_batches, |n| Ack::new(n, |_| ()));
        read.delivered();
        let (n_kept, size) = (parcel.n_origins(), size_of(&parcel));
        self.spillover.add(size_of_all.saturating_sub(size) as u64);
        if n_kept == 0 {
            return n_all;
        }
        let shared = Arc::clone(&self.shared);
        let parcel = parcel.wrap_ack(|unheard| {
            unheard.delivered();
            Ack::new(n_kept as u32, move |_: Vec<Failure>| shared.free(size))
        });
        let mut state = self.shared.lock();
        state.n_bytes += size;
        self.shared.active.set(state.n_bytes as i64);
        state.waiting.push_back((parcel, charges));
        drop(state);
        self.shared.reader.ring();
        n_all - n_kept
    }

    fn end(&mut self) {
        self.shared.lock().has_ended = true;
        self.shared.reader.ring();
    }
}

fn size_of(parcel: &Parcel) -> usize {
    parcel.size() + MESSAGE_BYTES * parcel.n_origins()
}

/// Where messages come out.
struct Outlet(Arc<Shared>);

impl Input for Outlet {
    fn read(&mut self, _: &mut Waits, step: &mut Step<'_>) -> Result<Parcel, ReadError> {
        let mut state = self.0.lock();
        let Some((parcel, charges)) = state.waiting.pop_front() else {
            return Err(if state.has_ended { ReadError::EndOfInput } else { ReadError::NotReady });
        };
        drop(state);
        step.put_charges(charges);
        Ok(parcel)
    }

    fn is_exhausted(&self) -> bool {
        let state = self.0.lock();
        // As long as there is no room nothing comes, and room comes of answers.
        state.waiting.is_empty() && (state.has_ended || self.0.limit <= state.n_bytes)
    }
}

impl Drop for Outlet {
    /// Nobody takes what is left. Its acks tell the buffer, so it is dropped without the lock.
    fn drop(&mut self) {
        let waiting = std::mem::take(&mut self.0.lock().waiting);
        drop(waiting);
    }
}

#[cfg(test)]
mod tests;
