//! What holds for every cache, against a model: a new one joins with one line.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use bytes::Bytes;
use wappa_component::{Cache, Pulse};
use wappa_spec::ComponentKind;

use super::{Harness, TempDir};

/// How many random runs there are of each.
const SEEDS: u64 = 20;

/// How long the values of a cache stay.
#[derive(Clone, Copy, PartialEq)]
enum Time {
    Forever,
    /// All of them as long.
    Fixed(Duration),
    /// So long, unless they are set with a time of their own.
    Own(Duration),
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// What has to be in a cache: each value with the end of its time.
#[derive(Default)]
struct Model(HashMap<&'static [u8], (Bytes, Option<Duration>)>);

impl Model {
    fn get(&self, key: &[u8], now: Duration) -> Option<Bytes> {
        let (value, until) = self.0.get(key)?;
        until.is_none_or(|it| now <= it).then(|| value.clone())
    }

    fn set(&mut self, key: &'static [u8], value: &[u8], ttl: Option<Duration>, now: Duration, time: Time) {
        let ttl = match time {
            Time::Forever => None,
            Time::Fixed(it) => Some(it),
            Time::Own(it) => Some(ttl.unwrap_or(it)),
        };
        self.0.insert(key, (Bytes::copy_from_slice(value), ttl.map(|it| now + it)));
    }
}

/// Keys as messages make them; the cache of files takes those that can be paths.
const KEYS: [&[u8]; 7] = [b"a", b"b", b"key with spaces", b"sub/key", "é".as_bytes(), b"\xff\xfe", b"-"];

/// Does things at random, and looks after each of them at all that is there.
fn run(cache: &dyn Cache, harness: &Harness, time: Time, seed: u64) {
    let mut random = Random(seed);
    let mut model = Model::default();
    for step in 0..150 {
        let key = KEYS[random.below(KEYS.len() as u64) as usize];
        let buffer = vec![step as u8; random.below(3) as usize * 1000];
        let ttl =
            [None, Some(Duration::from_secs(3)), Some(Duration::from_secs(30))][random.below(3) as usize];
        let now = harness.time.now();
        match random.below(5) {
            0 => {
                cache.set(key, &buffer, ttl).expect("it can be set");
                model.set(key, &buffer, ttl, now, time);
            }
            1 => {
                let is_there = model.get(key, now).is_some();
                assert_eq!(cache.add(key, &buffer, ttl), Ok(!is_there), "{key:?}");
                if !is_there {
                    model.set(key, &buffer, ttl, now, time);
                }
            }
            2 => {
                cache.delete(key).expect("it can be deleted");
                model.0.remove(key);
            }
            3 => harness.time.advance(Duration::from_secs(random.below(5))),
            _ => (),
        }
        let now = harness.time.now();
        for key in KEYS {
            let expected = model.get(key, now);
            assert_eq!(cache.exists(key), Ok(expected.is_some()), "{key:?}");
            assert_eq!(cache.get(key), Ok(expected), "{key:?}");
        }
    }
}

/// Of threads that add one key at the same time, one does.
fn one_adds(cache: &dyn Cache) {
    for round in 0..20 {
        let key = format!("round{round}");
        let n_added = AtomicUsize::new(0);
        thread::scope(|scope| {
            for thread in 0..4u8 {
                let (key, n_added) = (&key, &n_added);
                scope.spawn(move || {
                    let is_added = cache.add(key.as_bytes(), &[thread; 100], None).expect("it can be added");
                    n_added.fetch_add(usize::from(is_added), Ordering::Relaxed);
                });
            }
        });
        assert_eq!(n_added.load(Ordering::Relaxed), 1);
        let value = cache.get(key.as_bytes()).expect("it can be got").expect("one was added");
        assert_eq!(value, vec![value[0]; 100], "a value is whole");
    }
}

/// Readers see whole values while others set and delete them.
fn values_are_whole(cache: &dyn Cache) {
    thread::scope(|scope| {
        for writer in 1..3u8 {
            scope.spawn(move || {
                for n in 0..100 {
                    cache
                        .set(b"shared", &vec![writer; 500 * usize::from(writer)], None)
                        .expect("it can be set");
                    if n % 7 == 0 {
                        cache.delete(b"shared").expect("it can be deleted");
                    }
                }
            });
        }
        for _ in 0..200 {
            if let Some(value) = cache.get(b"shared").expect("it can be got") {
                assert!(!value.is_empty() && value == vec![value[0]; 500 * usize::from(value[0])]);
            }
        }
    });
}

/// `config` is the body of a resource; `DIR` in it a directory. Resources that it refers to come first.
fn conform(resources: &[&str], config: &str, time: Time) {
    for seed in 0..SEEDS {
        let dir = TempDir::new();
        let placed = |config: &str| config.replace("DIR", &dir.at("values"));
        let mut harness = Harness::default();
        for it in resources {
            harness.resource(ComponentKind::Cache, &placed(it));
        }
        let cache = harness.cache(&placed(config));
        run(cache.as_ref(), &harness, time, seed);
        if seed == 0 {
            one_adds(cache.as_ref());
            values_are_whole(cache.as_ref());
        }
    }
}

#[test]
fn every_cache_does_what_it_is_asked_to() {
    let s = Duration::from_secs;
    conform(&[], "memory: {default_ttl: 10s, compaction_interval: 7s}", Time::Own(s(10)));
    conform(&[], "memory: {default_ttl: 10s, shards: 3}", Time::Own(s(10)));
    conform(&[], "memory: {default_ttl: 1s, compaction_interval: ''}", Time::Forever);
    conform(&[], "lru: {}", Time::Forever);
    conform(&[], "lru: {algorithm: two_queues}", Time::Forever);
    conform(&[], "lru: {algorithm: arc}", Time::Forever);
    conform(&[], "ttlru: {default_ttl: 10s}", Time::Fixed(s(10)));
    conform(&[], "file: {directory: DIR}", Time::Forever);
    let levels = ["{label: near, lru: {cap: 2}}", "{label: far, file: {directory: DIR}}"];
    conform(&levels, "multilevel: [near, far]", Time::Forever);
}

#[test]
fn what_has_no_room_is_forgotten() {
    let mut harness = Harness::default();
    for config in ["lru: {cap: 2}", "ttlru: {cap: 2}", "lru: {cap: 2, algorithm: arc}"] {
        let cache = harness.cache(config);
        for key in [b"a", b"b", b"c"] {
            cache.set(key, b"", None).expect("it can be set");
        }
        assert_eq!((cache.exists(b"a"), cache.exists(b"c")), (Ok(false), Ok(true)), "{config}");
    }
    let noop = harness.cache("noop: {}");
    noop.set(b"a", b"", None).expect("it can be set");
    assert_eq!(
        (noop.get(b"a"), noop.add(b"a", b"", None), noop.exists(b"a")),
        (Ok(None), Ok(true), Ok(false))
    );
}

#[test]
fn values_that_are_there_from_the_beginning() {
    let mut harness = Harness::default();
    for config in ["memory", "lru", "ttlru"] {
        let cache = harness.cache(&format!("{config}: {{init_values: {{a: b}}}}"));
        assert_eq!(cache.get(b"a"), Ok(Some("b".into())));
    }
    // They have no time in `memory`, until they are set.
    let cache = harness.cache("memory: {default_ttl: 1s, init_values: {a: b}}");
    harness.time.advance(Duration::from_secs(100));
    assert_eq!(cache.get(b"a"), Ok(Some("b".into())));
    cache.set(b"a", b"c", None).expect("it can be set");
    harness.time.advance(Duration::from_secs(100));
    assert_eq!(cache.get(b"a"), Ok(None));
}

#[test]
fn levels_are_filled_from_below() {
    let mut harness = Harness::default();
    harness.resource(ComponentKind::Cache, "{label: near, memory: {}}");
    harness.resource(ComponentKind::Cache, "{label: far, lru: {init_values: {a: b}}}");
    let cache = harness.cache("multilevel: [near, far]");
    let near = harness.cache_of("near");
    assert_eq!(near.get(b"a"), Ok(None));
    assert_eq!(cache.get(b"a"), Ok(Some("b".into())));
    assert_eq!(near.get(b"a"), Ok(Some("b".into())));
    assert_eq!(cache.add(b"a", b"c", None), Ok(false));
    cache.delete(b"a").expect("it can be deleted");
    assert_eq!((near.get(b"a"), harness.cache_of("far").get(b"a")), (Ok(None), Ok(None)));
}
