//! The memory of an instance comes to a plateau: no example leaks.

use std::sync::Arc;

use wappa_message::Message;
use wappa_wasm::{Kind, Outcome, spawn_thread};

use crate::{
    messages::{config, mixed},
    modules::Example,
    random::Random,
    running::{engine, finish, guest, instantiate, run_of},
};

/// Half of the messages. The second half are the same as the first, so that they need no more.
const N_MESSAGES: usize = 10_000;

/// How long batches are.
const BATCH_LENGTHS: [usize; 4] = [1, 1, 7, 100];

/// After the second half the memory is no larger than after the first.
pub(crate) fn check(example: &Arc<Example>) -> Result<(), String> {
    let example = Arc::clone(example);
    spawn_thread("guest", move || {
        let guest = guest(&example, &config(&example.name), None)?;
        let mut instance = instantiate(&guest)?;
        let ctx = engine().enter().map_err(|err| err.to_string())?;
        let mut pace = Default::default();
        let mut after = [0; 2];
        for bytes in &mut after {
            let mut random = Random::new(1);
            let mut n = 0;
            while n < N_MESSAGES {
                let batch: Vec<Message> = (0..*random.pick(&BATCH_LENGTHS))
                    .map(|_| mixed(&example.name, &mut random))
                    .collect();
                n += batch.len();
                let mut run = run_of(&[&batch]);
                run.set_pace(pace);
                finish(&mut instance, &mut run, &ctx)?;
                pace = run.pace();
                run.finish().zip(&batch).try_for_each(|(outcome, message)| check_outcome(&outcome, message))?;
            }
            *bytes = instance.memory_bytes();
        }
        let [first, second] = after;
        match second <= first {
            true => Ok(()),
            false => Err(format!("{first} bytes after {N_MESSAGES} messages, {second} after as many more")),
        }
    })
    .expect("a thread")
    .join()
    .expect("no panic")
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
