//! What was said of the pieces of a delivery so far, and who is told in the end.
//!
//! Each piece has a receipt. The last one that is answered tells the input, or whoever made the delivery; where the input
//! is told of each message, it hears of one as soon as all pieces that have it are answered.

use std::{
    fmt,
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering},
    },
};

use wappa_message::Mark;

use super::Delivery;
use crate::{Ack, Charges, Failure, News, Part, leases::Leases};

/// Who hears that a delivery landed after the write had returned. The engine's.
pub trait Landing: Send + Sync {
    /// Nobody reads any more. Comes before the answer.
    fn closed(&self);

    /// The delivery with this number was answered.
    fn landed(&self, number: u64);
}

/// One piece of the duty to answer.
pub(super) struct Receipt {
    pub(super) flight: Option<Arc<Flight>>,
    /// The origins that are not answered before this piece is, in order; where the input is told of all at once nobody
    /// keeps them.
    origins: Vec<u32>,
}

/// A delivery on its way: what was said of its pieces so far, and who is told in the end.
pub struct Flight {
    n_pieces: AtomicU32,
    phase: AtomicU8,
    number: u64,
    landing: Option<Weak<dyn Landing>>,
    /// Whether the input is told of each message as soon as all pieces that have it are answered.
    is_leased: bool,
    /// Whether what fails is tried elsewhere.
    has_way_out: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failures: Vec<Failure>,
    /// Which pieces have which messages, where the input is told of each.
    leases: Leases,
    is_closed: bool,
    end: Option<End>,
    /// What was charged for the messages, until all of them are answered.
    charges: Charges,
}

/// Who is told.
enum End {
    Ack(Ack),
    Then(Box<dyn FnOnce(Vec<Failure>, bool) + Send>),
}

/// The write has not returned.
const WRITING: u8 = 0;
/// It has, and somebody has the delivery.
const HANDED: u8 = 1;
/// It was answered.
const LANDED: u8 = 2;

impl Receipt {
    pub(super) fn of(flight: Arc<Flight>) -> Receipt {
        Receipt { flight: Some(flight), origins: Vec::new() }
    }

    /// One that is answered.
    pub(super) fn answered() -> Receipt {
        Receipt { flight: None, origins: Vec::new() }
    }

    fn flight(&self) -> &Arc<Flight> {
        self.flight.as_ref().expect("a delivery has its receipt until it is answered")
    }

    /// One more piece, for these messages.
    pub(super) fn share(&self, part: &Part) -> Receipt {
        let flight = self.flight();
        flight.n_pieces.fetch_add(1, Ordering::Relaxed);
        let mut receipt = Receipt::of(Arc::clone(flight));
        receipt.claim(part);
        receipt
    }

    /// These messages are not answered before this piece is.
    pub(super) fn claim(&mut self, part: &Part) {
        let Some(flight) = self.flight.as_ref().filter(|it| it.is_leased) else { return };
        let mut state = flight.lock();
        let all = origins_of(part, state.leases.range());
        let new = |it: &u32| self.origins.binary_search(it).is_err() && 0 < state.leases.n_left(*it);
        let new: Vec<u32> = all.into_iter().filter(new).collect();
        state.leases.add(new.iter().copied());
        self.origins.extend(new);
        self.origins.sort_unstable();
    }

    /// Only these messages are left; those that others have as well are theirs.
    pub(super) fn hand_on(&mut self, part: &Part) {
        let Some(flight) = self.flight.as_ref().filter(|it| it.is_leased) else { return };
        let mut state = flight.lock();
        let own = origins_of(part, state.leases.range());
        self.origins.retain(|it| {
            let is_kept = own.binary_search(it).is_ok() || state.leases.n_left(*it) == 1;
            if !is_kept {
                state.leases.hand_on(*it);
            }
            is_kept
        });
    }

    pub(super) fn answer(&mut self, failures: Vec<Failure>, is_closed: bool) {
        if let Some(flight) = self.flight.take() {
            flight.answer(&self.origins, failures, is_closed);
        }
    }
}

/// What these messages descend from, in order; everything, where that is not known of one.
fn origins_of(part: &Part, range: Range<u32>) -> Vec<u32> {
    let mut origins = part.origins();
    if origins.iter().any(|it| !range.contains(it)) {
        return range.collect();
    }
    origins.sort_unstable();
    origins.dedup();
    origins
}

impl Flight {
    /// For deliveries of a stream's output, one after the other.
    pub fn new(landing: Weak<dyn Landing>) -> Arc<Flight> {
        Arc::new(Flight::with(State::default(), Some(landing)))
    }

    /// For a delivery that belongs to no stream: this is told what became of it.
    pub(super) fn telling(then: impl FnOnce(Vec<Failure>, bool) + Send + 'static) -> Flight {
        Flight::with(State { end: Some(End::Then(Box::new(then))), ..State::default() }, None)
    }

    /// Keeps charges until all of it is answered.
    pub(super) fn hold(&self, charges: Charges) {
        self.lock().charges.append(charges);
    }

