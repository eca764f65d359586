//! The scheduler of a simulation: real threads, of which only the holder of the token runs.
//!
//! Which thread gets the token is decided by a seed, and time passes only here, so that the same seed gives
//! the same run. When something is wrong no thread ever gets the token again, and the run is reported.

use std::{
    cell::Cell,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
        mpsc::SyncSender,
    },
    time::Duration,
};

use super::random::Random;
use crate::world::Scheduler;

/// A run that takes more steps than this never ends.
const STEPS_MAX: u64 = 400_000;

/// The key that only the thread which stops the stream waits for.
const STOPPER_KEY: usize = usize::MAX;

thread_local! {
    static THREAD: Cell<Option<usize>> = const { Cell::new(None) };
}

/// How threads alternate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habits {
    /// Once in so many steps another thread goes on; 1 is the wildest.
    pub(super) switch_once_in: u64,
    /// Once in so many steps time passes although a thread could go on: it was slow. 0 is never.
    pub(super) lag_once_in: u64,
}

/// When the stream is stopped.
#[derive(Clone, Copy, Debug)]
pub(super) enum Moment {
    Step(u64),
    Time(Duration),
    /// When nothing happens any more.
    Quiet,
}

/// Says whether what is about to happen is in order.
pub(super) trait Checks: Send + Sync {
    /// Nothing happens any more until the stream is stopped.
    fn check_quiet(&self) -> Result<(), String>;
    /// Nothing happens until a time has come. `waits`: what the threads wait for, and until when.
    fn check_patience(&self, waits: &[(usize, Option<Duration>)], now: Duration) -> Result<(), String>;
    /// A thread of the pipeline ends.
    fn check_leave(&self) -> Result<(), String>;
}

pub(super) struct Token {
    state: Mutex<State>,
    turns: Vec<Condvar>,
    verdict: SyncSender<String>,
}

struct State {
    random: Random,
    habits: Habits,
    now: Duration,
    holder: Option<usize>,
    /// Those of the pipeline, then what is outside of it, then the one that stops the stream.
    threads: Vec<Thread>,
    /// How many of those are of the pipeline, fill its buffer or attend to its output, and how many of these work on messages.
    n_pipeline: usize,
    n_workers: usize,
    stop_at_step: Option<u64>,
    steps: u64,
    trace: Vec<String>,
    checks: Option<Weak<dyn Checks>>,
    has_failed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Thread {
    Absent,
    Ready,
    Waits { key: usize, until: Option<Duration> },
    Gone,
}

impl Token {
    /// For the threads of a pipeline and those beside it, `n_actors` outside of it, and one that stops the stream.
    pub(super) fn new(
        random: Random,
        habits: Habits,
        [n_workers, n_beside]: [usize; 2],
        n_actors: usize,
        verdict: SyncSender<String>,
    ) -> Token {
        let n_threads = n_workers + n_beside;
        let state = State {
            random,
            habits,
            now: Duration::ZERO,
            holder: None,
            threads: vec![Thread::Absent; n_threads + n_actors + 1],
            n_pipeline: n_threads,
            n_workers,
            stop_at_step: None,
            steps: 0,
            trace: Vec::new(),
            checks: None,
            has_failed: false,
        };
        let turns = (0..=n_threads + n_actors).map(|_| Condvar::new()).collect();
        Token { state: Mutex::new(state), turns, verdict }
    }

    pub(super) fn set_checks(&self, checks: Weak<dyn Checks>) {
        self.lock().checks = Some(checks);
    }

    /// The number of the thread that stops the stream.
    pub(super) fn stopper(&self) -> usize {
        self.turns.len() - 1
    }

    /// The thread that stops the stream waits for its moment. `false`: the stream is over.
    pub(super) fn wait_for(&self, moment: Moment) -> bool {
        let until = match moment {
            Moment::Time(time) => Some(time),
            Moment::Step(_) | Moment::Quiet => None,
        };
        if let Moment::Step(step) = moment {
            self.lock().stop_at_step = Some(step);
        }
        self.block(STOPPER_KEY, until);
        !self.pipeline_is_gone()
    }

    /// The stream is over.
    pub(super) fn pipeline_is_gone(&self) -> bool {
        self.lock().pipeline_is_gone()
    }

