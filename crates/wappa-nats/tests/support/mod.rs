//! Runs whole streams of a config, and looks at the server from outside.
#![allow(dead_code, reason = "each test uses some of it")]

use std::future::Future;

use async_nats::{
    Client, ConnectOptions,
    jetstream::{self, Context, consumer::Info, stream::Stream},
};
use futures_util::StreamExt;
use tokio::runtime::Runtime;
use wappa_servers::{Server, wait_until};
pub(crate) use wappa_testing::{Running, Streams};

fn streams() -> Streams {
    Streams::of(wappa_pure::components().into_iter().chain(wappa_nats::components())).with_debug_lines()
}

/// What is wrong with a config.
pub(crate) fn lint(config: &str) -> String {
    streams().lint(config)
}

/// Begins a stream.
pub(crate) fn start(config: &str) -> Running {
    streams().start(config)
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
