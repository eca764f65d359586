//! From one stream of Redis through a guest into another, beside a plain program with the same client, which does the same
//! without a guest, and beside a Bento where one is given.
//!
//! `cargo build --release`, then `cargo bench -p wappa-redis --bench streams -- [--quick]`. Needs `redis-server`.
//! [`wappa_servers::contest`] says what is measured.
#![allow(clippy::print_stdout, reason = "the table is what it is for")]

use redis::{
    Client, Commands as _, Connection,
    streams::{StreamReadOptions, StreamReadReply},
};
use wappa_servers::{
    contest::{self, Course, Options},
    redis::Redis,
};

/// How many entries are read at once.
const READ_AT_ONCE: usize = 100;

struct Streams {
    address: String,
    outside: Connection,
}

fn connect(address: &str) -> Connection {
    let client = Client::open(format!("redis://{address}")).expect("it is a URL");
    client.get_connection().expect("the server is there")
}

fn main() {
    if let Some(args) = contest::plain() {
        return plain(&args[0]);
    }
    let Some(options) = Options::read() else { return };
    let redis = match Redis::find() {
        Ok(redis) => redis,
        Err(missing) => return println!("{missing}"),
    };
    contest::pin(0);
    let server = redis.start();
    let address = server.address();
    let outside = connect(&address);
    contest::run(&mut Streams { address, outside }, &options);
}

impl Course for Streams {
    fn name(&self) -> &'static str {
        "Redis Streams"
    }

    fn prepare(&mut self, n_messages: usize, n_bytes: usize) {
        let () = self.outside.del(&["in", "out"]).expect("it can be removed");
        let content = vec![b'x'; n_bytes];
        for from in (0..n_messages).step_by(1_000) {
            let mut pipeline = redis::pipe();
            for _ in from..n_messages.min(from + 1_000) {
                pipeline.xadd("in", "*", &[("body", &content)]).ignore();
            }
            pipeline.exec(&mut self.outside).expect("they are stored");
        }
    }

    fn n_there(&mut self) -> usize {
        self.outside.xlen("out").expect("it can be asked")
    }

    fn config(&self, batch: usize) -> String {
        let url = format!("url: 'redis://{}'", self.address);
        let batching = match batch {
            1 => String::new(),
            _ => format!(", batching: {{ count: {batch}, period: 10ms }}"),
        };
        format!(
            "input: {{ redis_streams: {{ {url}, streams: [in], consumer_group: g, limit: {READ_AT_ONCE} }} }}\n\
             output: {{ redis_streams: {{ {url}, stream: out, max_in_flight: 64{batching} }} }}\n"
        )
    }

    fn plain(&self) -> Vec<String> {
        vec![self.address.clone()]
    }
}

/// The plain program: reads, turns into upper case, writes, acknowledges; until it is killed.
fn plain(address: &str) {
    let mut connection = connect(address);
    let _: Result<(), _> = connection.xgroup_create("in", "g", "0");
    let options = StreamReadOptions::default().group("g", "plain").count(READ_AT_ONCE).block(1_000);
    loop {
        let read: Option<StreamReadReply> =
            connection.xread_options(&["in"], &[">"], &options).expect("it can be read");
        for stream in read.into_iter().flat_map(|it| it.keys) {
            let mut pipeline = redis::pipe();
            for entry in &stream.ids {
                let content: Vec<u8> = entry.get("body").expect("it has one");
                pipeline.xadd("out", "*", &[("body", content.to_ascii_uppercase())]).ignore();
            }
            pipeline.exec(&mut connection).expect("they are stored");
            let ids: Vec<&str> = stream.ids.iter().map(|it| it.id.as_str()).collect();
            let _: usize = connection.xack("in", "g", &ids).expect("it is told");
        }
    }
}
