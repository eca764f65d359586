//! Lines: the connection of one output, observed.
//!
//! One place connects, backs off and gives what came back once more, for every output, however deep in others. What
//! is given to a line is held until there is a connection, and written in the order it came; once the stream is given up
//! and there is no connection, it is answered as failed.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use wappa_component::{
    Clock, ConnectError, Counter, Delivery, Desk, FailureNotes, Level, Output, OutputBell, Part, Step,
    TapPoint, Timing, WriteError, stopped, tracer::SpanPlace,
};
use wappa_message::Mark;

use crate::{
    activity::{Activity, Connection, End},
    observe::Observed,
    quiet::Quiet,
    series, spans,
    world::Monitor,
};

/// The shortest and longest wait between two attempts to connect; as Bento.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(1));

/// An output with its connection.
pub(crate) struct Line {
    inner: Box<dyn Output>,
    desk: Arc<LineDesk>,
    activity: Activity,
    is_up: bool,
    /// What is told of that.
    connection: Connection,
    /// An attempt to connect is under way.
    is_connecting: bool,
    /// The last wait before an attempt to connect; zero when the connection before worked.
    back_off: Duration,
    /// When the next attempt is made, if that is to be waited for.
    not_before: Option<Duration>,
    /// What is not given to the output, by when it came.
    waiting: BTreeMap<(u64, u32), Delivery>,
    /// How many connections in a row were lost before anything was answered.
    n_in_vain: u32,
    next_number: u64,
    is_closed: bool,
    tap: TapPoint,
    connection_up: Counter,
    connection_failed: Counter,
    connection_lost: Counter,
}

/// Where answers come to, from any thread.
struct LineDesk {
    of: Observed,
    bell: OutputBell,
    /// What came back for want of a connection.
    lost: Monitor<Vec<((u64, u32), Delivery)>>,
    is_lost: AtomicBool,
    /// Nobody reads any more.
    is_closed: AtomicBool,
    /// Whether anything was answered since the connection was made.
    has_worked: AtomicBool,
    n_out: AtomicUsize,
    sent: Counter,
    batch_sent: Counter,
    error: Counter,
    latency: Timing,
    quiet: Quiet,
    failures: FailureNotes,
    spans: Option<SpanPlace>,
}

impl Line {
    pub(crate) fn new(
        inner: Box<dyn Output>,
        of: Observed,
        tap: TapPoint,
        bell: OutputBell,
        activity: &Activity,
    ) -> Line {
        Line {
            connection_up: of.counter(series::OUTPUT_CONNECTION_UP),
            connection_failed: of.counter(series::OUTPUT_CONNECTION_FAILED),
            connection_lost: of.counter(series::OUTPUT_CONNECTION_LOST),
            connection: activity.connection(End::Output, &of.path),
            desk: Arc::new(LineDesk {
                failures: tap.failures(),
                spans: of.spans("output_"),
                sent: of.counter(series::OUTPUT_SENT),
                batch_sent: of.counter(series::OUTPUT_BATCH_SENT),
                error: of.counter(series::OUTPUT_ERROR),
                latency: of.timing(series::OUTPUT_LATENCY_NS),
                quiet: Quiet::new(&of.world),
                lost: Monitor::new(&of.world, Vec::new()),
                is_lost: AtomicBool::new(false),
                is_closed: AtomicBool::new(false),
                has_worked: AtomicBool::new(true),
                n_out: AtomicUsize::new(0),
                bell,
                of,
            }),
            inner,
            tap,
            activity: activity.clone(),
            is_up: false,
            is_connecting: false,
            back_off: Duration::ZERO,
            not_before: None,
            waiting: BTreeMap::new(),
            n_in_vain: 0,
            next_number: 0,
            is_closed: false,
        }
    }

    /// Makes one attempt. Where it fails, the next one has its time.
    fn try_connect(&mut self) -> Result<(), ConnectError> {
        let of = &self.desk.of;
        let result = {
            let _entered = of.enter();
            self.inner.connect()
        };
        self.is_connecting = false;
        match result {
            Ok(()) => {
                self.connection_up.add(1);
                of.logger.info(&format!("Output type {} is now active", of.name));
                self.is_up = true;
                self.connection.set(true);
                self.not_before = None;
                Ok(())
            }
            Err(ConnectError::BackOff(text)) => {
                self.failed_to_connect(&text);
                self.wait();
                Ok(())
            }
            Err(ConnectError::Fatal(text)) => {
                self.failed_to_connect(&text);
                Err(ConnectError::Fatal(text))
            }
            // It has a time, or rings.
            Err(ConnectError::NotReady) => {
                self.not_before = None;
                self.is_connecting = true;
                Ok(())
            }
            Err(ConnectError::Interrupted) => Err(ConnectError::Interrupted),
        }
    }

