//! Instances: one guest that is alive, and the calls that take messages through it.

use std::{
    fmt, mem,
    sync::Arc,
    time::{Duration, Instant},
};

use wappa_message::Message;
use wasmtime::{AsContextMut, Func, Store, Trap, TypedFunc, Val};

use crate::{
    compile::frames,
    engine::CallContext,
    engine::Running,
    file::text::quoted,
    guest::Guest,
    guest::slots::{NoSlot, Slot},
    guest::start::{NotStarted, start},
    host::Host,
    host::error::CallError,
    host::error::Kind,
    host::error::{Stop, refusal_of_machine, trap_reason},
    host::exports::free_all,
    host::run::{Disposition, Run},
    host::shared::Shared,
    host::work::Phase,
    interface::Level,
    tier::component::{self, ProcessFunc},
};

/// A guest that is alive. It may move between threads, one call at a time.
///
/// An instance whose last call ended badly is spent: [`Instance::is_spent`]. Drop it, then make another one.
pub struct Instance {
    // The store goes before the slot, so that a slot is free only when its memory is.
    store: Store<Host>,
    entry: Entry,
    /// `wappa_close`, if the guest has it.
    close: Option<TypedFunc<(), ()>>,
    /// For calls with one message.
    single: Run,
    n_calls: u64,
    slot: Slot,
}

/// What became of a message whose call succeeded.
#[derive(Debug)]
pub enum Called {
    /// It goes on, with what the guest changed.
    Kept,
    /// These go on in its place, in this order. None: it was filtered.
    Sent(Vec<Message>),
}

/// What is called for messages.
pub(crate) enum Entry {
    /// `() -> ()`, as it should be.
    Plain(TypedFunc<(), ()>),
    /// Its results are ignored, as in Bento.
    WithResults(Func, Vec<Val>),
    /// `process` of a component.
    Component(ProcessFunc),
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance")
            .field("spent", &self.is_spent())
            .field("slot", &self.slot)
            .finish_non_exhaustive()
    }
}

impl Instance {
    pub(crate) fn new(guest: &Guest, deadline: Instant) -> Result<Instance, CallError> {
        let inner = guest.inner();
        let shared = &inner.shared;
        let slot = inner.slots.take(deadline, &shared.interrupt).map_err(|err| match err {
            NoSlot::Interrupted => stopped(&Stop::Interrupted, shared),
            NoSlot::Deadline => CallError::new(
                Kind::Instance,
                "waiting for an instance: all that `max_instances` allows are in use",
            ),
        })?;
        // Time passes for start functions as well.
        let _running = inner.engine.enter().map_err(|err| CallError::new(Kind::Instance, err.to_string()))?;
        let deadline = shared.clock.at(deadline);
        let pooled = inner.pooled.as_ref().map(|linked| start(guest, linked, deadline));
        let started = match pooled {
            // The pool is engine-wide: another guest may have more than its share of it.
            Some(Err(NotStarted::NoSlot)) | None => {
                let linked = inner.on_demand().map_err(|err| CallError::new(Kind::Instance, err))?;
                start(guest, linked, deadline)
            }
            Some(started) => started,
        };
        let (store, entry, close) = started.map_err(|err| match err {
            NotStarted::Failed(err) => err,
            NotStarted::NoSlot => CallError::new(Kind::Instance, "no memory for an instance"),
        })?;
        Ok(Instance { store, entry, close, single: Run::default(), n_calls: 0, slot })
    }

    /// Takes one message through the guest.
    ///
    /// After an error the message is as it came in, unless [`CallError::changes_kept`] says otherwise; the caller marks
    /// it with [`CallError::mark_text`], and sends what [`CallError::take_sent`] has before it. The instance may be spent
    /// then. A guest that multiplied or filtered the message
    /// leaves it in a state that means nothing: what counts is [`Called::Sent`].
    pub fn call(&mut self, message: &mut Message, ctx: &CallContext<'_>) -> Result<Called, CallError> {
        let mut run = mem::take(&mut self.single);
        run.push(mem::take(message));
        let ended = self.run(&mut run, ctx);
        let is_done = run.is_done();
        let (given_back, disposition) = run.pop();
        *message = given_back;
        self.single = run;
        if !is_done {
            return ended.map(|()| Called::Kept);
        }
        if let Err(err) = ended {
            self.host().output.log(Level::Error, &format!("after the message was finished: {err}"));
        }
        let Disposition { mut emitted, is_replaced, failed } = disposition;
        if let Some(err) = failed {
            return Err(err.with_sent(emitted));
        }
        if emitted.is_empty() && !is_replaced {
            return Ok(Called::Kept);
        }
        if !is_replaced {
            emitted.push(mem::take(message));
        }
        Ok(Called::Sent(emitted))
    }

