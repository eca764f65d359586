//! Deadlocks that whole streams must not have: the real components that collect and choose, over a client whose other end
//! answers late, out of order, by halves or never.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use wappa_component::{
    Ack, Batches, BuildError, BuildInput, BuildOutput, Component, ConnectError, Context, Delivery, Failure,
    Input, Logger, Metrics, Output, OutputBell, Parcel, ReadError, Services, Step, Waits, WriteError,
};
use wappa_engine::{BuildRequest, Setting, World};
use wappa_message::{Mark, Message};
use wappa_spec::{Config, LintOptions, Source, Spec};

/// Nothing here takes that long, unless it is never done.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long an answer takes.
const LATE: Duration = Duration::from_millis(2);

const WORDS: Component = Component::input::<WordsConfig>("words");
const CLIENT: Component = Component::output::<ClientConfig>("client");

/// Gives so many messages, each as a parcel by itself, and ends.
#[derive(Config)]
struct WordsConfig(String);

impl BuildInput for WordsConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        let world = ctx.services().get::<Journal>().expect("the test has one");
        let n = self.0.parse().map_err(|_| BuildError::new("a number of messages"))?;
        Ok(Box::new(Words { n, next: 0, journal: world }))
    }
}

struct Words {
    n: usize,
    next: usize,
    journal: Arc<Journal>,
}

impl Input for Words {
    fn read(&mut self, _: &mut Waits, _: &mut Step<'_>) -> Result<Parcel, ReadError> {
        if self.next == self.n {
            return Err(ReadError::EndOfInput);
        }
        let (name, journal) = (self.next.to_string(), Arc::clone(&self.journal));
        self.next += 1;
        let ack = Ack::new(1, move |failures: Vec<Failure>| {
            journal.n_failed.fetch_add(failures.len(), Ordering::SeqCst);
            journal.n_answered.fetch_add(1, Ordering::SeqCst);
        });
        Ok(Parcel::of_messages(vec![Message::new(name)], Batches::Singles, ack))
    }

    fn auto_replay_nacks(&self) -> bool {
        true
    }
}

/// What happened at the other ends of all clients.
#[derive(Default)]
struct Journal {
    n_answered: AtomicUsize,
    n_failed: AtomicUsize,
    /// By client: the batches that arrived.
    arrived: Mutex<BTreeMap<String, Vec<Vec<String>>>>,
    habit: Mutex<Habit>,
}

impl Journal {
    fn arrived(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Vec<String>>>> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn n_arrived(&self, client: &str) -> usize {
        self.arrived().get(client).map_or(0, |batches| batches.iter().map(Vec::len).sum())
    }
}

/// How the other end answers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Habit {
    #[default]
    Late,
    /// The last one first.
    Backwards,
    /// Each half of a delivery by itself, the second first.
    Halves,
}

/// An output whose other end is a thread that answers when it pleases.
#[derive(Config)]
struct ClientConfig {
    /// What the journal calls it.
    name: String,
    /// How many deliveries it has room for.
    #[config(default = "64")]
    room: i64,
    /// So many deliveries fail before one arrives.
    #[config(default = "0")]
    fails: i64,
    /// Whether each write loses the connection.
    #[config(default = "false")]
    loses: bool,
    /// It answers nothing before so many messages have arrived elsewhere.
    #[config(default = "0")]
    mute_before: i64,
}

impl BuildOutput for ClientConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        let journal = ctx.services().get::<Journal>().expect("the test has one");
        Ok(Box::new(Client {
            config: Arc::new(self),
            journal,
            to_server: None,
            n_held: Arc::default(),
            bell: ctx.output_bell(),
        }))
    }
}

struct Client {
    config: Arc<ClientConfig>,
    journal: Arc<Journal>,
    to_server: Option<mpsc::Sender<Delivery>>,
    n_held: Arc<AtomicUsize>,
    bell: OutputBell,
}

struct Server {
    config: Arc<ClientConfig>,
    journal: Arc<Journal>,
    n_held: Arc<AtomicUsize>,
    n_fails: i64,
    bell: OutputBell,
}

