//! Inputs, outputs, the cache and the rate limit do what every such one has to, beside a real server that is killed, stands
//! still and comes back.

mod support;

use std::time::Duration;

use support::{Answer, Outside, streams};
use wappa_conformance::{
    CacheServer, Downstream, Peer, RateLimitServer, Upstream, check_cache_at, check_input_from,
    check_output_to, check_rate_limit_at,
};
use wappa_servers::{Server, or_skip, redis::Redis};

/// Whether there is a server to run.
fn is_there() -> bool {
    or_skip(Redis::find()).is_some()
}

/// A server, and what is in it.
struct There {
    server: Server,
    /// The body of the config, with `{URL}`.
    body: &'static str,
    kind: Kind,
    is_up: bool,
    is_held: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Stream,
    List,
    Channel,
}

impl There {
    fn new(kind: Kind, body: &'static str) -> There {
        // What was said to be written is in the file, even if the system does not have it on a disk.
        let server = or_skip(Redis::find()).expect("it was there").args(&["--appendfsync", "always"]).start();
        There { server, body, kind, is_up: true, is_held: false }
    }

    fn outside(&self) -> Outside {
        Outside::new(&self.server.address())
    }
}

impl Peer for There {
    fn config(&self) -> String {
        self.body.replace("{URL}", &format!("url: 'redis://{}'", self.server.address()))
    }

    fn go(&mut self) {
        self.server.kill();
        self.is_up = false;
    }

    fn come_back(&mut self) {
        self.server.start_again();
        self.is_up = true;
    }

    fn hold(&mut self, is_held: bool) -> bool {
        if !self.is_up {
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

impl Upstream for There {
    fn send(&mut self, messages: &[String]) -> bool {
        let mut outside = self.outside();
        if self.kind == Kind::Channel && outside.ask("PUBSUB NUMSUB c").texts() == ["c", "0"] {
            return false;
        }
        let command = |it: &String| match self.kind {
            Kind::Stream => ["XADD", "s", "*", "body", it].map(str::to_string).to_vec(),
            Kind::List => ["RPUSH", "l", it].map(str::to_string).to_vec(),
            Kind::Channel => ["PUBLISH", "c", it].map(str::to_string).to_vec(),
        };
        outside.all(&messages.iter().map(command).collect::<Vec<_>>());
        true
    }

    fn keeps(&self) -> bool {
        self.kind == Kind::Stream
    }

    fn sends_again(&self) -> bool {
        // What is not acknowledged is read once more.
        self.kind == Kind::Stream
    }
}

impl Downstream for There {
    fn received(&mut self) -> Vec<String> {
        if !self.is_up || self.is_held {
            return Vec::new();
        }
        let mut outside = self.outside();
        match self.kind {
            Kind::Stream => outside.contents("s"),
            _ => match outside.ask("LRANGE l 0 -1") {
                Answer::List(all) => all.iter().flat_map(Answer::texts).collect(),
                _ => Vec::new(),
            },
        }
    }
}

impl CacheServer for There {
    fn ttl_min(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }
}

impl RateLimitServer for There {
    fn count(&self) -> usize {
        10
    }
}

#[test]
fn every_input() {
    if !is_there() {
        return;
    }
    let body = "redis_streams: {{URL}, streams: [s], consumer_group: g, client_id: c, commit_period: 10ms, claim_after: 2s}";
    check_input_from(streams().components(), || There::new(Kind::Stream, body));
    let body =
        "redis_streams: {{URL}, streams: [s], consumer_group: g, client_id: c, auto_replay_nacks: false}";
    check_input_from(streams().components(), || There::new(Kind::Stream, body));
    check_input_from(streams().components(), || There::new(Kind::List, "redis_list: {{URL}, key: l}"));
    check_input_from(streams().components(), || {
        There::new(Kind::Channel, "redis_pubsub: {{URL}, channels: [c]}")
    });
}

#[test]
fn every_output() {
    if !is_there() {
        return;
    }
    check_output_to(streams().components(), || {
        There::new(Kind::Stream, "redis_streams: {{URL}, stream: s, max_in_flight: 8}")
    });
    check_output_to(streams().components(), || {
        There::new(Kind::List, "redis_list: {{URL}, key: l, max_in_flight: 8}")
    });
}

#[test]
fn the_cache_and_the_rate_limit() {
    if !is_there() {
        return;
    }
    let retries = "retries: {initial_interval: 10ms, max_elapsed_time: 100ms}";
    let body: &str = format!("redis: {{{{URL}}, prefix: 'p:', {retries}}}").leak();
    check_cache_at(streams().components(), || There::new(Kind::Stream, body));
    check_rate_limit_at(streams().components(), || {
        There::new(Kind::Stream, "redis: {{URL}, key: k, count: 10, interval: 1s}")
    });
}
