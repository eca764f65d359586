//! The memory of an instance comes to a plateau: no example leaks. Where a toolchain or an engine keeps some of each message,
//! which no library can mend, it keeps no more than is said of it.

use std::sync::Arc;

use wappa_message::Message;
use wappa_wasm::{Instance, Kind, Outcome, Pace, spawn_thread};

use crate::{
    messages::{config, mixed},
    modules::Example,
    random::Random,
    running::{engine, finish, guest, instantiate, run_of},
};

/// One round. All rounds have the same messages, so that no round needs more than the one before.
const N_MESSAGES: usize = 10_000;

/// A collector, or a component whose calls serve more messages when the machine is idle, may need more than one round
/// before it has everything that it will ever need: one in QuickJS was seen to grow four times on a busy machine, by fewer
/// bytes a message each time. Then the run is made twice as long, so often at most; what leaks grows each time.
const N_DOUBLINGS: usize = 6;

/// How long batches are.
const BATCH_LENGTHS: [usize; 4] = [1, 1, 7, 100];

/// Languages whose toolchain never gives back the bytes that go to the host, which no library for them can mend. They are
/// to leak no more than that; a stream replaces their instances in time (`recycle.growth`).
const LEAKING: [&str; 1] = ["python"];

/// Engines that collect late, and keep a little of each message. What they come to is bounded, and no plateau.
const LATE: [&str; 1] = ["starlingmonkey"];

/// What the heap of such an engine comes to, in bytes, before it is collected as often as it grows.
const LATE_BYTES_MAX: usize = 96 << 20;

/// What such an engine keeps of each message, in bytes.
const LATE_KEPT: usize = 300;

/// How many rounds such an engine is watched.
const N_LATE_ROUNDS: usize = 4;

/// So many bytes are handed out before and while it is looked at what a leaking one keeps.
const N_LEAKED_BYTES: usize = 12 << 20;

/// The second half of a long run leaves the memory no larger than the first half did.
pub(crate) fn check(example: &Arc<Example>) -> Result<(), String> {
    let example = Arc::clone(example);
    let checked = spawn_thread("guest", move || {
        let guest = guest(&example, &config(&example.name), None)?;
        let mut instance = instantiate(&guest)?;
        let mut pace = Pace::default();
        if LEAKING.contains(&&*example.language) {
            return check_leaking(&example.name, &mut instance, &mut pace);
        }
        if LATE.contains(&&*example.tier) {
            return check_late(&example.name, &mut instance, &mut pace);
        }
        round(&example.name, &mut instance, &mut pace)?;
        let mut bytes = vec![instance.memory_bytes()];
        for n_doublings in 0..N_DOUBLINGS {
            for _ in 0..1 << n_doublings {
                round(&example.name, &mut instance, &mut pace)?;
            }
            let before = bytes[n_doublings];
            bytes.push(instance.memory_bytes());
            if bytes[n_doublings + 1] <= before {
                return Ok(());
            }
        }
        Err(format!(
            "the memory after {N_MESSAGES} messages, and after twice as many each time: {bytes:?} bytes"
        ))
    });
    checked.expect("a thread").join().expect("no panic")
}

/// What a leaking guest keeps is what it handed out, and what its allocator needs for that.
fn check_leaking(example: &str, instance: &mut Instance, pace: &mut Pace) -> Result<(), String> {
    let is_done = |n: usize, bytes: usize| N_MESSAGES <= n || N_LEAKED_BYTES <= bytes;
    messages_until(is_done, example, instance, pace)?;
    let before = instance.memory_bytes();
    let handed_out = messages_until(is_done, example, instance, pace)?;
    let kept = instance.memory_bytes() - before;
    // Memories grow by steps, and what is handed out is copied before the next one is.
    let most = handed_out + handed_out / 2 + (2 << 20);
    if kept <= most {
        Ok(())
    } else {
        Err(format!("it keeps {kept} bytes of the {handed_out} that it handed out"))
    }
}

/// An engine that collects late does collect, before it has kept the contents of all messages.
fn check_late(example: &str, instance: &mut Instance, pace: &mut Pace) -> Result<(), String> {
    let mut bytes = Vec::new();
    for _ in 0..N_LATE_ROUNDS {
        round(example, instance, pace)?;
        bytes.push(instance.memory_bytes());
    }
    let most = LATE_BYTES_MAX + N_LATE_ROUNDS * N_MESSAGES * LATE_KEPT;
    match bytes.iter().all(|it| *it <= most) {
        true => Ok(()),
        false => Err(format!("the memory after each {N_MESSAGES} messages: {bytes:?} bytes, and not {most}")),
    }
}

/// Takes one round of messages through the instance.
fn round(example: &str, instance: &mut Instance, pace: &mut Pace) -> Result<(), String> {
    messages_until(|n, _| N_MESSAGES <= n, example, instance, pace).map(|_| ())
}

/// Takes messages through the instance until so many of them were there, or so many bytes of contents and metadata came
/// out anew; gives the latter.
fn messages_until(
    is_done: impl Fn(usize, usize) -> bool,
    example: &str,
    instance: &mut Instance,
    pace: &mut Pace,
) -> Result<usize, String> {
    let ctx = engine().enter().map_err(|err| err.to_string())?;
    let mut random = Random::new(1);
    let (mut n, mut bytes) = (0, 0);
    while !is_done(n, bytes) {
        let n_batch = *random.pick(&BATCH_LENGTHS);
        let batch: Vec<Message> = (0..n_batch).map(|_| mixed(example, &mut random)).collect();
        n += n_batch;
        let mut run = run_of(&[&batch]);
        run.set_pace(*pace);
        finish(instance, &mut run, &ctx)?;
        *pace = run.pace();
        run.finish().zip(&batch).try_for_each(|(outcome, message)| {
            bytes += new_bytes(&outcome, message);
            check_outcome(&outcome, message)
        })?;
    }
    Ok(bytes)
}

/// What the guest has handed out for a message.
fn new_bytes(outcome: &Outcome, message: &Message) -> usize {
    match outcome {
        Outcome::Kept(it, _) if it.content() == message.content() => 0,
        Outcome::Kept(it, _) => it.content().len(),
        Outcome::Sent(messages, _) => messages.iter().map(Message::size).sum(),
    }
}

/// A message that is good does not fail, however many were there before it.
fn check_outcome(outcome: &Outcome, message: &Message) -> Result<(), String> {
    let (Outcome::Kept(_, failed) | Outcome::Sent(_, failed)) = outcome;
    let is_expected = message.content() == "no JSON at all";
    match failed {
        Some(err) if err.kind() != Kind::Fail || !is_expected => Err(err.to_string()),
        None if is_expected => Err("what is no JSON did not fail".into()),
        _ => Ok(()),
    }
}
