//! Instances: one guest that is alive, and the call that takes a message through it.

use std::{fmt, sync::Arc, time::Instant};

use wappa_message::Message;
use wasmtime::{AsContextMut, Func, InstancePre, Store, TypedFunc, UpdateDeadline, Val};

use crate::{
    CallContext, CallError, Guest, Kind,
    error::{Stop, backtrace, trap_reason},
    exports::{Exports, free_all},
    guest::Shared,
    host::Host,
    slots::{NoSlot, Slot},
};

/// A guest that is alive. It may move between threads, one call at a time.
///
/// An instance whose last call ended badly is spent: [`Instance::is_spent`]. Drop it, then make another one.
pub struct Instance {
    // The store goes before the slot, so that a slot is free only when its memory is.
    store: Store<Host>,
    process: Process,
    slot: Slot,
}

/// What became of a message whose call succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Called {}

/// The export that is called per message, by its type.
enum Process {
    /// `() -> ()`, as it should be.
    Plain(TypedFunc<(), ()>),
    /// Its results are ignored, as in Bento.
    WithResults(Func, Vec<Val>),
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
        let pooled = inner.pooled.as_ref().map(|pre| start(guest, pre, deadline));
        let started = match pooled {
            // The pool is engine-wide: another guest may have more than its share of it.
            Some(Err(NotStarted::NoSlot)) | None => {
                let pre = inner.on_demand().map_err(|err| CallError::new(Kind::Instance, err))?;
                start(guest, pre, deadline)
            }
            Some(started) => started,
        };
        let (store, process) = started.map_err(|err| match err {
            NotStarted::Failed(err) => err,
            NotStarted::NoSlot => CallError::new(Kind::Instance, "no memory for an instance"),
        })?;
        Ok(Instance { store, process, slot })
    }

    /// Takes one message through the guest.
    ///
    /// After an error the message is as it came in, unless [`CallError::changes_kept`] says otherwise; the caller marks
    /// it with [`CallError::mark_text`]. The instance may be spent then.
    pub fn call(&mut self, message: &mut Message, ctx: &CallContext<'_>) -> Result<Called, CallError> {
        let host = self.store.data_mut();
        let shared = &host.shared;
        if host.spent {
            return Err(CallError::new(Kind::Instance, "the instance is spent"));
        }
        if shared.interrupt.is_raised() {
            return Err(stopped(&Stop::Interrupted, shared));
        }
        if !Arc::ptr_eq(&shared.clock, ctx.engine.clock()) {
            // Time would not pass for this guest.
            return Err(CallError::new(Kind::Instance, "the thread has entered another engine"));
        }
        host.begin(message, ctx.part);
        self.store.set_epoch_deadline(1);
        let mut result = match &mut self.process {
            Process::Plain(func) => func.call(&mut self.store, ()),
            Process::WithResults(func, results) => func.call(&mut self.store, &[], results),
        };
        // A guest whose allocator trapped goes with all its memory.
        let host = self.store.data();
        if result.is_ok() && !host.frees.is_empty() && !host.spent {
            result = free_all(&mut self.store.as_context_mut());
        }
        match result {
            Ok(()) => match self.store.data_mut().keep(message) {
                None => Ok(Called {}),
                Some(text) => Err(CallError::new(Kind::HostCall, text).keeping_changes()),
            },
            Err(error) => Err(self.fail(message, &error)),
        }
    }

    /// Whether the guest is in a state that nobody knows, so that it is not called again.
    pub fn is_spent(&self) -> bool {
        self.store.data().spent
    }

    #[cold]
    fn fail(&mut self, message: &mut Message, error: &wasmtime::Error) -> CallError {
        let host = self.store.data_mut();
        host.spent = true;
        host.restore(message);
        describe(host, error)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.store.data().output.finish();
    }
}

enum NotStarted {
    /// The pool is used up.
    NoSlot,
    Failed(CallError),
}

