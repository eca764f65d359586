//! The start of an instance: its memory, its start functions, and what is called for messages.

use wappa_spec::Size;
use wasmtime::{Store, TypedFunc, UpdateDeadline, Val, component};
use wasmtime_wasi::WasiView;

use crate::{
    guest::Guest,
    guest::Linked,
    guest::instance::{Entry, describe},
    host::Host,
    host::error::CallError,
    host::error::Kind,
    host::error::{Stop, refusal_of_machine},
    host::exports::Exports,
    host::limiter::Limit,
    host::shared::Shared,
    interface::{CLOSE, INIT},
    interface::{WORLD_PACKAGE, WORLD_VERSIONS},
    tier::component::WitDisposition,
    tier::v1::reason_of,
    wasi::preview1::RESOURCES_MAX,
};

pub(crate) enum NotStarted {
    /// The pool is used up.
    NoSlot,
    Failed(CallError),
}

/// An instance in parts: its store, what is called for messages, and `wappa_close`.
type Started = (Store<Host>, Entry, Option<TypedFunc<(), ()>>);

/// Makes an instance and runs its start functions.
pub(crate) fn start(guest: &Guest, linked: &Linked, deadline: u64) -> Result<Started, NotStarted> {
    let host = guest.inner().host(deadline).map_err(failed)?;
    let mut store = Store::new(linked.engine(), host);
    store.limiter(|host| &mut host.limiter);
    store.epoch_deadline_callback(|mut ctx| {
        ctx.data_mut().check_time()?;
        Ok(UpdateDeadline::Continue(1))
    });
    store.set_epoch_deadline(1);
    let shared = &guest.inner().shared;
    store.set_hostcall_fuel(shared.copy_limit());
    store.data_mut().wasi.ctx().table.set_max_capacity(RESOURCES_MAX);
    match linked {
        Linked::Core(pre) => {
            store.data_mut().know_mounts().map_err(|err| failed(format!("{err:#}")))?;
            let instance = pre.instantiate(&mut store);
            let instance = instantiated(&store, instance)?;
            start_core(store, &instance, shared)
        }
        Linked::Component(pre) => {
            let instance = pre.instantiate(&mut store);
            let instance = instantiated(&store, instance)?;
            start_component(store, &instance, shared)
        }
    }
}

fn failed(text: String) -> NotStarted {
    NotStarted::Failed(CallError::new(Kind::Instance, text))
}

fn instantiated<T>(store: &Store<Host>, result: wasmtime::Result<T>) -> Result<T, NotStarted> {
    result.map_err(|error| {
        if error.is::<wasmtime::PoolConcurrencyLimitError>() {
            return NotStarted::NoSlot;
        }
        NotStarted::Failed(not_started(store.data(), "instantiating", &error))
    })
}

fn start_core(
    mut store: Store<Host>,
    instance: &wasmtime::Instance,
    shared: &Shared,
) -> Result<Started, NotStarted> {
    store.data_mut().exports =
        Exports::bind(&mut store, instance, shared.memory.as_deref(), shared.allocator);
    if let Some(name) = shared.start {
        match call(&mut store, instance, name) {
            Ok(_) => {}
            // Commands of today's toolchains end so; they have initialized the guest.
            Err(error) if matches!(error.downcast_ref(), Some(Stop::Exit(0))) => {}
            Err(error) => {
                let what = format!("running `{name}`");
                return Err(NotStarted::Failed(not_started(store.data(), &what, &error)));
            }
        }
    }
    if shared.has_init {
        match call(&mut store, instance, INIT) {
            Ok(results) => match results.first() {
                Some(Val::I32(0)) => {}
                code => {
                    let code = code.and_then(Val::i32).unwrap_or_default();
                    return Err(failed(refusal(store.data(), &format!("`{INIT}` returned {code}"))));
                }
            },
            Err(error) => {
                let what = format!("running `{INIT}`");
                return Err(NotStarted::Failed(not_started(store.data(), &what, &error)));
            }
        }
    }
    let func = instance
        .get_func(&mut store, &shared.function)
        .ok_or_else(|| failed(format!("`{}` is not there", shared.function)))?;
    let entry = match func.typed(&store) {
        Ok(func) => Entry::Plain(func),
        Err(_) => {
            let results = vec![Val::I32(0); func.ty(&store).results().len()];
            Entry::WithResults(func, results)
        }
    };
    store.data_mut().frees.clear();
    let close = if shared.has_close { instance.get_typed_func(&mut store, CLOSE).ok() } else { None };
    Ok((store, entry, close))
}

