//! Processors that wait for something on the runtime.

mod support;

use std::{fs, time::Duration};

use support::{TempDir, streams, wait_until};
use wappa_component::{BuildError, BuildProcessor, Component, Context, Part, Processor, Step};
use wappa_net::Runtime;
use wappa_spec::Config;

const COMPONENT: Component = Component::processor::<AskConfig>("ask");

/// Asks somebody who takes a while; in a batch all at the same time.
#[derive(Config)]
struct AskConfig {
    /// How long that takes, in milliseconds.
    ms: u64,
}

impl BuildProcessor for AskConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        Ok(Box::new(Ask { duration: Duration::from_millis(self.ms), runtime: Runtime::of(ctx) }))
    }
}

struct Ask {
    duration: Duration,
    runtime: Runtime,
}

impl Processor for Ask {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        for idx in 0..part.n_batches() {
            let range = part.batch(idx);
            let duration = self.duration;
            let asked = part.messages()[range.clone()].iter().map(|message| {
                let text = String::from_utf8_lossy(message.content()).to_uppercase();
                let answer = async move {
                    tokio::time::sleep(duration).await;
                    text
                };
                self.runtime.spawn(answer).expect("the runtime can be started")
            });
            let asked: Vec<_> = asked.collect();
            for (at, answer) in range.zip(asked) {
                let Some(answer) = step.wait(answer) else { return idx };
                part.messages_mut()[at].set_content(answer.expect("no panic").into());
            }
            // What is finished goes on before the next wait.
            if step.is_due() {
                return idx + 1;
            }
        }
        part.n_batches()
    }
}

fn config(dir: &TempDir, ms: u64, count: usize) -> String {
    format!(
        "input: {{ batched: {{ child: {{ file: {{ paths: [{:?}] }} }}, policy: {{ count: {count} }} }} }}\n\
         pipeline: {{ threads: 2, processors: [ ask: {{ ms: {ms} }} ] }}\noutput: {{ file: {{ path: {:?}, codec: lines }} }}\n",
        dir.at("in"),
        dir.at("out"),
    )
}

#[test]
fn what_a_processor_waits_for_comes_in_order() {
    let dir = TempDir::new();
    let lines: String = (0..500).map(|it| format!("line {it}\n")).collect();
    fs::write(dir.at("in"), &lines).expect("it can be written");
    let running = streams(&[&COMPONENT]).start(&config(&dir, 10, 100));
    assert_eq!(running.join().fault, None);
    assert!(dir.read_so_far("out") == lines.to_uppercase());
}

#[test]
fn a_wait_ends_when_everything_is_given_up() {
    let dir = TempDir::new();
    fs::write(dir.at("in"), "a\nb\nc\n").expect("it can be written");
    let running = streams(&[&COMPONENT]).start(&config(&dir, 3_600_000, 1));
    wait_until("it waits", || {
        running.log.lines().iter().any(|it| it.contains("Input type file is now active"))
    });
    running.stop.drain();
    running.stop.abandon();
    let tally = running.tally.clone();
    // What it waits for takes an hour.
    assert_eq!(running.join().fault, None);
    assert_eq!((dir.read_so_far("out").as_str(), tally.undelivered()), ("", tally.totals().read));
}
