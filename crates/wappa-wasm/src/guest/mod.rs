//! Guests: a module with the function to call, its limits and what it sees of the world, linked once.

pub(crate) mod error;
pub(crate) mod instance;
pub(crate) mod slots;
pub(crate) mod start;

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Instant,
};

use wappa_component::Account;
use wasmtime::{ExternType, InstancePre, component};

use crate::{
    compile::load::Code,
    engine::Engine,
    engine::Side,
    engine::module::Module,
    file::text::one_line,
    guest::error::GuestError,
    guest::instance::Instance,
    guest::slots::Slots,
    guest::start::transform_of,
    host::Host,
    host::descriptors::Descriptors,
    host::error::CallError,
    host::exports::Allocator,
    host::interrupt::Interrupt,
    host::limiter::MemoryLimiter,
    host::log::{GuestLog, Output, RatedLog},
    host::metrics::{GuestMetrics, Ticks},
    host::shared::{Limits, Mount, Shared},
    host::threads::Threads,
    interface::CLOSE,
    interface::INIT,
    interface::provided_functions,
    interface::{WORLD_PACKAGE, WORLD_VERSION},
    wasi::preview1,
    wasi::ungranted::linker_for,
};

/// How a guest is made. By default it sees nothing of the world.
#[derive(Clone)]
pub struct GuestConfig {
    /// The export that is called for messages. A component's is always `process`.
    pub function: String,
    /// What the guest can read as its config. May hold secrets.
    pub config: Vec<(String, String)>,
    /// What it may use.
    pub limits: Limits,
    /// Most instances at once; 0: as many as are asked for.
    pub max_instances: usize,
    /// WASI environment.
    pub env: Vec<(String, String)>,
    /// WASI arguments.
    pub args: Vec<String>,
    /// Directories.
    pub mounts: Vec<Mount>,
    /// Where its lines go; `None`: nowhere.
    pub log: Option<Arc<dyn GuestLog>>,
    /// Where its counters go; `None`: nowhere.
    pub metrics: Option<Arc<dyn GuestMetrics>>,
    /// What [`Run::due_at`](crate::Run::due_at) is compared with; `None`: no run is ever due.
    pub ticks: Option<Arc<dyn Ticks>>,
    /// What interrupts it.
    pub interrupt: Interrupt,
    /// Who pays for what it holds of [`EngineConfig::guest_memory`](crate::EngineConfig::guest_memory), where several
    /// guests are one: see [`Engine::account`]. `None`: an account of its own.
    pub account: Option<Account>,
}

impl Default for GuestConfig {
    fn default() -> GuestConfig {
        GuestConfig {
            function: "process".into(),
            config: Vec::new(),
            limits: Limits::default(),
            max_instances: 0,
            env: Vec::new(),
            args: Vec::new(),
            mounts: Vec::new(),
            log: None,
            metrics: None,
            ticks: None,
            interrupt: Interrupt::new(),
            account: None,
        }
    }
}

impl fmt::Debug for GuestConfig {
    // The environment and the config may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuestConfig")
            .field("function", &self.function)
            .field("limits", &self.limits)
            .field("max_instances", &self.max_instances)
            .field("mounts", &self.mounts)
            .finish_non_exhaustive()
    }
}

/// Code with its imports.
#[derive(Clone)]
pub(crate) enum Linked {
    Core(InstancePre<Host>),
    Component(component::InstancePre<Host>),
}

impl Linked {
    pub(crate) fn engine(&self) -> &wasmtime::Engine {
        match self {
            Linked::Core(pre) => pre.module().engine(),
            Linked::Component(pre) => pre.engine(),
        }
    }
}

/// A module that is linked and ready to be instantiated. Clones are one and the same.
#[derive(Clone)]
pub struct Guest(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) engine: Engine,
    module: Module,
    pub(crate) pooled: Option<Linked>,
    on_demand: OnceLock<Linked>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) slots: Arc<Slots>,
    log: Arc<RatedLog>,
    metrics: Option<Arc<dyn GuestMetrics>>,
    env: Vec<(String, String)>,
    args: Vec<String>,
    mounts: Vec<Mount>,
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guest").field("shared", &self.0.shared).finish_non_exhaustive()
    }
}

