//! What an output with processors answers for the messages that its caller knows.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use wappa_component::{Answer, Part, Pulse, WriteError};
use wappa_message::{Mark, Message};

use super::*;

/// What is written, and what is answered to it, the first answer first.
#[derive(Clone, Default)]
struct Scripted(Arc<Mutex<(Vec<String>, Vec<WriteError>)>>);

impl Output for Scripted {
    fn connect(&mut self) -> Result<(), ConnectError> {
        Ok(())
    }

    fn write(&mut self, delivery: Delivery, _: &mut Step<'_>) {
        let mut state = self.0.lock().expect("no panic");
        state.0.push(delivery.messages().iter().map(name).collect());
        let answer = if state.1.is_empty() { Ok(()) } else { Err(state.1.remove(0)) };
        drop(state);
        delivery.answer(answer);
    }
}

/// Doubles `d`, filters `f`, is interrupted at `!`; what it lets pass becomes upper case.
struct Worker;

impl Processor for Worker {
    fn process(&self, part: &mut Part, _: &mut Step<'_>) -> usize {
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

fn text(answer: &Answer) -> String {
    let failures = answer.failures.iter().map(|(idx, mark)| format!("{idx}: {mark}"));
    let failures = failures.collect::<Vec<_>>().join(" ");
    match failures.as_str() {
        "" => "delivered".to_string(),
        _ if answer.is_closed => format!("closed {failures}"),
        _ => failures,
    }
}

/// Writes the words as a part. Returns what was answered, and what was written.
fn write(words: &str, answers: Vec<WriteError>) -> (String, Vec<String>) {
    let (scripted, worker) = (Scripted::default(), Worker);
    scripted.0.lock().expect("no panic").1 = answers;
    let mut output = UnderOutput::new(Box::new(scripted.clone()), vec![Box::new(worker)]);
    let pulse = Interrupted(AtomicBool::new(words.contains('!')));
    let (tx, rx) = std::sync::mpsc::sync_channel(1);
    let delivery =
        Delivery::new(part(words), move |answer| tx.send(text(&answer)).expect("the test listens"));
    output.write(delivery, &mut Step::new(0, &pulse));
    let written = scripted.0.lock().expect("no panic").0.clone();
    (rx.try_recv().expect("it is answered once"), written)
}

fn mark() -> Mark {
    Mark::new("full")
}

#[test]
fn failures_are_named_by_the_messages_of_the_caller() {
    for (answer, expected) in [
        (WriteError::Failed(mark()), "0: full 2: full 3: full"),
        (WriteError::Partial(vec![(1, mark()), (2, mark())]), "2: full"),
        (WriteError::Rejected(vec![(3, mark())]), "3: full"),
        (WriteError::Closed, "closed 0: broken pipe 2: broken pipe 3: broken pipe"),
        (WriteError::NotConnected, "0: not connected 2: not connected 3: not connected"),
    ] {
        let (said, written) = write("af d b", vec![answer]);
        assert_eq!((said, written), (expected.to_string(), vec!["ADDB".to_string()]));
    }
}

#[test]
fn what_is_finished_is_written_when_the_rest_is_interrupted() {
    let unfinished = "2: the stream was stopped 3: the stream was stopped";
    for (answers, expected) in [
        (vec![], unfinished.to_string()),
        (vec![WriteError::Failed(mark())], format!("0: full 1: full {unfinished}")),
        (vec![WriteError::Rejected(vec![(1, mark())])], format!("1: full {unfinished}")),
    ] {
        let (said, written) = write("ab c!", answers);
        assert_eq!((said, written), (expected, vec!["AB".to_string()]));
    }
    let (said, written) = write("f !", vec![]);
    assert_eq!((said, written), ("1: the stream was stopped".to_string(), vec![]));
}
