//! Runs of batches through the machine, held against the model.

use std::time::{Duration, Instant};

use wappa_message::Message;
use wappa_wasm::{CallContext, Guest, Instance, Kind, Module, Outcome, Run};

use crate::{
    lab::{Lab, OUTPUT_LIMIT, assert_same, run},
    model::{self, CONFIG, Expected, Model},
    program,
    random::Random,
};

const MACHINE: &str = include_str!("machine.wat");

const CASES: u64 = 1500;

/// No call takes as long; a timeout would have no model.
const TIMEOUT: Duration = Duration::from_secs(300);

/// What a message takes of the processor at the most.
const CALL: Duration = Duration::from_millis(100);

#[test]
fn fuzz_v1_sequences() {
    let mut made = None;
    run("fuzz_v1_sequences", CASES, move |lab, seed| {
        let guest = made.get_or_insert_with(|| {
            let module = Module::new(&lab.engine, MACHINE.as_bytes()).expect("the machine is a module");
            let mut config = lab.config();
            config.limits.timeout = TIMEOUT;
            config.config = CONFIG.map(|(key, value)| (key.into(), value.into())).into();
            Guest::new(&lab.engine, &module, config).expect("the machine is a guest")
        });
        case(lab, guest, seed);
    });
}

fn instance(guest: &Guest) -> Instance {
    guest.instantiate(Instant::now() + TIMEOUT).expect("the machine has no start function")
}

fn case(lab: &mut Lab, guest: &Guest, seed: u64) {
    let mut random = Random::new(seed);
    let wild = random.one_in(3);
    let (mut messages, mut ends) = (Vec::new(), Vec::new());
    for _ in 0..1 + random.below(12) {
        // A batch may have been emptied by an earlier processor.
        for _ in 0..[1, 1, 1, 1, 3, 0][random.below(6)] {
            messages.push(program::message(&mut random, wild));
        }
        ends.push(messages.len() as u32);
    }
    let model = model::run(&messages, &ends, OUTPUT_LIMIT);
    let engine = lab.engine.clone();
    let ctx = engine.enter().expect("the thread is large enough");
    if random.one_in(4) {
        // One by one, through the other door: the same comes of each, as far as no message knows of the others.
        one_by_one(lab, guest, &messages, &ctx);
    }
    let (outcomes, failed_after) = outcomes(lab, guest, &messages, ends, &ctx);
    assert_eq!(outcomes.len(), messages.len());
    for (idx, (outcome, message)) in outcomes.iter().zip(&messages).enumerate() {
        lab.tally.messages += 1;
        check_always(outcome, message);
        if let Some(model) = &model {
            lab.tally.compared += 1;
            compare(outcome, &model.expected[idx], &|| told(idx, message));
        }
        match &outcome.failed {
            Some((kind, _)) => *lab.tally.failed.entry(kind.as_str()).or_default() += 1,
            None => lab.tally.done += 1,
        }
    }
    if let Some(Model { failed_after: expected, .. }) = model {
        assert_eq!(failed_after, expected, "calls that failed after the end");
    }
    lab.check_good(&ctx);
}

/// Takes all messages through, with a new instance after a spent one.
fn outcomes(
    lab: &mut Lab,
    guest: &Guest,
    messages: &[Message],
    ends: Vec<u32>,
    ctx: &CallContext<'_>,
) -> (Vec<Expected>, usize) {
    let mut run = Run::batches(messages.to_vec(), ends);
    let mut alive = instance(guest);
    let mut failed_after = 0;
    while !run.is_done() {
        let before = run.n_done();
        let told = || format!("messages from {before} on");
        let left = run.len() - before;
        if let Err(err) = lab.measured(CALL, left, &told, || alive.run(&mut run, ctx)) {
            assert!(alive.is_spent() && err.kind() != Kind::Interrupted, "{err}");
            failed_after += 1;
        }
        assert!(before < run.n_done(), "a run goes on");
        if alive.is_spent() {
            alive = instance(guest);
        }
    }
    let told = run.finish().map(|it| match it {
        Outcome::Kept(message, failed) => (vec![message], failed),
        Outcome::Sent(messages, failed) => (messages, failed),
    });
    let told = told.map(|(sent, failed)| Expected {
        sent,
        failed: failed.map(|err| (err.kind(), Some(err.reason().to_string()))),
    });
    (told.collect(), failed_after)
}

fn one_by_one(lab: &mut Lab, guest: &Guest, messages: &[Message], ctx: &CallContext<'_>) {
    let mut alive = instance(guest);
    for message in messages {
        let before = message.clone();
        let mut message = message.clone();
        if let Err(err) = alive.call(&mut message, ctx)
            && !err.changes_kept()
        {
            assert_same(&message, &before);
        }
        lab.tally.messages += 1;
        if alive.is_spent() {
            alive = instance(guest);
        }
    }
}

/// What holds for every outcome.
fn check_always(outcome: &Expected, message: &Message) {
    // Metadata that messages share are there once.
    let mut before = message.metadata();
    let mut sent = 0;
    for it in &outcome.sent {
        let is_shared = it.metadata().is_shared_with(before);
        sent += it.content().len() + if is_shared { 0 } else { it.metadata().size() };
        before = it.metadata();
    }
    assert!(sent <= OUTPUT_LIMIT.max(message.size()), "{sent} bytes of {}", message.size());
    if let Some((kind, reason)) = &outcome.failed {
        assert!(reason.as_ref().is_some_and(|it| !it.contains(|c: char| c.is_control())), "{reason:?}");
        if *kind != Kind::HostCall {
            let [same] = &outcome.sent[..] else { panic!("a message that failed is one: {outcome:?}") };
            assert_same(same, message);
        }
    }
}

fn compare(outcome: &Expected, expected: &Expected, told: &impl Fn() -> String) {
    let kind = |it: &Expected| it.failed.as_ref().map(|it| it.0);
    assert_eq!(kind(outcome), kind(expected), "{:?}: {}", outcome.failed, told());
    if let (Some((_, Some(reason))), Some((_, Some(expected)))) = (&outcome.failed, &expected.failed)
        && !expected.contains(|c: char| c.is_control())
    {
        assert_eq!(reason, expected, "{}", told());
    }
    assert_eq!(outcome.sent.len(), expected.sent.len(), "{}", told());
    for (one, other) in outcome.sent.iter().zip(&expected.sent) {
        if one.content() != other.content() {
            eprintln!("{}", told());
        }
        assert_same(one, other);
        assert_eq!(one.error(), other.error(), "{}", told());
    }
}

fn told(idx: usize, message: &Message) -> String {
    let content = message.content();
    let records = content.chunks(20).take(20).map(|it| format!("{it:02x?}\n")).collect::<String>();
    format!("message {idx}\n{records}")
}
