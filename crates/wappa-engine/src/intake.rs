//! Intakes: the connection of one input, observed.
//!
//! One place connects, backs off and gives up a source, for every input, however deep in others. To whoever reads, an
//! intake has something, or nothing yet, or has ended.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use wappa_component::{
    Ack, Clock, ConnectError, Counter, Failure, FailureNotes, Gauge, Input, Level, Logger, Parcel, ReadError,
    Step, TapPoint, Timing, Waits, counted, tracer::Roots,
};

use crate::{
    activity::{Activity, Connection, End},
    ages::Ages,
    observe::{Observed, Tally},
    quiet::Quiet,
    series,
    spans::Unanswered,
    stop::Stop,
    world::World,
};

/// The shortest and longest wait between two attempts to connect, or after a failed read; as Bento.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// An input with its connection.
pub(crate) struct Intake {
    inner: Box<dyn Input>,
    of: Observed,
    tally: Tally,
    activity: Activity,
    is_up: bool,
    /// What is told of that.
    connection: Connection,
    /// Whoever is around it wants no more: what is not connected then is not connected any more.
    is_stopped: bool,
    is_over: bool,
    is_closed: bool,
    /// The last wait after something went wrong; `None`: all is well.
    back_off: Option<Duration>,
    /// The input is left alone until then.
    not_before: Option<Duration>,
    received: Counter,
    unanswered: Gauge,
    ages: Ages,
    connection_up: Counter,
    connection_failed: Counter,
    connection_lost: Counter,
    latency: Timing,
    quiet: Arc<Quiet>,
    tap: TapPoint,
    failures: FailureNotes,
    /// For what is said after each restart; `None`: there was none yet.
    restarts: Option<Quiet>,
    roots: Option<Roots>,
}

impl Intake {
    pub(crate) fn new(
        inner: Box<dyn Input>,
        of: Observed,
        tap: TapPoint,
        tally: Tally,
        activity: &Activity,
    ) -> Intake {
        Intake {
            received: of.counter(series::INPUT_RECEIVED),
            unanswered: of.gauge(series::INPUT_UNANSWERED),
            connection_up: of.counter(series::INPUT_CONNECTION_UP),
            connection_failed: of.counter(series::INPUT_CONNECTION_FAILED),
            connection_lost: of.counter(series::INPUT_CONNECTION_LOST),
            latency: of.timing(series::INPUT_LATENCY_NS),
            quiet: Arc::new(Quiet::new(&of.world)),
            failures: tap.failures(),
            roots: of.spans("input_").map(Roots::new),
            ages: activity.ages(&of.path, &of.world),
            connection: activity.connection(End::Input, &of.path),
            inner,
            of,
            tap,
            tally,
            activity: activity.clone(),
            is_up: false,
            is_stopped: false,
            is_over: false,
            is_closed: false,
            back_off: None,
            not_before: None,
            restarts: None,
        }
    }

    /// Makes one attempt to connect. `Err`: there is nothing to read.
    fn connect(&mut self, waits: &mut Waits) -> Result<(), ReadError> {
        let of = &self.of;
        // Nothing is wanted of it any more, by anybody or by whoever is around it.
        if self.is_stopped || of.stop.is_draining() {
            return Err(self.end());
        }
        let result = {
            let _entered = of.enter();
            self.inner.connect(waits)
        };
        match result {
            Ok(()) => {
                self.connection_up.add(1);
                let text = || format!("Input type {} is now active", of.name);
                match &self.restarts {
                    None => of.logger.info(&text()),
                    Some(quiet) => quiet.log(&of.logger, Level::Info, text),
                }
                self.set_up(true);
                Ok(())
            }
            Err(ConnectError::NotReady) => Err(ReadError::NotReady),
            Err(ConnectError::BackOff(text)) => {
                self.failed_to_connect(&text);
                self.wait(waits);
                Err(ReadError::NotReady)
            }
            Err(ConnectError::Fatal(text)) => {
                self.failed_to_connect(&text);
                self.activity.fail(format!("{}: {text}", of.path));
                of.stop.abandon();
                Err(self.end())
            }
            Err(ConnectError::Interrupted) => Err(self.end()),
        }
    }

