//! Parts on their way through guests, turn by turn, and what each turn may take.

use std::{collections::HashMap, time::Duration};

use wappa_message::{Message, Value};
use wappa_wasm::{CallContext, CallError, Guest, Kind, Limits, Module, Outcome, Run};

use crate::{
    lab::{Lab, run},
    ledger::{Bounds, Ledger, allocated},
    machine::Machine,
    modules::{self, Made},
    mounts::Mounts,
    random::Random,
    script,
};

const CASES: u64 = 60;

/// What a module may take until it is loaded or refused: it is compiled in this process.
const LOADING: Bounds = Bounds { cpu: Duration::from_secs(4), allocated: 64 << 20, memory: 0 };

/// What the host keeps of messages that is not counted, in bytes.
const HELD_SLACK: usize = 256 << 10;

/// What is kept of why a message failed, and of where, when its part may not grow any more.
const REASON_BYTES: usize = 512;

/// What is kept of it at the most: a reason of 4 KiB, and twenty frames with a name each that is cut.
const FAILURE_BYTES: usize = (8 << 10) + 20 * 1200;

/// What reading JSON and lifting results may take in any case.
const SPARE: usize = 2 << 20;

/// The values of so many messages are read.
const READ_MAX: usize = 4;

/// How many messages go on from one guest to the next.
const MESSAGES_MAX: usize = 64;

/// A component has so many messages in a call at the most.
const CALL_MESSAGES: usize = 256;

/// Once messages have grown by so much, a turn ends with the batch under way.
const TURN_BYTES: usize = 16 << 20;

/// Files are waited for on threads of their own, which takes its time on a busy machine.
const FILES_TIMEOUT: Duration = Duration::from_millis(250);

const N_LIMITS: usize = 4;

/// Small limits show what is not counted, and larger ones what takes long.
fn limits() -> [Limits; N_LIMITS] {
    let of = |ms, memory, output| Limits {
        timeout: Duration::from_millis(ms),
        memory,
        output,
        log_lines_per_second: 1000,
    };
    [
        of(20, 2 << 20, 256 << 10),
        of(30, 12 << 20, 4 << 20),
        of(50, 66 << 20, 24 << 20),
        of(20, 160 << 20, 4 << 20),
    ]
}

/// The guests, made when they are asked for.
struct Guests {
    machines: [Machine; 2],
    modules: [Module; 2],
    mounts: Mounts,
    made: HashMap<(usize, usize, usize), Guest>,
}

impl Guests {
    fn new(lab: &Lab) -> Guests {
        let machines = [Machine::core(), Machine::component()];
        let modules = [0, 1].map(|it| {
            let machine = &machines[it];
            Module::new(&lab.engine, &machine.module).expect("the machine is a module")
        });
        Guests { machines, modules, mounts: Mounts::new(), made: HashMap::new() }
    }

    /// The guest of a machine, under some limits, with no directory, one, or both.
    fn get(&mut self, lab: &Lab, machine: usize, limited: usize, mounted: usize) -> Guest {
        let made = self.made.entry((machine, limited, mounted)).or_insert_with(|| {
            let mut config = lab.config();
            config.limits = limits()[limited];
            if 0 < mounted {
                config.limits.timeout = FILES_TIMEOUT;
            }
            config.mounts = match mounted {
                0 => Vec::new(),
                1 => self.mounts.read(),
                _ => self.mounts.all(),
            };
            Guest::new(&lab.engine, &self.modules[machine], config).expect("the machine is a guest")
        });
        made.clone()
    }
}

#[test]
fn fuzz_bounds() {
    let mut guests = None;
    run("fuzz_bounds", CASES, move |lab, seed| {
        let guests = guests.get_or_insert_with(|| Guests::new(lab));
        let mut random = Random::new(seed);
        match random.below(10) {
            0 | 1 => made(lab, &mut random, modules::trapping),
            2 => made(lab, &mut random, modules::nested),
            3 => made(lab, &mut random, modules::wide),
            _ => machines(lab, guests, &mut random),
        }
    });
}

