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

/// A bounded queue, which many threads fill and one empties.
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Notify,
    dropped: Counter,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<SpanData>,
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
            None => WAITING_MAX - state.waiting.len(),
            Some(_) => 0,
        };
        let before = state.waiting.len();
        state.waiting.extend(spans.take(room));
        let after = state.waiting.len();
        drop(state);
        if room < n_spans {
            self.dropped.add((n_spans - room) as u64);
        }
        // The first has its time, and a batch need not wait for that.
        if (before == 0 && 0 < after) || (before < BATCH_MAX && BATCH_MAX <= after) {
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
        let waiting = std::mem::take(&mut self.lock().waiting);
        waiting.len() as u64 + self.settle()
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
        let mut until = None;
        loop {
            {
                let mut state = self.lock();
                let is_closed = state.deadline.is_some();
                let n_waiting = state.waiting.len();
                if is_closed && n_waiting == 0 {
                    return None;
                }
                let is_due = until.is_some_and(|it| it <= tokio::time::Instant::now());
                if 0 < n_waiting && (is_closed || is_due || BATCH_MAX <= n_waiting) {
                    let batch: Vec<SpanData> = state.waiting.drain(..n_waiting.min(BATCH_MAX)).collect();
                    state.under_way = batch.len() as u64;
                    return Some(batch);
                }
                if 0 < n_waiting {
                    until.get_or_insert_with(|| tokio::time::Instant::now() + interval);
                }
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
    use std::sync::Arc;

    use wappa_component::{
        Metrics,
        tracer::{SpanData, SpanOf},
    };
    use wappa_message::Span;

    use super::*;

    fn spans(n: usize) -> impl ExactSizeIterator<Item = SpanData> {
        let of = Arc::new(SpanOf { name: "a".into(), attributes: Vec::new() });
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
