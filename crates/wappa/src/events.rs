//! What happens to a process that runs streams: signals, files that change, and the ends of streams.

use std::{
    fs, io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};
use wappa_component::{Logger, cause_of_start};
use wappa_engine::{Report, Stop, Stream};

use crate::signals;

/// What happens to a running stream.
pub(crate) enum Event {
    /// A signal has come.
    Signal(i32),
    /// The stream with this number has ended.
    Ended(u64, io::Result<Report>),
    /// Files have changed.
    Changed,
}

/// What happens to a process of several streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    /// A signal has come.
    Signal(i32),
    /// Files have changed.
    Changed,
}

/// Signals from the start of the process on, and the end of the stream.
pub(crate) struct Events {
    tx: SyncSender<Event>,
    rx: Receiver<Event>,
    was_signaled: Arc<AtomicBool>,
    starting: Arc<Mutex<Option<Stop>>>,
}

impl Events {
    /// From here on a signal does not end the process by itself. Until [`Events::has_started`] it abandons the stream that
    /// is being built: nothing is under way in it, and a guest that starts may take its time.
    pub(crate) fn listen(stop: &Stop) -> io::Result<Events> {
        signals::outlive_user_signals();
        let (tx, rx) = sync_channel(8);
        let was_signaled = Arc::new(AtomicBool::new(false));
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        if !is_hangup_ignored() {
            signals.add_signal(SIGHUP)?;
        }
        let starting = Arc::new(Mutex::new(Some(stop.clone())));
        let (to_service, flag) = (tx.clone(), Arc::clone(&was_signaled));
        let to_stop = Arc::clone(&starting);
        let forward = move || {
            for signal in signals.forever() {
                flag.store(true, Ordering::SeqCst);
                // When so many wait already, one more says nothing new.
                let _ = to_service.try_send(Event::Signal(signal));
                // After it was told, so that whoever fails for it finds out why.
                if let Some(stop) = lock(&to_stop).as_ref() {
                    stop.abandon();
                }
            }
        };
        thread::Builder::new().name("signals".to_string()).spawn(forward).map_err(not_started)?;
        Ok(Events { tx, rx, was_signaled, starting })
    }

    /// Another stream is being built.
    pub(crate) fn is_starting(&self, stop: &Stop) {
        *lock(&self.starting) = Some(stop.clone());
    }

    /// Tells that files have changed.
    pub(crate) fn changes(&self) -> impl Fn() + Send + 'static {
        let tx = self.tx.clone();
        // One that waits already is as good.
        move || drop(tx.try_send(Event::Changed))
    }

    /// The stream is built: from here on a signal is for whoever runs it.
    pub(crate) fn has_started(&self) {
        *lock(&self.starting) = None;
    }

    /// Runs a stream on a thread of its own, and tells its end under this number.
    pub(crate) fn launch(&self, number: u64, stream: Stream) -> io::Result<()> {
        let tx = self.tx.clone();
        let run = move || {
            // Nobody waits for the end any more when the process is about to end anyway.
            let _ = tx.send(Event::Ended(number, stream.run()));
        };
        thread::Builder::new().name("stream".to_string()).spawn(run).map(drop).map_err(not_started)
    }

    /// The next event, if one comes within the time.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> Option<Event> {
        let event = match timeout {
            Some(timeout) => self.rx.recv_timeout(timeout),
            None => self.rx.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match event {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => unreachable!("this side holds a sender itself"),
        }
    }

    /// Waits for what happens next; not beyond `until`.
    pub(crate) fn next(&self, until: Option<Instant>) -> Option<Happened> {
        loop {
            let event = self.wait(until.map(|it| it.saturating_duration_since(Instant::now())))?;
            match event {
                Event::Signal(signal) => return Some(Happened::Signal(signal)),
                Event::Changed => return Some(Happened::Changed),
                Event::Ended(..) => (),
            }
        }
    }

    /// Set by the first signal.
    pub(crate) fn was_signaled(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.was_signaled)
    }

    /// Whether a signal came before the stream ran; says so.
    pub(crate) fn is_stopped_early(&self, logger: &Logger) -> bool {
        match self.rx.try_recv() {
            Ok(Event::Signal(signal)) => {
                logger.info(&received(signal));
                true
            }
            _ => false,
        }
    }
}

fn not_started(err: io::Error) -> io::Error {
    io::Error::new(err.kind(), format!("starting a thread: {}", cause_of_start(&err)))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether whoever started the process asked it to outlive its terminal, as `nohup` does.
///
/// Where the system does not say, a hang-up stops the stream, which loses nothing.
fn is_hangup_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|it| it.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|it| u64::from_str_radix(it.trim(), 16).ok());
    mask.is_some_and(|it| it >> (SIGHUP - 1) & 1 == 1)
}

/// A signal's name, and what Go calls it.
pub(crate) fn names(signal: i32) -> (&'static str, &'static str) {
    match signal {
        SIGINT => ("SIGINT", "interrupt"),
        SIGHUP => ("SIGHUP", "hangup"),
        _ => ("SIGTERM", "terminated"),
    }
}

/// What is logged when it comes.
pub(crate) fn received(signal: i32) -> String {
    format!("Received {}, the service is closing", names(signal).0)
}
