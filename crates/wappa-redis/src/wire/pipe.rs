//! Many commands on their way at once: what outputs give is written in its order, as much as there is in one piece, and
//! answered from the replies, which come in the same order.
//!
//! Invariant: what is given is answered once, also where the connection is lost, and then in the order it was given in.

use std::{
    collections::VecDeque,
    future::poll_fn,
    panic::resume_unwind,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Instant,
};

use futures_util::{FutureExt as _, task::AtomicWaker};
use tokio::{
    io::{AsyncReadExt as _, AsyncWrite as _},
    task::JoinHandle,
    time::{Sleep, sleep},
};
use wappa_component::WriteError;
use wappa_message::Mark;
use wappa_net::Sending;

use super::{
    Wire,
    command::Commands,
    leads_elsewhere, refused,
    reply::{Incoming, error},
};
use crate::connection::{ANSWER_MAX, Stream};

/// A buffer that has become larger than this is not kept.
const KEPT_MAX: usize = 1 << 20;

/// A connection for what is not waited for. Dropped, it fails what is not answered.
pub(crate) struct Pipe {
    shared: Arc<Shared>,
    /// Until it has ended and somebody has looked why.
    driver: Mutex<Option<JoinHandle<()>>>,
}

/// What is to be sent, with one command for each message at one of the places.
pub(crate) struct Filled {
    pub(crate) sending: Sending,
    pub(crate) commands: Commands,
    pub(crate) places: Vec<usize>,
    /// Messages for which there is no command.
    pub(crate) failures: Vec<(usize, Mark)>,
}

#[derive(Default)]
struct Shared {
    called: AtomicWaker,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What is not written, and who waits for the answers to it.
    out: Vec<u8>,
    given: Vec<Waiting>,
    is_lost: bool,
}

struct Waiting {
    sending: Sending,
    places: Vec<usize>,
    failures: Vec<(usize, Mark)>,
    n_answered: usize,
    since: Instant,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pipe {
    /// Of a connection that nobody else uses any more.
    pub(crate) fn of(wire: Wire) -> Pipe {
        let shared = Arc::new(Shared::default());
        let driver = Driver {
            stream: wire.stream,
            shared: Arc::clone(&shared),
            out: Vec::new(),
            n_written: 0,
            is_flushed: true,
            waiting: VecDeque::new(),
            incoming: wire.incoming,
            time: Box::pin(sleep(ANSWER_MAX)),
        };
        let driver = tokio::spawn(driver.run());
        Pipe { shared, driver: Mutex::new(Some(driver)) }
    }

    /// Whether it can be used no more. Where what drives it panicked, this does.
    pub(crate) fn is_lost(&self) -> bool {
        if !self.shared.lock().is_lost {
            return false;
        }
        let mut driver = self.driver.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = driver.take_if(|it| it.is_finished()).and_then(|it| it.now_or_never());
        drop(driver);
        match ended {
            Some(Err(err)) if err.is_panic() => resume_unwind(err.into_panic()),
            _ => true,
        }
    }

    /// Has it sent, and answered when the server has answered all of it.
    pub(crate) fn send(&self, filled: Filled) {
        let Filled { sending, commands, places, failures } = filled;
        let mut state = self.shared.lock();
        if state.is_lost {
            drop(state);
            return sending.answer(Err(WriteError::NotConnected));
        }
        match state.out.is_empty() {
            true => state.out = commands.into_bytes(),
            false => state.out.extend_from_slice(commands.as_bytes()),
        }
        state.given.push(Waiting { sending, places, failures, n_answered: 0, since: Instant::now() });
        drop(state);
        self.shared.called.wake();
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        if let Some(driver) = self.driver.get_mut().unwrap_or_else(PoisonError::into_inner) {
            driver.abort();
        }
    }
}

impl Waiting {
    fn answer(mut self) {
        self.failures.sort_by_key(|it| it.0);
        let is_well = self.failures.is_empty();
        self.sending.answer(if is_well { Ok(()) } else { Err(WriteError::Partial(self.failures)) });
    }
}

/// Why a connection is used no more.
struct Lost;

struct Driver {
    stream: Box<dyn Stream>,
    shared: Arc<Shared>,
    /// What is being written.
    out: Vec<u8>,
    n_written: usize,
    is_flushed: bool,
    /// Who waits for an answer to what is written, or is being.
    waiting: VecDeque<Waiting>,
    incoming: Incoming,
    /// When to look whether the server still answers.
    time: Pin<Box<Sleep>>,
}

impl Driver {
    async fn run(mut self) {
        let Lost = poll_fn(|ctx| self.poll(ctx)).await;
        let given = {
            let mut state = self.shared.lock();
            state.is_lost = true;
            std::mem::take(&mut state.given)
        };
        let all = self.waiting.drain(..).chain(given);
        all.for_each(|it| it.sending.answer(Err(WriteError::NotConnected)));
    }

