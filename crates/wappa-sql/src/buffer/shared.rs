//! What both ends of a buffer and its keeper share.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;
use wappa_component::{Ack, Charges, Failure, Gauge, InputBell, PARCEL_BYTES_MAX, Parcel, ReadError};

use super::Rows;

/// So many bytes may be on their way to the file, and so many may have come out of it and wait for the pipeline; what comes
/// at once may come on top of that.
const BYTES_MAX: usize = 16 * PARCEL_BYTES_MAX;

/// What a message takes up beside its content and metadata, in bytes.
const MESSAGE_BYTES: usize = 64;

pub(super) struct Shared {
    /// Rung for whoever puts something in.
    filler: InputBell,
    /// Rung for whoever takes it out.
    reader: InputBell,
    /// Tells the keeper that there is something to do.
    pub(super) work: Notify,
    /// Tells who waits for something that it may be so.
    settled: Notify,
    stored: Gauge,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What is to be written.
    coming: Vec<Coming>,
    /// Of that, and of what is being written.
    n_coming_bytes: usize,
    /// Rows that are delivered.
    gone: Vec<Rows>,
    ready: VecDeque<Ready>,
    n_ready_bytes: usize,
    /// Nothing more is put in.
    has_ended: bool,
    /// Whether all rows have come out of the file.
    is_read: bool,
    /// Nothing more is taken out.
    is_stopped: bool,
    /// The pipeline has ended, and what was answered is answered.
    is_closing: bool,
    is_closed: bool,
}

/// What is on its way to the file.
pub(super) struct Coming {
    pub(super) parcel: Parcel,
    pub(super) charges: Charges,
    /// A row for each of its batches.
    pub(super) rows: Vec<Vec<u8>>,
    n_bytes: usize,
}

/// What waits for the pipeline.
struct Ready {
    parcel: Parcel,
    charges: Charges,
    n_bytes: usize,
}

/// What the keeper has to do.
pub(super) struct Work {
    pub(super) coming: Vec<Coming>,
    pub(super) gone: Vec<Rows>,
    /// Whether that is all there will be.
    pub(super) is_closing: bool,
}

