//! Acknowledgements of streams: what was published and is not acknowledged.
//!
//! Messages are numbered; a number is the last token of the subject that its acknowledgement comes to. So one subscription
//! and one task serve all of them, and a message costs neither a future nor a timer of its own.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_nats::{Message, StatusCode, Subject};
use serde_json::Value;
use wappa_component::WriteError;
use wappa_message::Mark;
use wappa_net::Sending;

/// How long a stream may take to acknowledge a message; as other clients.
pub(crate) const ACK_MAX: Duration = Duration::from_secs(5);

/// What waits for acknowledgements on one connection.
#[derive(Debug)]
pub(crate) struct Desk(Mutex<State>);

#[derive(Debug)]
struct State {
    /// In the order of their numbers.
    packs: VecDeque<Pack>,
    next: u64,
    /// When something was heard last.
    heard: Instant,
    is_over: bool,
}

/// What was sent together.
#[derive(Debug)]
struct Pack {
    first: u64,
    /// By index: `None` once it is answered; before, what it was published to.
    waiting: Vec<Option<Subject>>,
    n_waiting: usize,
    failures: Vec<(usize, Mark)>,
    since: Instant,
    /// `None`: all of it was answered.
    sending: Option<Sending>,
}

/// What is to be answered once the lock is free.
type Answered = Vec<(Sending, Result<(), WriteError>)>;

fn tell(answered: Answered) {
    answered.into_iter().for_each(|(sending, result)| sending.answer(result));
}

impl Pack {
    fn settle(&mut self, idx: usize, failure: Option<Mark>) {
        if self.waiting.get_mut(idx).and_then(Option::take).is_some() {
            self.n_waiting -= 1;
            self.failures.extend(failure.map(|it| (idx, it)));
        }
    }

    /// What is to be said of it, if nothing of it is waited for any more.
    fn finished(&mut self) -> Option<(Sending, Result<(), WriteError>)> {
        if 0 < self.n_waiting {
            return None;
        }
        let mut failures = std::mem::take(&mut self.failures);
        failures.sort_by_key(|it| it.0);
        let result = if failures.is_empty() { Ok(()) } else { Err(WriteError::Partial(failures)) };
        Some((self.sending.take()?, result))
    }

    /// The connection is lost. What begins it and is acknowledged has arrived, the rest comes again.
    fn lost(mut self, answered: &mut Answered) {
        let Some(mut sending) = self.sending.take() else { return };
        let is_open = |idx: usize| self.waiting[idx].is_some() || self.failures.iter().any(|it| it.0 == idx);
        let n_arrived = (0..self.waiting.len()).find(|idx| is_open(*idx)).unwrap_or(self.waiting.len());
        let n_batches = sending.part().batches_within(n_arrived);
        let rest = sending.split_off(n_batches);
        if 0 < n_batches {
            answered.push((sending, Ok(())));
        }
        answered.push((rest, Err(WriteError::NotConnected)));
    }
}

impl State {
    /// Forgets what is finished, as far as nothing before it waits.
    fn forget(&mut self) {
        while self.packs.front().is_some_and(|it| it.sending.is_none()) {
            self.packs.pop_front();
        }
    }

    fn settle(&mut self, number: u64, failure: Option<Mark>, answered: &mut Answered) {
        let Some(idx) = self.packs.partition_point(|it| it.first <= number).checked_sub(1) else { return };
        let pack = &mut self.packs[idx];
        pack.settle((number - pack.first) as usize, failure);
        answered.extend(pack.finished());
    }

    fn lose(&mut self, answered: &mut Answered) {
        self.is_over = true;
        self.packs.drain(..).for_each(|it| it.lost(answered));
    }
}

