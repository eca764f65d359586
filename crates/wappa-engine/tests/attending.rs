//! What is due at an output is done in time, also where all threads of the pipeline wait for something.

use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    task::{Poll, Waker},
    thread,
    time::Duration,
};

use wappa_component::{
    Ack, Batches, BuildError, BuildInput, BuildOutput, BuildProcessor, Component, ConnectError, Context,
    Delivery, Input, Logger, Metrics, Output, OutputBell, Parcel, Part, Processor, ReadError, Services, Step,
    Waits, WriteError,
};
use wappa_engine::{BuildRequest, Setting, World};
use wappa_message::{Mark, Message};
use wappa_spec::{Config, LintOptions, Source, Spec};

/// Nothing here takes that long, unless it is never done.
const PATIENCE: Duration = Duration::from_secs(60);

const WORDS: Component = Component::input::<WordsConfig>("words");
const HOLD: Component = Component::processor::<HoldConfig>("hold");
const NOTED: Component = Component::output::<NotedConfig>("noted");

/// Gives these words, each as a parcel by itself, and ends.
#[derive(Config)]
struct WordsConfig(String);

struct Words(Vec<String>);

impl BuildInput for WordsConfig {
    fn build(self, _: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        Ok(Box::new(Words(self.0.split(' ').rev().map(String::from).collect())))
    }
}

impl Input for Words {
    fn read(&mut self, _: &mut Waits, _: &mut Step<'_>) -> Result<Parcel, ReadError> {
        let word = self.0.pop().ok_or(ReadError::EndOfInput)?;
        Ok(Parcel::of_messages(vec![Message::new(word)], Batches::Singles, Ack::new(1, |_| ())))
    }
}

/// What the test lets go.
#[derive(Default)]
struct Gate {
    is_open: AtomicBool,
    wakers: Mutex<Vec<Waker>>,
}

impl Gate {
    fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
        let wakers = std::mem::take(&mut *self.wakers.lock().unwrap_or_else(PoisonError::into_inner));
        wakers.into_iter().for_each(Waker::wake);
    }

    async fn opened(&self) {
        poll_fn(|ctx| {
            self.wakers.lock().unwrap_or_else(PoisonError::into_inner).push(ctx.waker().clone());
            match self.is_open.load(Ordering::SeqCst) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }
}

/// Keeps its thread with each message that is called `hold` until the gate is open: it waits for a future (`waits`), sleeps
/// (`sleeps`), or works (`works`).
#[derive(Config)]
struct HoldConfig(String);

struct Hold {
    how: String,
    gate: Arc<Gate>,
}

impl BuildProcessor for HoldConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        Ok(Box::new(Hold { how: self.0, gate: ctx.services().get().expect("the test has one") }))
    }
}

impl Processor for Hold {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        if part.messages().iter().any(|it| it.content().as_ref() == b"hold") {
            let is_open = || self.gate.is_open.load(Ordering::SeqCst);
            match self.how.as_str() {
                "waits" => step.wait(self.gate.opened()).expect("nobody stops the stream"),
                // A long computation; what it computes is left out.
                "works" => {
                    while !is_open() {
                        thread::sleep(Duration::from_millis(1));
                    }
                }
                _ => {
                    while !is_open() {
                        assert!(step.sleep(Duration::from_secs(1)), "nobody stops the stream");
                    }
                }
            }
        }
        part.n_batches()
    }
}

/// Tells the test what it is given, and answers late, from another thread.
#[derive(Config)]
struct NotedConfig {
    /// How many deliveries fail first.
    #[config(default = "0")]
    fails: i64,
}

struct Noted {
    fails: i64,
    to_test: mpsc::Sender<String>,
    is_full: Arc<AtomicBool>,
    bell: OutputBell,
}

impl BuildOutput for NotedConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        let to_test = ctx.services().get::<Mutex<mpsc::Sender<String>>>().expect("the test has one");
        let to_test = to_test.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Box::new(Noted { fails: self.fails, to_test, is_full: Arc::default(), bell: ctx.output_bell() }))
    }
}

