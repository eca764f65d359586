//! What an output with processors answers for the messages that its caller knows.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use wappa_component::Pulse;
use wappa_message::Message;

use super::*;

/// What is written, and what is answered to it, the first answer first.
#[derive(Clone, Default)]
struct Scripted(Arc<Mutex<(Vec<String>, Vec<WriteError>)>>);

impl Output for Scripted {
    fn connect(&mut self) -> Result<(), ConnectError> {
        Ok(())
    }

    fn write(&mut self, part: &mut Part, _: &mut Step<'_>) -> Result<(), WriteError> {
        let mut state = self.0.lock().expect("no panic");
        state.0.push(part.messages().iter().map(name).collect());
        if state.1.is_empty() { Ok(()) } else { Err(state.1.remove(0)) }
    }
}

/// Doubles `d`, filters `f`, is interrupted at `!`; what it lets pass becomes upper case.
#[derive(Default)]
struct Worker(AtomicUsize);

impl Processor for Worker {
    fn process(&self, part: &mut Part, _: &mut Step<'_>) -> usize {
        let _ = self.0.fetch_add(part.n_messages(), Ordering::Relaxed);
        let n_messages = part.messages().iter().position(|it| name(it) == "!");
        let done = part.batches_within(n_messages.unwrap_or(part.n_messages()));
        part.replace_each(|mut message, out| {
            let name = name(&message);
            message.set_content(Bytes::from(name.to_uppercase()));
            if name == "d" {
                out.push(message.clone());
            }
            if name != "f" {
                out.push(message);
            }
        });
        done
    }
}

struct Interrupted(AtomicBool);

impl Pulse for Interrupted {
    fn now(&self) -> Duration {
        Duration::ZERO
    }
    fn ticks(&self) -> u64 {
        0
    }
    fn is_interrupted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
    fn sleep(&self, _: Duration) -> bool {
        !self.is_interrupted()
    }
}

fn name(message: &Message) -> String {
    String::from_utf8_lossy(message.content()).into_owned()
}

fn part(words: &str) -> Part {
    let mut part = Part::singles(Vec::new());
    for word in words.split(' ') {
        part.append(Part::one_batch(word.chars().map(|it| Message::new(it.to_string())).collect()));
    }
    part
}

fn text(result: Result<(), WriteError>) -> String {
    let all = |kind: &str, failures: Vec<(usize, Mark)>| {
        failures.into_iter().fold(kind.to_string(), |text, (idx, mark)| format!("{text} {idx}: {mark}"))
    };
    match result {
        Ok(()) => "delivered".to_string(),
        Err(WriteError::Partial(failures)) => all("partial", failures),
        Err(WriteError::Rejected(failures)) => all("rejected", failures),
        Err(WriteError::Failed(mark)) => format!("failed: {mark}"),
        Err(WriteError::NotConnected) => "not connected".to_string(),
        Err(WriteError::Closed) => "closed".to_string(),
    }
}

/// Writes `words` once for each line that is expected. Returns the answers, what was written, and how many messages the
/// processor saw.
fn write(parts: &[&str], answers: Vec<WriteError>) -> (Vec<String>, Vec<String>, usize) {
    let (scripted, worker) = (Scripted::default(), Arc::new(Worker::default()));
    scripted.0.lock().expect("no panic").1 = answers;
    let mut output = UnderOutput::new(Box::new(scripted.clone()), vec![Box::new(Arc::clone(&worker))]);
    let is_interrupted = |words: &&str| words.contains('!');
    let pulse = Interrupted(AtomicBool::new(parts.iter().any(is_interrupted)));
    let mut step = Step::new(0, &pulse);
    let said = parts.iter().map(|it| text(output.write(&mut part(it), &mut step))).collect();
    let written = scripted.0.lock().expect("no panic").0.clone();
    (said, written, worker.0.load(Ordering::Relaxed))
}

fn mark() -> Mark {
    Mark::new("full")
}

#[test]
fn failures_are_named_by_the_messages_of_the_caller() {
    for (answer, expected) in [
        (WriteError::Failed(mark()), "partial 0: full 2: full 3: full"),
        (WriteError::Partial(vec![(1, mark()), (2, mark())]), "partial 2: full"),
        (WriteError::Rejected(vec![(3, mark())]), "rejected 3: full"),
        (WriteError::Closed, "closed"),
    ] {
        let (said, written, _) = write(&["af d b"], vec![answer]);
        assert_eq!((said, written), (vec![expected.to_string()], vec!["ADDB".to_string()]));
    }
}

#[test]
fn what_is_finished_is_written_when_the_rest_is_interrupted() {
    let unfinished = "2: the stream was stopped 3: the stream was stopped";
    for (answers, expected) in [
        (vec![], format!("partial {unfinished}")),
        (vec![WriteError::Failed(mark())], format!("partial 0: full 1: full {unfinished}")),
        (vec![WriteError::Rejected(vec![(1, mark())])], format!("partial 1: full {unfinished}")),
    ] {
        let (said, written, _) = write(&["ab c!"], answers);
        assert_eq!((said, written), (vec![expected], vec!["AB".to_string()]));
    }
    let (said, written, _) = write(&["f !"], vec![]);
    assert_eq!((said, written), (vec!["partial 1: the stream was stopped".to_string()], vec![]));
}

#[test]
fn a_lost_connection_does_not_run_the_processors_again() {
    let lost = || vec![WriteError::NotConnected, WriteError::NotConnected];
    let (said, written, n_seen) = write(&["ad f", "ad f", "ad f", "ad f"], lost());
    assert_eq!(said, ["not connected", "not connected", "delivered", "delivered"]);
    assert_eq!((written, n_seen), (vec!["ADD".to_string(); 4], 6), "the fourth is another one");
    let (_, written, n_seen) = write(&["ad", "bd", "ad"], lost());
    assert_eq!(written, ["ADD", "BDD", "ADD"], "what comes instead is not taken for what was lost");
    assert_eq!(n_seen, 6);
}
