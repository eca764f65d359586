//! The filler: a thread that reads the input of a stream into its buffer, whatever the pipeline does.
//!
//! Invariant: what was read is in the buffer or was answered, and once the filler has ended the buffer knows.

use std::sync::Arc;

use wappa_component::{
    Ack, Buffer, Clock, Counter, Failure, Input, Parcel, ReadError, Step, TapPoint, Timing, Waits,
    tracer::SpanPlace, watch_mappings,
};

use crate::{
    observe::{Observed, Tally},
    series,
    spans::Unanswered,
    worker::{self, Shared},
    world::{Bell, World},
};

pub(crate) const BUFFER_PATH: &str = "root.buffer";

/// Who counts what goes through a buffer.
#[derive(Clone, Debug)]
pub(crate) struct Accounts {
    pub(crate) tally: Tally,
    /// Whether the buffer outlives the process.
    pub(crate) is_durable: bool,
}

impl Accounts {
    /// So many messages that are put in were so many when they were read.
    fn put(&self, n_read: u64, n_messages: u64) {
        match self.is_durable {
            true => self.tally.put_away(n_read, n_messages),
            false => self.tally.put(n_read, n_messages),
        }
    }

    fn take_out(&self, n_messages: u64) {
        if self.is_durable {
            self.tally.take_out(n_messages);
        }
    }

    /// What came out is answered; what failed of it stays in a buffer that outlives the process.
    fn answer(&self, n_messages: u64, n_failed: u64) {
        match self.is_durable {
            true => self.tally.answer_kept(n_messages, n_failed),
            false => self.tally.answer(n_messages, n_failed),
        }
    }
}

/// The input of a stream that has a buffer, and the end of the buffer where it is put in.
pub(crate) struct Filler {
    input: Box<dyn Input>,
    buffer: Box<dyn Buffer>,
    /// Rung for the input, for room in the buffer, and at a stop.
    pub(crate) bell: Bell,
    accounts: Accounts,
    received: Counter,
    batch_received: Counter,
    spans: Option<SpanPlace>,
}

impl Filler {
    pub(crate) fn new(
        input: Box<dyn Input>,
        buffer: Box<dyn Buffer>,
        bell: Bell,
        of: &Observed,
        accounts: Accounts,
    ) -> Filler {
        Filler {
            input,
            buffer,
            bell,
            accounts,
            received: of.counter(series::BUFFER_RECEIVED),
            batch_received: of.counter(series::BUFFER_BATCH_RECEIVED),
            spans: of.spans(""),
        }
    }

    fn put(&mut self, parcel: Parcel, step: &mut Step<'_>) {
        let n_read = parcel.n_origins();
        let parcel = parcel.with_own_origins();
        let (n_messages, n_batches) = (parcel.n_origins(), parcel.n_batches());
        // Before the pipeline can have it.
        self.accounts.put(n_read as u64, n_messages as u64);
        if n_messages == 0 {
            return parcel.into_stretch().1.delivered();
        }
        let parcel = match &self.spans {
            None => parcel,
            Some(spans) => spans.put_in(parcel),
        };
        let n_dropped = self.buffer.put(parcel, step.take_charges());
        self.accounts.tally.drop_from_buffer(n_dropped as u64);
        let n_put = (n_messages - n_dropped) as u64;
        self.received.add(n_put);
        self.batch_received.add(n_batches as u64 * n_put / n_messages as u64);
    }

    /// Reads until the input is over, or everything is given up.
    fn run(&mut self, shared: &Shared) {
        let mut is_stopped = false;
        while !shared.stop.is_abandoned() {
            if shared.stop.is_draining() && !std::mem::replace(&mut is_stopped, true) {
                self.input.stop();
            }
            let mut waits = Waits::default();
            if !self.buffer.has_room() {
                self.bell.wait(&waits, None);
                continue;
            }
            let mut step = Step::new(shared.filler_lane(), &shared.stop);
            let read = {
                let _working = shared.world.work();
                self.input.read(&mut waits, &mut step)
            };
            match read {
                Ok(parcel) => self.put(parcel, &mut step),
                Err(ReadError::NotReady) => _ = self.bell.wait(&waits, waits.time()),
                Err(ReadError::EndOfInput) => return,
                // Whoever takes care of the connections has reacted.
                Err(ReadError::NotConnected | ReadError::SourceFailed(_) | ReadError::BackOff(_)) => (),
            }
        }
    }
}

/// The thread of a filler.
pub(crate) fn run_guarded(shared: &Shared, mut filler: Filler) {
    shared.world.enter(shared.n_threads);
    watch_mappings(Some((Arc::new(shared.stop.clone()), shared.caches.clone())));
    worker::guarded(shared, worker::INPUT_PATH, || filler.run(shared));
    // Whatever came of it, nothing more is put in.
    worker::guarded(shared, BUFFER_PATH, || filler.buffer.end());
    if let Some(Err(text)) = worker::guarded(shared, worker::INPUT_PATH, || filler.input.close()) {
        shared.activity.fail(format!("{}: {text}", worker::INPUT_PATH));
    }
    drop(filler);
    watch_mappings(None);
    shared.world.leave();
}

/// The end of a buffer where the pipeline reads, observed.
pub(crate) struct Outlet {
    inner: Box<dyn Input>,
    accounts: Accounts,
    world: World,
    sent: Counter,
    batch_sent: Counter,
    latency: Timing,
    tap: TapPoint,
    spans: Option<SpanPlace>,
}

impl Outlet {
    pub(crate) fn new(inner: Box<dyn Input>, of: &Observed, tap: TapPoint, accounts: Accounts) -> Outlet {
        Outlet {
            inner,
            tap,
            accounts,
            world: of.world.clone(),
            sent: of.counter(series::BUFFER_SENT),
            batch_sent: of.counter(series::BUFFER_BATCH_SENT),
            latency: of.timing(series::BUFFER_LATENCY_NS),
            spans: of.spans(""),
        }
    }
}

impl Input for Outlet {
    fn read(&mut self, waits: &mut Waits, step: &mut Step<'_>) -> Result<Parcel, ReadError> {
        let parcel = self.inner.read(waits, step)?;
        if self.tap.is_tapped() {
            self.tap.show(&parcel.messages());
        }
        let n_origins = parcel.n_origins() as u64;
        self.accounts.take_out(n_origins);
        self.sent.add(n_origins);
        self.batch_sent.add(parcel.n_batches() as u64);
        let (accounts, world, latency) = (self.accounts.clone(), self.world.clone(), self.latency.clone());
        let began = world.now();
        let spans = self.spans.as_ref().and_then(|place| {
            let spans = place.taken_out(&parcel);
            (!spans.is_empty()).then(|| Unanswered::new(place, spans))
        });
        Ok(parcel.wrap_ack(move |inner: Ack| {
            Ack::new(n_origins as u32, move |failures: Vec<Failure>| {
                latency.record(world.now().saturating_sub(began));
                accounts.answer(n_origins, failures.len() as u64);
                if let Some(spans) = spans {
                    spans.end_all(failures.iter().map(|it| it.origin));
                }
                inner.answer(failures);
            })
        }))
    }

    fn stop(&mut self) {
        self.inner.stop();
    }

    fn is_exhausted(&self) -> bool {
        self.inner.is_exhausted()
    }

    fn close(&mut self) -> Result<(), String> {
        self.inner.close()
    }
}
