//! A counter that goes up about once a millisecond while somebody works, and costs a load to read.

use std::{
    io,
    sync::{
        Arc, Condvar, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use wappa_component::cause_of_start;

/// How often the counter goes up.
const TICK: Duration = Duration::from_millis(1);

/// The counter, and the number of those who need it.
#[derive(Debug, Default)]
pub(crate) struct Ticker {
    ticks: AtomicU64,
    n_working: AtomicUsize,
    asleep: Mutex<bool>,
    awake: Condvar,
}

impl Ticker {
    /// Starts the thread that counts. It ends when the ticker is dropped.
    pub(crate) fn start() -> io::Result<Arc<Ticker>> {
        let ticker = Arc::new(Ticker::default());
        let weak = Arc::downgrade(&ticker);
        let builder = thread::Builder::new().name("ticker".to_string()).stack_size(64 * 1024);
        builder.spawn(move || run(&weak)).map_err(|err| {
            io::Error::new(err.kind(), format!("starting a thread: {}", cause_of_start(&err)))
        })?;
        Ok(ticker)
    }

    /// How far the counter is.
    pub(crate) fn ticks(&self) -> u64 {
        self.ticks.load(Ordering::Relaxed)
    }

    /// Somebody begins to work.
    pub(crate) fn begin(&self) {
        if self.n_working.fetch_add(1, Ordering::SeqCst) == 0 {
            let asleep = self.asleep.lock().unwrap_or_else(PoisonError::into_inner);
            if *asleep {
                self.awake.notify_one();
            }
        }
    }

    /// Somebody ends working.
    pub(crate) fn end(&self) {
        self.n_working.fetch_sub(1, Ordering::SeqCst);
    }
}

/// How many idle ticks pass before the counter sleeps: waking it costs a system call.
const IDLE_TICKS_MAX: u32 = 100;

fn run(weak: &Weak<Ticker>) {
    let mut idle_ticks = 0;
    while let Some(ticker) = weak.upgrade() {
        if ticker.n_working.load(Ordering::SeqCst) == 0 {
            idle_ticks += 1;
            if IDLE_TICKS_MAX <= idle_ticks {
                doze(&ticker);
            }
        } else {
            idle_ticks = 0;
        }
        ticker.ticks.fetch_add(1, Ordering::Relaxed);
        drop(ticker);
        thread::sleep(TICK);
    }
}

/// Sleeps until somebody works; looks up now and then whether the ticker is still wanted.
fn doze(ticker: &Ticker) {
    let mut asleep = ticker.asleep.lock().unwrap_or_else(PoisonError::into_inner);
    *asleep = true;
    if ticker.n_working.load(Ordering::SeqCst) == 0 {
        asleep = ticker
            .awake
            .wait_timeout(asleep, Duration::from_secs(1))
            .unwrap_or_else(PoisonError::into_inner)
            .0;
    }
    *asleep = false;
}
