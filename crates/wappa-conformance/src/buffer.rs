//! What holds for every buffer, whoever answers when: run at random, by seed.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use wappa_component::{Ack, Batches, BufferEnds, Charges, Component, Failure, Parcel};
use wappa_message::Message;

use crate::{Harness, Random, text};

/// How many random runs there are of each.
const SEEDS: u64 = 200;

/// How many, where they take their time.
const SEEDS_OF_THE_CLOCK: u64 = 20;

/// A parcel of batches of up to three messages, and how many of its acks were told that all arrived.
fn parcel(first: usize, sizes: &[usize], told: &Arc<AtomicUsize>) -> Parcel {
    let n: usize = sizes.iter().sum();
    let told = Arc::clone(told);
    let ack = Ack::new(n as u32, move |failures: Vec<Failure>| {
        assert_eq!(failures, [], "whoever buffers it answers for it");
        told.fetch_add(1, Ordering::Relaxed);
    });
    let ends = sizes.iter().scan(0, |end, size| {
        *end += *size as u32;
        Some(*end)
    });
    let messages = (first..first + n).map(|it| Message::new(it.to_string())).collect();
    Parcel::of_messages(messages, Batches::Ends(ends.collect()), ack)
}

/// `spills`: it may drop what it has no room for, as long as it counts that.
pub fn check_buffer(components: &[&'static Component], config: &str, spills: bool) {
    for seed in 0..SEEDS {
        check(Harness::of(components), config, seed, spills);
    }
}

/// The same for one that works by the clock; `config` gives each run a place of its own.
pub fn check_buffer_at(components: &[&'static Component], mut config: impl FnMut() -> String) {
    for seed in 0..SEEDS_OF_THE_CLOCK {
        check(Harness::live(components), &config(), seed, false);
    }
}

fn check(mut harness: Harness, config: &str, seed: u64, spills: bool) {
    let text_of = format!("{config}, seed {seed}");
    let mut random = Random::new(seed);
    let BufferEnds { mut buffer, mut input, .. } = harness.buffer(config);
    let told: Arc<AtomicUsize> = Arc::default();
    let (mut n_parcels, mut n_put, mut n_dropped, mut n_read) = (0, 0, 0, 0);
    let mut read: Vec<usize> = Vec::new();
    let mut acks: Vec<Ack> = Vec::new();
    let n_steps = random.below(120);
    let mut has_ended = false;
    let mut n_steps_done = 0;
    while !has_ended {
        assert!(n_steps_done < 10_000, "{text_of}: it does not end");
        if n_steps_done == n_steps {
            buffer.end();
        }
        match random.below(4) {
            0 if n_steps_done < n_steps && buffer.has_room() => {
                let sizes: Vec<usize> =
                    (0..1 + random.below(4)).map(|_| 1 + random.below(3) as usize).collect();
                n_dropped += buffer.put(parcel(n_put, &sizes, &told), Charges::default());
                n_put += sizes.iter().sum::<usize>();
                n_parcels += 1;
            }
            1 if !acks.is_empty() => {
                // The order is anybody's, and what the buffer is told is no news to the input.
                acks.swap_remove(random.below(acks.len() as u64) as usize).delivered();
            }
            2 | 3 => match harness.read_part(input.as_mut()) {
                Ok((part, ack)) => {
                    n_read += part.n_messages();
                    let numbers = text(&part);
                    let numbers = numbers.split(['|', '\n']).filter(|it| !it.is_empty());
                    read.extend(numbers.map(|it| it.parse::<usize>().expect("a number")));
                    acks.push(ack);
                }
                Err(text) => has_ended = text == "end\n",
            },
            _ => (),
        }
        n_steps_done += 1;
    }
    assert!(n_steps <= n_steps_done, "{text_of}: it ends before it was told to");
    assert_eq!(n_read + n_dropped, n_put, "{text_of}: what was put in comes out");
    assert!(spills || n_dropped == 0, "{text_of}: nothing is dropped");
    assert!(read.is_sorted(), "{text_of}: in order");
    assert_eq!(read.iter().collect::<BTreeSet<_>>().len(), n_read, "{text_of}: once");
    acks.into_iter().for_each(Ack::delivered);
    assert!(buffer.has_room(), "{text_of}: nothing is held any more");
    assert_eq!(told.load(Ordering::Relaxed), n_parcels, "{text_of}: the input is told of each parcel once");
}
