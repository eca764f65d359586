//! How a stream is stopped: first gracefully, then at once, and then without what is finished.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering},
    },
    time::Duration,
};

use wappa_component::{Clock, Pulse};

use crate::world::{Bell, Monitor, World};

const RUN: u8 = 0;
const DRAIN: u8 = 1;
const ABANDON: u8 = 2;
const CUT: u8 = 3;

/// What is called when a stream goes on to the next phase of stopping.
struct Hook {
    /// Only when this phase is reached; `None`: each time.
    phase: Option<u8>,
    call: Box<dyn Fn() + Send + Sync>,
}

/// Asks a stream to stop. Cloning shares; may be used from any thread.
#[derive(Clone)]
pub struct Stop(Arc<State>);

struct State {
    phase: AtomicU8,
    world: World,
    bell: Bell,
    /// Sleepers wait here.
    hooks: Monitor<Vec<Hook>>,
    /// Who waits for a future waits here: hooks may be what wakes them.
    parked: Monitor<()>,
    /// How many threads sleep, or wait for a future.
    n_waiting: AtomicUsize,
    /// What is called when one more does.
    on_wait: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

/// A thread that waits.
struct Waiting<'a>(&'a State);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.n_waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Stop {
    pub(crate) fn new(world: &World, bell: &Bell) -> Stop {
        Stop(Arc::new(State {
            phase: AtomicU8::new(RUN),
            world: world.clone(),
            bell: bell.clone(),
            hooks: Monitor::new(world, Vec::new()),
            parked: Monitor::new(world, ()),
            n_waiting: AtomicUsize::new(0),
            on_wait: OnceLock::new(),
        }))
    }

    /// Nothing new is read; what was read is worked off.
    pub fn drain(&self) {
        self.raise(DRAIN);
    }

    /// What is not finished is given up: guests are interrupted, sleeps end, and it is answered as failed. What is
    /// finished is still written, once, by an output that takes it.
    pub fn abandon(&self) {
        self.raise(ABANDON);
    }

    /// Everything is given up: nothing more is written either.
    pub fn cut(&self) {
        self.raise(CUT);
    }

    /// `hook` is called, once, when what is not finished is given up; at once if that is already so.
    pub fn on_abandon(&self, hook: impl Fn() + Send + Sync + 'static) {
        self.add(Hook { phase: Some(ABANDON), call: Box::new(hook) });
    }

    /// `hook` is called whenever the stream goes on to the next phase of stopping.
    pub(crate) fn on_change(&self, hook: impl Fn() + Send + Sync + 'static) {
        self.add(Hook { phase: None, call: Box::new(hook) });
    }

    /// `hook` is called by each thread that begins to sleep, or to wait for a future, before it does. A stop is for one stream.
    pub(crate) fn on_wait(&self, hook: impl Fn() + Send + Sync + 'static) {
        let _ = self.0.on_wait.set(Box::new(hook));
    }

    /// How many threads sleep, or wait for a future.
    pub(crate) fn n_waiting(&self) -> usize {
        self.0.n_waiting.load(Ordering::SeqCst)
    }

