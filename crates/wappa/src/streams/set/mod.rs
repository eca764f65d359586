//! All streams of the process: each is made, takes another one's place and goes, one change of it after the other.
//!
//! Invariant: whoever changes a stream has its turn, so that a name is one stream's at any time; and no lock is held while
//! something is read, built or stopped. A stream is there from when it was begun until it has ended after a stop: one that
//! does not end keeps its place and its name.

mod around;
mod bounds;
mod building;
mod reading;
mod refusal;
mod resources;
mod turns;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use wappa_component::{Level, Pool, Services};
use wappa_engine::ComponentsOfProcess;
use wappa_http_server::{Readiness, StreamView, stats_of_stream};
use wappa_spec::Resources;
use wappa_wasm::EngineConfig;

pub(super) use self::{
    around::Around,
    bounds::{Bounds, check_id},
    reading::{Found, Submitted},
    refusal::Refusal,
};
use self::{
    bounds::check_config_bytes,
    building::{Built, Unused},
    refusal::closed,
};
use super::{
    one::{Running, bring_down, still_at_work},
    serving::Lent,
    threads::Threads,
};
use crate::run::tell_at;

/// How many components all streams may have together.
const COMPONENTS_MAX: usize = 1 << 14;

/// All streams.
pub(crate) struct Streams {
    around: Around,
    lent: Lent,
    /// What guests of all streams hold.
    guest_memory: Pool,
    /// What streams reach each other through.
    services: Services,
    components: Arc<ComponentsOfProcess>,
    threads: Arc<Threads>,
    /// Whether all streams of files were begun.
    has_started: AtomicBool,
    state: Mutex<State>,
    /// Somebody's turn is over.
    turn_over: Condvar,
    /// Shared by those who change one stream; who replaces all of them has it alone.
    whole: RwLock<()>,
}

#[derive(Default)]
struct State {
    all: BTreeMap<String, Arc<Running>>,
    /// Names of streams that are being changed.
    busy: BTreeSet<String>,
    n_building: usize,
    /// Nothing more is changed.
    is_closed: bool,
    /// Processors, inputs and outputs that each stream builds for itself, where it refers to them.
    resources: Resources,
    n_added: usize,
}

impl Streams {
    /// None yet. The error says which of the resources cannot be built.
    pub(super) fn new(around: Around, lent: Lent) -> Result<Streams, String> {
        let limit =
            around.options.guest_memory_limit.map(|it| usize::try_from(it.bytes()).unwrap_or(usize::MAX));
        let guest_memory = Pool::new(limit.unwrap_or(EngineConfig::default().guest_memory));
        let mut resources = around.config.resources.clone();
        let shared = Resources {
            caches: std::mem::take(&mut resources.caches),
            rate_limits: std::mem::take(&mut resources.rate_limits),
            ..Resources::default()
        };
        let streams = Streams {
            around,
            lent,
            guest_memory,
            services: Services::default(),
            components: Arc::new(ComponentsOfProcess::new(COMPONENTS_MAX)),
            threads: Threads::of_machine(),
            has_started: AtomicBool::new(false),
            state: Mutex::new(State { resources, ..State::default() }),
            turn_over: Condvar::new(),
            whole: RwLock::new(()),
        };
        streams.build_shared(shared)?;
        Ok(streams)
    }

