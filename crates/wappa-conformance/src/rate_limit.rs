//! What holds for every rate limit: at random, by seed, over a time that the test moves, and with threads that ask at once.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use wappa_component::{Component, Pulse, RateLimit};
use wappa_message::Message;

use crate::{Harness, Random, RateLimitServer, wait_until};

/// What asks to go on.
const MESSAGE: &str = "0123456789";

const INTERVAL: Duration = Duration::from_secs(1);

/// How many random runs there are of each.
const SEEDS: u64 = 100;

/// No more than twice as many messages as may go on within an interval of a second go on within any time that is as long, and
/// never fewer than that in three.
fn run(limit: &dyn RateLimit, harness: &Harness, count: usize, n_steps: usize, seed: u64, text: &str) {
    let (message, mut random) = (Message::new(MESSAGE), Random::new(seed));
    let is_of_the_clock = harness.time.is_of_the_clock();
    // Each with the time at which it was asked for: what it took to be told makes no two seem nearer to each other.
    let mut went_on: Vec<Duration> = Vec::new();
    for _ in 0..n_steps {
        let asked = harness.time.now();
        let wait = limit.access(&message).expect("it can tell");
        if wait.is_zero() {
            went_on.push(asked);
            let now = harness.time.now();
            let within = went_on.iter().filter(|it| now < **it + INTERVAL).count();
            assert!(within <= 2 * count, "{text}: {within} go on within a second");
        } else {
            assert!(wait <= INTERVAL, "{text}: nobody waits for longer than an interval");
            // Who asks again too early waits for the rest.
            if !is_of_the_clock && random.one_in(2) {
                harness.time.advance(wait / 2);
                let rest = limit.access(&message).expect("it can tell");
                assert!(!rest.is_zero() && rest <= wait, "{text}: {rest:?} of {wait:?} are left");
                harness.time.advance(rest);
            } else {
                harness.time.advance(wait);
            }
            let asked = harness.time.now();
            assert_eq!(limit.access(&message), Ok(Duration::ZERO), "{text}: who has waited goes on");
            went_on.push(asked);
        }
        if random.one_in(4) {
            harness.time.advance(Duration::from_millis(random.below(400)));
        }
    }
}

/// No more go on because they ask at once.
fn asked_at_once(limit: &dyn RateLimit, count: usize, text: &str) {
    let message = Message::new(MESSAGE);
    let n_granted = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..count {
                    let wait = limit.access(&message).expect("it can tell");
                    n_granted.fetch_add(usize::from(wait.is_zero()), Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(n_granted.load(Ordering::SeqCst), count, "{text}: asked by four at once");
}

/// `count` messages of ten bytes may go on within a second.
pub fn check_rate_limit(components: &[&'static Component], config: &str, count: usize) {
    for seed in 0..SEEDS {
        let mut harness = Harness::of(components);
        let limit = harness.rate_limit(config);
        run(limit.as_ref(), &harness, count, 300, seed, &format!("{config}, seed {seed}"));
    }
    asked_at_once(Harness::of(components).rate_limit(config).as_ref(), count, config);
}

/// Checks a rate limit that is on servers of this kind.
pub fn check_rate_limit_at<S: RateLimitServer>(components: &[&'static Component], make: impl FnOnce() -> S) {
    let mut server = make();
    let mut harness = Harness::live(components);
    for (kind, resource) in server.resources() {
        harness.resource(kind, &resource);
    }
    let config = server.config();
    let limit = harness.rate_limit(&config);
    run(limit.as_ref(), &harness, server.count(), 5 * server.count(), 0, &config);
    for _ in 0..2 {
        server.go();
        assert!(limit.access(&Message::new(MESSAGE)).is_err(), "{config}: it is gone");
        server.come_back();
        wait_until("it is there again", || limit.access(&Message::new(MESSAGE)).is_ok());
    }
}
