//! What the client library says of messages that were given to it: counted for each delivery, which is answered as a whole.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use rdkafka::{
    ClientContext, Message as _,
    client::OAuthToken,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseProducer, DeliveryResult, ProducerContext},
};
use wappa_component::{Delivery, OutputBell, WriteError, stopped};
use wappa_message::Mark;

use super::partitioner::Chooser;
use crate::{client::Voice, native, sasl::Token};

/// A producer, and what it calls.
pub(crate) type Client = BaseProducer<Listener, Chooser>;

/// A topic of one.
pub(crate) type Topic = native::Topic<Listener, Chooser>;

/// What the library calls.
pub(crate) struct Listener {
    pub(crate) voice: Arc<Voice>,
    pub(crate) bell: OutputBell,
    pub(crate) limit: Limit,
    pub(crate) chooser: Option<Chooser>,
    pub(crate) token: Option<Token>,
    /// Whether a batch of which a message failed fails as a whole.
    pub(crate) as_batches: bool,
    flights: Mutex<Flights>,
    /// The library can go on no more.
    is_broken: AtomicBool,
    /// Something has arrived since it was asked last.
    has_arrived: AtomicBool,
}

/// How much is on its way at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) writes: usize,
    pub(crate) messages: usize,
}

#[derive(Default)]
struct Flights {
    slots: Vec<Option<Flight>>,
    free: Vec<usize>,
    n_writes: usize,
    n_messages: usize,
}

/// A delivery on its way.
struct Flight {
    /// Nothing while its messages are being sent: some may be answered before.
    delivery: Option<Delivery>,
    /// How many of its messages are not answered.
    n_left: usize,
    failures: Vec<(usize, Fault)>,
}

/// Why a message did not arrive.
pub(crate) enum Fault {
    /// The library's word.
    Code(RDKafkaErrorCode),
    /// Ours.
    Mark(Mark),
}

/// A message, for the library: which delivery it is of, and its index there.
const INDEX_BITS: u32 = 32;

impl Listener {
    pub(crate) fn new(
        voice: Arc<Voice>,
        bell: OutputBell,
        limit: Limit,
        chooser: Option<Chooser>,
        token: Option<Token>,
        as_batches: bool,
    ) -> Listener {
        Listener {
            voice,
            bell,
            limit,
            chooser,
            token,
            as_batches,
            flights: Mutex::default(),
            is_broken: AtomicBool::new(false),
            has_arrived: AtomicBool::new(false),
        }
    }