    pub(super) fn around(&self) -> &Around {
        &self.around
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All streams, by name.
    pub(super) fn all(&self) -> Vec<Arc<Running>> {
        self.lock().all.values().cloned().collect()
    }

    /// The stream of this name.
    pub(super) fn get(&self, id: &str) -> Option<Arc<Running>> {
        self.lock().all.get(id).cloned()
    }

    /// Whether the stream of this name is made of the same.
    pub(super) fn is_as(&self, id: &str, submitted: &Submitted) -> bool {
        submitted.stamp.is_some() && self.get(id).is_some_and(|it| it.of.stamp == submitted.stamp)
    }

    /// All streams of files were begun: from here on it can be ready.
    pub(super) fn have_started(&self) {
        self.has_started.store(true, Ordering::SeqCst);
    }

    /// Those that run and do not have all connections that they want.
    pub(super) fn readiness(&self) -> Readiness {
        if !self.has_started.load(Ordering::SeqCst) {
            return Readiness::Starting;
        }
        let is_unconnected = |it: &Arc<Running>| it.is_active() && !it.is_connected();
        let names = self.all().into_iter().filter(is_unconnected).map(|it| it.of.id.clone());
        Readiness::Unconnected(names.collect())
    }

    /// What the page shows.
    pub(super) fn views(&self) -> Vec<StreamView> {
        self.all().iter().map(|it| it.view()).collect()
    }

    /// The components of all streams that were called and have not returned, a line each.
    pub(super) fn at_work(&self) -> String {
        let of = |it: &Arc<Running>| -> Vec<String> {
            it.at_work().iter().map(|name| format!("{}: {name}\n", it.of.id)).collect()
        };
        self.all().iter().flat_map(of).collect()
    }

    /// Lines on what guests hold.
    pub(super) fn memory(&self) -> String {
        format!("guests {}\nguests_limit {}\n", self.guest_memory.held(), self.guest_memory.limit())
    }

    /// What a stream counts.
    pub(super) fn stats(&self, id: &str) -> Option<String> {
        let running = self.get(id)?;
        Some(stats_of_stream(&self.around.metrics, id, running.uptime()))
    }

    /// Makes a stream.
    pub(super) fn create(&self, id: &str, submitted: Submitted) -> Result<(), Refusal> {
        self.check_name(id).map_err(Refusal::Mistake)?;
        let _shared = self.whole.read().unwrap_or_else(PoisonError::into_inner);
        let _turn = self.take_turn(id)?;
        if self.get(id).is_some() {
            return Err(Refusal::Exists);
        }
        self.create_in_turn(id, submitted)
    }

    fn create_in_turn(&self, id: &str, submitted: Submitted) -> Result<(), Refusal> {
        self.check_room(1)?;
        self.check_configs(id, &submitted)?;
        let built = self.build(id, submitted)?;
        self.begin(built)
    }

    /// Has a stream take the place of the one of its name, or makes it.
    pub(super) fn put(&self, id: &str, submitted: Submitted) -> Result<(), Refusal> {
        let _shared = self.whole.read().unwrap_or_else(PoisonError::into_inner);
        let _turn = self.take_turn(id)?;
        match self.get(id) {
            Some(before) => self.replace(&before, submitted),
            None => self.create_in_turn(id, submitted),
        }
    }

    /// Has a stream take the place of the one of its name. `submitted` is asked for it in the stream's turn.
    pub(super) fn update<E: From<Refusal>>(
        &self,
        id: &str,
        submitted: impl FnOnce(&Running) -> Result<Submitted, E>,
    ) -> Result<(), E> {
        let _shared = self.whole.read().unwrap_or_else(PoisonError::into_inner);
        let _turn = self.take_turn(id)?;
        let before = self.get(id).ok_or(Refusal::NotFound)?;
        let submitted = submitted(&before)?;
        Ok(self.replace(&before, submitted)?)
    }

    fn replace(&self, before: &Arc<Running>, submitted: Submitted) -> Result<(), Refusal> {
        self.check_configs(&before.of.id, &submitted)?;
        // One that cannot be built takes nobody's place.
        let built = self.build(&before.of.id, submitted)?;
        let mut unused = Unused(Some(&built.prepared.metrics));
        before.forget_paths();
        self.bring_down(std::slice::from_ref(before))?;
        before.let_go();
        unused.0 = None;
        drop(unused);
        match self.begin(built) {
            Ok(()) => {
                before.forget(true);
                Ok(())
            }
            Err(err) => {
                self.lock().all.remove(&before.of.id);
                before.forget(false);
                Err(err)
            }
        }
    }

    /// Stops a stream, and it is gone.
    pub(super) fn delete(&self, id: &str) -> Result<(), Refusal> {
        let _shared = self.whole.read().unwrap_or_else(PoisonError::into_inner);
        let _turn = self.take_turn(id)?;
        let running = self.get(id).ok_or(Refusal::NotFound)?;
        self.bring_down(std::slice::from_ref(&running))?;
        self.lock().all.remove(id);
        running.forget(false);
        Ok(())
    }

    /// Has a set of streams take the place of all that there are.
    pub(super) fn replace_all(&self, set: Vec<(String, Submitted)>) -> Result<(), Refusal> {
        for (id, _) in &set {
            self.check_name(id).map_err(|text| Refusal::Mistake(format!("stream '{id}': {text}")))?;
        }
        self.check_number(set.len())?;
        check_config_bytes(set.iter().map(|(_, it)| it.source.node.n_bytes()).sum())?;
        let _alone = self.whole.write().unwrap_or_else(PoisonError::into_inner);
        if self.lock().is_closed {
            return Err(closed());
        }
        let mut all_built: Vec<Built> = Vec::with_capacity(set.len());
        for (id, submitted) in set {
            match self.build(&id, submitted) {
                Ok(built) => all_built.push(built),
                Err(err) => {
                    all_built.iter().for_each(|it| it.prepared.metrics.retire());
                    return Err(match err {
                        Refusal::Failed(text) => Refusal::Failed(format!("stream '{id}': {text}")),
                        other => other,
                    });
                }
            }
        }
        let before = self.all();
        if let Err(err) = self.bring_down(&before) {
            all_built.iter().for_each(|it| it.prepared.metrics.retire());
            // Those that have ended are gone all the same.
            for running in before.iter().filter(|it| !it.is_active()) {
                self.lock().all.remove(&running.of.id);
                running.forget(false);
            }
            return Err(err);
        }
        self.lock().all.clear();
        before.iter().for_each(|it| it.let_go());
        let mut first = Ok(());
        let mut begun = BTreeSet::new();
        for built in all_built {
            let id = built.prepared.id.clone();
            match self.begin(built) {
                Ok(()) => _ = begun.insert(id),
                Err(err) => first = first.and(Err(err)),
            }
        }
        before.iter().for_each(|it| it.forget(begun.contains(&it.of.id)));
        first
    }

    fn bring_down(&self, all: &[Arc<Running>]) -> Result<(), Refusal> {
        let timeout = self.around.config.shutdown_timeout;
        let left = bring_down(all, timeout, &|| false);
        if left.is_empty() {
            return Ok(());
        }
        let text = format!("did not stop within {timeout:?}, and goes on stopping: {}", still_at_work(&left));
        Err(Refusal::Failed(text))
    }

    /// Nothing more is changed, and all streams are stopped within this time. Whether all have ended and delivered all.
    pub(super) fn close(&self, timeout: Duration, is_hurried: impl Fn() -> bool) -> bool {
        let all: Vec<Arc<Running>> = {
            let mut state = self.lock();
            state.is_closed = true;
            state.all.values().cloned().collect()
        };
        self.turn_over.notify_all();
        let left = bring_down(&all, timeout, &is_hurried);
        if !left.is_empty() {
            let text = format!("Streams did not stop in time. Still at work: {}", still_at_work(&left));
            tell_at(Level::Error, &self.around.logger, &text);
        }
        self.around.setting.stop().cut();
        left.is_empty() && all.iter().all(|it| it.undelivered() == 0)
    }
}

impl std::fmt::Debug for Streams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.all().iter().map(|it| it.of.id.clone())).finish()
    }
}
