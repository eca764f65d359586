//! Runs processors on the batches of a test, in a stream of their own, and collects every message that comes out.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::AtomicBool,
        mpsc::{RecvTimeoutError, sync_channel},
    },
    thread,
    time::Duration,
};

use wappa_component::{
    Ack, Batches, ConnectError, Delivery, Input, Logger, Metrics, Output, PARCEL_MESSAGES_MAX, Parcel,
    ReadError, Services, Step, Waits,
};
use wappa_engine::{Around, BuildRequest, Reached, Report, Setting, World};
use wappa_message::Message;
use wappa_spec::{Registry, Size, StreamConfig};
use wappa_wasm::Budget;

use crate::{compiling::Keeping, table, wasm};

/// What all messages that come out of one test may take.
const COLLECTED_BYTES_MAX: usize = 256 << 20;

/// How long what was given up may take to return, before nobody waits for it any more.
const GRACE: Duration = Duration::from_secs(5);

/// What every test runs with.
pub(super) struct Executing {
    pub(super) budget: Budget,
    pub(super) keeping: Keeping,
    pub(super) guest_memory_limit: Option<Size>,
    pub(super) logger: Logger,
    /// How long one test may take.
    pub(super) time_limit: Duration,
}

/// What came of the batches.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// What came out, in order.
    pub(super) batches: Vec<Vec<Message>>,
    /// Why that is not all of it.
    pub(super) fault: Option<String>,
    /// Whether the time was over.
    pub(super) is_late: bool,
    /// Which processors were given messages.
    pub(super) reached: Reached,
}

impl Executing {
    /// Builds the processors and runs them. The error is one of building.
    pub(super) fn run(
        &self,
        config: &StreamConfig,
        registry: &dyn Registry,
        batches: Vec<Vec<Message>>,
    ) -> Result<Outcome, String> {
        let setting = World::real().and_then(|it| Setting::new(&it)).map_err(|err| err.to_string())?;
        let mut services = Services::default();
        let providing = wasm::Providing {
            budget: self.budget,
            keeping: self.keeping.clone(),
            interrupted: Arc::new(AtomicBool::new(false)),
            guest_memory_limit: self.guest_memory_limit,
            pool: None,
        };
        wasm::provide(&mut services, config, providing, &self.logger)?;
        let request = BuildRequest {
            config,
            components: table::table(),
            registry,
            logger: self.logger.clone(),
            metrics: Metrics::default(),
            services,
            setting: &setting,
        };
        let collected = Arc::new(Mutex::new(Collected::default()));
        let output = Box::new(Collector(Arc::clone(&collected)));
        let reached = Reached::default();
        let around = Around { input: Box::new(Given(batches.into())), output, reached: reached.clone() };
        let (stream, _) = wappa_engine::build_between(request, around).map_err(|err| err.to_string())?;
        let (tx, rx) = sync_channel(1);
        let run = move || drop(tx.send(stream.run()));
        thread::Builder::new().name("test".to_string()).spawn(run).map_err(|err| err.to_string())?;
        let ended: Result<io::Result<Report>, RecvTimeoutError> = rx.recv_timeout(self.time_limit);
        let (fault, is_late) = match ended {
            Ok(Ok(report)) => (report.fault, false),
            Ok(Err(err)) => (Some(err.to_string()), false),
            Err(RecvTimeoutError::Disconnected) => (Some("the stream panicked".to_string()), false),
            Err(RecvTimeoutError::Timeout) => {
                let names = setting.activity().at_work().join(", ");
                let at_work = if names.is_empty() { names } else { format!(", at work: {names}") };
                setting.stop().abandon();
                if rx.recv_timeout(GRACE).is_err() {
                    setting.stop().cut();
                    let _ = rx.recv_timeout(GRACE);
                }
                (Some(format!("the time limit of {:?} is over{at_work}", self.time_limit)), true)
            }
        };
        let mut collected = collected.lock().unwrap_or_else(PoisonError::into_inner);
        let Collected { batches, is_full, .. } = std::mem::take(&mut *collected);
        let too_much = format!("more than {} of messages came out", Size(COLLECTED_BYTES_MAX as u64));
        Ok(Outcome { batches, fault: fault.or(is_full.then_some(too_much)), is_late, reached })
    }
}

/// Batches as an input.
struct Given(VecDeque<Vec<Message>>);

impl Input for Given {
    fn read(&mut self, _: &mut Waits, _: &mut Step<'_>) -> Result<Parcel, ReadError> {
        let (mut messages, mut ends): (Vec<Message>, Vec<u32>) = (Vec::new(), Vec::new());
        while let Some(batch) = self.0.front() {
            if !messages.is_empty() && PARCEL_MESSAGES_MAX < messages.len() + batch.len() {
                break;
            }
            messages.extend(self.0.pop_front().unwrap_or_default());
            ends.push(messages.len() as u32);
        }
        if messages.is_empty() {
            return Err(ReadError::EndOfInput);
        }
        let ack = Ack::new(messages.len() as u32, |_| ());
        Ok(Parcel::of_messages(messages, Batches::Ends(ends), ack))
    }
}

/// What an output was given.
#[derive(Debug, Default)]
struct Collected {
    batches: Vec<Vec<Message>>,
    bytes: usize,
    /// Whether there was more.
    is_full: bool,
}

/// Collects what it is given.
struct Collector(Arc<Mutex<Collected>>);

impl Output for Collector {
    fn connect(&mut self) -> Result<(), ConnectError> {
        Ok(())
    }

    fn write(&mut self, delivery: Delivery, _: &mut Step<'_>) {
        let mut collected = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let part = delivery.part();
        collected.bytes = collected.bytes.saturating_add(part.size());
        collected.is_full |= COLLECTED_BYTES_MAX < collected.bytes;
        if !collected.is_full {
            let batches = (0..part.n_batches()).map(|idx| part.messages()[part.batch(idx)].to_vec());
            collected.batches.extend(batches.filter(|it| !it.is_empty()));
        }
        drop(collected);
        delivery.answer(Ok(()));
    }
}
