//! The input: hands over what the consumer's thread has read, and tells it what was answered.

use std::{
    any::Any,
    collections::VecDeque,
    panic::resume_unwind,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use wappa_component::{
    Ack, ConnectError, Context, Failure, Input, InputBell, Order, PARCEL_BYTES_MAX, PARCEL_MESSAGES_MAX,
    Parcel, Processor, RateLimit, ReadError, Slices, Step, Stretch, Waits, cause_of_start, run_children,
    stopped,
};

use super::{
    consumer::{self, Options},
    partition::Partition,
};
use crate::client::Voice;

/// What waits to be read at most, in bytes: a few parcels, so that neither end waits for the other to wake.
const READY_BYTES_MAX: usize = 8 * PARCEL_BYTES_MAX;

/// What something that waits counts at least, so that there is not too much of it.
const READY_BYTES_MIN: usize = 4096;

/// How long closing may take: offsets are committed and the group is left, unless the broker does not answer.
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// Messages of one partition that wait to be read.
pub(crate) struct Ready {
    pub(crate) partition: Arc<Partition>,
    /// Their number among what the partition has handed over.
    pub(crate) span: u64,
    /// The index of the first of them there.
    pub(crate) first: usize,
    pub(crate) slices: Slices,
    /// Whether they are one batch.
    pub(crate) is_batch: bool,
}

impl Ready {
    fn n_messages(&self) -> usize {
        self.slices.ranges.len()
    }

    fn n_bytes(&self) -> usize {
        self.slices.buffer.len().max(READY_BYTES_MIN)
    }
}

/// Where the thread of the consumer and the pipeline meet.
pub(crate) struct Shared {
    bell: InputBell,
    /// The thread has something to do.
    called: Condvar,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    phase: Phase,
    ready: VecDeque<Ready>,
    n_bytes: usize,
    /// The thread waits for room.
    wants_room: bool,
    /// Partitions that have something to read, or room for more.
    woken: Vec<u64>,
    is_called: bool,
    is_closing: bool,
    /// The thread has ended.
    is_gone: bool,
    panic: Option<Box<dyn Any + Send>>,
}

#[derive(Default)]
enum Phase {
    /// There is no consumer.
    #[default]
    Down,
    Connecting,
    /// An attempt failed; the next one is under way.
    Failed(String),
    /// No attempt will succeed.
    Hopeless(String),
    Up,
    /// The connection is lost, and whoever reads is to be told.
    Lost,
}

/// What the thread is woken for.
pub(crate) struct Call {
    pub(crate) woken: Vec<u64>,
    pub(crate) is_closing: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A partition has something to read, or room for more.
    pub(crate) fn wake(&self, partition: u64) {
        let mut state = self.lock();
        state.woken.push(partition);
        state.is_called = true;
        drop(state);
        self.called.notify_one();
    }

    /// There is something to do.
    pub(crate) fn call(&self) {
        self.lock().is_called = true;
        self.called.notify_one();
    }

    /// Waits until there is something to do, but not longer than this.
    pub(crate) fn wait(&self, longest: Duration) -> Call {
        let state = self.lock();
        let (mut state, _) = self
            .called
            .wait_timeout_while(state, longest, |it| !it.is_called)
            .unwrap_or_else(PoisonError::into_inner);
        state.is_called = false;
        Call { woken: std::mem::take(&mut state.woken), is_closing: state.is_closing }
    }

    /// Whether there is room for more; if not, the thread is called when there is.
    pub(crate) fn has_room(&self) -> bool {
        let mut state = self.lock();
        state.wants_room = READY_BYTES_MAX <= state.n_bytes;
        !state.wants_room
    }

    pub(crate) fn put(&self, ready: Ready) {
        let mut state = self.lock();
        state.n_bytes += ready.n_bytes();
        state.ready.push_back(ready);
        drop(state);
        self.bell.ring();
    }

    /// Messages of one partition: of what waits no more than so many, unless what is first has more.
    fn take(&self, n_max: usize) -> Result<Vec<Ready>, ReadError> {
        let mut state = self.lock();
        let Some(first) = state.ready.pop_front() else {
            if let Some(panic) = state.panic.take() {
                drop(state);
                resume_unwind(panic);
            }
            if let Phase::Lost = state.phase {
                state.phase = Phase::Connecting;
                return Err(ReadError::NotConnected);
            }
            if state.is_gone {
                state.phase = Phase::Down;
                return Err(ReadError::NotConnected);
            }
            return Err(ReadError::NotReady);
        };
        let (mut n_messages, mut n_bytes) = (first.n_messages(), first.n_bytes());
        let id = first.partition.id;
        let mut taken = vec![first];
        while let Some(next) = state.ready.pop_front_if(|next| {
            next.partition.id == id
                && n_messages + next.n_messages() <= n_max
                && n_bytes + next.n_bytes() <= PARCEL_BYTES_MAX
        }) {
            n_messages += next.n_messages();
            n_bytes += next.n_bytes();
            taken.push(next);
        }
        state.n_bytes -= n_bytes;
        let is_called = state.wants_room && state.n_bytes < READY_BYTES_MAX;
        if is_called {
            (state.wants_room, state.is_called) = (false, true);
        }
        drop(state);
        if is_called {
            self.called.notify_one();
        }
        Ok(taken)
    }

    /// What waits of these partitions is not to be read any more.
    pub(crate) fn forget(&self, is_forgotten: impl Fn(u64) -> bool) {
        let mut state = self.lock();
        state.ready.retain(|it| !is_forgotten(it.partition.id));
        state.n_bytes = state.ready.iter().map(Ready::n_bytes).sum();
    }

    fn enter(&self, phase: Phase) {
        self.lock().phase = phase;
        self.bell.ring();
    }

    pub(crate) fn is_up(&self) {
        self.enter(Phase::Up);
    }

    pub(crate) fn is_lost(&self) {
        self.enter(Phase::Lost);
    }

    pub(crate) fn has_failed(&self, text: String) {
        self.enter(Phase::Failed(text));
    }

    pub(crate) fn is_hopeless(&self, text: String) {
        self.enter(Phase::Hopeless(text));
    }
}

/// An input of what a consumer reads.
pub(crate) fn input(options: Options, ctx: &Context<'_>) -> Box<dyn Input> {
    let shared = Shared { bell: ctx.input_bell(), called: Condvar::new(), state: Mutex::default() };
    Box::new(Reader {
        options: Arc::new(options),
        shared: Arc::new(shared),
        voice: Arc::new(Voice::new(ctx.logger())),
        is_stopping: Arc::new(AtomicBool::new(false)),
        thread: None,
        held: None,
        not_before: None,
    })
}

struct Reader {
    options: Arc<Options>,
    shared: Arc<Shared>,
    voice: Arc<Voice>,
    is_stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// What waits until the rate limit lets it pass.
    held: Option<Ready>,
    not_before: Option<Duration>,
}

impl Reader {
    fn start(&mut self) -> Result<(), ConnectError> {
        let (options, shared, voice) =
            (Arc::clone(&self.options), Arc::clone(&self.shared), Arc::clone(&self.voice));
        {
            let mut state = shared.lock();
            (state.phase, state.is_gone) = (Phase::Connecting, false);
        }
        let run = move || {
            let run = std::panic::AssertUnwindSafe(|| consumer::run(&options, &shared, &voice));
            let result = std::panic::catch_unwind(run);
            let mut state = shared.lock();
            (state.is_gone, state.panic) = (true, result.err());
            drop(state);
            shared.called.notify_all();
            shared.bell.ring();
        };
        let started = thread::Builder::new().name("kafka input".to_string()).spawn(run);
        let thread = started
            .map_err(|err| ConnectError::BackOff(format!("starting a thread: {}", cause_of_start(&err))))?;
        self.thread = Some(thread);
        Ok(())
    }

    /// A parcel of these messages, which are of one partition.
    fn parcel(&self, ready: Vec<Ready>, step: &mut Step<'_>) -> Parcel {
        let order = Order::Group(ready[0].partition.group);
        let n_messages: usize = ready.iter().map(Ready::n_messages).sum();
        let mut spans = Vec::with_capacity(ready.len());
        let mut all = Vec::with_capacity(ready.len());
        let (mut begin, mut ends) = (0, Vec::new());
        for Ready { partition, span, first, slices, is_batch } in ready {
            let n = slices.ranges.len() as u32;
            spans.push(Spanned { partition, span, first, begin, end: begin + n });
            match is_batch {
                true => ends.push(begin + n),
                false => ends.extend(begin + 1..=begin + n),
            }
            begin += n;
            all.push(slices);
        }
        let (shared, is_stopping) = (Arc::clone(&self.shared), Arc::clone(&self.is_stopping));
        let replays = self.options.auto_replay_nacks;
        let ack = Ack::leased(n_messages as u32, move |origins: &[u32], failures: Vec<Failure>| {
            let is_stopping = is_stopping.load(Ordering::SeqCst);
            let comes_again = |it: &Failure| match it.reason.is_final() && !it.reason.is_unwanted() {
                // No repetition can mend it, and it must not hold up all behind it.
                true => false,
                false => replays || is_stopping || it.reason.is_unwanted(),
            };
            let kept: Vec<u32> = failures.iter().filter(|it| comes_again(it)).map(|it| it.origin).collect();
            settle(&shared, &spans, origins, &kept);
        });
        let parcel = match <[Slices; 1]>::try_from(all) {
            Ok([slices]) if ends.len() == n_messages => Parcel::of_slices(slices, ack),
            Ok([slices]) => Parcel::of_stretches(vec![Stretch::Slices(slices)], ends, ack),
            Err(all) => Parcel::of_stretches(all.into_iter().map(Stretch::Slices).collect(), ends, ack),
        };
        let parcel = parcel.with_order(order);
        match &self.options.batching {
            Some(batching) if !batching.processors.is_empty() => through(parcel, &batching.processors, step),
            _ => parcel,
        }
    }

    /// As many of the messages as the rate limit lets pass; the others wait.
    fn limited(
        &mut self,
        limit: &dyn RateLimit,
        waits: &mut Waits,
        step: &Step<'_>,
    ) -> Result<Vec<Ready>, ReadError> {
        if let Some(until) = self.not_before {
            if step.now() < until {
                waits.until(until);
                return Err(ReadError::NotReady);
            }
            self.not_before = None;
        }
        let mut ready = match self.held.take() {
            Some(held) => held,
            None => self.shared.take(1)?.remove(0),
        };
        // A batch passes as a whole.
        let n_asked = if ready.is_batch { 1 } else { ready.n_messages() };
        for idx in 0..n_asked {
            let wait = limit.access(&ready.slices.message(idx)).unwrap_or_else(|text| {
                self.voice.logger().error(&format!("Rate limit error: {text}"));
                Duration::from_secs(1)
            });
            if wait.is_zero() {
                continue;
            }
            let until = step.now().saturating_add(wait);
            self.not_before = Some(until);
            if idx == 0 {
                self.held = Some(ready);
                waits.until(until);
                return Err(ReadError::NotReady);
            }
            let rest = ready.slices.split_off(idx);
            let partition = Arc::clone(&ready.partition);
            let (span, first) = (ready.span, ready.first + idx);
            self.held = Some(Ready { partition, span, first, slices: rest, is_batch: false });
            break;
        }
        Ok(vec![ready])
    }
}

/// Runs the processors of a batching policy.
fn through(parcel: Parcel, processors: &[Box<dyn Processor>], step: &mut Step<'_>) -> Parcel {
    let mut opened = parcel.open();
    step.begin();
    step.begin_part(opened.growth);
    let done = run_children(processors, &mut opened.part, step);
    // What comes of a batch is one batch.
    opened.part.join_places();
    opened.split_off(done).ack.failed(stopped());
    opened.growth = step.growth();
    opened.growth.settle(|| opened.part.size());
    opened.into_parcel()
}

/// Messages of a parcel, and where they are in their partition.
struct Spanned {
    partition: Arc<Partition>,
    span: u64,
    first: usize,
    begin: u32,
    end: u32,
}

/// These messages of a parcel are answered, and but for those that are kept need not come again.
fn settle(shared: &Shared, spans: &[Spanned], origins: &[u32], kept: &[u32]) {
    let mut rest = origins;
    for Spanned { partition, span, first, begin, end } in spans {
        let (own, others) = rest.split_at(rest.partition_point(|it| it < end));
        rest = others;
        if own.is_empty() {
            continue;
        }
        let done =
            own.iter().filter(|it| kept.binary_search(it).is_err()).map(|it| first + (it - begin) as usize);
        if partition.settle(*span, done).has_room {
            shared.wake(partition.id);
        }
    }
}

impl Input for Reader {
    fn connect(&mut self, _: &mut Waits) -> Result<(), ConnectError> {
        let mut state = self.shared.lock();
        if let Some(panic) = state.panic.take() {
            drop(state);
            resume_unwind(panic);
        }
        match std::mem::take(&mut state.phase) {
            Phase::Up => {
                state.phase = Phase::Up;
                Ok(())
            }
            Phase::Down => {
                drop(state);
                self.start()?;
                Err(ConnectError::NotReady)
            }
            Phase::Connecting | Phase::Lost => {
                state.phase = Phase::Connecting;
                Err(ConnectError::NotReady)
            }
            Phase::Failed(text) => {
                state.phase = Phase::Connecting;
                Err(ConnectError::BackOff(text))
            }
            Phase::Hopeless(text) => Err(ConnectError::Fatal(text)),
        }
    }

    fn read(&mut self, waits: &mut Waits, step: &mut Step<'_>) -> Result<Parcel, ReadError> {
        if self.is_stopping.load(Ordering::SeqCst) {
            return Err(ReadError::EndOfInput);
        }
        let taken = match self.options.rate_limit.clone() {
            Some(limit) => self.limited(limit.as_ref(), waits, step)?,
            None => self.shared.take(PARCEL_MESSAGES_MAX)?,
        };
        Ok(self.parcel(taken, step))
    }

    fn stop(&mut self) {
        self.is_stopping.store(true, Ordering::SeqCst);
    }

    fn restart(&mut self) -> bool {
        self.is_stopping.store(false, Ordering::SeqCst);
        true
    }

    fn takes_back(&self) -> bool {
        self.options.has_group
    }

    fn auto_replay_nacks(&self) -> bool {
        self.options.auto_replay_nacks
    }

    fn close(&mut self) -> Result<(), String> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        let began = Instant::now();
        let mut state = self.shared.lock();
        (state.is_closing, state.is_called) = (true, true);
        self.shared.called.notify_all();
        while !state.is_gone {
            let Some(left) = CLOSE_MAX.checked_sub(began.elapsed()) else {
                // It ends with the process, or when the broker answers.
                return Err(
                    "the broker has not said that offsets are committed: what is read again may be more"
                        .to_string(),
                );
            };
            (state, _) = self.shared.called.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        // What it panicked with is told where it is read.
        let _ = thread.join();
        Ok(())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        (state.is_closing, state.is_called) = (true, true);
        self.shared.called.notify_all();
    }
}
