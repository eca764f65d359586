//! What the buffer `memory` holds, drops and rings.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use wappa_component::{Batches, InputBell, Sample};
use wappa_message::Message;

use super::*;
use crate::test::{Harness, check_lint, text};

/// A parcel of batches that are separated by blanks, of messages that are separated by `|`.
fn parcel(batches: &str) -> Parcel {
    let messages: Vec<Message> = batches.split([' ', '|']).map(|it| Message::new(it.to_string())).collect();
    let ends = batches.split(' ').scan(0, |end, batch| {
        *end += batch.split('|').count() as u32;
        Some(*end)
    });
    let (ends, n) = (ends.collect(), messages.len() as u32);
    Parcel::of_messages(messages, Batches::Ends(ends), Ack::new(n, |failures: Vec<Failure>| assert_eq!(failures, [])))
}

fn active(harness: &Harness) -> i64 {
    let samples = harness.samples();
    let of = samples.iter().find(|(series, _)| series.name == ACTIVE.name);
    match of {
        Some((_, Sample::Gauge(n))) => *n,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_not_answered_takes_up_room() {
    let mut harness = Harness::default();
    let BufferEnds { mut buffer, mut input, .. } = harness.buffer("memory: {limit: 200}");
    assert_eq!(harness.read(input.as_mut()), "not ready\n");
    assert_eq!((buffer.put(parcel("a b|c"), Charges::default()), buffer.has_room()), (0, true));
    assert_eq!(active(&harness), 3 * 65);
    assert_eq!((buffer.put(parcel("d"), Charges::default()), buffer.has_room()), (0, false));
    let (part, ack) = harness.read_part(input.as_mut()).expect("it was put in");
    assert_eq!((text(&part).as_str(), buffer.has_room()), ("a\nb|c\n", false));
    assert!(!input.is_exhausted());
    let (_, other) = harness.read_part(input.as_mut()).expect("it was put in");
    // Nothing comes before something is answered.
    assert!(input.is_exhausted());
    ack.delivered();
    assert_eq!((buffer.has_room(), input.is_exhausted(), active(&harness)), (true, false, 65));
    buffer.end();
    assert_eq!((harness.read(input.as_mut()).as_str(), input.is_exhausted()), ("end\n", true));
    drop(other);
    assert_eq!(active(&harness), 0);
}

#[test]
fn bells_are_rung_where_somebody_waits() {
    let rung = [(); 2].map(|()| Arc::<AtomicBool>::default());
    let bell = |idx: usize| {
        let rung = Arc::clone(&rung[idx]);
        InputBell::new(move || rung.store(true, Ordering::Relaxed))
    };
    let take = || [0, 1].map(|idx: usize| rung[idx].swap(false, Ordering::Relaxed));
    let shared = Arc::new(Shared {
        limit: 100,
        filler: bell(0),
        reader: bell(1),
        active: Gauge::default(),
        state: Mutex::default(),
    });
    let mut buffer = Memory { shared: Arc::clone(&shared), spillover: Counter::default(), spills: false };
    let mut input = Outlet(shared);
    let mut harness = Harness::default();
    buffer.put(parcel("a b"), Charges::default());
    assert_eq!(take(), [false, true]);
    buffer.put(parcel("c"), Charges::default());
    let acks = [(); 2].map(|()| harness.read_part(&mut input).expect("it was put in").1);
    take();
    acks.into_iter().for_each(Ack::delivered);
    assert_eq!(take(), [true, false]);
    buffer.end();
    assert_eq!(take(), [false, true]);
}

#[test]
fn what_spills_over_is_dropped_batch_by_batch() {
    let mut harness = Harness::default();
    let BufferEnds { mut buffer, mut input, .. } = harness.buffer("memory: {limit: 200, spillover: true}");
    assert_eq!(buffer.put(parcel("a b|c d e"), Charges::default()), 2);
    assert_eq!((buffer.put(parcel("f"), Charges::default()), buffer.has_room()), (1, true));
    assert_eq!(harness.counters(SPILLOVER.name), "label=,path=root.buffer 195\n");
    assert_eq!(harness.read(input.as_mut()), "a\nb|c\n");
    // One that is larger than the limit comes by itself.
    assert_eq!(buffer.put(parcel("g|h|i|j k"), Charges::default()), 1);
    assert_eq!(harness.read(input.as_mut()), "g|h|i|j\n");
}

#[test]
fn a_policy_makes_other_batches() {
    let mut harness = Harness::default();
    let config = "memory: {batch_policy: {enabled: true, count: 3, period: 1s, processors: [{append: x}]}}";
    let BufferEnds { mut buffer, mut input, .. } = harness.buffer(config);
    buffer.put(parcel("a b|c d"), Charges::default());
    assert_eq!(harness.read_all(input.as_mut()).replace("not ready\n", ""), "ax|bx|cx\ndx\n");
    buffer.put(parcel("e"), Charges::default());
    buffer.end();
    assert_eq!(harness.read_all(input.as_mut()), "ex\nend\n");
}

#[test]
fn configs_that_are_none() {
    let lint = |body: &str| format!("buffer:\n  memory: {body}\n");
    check_lint(&lint("{limit: 1, batch_policy: {period: nope}}"), "");
    check_lint(&lint("{limit: 0}"), "(2,1) a limit of 0 bytes leaves no room for any message\n");
    let text = "failed to parse duration string: time: invalid duration \"nope\"";
    check_lint(&lint("{batch_policy: {enabled: true, period: nope}}"), &format!("(2,1) {text}\n"));
}