impl Server {
    fn run(mut self, deliveries: &mpsc::Receiver<Delivery>) {
        let habit = *self.journal.habit.lock().unwrap_or_else(PoisonError::into_inner);
        let mut held: Vec<Delivery> = Vec::new();
        loop {
            match deliveries.recv_timeout(LATE) {
                Ok(delivery) => {
                    held.push(delivery);
                    continue;
                }
                Err(mpsc::RecvTimeoutError::Timeout) => (),
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
            if !held.is_empty() && self.may_answer() {
                let delivery =
                    if habit == Habit::Late { held.remove(0) } else { held.remove(held.len() - 1) };
                self.answer(delivery, habit);
                self.n_held.fetch_sub(1, Ordering::SeqCst);
                self.bell.ring();
            }
        }
    }

    fn may_answer(&self) -> bool {
        let n_elsewhere: usize = {
            let arrived = self.journal.arrived();
            let others = arrived.iter().filter(|(name, _)| **name != self.config.name);
            others.flat_map(|(_, batches)| batches).map(Vec::len).sum()
        };
        self.config.mute_before as usize <= n_elsewhere
    }

    fn answer(&mut self, mut delivery: Delivery, habit: Habit) {
        if 0 < self.n_fails {
            self.n_fails -= 1;
            return delivery.answer(Err(WriteError::Failed(Mark::new("the disk is full"))));
        }
        let part = delivery.part();
        let text = |it: &Message| String::from_utf8_lossy(it.content()).into_owned();
        let batch = |idx: usize| part.messages()[part.batch(idx)].iter().map(text).collect();
        let batches: Vec<Vec<String>> = (0..part.n_batches()).map(batch).collect();
        self.journal.arrived().entry(self.config.name.clone()).or_default().extend(batches);
        if habit == Habit::Halves && 1 < delivery.part().n_messages() {
            let half = delivery.part().n_messages() / 2;
            delivery.cut(half).answer(Ok(()));
            thread::sleep(LATE);
        }
        delivery.answer(Ok(()));
    }
}

impl Output for Client {
    fn connect(&mut self) -> Result<(), ConnectError> {
        let (to_server, deliveries) = mpsc::channel();
        let server = Server {
            config: Arc::clone(&self.config),
            journal: Arc::clone(&self.journal),
            n_held: Arc::clone(&self.n_held),
            n_fails: self.config.fails,
            bell: self.bell.clone(),
        };
        thread::spawn(move || server.run(&deliveries));
        self.to_server = Some(to_server);
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.n_held.load(Ordering::SeqCst) < self.config.room as usize
    }

    fn write(&mut self, delivery: Delivery, _: &mut Step<'_>) {
        if self.config.loses {
            return delivery.answer(Err(WriteError::NotConnected));
        }
        self.n_held.fetch_add(1, Ordering::SeqCst);
        let to_server = self.to_server.as_ref().expect("it is connected");
        to_server.send(delivery).expect("the server is there while the client is");
    }
}

/// Runs a config to its end, with each habit, and shows what came of it.
fn check(input: &str, output: &str, n_messages: usize, look: impl Fn(&Journal)) {
    for habit in [Habit::Late, Habit::Backwards, Habit::Halves] {
        let journal = Arc::new(Journal { habit: Mutex::new(habit), ..Journal::default() });
        let (config, other) = (format!("input: {{{input}}}\noutput: {{{output}}}\n"), Arc::clone(&journal));
        let (ended_tx, ended_rx) = mpsc::channel();
        // It is left alone where it hangs.
        let setting = setting();
        thread::spawn(move || ended_tx.send(run(&config, &other, &setting).1).expect("the test listens"));
        let fault = ended_rx.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            panic!("{habit:?}: {output} does not end; arrived are {:?}", journal.arrived())
        });
        assert_eq!(fault, None, "{habit:?}: {output}");
        let [n_answered, n_failed] =
            [&journal.n_answered, &journal.n_failed].map(|it| it.load(Ordering::SeqCst));
        assert_eq!((n_answered, n_failed), (n_messages, 0), "{habit:?}: each has arrived");
        look(&journal);
    }
}

fn setting() -> Setting {
    Setting::new(&World::real().expect("a thread can be started")).expect("a descriptor")
}

/// What was not delivered, and why it ended.
fn run(config: &str, journal: &Arc<Journal>, setting: &Setting) -> (u64, Option<String>) {
    let mut components: Vec<&'static Component> = wappa_pure::components();
    components.extend([&WORDS, &CLIENT]);
    let registry: Vec<&'static Spec> = components.iter().map(|it| &it.spec).collect();
    let source = Source::read(config.as_bytes(), |_| None).expect("the test's config is sound");
    let config = source.stream(&registry, LintOptions::default()).into_result();
    let config = config.unwrap_or_else(|lints| panic!("{lints:?}"));
    let mut services = Services::default();
    services.insert(Arc::clone(journal));
    let request = BuildRequest {
        config: &config,
        components: &components,
        registry: &registry,
        logger: Logger::silent(),
        metrics: Metrics::default(),
        services,
        setting,
    };
    let (stream, tally) = wappa_engine::build(request).expect("the test's stream can be built");
    let report = stream.run().expect("threads can be started");
    (tally.undelivered(), report.fault)
}