impl Output for Noted {
    fn connect(&mut self) -> Result<(), ConnectError> {
        Ok(())
    }

    fn has_room(&self) -> bool {
        !self.is_full.load(Ordering::SeqCst)
    }

    fn write(&mut self, delivery: Delivery, _: &mut Step<'_>) {
        self.is_full.store(true, Ordering::SeqCst);
        let names: Vec<_> =
            delivery.messages().iter().map(|it| String::from_utf8_lossy(it.content()).into_owned()).collect();
        let fails = 0 < self.fails;
        self.fails -= 1;
        if !fails {
            self.to_test.send(names.join(" ")).expect("the test listens");
        }
        let (is_full, bell) = (Arc::clone(&self.is_full), self.bell.clone());
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            is_full.store(false, Ordering::SeqCst);
            delivery.answer(if fails { Err(WriteError::Failed(Mark::new("not now"))) } else { Ok(()) });
            bell.ring();
        });
    }
}

/// A thread that waits, and does not work.
const WAITS: &[&str] = &["waits", "sleeps"];

/// While all threads hold, these have to come to the output.
fn check(holds: &[&str], threads: usize, words: &str, output: &str, expected: &str) {
    for hold in holds {
        let mut components = wappa_pure::components();
        components.extend([&WORDS, &HOLD, &NOTED]);
        let registry: Vec<&'static Spec> = components.iter().map(|it| &it.spec).collect();
        let text = format!(
            "input: {{words: {words:?}}}\npipeline: {{threads: {threads}, processors: [hold: {hold}]}}\noutput: {{{output}}}\n"
        );
        let source = Source::read(text.as_bytes(), |_| None).expect("the test's YAML is sound");
        let config = source.stream(&registry, LintOptions::default()).into_result();
        let config = config.unwrap_or_else(|lints| panic!("{text}: {lints:?}"));
        let (to_test, noted) = mpsc::channel::<String>();
        let gate: Arc<Gate> = Arc::default();
        let mut services = Services::default();
        services.insert(Arc::clone(&gate));
        services.insert(Arc::new(Mutex::new(to_test)));
        let setting = Setting::new(&World::real().expect("a thread can be started")).expect("a descriptor");
        let request = BuildRequest {
            config: &config,
            components: &components,
            registry: &registry,
            logger: Logger::silent(),
            metrics: Metrics::default(),
            services,
            setting: &setting,
        };
        let (stream, tally) = wappa_engine::build(request).expect("the stream can be built");
        let running = thread::spawn(move || stream.run());
        let mut words = Vec::new();
        while words.len() < expected.split(' ').count() {
            let came = noted.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{text}: only {words:?}"));
            words.extend(came.split(' ').map(String::from).collect::<Vec<_>>());
        }
        assert_eq!(words.join(" "), expected, "{text}");
        gate.open();
        let report = running.join().expect("no panic").expect("it can be started");
        assert_eq!((report.fault, tally.undelivered()), (None, 0), "{text}");
    }
}

#[test]
fn a_batch_is_sent_when_its_time_is_over() {
    let output = "broker: {outputs: [noted: {}], batching: {count: 1000, period: 20ms}}";
    check(&["waits", "sleeps", "works"], 1, "a b hold", output, "a b");
    check(&["waits", "sleeps", "works"], 2, "a hold hold", output, "a");
}

#[test]
fn what_failed_is_tried_again() {
    let backoff = "backoff: {initial_interval: 5ms, max_interval: 5ms}";
    check(WAITS, 1, "a hold", &format!("retry: {{{backoff}, output: {{noted: {{fails: 3}}}}}}"), "a");
}

#[test]
fn what_is_finished_is_written_when_there_is_room() {
    check(WAITS, 1, "a b c hold", "noted: {}", "a b c");
    check(WAITS, 3, "a b c d hold hold hold", "noted: {}", "a b c d");
}
