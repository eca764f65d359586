//! Spans that wait for their collector.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    sync::Notify,
    time::{sleep_until, timeout_at},
};
use wappa_component::{Counter, tracer::SpanData};

/// So many spans wait at most, which is some megabytes. Longer than a batch is under way nothing should wait.
const WAITING_MAX: usize = 16_384;

/// So many are sent at once, as by OpenTelemetry's own programs.
pub(crate) const BATCH_MAX: usize = 512;

impl State {
    fn n_waiting(&self) -> usize {
        self.full.len() * BATCH_MAX + self.rest.len()
    }
}

/// A bounded queue, which many threads fill and one empties.
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Notify,
    dropped: Counter,
}

#[derive(Default)]
struct State {
    /// Batches that are full: taken whole, so that nobody waits while spans are moved.
    full: VecDeque<Vec<SpanData>>,
    /// What came last.
    rest: Vec<SpanData>,
    /// Whoever empties the queue knows that it is empty, and looks again only when he is told.
    is_idle: bool,
    /// How many were taken and are not settled.
    under_way: u64,
    /// No more is to come, and this is when nobody waits any longer.
    deadline: Option<Instant>,
}

impl Queue {
    pub(crate) fn new(dropped: Counter) -> Queue {
        Queue { state: Mutex::default(), changed: Notify::new(), dropped }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts in what there is room for.
    pub(crate) fn put(&self, spans: impl ExactSizeIterator<Item = SpanData>) {
        let n_spans = spans.len();
        let mut state = self.lock();
        let room = match state.deadline {
            None => WAITING_MAX - state.n_waiting(),
            Some(_) => 0,
        };
        let had_full = !state.full.is_empty();
        for span in spans.take(room) {
            if state.rest.is_empty() {
                state.rest.reserve_exact(BATCH_MAX);
            }
            state.rest.push(span);
            if state.rest.len() == BATCH_MAX {
                let full = std::mem::take(&mut state.rest);
                state.full.push_back(full);
            }
        }
        let is_full = !had_full && !state.full.is_empty();
        let is_first = 0 < room.min(n_spans) && std::mem::take(&mut state.is_idle);
        drop(state);
        if room < n_spans {
            self.dropped.add((n_spans - room) as u64);
        }
        // The first has its time, and a batch need not wait for that.
        if is_first || is_full {
            self.changed.notify_one();
        }
    }

    /// No more is put in, and what there is is sent until then.
    pub(crate) fn close(&self, deadline: Instant) {
        self.lock().deadline.get_or_insert(deadline);
        self.changed.notify_one();
    }

    /// How many the batch that was taken last has, for the first who asks: he says what became of them.
    pub(crate) fn settle(&self) -> u64 {
        std::mem::take(&mut self.lock().under_way)
    }

    /// Nobody waits any longer: how many are left.
    pub(crate) fn give_up(&self) -> u64 {
        let mut state = self.lock();
        let n_left = state.n_waiting() as u64 + std::mem::take(&mut state.under_way);
        state.full.clear();
        state.rest.clear();
        n_left
    }

    /// When nobody waits any longer, once it is closed.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.lock().deadline
    }

    /// Waits until the queue is closed, for so long at most.
    pub(crate) async fn wait_for_close(&self, longest: Duration) {
        let until = tokio::time::Instant::now() + longest;
        while self.deadline().is_none() {
            if timeout_at(until, self.changed.notified()).await.is_err() {
                return;
            }
        }
        // Whoever waits for the next batch is to see it too.
        self.changed.notify_one();
    }

    /// The next batch: as soon as it is full, or its first span has waited so long. `None`: there is no other.
    pub(crate) async fn next(&self, interval: Duration) -> Option<Vec<SpanData>> {
        // What comes meanwhile need not say so.
        let mut until = Some(tokio::time::Instant::now() + interval);
        loop {
            {
                let mut state = self.lock();
                let is_closed = state.deadline.is_some();
                let n_waiting = state.n_waiting();
                if is_closed && n_waiting == 0 {
                    return None;
                }
                let is_due = until.is_some_and(|it| it <= tokio::time::Instant::now());
                if 0 < n_waiting && (is_closed || is_due || BATCH_MAX <= n_waiting) {
                    let full = state.full.pop_front();
                    let batch = full.unwrap_or_else(|| std::mem::take(&mut state.rest));
                    state.under_way = batch.len() as u64;
                    return Some(batch);
                }
                if 0 < n_waiting {
                    until.get_or_insert_with(|| tokio::time::Instant::now() + interval);
                } else if is_due {
                    until = None;
                }
                state.is_idle = until.is_none();
            }
            match until {
                None => self.changed.notified().await,
                Some(until) => tokio::select! {
                    () = self.changed.notified() => (),
                    () = sleep_until(until) => (),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use wappa_component::{
        Metrics,
        tracer::{SharedSpanOf, SpanData, SpanOf},
    };
    use wappa_message::Span;

    use super::*;

    fn spans(n: usize) -> impl ExactSizeIterator<Item = SpanData> {
        let of = SharedSpanOf::from(SpanOf { name: "a".into(), attributes: Vec::new() });
        let span = Span { trace_id: 1, span_id: 1, is_sampled: true, state: None };
        let (began_ns, ended_ns) = (0, 0);
        let one = SpanData {
            span,
            parent_id: 0,
            of,
            began_ns,
            ended_ns,
            is_failed: false,
            is_entry: false,
            link: None,
            n_together: 1,
        };
        std::iter::repeat_n(one, n)
    }

    #[test]
    fn batches_are_full_or_have_waited_and_what_is_too_much_is_counted() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime").block_on(async {
            let dropped = Metrics::default().counter("n", &[]);
            let queue = Queue::new(dropped.clone());
            let interval = Duration::from_millis(10);
            queue.put(spans(BATCH_MAX + 1));
            assert_eq!(queue.next(interval).await.map(|it| it.len()), Some(BATCH_MAX));
            assert_eq!(queue.next(interval).await.map(|it| it.len()), Some(1));
            queue.put(spans(WAITING_MAX - 1));
            queue.put(spans(3));
            assert_eq!(dropped.get(), 2);
            queue.close(Instant::now());
            queue.put(spans(1));
            assert_eq!(dropped.get(), 3);
            let mut n = 0;
            while let Some(batch) = queue.next(interval).await {
                n += batch.len();
            }
            assert_eq!(n, WAITING_MAX);
        });
    }
}