#[test]
fn a_batch_that_waits_for_messages_while_replays_wait_for_answers() {
    // Four are sent and fail: they come again when the fifth is answered, which is held for three more.
    let batching = "batching: {count: 4}";
    let output = format!("broker: {{outputs: [client: {{name: a, fails: 1}}], {batching}}}");
    check("words: '5'", &output, 5, |journal| assert_eq!(journal.n_arrived("a"), 5));
    // The same on the input's side, where the end of what is below waits for the answers.
    let input = "batched: {child: {words: '5'}, policy: {count: 4}}";
    check(input, "client: {name: a, fails: 1}", 5, |journal| assert_eq!(journal.n_arrived("a"), 5));
    // Both, and another one that collects what comes of the first.
    check(input, &output, 5, |journal| assert_eq!(journal.n_arrived("a"), 5));
    let retry = format!("retry: {{backoff: {{initial_interval: 1ms}}, output: {{{output}}}}}");
    check(input, &retry, 5, |journal| assert_eq!(journal.n_arrived("a"), 5));
}

#[test]
fn a_batch_of_a_thousand_over_parts_of_one_message() {
    let output = "broker: {outputs: [client: {name: a}], batching: {count: 1000}}";
    check("words: '2500'", output, 2500, |journal| {
        // The journal has them in the order of the answers, which the habit and the clock decide.
        let mut sizes: Vec<usize> = journal.arrived()["a"].iter().map(Vec::len).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [500, 1000, 1000]);
    });
}

#[test]
fn a_period_that_ends_after_the_input_did() {
    for period in ["1h", "30ms"] {
        let policy = format!("{{count: 1000, period: {period}}}");
        let output = format!("broker: {{outputs: [client: {{name: a}}], batching: {policy}}}");
        check("words: '3'", &output, 3, |journal| assert_eq!(journal.n_arrived("a"), 3));
        let input = format!("batched: {{child: {{words: '3'}}, policy: {policy}}}");
        check(&input, "client: {name: a}", 3, |journal| assert_eq!(journal.n_arrived("a"), 3));
        check(&input, &output, 3, |journal| assert_eq!(journal.n_arrived("a"), 3));
    }
}

#[test]
fn greedy_with_one_child_full() {
    // The first has room for one delivery, and answers it when all others have arrived at the second.
    let full = "client: {name: full, room: 1, mute_before: 19}";
    for pattern in ["greedy", "greedy, batching: {count: 1}"] {
        let output = format!("broker: {{pattern: {pattern}, outputs: [{full}, client: {{name: other}}]}}");
        check("words: '20'", &output, 20, |journal| {
            assert_eq!((journal.n_arrived("full"), journal.n_arrived("other")), (1, 19));
        });
    }
}

#[test]
fn a_child_of_fallback_that_connects_and_loses_every_write() {
    let loses = "client: {name: lost, loses: true}";
    let output = format!("fallback: [{loses}, client: {{name: other}}]");
    check("words: '4'", &output, 4, |journal| {
        assert_eq!((journal.n_arrived("lost"), journal.n_arrived("other")), (0, 4));
    });
    let batching = format!("broker: {{outputs: [{output}], batching: {{count: 3}}}}");
    check("words: '4'", &batching, 4, |journal| assert_eq!(journal.n_arrived("other"), 4));
}

#[test]
fn a_client_that_never_answers_ends_with_the_stop() {
    let never = "client: {name: never, mute_before: 1000000}";
    let batching = "batching: {count: 2, period: 1h}";
    let other = "client: {name: other}";
    for output in [
        never.to_string(),
        format!("broker: {{outputs: [{never}, {other}], {batching}}}"),
        format!("broker: {{pattern: greedy, outputs: [{never}], {batching}}}"),
        format!("fallback: [{never}, {other}]"),
        format!("retry: {{output: {{{never}}}}}"),
    ] {
        let (journal, setting) = (Arc::new(Journal::default()), setting());
        let (config, stop) =
            (format!("input: {{words: '5'}}\noutput: {{{output}}}\n"), setting.stop().clone());
        let (ended_tx, ended_rx) = mpsc::channel();
        thread::spawn(move || ended_tx.send(run(&config, &journal, &setting)).expect("the test listens"));
        assert!(ended_rx.recv_timeout(10 * LATE).is_err(), "{output} ends before it is answered");
        stop.drain();
        stop.abandon();
        assert!(ended_rx.recv_timeout(10 * LATE).is_err(), "{output} ends while it may be answered");
        stop.cut();
        let (n_undelivered, fault) =
            ended_rx.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{output} does not end"));
        assert_eq!((n_undelivered, fault), (5, None), "{output}");
    }
}
