//! What takes spans to collectors, on threads of its own.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::time::timeout_at;
use wappa_component::{
    BuildError, Counter, Level, Logger, Metrics, cause_of_start, counted,
    tracer::{SpanData, SpanSink},
};
use wappa_net::Quiet;

use crate::{
    encode::Encoder,
    endpoint::Endpoint,
    exchange::{Exchange, Refused},
    queue::Queue,
};

wappa_component::series! {
    SENT: counter "tracer_span_sent", ["collector"], "Spans that a collector has taken.";
    DROPPED: counter "tracer_span_dropped", ["collector"], "Spans that no collector has: there was no room for them, or it did not take them.";
}

/// How long a request may take; that of OpenTelemetry's own programs, as what follows.
const REQUEST: Duration = Duration::from_secs(10);

/// So long a batch is tried again.
const TRIES: Duration = Duration::from_secs(60);

/// The shortest and longest wait before a batch is tried again.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How often it is said that spans are dropped.
const TELL: Duration = Duration::from_secs(30);

/// Takes spans to all collectors of a config.
pub(crate) struct Senders(Vec<Sender>);

/// Takes them to one.
struct Sender {
    queue: Arc<Queue>,
    dropped: Counter,
    logger: Logger,
    address: String,
    /// Hung up when the thread has ended.
    end: Mutex<Receiver<()>>,
}

impl Senders {
    /// Starts a thread for each collector.
    pub(crate) fn start(
        endpoints: Vec<Endpoint>,
        encoder: &Encoder,
        interval: Duration,
        logger: &Logger,
        metrics: &Metrics,
    ) -> Result<Senders, BuildError> {
        let start = |endpoint: Endpoint| {
            let address = endpoint.uri.authority().map_or("", |it| it.as_str()).to_string();
            let labels = [("label", ""), ("path", "root.tracer"), ("collector", address.as_str())];
            let dropped = metrics.counter(DROPPED.name, &labels);
            let queue = Arc::new(Queue::new(dropped.clone()));
            let task = Task {
                told: (Instant::now(), dropped.get()),
                exchange: Exchange::new(endpoint),
                queue: Arc::clone(&queue),
                encoder: encoder.clone(),
                interval,
                sent: metrics.counter(SENT.name, &labels),
                dropped: dropped.clone(),
                logger: logger.clone(),
                quiet: Quiet::new(logger.clone()),
                address: address.clone(),
                is_failing: false,
            };
            let end = task
                .start()
                .map_err(|why| BuildError::new(format!("starting a thread for traces: {why}")))?;
            Ok(Sender { queue, dropped, logger: logger.clone(), address, end: Mutex::new(end) })
        };
        endpoints.into_iter().map(start).collect::<Result<_, _>>().map(Senders)
    }
}

impl SpanSink for Senders {
    fn take(&self, spans: Vec<SpanData>) {
        let Some((last, others)) = self.0.split_last() else { return };
        others.iter().for_each(|it| it.queue.put(spans.iter().cloned()));
        last.queue.put(spans.into_iter());
    }

    fn finish(&self, within: Duration) {
        let deadline = Instant::now() + within;
        self.0.iter().for_each(|it| it.queue.close(deadline));
        for sender in &self.0 {
            let end = sender.end.lock().unwrap_or_else(PoisonError::into_inner);
            let left = deadline.saturating_duration_since(Instant::now());
            if end.recv_timeout(left) == Err(RecvTimeoutError::Timeout) {
                sender.give_up();
            }
        }
    }
}

impl Sender {
    /// Nobody waits for the thread any longer.
    fn give_up(&self) {
        let n_left = self.queue.give_up();
        self.dropped.add(n_left);
        if 0 < n_left {
            let spans = counted(usize::try_from(n_left).unwrap_or(usize::MAX), "span was", "spans were");
            self.logger.warn(&format!("{spans} dropped that {} did not take in time", self.address));
        }
    }
}