impl Guest {
    /// Checks that the module is one that the config fits, and links it. Makes no instance.
    pub fn new(engine: &Engine, module: &Module, config: GuestConfig) -> Result<Guest, GuestError> {
        let pooled = module.loaded.pooled.as_ref().filter(|_| engine.is_poolable(config.limits.memory));
        let code = match pooled {
            Some(code) => code,
            None => module.loaded.on_demand(engine).map_err(|err| GuestError::Import(err.to_string()))?,
        };
        let side = if pooled.is_some() { engine.pooled() } else { None }.unwrap_or(engine.on_demand());
        let footprint = module.loaded.footprint.charged();
        if config.limits.memory as u64 <= footprint && 0 < footprint {
            return Err(GuestError::Memory { needed: footprint, limit: config.limits.memory });
        }
        let function = match code {
            Code::Core(wasm) => {
                check_function(wasm, &config.function)?;
                check_memory(wasm, footprint, config.limits.memory)?;
                config.function
            }
            Code::Component(wasm) => interface_of(wasm, &side.engine, &config.function)?,
        };
        let linked = link(side, code)?;
        let has = |name: &str| code.has_function(name);
        let account = config.account.unwrap_or_else(|| engine.account());
        let threads = (!config.mounts.is_empty()).then(|| Threads::new(&account));
        let shared = Shared {
            limits: config.limits,
            account,
            footprint: bytes_of(module.loaded.footprint.bytes),
            footprint_charged: bytes_of(footprint),
            config: config.config,
            ticks: config.ticks,
            threads: threads.transpose().map_err(GuestError::Threads)?,
            descriptors: (!config.mounts.is_empty()).then(Descriptors::new),
            is_one_by_one: config.mounts.iter().any(|it| it.writable),
            interrupt: config.interrupt,
            clock: Arc::clone(engine.clock()),
            function,
            memory: module.loaded.memory.clone(),
            allocator: Allocator::pick(has),
            start: ["_start", "_initialize"].into_iter().find(|it| has(it)),
            has_init: has(INIT),
            has_close: has(CLOSE),
        };
        let guest = Inner {
            engine: engine.clone(),
            module: module.clone(),
            pooled: pooled.is_some().then(|| linked.clone()),
            on_demand: if pooled.is_some() { OnceLock::new() } else { OnceLock::from(linked) },
            shared: Arc::new(shared),
            slots: Slots::new(config.max_instances),
            log: Arc::new(RatedLog::new(config.log, config.limits.log_lines_per_second)),
            metrics: config.metrics,
            env: config.env,
            args: config.args,
            mounts: config.mounts,
        };
        // A mount that is not there is a mistake of the config, to be said before the first message.
        guest.context(Instant::now()).map_err(|(host, source)| GuestError::Mount { host, source })?;
        Ok(Guest(Arc::new(guest)))
    }

    /// Makes an instance and runs its start function.
    ///
    /// Waits while there are as many as `max_instances` allows. The deadline covers both, waiting and starting; a
    /// raised interrupt ends both.
    pub fn instantiate(&self, deadline: Instant) -> Result<Instance, CallError> {
        Instance::new(self, deadline)
    }

    /// The limits.
    pub fn limits(&self) -> Limits {
        self.0.shared.limits
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// What interrupts this guest.
    pub fn interrupt(&self) -> &Interrupt {
        &self.0.shared.interrupt
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }
}

impl Inner {
    /// The linked module for the on-demand engine, made when first asked for.
    pub(crate) fn on_demand(&self) -> Result<&Linked, String> {
        if let Some(linked) = self.on_demand.get() {
            return Ok(linked);
        }
        let code = self.module.loaded.on_demand(&self.engine).map_err(|err| err.to_string())?;
        let linked = link(self.engine.on_demand(), code).map_err(|err| err.to_string())?;
        Ok(self.on_demand.get_or_init(|| linked))
    }