    fn with(state: State, landing: Option<Weak<dyn Landing>>) -> Flight {
        Flight {
            n_pieces: AtomicU32::new(1),
            phase: AtomicU8::new(WRITING),
            number: 0,
            landing,
            is_leased: false,
            has_way_out: AtomicBool::new(false),
            state: Mutex::new(state),
        }
    }

    /// The delivery with this number, of messages for which `ack` answers. A flight that is over is used again.
    pub fn load(self: &mut Arc<Flight>, number: u64, part: Part, ack: Ack) -> Delivery {
        if Arc::get_mut(self).is_none() {
            *self = Arc::new(Flight::with(State::default(), self.landing.clone()));
        }
        let flight = Arc::get_mut(self).expect("nobody else has it");
        flight.number = number;
        *flight.n_pieces.get_mut() = 1;
        *flight.phase.get_mut() = WRITING;
        flight.is_leased = ack.is_leased();
        *flight.has_way_out.get_mut() = false;
        let state = flight.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        *state = State { end: None, ..State::default() };
        let (mut ack, mut origins) = (ack, Vec::new());
        if flight.is_leased {
            let range = ack.origins();
            origins = origins_of(&part, range.clone());
            // What was filtered needs no delivery.
            let filtered: Vec<u32> = range.clone().filter(|it| origins.binary_search(it).is_err()).collect();
            ack.settle(&filtered, Vec::new()).tell();
            state.leases = Leases::new(range);
        }
        state.end = Some(End::Ack(ack));
        Delivery::of(part, Receipt { flight: Some(Arc::clone(self)), origins }, None)
    }

    pub(super) fn set_way_out(&self) {
        self.has_way_out.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_way_out(&self) -> bool {
        self.has_way_out.load(Ordering::Relaxed)
    }

    /// Whether the input is told of each message.
    pub(super) fn is_leased(&self) -> bool {
        self.is_leased
    }

    /// Whether all of it is answered.
    pub fn has_landed(&self) -> bool {
        self.phase.load(Ordering::SeqCst) == LANDED
    }

    /// The write returned: from now on the landing is told. `false`: it has landed already, and nobody will be.
    pub fn hand_over(&self) -> bool {
        self.phase.swap(HANDED, Ordering::SeqCst) != LANDED
    }

    /// Answers for whoever has the delivery, as failed. What is answered to it later changes nothing.
    pub fn revoke(&self, reason: Mark) {
        let end = self.lock().end.take();
        if let Some(End::Ack(ack)) = end {
            ack.failed(reason);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, origins: &[u32], failures: Vec<Failure>, is_closed: bool) {
        if is_closed || !failures.is_empty() || self.is_leased {
            let mut state = self.lock();
            let news = state.answer(origins, failures, is_closed);
            let is_over = state.is_closed && state.end.is_some();
            drop(state);
            if let Some(news) = news {
                self.say_closed(is_over);
                news.tell();
            }
        }
        // Release what this piece recorded, acquire what all others did.
        if self.n_pieces.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        let State { failures, is_closed, end, charges: _held, leases: _ } = std::mem::take(&mut *self.lock());
        self.say_closed(is_closed && end.is_some());
        // No lock is held while anybody is told.
        match end {
            Some(End::Ack(ack)) => ack.answer(failures),
            Some(End::Then(then)) => then(failures, is_closed),
            // It was revoked.
            None => (),
        }
        if self.phase.swap(LANDED, Ordering::SeqCst) == HANDED
            && let Some(landing) = self.landing.as_ref().and_then(Weak::upgrade)
        {
            landing.landed(self.number);
        }
    }

    /// Before the answer, so that nobody takes it for something to do again.
    fn say_closed(&self, is_closed: bool) {
        if is_closed && let Some(landing) = self.landing.as_ref().and_then(Weak::upgrade) {
            landing.closed();
        }
    }
}

impl State {
    /// A piece was answered, and with it these origins, as far as no other piece has them.
    fn answer(&mut self, origins: &[u32], failures: Vec<Failure>, is_closed: bool) -> Option<News> {
        self.is_closed |= is_closed;
        let Some(End::Ack(ack)) = self.end.as_mut().filter(|_| !self.leases.range().is_empty()) else {
            self.failures.extend(failures);
            return None;
        };
        let range = self.leases.range();
        let (own, strangers): (Vec<_>, Vec<_>) =
            failures.into_iter().partition(|it| range.contains(&it.origin));
        own.into_iter().for_each(|it| self.leases.fail(it));
        self.failures.extend(strangers);
        let (done, mut failed) = self.leases.settle(origins.iter().copied());
        // Of a failure without an origin nobody knows what it took with it.
        if let Some(Failure { reason, .. }) = self.failures.first() {
            let of = |it: &u32| Failure { origin: *it, reason: reason.clone() };
            failed = done.iter().map(of).collect();
        }
        Some(ack.settle(&done, failed))
    }
}

impl fmt::Debug for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flight({})", self.number)
    }
}