    /// Something worth a line happened.
    pub(super) fn note(&self, text: impl FnOnce() -> String) {
        let mut state = self.lock();
        state.note(text());
    }

    /// What happened so far; what follows the end of the pipeline is left out.
    pub(super) fn trace(&self) -> Vec<String> {
        self.lock().trace.clone()
    }

    /// Something is wrong: the run ends here, and no thread goes on.
    pub(super) fn fail(&self, text: &str) {
        let state = self.lock();
        self.fail_locked(state, text);
    }

    fn fail_locked(&self, mut state: MutexGuard<'_, State>, text: &str) {
        state.note(format!("FAILED: {text}"));
        if !std::mem::replace(&mut state.has_failed, true) {
            // Nobody listens any more when the run ended in another way.
            let _ = self.verdict.try_send(text.to_string());
        }
        state.holder = None;
        self.wait_for_turn(state);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the token to the next thread, and waits until it comes back.
    fn hand_over(&self, mut state: MutexGuard<'_, State>) {
        state.steps += 1;
        if STEPS_MAX < state.steps {
            return self.fail_locked(state, "the run does not end");
        }
        match state.next_holder() {
            Ok(next) => state.holder = next,
            Err(text) => return self.fail_locked(state, &text),
        }
        if state.holder != THREAD.get()
            && let Some(next) = state.holder
        {
            self.turns[next].notify_one();
        }
        self.wait_for_turn(state);
    }

    fn wait_for_turn(&self, mut state: MutexGuard<'_, State>) {
        let Some(me) = THREAD.get() else { return };
        if state.threads[me] == Thread::Gone {
            return;
        }
        while state.holder != Some(me) {
            state = self.turns[me].wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl State {
    fn pipeline(&self) -> &[Thread] {
        &self.threads[..self.n_pipeline]
    }

    fn pipeline_is_gone(&self) -> bool {
        self.pipeline().iter().all(|it| *it == Thread::Gone)
    }

    /// Everybody but the one that stops the stream.
    fn working(&self) -> &[Thread] {
        &self.threads[..self.threads.len() - 1]
    }

    fn checks(&self) -> Arc<dyn Checks> {
        let checks = self.checks.as_ref().and_then(Weak::upgrade);
        checks.expect("they are set before the threads start and outlive them")
    }

    fn note(&mut self, text: String) {
        if self.pipeline_is_gone() {
            return;
        }
        let who = THREAD.get().map_or("-".to_string(), |it| it.to_string());
        self.trace.push(format!("{:>9.3} ms  #{who}  {text}", self.now.as_secs_f64() * 1000.0));
    }

    fn next_holder(&mut self) -> Result<Option<usize>, String> {
        let stopper = self.threads.len() - 1;
        if self.stop_at_step.is_some_and(|it| it <= self.steps) {
            self.release_stopper();
        }
        if self.random.once_in(self.habits.lag_once_in) {
            self.pass_time();
        }
        loop {
            let ready: Vec<usize> =
                (0..self.threads.len()).filter(|it| self.threads[*it] == Thread::Ready).collect();
            if !ready.is_empty() {
                let me = self.holder.filter(|it| ready.contains(it));
                let stays = me.is_some() && !self.random.once_in(self.habits.switch_once_in);
                return Ok(if stays { me } else { Some(self.random.pick(&ready)) });
            }
            if self.pipeline_is_gone() {
                let n_pipeline = self.n_pipeline;
                let actors = &mut self.threads[n_pipeline..stopper];
                if let Some(actor) = actors.iter_mut().find(|it| **it != Thread::Gone) {
                    *actor = Thread::Ready;
                    continue;
                }
                if self.threads[stopper] == Thread::Gone {
                    return Ok(None);
                }
                self.release_stopper();
                continue;
            }
            let until = |thread: &Thread| match thread {
                Thread::Waits { until, .. } => *until,
                _ => None,
            };
            let is_quiet = !self.working().iter().any(|it| until(it).is_some());
            if !is_quiet {
                let wait = |thread: &Thread| match thread {
                    Thread::Waits { key, until } => Some((*key, *until)),
                    _ => None,
                };
                let waits: Vec<_> = self.pipeline().iter().filter_map(wait).collect();
                self.checks().check_patience(&waits, self.now)?;
                self.pass_time();
                continue;
            }
            self.checks().check_quiet()?;
            if self.threads[stopper] == Thread::Gone {
                return Err("all threads wait, and nobody will wake them".to_string());
            }
            if let Thread::Waits { until: Some(until), .. } = self.threads[stopper] {
                self.now = self.now.max(until);
            }
            self.release_stopper();
        }
    }

    fn release_stopper(&mut self) {
        self.stop_at_step = None;
        let stopper = self.threads.len() - 1;
        if matches!(self.threads[stopper], Thread::Waits { key: STOPPER_KEY, .. }) {
            self.threads[stopper] = Thread::Ready;
        }
    }

    /// Goes on to the earliest time that somebody waits for.
    fn pass_time(&mut self) {
        let until = |thread: &Thread| match thread {
            Thread::Waits { until, .. } => *until,
            _ => None,
        };
        let Some(earliest) = self.threads.iter().filter_map(until).min() else { return };
        self.now = self.now.max(earliest);
        for thread in &mut self.threads {
            if until(thread).is_some_and(|it| it <= self.now) {
                *thread = Thread::Ready;
            }
        }
    }
}

impl Scheduler for Token {
    fn now(&self) -> Duration {
        self.lock().now
    }

    fn enter(&self, thread: usize) {
        THREAD.set(Some(thread));
        let mut state = self.lock();
        state.threads[thread] = Thread::Ready;
        if state.threads.contains(&Thread::Absent) {
            return self.wait_for_turn(state);
        }
        self.hand_over(state);
    }

    fn leave(&self) {
        let me = THREAD.get().expect("a thread enters before it leaves");
        let mut state = self.lock();
        if me < state.n_workers
            && let Err(text) = state.checks().check_leave()
        {
            return self.fail_locked(state, &text);
        }
        state.note("leaves".to_string());
        state.threads[me] = Thread::Gone;
        self.hand_over(state);
        THREAD.set(None);
    }

    fn pass(&self) {
        // Who builds the stream and waits for its end is no part of it.
        if THREAD.get().is_some() {
            self.hand_over(self.lock());
        }
    }

    fn block(&self, key: usize, until: Option<Duration>) {
        let me = THREAD.get().expect("only a thread of the simulation waits");
        let mut state = self.lock();
        if until.is_some_and(|it| it <= state.now) {
            return self.hand_over(state);
        }
        state.threads[me] = Thread::Waits { key, until };
        self.hand_over(state);
    }

    fn wake_one(&self, key: usize) {
        let mut state = self.lock();
        let waits = |thread: &Thread| matches!(thread, Thread::Waits { key: it, .. } if *it == key);
        let waiting: Vec<usize> = (0..state.threads.len()).filter(|it| waits(&state.threads[*it])).collect();
        if !waiting.is_empty() {
            let one = state.random.pick(&waiting);
            state.threads[one] = Thread::Ready;
        }
    }

    fn wake_all(&self, key: usize) {
        for thread in &mut self.lock().threads {
            if matches!(thread, Thread::Waits { key: it, .. } if *it == key) {
                *thread = Thread::Ready;
            }
        }
    }
}

/// The scheduler of one of two streams: its threads are counted behind those of the other, and what is beside a pipeline behind
/// those of both.
pub(super) struct Section {
    pub(super) token: Arc<Token>,
    /// The threads of its pipeline begin here.
    pub(super) first: usize,
    pub(super) n_workers: usize,
    /// The others begin here.
    pub(super) others: usize,
    /// How many of its threads have not left, and what is done before the last one does.
    pub(super) n_threads: AtomicUsize,
    pub(super) at_end: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Scheduler for Section {
    fn now(&self) -> Duration {
        self.token.now()
    }

    fn enter(&self, thread: usize) {
        self.token.enter(match thread.checked_sub(self.n_workers) {
            Some(other) => self.others + other,
            None => self.first + thread,
        });
    }

    fn leave(&self) {
        if self.n_threads.fetch_sub(1, Ordering::SeqCst) == 1
            && let Some(at_end) = self.at_end.get()
        {
            at_end();
        }
        self.token.leave();
    }

    fn pass(&self) {
        self.token.pass();
    }

    fn block(&self, key: usize, until: Option<Duration>) {
        self.token.block(key, until);
    }

    fn wake_one(&self, key: usize) {
        self.token.wake_one(key);
    }

    fn wake_all(&self, key: usize) {
        self.token.wake_all(key);
    }
}