    /// The store's data for one more instance, except for its deadline.
    pub(crate) fn host(&self, deadline: u64) -> Result<Host, String> {
        let began = Instant::now();
        let (wasi, output) =
            self.context(began).map_err(|(host, source)| GuestError::Mount { host, source }.to_string())?;
        let limiter = MemoryLimiter::new(&self.shared).map_err(|refused| refused.to_string())?;
        Ok(Host::new(Arc::clone(&self.shared), wasi, output, limiter, began, deadline))
    }

    fn context(
        &self,
        began: Instant,
    ) -> Result<(wasmtime_wasi::p1::WasiP1Ctx, Arc<Output>), (String, std::io::Error)> {
        let output = Output::new(Arc::clone(&self.log), self.metrics.clone());
        Ok((preview1::context(&self.env, &self.args, &self.mounts, &output, began)?, output))
    }
}

fn bytes_of(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn check_function(wasm: &wasmtime::Module, function: &str) -> Result<(), GuestError> {
    let wrong = |found: String| Err(GuestError::WrongFunction { function: function.to_string(), found });
    match wasm.get_export(function) {
        Some(ExternType::Func(ty)) if ty.params().len() == 0 => Ok(()),
        Some(ExternType::Func(ty)) => {
            let params: Vec<String> = ty.params().map(|it| it.to_string()).collect();
            wrong(format!("a function with the parameters ({})", params.join(", ")))
        }
        Some(ExternType::Memory(_)) => wrong("a memory".into()),
        Some(ExternType::Global(_)) => wrong("a global".into()),
        Some(_) => wrong("a table".into()),
        None => {
            let would_do: Vec<String> = wasm
                .exports()
                .filter(|it| it.ty().func().is_some_and(|it| it.params().len() == 0))
                .map(|it| format!("`{}`", it.name()))
                .collect();
            let hint = if would_do.is_empty() {
                "; it exports none without parameters".to_string()
            } else {
                format!("; without parameters there are {}", would_do.join(", "))
            };
            Err(GuestError::NoFunction { function: function.to_string(), hint })
        }
    }
}

fn check_memory(wasm: &wasmtime::Module, footprint: u64, limit: usize) -> Result<(), GuestError> {
    let memories: u64 = wasm
        .exports()
        .filter_map(|it| match it.ty() {
            ExternType::Memory(ty) => Some(ty.minimum().saturating_mul(ty.page_size())),
            _ => None,
        })
        .sum();
    let needed = memories.saturating_add(footprint);
    if needed <= limit as u64 { Ok(()) } else { Err(GuestError::Memory { needed, limit }) }
}

/// The interface that a component exports to be a processor.
fn interface_of(
    wasm: &component::Component,
    engine: &wasmtime::Engine,
    function: &str,
) -> Result<String, GuestError> {
    if function != "process" {
        let found = "not there: a component is called by its `process`".to_string();
        return Err(GuestError::WrongFunction { function: function.to_string(), found });
    }
    transform_of(wasm, engine).ok_or_else(|| GuestError::NotAProcessor {
        interface: format!("{WORLD_PACKAGE}/transform@{WORLD_VERSION}"),
    })
}

/// Links the module, or names all imports that cannot be had.
fn link(side: &Side, code: &Code) -> Result<Linked, GuestError> {
    let not_linked = |err: wasmtime::Error| {
        GuestError::Import(format!("linking the module: {}", one_line(&format!("{err:#}"))))
    };
    let wasm = match code {
        Code::Core(wasm) => wasm,
        Code::Component(wasm) => {
            let own = linker_for(&side.components, wasm, &side.engine).map_err(not_linked)?;
            let linker = own.as_ref().unwrap_or(&side.components);
            return linker.instantiate_pre(wasm).map(Linked::Component).map_err(not_linked);
        }
    };
    let mut missing = Vec::new();
    for import in wasm.imports() {
        let (module, name) = (import.module(), import.name());
        if provided_functions().all(|it| (it.0, it.1) != (module, name)) {
            missing.push(format!("`{module}.{name}`"));
        }
    }
    if !missing.is_empty() {
        let text = format!("the module imports {}, which nobody provides", missing.join(", "));
        return Err(GuestError::Import(text));
    }
    side.linker.instantiate_pre(wasm).map(Linked::Core).map_err(not_linked)
}