    fn begin_to_wait(&self) -> Waiting<'_> {
        // Counted first: whoever has something for a thread that does not wait looks at that behind it.
        self.0.n_waiting.fetch_add(1, Ordering::SeqCst);
        let waiting = Waiting(&self.0);
        self.0.on_wait.get().into_iter().for_each(|hook| hook());
        waiting
    }

    fn add(&self, hook: Hook) {
        let mut hooks = self.0.hooks.lock();
        if hook.phase.unwrap_or(DRAIN) <= self.0.phase.load(Ordering::SeqCst) {
            (hook.call)();
        }
        hooks.push(hook);
    }

    /// Whether nothing new is to be read.
    pub fn is_draining(&self) -> bool {
        DRAIN <= self.0.phase.load(Ordering::SeqCst)
    }

    /// Whether what is not finished is given up.
    pub fn is_abandoned(&self) -> bool {
        ABANDON <= self.0.phase.load(Ordering::Relaxed)
    }

    /// Whether everything is given up.
    pub fn is_cut(&self) -> bool {
        CUT <= self.0.phase.load(Ordering::SeqCst)
    }

    fn raise(&self, phase: u8) {
        let hooks = self.0.hooks.lock();
        let before = self.0.phase.fetch_max(phase, Ordering::SeqCst);
        if phase <= before {
            return;
        }
        let is_concerned = |it: &&Hook| it.phase.is_none_or(|own| before < own && own <= phase);
        hooks.iter().filter(is_concerned).for_each(|it| (it.call)());
        drop(hooks);
        self.0.hooks.notify_all();
        self.call_parked();
        self.0.bell.ring();
    }

    /// The lock orders what they look at and the call.
    fn call_parked(&self) {
        drop(self.0.parked.lock());
        self.0.parked.notify_all();
    }
}

impl Pulse for Stop {
    fn now(&self) -> Duration {
        self.0.world.now()
    }

    fn ticks(&self) -> u64 {
        self.0.world.ticks()
    }

    fn is_interrupted(&self) -> bool {
        self.is_abandoned()
    }

    fn sleep(&self, duration: Duration) -> bool {
        let until = self.0.world.now().saturating_add(duration);
        let _waiting = self.begin_to_wait();
        let mut hooks = self.0.hooks.lock();
        while !self.is_abandoned() && self.0.world.now() < until {
            hooks = self.0.hooks.wait(hooks, Some(until));
        }
        !self.is_abandoned()
    }

    fn park(&self, is_woken: &AtomicBool) -> bool {
        let _waiting = self.begin_to_wait();
        let mut parked = self.0.parked.lock();
        while !self.is_abandoned() && !is_woken.load(Ordering::SeqCst) {
            parked = self.0.parked.wait(parked, None);
        }
        !self.is_abandoned()
    }

    fn caller(&self) -> Box<dyn Fn() + Send + Sync> {
        let stop = self.clone();
        Box::new(move || stop.call_parked())
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stop(phase {})", self.0.phase.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn hooks_are_called_when_their_phase_is_reached_and_only_then() {
        let world = World::real().expect("a thread can be started");
        let stop = Stop::new(&world, &Bell::new(&world).expect("a descriptor can be had"));
        let called = Arc::new(Mutex::new(String::new()));
        let note = |text: &'static str| {
            let called = Arc::clone(&called);
            move || called.lock().expect("no panic").push_str(text)
        };
        let take = || std::mem::take(&mut *called.lock().expect("no panic"));
        stop.on_change(note("change "));
        stop.on_abandon(note("abandon "));
        stop.drain();
        stop.drain();
        assert_eq!((take().as_str(), stop.is_draining(), stop.is_abandoned()), ("change ", true, false));
        stop.on_change(note("late "));
        assert_eq!(take(), "late ");
        stop.abandon();
        assert_eq!(
            (take().as_str(), stop.is_abandoned(), stop.is_cut()),
            ("change abandon late ", true, false)
        );
        stop.on_abandon(note("late "));
        assert_eq!(take(), "late ");
        stop.cut();
        stop.abandon();
        assert_eq!((take().as_str(), stop.is_cut()), ("change late ", true));
        assert!(!stop.sleep(Duration::from_secs(60)));
    }

    #[test]
    fn a_cut_reaches_every_phase() {
        let world = World::real().expect("a thread can be started");
        let stop = Stop::new(&world, &Bell::new(&world).expect("a descriptor can be had"));
        let (tx, rx) = std::sync::mpsc::channel();
        let other = tx.clone();
        stop.on_abandon(move || tx.send("abandon").expect("the test listens"));
        stop.on_change(move || other.send("change").expect("the test listens"));
        stop.cut();
        assert_eq!(rx.try_iter().collect::<Vec<_>>(), ["abandon", "change"]);
        assert!(stop.is_draining() && stop.is_abandoned() && stop.is_cut());
    }
}
