//! Random scripts in runs of batches, held against the model.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use wappa_message::{Mark, Message, Value};
use wappa_wasm::{Guest, GuestMetrics, Instance, Module, Outcome, Run};

use crate::{
    lab::{Lab, assert_same, run},
    model::{Expected, LARGE_BYTES, expected},
    random::Random,
    world::{LETTERS, WIT, with_types},
};

const CASES: u64 = 150;

/// No call takes as long; a timeout would have no model.
const TIMEOUT: Duration = Duration::from_secs(300);

/// What a message takes of the processor at the most.
const CALL: Duration = Duration::from_millis(100);

/// What does no harm comes more often, so that calls of many messages have some that succeed.
const USUAL: &[u8] = b"kxwszmjdgcrpl+mw+g";
const UNUSUAL: &[u8] = b"ftnJi-b";

/// What the guest has counted.
#[derive(Default)]
struct Counted(AtomicU64);

impl GuestMetrics for Counted {
    fn count(&self, name: &str, delta: u64) {
        assert_eq!(name, "key");
        self.0.fetch_add(delta, Ordering::Relaxed);
    }
}

#[test]
fn fuzz_component_scripts() {
    let mut made = None;
    run("fuzz_component_scripts", CASES, move |lab, seed| {
        let (guest, counted) = made.get_or_insert_with(|| {
            let module =
                Module::new(&lab.engine, &with_types(LETTERS, WIT)).expect("the letters are a component");
            let counted = Arc::new(Counted::default());
            let mut config = lab.config();
            config.limits.timeout = TIMEOUT;
            config.metrics = Some(Arc::clone(&counted) as Arc<dyn GuestMetrics>);
            (Guest::new(&lab.engine, &module, config).expect("a guest"), counted)
        });
        case(lab, guest, counted, seed);
    });
}

fn message(random: &mut Random) -> Message {
    let mut script = Vec::new();
    for _ in 0..random.below(7) {
        script.push(if random.one_in(60) { *random.pick(UNUSUAL) } else { *random.pick(USUAL) });
    }
    if random.one_in(500) {
        script.resize(30_000, b'k');
    }
    let mut message = Message::new(script);
    match random.below(8) {
        0 => message.metadata_mut().set("key", Value::Int(7)),
        1 => message.metadata_mut().set("key", Value::text(b"\xff\xfe")),
        2 => message.metadata_mut().set("key", Value::text("")),
        3 => message.metadata_mut().set("other", Value::text("other")),
        _ => {}
    }
    if random.one_in(6) {
        message.set_error(Mark::new("an earlier failure"));
    }
    message
}

fn case(lab: &mut Lab, guest: &Guest, counted: &Counted, seed: u64) {
    let mut random = Random::new(seed);
    let (mut messages, mut ends, mut positions) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..1 + random.below(60) {
        let n = [1, 1, 1, 2, 9, 0][random.below(6)];
        for idx in 0..n {
            messages.push(message(&mut random));
            positions.push((idx, n));
        }
        ends.push(messages.len() as u32);
    }
    let all: Vec<Expected> =
        messages.iter().zip(&positions).map(|(message, position)| expected(message, *position)).collect();
    let engine = lab.engine.clone();
    let ctx = engine.enter().expect("the thread is large enough");
    let before = counted.0.load(Ordering::Relaxed);
    let mut run = Run::batches(messages.clone(), ends);
    let mut alive = instance(guest);
    while !run.is_done() {
        let (from, left) = (run.n_done(), run.len() - run.n_done());
        let told = || format!("messages from {from} on");
        lab.measured(CALL, left, &told, || alive.run(&mut run, &ctx)).expect("nothing interrupts it");
        if alive.is_spent() || alive.is_worn() {
            alive = instance(guest);
        }
    }
    drop(alive);
    // What a call counted that was run again is not there twice.
    let counts: u64 = all.iter().map(|it| it.counted).sum();
    assert_eq!(counted.0.load(Ordering::Relaxed) - before, counts);
    for ((outcome, expected), message) in run.finish().zip(&all).zip(&messages) {
        lab.tally.messages += 1;
        lab.tally.compared += 1;
        let (sent, failed) = match outcome {
            Outcome::Kept(message, failed) => (vec![message], failed),
            Outcome::Sent(messages, failed) => (messages, failed),
        };
        match &failed {
            Some(err) => *lab.tally.failed.entry(err.kind().as_str()).or_default() += 1,
            None => lab.tally.done += 1,
        }
        let told = || format!("script {:?}", String::from_utf8_lossy(message.content()));
        assert_eq!(failed.as_ref().map(|it| it.kind()), expected.failed, "{failed:?}: {}", told());
        assert_eq!(sent.len(), expected.sent.len(), "{}", told());
        for (mut one, mut other) in sent.into_iter().zip(expected.sent.clone()) {
            assert_eq!(one.error(), other.error(), "{}", told());
            if expected.is_large {
                assert_eq!(one.content().len(), LARGE_BYTES);
                one.set_content(Bytes::new());
                other.set_content(Bytes::new());
            }
            if one.content() != other.content() {
                eprintln!("{}", told());
            }
            assert_same(&one, &other);
        }
    }
    lab.check_good(&ctx);
}

fn instance(guest: &Guest) -> Instance {
    guest.instantiate(Instant::now() + TIMEOUT).expect("the guest starts")
}