/// A part of some batches through one guest or several.
fn machines(lab: &mut Lab, guests: &mut Guests, random: &mut Random) {
    let chain: Vec<(usize, usize, usize)> = (0..[1, 1, 2, 3][random.below(4)])
        .map(|_| (random.below(2), random.below(N_LIMITS), random.below(3)))
        .collect();
    let part_limit = [1 << 20, 8 << 20, 64 << 20, 512 << 20][random.below(4)];
    let (first, limited, mounted) = chain[0];
    let made: Vec<(Guest, usize)> = chain
        .iter()
        .map(|(machine, limited, mounted)| {
            let n_together = if guests.machines[*machine].is_component { CALL_MESSAGES } else { 1 };
            (guests.get(lab, *machine, *limited, *mounted), n_together)
        })
        .collect();
    let mut told = format!("{chain:?} (component, limits, mounts), part of {part_limit}\n");
    let mut programs = Vec::new();
    for _ in 0..1 + random.below(3) {
        if random.one_in(16) {
            told += "-- a structure\n";
            programs.push(None);
            continue;
        }
        let (content, text) =
            script::program(random, &guests.machines[first], &limits()[limited], 0 < mounted);
        told += &format!("-- a message:\n{text}");
        programs.push(Some(content));
    }
    let mut ends = Vec::new();
    let mut messages = Vec::new();
    let n_batches = [1, 1, 1, 2, 5, 20][random.below(6)];
    for _ in 0..n_batches {
        let n = [0, 1, 1, 1, 1, 1, 3, 8, 60, 300][random.below(10)];
        // Each of them comes up.
        let from = messages.len();
        messages.extend((from..from + n).map(|it| match &programs[it % programs.len()] {
            Some(content) => Message::new(content.clone()),
            None => structure(random),
        }));
        ends.push(messages.len() as u32);
    }
    told += &format!("{} messages in {n_batches} batches\n", messages.len());
    let engine = lab.engine.clone();
    let ctx = engine.enter().expect("the thread is large enough");
    through(lab, &made, messages, ends, part_limit, &ctx, &|| told.clone());
    lab.check_good(&ctx);
    drop(ctx);
    if chain.iter().any(|it| it.2 == 2) {
        guests.mounts.renew();
    }
}

/// A message whose content is six times as long once it is printed for a guest: as a program it is one of no record.
fn structure(random: &mut Random) -> Message {
    let length = [10, 1000, 300_000][random.below(3)];
    let mut message = Message::default();
    message.set_value(Value::text(format!("002{}", "\u{1}".repeat(length))));
    message
}

/// Takes a part through guests, and holds what it takes against its limits.
fn through(
    lab: &mut Lab,
    guests: &[(Guest, usize)],
    mut messages: Vec<Message>,
    mut ends: Vec<u32>,
    part_limit: usize,
    ctx: &CallContext<'_>,
    told: &dyn Fn() -> String,
) {
    let (mut grown, mut may_grow) = (0, part_limit);
    for (guest, n_together) in guests {
        let n_before = messages.len();
        // What takes the place of something that others hold as well is no growth, and is allocated.
        let sizes: Vec<usize> = messages.iter().map(Message::size).collect();
        let printed: Vec<usize> =
            messages.iter().map(|it| it.printed().err().map_or(0, Value::json_len)).collect();
        let replaced: usize = sizes.iter().sum();
        let before = allocated();
        let mut run = Run::batches(messages, ends.clone());
        run.grow_by(part_limit.saturating_sub(grown), part_limit);
        let ended = turns(lab, (guest, *n_together), &mut run, &ends, replaced, ctx, told);
        let grown_here = run.grown();
        grown += grown_here;
        may_grow += n_before * REASON_BYTES;
        assert!(grown <= may_grow, "the part has grown by {grown} of {part_limit}: {}", told());
        let mut outcomes = Vec::with_capacity(n_before);
        outcomes.extend(run.finish());
        assert_eq!(outcomes.len(), n_before, "{}", told());
        // Each message is within its limit, and what it became is counted.
        let limit = guest.limits().output;
        let mut really = 0;
        for ((outcome, before), printed) in outcomes.iter().zip(&sizes).zip(printed) {
            let now = size(sent(outcome));
            assert!(
                now <= limit.max(before + printed),
                "a message of {before} bytes has become {now}: {}",
                told()
            );
            really += now.saturating_sub(*before);
        }
        assert!(really <= grown_here, "grown by {really}, and {grown_here} were counted: {}", told());
        // Where nothing was made, there is nothing but why it failed.
        let has_failed = |it: &Outcome| matches!(it, Outcome::Kept(_, Some(_)));
        if really == 0 && outcomes.iter().all(has_failed) {
            let bytes = n_before * FAILURE_BYTES;
            assert!(grown_here <= bytes, "{grown_here} bytes of failures, {bytes} may be: {}", told());
        }
        // What is held is what was counted, also when somebody reads what was only kept as a text.
        let kept = outcomes.iter().flat_map(sent);
        kept.take(READ_MAX).flat_map(|it| it.metadata().iter()).for_each(|(_, value)| read(value));
        let held = allocated().saturating_sub(before);
        let may_be_held = 2 * grown + replaced + n_before * size_of::<Outcome>() + HELD_SLACK;
        assert!(held <= may_be_held, "{held} bytes are held, {grown} were counted: {}", told());
        lab.tally.messages += n_before as u64;
        messages = Vec::new();
        for outcome in outcomes {
            let (sent, failed) = match outcome {
                Outcome::Kept(message, failed) => (vec![message], failed),
                Outcome::Sent(messages, failed) => (messages, failed),
            };
            match failed {
                Some(err) => check(lab, &err, told),
                None => lab.tally.done += 1,
            }
            messages.extend(sent);
        }
        if !ended {
            return;
        }
        // A few go on, so that guests that make many of each have an end.
        messages.truncate(MESSAGES_MAX);
        ends = vec![messages.len() as u32];
    }
}

/// What became of a message.
fn sent(outcome: &Outcome) -> &[Message] {
    match outcome {
        Outcome::Kept(message, _) => std::slice::from_ref(message),
        Outcome::Sent(messages, _) => messages,
    }
}

