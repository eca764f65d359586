//! Leases: messages that a server waits for an answer to, each of its own.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_nats::Subject;
use bytes::Bytes;
use tokio::sync::Notify;
use wappa_component::{Failure, LeaseSink};

use crate::answers::{ACK, Answer, Answers, PROGRESS, nak};

/// All messages that were read and not answered.
#[derive(Debug)]
pub(crate) struct Leases {
    pub(crate) answers: Answers,
    nak: Bytes,
    groups: Mutex<Vec<Weak<Group>>>,
    n_held: AtomicUsize,
    /// There are fewer than before.
    pub(crate) freed: Notify,
}

/// Messages that were read together. What of them is not answered when it is dropped is given back at once.
#[derive(Debug)]
pub(crate) struct Group {
    leases: Arc<Leases>,
    /// By index: where its answer goes.
    messages: Vec<(Subject, AtomicBool)>,
    since: Instant,
}

impl Leases {
    /// What fails is delivered again after `nak_delay`.
    pub(crate) fn new(nak_delay: Option<Duration>) -> Leases {
        Leases {
            answers: Answers::new(),
            nak: nak(nak_delay),
            groups: Mutex::default(),
            n_held: AtomicUsize::new(0),
            freed: Notify::new(),
        }
    }

    /// How many messages there are.
    pub(crate) fn n_held(&self) -> usize {
        self.n_held.load(Ordering::SeqCst)
    }

    /// Where all that are held go when they are answered.
    pub(crate) fn open(&self) -> Vec<Subject> {
        let groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let groups = groups.iter().filter_map(Weak::upgrade);
        groups
            .flat_map(|it| {
                let open = it.messages.iter().filter(|it| !it.1.load(Ordering::SeqCst));
                open.map(|it| it.0.clone()).collect::<Vec<_>>()
            })
            .collect()
    }

    /// These were read.
    pub(crate) fn hold(self: &Arc<Leases>, messages: Vec<Subject>) -> Held {
        self.n_held.fetch_add(messages.len(), Ordering::SeqCst);
        let messages = messages.into_iter().map(|it| (it, AtomicBool::new(false))).collect();
        let group = Arc::new(Group { leases: Arc::clone(self), messages, since: Instant::now() });
        self.groups.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&group));
        Held(group)
    }

    /// These are nothing for us: somebody else may have them.
    pub(crate) fn give_back(&self, messages: impl Iterator<Item = Subject>) {
        self.answers.put(messages.map(|it| Answer::new(it, nak(None))).collect());
    }

    /// Says of each message that has been held for `age` that it is worked on, so that the server goes on waiting. Without a
    /// connection nothing is said: later it is not true any more.
    pub(crate) fn renew(&self, age: Duration) {
        if !self.answers.is_connected() {
            return;
        }
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups.retain(|it| 0 < it.strong_count());
        let groups: Vec<_> = groups.iter().filter_map(Weak::upgrade).collect();
        for group in groups.iter().filter(|it| age <= it.since.elapsed()) {
            let open = group.messages.iter().filter(|it| !it.1.load(Ordering::SeqCst));
            self.answers.put(open.map(|it| Answer::new(it.0.clone(), PROGRESS)).collect());
        }
    }
}

impl Group {
    /// The answers for those that have none.
    fn answer<'a>(&self, of: impl Iterator<Item = (usize, &'a Bytes)>) {
        let is_new = |idx: usize| !self.messages[idx].1.swap(true, Ordering::SeqCst);
        let answers = of.filter(|it| is_new(it.0));
        let answers: Vec<Answer> = answers
            .map(|(idx, payload)| Answer::new(self.messages[idx].0.clone(), payload.clone()))
            .collect();
        self.leases.n_held.fetch_sub(answers.len(), Ordering::SeqCst);
        self.leases.answers.put(answers);
        self.leases.freed.notify_one();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let nak = nak(None);
        let open: Vec<usize> =
            (0..self.messages.len()).filter(|it| !self.messages[*it].1.load(Ordering::SeqCst)).collect();
        self.answer(open.into_iter().map(|it| (it, &nak)));
    }
}

/// The duty to answer for what was read together.
#[derive(Debug)]
pub(crate) struct Held(Arc<Group>);

impl LeaseSink for Held {
    fn answered(&self, origins: &[u32], failures: Vec<Failure>) {
        let mut failures = failures.iter().peekable();
        let of = origins.iter().map(|origin| {
            let failure = failures.next_if(|it| it.origin == *origin);
            let payload = match failure {
                None => &ACK_PAYLOAD,
                // Nobody has tried it: somebody else may at once.
                Some(it) if it.reason.is_unwanted() => &NAK_PAYLOAD,
                Some(_) => &self.0.leases.nak,
            };
            (*origin as usize, payload)
        });
        self.0.answer(of);
    }
}

static ACK_PAYLOAD: Bytes = ACK;
static NAK_PAYLOAD: Bytes = Bytes::from_static(b"-NAK");
