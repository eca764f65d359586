//! A stream that runs.

use std::{
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use wappa_component::{Metrics, Sample, Services};
use wappa_engine::{Report, Stop, Stream, Tally};

use crate::{Log, PATIENCE};

/// A stream that runs. When it is dropped it is stopped, and what it logged is printed if the test failed.
#[derive(Debug)]
pub struct Running {
    /// What it has logged.
    pub log: Arc<Log>,
    /// How it is stopped.
    pub stop: Stop,
    /// What it has read and delivered.
    pub tally: Tally,
    /// What it has counted.
    pub metrics: Metrics,
    /// What its components share.
    pub services: Services,
    thread: Option<JoinHandle<Report>>,
}

impl Running {
    pub(crate) fn new(
        stream: Stream,
        log: Arc<Log>,
        stop: Stop,
        tally: Tally,
        (metrics, services): (Metrics, Services),
    ) -> Running {
        let thread = thread::spawn(move || stream.run().expect("its threads can be started"));
        Running { log, stop, tally, metrics, services, thread: Some(thread) }
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// Where it does not come, and where the stream panicked.
    pub fn join(mut self) -> Report {
        let began = Instant::now();
        while self.thread.as_ref().is_some_and(|it| !it.is_finished()) {
            assert!(began.elapsed() < PATIENCE, "the stream does not end");
            thread::sleep(Duration::from_millis(1));
        }
        self.thread.take().expect("it runs").join().expect("it does not panic")
    }

    /// The same, with what it has logged.
    ///
    /// # Panics
    ///
    /// As for [`Running::join`].
    pub fn join_with_log(self) -> (Report, Arc<Log>) {
        let log = Arc::clone(&self.log);
        (self.join(), log)
    }

    /// Asks it to work off what it has read, and waits for that.
    ///
    /// # Panics
    ///
    /// As for [`Running::join`].
    pub fn drain(self) -> Report {
        self.stop.drain();
        self.join()
    }

    /// The same, with what it has logged.
    ///
    /// # Panics
    ///
    /// As for [`Running::join`].
    pub fn drain_with_log(self) -> (Report, Arc<Log>) {
        self.stop.drain();
        self.join_with_log()
    }
}

impl Running {
    /// What was counted under a name, by all series of it.
    pub fn count(&self, name: &str) -> u64 {
        let samples = self.metrics.samples();
        let counts = samples.iter().filter(|it| it.0.name == name).map(|it| match &it.1 {
            Sample::Counter(n) => *n,
            Sample::Timing(timing) => timing.count(),
            Sample::Gauge(_) => 0,
        });
        counts.sum()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("== what the stream said\n{}", self.log.text());
        }
        self.stop.cut();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