/// What messages have together; metadata that they share are there once.
fn size(messages: &[Message]) -> usize {
    let mut bytes = 0;
    for (idx, message) in messages.iter().enumerate() {
        let metadata = message.metadata();
        let is_shared = idx.checked_sub(1).is_some_and(|it| messages[it].metadata().is_shared_with(metadata));
        bytes += message.size() - if is_shared { metadata.size() } else { 0 };
    }
    bytes
}

/// Reads a value with all that is in it.
fn read(value: &Value) {
    match value {
        Value::Array(it) => it.iter().for_each(|it| read(&it)),
        Value::Object(it) => it.iter().for_each(|(_, it)| read(&it)),
        _ => {}
    }
}

/// Takes a run through a guest, with a new instance after a spent one. `false`: there is none.
fn turns(
    lab: &mut Lab,
    (guest, n_together): (&Guest, usize),
    run: &mut Run,
    ends: &[u32],
    replaced: usize,
    ctx: &CallContext<'_>,
    told: &dyn Fn() -> String,
) -> bool {
    let limits = guest.limits();
    let mut alive = None;
    // So many messages may end badly before the rest is as good as through.
    let mut patience = 6;
    while !run.is_done() && 0 < patience {
        let (done_before, grown_before) = (run.n_done(), run.grown());
        let ledger = Ledger::begin();
        let started = alive.take().map_or_else(|| guest.instantiate(lab.soon()), Ok);
        let mut instance = match started {
            Ok(instance) => instance,
            Err(err) => {
                check(lab, &err, told);
                return false;
            }
        };
        // What fails when all messages are finished is of none of them.
        let ended = instance.run(run, ctx);
        // Each message that was finished has had its time, and so had the one at work.
        let n = 1 + run.n_done() - done_before;
        let grown = run.grown() - grown_before;
        // What is finished goes on before more is made: no batch begins behind the call that was under way.
        let taken = done_before..run.n_done();
        let has_begun = ends.iter().any(|it| (taken.start + 1..taken.end).contains(&(*it as usize)));
        assert!(
            grown_before < TURN_BYTES || !has_begun || taken.len() <= n_together,
            "a turn goes on from {taken:?} when {grown_before} bytes are there: {}",
            told()
        );
        let bounds = Bounds {
            cpu: limits.timeout * n as u32,
            allocated: limits.output + limits.memory + grown + replaced + SPARE,
            memory: limits.memory,
        };
        let spent = ledger.close(&bounds, told);
        let memory = instance.memory_bytes();
        assert!(memory <= limits.memory, "the guest has {memory} bytes of memory, {bounds:?}: {}", told());
        lab.tally.spent.max(spent);
        if let Err(err) = ended {
            check(lab, &err, told);
        }
        patience -= u32::from(instance.is_spent());
        if !instance.is_spent() && !instance.is_worn() {
            alive = Some(instance);
        }
    }
    true
}

/// What a message failed of is told in words that anybody may see, and within bounds.
fn check(lab: &mut Lab, err: &CallError, told: &dyn Fn() -> String) {
    *lab.tally.failed.entry(err.kind().as_str()).or_default() += 1;
    assert_ne!(err.kind(), Kind::Interrupted);
    let printable = |text: &str| text.chars().all(wappa_spec::is_printable);
    assert!(printable(err.reason()), "{:?}", err.reason());
    let ledger = Ledger::begin();
    let backtrace = err.backtrace().unwrap_or_default();
    ledger.close(&Bounds { cpu: Duration::ZERO, allocated: 0, memory: 0 }, told);
    assert!(backtrace.len() < 20 * 400, "{} bytes of a backtrace", backtrace.len());
    assert!(backtrace.lines().all(printable), "{backtrace:?}");
}

/// A module that is dear in itself: loaded or refused, and a few messages through it.
fn made(lab: &mut Lab, random: &mut Random, make: impl Fn(&mut Random) -> Made) {
    let Made { module, told } = make(random);
    let limits = limits()[random.below(N_LIMITS)];
    let told = || told.clone();
    let ledger = Ledger::begin();
    let loaded = Module::new(&lab.engine, &module).map_err(|err| err.to_string());
    drop(module);
    let guest = loaded.and_then(|module| {
        let mut config = lab.config();
        config.limits = limits;
        Guest::new(&lab.engine, &module, config).map_err(|err| err.to_string())
    });
    lab.tally.loading.max(ledger.close(&LOADING, &told));
    let guest = match guest {
        Ok(guest) => guest,
        Err(text) => {
            assert!(text.chars().all(wappa_spec::is_printable), "{text:?}");
            lab.tally.refused_modules += 1;
            return;
        }
    };
    let engine = lab.engine.clone();
    let ctx = engine.enter().expect("the thread is large enough");
    let messages = vec![Message::new("bad"); 3];
    through(lab, &[(guest, CALL_MESSAGES)], messages, vec![2, 3], 64 << 20, &ctx, &told);
    lab.check_good(&ctx);
}
