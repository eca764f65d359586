//! Runs messages through a module, and keeps what it says and counts.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant},
};

use wappa_message::Message;
use wappa_wasm::{
    CallContext, Engine, EngineConfig, Guest, GuestConfig, GuestLog, GuestMetrics, Instance, Level, Run,
};

use crate::modules::Example;

/// Longer than any message takes, on a machine however busy.
const AMPLE: Duration = Duration::from_secs(120);

/// One engine for all modules.
pub(crate) fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE
        .get_or_init(|| Engine::new(EngineConfig::default()).expect("the default config suits every machine"))
}

/// What a guest said and counted.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Said {
    /// Level and text.
    pub(crate) lines: Vec<(Level, String)>,
    pub(crate) counts: BTreeMap<String, u64>,
}

/// Keeps what a guest says.
#[derive(Default)]
pub(crate) struct Ear(Mutex<Said>);

impl Ear {
    /// What was said since it was last asked.
    pub(crate) fn take(&self) -> Said {
        mem::take(&mut *self.0.lock().expect("no panic"))
    }
}

impl GuestLog for Ear {
    fn log(&self, level: Level, text: &str) {
        self.0.lock().expect("no panic").lines.push((level, text.to_string()));
    }
}

impl GuestMetrics for Ear {
    fn count(&self, name: &str, delta: u64) {
        *self.0.lock().expect("no panic").counts.entry(name.to_string()).or_default() += delta;
    }
}

/// A guest with this config. Without an ear nobody listens to it.
pub(crate) fn guest(
    example: &Example,
    config: &[(String, String)],
    ear: Option<&Arc<Ear>>,
) -> Result<Guest, String> {
    let mut guest = GuestConfig { config: config.to_vec(), ..GuestConfig::default() };
    guest.limits.timeout = AMPLE;
    guest.limits.log_lines_per_second = u32::MAX;
    guest.log = ear.map(|it| Arc::clone(it) as Arc<dyn GuestLog>);
    guest.metrics = ear.map(|it| Arc::clone(it) as Arc<dyn GuestMetrics>);
    Guest::new(engine(), example.module()?, guest).map_err(|err| err.to_string())
}

pub(crate) fn instantiate(guest: &Guest) -> Result<Instance, String> {
    guest.instantiate(Instant::now() + AMPLE).map_err(|err| format!("starting: {err}"))
}

/// A run of these batches.
pub(crate) fn run_of(batches: &[&[Message]]) -> Run {
    let mut end = 0;
    let ends = batches.iter().map(|it| {
        end += it.len() as u32;
        end
    });
    Run::batches(batches.concat(), ends.collect())
}

/// Takes the whole run through one instance, which must survive it.
pub(crate) fn finish(instance: &mut Instance, run: &mut Run, ctx: &CallContext<'_>) -> Result<(), String> {
    while !run.is_done() {
        instance.run(run, ctx).map_err(|err| format!("of no message: {err}"))?;
        if instance.is_spent() {
            let mut finished = mem::take(run);
            let n = finished.n_done();
            finished.set_pace(Default::default());
            let failed = finished.finish().take(n).map(crate::check::sent).last();
            return Err(format!("the instance is spent after {n} messages: {failed:?}"));
        }
    }
    Ok(())
}
