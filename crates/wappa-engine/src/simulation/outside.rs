//! What is outside of a simulated stream and has a time of its own: answers that processors wait for, and messages that
//! arrive for inputs which others fill.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use wappa_component::InputBell;

use super::{random::mix, token::Token};
use crate::world::{Monitor, Scheduler, World};

/// An actor beside the threads of a stream.
pub(super) struct Outside {
    token: Arc<Token>,
    salt: u64,
    events: Monitor<Vec<Event>>,
}

/// Something that happens at a time.
struct Event {
    at: Duration,
    what: What,
}

enum What {
    /// Something has arrived for an input.
    Arrives(InputBell),
    /// Somebody who was asked answers.
    Answers(Arc<Question>),
}

/// Something that somebody waits for.
#[derive(Default)]
struct Question(Mutex<(bool, Option<Waker>)>);

impl Question {
    fn lock(&self) -> MutexGuard<'_, (bool, Option<Waker>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The wait for an answer.
pub(super) struct Answered(Arc<Question>);

impl Future for Answered {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock();
        if state.0 {
            return Poll::Ready(());
        }
        state.1 = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Outside {
    pub(super) fn new(token: &Arc<Token>, world: &World, salt: u64) -> Outside {
        Outside { token: Arc::clone(token), salt, events: Monitor::new(world, Vec::new()) }
    }

    /// Asks for something; the answer takes so long.
    pub(super) fn ask(&self, ms: u64) -> Answered {
        let question = Arc::new(Question::default());
        self.add(self.token.now() + Duration::from_millis(ms), What::Answers(Arc::clone(&question)));
        Answered(question)
    }

    /// Rings at that time.
    pub(super) fn ring_at(&self, at: Duration, bell: InputBell) {
        self.add(at, What::Arrives(bell));
    }

    fn add(&self, at: Duration, what: What) {
        self.events.lock().push(Event { at, what });
        self.events.notify_all();
    }

    /// Has everything happen at its time, and what has the same time in any order, until the stream is over.
    pub(super) fn run(&self, thread: usize) {
        self.token.enter(thread);
        let mut n_events = 0;
        while !self.token.pipeline_is_gone() {
            let now = self.token.now();
            let mut events = self.events.lock();
            let due: Vec<usize> = (0..events.len()).filter(|idx| events[*idx].at <= now).collect();
            if due.is_empty() {
                let until = events.iter().map(|it| it.at).min();
                drop(self.events.wait(events, until));
                continue;
            }
            n_events += 1;
            let event = events.swap_remove(due[mix(&[self.salt, n_events]) as usize % due.len()]);
            drop(events);
            match event.what {
                What::Arrives(bell) => bell.ring(),
                What::Answers(question) => {
                    let waker = {
                        let mut state = question.lock();
                        state.0 = true;
                        state.1.take()
                    };
                    waker.into_iter().for_each(Waker::wake);
                }
            }
        }
        self.token.leave();
    }
}