    /// Takes leading messages of the run through the guest: until all are through, until its time is over
    /// ([`Run::due_at`]), or until the instance needs a look, because it is spent or has grown.
    ///
    /// A message that failed does not end the run; [`Run::finish`] tells of it. An error belongs to no message:
    /// the guest was interrupted or cannot be called, which leaves the next message as it is; or it failed when all
    /// messages of a call were finished already.
    pub fn run(&mut self, run: &mut Run, ctx: &CallContext<'_>) -> Result<(), CallError> {
        let host = self.store.data_mut();
        let shared = &host.shared;
        if host.spent {
            return Err(CallError::new(Kind::Instance, "the instance is spent"));
        }
        if !Arc::ptr_eq(&shared.clock, ctx.engine.clock()) {
            // Time would not pass for this guest.
            return Err(CallError::new(Kind::Instance, "the thread has entered another engine"));
        }
        mem::swap(&mut host.work.run, run);
        host.work.run.growth.charge_to(&host.shared.account);
        host.work.arena.begin(ctx.part);
        host.limiter.forget_growth();
        let ended = self.round();
        let host = self.store.data_mut();
        host.work.phase = Phase::Outside;
        mem::swap(&mut host.work.run, run);
        ended
    }

    fn round(&mut self) -> Result<(), CallError> {
        loop {
            let host = self.store.data();
            if host.work.run.limit <= host.work.run.next {
                return Ok(());
            }
            if host.shared.interrupt.is_raised() {
                return Err(stopped(&Stop::Interrupted, &host.shared));
            }
            self.n_calls += 1;
            match &self.entry {
                Entry::Component(process) => {
                    let process = *process;
                    self.call_component(process)?;
                }
                _ => self.call_core()?,
            }
            let host = self.store.data();
            if host.spent || host.is_due() {
                return Ok(());
            }
        }
    }

    /// One call of a core module: the next message, and as many more as the guest asks for.
    fn call_core(&mut self) -> Result<(), CallError> {
        self.store.data_mut().begin();
        self.store.set_epoch_deadline(1);
        let mut result = match &mut self.entry {
            Entry::Plain(func) => func.call(&mut self.store, ()),
            Entry::WithResults(func, results) => func.call(&mut self.store, &[], results),
            Entry::Component(_) => unreachable!("components are called with a batch"),
        };
        // A guest whose allocator trapped goes with all its memory.
        let host = self.store.data();
        if result.is_ok() && !host.frees.is_empty() && !host.spent {
            result = free_all(&mut self.store.as_context_mut());
        }
        let host = self.store.data_mut();
        match result {
            Ok(()) => {
                if host.work.phase == Phase::Message {
                    host.work.finish();
                }
                host.frees.clear();
                Ok(())
            }
            Err(error) => fail(host, &error),
        }
    }

    /// One call of a component, with as many messages as its pace allows.
    fn call_component(&mut self, process: ProcessFunc) -> Result<(), CallError> {
        let host = self.store.data_mut();
        let run = &host.work.run;
        let first = run.next;
        let ready = &run.messages[first..run.limit];
        let n = if host.shared.is_one_by_one { 1 } else { component::n_for_call(ready, &run.pace) };
        let fuel = component::fuel(&ready[..n], host.shared.limits.output, host.shared.copy_limit());
        if 1 < n {
            host.output.hold();
        }
        host.work.begin();
        host.begin_call();
        let batch = host.batches.open(first, n);
        self.store.set_hostcall_fuel(fuel);
        self.store.set_epoch_deadline(1);
        let began = Instant::now();
        let result = process.call(&mut self.store, (batch,));
        let host = self.store.data_mut();
        host.batches.close();
        // A number is given once.
        host.spent |= host.batches.is_at_end();
        let err = match result {
            Ok((dispositions,)) if dispositions.len() == n => {
                host.spent |= !component::apply(host, first, dispositions);
                host.output.release(true);
                host.work.run.next = first + n;
                host.work.run.pace.took(n, began.elapsed(), host.batches.was_read());
                return Ok(());
            }
            Ok((dispositions,)) => {
                let text = format!("`process` returned {} dispositions for {n} messages", dispositions.len());
                CallError::new(Kind::Trap, text)
            }
            Err(error) => describe(host, &error),
        };
        // Nothing of the call stands.
        host.spent = true;
        host.work.restore();
        host.output.release(n == 1);
        if err.kind() == Kind::Interrupted {
            return Err(err);
        }
        if n == 1 {
            host.work.fail(err);
            host.work.run.pace.took(1, Duration::ZERO, true);
        } else {
            host.work.run.pace.failed(n);
            let text = format!("a call with {n} messages failed and is repeated one by one: {err}");
            host.output.log(Level::Debug, &text);
        }
        Ok(())
    }

    /// Whether the guest is in a state that nobody knows, so that it is not called again.
    pub fn is_spent(&self) -> bool {
        self.host().spent
    }

    /// Whether the guest is in good health but should be replaced: it keeps what it was told to give back.
    pub fn is_worn(&self) -> bool {
        self.host().batches.is_worn()
    }