    fn flights(&self) -> MutexGuard<'_, Flights> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn has_room(&self) -> bool {
        self.flights().has_room(self.limit)
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::SeqCst)
    }

    pub(crate) fn take_arrived(&self) -> bool {
        self.has_arrived.swap(false, Ordering::SeqCst)
    }

    /// A delivery of so many messages is about to be sent. What is returned is its number.
    pub(crate) fn board(&self, n_messages: usize) -> usize {
        let mut flights = self.flights();
        flights.n_writes += 1;
        flights.n_messages += n_messages;
        let flight = Flight { delivery: None, n_left: n_messages, failures: Vec::new() };
        match flights.free.pop() {
            Some(slot) => {
                flights.slots[slot] = Some(flight);
                slot
            }
            None => {
                flights.slots.push(Some(flight));
                flights.slots.len() - 1
            }
        }
    }

    /// What the library is given with a message of it.
    pub(crate) fn ticket(slot: usize, idx: usize) -> usize {
        slot << INDEX_BITS | idx
    }

    /// Which of its delivery's messages it is.
    pub(crate) fn index(ticket: usize) -> usize {
        ticket & (u32::MAX as usize)
    }

    /// So many messages of a delivery are answered, and these did not arrive.
    pub(crate) fn land(&self, slot: usize, n: usize, failures: impl IntoIterator<Item = (usize, Fault)>) {
        let mut flights = self.flights();
        let had_room = flights.has_room(self.limit);
        flights.n_messages -= n;
        let Some(flight) = flights.slots[slot].as_mut() else { return };
        flight.n_left -= n;
        flight.failures.extend(failures);
        let landed = flights.landed(slot);
        let is_room_new = !had_room && flights.has_room(self.limit);
        drop(flights);
        if let Some(flight) = landed {
            self.answer(flight);
        }
        if is_room_new {
            self.bell.ring();
        }
    }

    /// All messages of a delivery are sent, but for these.
    pub(crate) fn take_off(&self, slot: usize, delivery: Delivery, failures: Vec<(usize, Fault)>) {
        let mut flights = self.flights();
        flights.n_messages -= failures.len();
        if let Some(flight) = flights.slots[slot].as_mut() {
            flight.n_left -= failures.len();
            flight.failures.extend(failures);
            flight.delivery = Some(delivery);
        }
        let landed = flights.landed(slot);
        drop(flights);
        if let Some(flight) = landed {
            self.answer(flight);
        }
    }

    fn answer(&self, flight: Flight) {
        let Flight { delivery, mut failures, .. } = flight;
        let Some(delivery) = delivery else { return };
        if failures.is_empty() {
            return delivery.answer(Ok(()));
        }
        let n_messages = delivery.messages().len();
        let is_of_end = |it: &Fault| matches!(it, Fault::Code(RDKafkaErrorCode::Fatal));
        if failures.len() == n_messages && failures.iter().all(|it| is_of_end(&it.1)) {
            // There will be another client, and nothing has arrived by this one.
            return delivery.answer(Err(WriteError::NotConnected));
        }
        failures.sort_by_key(|it| it.0);
        let mut marks: Vec<(usize, Mark)> = Vec::with_capacity(failures.len());
        for (idx, fault) in failures {
            let mark = match fault {
                Fault::Mark(mark) => mark,
                Fault::Code(code) => self.mark(code, marks.last().map(|it| &it.1)),
            };
            marks.push((idx, mark));
        }
        if self.as_batches {
            marks = whole_batches(&delivery, &marks);
        }
        match marks.len() == n_messages && marks.iter().all(|it| it.1.is_same_as(&marks[0].1)) {
            true => delivery.answer(Err(WriteError::Failed(marks.swap_remove(0).1))),
            false => delivery.answer(Err(WriteError::Partial(marks))),
        }
    }

    /// What the library's word means; the one before is shared where it is the same.
    fn mark(&self, code: RDKafkaErrorCode, before: Option<&Mark>) -> Mark {
        let text = match code {
            RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight => return stopped(),
            // Why nothing was answered is known better to who tried to connect.
            RDKafkaErrorCode::MessageTimedOut => match self.voice.last() {
                Some(reason) => format!("{code}: {reason}"),
                None => code.to_string(),
            },
            code => code.to_string(),
        };
        match before.filter(|it| it.as_str() == text) {
            Some(before) => before.clone(),
            None => Mark::new(text),
        }
    }
}

/// All messages of each batch that has one of these.
fn whole_batches(delivery: &Delivery, failures: &[(usize, Mark)]) -> Vec<(usize, Mark)> {
    let part = delivery.part();
    let mut all = Vec::new();
    let mut failures = failures.iter().peekable();
    for batch in (0..part.n_batches()).map(|it| part.batch(it)) {
        let Some((_, mark)) = failures.next_if(|it| it.0 < batch.end) else { continue };
        while failures.next_if(|it| it.0 < batch.end).is_some() {}
        all.extend(batch.map(|idx| (idx, mark.clone())));
    }
    all
}

impl Flights {
    /// The flight, if nothing of it is left to be sent or answered.
    fn landed(&mut self, slot: usize) -> Option<Flight> {
        let is_over = |it: &mut Flight| it.n_left == 0 && it.delivery.is_some();
        let landed = self.slots[slot].take_if(is_over)?;
        self.free.push(slot);
        self.n_writes -= 1;
        Some(landed)
    }

    fn has_room(&self, limit: Limit) -> bool {
        self.n_writes < limit.writes && self.n_messages < limit.messages
    }
}

impl ClientContext for Listener {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, _: RDKafkaLogLevel, facility: &str, text: &str) {
        self.voice.said(facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
            self.is_broken.store(true, Ordering::SeqCst);
        }
        self.voice.failed(&error, reason);
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        Token::given(self.token.as_ref())
    }
}

impl ProducerContext<Chooser> for Listener {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: usize) {
        let (slot, idx) = (ticket >> INDEX_BITS, Listener::index(ticket));
        if let Some(chooser) = &self.chooser {
            let (Ok(message) | Err((_, message))) = result;
            chooser.answered(message.topic(), message.partition());
        }
        match result {
            Ok(_) => {
                self.has_arrived.store(true, Ordering::Relaxed);
                self.land(slot, 1, None);
            }
            Err((err, _)) => {
                let code = err.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
                if code == RDKafkaErrorCode::Fatal {
                    self.is_broken.store(true, Ordering::SeqCst);
                }
                self.land(slot, 1, Some((idx, Fault::Code(code))));
            }
        }
    }

    fn get_custom_partitioner(&self) -> Option<&Chooser> {
        self.chooser.as_ref()
    }
}
