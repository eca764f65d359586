//! Runs whole streams of a config, and looks at the server from outside.
#![allow(dead_code, reason = "each test uses some of it")]

use std::{
    borrow::Cow,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use async_nats::{
    Client, ConnectOptions,
    jetstream::{self, Context, consumer::Info, stream::Stream},
};
use futures_util::StreamExt;
use tokio::runtime::Runtime;
use wappa_component::{Component, Level, LogSink, Logger, Metrics, Services};
use wappa_engine::{BuildRequest, Report, Setting, Stop, World};
use wappa_servers::{PATIENCE, Server, wait_until};
use wappa_spec::{LintOptions, Source, Spec};

/// What was logged, a line each.
#[derive(Default)]
pub(crate) struct Log(Mutex<Vec<String>>);

impl Log {
    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// Waits until something is said, and gives the line.
    pub(crate) fn line_with(&self, text: &str) -> String {
        let began = Instant::now();
        while !self.text().contains(text) {
            assert!(began.elapsed() < PATIENCE, "{text}: never said, but\n{}", self.text());
            thread::sleep(Duration::from_millis(5));
        }
        self.text().lines().find(|it| it.contains(text)).unwrap_or_default().to_string()
    }
}

impl LogSink for Log {
    fn enabled(&self, level: Level) -> bool {
        level <= Level::Debug
    }

    fn write(&self, level: Level, message: &str, _: &[(&str, Cow<'_, str>)]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{level:?} {message}"));
    }
}

/// A stream that runs.
pub(crate) struct Running {
    pub(crate) log: Arc<Log>,
    pub(crate) stop: Stop,
    thread: Option<JoinHandle<Report>>,
}

fn table() -> &'static [&'static Component] {
    let all: Vec<_> = wappa_pure::components().into_iter().chain(wappa_nats::components()).collect();
    all.leak()
}

/// What is wrong with a config.
pub(crate) fn lint(config: &str) -> String {
    let specs: Vec<&Spec> = table().iter().map(|it| &it.spec).collect();
    let source = Source::read(config.as_bytes(), |_| None).expect("the test's YAML is sound");
    let lints = source.stream(&specs, LintOptions::default()).lints;
    lints.iter().map(|it| format!("{it}\n")).collect()
}

impl Running {
    pub(crate) fn start(config: &str) -> Running {
        let components = table();
        let specs: Vec<&Spec> = components.iter().map(|it| &it.spec).collect();
        let source = Source::read(config.as_bytes(), |_| None).expect("the test's YAML is sound");
        let linted = source.stream(&specs, LintOptions::default());
        let errors: Vec<_> = linted.lints.iter().filter(|it| it.is_error()).collect();
        assert!(errors.is_empty(), "{errors:?}");
        let config = linted.config.expect("a config without errors can be read");
        let log = Arc::new(Log::default());
        let world = World::real().expect("a thread can be started");
        let setting = Setting::new(&world).expect("a descriptor can be had");
        let request = BuildRequest {
            config: &config,
            components,
            registry: &specs,
            logger: Logger::new(Arc::clone(&log) as Arc<dyn LogSink>),
            metrics: Metrics::default(),
            services: Services::default(),
            setting: &setting,
        };
        let (stream, _) = wappa_engine::build(request).expect("the stream can be built");
        let thread = thread::spawn(move || stream.run().expect("its threads can be started"));
        Running { log, stop: setting.stop().clone(), thread: Some(thread) }
    }

    /// Waits for its end.
    pub(crate) fn join(mut self) -> Report {
        self.thread.take().expect("it runs").join().expect("it does not panic")
    }

    /// Asks it to work off what it has read, and waits for that.
    pub(crate) fn drain(self) -> Report {
        self.stop.drain();
        self.join()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cut();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A client of the server that is none of Wappa's.
pub(crate) struct Outside {
    runtime: Runtime,
    pub(crate) client: Client,
}

impl Outside {
    pub(crate) fn new(server: &Server) -> Outside {
        Outside::with(server, ConnectOptions::new())
    }

    pub(crate) fn with(server: &Server, options: ConnectOptions) -> Outside {
        let runtime = Runtime::new().expect("it can be started");
        let client = runtime.block_on(options.connect(server.address())).expect("the server is there");
        Outside { runtime, client }
    }

    pub(crate) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub(crate) fn api(&self) -> Context {
        let _entered = self.runtime.enter();
        jetstream::new(self.client.clone())
    }

    /// Makes a stream of all subjects that begin with its name.
    pub(crate) fn stream(&self, name: &str) -> Stream {
        let config = jetstream::stream::Config {
            name: name.to_string(),
            subjects: vec![format!("{name}.>")],
            ..Default::default()
        };
        self.run(self.api().create_stream(config)).expect("it can be made")
    }

    /// Publishes numbers to a stream.
    pub(crate) fn publish_numbers(&self, subject: &str, range: std::ops::Range<usize>) {
        self.run(async {
            let api = self.api();
            // The client lets only so many wait for their acknowledgement.
            let numbers: Vec<usize> = range.collect();
            for some in numbers.chunks(1_000) {
                let mut acks = Vec::new();
                for n in some {
                    let sent = api.publish(subject.to_string(), n.to_string().into()).await;
                    acks.push(sent.expect("it is sent"));
                }
                for ack in acks {
                    ack.await.expect("it is stored");
                }
            }
        });
    }

    /// How many messages a stream has.
    pub(crate) fn n_messages(&self, name: &str) -> u64 {
        self.run(async {
            match self.api().get_stream(name).await {
                Ok(stream) => stream.cached_info().state.messages,
                Err(_) => 0,
            }
        })
    }

    /// The contents of all messages of a stream.
    pub(crate) fn contents(&self, name: &str) -> Vec<String> {
        let n = self.n_messages(name) as usize;
        self.run(async {
            let stream = self.api().get_stream(name).await.expect("it is there");
            let config = jetstream::consumer::pull::OrderedConfig::default();
            let consumer = stream.create_consumer(config).await.expect("it can be made");
            let messages = consumer.messages().await.expect("it can be read").take(n);
            messages
                .map(|it| String::from_utf8_lossy(&it.expect("it can be read").payload).into_owned())
                .collect()
                .await
        })
    }

    pub(crate) fn consumer(&self, stream: &str, name: &str) -> Info {
        self.run(async {
            let stream = self.api().get_stream(stream).await.expect("it is there");
            stream.consumer_info(name).await.expect("it is there")
        })
    }

    /// Waits until nothing is left for a consumer, not even an acknowledgement.
    pub(crate) fn wait_for_all(&self, stream: &str, name: &str) {
        wait_until("all is acknowledged", || {
            let info = self.consumer(stream, name);
            info.num_pending == 0 && info.num_ack_pending == 0
        });
    }
}

/// Numbers as they were read, without those that came again.
pub(crate) fn first_of_each(contents: &[String]) -> Vec<usize> {
    let mut seen = std::collections::BTreeSet::new();
    let numbers = contents.iter().map(|it| it.parse().expect("it is a number"));
    numbers.filter(|it| seen.insert(*it)).collect()
}
