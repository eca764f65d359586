//! One output with its connection, which is lost and found while a clock jumps to whatever is waited for.

use std::sync::{Mutex, PoisonError};

use wappa_component::Answer;
use wappa_message::Message;

use super::*;
use crate::{
    jumping::Jumping,
    stream::Setting,
    world::{Scheduler, World},
};

/// What happened, and what the output has.
#[derive(Default)]
struct Remote {
    log: Vec<String>,
    held: Vec<Delivery>,
    /// Attempts to connect that fail.
    n_failing: usize,
    /// Loses every write.
    is_torn: bool,
    is_closed: bool,
    is_full: bool,
}

#[derive(Clone, Default)]
struct Client(Arc<Mutex<Remote>>);

impl Client {
    fn with<R>(&self, f: impl FnOnce(&mut Remote) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn log(&self) -> String {
        self.with(|it| std::mem::take(&mut it.log)).join(" ")
    }

    /// Answers what it got at this place.
    fn answer(&self, idx: usize, result: Result<(), WriteError>) {
        let delivery = self.with(|it| it.held.remove(idx));
        delivery.answer(result);
    }
}

fn name(delivery: &Delivery) -> String {
    let content = |it: &Message| String::from_utf8_lossy(it.content()).into_owned();
    delivery.messages().iter().map(content).collect()
}

impl Output for Client {
    fn connect(&mut self) -> Result<(), ConnectError> {
        self.with(|it| {
            assert!(it.held.is_empty(), "all is answered before the next attempt");
            if 0 < it.n_failing {
                it.n_failing -= 1;
                it.log.push("fails".to_string());
                return Err(ConnectError::BackOff("nobody there".to_string()));
            }
            it.log.push("connected".to_string());
            Ok(())
        })
    }

    fn has_room(&self) -> bool {
        self.with(|it| !it.is_full)
    }

    fn write(&mut self, delivery: Delivery, _: &mut Step<'_>) {
        let answer = self.with(|it| {
            it.log.push(name(&delivery));
            match (it.is_torn, it.is_closed) {
                (true, _) => Some(WriteError::NotConnected),
                (_, true) => Some(WriteError::Closed),
                _ => None,
            }
        });
        match answer {
            Some(err) => delivery.answer(Err(err)),
            None => self.with(|it| it.held.push(delivery)),
        }
    }
}

struct Bench {
    clock: Arc<Jumping>,
    setting: Setting,
    client: Client,
    line: Line,
    answers: Arc<Mutex<Vec<String>>>,
}

impl Bench {
    fn new() -> Bench {
        let clock = Arc::new(Jumping::default());
        let setting = Setting::new(&World::simulated(clock.clone())).expect("a descriptor can be had");
        let client = Client::default();
        let of = Observed::silent(&setting, "test", "root.output");
        let line = Line::new(
            Box::new(client.clone()),
            of,
            setting.taps.point("root.output", ""),
            setting.output_bell.bell(),
            &setting.activity,
        );
        Bench { clock, setting, client, line, answers: Arc::default() }
    }

    fn write(&mut self, name: &str) {
        let messages = name.chars().map(|it| Message::new(it.to_string())).collect();
        let (answers, name) = (Arc::clone(&self.answers), name.to_string());
        let delivery = Delivery::new(Part::singles(messages), move |answer: Answer| {
            let failed: Vec<String> =
                answer.failures.iter().map(|(idx, it)| format!("{idx}: {it}")).collect();
            let text = format!("{name}[{}]", failed.join(", "));
            answers.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        });
        let stop = self.setting.stop.clone();
        self.line.write(delivery, &mut Step::new(0, &stop));
    }

    /// Calls the line if its bell was rung, or once its time has come. Returns that time.
    fn go_on(&mut self) -> Option<u64> {
        let stop = self.setting.stop.clone();
        let due = self.line.due();
        if !self.setting.output_bell.take() {
            self.clock.advance_to(due?);
        }
        self.line.resume(&mut Step::new(0, &stop));
        due.map(|it| it.as_millis() as u64)
    }

