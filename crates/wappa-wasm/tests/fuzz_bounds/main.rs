//! Hostile guests against the ledgers: whatever they make the host do, it spends no more than what the limits say.
//!
//! `fuzz_bounds` makes rows of host calls without a loop, typed metadata of many shapes, debug sections and names that
//! cost whoever reads them dearly, and components of components. Each is measured from outside, and fails when a bound
//! is passed by more than twice itself and a constant. The same variables of the environment as for `fuzz_v0`.
#![cfg(target_os = "linux")]

mod debug;
#[allow(dead_code, reason = "the tests of guests call more of it")]
#[path = "../guests/harness.rs"]
mod harness;
#[path = "../support/ledger.rs"]
mod ledger;
mod nested;
#[allow(dead_code, reason = "the tests of guests call more of it")]
#[path = "../guests/parts.rs"]
mod parts;
#[path = "../support/random.rs"]
mod random;
mod rows;
mod typed;
#[allow(dead_code, reason = "the tests of guests call more of it")]
#[path = "../support/world.rs"]
mod world;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use wappa_message::Message;
use wappa_wasm::{Guest, Module, Outcome, Run, spawn_thread};

use crate::{
    harness::{config, engine, soon},
    ledger::{Bounds, Ledger},
    random::{Budget, Random},
};

const CASES: u64 = 16;

const MEMORY_LIMIT: usize = 66 << 20;
const OUTPUT_LIMIT: usize = 16 << 20;

/// What a module may take until it is loaded or refused: it is compiled in this process.
const LOADING: Bounds = Bounds { cpu: Duration::from_secs(10), memory: 128 << 20 };

/// A guest, what it is given, and what is said of it when it fails.
struct Case {
    module: Vec<u8>,
    batches: Vec<Vec<Message>>,
    timeout: Duration,
    told: String,
}

#[test]
fn fuzz_bounds() {
    let worker = || {
        let budget = Budget::from_env(CASES);
        let mut tally: BTreeMap<String, u64> = BTreeMap::new();
        let mut seed = budget.first;
        let began = Instant::now();
        while budget.has(seed) {
            let ended = catch_unwind(AssertUnwindSafe(|| case(seed, &mut tally)));
            assert!(
                ended.is_ok(),
                "seed {seed} failed; repeat it with `WAPPA_FUZZ_CASES=1 WAPPA_FUZZ_SEED={seed} cargo test \
                 -p wappa-wasm --test fuzz_bounds`"
            );
            seed += 1;
        }
        let cases = seed - budget.first;
        eprintln!(
            "fuzz_bounds: {cases} cases from seed {} in {:.1?}: {tally:?}",
            budget.first,
            began.elapsed()
        );
        let of = |it: &str| tally.get(it).copied().unwrap_or_default();
        assert!(cases < 20 || 0 < of("done") && 0 < of("timeout"), "the generator tests nothing: {tally:?}");
    };
    spawn_thread("fuzz", worker).expect("a thread").join().expect("the fuzzer found nothing");
}

fn case(seed: u64, tally: &mut BTreeMap<String, u64>) {
    let mut random = Random::new(seed);
    let Case { module, batches, timeout, told } = match random.below(8) {
        0 | 1 => rows::core(&mut random),
        2 => rows::component(&mut random),
        3 | 4 => typed::case(&mut random),
        5 => typed::sent(&mut random),
        6 => debug::case(&mut random),
        _ => nested::case(&mut random),
    };
    let told = || told.clone();
    let mut limited = config();
    limited.limits.timeout = timeout;
    limited.limits.memory = MEMORY_LIMIT;
    limited.limits.output = OUTPUT_LIMIT;
    let ledger = Ledger::begin();
    let guest = Module::new(engine(), &module)
        .map_err(|err| err.to_string())
        .and_then(|it| Guest::new(engine(), &it, limited).map_err(|err| err.to_string()));
    ledger.close(&LOADING, &told);
    let guest = match guest {
        Ok(guest) => guest,
        Err(text) => {
            check_text(&text);
            *tally.entry("refused".into()).or_default() += 1;
            return;
        }
    };
    let bounds = Bounds { cpu: timeout, memory: MEMORY_LIMIT + OUTPUT_LIMIT };
    let ctx = engine().enter().expect("the thread is large enough");
    // One processor after the other, as a part has them.
    let mut batches = batches;
    for _ in 0..1 + random.below(3) {
        let mut instance = None;
        for batch in &mut batches {
            let n_messages = batch.len() as u32;
            let mut run = Run::batches(std::mem::take(batch), vec![n_messages]);
            while !run.is_done() {
                let ledger = Ledger::begin();
                let mut alive = match instance.take() {
                    Some(alive) => alive,
                    None => match guest.instantiate(soon()) {
                        Ok(alive) => alive,
                        Err(err) => {
                            check_text(err.reason());
                            ledger.close(&bounds, &told);
                            *tally.entry("not started".into()).or_default() += 1;
                            return;
                        }
                    },
                };
                let before = run.n_done();
                // What fails when all messages are finished is of none of them.
                let ended = alive.run(&mut run, &ctx);
                let n_done = (run.n_done() - before).max(1) as u32;
                if let Err(err) = ended {
                    check_text(err.reason());
                }
                if !alive.is_spent() {
                    instance = Some(alive);
                }
                // Each message that was finished has had its time, and may be as large as one may be.
                let bounds =
                    Bounds { cpu: timeout * n_done, memory: MEMORY_LIMIT + OUTPUT_LIMIT * n_done as usize };
                ledger.close(&bounds, &told);
            }
            for outcome in run.finish() {
                let (messages, failed) = match outcome {
                    Outcome::Kept(message, failed) => (vec![message], failed),
                    Outcome::Sent(messages, failed) => (messages, failed),
                };
                let what = failed.as_ref().map_or("done", |it| it.kind().as_str());
                *tally.entry(what.into()).or_default() += 1;
                if let Some(err) = failed {
                    check_text(err.reason());
                    let ledger = Ledger::begin();
                    let backtrace = err.backtrace().unwrap_or_default();
                    ledger.close(&Bounds { cpu: Duration::ZERO, memory: 0 }, &told);
                    assert!(backtrace.len() < 20 * 400, "{} bytes of a backtrace", backtrace.len());
                    backtrace.lines().for_each(check_text);
                }
                batch.extend(messages);
            }
            // A few go on, so that a guest that makes many of each has an end.
            batch.truncate(4);
        }
    }
}

/// Nobody's text reaches a terminal as it is.
fn check_text(text: &str) {
    assert!(text.chars().all(wappa_spec::is_printable), "{text:?}");
}
