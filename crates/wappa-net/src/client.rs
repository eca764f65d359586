//! Clients: what the author of an output for the network writes, and the output that is made of it.
//!
//! Invariant: what is handed to a client is handed over in the order of the stream, and never more at once than its limit
//! says; each batch is answered once, and one that is dropped has failed.

use std::{
    collections::VecDeque,
    fmt,
    future::{Future, poll_fn},
    panic::resume_unwind,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::Duration,
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    task::{JoinHandle, JoinSet, coop},
    time::timeout,
};
use wappa_component::{ConnectError, Context, Delivery, Output, OutputBell, Part, Step, WriteError};
use wappa_message::Message;

use crate::{
    pending::{Guarded, Panic, Pending},
    runtime::Runtime,
};

/// How long closing may take: what is behind it waits.
pub(crate) const CLOSE_MAX: Duration = Duration::from_secs(1);

/// A client of something on the network that takes messages. [`in_flight`] makes an output of it.
///
/// All methods run on the runtime's threads, where they may wait, and several calls of [`Client::send`] run at the same
/// time. The future is dropped where it waits when the output is closed.
///
/// # A whole output
///
/// Sends each message as a line, and takes it for arrived when the server has answered `ok`; several lines wait for their
/// answers at the same time. It joins the crate `wappa-conformance` with one line, as every output of the network does:
/// `check_output_to(&components, || …)`, which is given a server that can go away, come back, and be silent.
///
/// ```
#[doc = include_str!("pages/asking.rs")]
/// # assert_eq!(COMPONENT.spec.name, "asking");
/// ```
pub trait Client: Send + Sync + 'static {
    /// Makes a connection, or finds out that none is needed. Called before the first send, and again once everything is
    /// answered after something was answered with [`WriteError::NotConnected`]; the engine backs off in between.
    fn connect(&self) -> impl Future<Output = Result<(), ConnectError>> + Send;

    /// Sends batches and answers for them, now or later. Calls begin in the order of the stream: each runs until it waits
    /// for the first time before the next one begins.
    fn send(&self, sending: Sending) -> impl Future<Output = ()> + Send;

    /// Says goodbye. Nothing is sent afterwards; not waited for longer than a second.
    fn close(&self) -> impl Future<Output = Result<(), String>> + Send {
        async { Ok(()) }
    }
}

/// How much a client is given at once.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    max_in_flight: usize,
    at_once: usize,
    ahead: usize,
}

impl Limit {
    /// No more than so many batches are on their way and not answered, each in a call of its own: what Bento's field
    /// `max_in_flight` means. 0 is as 1.
    pub fn of(max_in_flight: usize) -> Limit {
        Limit { max_in_flight: max_in_flight.max(1), at_once: 1, ahead: 0 }
    }

    /// The same, with up to so many batches in one call, where they are there.
    #[must_use]
    pub fn at_once(self, batches: usize) -> Limit {
        Limit { at_once: batches.max(1), ..self }
    }

    /// The same, with so many more batches that the client gets ready meanwhile. Each call of [`Client::send`] then waits for
    /// its [`Sending::turn`] before anything leaves.
    #[must_use]
    pub fn ahead(self, batches: usize) -> Limit {
        Limit { ahead: batches, ..self }
    }

    /// As many as the client has, on their way or made ready.
    fn taken_max(self) -> usize {
        self.max_in_flight.saturating_add(self.ahead)
    }

    /// As many as may be on their way, of which each has one.
    fn turns(self) -> usize {
        self.max_in_flight.min(Semaphore::MAX_PERMITS)
    }
}

/// Batches that a client is to send, and the duty to say what became of them.
#[must_use = "what is dropped has failed"]
pub struct Sending {
    delivery: Option<Delivery>,
    n_batches: usize,
    turn: Option<OwnedSemaphorePermit>,
    shared: Arc<Shared>,
}

impl Sending {
    /// Waits until these batches may be on their way, after those before them: with [`Limit::ahead`], what has to be made of
    /// messages is made before. `false`: there is no connection any more, and they are to be answered with
    /// [`WriteError::NotConnected`], so that they come again behind those before them.
    pub async fn turn(&mut self) -> bool {
        if self.turn.is_none() {
            let n_turns = self.n_batches.min(self.shared.limit.turns());
            let turns = Arc::clone(&self.shared.turns);
            self.turn = turns.acquire_many_owned(n_turns.try_into().unwrap_or(u32::MAX)).await.ok();
        }
        !self.shared.lock().is_lost
    }

