//! The ticker: the one thread that lets a deadline reach a guest.
//!
//! It ticks on an absolute schedule while somebody is between `enter` and the end of its guard, and sleeps otherwise.
//! A message costs no reading of any clock: its time begins with the first tick that it sees, so that a deadline is
//! never early, and late by two ticks at most.

use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, Thread},
    time::{Duration, Instant},
};

use wasmtime::EngineWeak;

/// How often guests are asked whether they are over their deadline. It costs a running guest a few calls per tick.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// Reads and drives time for one engine.
#[derive(Debug)]
pub(crate) struct Clock {
    base: Instant,
    running: AtomicUsize,
    stopped: AtomicBool,
    ticker: OnceLock<Thread>,
    ticks: Ticks,
}

/// How often the clock has ticked. Every entry into the host reads it, so it has a line of the cache to itself: the
/// other fields are written by each part.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Ticks(AtomicU64);

impl Clock {
    /// Starts the ticker for these engines. It does not keep them alive.
    pub(crate) fn start(engines: Vec<EngineWeak>) -> io::Result<Arc<Clock>> {
        let clock = Arc::new(Clock {
            base: Instant::now(),
            running: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            ticker: OnceLock::new(),
            ticks: Ticks::default(),
        });
        let shared = Arc::clone(&clock);
        let handle =
            thread::Builder::new().name("wasm-ticker".into()).spawn(move || shared.tick(&engines))?;
        clock.ticker.get_or_init(|| handle.thread().clone());
        Ok(clock)
    }

    /// Ends the ticker.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.wake();
    }

    /// How often the clock has ticked: whoever sees another number than before looks at the real clock.
    #[inline]
    pub(crate) fn ticks(&self) -> u64 {
        self.ticks.0.load(Ordering::Relaxed)
    }

    /// The real clock, in nanoseconds of this clock.
    pub(crate) fn now(&self) -> u64 {
        nanos(self.base.elapsed())
    }

    /// A point of the real clock, in nanoseconds of this clock.
    pub(crate) fn at(&self, instant: Instant) -> u64 {
        nanos(instant.saturating_duration_since(self.base))
    }

    /// The point of the real clock that belongs to nanoseconds of this clock.
    pub(crate) fn instant(&self, at: u64) -> Instant {
        self.base + Duration::from_nanos(at)
    }

    /// Begins ticking; to be paired with [`Clock::leave`].
    pub(crate) fn enter(&self) {
        if self.running.fetch_add(1, Ordering::AcqRel) == 0 {
            self.wake();
        }
    }

    pub(crate) fn leave(&self) {
        self.running.fetch_sub(1, Ordering::AcqRel);
    }

    fn wake(&self) {
        if let Some(thread) = self.ticker.get() {
            thread.unpark();
        }
    }

    fn tick(&self, engines: &[EngineWeak]) {
        let mut next = Instant::now();
        while !self.stopped.load(Ordering::Acquire) {
            if self.running.load(Ordering::Acquire) == 0 {
                // Woken by the first to enter. The bound is for an `enter` that came before the handle was stored.
                thread::park_timeout(Duration::from_millis(500));
                next = Instant::now();
                continue;
            }
            next += TICK;
            let now = Instant::now();
            match next.checked_duration_since(now) {
                Some(left) => thread::sleep(left),
                // Behind by more than a tick, after a suspended machine say: begin anew instead of catching up.
                None => next = now,
            }
            self.ticks.0.fetch_add(1, Ordering::Relaxed);
            for engine in engines {
                if let Some(engine) = engine.upgrade() {
                    engine.increment_epoch();
                }
            }
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