    fn failed_to_connect(&self, text: &str) {
        self.connection_failed.add(1);
        let of = &self.of;
        self.failures.connection(&text);
        self.quiet.log(&of.logger, Level::Error, || format!("Failed to connect to {}: {text}", of.name));
    }

    fn set_up(&mut self, is_up: bool) {
        self.is_up = is_up;
        self.connection.set(is_up);
    }

    fn end(&mut self) -> ReadError {
        self.is_over = true;
        self.connection.set(true);
        ReadError::EndOfInput
    }

    /// Something went wrong: the input is left alone for a while.
    fn wait(&mut self, waits: &mut Waits) {
        let wait = (self.back_off.unwrap_or_default() * 2).clamp(BACK_OFF.0, BACK_OFF.1);
        self.back_off = Some(wait);
        let until = self.of.world.now() + wait;
        self.not_before = Some(until);
        waits.until(until);
    }

    /// Reacts to a read that gave nothing.
    fn after(&mut self, err: ReadError, waits: &mut Waits) -> ReadError {
        let of = &self.of;
        match err {
            ReadError::NotReady => (),
            ReadError::EndOfInput => return self.end(),
            ReadError::NotConnected => {
                self.connection_lost.add(1);
                self.set_up(false);
                // The first time it is connected again at once; not so one that is lost before it gave anything.
                match self.back_off {
                    None => {
                        self.back_off = Some(Duration::ZERO);
                        waits.again();
                    }
                    Some(_) => self.wait(waits),
                }
            }
            ReadError::SourceFailed(text) => {
                self.failures.read(&text);
                let text = || format!("Failed to read message: {text}");
                // Each source is told once, unless it is read again and again.
                match &self.restarts {
                    None => of.logger.error(&text()),
                    Some(_) => self.quiet.log(&of.logger, Level::Error, text),
                }
                self.activity.source_failed();
                waits.again();
            }
            ReadError::BackOff(text) => {
                self.failures.read(&text);
                self.quiet.log(&of.logger, Level::Error, || format!("Failed to read message: {text}"));
                self.wait(waits);
            }
        }
        ReadError::NotReady
    }

    fn watch(&mut self, parcel: Parcel) -> Parcel {
        let (parcel, spans) = match &mut self.roots {
            None => (parcel, None),
            Some(roots) => {
                let (parcel, spans) = roots.begin(parcel);
                let spans = (!spans.is_empty()).then(|| Unanswered::new(roots.place(), spans));
                (parcel, spans)
            }
        };
        let n_origins = parcel.n_origins() as u64;
        self.received.add(n_origins);
        self.unanswered.add(n_origins as i64);
        self.tally.add_read(n_origins);
        let began = self.of.world.now();
        self.ages.begin(began, n_origins);
        let watch = Watch {
            world: self.of.world.clone(),
            latency: self.latency.clone(),
            unanswered: self.unanswered.clone(),
            ages: self.ages.clone(),
            tally: self.tally.clone(),
            quiet: Arc::clone(&self.quiet),
            logger: self.of.logger.clone(),
            stop: self.of.stop.clone(),
            began,
            spans,
        };
        parcel.wrap_ack(move |inner: Ack| match inner.is_leased() {
            true => {
                let inner = Mutex::new(inner);
                Ack::leased(n_origins as u32, move |origins: &[u32], failures: Vec<Failure>| {
                    watch.see(Answered::These(origins), &failures);
                    let news = inner.lock().unwrap_or_else(PoisonError::into_inner).settle(origins, failures);
                    news.tell();
                })
            }
            false => Ack::new(n_origins as u32, move |failures: Vec<Failure>| {
                watch.see(Answered::All(n_origins), &failures);
                inner.answer(failures);
            }),
        })
    }
}

