//! Inputs, outputs and the cache do what every such one has to, beside a real server that is killed, stands still and comes
//! back.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use async_nats::{
    Client, ConnectOptions,
    jetstream::{self, Context, consumer::pull, kv, stream},
};
use futures_util::StreamExt;
use tokio::runtime::Runtime;
use wappa_component::Component;
use wappa_conformance::{
    CacheServer, Downstream, Keys, Peer, Upstream, check_cache_at, check_input_from, check_output_to,
};
use wappa_servers::{Server, nats::Nats, or_skip};

/// Whether there is a server to run.
fn is_there() -> bool {
    or_skip(Nats::find()).is_some()
}

fn table() -> &'static [&'static Component] {
    let all: Vec<_> = wappa_pure::components().into_iter().chain(wappa_nats::components()).collect();
    all.leak()
}

/// A server with a stream and a bucket.
struct Peers {
    runtime: Runtime,
    server: Server,
    client: Option<Client>,
    /// The body of the config, with `{URLS}`.
    body: String,
    is_held: bool,
}

impl Peers {
    fn new(body: &str) -> Peers {
        let server = or_skip(Nats::find()).expect("it was there").start();
        let runtime = Runtime::new().expect("it can be started");
        let mut peers = Peers { runtime, server, client: None, body: body.to_string(), is_held: false };
        peers.connect();
        let api = peers.api();
        peers.runtime.block_on(async {
            let config = stream::Config {
                name: "s".to_string(),
                subjects: vec!["s.>".to_string()],
                ..Default::default()
            };
            api.create_stream(config).await.expect("it can be made");
            let config = kv::Config { bucket: "b".to_string(), history: 64, ..Default::default() };
            api.create_key_value(config).await.expect("it can be made");
        });
        peers
    }

    fn connect(&mut self) {
        let options =
            ConnectOptions::new().connection_timeout(Duration::from_secs(60)).retry_on_initial_connect();
        let connected = self.runtime.block_on(options.connect(self.server.address()));
        self.client = Some(connected.expect("the server is there"));
    }

    fn api(&self) -> Context {
        let _entered = self.runtime.enter();
        let mut api = jetstream::new(self.client.clone().expect("it is connected"));
        api.set_timeout(Duration::from_secs(60));
        api
    }

    /// The contents of all messages of a stream.
    fn contents(&self, stream: &str) -> Vec<String> {
        if self.is_held || self.client.is_none() {
            return Vec::new();
        }
        let api = self.api();
        self.runtime.block_on(async {
            let stream = api.get_stream(stream).await.expect("it is there");
            let n = stream.cached_info().state.messages as usize;
            let consumer =
                stream.create_consumer(pull::OrderedConfig::default()).await.expect("it can be made");
            let messages = consumer.messages().await.expect("it can be read").take(n);
            let messages = messages.map(|it| it.expect("it can be read"));
            messages.map(|it| String::from_utf8_lossy(&it.payload).into_owned()).collect().await
        })
    }
}

impl Peer for Peers {
    fn config(&self) -> String {
        self.body.replace("{URLS}", &format!("urls: ['nats://{}']", self.server.address()))
    }

    fn go(&mut self) {
        self.client = None;
        self.server.kill();
    }

    fn come_back(&mut self) {
        self.server.start_again();
        self.connect();
    }

    fn hold(&mut self, is_held: bool) -> bool {
        if self.client.is_none() {
            return false;
        }
        if is_held {
            self.server.pause();
        } else {
            self.server.resume();
        }
        self.is_held = is_held;
        true
    }
}

/// What keeps everything until it is answered.
struct JetStream(Peers);

/// What keeps nothing.
struct Subject(Peers);

macro_rules! peer {
    ($name:ident) => {
        impl Peer for $name {
            fn config(&self) -> String {
                self.0.config()
            }

            fn go(&mut self) {
                self.0.go();
            }

            fn come_back(&mut self) {
                self.0.come_back();
            }

            fn hold(&mut self, is_held: bool) -> bool {
                self.0.hold(is_held)
            }
        }
    };
}

peer!(JetStream);
peer!(Subject);

impl Upstream for JetStream {
    fn send(&mut self, messages: &[String]) -> bool {
        let api = self.0.api();
        self.0.runtime.block_on(async {
            for message in messages {
                let sent = api.publish("s.x", message.clone().into()).await.expect("it is sent");
                sent.await.expect("it is stored");
            }
        });
        true
    }

    fn keeps(&self) -> bool {
        true
    }
}

impl Upstream for Subject {
    fn send(&mut self, messages: &[String]) -> bool {
        let (client, address) = (self.0.client.as_ref(), format!("127.0.0.1:{}", self.0.server.port(1)));
        // Where nobody reads the subject nobody gets them.
        if !is_read(&address) {
            return false;
        }
        let client = client.expect("it is connected");
        self.0.runtime.block_on(async {
            for message in messages {
                client.publish("s.x", message.clone().into()).await.expect("it is sent");
            }
            client.flush().await.expect("it is sent");
        });
        true
    }

    fn keeps(&self) -> bool {
        false
    }
}

/// Whether the monitoring of the server knows who reads the subject.
fn is_read(address: &str) -> bool {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.write_all(b"GET /connz?subs=1 HTTP/1.0\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer.contains("\"s.x\"")
}

impl Downstream for Subject {
    fn received(&mut self) -> Vec<String> {
        // The stream is told of everything that is published.
        self.0.contents("s")
    }

    fn may_lose(&self) -> bool {
        true
    }
}

impl Downstream for JetStream {
    fn received(&mut self) -> Vec<String> {
        self.0.contents("s")
    }
}

/// The bucket is a stream, too.
struct Bucket(Peers);

peer!(Bucket);

impl Downstream for Bucket {
    fn received(&mut self) -> Vec<String> {
        self.0.contents("KV_b")
    }
}

impl CacheServer for Bucket {
    fn keys(&self) -> Keys {
        Keys::Words
    }

    fn ttl_min(&self) -> Option<Duration> {
        None
    }
}

#[test]
fn every_input() {
    if !is_there() {
        return;
    }
    let of_stream = "nats_jetstream: {{URLS}, subject: s.x, durable: d, ack_wait: 2s, MORE}";
    for more in ["pull: true", "pull: false", "queue: q"] {
        let body = of_stream.replace("MORE", more);
        check_input_from(table(), || JetStream(Peers::new(&body)));
    }
    check_input_from(table(), || Subject(Peers::new("nats: {{URLS}, subject: s.x}")));
}

#[test]
fn every_output() {
    if !is_there() {
        return;
    }
    let body = "nats_jetstream: {{URLS}, subject: s.x, max_in_flight: 8}";
    check_output_to(table(), || JetStream(Peers::new(body)));
    check_output_to(table(), || Subject(Peers::new("nats: {{URLS}, subject: s.x, max_in_flight: 8}")));
    let body = "nats_kv: {{URLS}, bucket: b, key: '${! content() }', max_in_flight: 8}";
    check_output_to(table(), || Bucket(Peers::new(body)));
}

#[test]
fn the_cache() {
    if is_there() {
        check_cache_at(table(), || Bucket(Peers::new("nats_kv: {{URLS}, bucket: b}")));
    }
}