    /// How often the guest was called for messages.
    pub(crate) fn n_calls(&self) -> u64 {
        self.n_calls
    }

    /// The instance's memories and tables, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.host().limiter.used()
    }

    /// Whether the memory grew during the last run.
    pub fn has_grown(&self) -> bool {
        self.host().limiter.has_grown()
    }

    /// Whether the guest wants to be told of its end.
    pub(crate) fn has_close(&self) -> bool {
        self.close.is_some()
    }

    /// Ends an instance in good health: calls `wappa_close` if there is one, which has `timeout` for it.
    ///
    /// What goes wrong is written to the guest's log. An instance that is dropped instead just ends.
    pub fn close(self) {
        let deadline = Instant::now() + self.timeout();
        self.close_until(deadline);
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.host().shared.limits.timeout
    }

    /// The same, until then.
    pub(crate) fn close_until(mut self, deadline: Instant) {
        let Some(close) = self.close.take() else { return };
        let host = self.store.data_mut();
        if host.spent || host.shared.interrupt.is_raised() {
            return;
        }
        let shared = Arc::clone(&host.shared);
        // Time passes for it as for everything else.
        let _running = match Running::of(&shared.clock) {
            Ok(running) => running,
            Err(err) => return host.output.log(Level::Error, &format!("`wappa_close`: {err}")),
        };
        host.begin_call();
        host.deadline = Some(shared.clock.at(deadline));
        self.store.set_epoch_deadline(1);
        if let Err(error) = close.call(&mut self.store, ()) {
            let host = self.store.data();
            host.output.log(Level::Error, &format!("`wappa_close`: {}", describe(host, &error)));
        }
    }

    fn host(&self) -> &Host {
        self.store.data()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.store.data().output.finish();
    }
}

/// The call of a core module ended with an error.
#[cold]
fn fail(host: &mut Host, error: &wasmtime::Error) -> Result<(), CallError> {
    host.spent = true;
    host.frees.clear();
    let err = describe(host, error);
    if host.work.phase == Phase::End {
        // All messages stand; there is none that it could be the failure of.
        return Err(err);
    }
    if err.kind() == Kind::Interrupted {
        host.work.restore();
        return Err(err);
    }
    host.work.fail(err);
    Ok(())
}

/// The failure of a call.
pub(crate) fn describe(host: &Host, error: &wasmtime::Error) -> CallError {
    if let Some(stop) = error.downcast_ref::<Stop>() {
        let described = stopped(stop, &host.shared);
        // Where it was when its time was over is worth knowing; an exit is not a riddle.
        return match stop {
            Stop::Timeout | Stop::HostCall(_) | Stop::Output(_) => described.with_frames(frames::of(error)),
            // Go ends with an exit after a panic, and many programs after they said why.
            Stop::Exit(_) => match host.output.last_err() {
                Some(line) => CallError::new(Kind::Exit, format!("{stop}: {line}")),
                None => described,
            },
            Stop::Interrupted => described,
        };
    }
    if let Some(reason) = refusal_of_machine(error) {
        return CallError::new(Kind::HostCall, reason).with_frames(frames::of(error));
    }
    let mut reason = trap_reason(error);
    let frames = frames::of(error);
    // Most compilers keep a stack of their own in the memory, below which there is nothing.
    if let Some(Trap::MemoryOutOfBounds) = error.downcast_ref()
        && let Some(name) = frames::recursion(&frames)
    {
        reason.push_str(" deep in a recursion");
        if let Some(name) = name {
            reason.push_str(&format!(" of {}", quoted(&name)));
        }
        reason.push_str(", which used up the guest's stack as it seems");
    }
    let refused = host.limiter.was_refused();
    if let Some(limit) = refused {
        reason.push_str(&format!(" after the guest was refused more memory ({})", limit.name()));
    }
    if let Some(line) = host.output.last_err() {
        reason.push_str(": ");
        reason.push_str(&line);
    }
    let kind = if refused.is_some() { Kind::Memory } else { Kind::Trap };
    CallError::new(kind, reason).with_frames(frames)
}

pub(crate) fn stopped(stop: &Stop, shared: &Shared) -> CallError {
    match stop {
        Stop::Timeout => {
            let limit = shared.limits.timeout;
            CallError::new(Kind::Timeout, format!("over the limit of {limit:?} (`timeout`)"))
        }
        Stop::Interrupted => CallError::new(Kind::Interrupted, stop.to_string()),
        Stop::Exit(_) => CallError::new(Kind::Exit, stop.to_string()),
        Stop::Output(_) => CallError::new(Kind::Output, stop.to_string()),
        Stop::HostCall(_) => CallError::new(Kind::HostCall, stop.to_string()),
    }
}

const _: () = {
    const fn assert_send<T: Send>() {}
    assert_send::<Instance>();
};