/// Makes an instance and runs its start function.
fn start(
    guest: &Guest,
    pre: &InstancePre<Host>,
    deadline: u64,
) -> Result<(Store<Host>, Process), NotStarted> {
    let shared = &guest.inner().shared;
    let failed = |text: String| NotStarted::Failed(CallError::new(Kind::Instance, text));
    let host = guest.inner().host(deadline).map_err(failed)?;
    let mut store = Store::new(pre.module().engine(), host);
    store.limiter(|host| &mut host.limiter);
    store.epoch_deadline_callback(|mut ctx| {
        let host = ctx.data_mut();
        if host.shared.interrupt.is_raised() {
            return Err(Stop::Interrupted.into());
        }
        if host.deadline() <= host.shared.clock.now() {
            return Err(Stop::Timeout.into());
        }
        Ok(UpdateDeadline::Continue(1))
    });
    store.set_epoch_deadline(1);
    store.set_hostcall_fuel(shared.copy_limit());

    let instance = match pre.instantiate(&mut store) {
        Ok(instance) => instance,
        Err(error) if error.is::<wasmtime::PoolConcurrencyLimitError>() => return Err(NotStarted::NoSlot),
        Err(error) => return Err(NotStarted::Failed(not_started(store.data(), "instantiating", &error))),
    };
    store.data_mut().exports =
        Exports::bind(&mut store, &instance, shared.memory.as_deref(), shared.allocator);
    if let Some(name) = shared.start {
        let func =
            instance.get_func(&mut store, name).ok_or_else(|| failed(format!("`{name}` is not there")))?;
        let mut results = vec![Val::I32(0); func.ty(&store).results().len()];
        match func.call(&mut store, &[], &mut results) {
            Ok(()) => {}
            // Commands of today's toolchains end so; they have initialized the guest.
            Err(error) if matches!(error.downcast_ref(), Some(Stop::Exit(0))) => {}
            Err(error) => {
                return Err(NotStarted::Failed(not_started(
                    store.data(),
                    &format!("running `{name}`"),
                    &error,
                )));
            }
        }
    }
    let func = instance
        .get_func(&mut store, &shared.function)
        .ok_or_else(|| failed(format!("`{}` is not there", shared.function)))?;
    let process = match func.typed(&store) {
        Ok(func) => Process::Plain(func),
        Err(_) => {
            let results = vec![Val::I32(0); func.ty(&store).results().len()];
            Process::WithResults(func, results)
        }
    };
    store.data_mut().frees.clear();
    Ok((store, process))
}

/// A failure before the first message.
fn not_started(host: &Host, what: &str, error: &wasmtime::Error) -> CallError {
    let described = describe(host, error);
    if described.kind() == Kind::Interrupted {
        return described;
    }
    if described.kind() == Kind::Memory && !error.is::<wasmtime::Trap>() {
        let limit = host.shared.limits.memory;
        let text = format!("{what}: it needs more memory to start with than {limit} bytes (`memory_limit`)");
        return CallError::new(Kind::Instance, text);
    }
    let backtrace = described.backtrace().map(str::to_string);
    let text = format!("{what}: {}: {}", described.kind().as_str(), described.reason());
    CallError::new(Kind::Instance, text).with_backtrace(backtrace)
}

/// The failure of a call.
fn describe(host: &Host, error: &wasmtime::Error) -> CallError {
    if let Some(stop) = error.downcast_ref::<Stop>() {
        let described = stopped(stop, &host.shared);
        // Where it was when its time was over is worth knowing; an exit is not a riddle.
        return match stop {
            Stop::Timeout | Stop::HostCall(_) | Stop::Output(_) => described.with_backtrace(backtrace(error)),
            Stop::Exit(_) | Stop::Interrupted => described,
        };
    }
    let mut reason = trap_reason(error);
    let refused = host.limiter.was_refused();
    if refused {
        reason.push_str(" after the guest was refused more memory (`memory_limit`)");
    }
    if let Some(line) = host.output.last_err() {
        reason.push_str(": ");
        reason.push_str(&line);
    }
    let kind = if refused { Kind::Memory } else { Kind::Trap };
    CallError::new(kind, reason).with_backtrace(backtrace(error))
}

fn stopped(stop: &Stop, shared: &Shared) -> CallError {
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
