//! What holds for every cache, against a model.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use bytes::Bytes;
use wappa_component::{Cache, Component, Pulse};
use wappa_spec::ComponentKind;

use crate::{CacheServer, Harness, Keys, Random, TempDir, wait_until};

/// How many random runs there are of each.
const SEEDS: u64 = 20;

/// How long the values of a cache stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stay {
    /// Until they are deleted.
    Forever,
    /// All of them as long.
    Fixed(Duration),
    /// So long, unless they are set with a time of their own.
    Own(Duration),
}

/// What has to be in a cache: each value with the end of its time.
#[derive(Default)]
struct Model(HashMap<&'static [u8], (Bytes, Option<Duration>)>);

impl Model {
    fn get(&self, key: &[u8], now: Duration) -> Option<Bytes> {
        let (value, until) = self.0.get(key)?;
        until.is_none_or(|it| now <= it).then(|| value.clone())
    }

    fn set(&mut self, key: &'static [u8], value: &[u8], ttl: Option<Duration>, now: Duration, stay: Stay) {
        let ttl = match stay {
            Stay::Forever => None,
            Stay::Fixed(it) => Some(it),
            Stay::Own(it) => Some(ttl.unwrap_or(it)),
        };
        self.0.insert(key, (Bytes::copy_from_slice(value), ttl.map(|it| now + it)));
    }
}

/// Does things at random, and looks after each of them at all that is there.
fn run(cache: &dyn Cache, harness: &Harness, keys: Keys, stay: Stay, seed: u64) {
    let mut random = Random::new(seed);
    let mut model = Model::default();
    let keys = keys.examples();
    // What somebody else left there.
    keys.iter().for_each(|it| cache.delete(it).expect("it can be deleted"));
    // Where time passes by itself, nobody can tell on which side of its end a value is asked for.
    let seconds = if harness.time.is_of_the_clock() { [3600, 7200] } else { [3, 30] };
    let [short, long] = seconds.map(Duration::from_secs);
    for step in 0..150 {
        let key = keys[random.below(keys.len() as u64) as usize];
        let buffer = vec![step as u8; random.below(3) as usize * 1000];
        let ttl = [None, Some(short), Some(long)][random.below(3) as usize];
        let now = harness.time.now();
        match random.below(5) {
            0 => {
                cache.set(key, &buffer, ttl).expect("it can be set");
                model.set(key, &buffer, ttl, now, stay);
            }
            1 => {
                let is_there = model.get(key, now).is_some();
                assert_eq!(cache.add(key, &buffer, ttl), Ok(!is_there), "{key:?}");
                if !is_there {
                    model.set(key, &buffer, ttl, now, stay);
                }
            }
            2 => {
                cache.delete(key).expect("it can be deleted");
                model.0.remove(key);
            }
            3 if !harness.time.is_of_the_clock() => {
                harness.time.advance(Duration::from_secs(random.below(5)))
            }
            _ => (),
        }
        let now = harness.time.now();
        for key in keys {
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
        cache.delete(key.as_bytes()).expect("it can be deleted");
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
pub fn check_cache(components: &[&'static Component], resources: &[&str], config: &str, stay: Stay) {
    for seed in 0..SEEDS {
        let dir = TempDir::new();
        let placed = |config: &str| config.replace("DIR", &dir.at("values"));
        let mut harness = Harness::of(components);
        for it in resources {
            harness.resource(ComponentKind::Cache, &placed(it));
        }
        let cache = harness.cache(&placed(config));
        run(cache.as_ref(), &harness, Keys::Any, stay, seed);
        if seed == 0 {
            one_adds(cache.as_ref());
            values_are_whole(cache.as_ref());
        }
    }
}

/// Checks a cache that is on servers of this kind.
pub fn check_cache_at<S: CacheServer>(components: &[&'static Component], make: impl FnOnce() -> S) {
    let mut server = make();
    let mut harness = Harness::live(components);
    for (kind, resource) in server.resources() {
        harness.resource(kind, &resource);
    }
    let config = server.config();
    let cache = harness.cache(&config);
    for seed in 0..3 {
        run(cache.as_ref(), &harness, server.keys(), Stay::Forever, seed);
    }
    one_adds(cache.as_ref());
    values_are_whole(cache.as_ref());
    if let Some(ttl) = server.ttl_min() {
        cache.set(b"short", b"a", Some(ttl)).expect("it can be set");
        cache.set(b"long", b"a", Some(Duration::from_secs(3600))).expect("it can be set");
        wait_until("the time of a value is over", || cache.get(b"short") == Ok(None));
        assert_eq!(cache.add(b"short", b"b", Some(ttl)), Ok(true), "{config}");
        assert_eq!(cache.get(b"long"), Ok(Some("a".into())), "{config}");
    }
    for _ in 0..2 {
        server.go();
        // Nobody waits for ever, and nobody is told what is not so.
        assert!(cache.get(b"a").is_err() && cache.set(b"a", b"", None).is_err(), "{config}: it is gone");
        server.come_back();
        wait_until("it is there again", || cache.set(b"a", b"again", None).is_ok());
        assert_eq!(cache.get(b"a"), Ok(Some("again".into())), "{config}");
    }
}