/// What is said and counted of the answers to a parcel.
struct Watch {
    world: World,
    latency: Timing,
    unanswered: Gauge,
    ages: Ages,
    tally: Tally,
    quiet: Arc<Quiet>,
    logger: Logger,
    stop: Stop,
    began: Duration,
    spans: Option<Unanswered>,
}

/// Which messages of a parcel were answered.
enum Answered<'a> {
    /// All that there are.
    All(u64),
    /// Those with these origins.
    These(&'a [u32]),
}

impl Watch {
    /// These messages were answered, and these of them failed.
    fn see(&self, answered: Answered<'_>, failures: &[Failure]) {
        let n_answered = match answered {
            Answered::All(n_origins) => n_origins,
            Answered::These(origins) => origins.len() as u64,
        };
        self.latency.record(self.world.now().saturating_sub(self.began));
        self.unanswered.add(-(n_answered as i64));
        self.ages.end(self.began, n_answered);
        let is_failed = |it: &&Failure| !it.reason.is_unwanted();
        if let Some(spans) = &self.spans {
            let failed = failures.iter().filter(is_failed).map(|it| it.origin);
            match answered {
                Answered::All(_) => spans.end_all(failed),
                Answered::These(origins) => spans.end(origins, failed),
            }
        }
        let n_failed = failures.iter().filter(is_failed).count();
        self.tally.answer(n_answered, n_failed as u64);
        self.tally.take_back((failures.len() - n_failed) as u64);
        if let Some(first) = failures.iter().find(is_failed) {
            // At a stop they are counted once, at the end.
            let level = if self.stop.is_abandoned() { Level::Debug } else { Level::Warn };
            self.quiet.log(&self.logger, level, || {
                let n_messages = counted(n_failed, "message was", "messages were");
                format!("{n_messages} not delivered: {}", first.reason)
            });
        }
    }
}

impl Input for Intake {
    fn read(&mut self, waits: &mut Waits, step: &mut Step<'_>) -> Result<Parcel, ReadError> {
        if self.is_over {
            return Err(ReadError::EndOfInput);
        }
        if let Some(until) = self.not_before
            && !self.is_stopped
            && !self.of.stop.is_draining()
        {
            if self.of.world.now() < until {
                waits.until(until);
                return Err(ReadError::NotReady);
            }
            self.not_before = None;
        }
        if !self.is_up {
            self.connect(waits)?;
        }
        let result = {
            let _entered = self.of.enter();
            self.inner.read(waits, step)
        };
        match result {
            Ok(parcel) => {
                if 0 < parcel.n_origins() {
                    self.back_off = None;
                }
                if self.tap.is_tapped() {
                    self.tap.show(&parcel.messages());
                }
                Ok(self.watch(parcel))
            }
            Err(err) => Err(self.after(err, waits)),
        }
    }

    fn stop(&mut self) {
        self.is_stopped = true;
        let _entered = self.of.enter();
        self.inner.stop();
    }

    fn restart(&mut self) -> bool {
        let _entered = self.of.enter();
        let restarts = self.inner.restart();
        if restarts {
            (self.is_over, self.is_up, self.is_stopped) = (false, false, false);
            self.connection.set(false);
            self.restarts.get_or_insert_with(|| Quiet::new(&self.of.world));
        }
        restarts
    }

    fn is_exhausted(&self) -> bool {
        self.is_over || self.inner.is_exhausted()
    }

    fn takes_back(&self) -> bool {
        self.inner.takes_back()
    }

    fn auto_replay_nacks(&self) -> bool {
        self.inner.auto_replay_nacks()
    }

    fn close(&mut self) -> Result<(), String> {
        if std::mem::replace(&mut self.is_closed, true) {
            return Ok(());
        }
        let _entered = self.of.enter();
        self.inner.close()
    }
}
