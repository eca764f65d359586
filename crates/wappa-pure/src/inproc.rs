//! Pipes within the process: what outputs `inproc` give to inputs `inproc` of the same name, in any stream.
//!
//! A delivery goes from one stream to the other as it is, and is answered by whoever has it in the end. So nothing is
//! answered before it has arrived, and what is on its way counts in the stream that it came from.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use wappa_component::{Delivery, InputBell, OutputBell, PARCEL_MESSAGES_MAX, Services};

/// All pipes of a process, by name.
#[derive(Default)]
pub(crate) struct Pipes(Mutex<HashMap<String, Arc<Pipe>>>);

/// Lets the streams of two of these reach each other by `inproc`, where they are built with different services.
pub fn share_pipes(of: &Services, with: &mut Services) {
    with.insert(of.get_or_default::<Pipes>());
}

impl Pipes {
    /// The pipe with this name.
    pub(crate) fn pipe(&self, name: &str) -> Arc<Pipe> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that nobody has any more, of streams that are gone.
        all.retain(|_, it| 1 < Arc::strong_count(it));
        Arc::clone(all.entry(name.to_string()).or_default())
    }
}

/// One pipe, with any number of ends on both sides.
#[derive(Default)]
pub(crate) struct Pipe(Mutex<State>);

#[derive(Default)]
struct State {
    /// What no input has taken yet, with the end it came in by.
    waiting: VecDeque<(u64, Delivery)>,
    n_messages: usize,
    senders: HashMap<u64, Sender>,
    receivers: HashMap<u64, InputBell>,
    next_end: u64,
}

struct Sender {
    bell: OutputBell,
    /// Nothing more comes of it before something is answered.
    is_flushed: bool,
}

impl Pipe {
    /// A new end that puts something in.
    pub(crate) fn sender(&self, bell: OutputBell) -> u64 {
        let mut state = self.lock();
        let end = state.new_end();
        state.senders.insert(end, Sender { bell, is_flushed: false });
        end
    }

    /// A new end that takes something out.
    pub(crate) fn receiver(&self, bell: InputBell) -> u64 {
        let mut state = self.lock();
        let end = state.new_end();
        state.receivers.insert(end, bell);
        call_senders(state);
        end
    }

    /// Whether somebody takes, and does not have enough.
    pub(crate) fn has_room(&self) -> bool {
        self.lock().has_room()
    }

    /// Whether somebody takes.
    pub(crate) fn is_read(&self) -> bool {
        !self.lock().receivers.is_empty()
    }

    /// Puts a delivery in. Whoever takes out is called.
    pub(crate) fn put(&self, end: u64, delivery: Delivery) {
        let mut state = self.lock();
        state.n_messages += delivery.part().n_messages();
        state.waiting.push_back((end, delivery));
        state.set_flushed(end, false);
        call_receivers(state);
    }

    /// Nothing more comes of this end before something is answered.
    pub(crate) fn flush(&self, end: u64) {
        let mut state = self.lock();
        state.set_flushed(end, true);
        call_receivers(state);
    }

    /// Takes what is next.
    pub(crate) fn take(&self) -> Option<Delivery> {
        let mut state = self.lock();
        let had_room = state.has_room();
        let (_, delivery) = state.waiting.pop_front()?;
        state.n_messages -= delivery.part().n_messages();
        if !had_room && state.has_room() {
            call_senders(state);
        }
        Some(delivery)
    }

    /// Whether nothing more comes out before something is answered.
    pub(crate) fn is_exhausted(&self) -> bool {
        let state = self.lock();
        let all_flushed = !state.senders.is_empty() && state.senders.values().all(|it| it.is_flushed);
        all_flushed && state.waiting.is_empty()
    }

    /// Nothing comes of this end any more, and what is left of it is taken back.
    pub(crate) fn close_sender(&self, end: u64) {
        let mut state = self.lock();
        state.senders.remove(&end);
        let (own, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut state.waiting).into_iter().partition(|(it, _)| *it == end);
        state.n_messages = others.iter().map(|(_, it)| it.part().n_messages()).sum();
        state.waiting = others.into();
        drop(state);
        // Whoever made them hears that they failed, if anybody still listens.
        drop(own);
    }

    /// Nothing is taken at this end any more.
    pub(crate) fn close_receiver(&self, end: u64) {
        self.lock().receivers.remove(&end);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_room(&self) -> bool {
        !self.receivers.is_empty() && self.n_messages < PARCEL_MESSAGES_MAX
    }

    fn new_end(&mut self) -> u64 {
        self.next_end += 1;
        self.next_end
    }

    fn set_flushed(&mut self, end: u64, is_flushed: bool) {
        if let Some(sender) = self.senders.get_mut(&end) {
            sender.is_flushed = is_flushed;
        }
    }
}

fn call_senders(state: MutexGuard<'_, State>) {
    let bells: Vec<OutputBell> = state.senders.values().map(|it| it.bell.clone()).collect();
    drop(state);
    bells.iter().for_each(OutputBell::ring);
}

/// Whoever is called may come for the lock.
fn call_receivers(state: MutexGuard<'_, State>) {
    let bells: Vec<InputBell> = state.receivers.values().cloned().collect();
    drop(state);
    bells.iter().for_each(InputBell::ring);
}

impl fmt::Debug for Pipes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pipes")
    }
}
