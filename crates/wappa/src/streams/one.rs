//! One stream among several: running, over, or in its steps to the end.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant},
};

use wappa_component::{Logger, Metrics, Taps, cause_of_start, counted};
use wappa_engine::{Activity, Report, Stop, Stream, Tally};
use wappa_http_server::{Picture, Readiness, ReadyPath, Routes, StreamState, StreamView};
use wappa_spec::Node;

use super::threads::ThreadsOfStream;
use crate::{
    graph::live,
    service::{log_totals, steps_of},
    table,
};

/// How often somebody who waits for the end of streams looks whether he still may.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// How long streams have to come to their end after everything was given up because somebody would not wait.
const HURRY: Duration = Duration::from_millis(200);

/// A stream that was begun.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) of: Prepared,
    /// How much memory what it was made of takes.
    pub(super) n_bytes: usize,
    picture: OnceLock<Arc<Picture>>,
    ready: Mutex<Option<ReadyPath>>,
    began: Instant,
    ended: Mutex<Option<Instant>>,
    over: Condvar,
}

/// What is there of a stream before it is begun.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) id: String,
    /// What it was made of, with the values of variables in it.
    pub(super) tree: Node,
    /// What its files are known by.
    pub(super) stamp: Option<String>,
    /// The same as it may be shown.
    pub(super) shown: Node,
    pub(super) stop: Stop,
    pub(super) activity: Activity,
    pub(super) tally: Tally,
    pub(super) logger: Logger,
    pub(super) metrics: Metrics,
    pub(super) taps: Taps,
    pub(super) routes: Option<Routes>,
    /// Whether its readiness has a path of its own.
    pub(super) has_ready_path: bool,
    /// Taken until nobody has the stream any longer.
    pub(super) _threads: ThreadsOfStream,
}

impl Running {
    /// Runs it, on threads of its own.
    pub(super) fn begin(prepared: Prepared, stream: Stream) -> Result<Arc<Running>, String> {
        let running = Arc::new(Running {
            n_bytes: prepared.tree.n_bytes(),
            of: prepared,
            picture: OnceLock::new(),
            ready: Mutex::new(None),
            began: Instant::now(),
            ended: Mutex::new(None),
            over: Condvar::new(),
        });
        if let Some(routes) = running.of.routes.as_ref().filter(|_| running.of.has_ready_path) {
            let of = Arc::downgrade(&running);
            let readiness = move || of.upgrade().map_or(Readiness::Ended, |it| it.readiness());
            *lock(&running.ready) = Some(ReadyPath::new(routes, readiness)?);
        }
        let of = Arc::clone(&running);
        let run = move || {
            let result = stream.run();
            of.has_ended(result);
        };
        let started = thread::Builder::new().name("stream".to_string()).spawn(run);
        started.map_err(|err| format!("starting a thread: {}", cause_of_start(&err)))?;
        Ok(running)
    }

    fn has_ended(&self, result: io::Result<Report>) {
        match result {
            Err(err) => self.of.logger.error(&format!("Stream closing due to: {err}")),
            Ok(report) => {
                if let Some(fault) = &report.fault {
                    self.of.logger.error(&format!("Stream closing due to: {fault}"));
                }
                if 0 < report.n_failed_sources {
                    let (one, several) =
                        ("source could not be read to its end", "sources could not be read to their end");
                    self.of.logger.error(&counted(report.n_failed_sources, one, several));
                }
            }
        }
        let undelivered = self.undelivered();
        if 0 < undelivered {
            let n_messages = counted(undelivered, "message was", "messages were");
            self.of.logger.warn(&format!("{n_messages} read and not delivered"));
        }
        log_totals(&self.of.logger, &self.of.tally, self.began.elapsed());
        *lock(&self.ended) = Some(Instant::now());
        self.over.notify_all();
    }

    /// How many messages were read and not delivered.
    pub(super) fn undelivered(&self) -> u64 {
        self.of.tally.undelivered()
    }

    /// Whether it runs.
    pub(super) fn is_active(&self) -> bool {
        lock(&self.ended).is_none()
    }

    /// For how long it runs, or has run.
    pub(super) fn uptime(&self) -> Duration {
        lock(&self.ended).unwrap_or_else(Instant::now).saturating_duration_since(self.began)
    }

    /// Whether it has all connections that it wants.
    pub(super) fn is_connected(&self) -> bool {
        self.readiness() == Readiness::Running { inputs: true, outputs: true }
    }

    fn readiness(&self) -> Readiness {
        let (inputs, outputs) = self.of.activity.are_connected();
        let is_opening = self.of.routes.as_ref().is_some_and(Routes::are_opening);
        let inputs = inputs && !is_opening;
        if self.is_active() { Readiness::Running { inputs, outputs } } else { Readiness::Ended }
    }