impl Desk {
    pub(crate) fn new() -> Desk {
        let state = State { packs: VecDeque::new(), next: 0, heard: Instant::now(), is_over: false };
        Desk(Mutex::new(state))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the connection is given up.
    pub(crate) fn is_over(&self) -> bool {
        self.lock().is_over
    }

    /// These messages are about to be published: gives the number of the first, unless the connection is given up. `subjects`
    /// has `None` for those that cannot be published, which `failures` tells of.
    pub(crate) fn open(
        &self,
        sending: Sending,
        subjects: Vec<Option<Subject>>,
        failures: Vec<(usize, Mark)>,
    ) -> Option<u64> {
        let mut answered = Vec::new();
        let mut state = self.lock();
        let first = Some(state.next).filter(|_| !state.is_over);
        state.next += subjects.len() as u64;
        let n_waiting = subjects.iter().flatten().count();
        let mut pack = Pack {
            first: state.next - subjects.len() as u64,
            waiting: subjects,
            n_waiting,
            failures,
            since: Instant::now(),
            sending: Some(sending),
        };
        if state.is_over {
            pack.lost(&mut answered);
        } else {
            answered.extend(pack.finished());
            if pack.sending.is_some() {
                state.packs.push_back(pack);
            }
        }
        drop(state);
        tell(answered);
        first
    }

    /// This message was not published after all.
    pub(crate) fn fail(&self, number: u64, mark: Mark) {
        let mut answered = Vec::new();
        let mut state = self.lock();
        state.settle(number, Some(mark), &mut answered);
        state.forget();
        drop(state);
        tell(answered);
    }

    /// Acknowledgements have come.
    pub(crate) fn hear(&self, messages: &[Message]) {
        let mut answered = Vec::new();
        let mut state = self.lock();
        state.heard = Instant::now();
        for message in messages {
            let number = message.subject.rsplit('.').next().and_then(|it| it.parse().ok());
            let Some(number) = number else { continue };
            state.settle(number, refusal_of(message), &mut answered);
        }
        state.forget();
        drop(state);
        tell(answered);
    }

    /// The server does not allow this subject, and will not acknowledge what was published to it.
    pub(crate) fn refuse(&self, subject: &str, text: &str) {
        let mut answered = Vec::new();
        let mut state = self.lock();
        for pack in &mut state.packs {
            for idx in 0..pack.waiting.len() {
                if pack.waiting[idx].as_ref().is_some_and(|it| it.as_str() == subject) {
                    pack.settle(idx, Some(Mark::new(text)));
                }
            }
            answered.extend(pack.finished());
        }
        state.forget();
        drop(state);
        tell(answered);
    }

    /// Gives up what is not acknowledged in time. `false`: nothing is acknowledged at all, and the connection is given up.
    pub(crate) fn look(&self) -> bool {
        let mut answered = Vec::new();
        let mut state = self.lock();
        let heard = state.heard;
        let is_late = |it: &Pack| it.sending.is_some() && ACK_MAX < it.since.elapsed();
        let late: Vec<usize> = (0..state.packs.len()).filter(|idx| is_late(&state.packs[*idx])).collect();
        let is_silent = late.iter().any(|idx| heard < state.packs[*idx].since);
        if is_silent {
            state.lose(&mut answered);
        } else {
            for idx in late {
                let pack = &mut state.packs[idx];
                for idx in 0..pack.waiting.len() {
                    if let Some(subject) = &pack.waiting[idx] {
                        let text = format!("no stream has acknowledged a message to {subject} within 5s");
                        pack.settle(idx, Some(Mark::new(text)));
                    }
                }
                answered.extend(pack.finished());
            }
            state.forget();
        }
        drop(state);
        tell(answered);
        !is_silent
    }

    /// The connection is lost.
    pub(crate) fn lose(&self) {
        let mut answered = Vec::new();
        self.lock().lose(&mut answered);
        tell(answered);
    }
}

/// Why a stream did not take a message; `None`: it did.
fn refusal_of(message: &Message) -> Option<Mark> {
    if message.status == Some(StatusCode::NO_RESPONDERS) {
        return Some(Mark::new("no stream takes messages of this subject (no responders)"));
    }
    if message.payload.starts_with(b"{\"stream\":") {
        return None;
    }
    match serde_json::from_slice::<Value>(&message.payload) {
        Ok(answer) => {
            let error = answer.get("error")?;
            let text = error["description"].as_str().unwrap_or("it says not why");
            Some(Mark::new(format!("the stream refuses the message: {text} ({})", error["err_code"])))
        }
        Err(_) => Some(Mark::new("the answer of the stream cannot be read")),
    }
}
