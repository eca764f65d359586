//! The engine: two allocators of instances with equal compile settings, their linkers, the ticker, the modules.

pub(crate) mod error;
pub(crate) mod module;

use std::{
    collections::HashMap,
    fmt,
    marker::PhantomData,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use rustix::process::{Resource, getrlimit};
use wappa_component::{Account, Ledger, Pool, counted};
use wasmtime::{Caller, Linker, component};

use crate::{
    cache::CodeCache,
    compile::Compile,
    compile::compiler::CompileInProcess,
    compile::settings::{compile_settings, pooling_settings},
    engine::error::EngineError,
    engine::module::Loaded,
    file::digest::Digest,
    file::text::one_line,
    host::Host,
    host::clock::Clock,
    host::functions::Functions,
    host::machine::guest_memory_default,
    host::stack::{StackError, check_thread},
    interface::NOTHING_TO_DO,
    tier::component as processor_world,
    tier::v0,
    tier::v1,
    wasi::preview1,
    wasi::preview2,
};

/// The smallest size of a pooled memory: raising one guest's limit must not cost the others their slots.
const POOLED_MEMORY_BYTES_MIN: usize = 128 << 20;

/// And no memory of a guest is larger, since its addresses have 32 bits.
const POOLED_MEMORY_BYTES_MAX: usize = 4 << 30;

/// What each memory takes of the addresses, whatever its limit: the engine leaves out checks for it.
const MEMORY_RESERVED_BYTES: u64 = 4 << 30;

/// Slots beside those asked for: a replacement may be made while the store of its predecessor still goes.
const SPARE_INSTANCES: u32 = 8;

/// How an engine is made. The defaults suit a service with a few guests.
#[non_exhaustive]
pub struct EngineConfig {
    /// How many instances come from the pool: the sum over all guests of what each may have. One more than that is
    /// not refused but allocated on demand, four times as dear.
    pub instances: u32,
    /// The largest [`crate::Limits::memory`] of all guests. Modules that may have more are allocated on demand.
    pub memory_limit_max: usize,
    /// What all guests may hold together, in bytes. Past it memory does not grow, no instance starts and no message grows
    /// by much, but for the share that every guest has. By default three quarters of what the machine has, or the control
    /// group of the process; no limit where neither can be found out.
    pub guest_memory: usize,
    /// Memory that several engines have together, each for a stream among several; then `guest_memory` counts for nothing.
    pub pool: Option<Pool>,
    /// Who compiles.
    pub compiler: Arc<dyn Compile>,
    /// Where compiled code is kept from one start to the next. None: nowhere.
    pub cache: Option<Arc<CodeCache>>,
}

impl Default for EngineConfig {
    fn default() -> EngineConfig {
        EngineConfig {
            instances: 64,
            memory_limit_max: POOLED_MEMORY_BYTES_MIN,
            guest_memory: guest_memory_default(),
            pool: None,
            compiler: Arc::new(CompileInProcess),
            cache: None,
        }
    }
}

impl fmt::Debug for EngineConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineConfig")
            .field("instances", &self.instances)
            .field("memory_limit_max", &self.memory_limit_max)
            .field("guest_memory", &self.guest_memory)
            .field("pool", &self.pool)
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}

/// Compiles modules and runs guests. Clones are one and the same; one engine serves a whole process, or one of its streams.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

/// What the guests of an engine hold together, as long as it is there.
#[derive(Clone, Debug)]
pub struct Holdings(Weak<Inner>);

impl Holdings {
    /// The bytes that they hold, and how many these may be; none when the engine is gone.
    pub fn bytes(&self) -> Option<(usize, usize)> {
        self.0.upgrade().map(|it| (it.ledger.held(), it.ledger.limit()))
    }
}

struct Inner {
    pooled: Option<Side>,
    on_demand: Side,
    pooled_memory: usize,
    no_pool: Option<String>,
    compiler: Arc<dyn Compile>,
    cache: Option<Arc<CodeCache>>,
    clock: Arc<Clock>,
    ledger: Ledger,
    parts: AtomicU64,
    modules: Mutex<HashMap<Digest, Arc<Mutex<Weak<Loaded>>>>>,
}

/// One allocator: its engine, and the host functions for it.
pub(crate) struct Side {
    pub(crate) engine: wasmtime::Engine,
    pub(crate) linker: Linker<Host>,
    pub(crate) components: component::Linker<Host>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("pooled", &self.0.pooled.is_some()).finish_non_exhaustive()
    }
}