    fn answers(&self) -> String {
        std::mem::take(&mut *self.answers.lock().unwrap_or_else(PoisonError::into_inner)).join(" ")
    }
}

#[test]
fn what_is_written_before_there_is_a_connection_waits_for_it() {
    let mut it = Bench::new();
    it.client.with(|it| it.n_failing = 3);
    it.line.connect().expect("another attempt is made");
    it.write("a");
    it.write("bc");
    assert!(!it.line.has_room());
    assert_eq!([0; 3].map(|_| it.go_on()), [Some(500), Some(1500), Some(2500)]);
    assert_eq!(it.client.log(), "fails fails fails connected a bc");
    it.client.answer(1, Ok(()));
    it.client.answer(0, Err(WriteError::Failed(wappa_message::Mark::new("full"))));
    assert_eq!((it.answers().as_str(), it.line.has_room()), ("bc[] a[0: full]", true));
}

#[test]
fn what_comes_back_is_written_in_order_and_before_anything_new() {
    let mut it = Bench::new();
    it.line.connect().expect("it can be connected");
    ["a", "bc", "d"].iter().for_each(|name| it.write(name));
    let mut rest = it.client.with(|it| it.held.remove(1));
    let tail = rest.split_off(1);
    it.client.answer(1, Err(WriteError::NotConnected));
    it.write("e");
    assert_eq!(it.go_on(), None);
    // Nothing is connected before all is answered, the pieces as well.
    assert_eq!(it.client.log(), "connected a bc d");
    tail.answer(Err(WriteError::NotConnected));
    rest.answer(Err(WriteError::NotConnected));
    it.client.answer(0, Ok(()));
    it.go_on();
    assert_eq!(it.client.log(), "connected b c d e");
    (0..4).for_each(|_| it.client.answer(0, Ok(())));
    assert_eq!(it.answers(), "a[] bc[] d[] e[]");
}

#[test]
fn what_has_to_wait_for_room_stays_in_front() {
    let mut it = Bench::new();
    it.line.connect().expect("it can be connected");
    it.write("a");
    it.client.with(|it| it.is_full = true);
    it.client.answer(0, Err(WriteError::NotConnected));
    it.go_on();
    // Whoever does not ask for room is kept behind what waits.
    it.write("b");
    assert_eq!((it.client.log().as_str(), it.line.has_room()), ("connected a connected", false));
    it.client.with(|it| it.is_full = false);
    it.setting.output_bell.bell().ring();
    it.go_on();
    assert_eq!(it.client.log(), "a b");
}

#[test]
fn one_that_loses_every_write_is_left_alone_for_longer() {
    let mut it = Bench::new();
    it.line.connect().expect("it can be connected");
    it.client.with(|it| it.is_torn = true);
    it.write("a");
    let mut n_calls = 0;
    while it.clock.now() < Duration::from_secs(60) {
        it.go_on();
        n_calls += 1;
    }
    assert!(n_calls < 200, "{n_calls} calls");
    let n_writes = it.client.log().matches('a').count();
    assert!((58..70).contains(&n_writes), "{n_writes} writes in a minute");
    it.client.with(|it| it.is_torn = false);
    while it.client.with(|it| it.held.is_empty()) {
        it.go_on();
    }
    it.client.answer(0, Ok(()));
    assert_eq!(it.answers(), "a[]");
}

#[test]
fn without_a_connection_nothing_waits_once_the_stream_is_given_up() {
    let mut it = Bench::new();
    it.client.with(|it| it.n_failing = 100);
    it.line.connect().expect("another attempt is made");
    it.write("a");
    it.setting.stop.abandon();
    let stop = it.setting.stop.clone();
    it.line.resume(&mut Step::new(0, &stop));
    assert_eq!((it.answers().as_str(), it.line.due()), ("a[0: the stream was stopped]", None));
    assert!(it.line.has_room());
    it.write("b");
    assert_eq!(it.answers(), "b[0: the stream was stopped]");
    assert_eq!(it.client.log(), "fails");
}

#[test]
fn nothing_is_written_where_nobody_reads() {
    let mut it = Bench::new();
    it.line.connect().expect("it can be connected");
    it.client.with(|it| it.is_closed = true);
    it.write("a");
    it.write("b");
    assert_eq!(it.answers(), "a[0: broken pipe] b[0: broken pipe]");
    assert_eq!(it.client.log(), "connected a");
}