    fn poll(&mut self, ctx: &mut Context<'_>) -> Poll<Lost> {
        self.shared.called.register(ctx.waker());
        let result = self.write(ctx).and_then(|()| self.read(ctx)).and_then(|()| self.look(ctx));
        if result.is_err() { Poll::Ready(Lost) } else { Poll::Pending }
    }

    fn write(&mut self, ctx: &mut Context<'_>) -> Result<(), Lost> {
        loop {
            if self.n_written == self.out.len() {
                self.n_written = 0;
                self.out.clear();
                if KEPT_MAX < self.out.capacity() {
                    self.out = Vec::new();
                }
                let mut state = self.shared.lock();
                if state.out.is_empty() {
                    break;
                }
                std::mem::swap(&mut self.out, &mut state.out);
                self.waiting.extend(state.given.drain(..));
                self.is_flushed = false;
            }
            match Pin::new(&mut self.stream).poll_write(ctx, &self.out[self.n_written..]) {
                Poll::Ready(Ok(0) | Err(_)) => return Err(Lost),
                Poll::Ready(Ok(n_bytes)) => self.n_written += n_bytes,
                Poll::Pending => return Ok(()),
            }
        }
        if !self.is_flushed {
            match Pin::new(&mut self.stream).poll_flush(ctx) {
                Poll::Ready(Ok(())) => self.is_flushed = true,
                Poll::Ready(Err(_)) => return Err(Lost),
                Poll::Pending => (),
            }
        }
        Ok(())
    }

    fn read(&mut self, ctx: &mut Context<'_>) -> Result<(), Lost> {
        loop {
            let read = pin!(self.stream.read_buf(self.incoming.room())).poll(ctx);
            match read {
                Poll::Ready(Ok(0) | Err(_)) => return Err(Lost),
                Poll::Ready(Ok(_)) => self.take()?,
                Poll::Pending => return Ok(()),
            }
        }
    }

    /// Takes the replies that have come.
    fn take(&mut self) -> Result<(), Lost> {
        while let Some(reply) = self.incoming.reply().map_err(|_| Lost)? {
            // Nobody has asked for more than what is waited for.
            let waiting = self.waiting.front_mut().ok_or(Lost)?;
            let place = waiting.places[waiting.n_answered];
            waiting.n_answered += 1;
            let mut leads_on = true;
            if let Some(text) = error(reply) {
                let text = refused(text).text();
                leads_on = !leads_elsewhere(&text);
                waiting.failures.push((place, Mark::new(text)));
            }
            if waiting.n_answered == waiting.places.len()
                && let Some(waiting) = self.waiting.pop_front()
            {
                waiting.answer();
            }
            if !leads_on {
                return Err(Lost);
            }
        }
        Ok(())
    }

    /// Looks, from time to time, whether the server has answered in its time.
    fn look(&mut self, ctx: &mut Context<'_>) -> Result<(), Lost> {
        while self.time.as_mut().poll(ctx).is_ready() {
            let since = self.waiting.front().map_or_else(Instant::now, |it| it.since);
            if ANSWER_MAX <= since.elapsed() {
                return Err(Lost);
            }
            self.time.as_mut().reset((since + ANSWER_MAX).into());
        }
        Ok(())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let given = {
            let mut state = self.shared.lock();
            state.is_lost = true;
            std::mem::take(&mut state.given)
        };
        drop(given);
    }
}
