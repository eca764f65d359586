//! From one stream of JetStream through a guest into another, beside a plain program with the same client, which does the
//! same without a guest, and beside a Bento where one is given.
//!
//! `cargo build --release`, then `cargo bench -p wappa-nats --bench jetstream -- [--quick]`. Needs `nats-server`.
//! [`wappa_servers::contest`] says what is measured.
#![allow(clippy::print_stdout, reason = "the table is what it is for")]

use std::future::IntoFuture;

use async_nats::jetstream::{self, Context, consumer::pull, stream};
use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesOrdered};
use tokio::runtime::{Builder, Runtime};
use wappa_servers::{
    contest::{self, Course, Options},
    nats::Nats,
};

/// How many messages are on their way at most; the default of the output.
const IN_FLIGHT: usize = 1_024;

struct Streams {
    address: String,
    runtime: Runtime,
    api: Context,
}

fn main() {
    if let Some(args) = contest::plain() {
        return plain(&args[0]);
    }
    let Some(options) = Options::read() else { return };
    let nats = match Nats::find() {
        Ok(nats) => nats,
        Err(missing) => return println!("{missing}"),
    };
    contest::pin(0);
    let server = nats.start();
    let address = server.address();
    let runtime = Builder::new_current_thread().enable_all().build().expect("it can be started");
    let client = runtime.block_on(async_nats::connect(&address)).expect("the server is there");
    let api = runtime.block_on(async { jetstream::new(client) });
    contest::run(&mut Streams { address, runtime, api }, &options);
}

impl Course for Streams {
    fn name(&self) -> &'static str {
        "JetStream"
    }

    fn prepare(&mut self, n_messages: usize, n_bytes: usize) {
        let api = &self.api;
        self.runtime.block_on(async {
            for name in ["in", "out"] {
                let _ = api.delete_stream(name).await;
                let config = stream::Config {
                    name: name.to_string(),
                    subjects: vec![format!("{name}.>")],
                    storage: stream::StorageType::Memory,
                    ..Default::default()
                };
                api.create_stream(config).await.expect("it can be made");
            }
            let payload = Bytes::from(vec![b'x'; n_bytes]);
            let mut acks = FuturesOrdered::new();
            for _ in 0..n_messages {
                let ack = api.publish("in.all", payload.clone()).await.expect("it is sent");
                acks.push_back(ack.into_future());
                if IN_FLIGHT <= acks.len() {
                    acks.next().await.expect("there is one").expect("it is stored");
                }
            }
            while let Some(ack) = acks.next().await {
                ack.expect("it is stored");
            }
        });
    }

    fn n_there(&mut self) -> usize {
        let asked = self.api.get_stream("out");
        self.runtime.block_on(async { asked.await.map_or(0, |it| it.cached_info().state.messages) }) as usize
    }

    fn config(&self, batch: usize) -> String {
        let url = format!("urls: ['nats://{}']", self.address);
        let input =
            format!("nats_jetstream: {{ {url}, subject: in.>, durable: d, max_ack_pending: {IN_FLIGHT} }}");
        // Neither end has batches of its own.
        let input = match batch {
            1 => input,
            _ => {
                format!("broker: {{ inputs: [{{ {input} }}], batching: {{ count: {batch}, period: 10ms }} }}")
            }
        };
        format!(
            "input: {{ {input} }}\n\
             output: {{ nats_jetstream: {{ {url}, subject: out.all, max_in_flight: {IN_FLIGHT} }} }}\n"
        )
    }

    fn plain(&self) -> Vec<String> {
        vec![self.address.clone()]
    }
}

/// The plain program: reads, turns into upper case, writes, acknowledges; until it is killed.
fn plain(address: &str) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("it can be started");
    runtime.block_on(async {
        let api = jetstream::new(async_nats::connect(address).await.expect("the server is there"));
        let stream = api.get_stream("in").await.expect("it is there");
        let config = pull::Config {
            durable_name: Some("d".to_string()),
            max_ack_pending: IN_FLIGHT as i64,
            ..Default::default()
        };
        let consumer = stream.create_consumer(config).await.expect("it can be made");
        let mut messages = consumer.messages().await.expect("it can be read");
        let mut acks = FuturesOrdered::new();
        loop {
            tokio::select! {
                message = messages.next(), if acks.len() < IN_FLIGHT => {
                    let message = message.expect("there is more").expect("it can be read");
                    let louder = message.payload.to_ascii_uppercase().into();
                    let ack = api.publish("out.all", louder).await.expect("it is sent").into_future();
                    acks.push_back(async move {
                        ack.await.expect("it is stored");
                        message.ack().await.expect("it can be answered");
                    });
                }
                Some(()) = acks.next() => {}
            }
        }
    });
}