/// What the thread of a collector does.
struct Task {
    queue: Arc<Queue>,
    exchange: Exchange,
    encoder: Encoder,
    interval: Duration,
    sent: Counter,
    dropped: Counter,
    logger: Logger,
    quiet: Quiet,
    address: String,
    /// Nothing was taken since a request failed.
    is_failing: bool,
    /// When it was said how many spans are dropped, and how many it were.
    told: (Instant, u64),
}

impl Task {
    fn start(mut self) -> Result<Receiver<()>, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = runtime.map_err(|err| cause_of_start(&err).to_string())?;
        let (alive, end) = mpsc::channel();
        let run = move || {
            runtime.block_on(self.run());
            drop(alive);
            // A name that is being looked up is not waited for.
            runtime.shutdown_background();
        };
        let started = thread::Builder::new().name("traces".to_string()).spawn(run);
        started.map(|_| end).map_err(|err| cause_of_start(&err).to_string())
    }

    async fn run(&mut self) {
        while let Some(batch) = self.queue.next(self.interval).await {
            let request = self.encoder.request(&batch);
            self.deliver(request).await;
            self.tell_dropped(false);
        }
        self.tell_dropped(true);
    }

    /// Tries for a while, and once more at the end.
    async fn deliver(&mut self, request: Bytes) {
        let until = Instant::now() + TRIES;
        let mut wait = BACK_OFF.0;
        loop {
            let Refused { text, again } = match self.attempt(request.clone()).await {
                Ok(n_rejected) => {
                    let n_spans = self.queue.settle();
                    let n_rejected = n_rejected.min(n_spans);
                    self.sent.add(n_spans - n_rejected);
                    self.dropped.add(n_rejected);
                    return;
                }
                Err(refused) => refused,
            };
            self.is_failing = true;
            self.quiet.log(Level::Error, &format!("Failed to send traces to {}: {text}", self.address));
            let wanted = again.map(|it| it.max(wait));
            let Some(wanted) =
                wanted.filter(|it| Instant::now() + *it < until && self.queue.deadline().is_none())
            else {
                return self.dropped.add(self.queue.settle());
            };
            self.queue.wait_for_close(wanted).await;
            wait = (wait * 2).min(BACK_OFF.1);
        }
    }

    /// How many spans of a request that was taken were not.
    async fn attempt(&mut self, request: Bytes) -> Result<u64, Refused> {
        let now = Instant::now();
        let limit = self.queue.deadline().map_or(now + REQUEST, |it| it.min(now + REQUEST));
        // At a stop one that is under way has no more time than all the rest.
        let queue = Arc::clone(&self.queue);
        let sending = self.exchange.send(request.clone());
        let closing = async move {
            queue.wait_for_close(REQUEST).await;
            if let Some(deadline) = queue.deadline() {
                tokio::time::sleep_until(deadline.into()).await;
            }
        };
        let sent = tokio::select! {
            biased;
            sent = timeout_at(limit.into(), sending) => sent.ok(),
            () = closing => None,
        };
        let too_late = || Refused { text: "no answer in time".to_string(), again: Some(Duration::ZERO) };
        let taken = sent.unwrap_or_else(|| Err(too_late()))?;
        if std::mem::replace(&mut self.is_failing, false) {
            self.quiet.log(Level::Info, &format!("Traces are taken again by {}", self.address));
        }
        match taken {
            None => Ok(0),
            Some((n_rejected, why)) => {
                let spans = counted(usize::try_from(n_rejected).unwrap_or(usize::MAX), "span", "spans");
                self.quiet.log(Level::Warn, &format!("{} does not take {spans}: {why}", self.address));
                Ok(n_rejected)
            }
        }
    }

    fn tell_dropped(&mut self, is_last: bool) {
        let (since, before) = self.told;
        let dropped = self.dropped.get();
        if before < dropped && (is_last || TELL <= since.elapsed() || before == 0) {
            let spans = counted((dropped - before) as usize, "span was", "spans were");
            let text = format!("{spans} dropped that {} should have", self.address);
            self.logger.warn(&text);
            self.told = (Instant::now(), dropped);
        }
    }
}

#[cfg(test)]
mod tests;
