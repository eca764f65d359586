//! A stream on real threads: slow messages that came at once are shared among all of them, and what is
//! finished leaves while others are still at work.

use std::{
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use wappa_component::{
    Ack, Batches, ConnectError, Delivery, Failure, Input, Logger, Output, Parcel, Part, Processor, ReadError,
    Step, Waits,
};
use wappa_engine::{Assembly, Setting, Stream, World};
use wappa_message::Message;

const MESSAGES: usize = 256;
const THREADS: usize = 8;

/// Gives all messages at once, and then nothing.
struct AtOnce {
    parcel: Option<Parcel>,
}

impl Input for AtOnce {
    fn read(&mut self, _: &mut Waits, _: &mut Step<'_>) -> Result<Parcel, ReadError> {
        self.parcel.take().ok_or(ReadError::EndOfInput)
    }
}

/// What happened, in order.
#[derive(Default)]
struct Journal {
    clock: AtomicUsize,
    last_processed: AtomicUsize,
    first_written: AtomicUsize,
    written: Mutex<Vec<usize>>,
    lanes: Mutex<Vec<usize>>,
    all_lanes: Condvar,
}

impl Journal {
    fn tick(&self) -> usize {
        self.clock.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The first call of each lane goes on when all lanes have been called: that they are is not left to luck.
    fn meet(&self, lane: usize) {
        let mut lanes = self.lanes.lock().expect("no panic");
        if lanes.contains(&lane) {
            return;
        }
        lanes.push(lane);
        self.all_lanes.notify_all();
        let patience = Duration::from_secs(30);
        let waited = self.all_lanes.wait_timeout_while(lanes, patience, |lanes| lanes.len() < THREADS);
        assert!(!waited.expect("no panic").1.timed_out(), "not all lanes are at work at once");
    }
}

fn number(message: &Message) -> usize {
    let text = std::str::from_utf8(message.content()).expect("a number is text");
    text.parse().expect("each message is a number")
}

struct Slow(Arc<Journal>);

impl Processor for Slow {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        for idx in 0..part.n_batches() {
            self.0.meet(step.lane());
            let ms = number(&part.messages()[idx]) * 37 % 21;
            assert!(step.sleep(Duration::from_millis(ms as u64)), "nobody stops the stream");
            self.0.last_processed.fetch_max(self.0.tick(), Ordering::SeqCst);
            if step.is_due() {
                return idx + 1;
            }
        }
        part.n_batches()
    }
}

struct Writer(Arc<Journal>);

impl Output for Writer {
    fn connect(&mut self) -> Result<(), ConnectError> {
        Ok(())
    }

    fn write(&mut self, delivery: Delivery, _: &mut Step<'_>) {
        let mut written = self.0.written.lock().expect("no panic");
        if written.is_empty() {
            self.0.first_written.store(self.0.tick(), Ordering::SeqCst);
        }
        written.extend(delivery.messages().iter().map(number));
        delivery.answer(Ok(()));
    }
}

#[test]
fn slow_messages_are_shared_and_leave_when_they_are_done() {
    let answers = Arc::new(Mutex::new(Vec::new()));
    let ack = {
        let answers = Arc::clone(&answers);
        Ack::new(MESSAGES as u32, move |failures: Vec<Failure>| {
            answers.lock().expect("no panic").push(failures);
        })
    };
    let messages = (0..MESSAGES).map(|it| Message::new(it.to_string())).collect();
    let parcel = Some(Parcel::of_messages(messages, Batches::Singles, ack));
    let journal = Arc::new(Journal::default());
    let parts = Assembly {
        input: Box::new(AtOnce { parcel }),
        processors: vec![("root.pipeline.processors.0".to_string(), Box::new(Slow(Arc::clone(&journal))))],
        output: Box::new(Writer(Arc::clone(&journal))),
        threads: THREADS,
        is_ordered: true,
        logger: Logger::silent(),
        caches: wappa_component::Caches::default(),
    };
    let setting = Setting::new(&World::real().expect("a thread can be started")).expect("a descriptor");
    let report = Stream::new(&setting, parts).run().expect("threads can be started");

    assert_eq!(report.fault, None);
    let mut lanes = journal.lanes.lock().expect("no panic").clone();
    lanes.sort_unstable();
    assert_eq!(lanes, (0..THREADS).collect::<Vec<_>>());
    let written = journal.written.lock().expect("no panic");
    assert_eq!(*written, (0..MESSAGES).collect::<Vec<_>>(), "order is kept");
    assert!(journal.first_written.load(Ordering::SeqCst) < journal.last_processed.load(Ordering::SeqCst));
    assert_eq!(*answers.lock().expect("no panic"), [Vec::new()], "answered once, all delivered");
}