fn call(store: &mut Store<Host>, instance: &wasmtime::Instance, name: &str) -> wasmtime::Result<Vec<Val>> {
    let Some(func) = instance.get_func(&mut *store, name) else { wasmtime::bail!("`{name}` is not there") };
    let mut results = vec![Val::I32(0); func.ty(&*store).results().len()];
    func.call(store, &[], &mut results)?;
    Ok(results)
}

/// What the guest said last of its own accord, behind what it did.
fn refusal(host: &Host, what: &str) -> String {
    match host.output.last_err() {
        Some(line) => format!("{what}: {line}"),
        None => what.to_string(),
    }
}

type Configure = component::TypedFunc<(Vec<(String, String)>,), (Result<(), String>,)>;

fn start_component(
    mut store: Store<Host>,
    instance: &component::Instance,
    shared: &Shared,
) -> Result<Started, NotStarted> {
    let wrong = |what: &str, error: wasmtime::Error| failed(format!("`{what}`: {error:#}"));
    let missing = |what: &str| failed(format!("the component exports no `{what}`"));
    let name = &shared.function;
    let transform = instance.get_export_index(&mut store, None, name).ok_or_else(|| missing(name))?;
    let index = instance
        .get_export_index(&mut store, Some(&transform), "configure")
        .ok_or_else(|| missing("configure"))?;
    let configure: Configure =
        instance.get_typed_func(&mut store, index).map_err(|err| wrong("configure", err))?;
    let index = instance
        .get_export_index(&mut store, Some(&transform), "process")
        .ok_or_else(|| missing("process"))?;
    let process = instance
        .get_typed_func::<_, (Vec<WitDisposition>,)>(&mut store, index)
        .map_err(|err| wrong("process", err))?;
    match configure.call(&mut store, (shared.config.to_vec(),)) {
        Ok((Ok(()),)) => {}
        Ok((Err(reason),)) => {
            return Err(failed(format!("`configure` failed: {}", reason_of(reason.as_bytes()))));
        }
        Err(error) => {
            return Err(NotStarted::Failed(not_started(store.data(), "running `configure`", &error)));
        }
    }
    Ok((store, Entry::Component(process), None))
}

/// The name of the interface that a component exports to be a processor, if it does.
pub(crate) fn transform_of(component: &component::Component, engine: &wasmtime::Engine) -> Option<String> {
    let ty = component.component_type();
    WORLD_VERSIONS.iter().find_map(|version| {
        let (minor, _) = version.rsplit_once('.').expect("a version has three numbers");
        let prefix = format!("{WORLD_PACKAGE}/transform@{minor}.");
        ty.exports(engine).map(|(name, _)| name).find(|name| name.starts_with(&prefix)).map(str::to_string)
    })
}

/// A failure before the first message.
fn not_started(host: &Host, what: &str, error: &wasmtime::Error) -> CallError {
    if let Some(reason) = refusal_of_machine(error) {
        return CallError::new(Kind::Instance, format!("{what}: {reason}"));
    }
    let mut described = describe(host, error);
    if described.kind() == Kind::Interrupted {
        return described;
    }
    if described.kind() == Kind::Memory && !error.is::<wasmtime::Trap>() {
        let text = match host.limiter.was_refused() {
            Some(Limit::Process) => format!(
                "{what}: it needs more memory to start with than there is left ({})",
                Limit::Process.name()
            ),
            _ => {
                let limit = Size(host.shared.limits.memory as u64);
                format!("{what}: it needs more memory to start with than {limit} (`memory_limit`)")
            }
        };
        return CallError::new(Kind::Instance, text);
    }
    let frames = described.take_frames();
    let text = format!("{what}: {}: {}", described.kind().as_str(), described.reason());
    CallError::new(Kind::Instance, text).with_frames(frames)
}