impl Side {
    fn new(config: &wasmtime::Config) -> wasmtime::Result<Side> {
        let engine = wasmtime::Engine::new(config)?;
        let mut functions = Functions::new(&engine);
        v0::link(&mut functions)?;
        v1::link(&mut functions)?;
        preview1::link(&mut functions)?;
        for (module, name, _) in NOTHING_TO_DO {
            functions.add(module, name, |_: Caller<'_, Host>, _: u32| Ok(()))?;
        }
        let mut components = component::Linker::new(&engine);
        processor_world::link(&mut components)?;
        preview2::link(&mut components)?;
        Ok(Side { engine, linker: functions.into_linker(), components })
    }
}

impl Engine {
    /// Makes an engine. Where the machine refuses the address space of a pool, all instances are allocated on demand:
    /// see [`Engine::no_pool`].
    pub fn new(config: EngineConfig) -> Result<Engine, EngineError> {
        let refused = |err: wasmtime::Error| EngineError::Config(one_line(&format!("{err:#}")));
        let on_demand = Side::new(&compile_settings()).map_err(refused)?;
        let memory = config.memory_limit_max.clamp(POOLED_MEMORY_BYTES_MIN, POOLED_MEMORY_BYTES_MAX);
        let (pooled, no_pool) =
            match Side::new(&pooling_settings(config.instances.saturating_add(SPARE_INSTANCES), memory)) {
                Ok(side) => (Some(side), None),
                Err(err) => {
                    let room =
                        address_space().and_then(|it| too_little(it, config.instances)).unwrap_or_default();
                    (None, Some(one_line(&format!("{err:#}")) + &room))
                }
            };
        let engines = pooled.iter().chain([&on_demand]).map(|it| it.engine.weak()).collect();
        let clock = Clock::start(engines).map_err(EngineError::Ticker)?;
        Ok(Engine(Arc::new(Inner {
            pooled,
            on_demand,
            pooled_memory: memory,
            no_pool,
            compiler: config.compiler,
            cache: config.cache,
            clock,
            ledger: config.pool.map_or_else(|| Ledger::new(config.guest_memory), |it| it.ledger()),
            parts: AtomicU64::new(0),
            modules: Mutex::default(),
        })))
    }

    /// Why there is no pool, to be said once in the log: instances are then four times as dear to make.
    pub fn no_pool(&self) -> Option<&str> {
        self.0.no_pool.as_deref()
    }

    /// An account of what guests hold, for those that are one to the outside: the versions of a module, say.
    pub fn account(&self) -> Account {
        self.0.ledger.account()
    }

    /// What tells how much its guests hold.
    pub fn holdings(&self) -> Holdings {
        Holdings(Arc::downgrade(&self.0))
    }

    /// Begins a run of calls on this thread. Time passes for guests only while somebody has entered, so this is held
    /// for a part of many messages and dropped before the thread waits for something else.
    ///
    /// An error when the thread's stack is too small for a guest; [`crate::spawn_thread`] makes one that is not.
    pub fn enter(&self) -> Result<CallContext<'_>, StackError> {
        let running = Running::of(&self.0.clock)?;
        // Part 0 is the one that no instance has seen.
        let part = self.0.parts.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(CallContext { engine: self, part, _running: running, _thread: PhantomData })
    }

    /// Whether a guest with this limit finds room for its memory in the pool: a slot that is smaller than the limit would
    /// be another limit.
    pub(crate) fn is_poolable(&self, memory_limit: usize) -> bool {
        memory_limit.min(POOLED_MEMORY_BYTES_MAX) <= self.0.pooled_memory
    }

    pub(crate) fn pooled(&self) -> Option<&Side> {
        self.0.pooled.as_ref()
    }

    pub(crate) fn on_demand(&self) -> &Side {
        &self.0.on_demand
    }

    pub(crate) fn clock(&self) -> &Arc<Clock> {
        &self.0.clock
    }

    pub(crate) fn compiler(&self) -> &dyn Compile {
        self.0.compiler.as_ref()
    }

    pub(crate) fn cache(&self) -> Option<&CodeCache> {
        self.0.cache.as_deref()
    }

    /// The place of a digest's module. Whoever holds its lock is the one that compiles.
    pub(crate) fn module_place(&self, digest: &Digest) -> Arc<Mutex<Weak<Loaded>>> {
        let mut modules = self.0.modules.lock().unwrap_or_else(PoisonError::into_inner);
        modules.retain(|_, place| {
            1 < Arc::strong_count(place) || place.lock().is_ok_and(|it| 0 < it.strong_count())
        });
        Arc::clone(modules.entry(*digest).or_default())
    }
}

/// How many bytes of addresses the process may have, where that is limited.
fn address_space() -> Option<u64> {
    getrlimit(Resource::As).current
}

/// What is to be said where the addresses do not suffice for all instances.
fn too_little(bytes: u64, instances: u32) -> Option<String> {
    let n = bytes / MEMORY_RESERVED_BYTES;
    (n < u64::from(instances)).then(|| {
        format!(
            "; `ulimit -v` leaves addresses for {} at once, of {instances} that there may be, and a message that \
             has none fails: raise it, or set `max_instances`",
            counted(n, "instance", "instances")
        )
    })
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.clock.stop();
    }
}

/// Time passes for guests while this lives.
#[derive(Debug)]
pub(crate) struct Running<'a>(&'a Clock);

impl<'a> Running<'a> {
    /// An error when the thread's stack is too small for a guest.
    pub(crate) fn of(clock: &'a Clock) -> Result<Running<'a>, StackError> {
        check_thread()?;
        clock.enter();
        Ok(Running(clock))
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// A run of calls on one thread: guests' time passes while it lives. Contents that guests write within one of them
/// share a buffer.
#[derive(Debug)]
pub struct CallContext<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) part: u64,
    _running: Running<'a>,
    /// It was the stack of this thread that was found large enough.
    _thread: PhantomData<*const ()>,
}