impl Shared {
    pub(super) fn new(filler: InputBell, reader: InputBell, stored: Gauge) -> Shared {
        let (work, settled) = (Notify::new(), Notify::new());
        Shared { filler, reader, work, settled, stored, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has_room(&self) -> bool {
        self.lock().n_coming_bytes < BYTES_MAX
    }

    pub(super) fn put(&self, parcel: Parcel, charges: Charges, rows: Vec<Vec<u8>>) {
        let n_bytes = size_of(&parcel) + rows.iter().map(Vec::len).sum::<usize>();
        let mut state = self.lock();
        state.n_coming_bytes += n_bytes;
        state.coming.push(Coming { parcel, charges, rows, n_bytes });
        drop(state);
        self.work.notify_one();
    }

    /// Nothing more is put in.
    pub(super) fn end(&self) {
        self.lock().has_ended = true;
        self.reader.ring();
    }

    /// Waits until nothing is on its way to the file.
    pub(super) async fn written(&self) {
        self.settled(|state| state.n_coming_bytes == 0 || state.is_closed).await;
    }

    /// Gives up what is on its way, unless it is being written.
    pub(super) fn give_up_coming(&self) {
        let coming = mem::take(&mut self.lock().coming);
        let n_bytes = bytes_of(&coming);
        // Whoever hears of it is called without the lock.
        drop(coming);
        self.forget_coming(n_bytes);
    }

    /// What comes next.
    pub(super) fn take(&self) -> Result<(Parcel, Charges), ReadError> {
        let mut state = self.lock();
        if state.is_stopped {
            return Err(ReadError::EndOfInput);
        }
        match state.ready.pop_front() {
            Some(Ready { parcel, charges, n_bytes }) => {
                let had_room = state.n_ready_bytes < BYTES_MAX;
                state.n_ready_bytes -= n_bytes;
                let has_room = state.n_ready_bytes < BYTES_MAX;
                drop(state);
                if has_room && !had_room {
                    self.work.notify_one();
                }
                Ok((parcel, charges))
            }
            None if state.is_over() => Err(ReadError::EndOfInput),
            None => Err(ReadError::NotReady),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        let state = self.lock();
        state.is_stopped || state.ready.is_empty() && state.is_over()
    }

    /// Nothing more is taken out: what is ready stays in the file.
    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.is_stopped = true;
        state.n_ready_bytes = 0;
        let ready = mem::take(&mut state.ready);
        drop(state);
        drop(ready);
    }

    /// The pipeline has ended.
    pub(super) fn close(&self) {
        self.stop();
        self.lock().is_closing = true;
        self.work.notify_one();
        self.settled.notify_waiters();
    }

    /// Waits until the file is closed.
    pub(super) async fn closed(&self) {
        self.settled(|state| state.is_closed).await;
    }

    async fn settled(&self, is_so: impl Fn(&State) -> bool) {
        loop {
            let mut settled = std::pin::pin!(self.settled.notified());
            settled.as_mut().enable();
            if is_so(&self.lock()) {
                return;
            }
            settled.await;
        }
    }
}

/// For the keeper.
impl Shared {
    pub(super) fn take_work(&self) -> Work {
        let mut state = self.lock();
        Work {
            coming: mem::take(&mut state.coming),
            gone: mem::take(&mut state.gone),
            is_closing: state.is_closing,
        }
    }

    pub(super) fn wants_rows(&self) -> bool {
        self.lock().wants_rows()
    }

    /// Waits until nobody waits any more for what the keeper does.
    pub(super) async fn abandoned(&self) {
        self.settled(|state| state.is_closing).await;
    }

    /// So many bytes are in the file, or nowhere, and whoever had put them in was told. Whoever waits for that may take it for
    /// the end: what is handed on of them was, and whether all rows have come out is known.
    pub(super) fn forget_coming(&self, n_bytes: usize) {
        let mut state = self.lock();
        let had_room = state.n_coming_bytes < BYTES_MAX;
        state.n_coming_bytes -= n_bytes;
        let has_room = state.n_coming_bytes < BYTES_MAX;
        drop(state);
        if has_room && !had_room {
            self.filler.ring();
        }
        self.settled.notify_waiters();
    }

    /// Says how many rows more there are, or fewer.
    pub(super) fn count(&self, n_more: i64) {
        self.stored.add(n_more);
    }

    /// Hands on a parcel, whose batches are these rows. Whoever had it before is told that it has arrived.
    pub(super) fn hand_on(self: &Arc<Shared>, parcel: Parcel, charges: Charges, ids: Vec<i64>) -> Ack {
        let (n_bytes, ends) = (size_of(&parcel), parcel.batch_ends());
        let (shared, n_messages) = (Arc::clone(self), parcel.n_origins() as u32);
        let mut before = None;
        let parcel = parcel.wrap_ack(|ack| {
            before = Some(ack);
            Ack::new(n_messages, move |failures: Vec<Failure>| shared.answered(&ids, &ends, &failures))
        });
        let mut state = self.lock();
        if !state.is_stopped {
            state.n_ready_bytes += n_bytes;
            state.ready.push_back(Ready { parcel, charges, n_bytes });
        }
        drop(state);
        self.reader.ring();
        before.expect("there was one")
    }

    /// Says whether all rows have come out of the file.
    pub(super) fn set_is_read(&self, is_read: bool) {
        let mut state = self.lock();
        let was_over = state.is_over();
        state.is_read = is_read;
        let is_over = state.is_over();
        drop(state);
        if is_over && !was_over {
            self.reader.ring();
        }
    }

    /// The file is closed.
    pub(super) fn has_closed(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let coming = mem::take(&mut state.coming);
        drop(state);
        drop(coming);
        self.settled.notify_waiters();
    }

    /// What came out was answered: batches that are delivered leave the file.
    fn answered(&self, ids: &[i64], ends: &[u32], failures: &[Failure]) {
        let mut failures = failures.iter().map(|it| it.origin).peekable();
        let mut gone: Vec<Rows> = Vec::new();
        for (&id, &end) in ids.iter().zip(ends) {
            let mut has_failed = false;
            while failures.next_if(|origin| *origin < end).is_some() {
                has_failed = true;
            }
            match gone.last_mut() {
                _ if has_failed => (),
                Some(rows) if rows.last + 1 == id => rows.last = id,
                _ => gone.push(Rows { first: id, last: id }),
            }
        }
        self.lock().gone.extend(gone);
        self.work.notify_one();
    }
}

impl State {
    fn is_over(&self) -> bool {
        self.has_ended && self.n_coming_bytes == 0 && self.is_read && self.ready.is_empty()
    }

    fn wants_rows(&self) -> bool {
        !self.is_stopped && self.n_ready_bytes < BYTES_MAX
    }
}

/// How many bytes are on their way to the file.
pub(super) fn bytes_of(coming: &[Coming]) -> usize {
    coming.iter().map(|it| it.n_bytes).sum()
}

fn size_of(parcel: &Parcel) -> usize {
    parcel.size() + MESSAGE_BYTES * parcel.n_origins()
}
