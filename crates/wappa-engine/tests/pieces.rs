//! Inputs that are told of each message by itself, and order in groups, on real threads: what is slow waits for all
//! others to be answered, so whatever makes them wait for it shows.

use std::{
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use wappa_component::{
    Ack, Batches, ConnectError, Delivery, Failure, Group, Input, Logger, Order, Output, Parcel, Part,
    Processor, ReadError, Step, Waits,
};
use wappa_engine::{Assembly, Setting, Stream, World};
use wappa_message::Message;

const PATIENCE: Duration = Duration::from_secs(30);

/// Gives its parcels one after the other.
struct Parcels(Vec<Parcel>);

impl Input for Parcels {
    fn read(&mut self, _: &mut Waits, _: &mut Step<'_>) -> Result<Parcel, ReadError> {
        if self.0.is_empty() { Err(ReadError::EndOfInput) } else { Ok(self.0.remove(0)) }
    }
}

/// The names of messages, in the order in which something happened to them.
#[derive(Clone, Default)]
struct Journal(Arc<(Mutex<Vec<String>>, Condvar)>);

impl Journal {
    fn note(&self, names: impl IntoIterator<Item = String>) {
        self.0.0.lock().expect("no panic").extend(names);
        self.0.1.notify_all();
    }

    /// Waits until so many are in it.
    fn wait_for(&self, n: usize) {
        let noted = self.0.0.lock().expect("no panic");
        let waited = self.0.1.wait_timeout_while(noted, PATIENCE, |noted| noted.len() < n).expect("no panic");
        assert!(!waited.1.timed_out(), "there are only {:?}", waited.0);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.0.lock().expect("no panic"))
    }
}

fn name(message: &Message) -> String {
    String::from_utf8_lossy(message.content()).into_owned()
}

/// Works on `slow` until so many others are in the journal.
struct Slow {
    until: Journal,
    n_others: usize,
}

impl Processor for Slow {
    fn process(&self, part: &mut Part, _: &mut Step<'_>) -> usize {
        // Of the first message of all nothing is known, so it is a part by itself.
        if part.messages().iter().any(|it| name(it) == "slow") {
            assert_eq!(part.n_messages(), 1, "what is behind it is for others");
            self.until.wait_for(self.n_others);
        }
        part.n_batches()
    }
}

struct Writer(Journal);

impl Output for Writer {
    fn connect(&mut self) -> Result<(), ConnectError> {
        Ok(())
    }

    fn write(&mut self, delivery: Delivery, _: &mut Step<'_>) {
        self.0.note(delivery.messages().iter().map(name));
        delivery.answer(Ok(()));
    }
}

fn run(parcels: Vec<Parcel>, slow: Slow, written: &Journal) {
    let parts = Assembly {
        input: Box::new(Parcels(parcels)),
        processors: vec![("root.pipeline.processors.0".to_string(), Box::new(slow))],
        output: Box::new(Writer(written.clone())),
        threads: 2,
        is_ordered: true,
        logger: Logger::silent(),
        caches: wappa_component::Caches::default(),
    };
    let setting = Setting::new(&World::real().expect("a thread can be started")).expect("a descriptor");
    let report = Stream::new(&setting, parts).run().expect("threads can be started");
    assert_eq!(report.fault, None);
}

#[test]
fn one_slow_message_among_255_is_answered_last_and_holds_up_no_lease() {
    let (answered, written) = (Journal::default(), Journal::default());
    let names: Vec<String> =
        (0..255).map(|it| if it == 0 { "slow".to_string() } else { it.to_string() }).collect();
    let ack = {
        let (answered, names) = (answered.clone(), names.clone());
        Ack::leased(255, move |origins: &[u32], failures: Vec<Failure>| {
            assert_eq!(failures, []);
            answered.note(origins.iter().map(|it| names[*it as usize].clone()));
        })
    };
    let messages = names.iter().map(|it| Message::new(it.clone())).collect();
    let parcel = Parcel::of_messages(messages, Batches::Singles, ack).with_order(Order::None);
    run(vec![parcel], Slow { until: answered.clone(), n_others: 254 }, &written);
    let mut answered = answered.take();
    assert_eq!(answered.pop().as_deref(), Some("slow"));
    answered.sort_unstable();
    answered.dedup();
    assert_eq!(answered.len(), 254, "each is answered once");
}

#[test]
fn one_slow_group_among_four_holds_up_only_its_own() {
    let written = Journal::default();
    let groups = [(); 4].map(|()| Group::new());
    let parcels = (0..8).map(|idx| {
        let (row, turn) = (idx % 4, idx / 4);
        let name = if idx == 0 { "slow".to_string() } else { format!("{row}.{turn}") };
        let ack = Ack::new(1, |failures: Vec<Failure>| assert_eq!(failures, []));
        let parcel = Parcel::of_messages(vec![Message::new(name)], Batches::Singles, ack);
        parcel.with_order(Order::Group(groups[row]))
    });
    run(parcels.collect(), Slow { until: written.clone(), n_others: 6 }, &written);
    let written = written.take();
    let (others, own) = written.split_at(6);
    assert_eq!(own, ["slow", "0.1"], "its own come behind it");
    for row in 1..4 {
        let of_row: Vec<&String> = others.iter().filter(|it| it.starts_with(&row.to_string())).collect();
        assert_eq!(of_row, [&format!("{row}.0"), &format!("{row}.1")], "each keeps its order");
    }
}