    fn failed_to_connect(&self, text: &str) {
        self.connection_failed.add(1);
        let of = &self.desk.of;
        self.desk.failures.connection(&text);
        self.desk.quiet.log(&of.logger, Level::Error, || format!("Failed to connect to {}: {text}", of.name));
    }

    fn wait(&mut self) {
        self.back_off = (self.back_off * 2).clamp(BACK_OFF.0, BACK_OFF.1);
        self.not_before = Some(self.desk.of.world.now() + self.back_off);
    }

    fn hand(&mut self, place: (u64, u32), mut delivery: Delivery, step: &mut Step<'_>) {
        if self.desk.is_closed.load(Ordering::SeqCst) {
            return delivery.answer(Err(WriteError::Closed));
        }
        self.desk.n_out.fetch_add(1, Ordering::SeqCst);
        let desk = Arc::clone(&self.desk) as Arc<dyn Desk>;
        delivery.stamp(desk, self.desk.of.world.now(), place);
        let _entered = self.desk.of.enter();
        self.inner.write(delivery, step);
    }

    /// Notes that the connection is gone, if it is, and takes what came back.
    fn take_lost(&mut self) {
        if !self.desk.is_lost.load(Ordering::SeqCst) {
            return;
        }
        let lost = std::mem::take(&mut *self.desk.lost.lock());
        if std::mem::replace(&mut self.is_up, false) {
            self.connection.set(false);
            self.connection_lost.add(1);
            // The first time it is connected again at once; not so one that is lost before anything was answered.
            self.not_before = None;
            match self.desk.has_worked.swap(false, Ordering::SeqCst) {
                true => (self.back_off, self.n_in_vain) = (Duration::ZERO, 0),
                false => {
                    self.n_in_vain += 1;
                    self.wait();
                }
            }
        }
        for (place, delivery) in lost {
            // Where every write loses the connection, what can be tried elsewhere does not stay here for ever.
            match 0 < self.n_in_vain && delivery.has_way_out() {
                true => self.desk.give_up(delivery),
                false => _ = self.waiting.insert(place, delivery),
            }
        }
    }

    /// Does what can be done now: connects, and writes what waits.
    fn settle(&mut self, step: &mut Step<'_>) {
        loop {
            self.take_lost();
            if !self.is_up && !self.reconnect() {
                return;
            }
            // What comes back in the middle was in front of the rest.
            while !self.desk.is_lost.load(Ordering::SeqCst)
                && !self.desk.of.stop.is_cut()
                && self.inner.has_room()
            {
                let Some((place, delivery)) = self.waiting.pop_first() else { return };
                self.hand(place, delivery, step);
            }
            if !self.desk.is_lost.load(Ordering::SeqCst) {
                return;
            }
        }
    }

    /// Makes an attempt if its time has come. Whether there is a connection.
    fn reconnect(&mut self) -> bool {
        let of = &self.desk.of;
        if of.stop.is_abandoned() {
            let waiting = std::mem::take(&mut self.waiting);
            waiting.into_values().for_each(|it| it.answer(Err(WriteError::Failed(stopped()))));
            return false;
        }
        // What the output still has comes back first, or is answered otherwise.
        if 0 < self.desk.n_out.load(Ordering::SeqCst) || self.not_before.is_some_and(|it| of.world.now() < it)
        {
            return false;
        }
        self.waiting.extend(std::mem::take(&mut *self.desk.lost.lock()));
        self.desk.is_lost.store(false, Ordering::SeqCst);
        if let Err(err) = self.try_connect() {
            if let ConnectError::Fatal(text) = err {
                self.activity.fail(format!("{}: {text}", self.desk.of.path));
            }
            self.desk.of.stop.cut();
        }
        self.is_up
    }
}

impl Output for Line {
    fn connect(&mut self) -> Result<(), ConnectError> {
        if self.is_up || self.is_connecting || self.not_before.is_some() {
            return Ok(());
        }
        self.try_connect()
    }

    fn has_room(&self) -> bool {
        match self.is_up && !self.desk.is_lost.load(Ordering::SeqCst) {
            true => self.inner.has_room(),
            // Then it is answered at once.
            false => self.desk.of.stop.is_abandoned(),
        }
    }