    /// The components that were called and have not returned.
    pub(super) fn at_work(&self) -> Vec<String> {
        self.of.activity.at_work()
    }

    /// What the page shows of it.
    pub(super) fn view(&self) -> StreamView {
        let is_active = self.is_active();
        let picture =
            self.picture.get_or_init(|| Arc::new(live::picture(&self.of.shown, &table::registry())));
        StreamView {
            name: self.of.id.clone(),
            state: if is_active { StreamState::Running } else { StreamState::Ended },
            threads: self.of.activity.threads(),
            connections: if is_active { self.of.activity.connections() } else { Vec::new() },
            oldest: self.of.activity.oldest_unanswered().filter(|_| is_active),
            picture: Arc::clone(picture),
        }
    }

    /// Nothing is left of it where others look, but for what a stream of the same name has taken over.
    pub(super) fn forget(&self, is_replaced: bool) {
        *lock(&self.ready) = None;
        self.of.metrics.retire();
        if !is_replaced {
            // Paths that are taken again in a moment are said to be unavailable until then.
            self.forget_paths();
            self.of.taps.failures().forget(&self.of.id);
        }
    }

    /// Paths that it, or one before it, has let go are nobody's.
    pub(super) fn forget_paths(&self) {
        if let Some(routes) = &self.of.routes {
            routes.tidy();
        }
    }

    /// The path of its readiness is let go, for a stream that takes its place.
    pub(super) fn let_go(&self) {
        *lock(&self.ready) = None;
    }

    fn wait_until(&self, until: Option<Instant>, is_hurried: &dyn Fn() -> bool) -> Waited {
        let mut ended = lock(&self.ended);
        while ended.is_none() {
            let now = Instant::now();
            if until.is_some_and(|it| it <= now) {
                return Waited::TimeOver;
            }
            let left = until.map_or(LOOK_INTERVAL, |it| it.saturating_duration_since(now)).min(LOOK_INTERVAL);
            ended = self.over.wait_timeout(ended, left).unwrap_or_else(PoisonError::into_inner).0;
            if ended.is_none() && is_hurried() {
                return Waited::Hurried;
            }
        }
        Waited::Ended
    }
}

#[derive(PartialEq, Eq)]
enum Waited {
    Ended,
    TimeOver,
    Hurried,
}

/// Stops streams, all at once, in their steps, within the time that they have together. Gives those that have not ended.
pub(super) fn bring_down(
    all: &[Arc<Running>],
    timeout: Duration,
    is_hurried: &dyn Fn() -> bool,
) -> Vec<Arc<Running>> {
    let began = Instant::now();
    let (graceful, whole) = steps_of(timeout);
    let mut left: Vec<Arc<Running>> = all.to_vec();
    let mut was_hurried = false;
    let mut wait = |left: &mut Vec<Arc<Running>>, until: Option<Instant>| {
        left.retain(|it| match was_hurried {
            true => it.is_active(),
            false => match it.wait_until(until, is_hurried) {
                Waited::Ended => false,
                Waited::TimeOver => true,
                Waited::Hurried => {
                    was_hurried = true;
                    true
                }
            },
        });
        was_hurried
    };
    left.iter().for_each(|it| it.of.stop.drain());
    let mut is_given_up = wait(&mut left, began.checked_add(graceful));
    if !is_given_up {
        left.iter().for_each(|it| it.of.stop.abandon());
        // What is finished is still written, for half of the time that is left.
        let now = Instant::now();
        let rest = whole.saturating_sub(now.saturating_duration_since(began)) / 2;
        is_given_up = wait(&mut left, now.checked_add(rest));
    }
    left.iter().for_each(|it| it.of.stop.cut());
    let last = match is_given_up {
        true => Instant::now().checked_add(HURRY),
        false => began.checked_add(whole),
    };
    left.retain(|it| it.wait_until(last, &|| false) != Waited::Ended);
    left
}

/// Of so many streams it is said that they do not end.
const NAMED_MAX: usize = 20;

/// A text that says which of these streams do not end, and what they do.
pub(super) fn still_at_work(all: &[Arc<Running>]) -> String {
    let of = |it: &Arc<Running>| match it.at_work().as_slice() {
        [] => it.of.id.clone(),
        names => format!("{} ({})", it.of.id, names.join(", ")),
    };
    let more = all.len().saturating_sub(NAMED_MAX);
    let more = (0 < more).then(|| format!("and {more} more"));
    all.iter().take(NAMED_MAX).map(of).chain(more).collect::<Vec<_>>().join(", ")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
