//! The memory of an instance comes to a plateau: no example leaks.

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
/// before it has everything that it will ever need. Then the run is made twice as long, so often at most; what leaks
/// grows each time.
const N_DOUBLINGS: usize = 4;

/// How long batches are.
const BATCH_LENGTHS: [usize; 4] = [1, 1, 7, 100];

/// The second half of a long run leaves the memory no larger than the first half did.
pub(crate) fn check(example: &Arc<Example>) -> Result<(), String> {
    let example = Arc::clone(example);
    let checked = spawn_thread("guest", move || {
        let guest = guest(&example, &config(&example.name), None)?;
        let mut instance = instantiate(&guest)?;
        let mut pace = Pace::default();
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

/// Takes one round of messages through the instance.
fn round(example: &str, instance: &mut Instance, pace: &mut Pace) -> Result<(), String> {
    let ctx = engine().enter().map_err(|err| err.to_string())?;
    let mut random = Random::new(1);
    let mut n = 0;
    while n < N_MESSAGES {
        let n_batch = *random.pick(&BATCH_LENGTHS);
        let batch: Vec<Message> = (0..n_batch).map(|_| mixed(example, &mut random)).collect();
        n += n_batch;
        let mut run = run_of(&[&batch]);
        run.set_pace(*pace);
        finish(instance, &mut run, &ctx)?;
        *pace = run.pace();
        run.finish().zip(&batch).try_for_each(|(outcome, message)| check_outcome(&outcome, message))?;
    }
    Ok(())
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