    fn write(&mut self, delivery: Delivery, step: &mut Step<'_>) {
        if self.tap.is_tapped() {
            self.tap.show(delivery.part().messages());
        }
        let place = (self.next_number, 0);
        self.next_number += 1;
        let is_lost = self.desk.is_lost.load(Ordering::SeqCst);
        if self.is_up && !is_lost && self.waiting.is_empty() {
            self.hand(place, delivery, step);
        } else {
            self.waiting.insert(place, delivery);
        }
        if self.desk.is_lost.load(Ordering::SeqCst) || !self.waiting.is_empty() {
            self.settle(step);
        }
    }

    fn resume(&mut self, step: &mut Step<'_>) {
        if self.is_up {
            let _entered = self.desk.of.enter();
            self.inner.resume(step);
        }
        self.settle(step);
    }

    fn due(&self) -> Option<Duration> {
        if self.is_up || self.is_connecting {
            return self.inner.due();
        }
        // The last answer rings.
        let is_in = self.desk.n_out.load(Ordering::SeqCst) == 0;
        self.not_before.filter(|_| is_in && !self.desk.of.stop.is_abandoned())
    }

    fn flush(&mut self, step: &mut Step<'_>) {
        if self.is_up {
            let _entered = self.desk.of.enter();
            self.inner.flush(step);
        }
    }

    fn close(&mut self) -> Result<(), String> {
        if std::mem::replace(&mut self.is_closed, true) {
            return Ok(());
        }
        let _entered = self.desk.of.enter();
        self.inner.close()
    }
}

impl LineDesk {
    fn is_in(&self) {
        if self.n_out.fetch_sub(1, Ordering::SeqCst) == 1 && self.is_lost.load(Ordering::SeqCst) {
            self.bell.ring();
        }
    }

    /// The connection is lost on it again and again.
    fn give_up(&self, delivery: Delivery) {
        let failed = || WriteError::Failed(Mark::new("the connection was lost again and again"));
        self.count(delivery.part(), self.of.world.now(), &Err(failed()));
        delivery.answer(Err(failed()));
    }

    fn tell_failure(&self, n_messages: usize, reason: &dyn std::fmt::Display) {
        self.failures.messages(n_messages, reason);
        self.quiet.log(&self.of.logger, Level::Error, || {
            format!("Failed to send message to {}: {reason}", self.of.name)
        });
    }

    /// Counts what was answered, and says what went wrong.
    fn count(&self, part: &Part, began: Duration, result: &Result<(), WriteError>) {
        if let Some(spans) = &self.spans {
            let took = self.of.world.now().saturating_sub(began);
            spans::written(spans, part, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), result);
        }
        let n_messages = part.n_messages() as u64;
        let n_failed = match result {
            Ok(()) => 0,
            Err(WriteError::NotConnected | WriteError::Closed) => return,
            Err(WriteError::Failed(reason)) => {
                self.tell_failure(part.n_messages(), reason);
                n_messages
            }
            Err(WriteError::Partial(failures)) => {
                if let Some((_, reason)) = failures.first() {
                    self.tell_failure(failures.len(), reason);
                }
                failures.len() as u64
            }
            Err(WriteError::Rejected(failures)) => {
                if let Some((_, reason)) = failures.first() {
                    self.failures.messages(failures.len(), reason);
                    self.of.logger.debug(&format!("Rejecting message: {reason}"));
                }
                failures.len() as u64
            }
        };
        let n_batches = part.n_batches_with_messages(part.n_batches());
        self.latency.record_shares(self.of.world.now().saturating_sub(began), n_batches.max(1) as u64);
        self.sent.add(n_messages.saturating_sub(n_failed));
        self.batch_sent.add(if n_failed < n_messages { n_batches as u64 } else { 0 });
        self.error.add(n_failed);
    }
}

impl Desk for LineDesk {
    fn divided(&self) {
        self.n_out.fetch_add(1, Ordering::SeqCst);
    }

    fn answered(&self, part: &Part, began: Duration, result: &Result<(), WriteError>) {
        self.has_worked.store(true, Ordering::SeqCst);
        if matches!(result, Err(WriteError::Closed)) {
            self.is_closed.store(true, Ordering::SeqCst);
        }
        self.count(part, began, result);
        self.is_in();
    }

    fn lost(&self, delivery: Delivery, place: (u64, u32)) {
        let mut lost = self.lost.lock();
        lost.push((place, delivery));
        self.is_lost.store(true, Ordering::SeqCst);
        drop(lost);
        self.n_out.fetch_sub(1, Ordering::SeqCst);
        self.bell.ring();
    }
}

#[cfg(test)]
mod tests;