    /// The messages, in their batches, of which none is empty.
    pub fn part(&self) -> &Part {
        self.delivery.as_ref().expect("it is not answered").part()
    }

    /// The same, for who asks queries of messages. What is sent again has to be as it was.
    pub fn part_mut(&mut self) -> &mut Part {
        self.delivery.as_mut().expect("it is not answered").part_mut()
    }

    /// The messages of all batches, one batch after the other.
    pub fn messages(&self) -> &[Message] {
        self.part().messages()
    }

    /// Keeps the first `n_batches` batches; the result is the rest, to be answered by itself.
    pub fn split_off(&mut self, n_batches: usize) -> Sending {
        let delivery = self.delivery.as_mut().expect("it is not answered");
        let rest = delivery.split_off(n_batches);
        let n_rest = self.n_batches - n_batches;
        self.n_batches = n_batches;
        let turn = self.turn.as_mut().and_then(|it| it.split(n_rest));
        Sending { delivery: Some(rest), n_batches: n_rest, turn, shared: Arc::clone(&self.shared) }
    }

    /// Says what became of the messages; indices are those of [`Sending::messages`].
    ///
    /// With [`WriteError::NotConnected`] nothing more is sent before there is a connection again: everything that waits
    /// comes back, and is given again in the order it had.
    pub fn answer(mut self, result: Result<(), WriteError>) {
        if matches!(result, Err(WriteError::NotConnected)) {
            self.shared.lock().is_lost = true;
        }
        if let Some(delivery) = self.delivery.take() {
            delivery.answer(result);
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        // Answered before its place is free.
        drop(self.delivery.take());
        drop(self.turn.take());
        self.shared.free(self.n_batches);
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").field("delivery", &self.delivery).finish_non_exhaustive()
    }
}

/// An output that gives everything to a client, within a limit.
pub fn in_flight<C: Client>(client: C, limit: Limit, ctx: &Context<'_>) -> Box<dyn Output> {
    let shared = Shared {
        limit,
        bell: ctx.output_bell(),
        called: Notify::new(),
        turns: Arc::new(Semaphore::new(limit.turns())),
        state: Mutex::default(),
    };
    Box::new(InFlight {
        client: Arc::new(client),
        runtime: Runtime::of(ctx),
        shared: Arc::new(shared),
        attempt: None,
        driver: None,
    })
}

struct InFlight<C> {
    client: Arc<C>,
    runtime: Runtime,
    shared: Arc<Shared>,
    attempt: Option<Pending<Result<(), ConnectError>>>,
    driver: Option<JoinHandle<()>>,
}

struct Shared {
    limit: Limit,
    bell: OutputBell,
    /// There is something for the driver.
    called: Notify,
    /// One for each batch that may be on its way.
    turns: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What is not given to the client yet.
    waiting: VecDeque<Delivery>,
    n_taken: usize,
    /// There is no connection, and what waits goes back.
    is_lost: bool,
    panic: Option<Panic>,
}

impl State {
    fn has_room(&self, limit: Limit) -> bool {
        self.waiting.is_empty() && self.n_taken < limit.taken_max()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the client is given next.
    fn next(self: &Arc<Shared>) -> Option<Sending> {
        let mut state = self.lock();
        if state.is_lost {
            let lost = std::mem::take(&mut state.waiting);
            drop(state);
            lost.into_iter().for_each(|it| it.answer(Err(WriteError::NotConnected)));
            return None;
        }
        let room = match self.limit.max_in_flight.saturating_sub(state.n_taken) {
            // What is made ready goes by itself, so that nothing that could leave waits for more places than it needs.
            0 => self.limit.taken_max().saturating_sub(state.n_taken),
            room => room,
        };
        let room = room.min(self.limit.at_once);
        if room == 0 {
            return None;
        }
        let mut delivery = state.waiting.pop_front()?;
        let n_batches = delivery.part().n_batches().min(room);
        if n_batches < delivery.part().n_batches() {
            let rest = delivery.split_off(n_batches);
            state.waiting.push_front(rest);
        }
        state.n_taken += n_batches;
        let has_room = state.has_room(self.limit);
        drop(state);
        if has_room {
            self.bell.ring();
        }
        Some(Sending { delivery: Some(delivery), n_batches, turn: None, shared: Arc::clone(self) })
    }

    fn free(&self, n_batches: usize) {
        let mut state = self.lock();
        let had_room = state.has_room(self.limit);
        state.n_taken -= n_batches;
        let has_room = state.has_room(self.limit);
        let has_more = !state.waiting.is_empty();
        drop(state);
        if has_more {
            self.called.notify_one();
        }
        if has_room && !had_room {
            self.bell.ring();
        }
    }
}

impl<C: Client> InFlight<C> {
    /// Begins an attempt to connect, or asks after the one that is under way.
    fn attempt(&mut self) -> Result<Option<Result<(), ConnectError>>, String> {
        let Some(attempt) = &mut self.attempt else {
            let (client, bell) = (Arc::clone(&self.client), self.shared.bell.clone());
            let connecting = async move { client.connect().await };
            self.attempt = Some(Pending::new(&self.runtime, connecting, move || bell.ring())?);
            return Ok(None);
        };
        let result = attempt.take();
        if result.is_some() {
            self.attempt = None;
        }
        Ok(result)
    }
}

impl<C: Client> Output for InFlight<C> {
    fn connect(&mut self) -> Result<(), ConnectError> {
        let result = self.attempt().map_err(ConnectError::BackOff)?;
        result.unwrap_or(Err(ConnectError::NotReady))?;
        self.shared.lock().is_lost = false;
        if self.driver.is_none() {
            let driver = drive(Arc::clone(&self.client), Arc::clone(&self.shared));
            self.driver = Some(self.runtime.spawn(driver).map_err(ConnectError::BackOff)?);
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.shared.lock().has_room(self.shared.limit)
    }

    fn write(&mut self, mut delivery: Delivery, _: &mut Step<'_>) {
        let n_batches = delivery.part().n_batches();
        if delivery.part().n_batches_with_messages(n_batches) < n_batches {
            // What was filtered needs no sending.
            delivery.part_mut().retain(|_| true);
        }
        if delivery.part().n_messages() == 0 {
            return delivery.answer(Ok(()));
        }
        self.shared.lock().waiting.push_back(delivery);
        self.shared.called.notify_one();
    }

    fn resume(&mut self, _: &mut Step<'_>) {
        let panic = self.shared.lock().panic.take();
        if let Some(panic) = panic {
            // The engine says whose it is, and ends the stream.
            resume_unwind(panic);
        }
    }

    fn close(&mut self) -> Result<(), String> {
        self.attempt = None;
        if let Some(driver) = self.driver.take() {
            driver.abort();
        }
        let waiting = std::mem::take(&mut self.shared.lock().waiting);
        drop(waiting);
        let Ok(runtime) = self.runtime.start() else { return Ok(()) };
        let client = Arc::clone(&self.client);
        runtime.block_on(async move { timeout(CLOSE_MAX, client.close()).await.unwrap_or(Ok(())) })
    }
}

impl<C> Drop for InFlight<C> {
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.abort();
        }
    }
}

/// Gives the client what waits, as long as the limit has room. Dropped with everything that is under way.
async fn drive<C: Client>(client: Arc<C>, shared: Arc<Shared>) {
    let mut under_way = JoinSet::new();
    loop {
        while under_way.try_join_next().is_some() {}
        let Some(sending) = shared.next() else {
            shared.called.notified().await;
            continue;
        };
        let (client, shared) = (Arc::clone(&client), Arc::clone(&shared));
        let guarded = Guarded::new(async move { client.send(sending).await });
        let mut send = Box::pin(async move {
            if let Err(panic) = guarded.await {
                shared.lock().panic = Some(panic);
                shared.bell.ring();
            }
        });
        // It begins here, so that the next one begins behind it. What counts the runtime's turns would have it wait before
        // it has begun.
        let has_ended = poll_fn(|ctx| {
            let mut first = pin!(coop::unconstrained(send.as_mut()));
            Poll::Ready(first.as_mut().poll(ctx).is_ready())
        });
        if !has_ended.await {
            under_way.spawn(send);
        }
        coop::consume_budget().await;
    }
}

impl<C> fmt::Debug for InFlight<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InFlight({:?})", self.shared.limit)
    }
}
