//! Metrics that are taken somewhere, on a thread of their own.

use std::{
    sync::mpsc::{self, Receiver, SyncSender},
    thread,
    time::{Duration, Instant},
};

use wappa_component::{Metrics, cause_of_start};

/// A thread that takes metrics where they go: whoever gives it some does not wait for that.
#[derive(Debug)]
pub struct Courier {
    sender: Option<SyncSender<Metrics>>,
    end: Receiver<()>,
    grace: Duration,
}

impl Courier {
    /// Starts the thread, which has this name and calls `take` with what it is given. The end waits for it no longer than
    /// `grace`. The error is the cause for which it cannot be started.
    pub fn start(
        name: &str,
        grace: Duration,
        mut take: impl FnMut(&Metrics) + Send + 'static,
    ) -> Result<Courier, String> {
        // One that waits is enough: what is taken is what there is then.
        let (sender, metrics) = mpsc::sync_channel::<Metrics>(1);
        let (ended, end) = mpsc::channel();
        let run = move || {
            metrics.iter().for_each(|it| take(&it));
            let _ = ended.send(());
        };
        let started = thread::Builder::new().name(name.to_string()).spawn(run);
        started.map_err(|err| cause_of_start(&err).to_string())?;
        Ok(Courier { sender: Some(sender), end, grace })
    }

    /// Gives it metrics; where others still wait for it, none.
    pub fn give(&self, metrics: &Metrics) {
        if let Some(sender) = &self.sender {
            let _ = sender.try_send(metrics.clone());
        }
    }

    /// Gives it metrics for the last time, and waits until they were taken.
    pub fn finish(&mut self, metrics: &Metrics) {
        let Some(sender) = self.sender.take() else { return };
        let until = Instant::now() + self.grace;
        while let Err(mpsc::TrySendError::Full(_)) = sender.try_send(metrics.clone()) {
            if until < Instant::now() {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        drop(sender);
        let _ = self.end.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}
