//! What holds for every rate limit: at random, by seed, over a time that the test moves, and with threads that ask at once.
//! A new one joins with one line.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use wappa_component::Pulse;
use wappa_message::Message;

use super::{Harness, conformance::Random};

/// How many random runs there are of each.
const SEEDS: u64 = 100;

/// How many messages of ten bytes may go on in an interval of a second: no more than twice as many go on within any time
/// that is as long, and never fewer than that in three.
fn conform(config: &str, count: usize) {
    let message = Message::new("0123456789");
    for seed in 0..SEEDS {
        let (mut harness, mut random) = (Harness::default(), Random::new(seed));
        let limit = harness.rate_limit(config);
        let mut went_on: Vec<Duration> = Vec::new();
        for _ in 0..300 {
            let text = format!("{config}, seed {seed}");
            let now = harness.time.now();
            let wait = limit.access(&message).expect("it can tell");
            if wait.is_zero() {
                went_on.push(now);
                let within = went_on.iter().filter(|it| now < **it + Duration::from_secs(1)).count();
                assert!(within <= 2 * count, "{text}: {within} go on within a second");
            } else {
                assert!(wait <= Duration::from_secs(1), "{text}: nobody waits for longer than an interval");
                // Who asks again too early waits for the rest.
                if random.below(2) == 0 {
                    harness.time.advance(wait / 2);
                    let rest = limit.access(&message).expect("it can tell");
                    assert!(!rest.is_zero() && rest <= wait, "{text}: {rest:?} of {wait:?} are left");
                    harness.time.advance(rest);
                } else {
                    harness.time.advance(wait);
                }
                assert_eq!(limit.access(&message), Ok(Duration::ZERO), "{text}: who has waited goes on");
                went_on.push(harness.time.now());
            }
            if random.below(4) == 0 {
                harness.time.advance(Duration::from_millis(random.below(400)));
            }
        }
    }
    // No more go on because they ask at once.
    let limit = Harness::default().rate_limit(config);
    let n_granted: Arc<AtomicUsize> = Arc::default();
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
    assert_eq!(n_granted.load(Ordering::SeqCst), count, "{config}: asked by four at once");
}

#[test]
fn every_rate_limit() {
    conform("local: {count: 7, interval: 1s}", 7);
    conform("local: {count: 0, byte_size: 55, interval: 1s}", 5);
    conform("local: {count: 3, byte_size: 1000, interval: 1s}", 3);
}
