//! The output `broker`.

use std::time::Duration;

use wappa_component::{
    Answer, BuildError, BuildOutput, Component, ConnectError, Context, Delivery, Output, Returns, Step,
};
use wappa_spec::{ComponentNode, Config, Node, Reader, Rule};

use super::{children::Children, retry::Retry};
use crate::{back_off::BackOff, batching::{self, PolicyConfig}};

pub(super) const COMPONENT: Component =
    Component::output::<BrokerConfig>("broker").categories(&["Utility"]).unobserved();

/// Writes to several outputs.
///
/// # Examples
///
/// ### A copy of everything that is printed
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   broker:
///     pattern: fan_out
///     outputs:
///       - stdout: {}
///       - file:
///           path: ./copy.txt
/// ```
///
/// # Patterns
///
/// - `fan_out`: every output gets every message. What one of them fails to deliver it is given again, until it has arrived
///   or the stream is given up; the others are not given it twice.
/// - `fan_out_fail_fast`: every output gets every message. What one of them fails to deliver has failed; an input that
///   replays it brings it to all of them again.
/// - `fan_out_sequential`: as `fan_out`, but an output is given a message only when the one before it has delivered it.
/// - `fan_out_sequential_fail_fast`: as `fan_out_fail_fast`, in that order. What an output fails to deliver does not come to
///   those behind it.
/// - `round_robin`: each batch goes to one output, to one after the other. One that has no room holds up all others.
/// - `greedy`: each batch goes to an output that has room for it now.
///
/// # Delivery
///
/// A message has arrived when all outputs that it goes to have delivered it. Each output connects, and waits for a lost
/// connection, by itself; with the patterns that give every message to all, the slowest of them sets the pace. When nobody
/// reads one of them any more, as in `| head -1`, the stream ends.
///
/// With `batching`, messages are collected before they are given to any output. What is collected is sent at once when
/// nothing more can come: at the end of the input, at a stop, or when so much is collected that nothing more is read.
///
/// # Performance
///
/// Messages are shared by the outputs, and copied only by one that changes them.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct BrokerConfig {
    /// How many of each output there are.
    #[config(default = "1", advanced)]
    copies: u64,

    /// Which output gets which message.
    #[config(
        default = "fan_out",
        options(
            "fan_out",
            "fan_out_fail_fast",
            "fan_out_sequential",
            "fan_out_sequential_fail_fast",
            "round_robin",
            "greedy"
        )
    )]
    pattern: String,

    /// Where messages go.
    #[config(child = "output")]
    outputs: Vec<ComponentNode>,

    /// Whether messages are collected, and when they are sent.
    batching: PolicyConfig,
}

const NO_OUTPUTS: &str = "attempting to create broker output type with no outputs";

fn lint(config: &BrokerConfig, node: &Node, reader: &mut Reader<'_>) {
    if config.outputs.is_empty() {
        reader.error(Rule::Custom, node.get("outputs").unwrap_or(node), NO_OUTPUTS);
    }
}

/// Which output gets which message.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Pattern {
    FanOut,
    Sequential,
    RoundRobin,
    Greedy,
}

impl BuildOutput for BrokerConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        if self.outputs.is_empty() || self.copies == 0 {
            return Err(BuildError::new(NO_OUTPUTS));
        }
        let pattern = match self.pattern.as_str() {
            "fan_out" | "fan_out_fail_fast" => Pattern::FanOut,
            "fan_out_sequential" | "fan_out_sequential_fail_fast" => Pattern::Sequential,
            "round_robin" => Pattern::RoundRobin,
            _ => Pattern::Greedy,
        };
        let retries = matches!(self.pattern.as_str(), "fan_out" | "fan_out_sequential");
        let mut children = Vec::new();
        for _ in 0..self.copies {
            for (idx, node) in self.outputs.iter().enumerate() {
                let child = ctx.output(&format!("broker.outputs.{idx}"), node)?;
                children.push(match retries {
                    true => Box::new(Retry::new(child, BackOff::endless(), ctx)) as Box<dyn Output>,
                    false => child,
                });
            }
        }
        let child = match children.len() {
            1 => children.remove(0),
            _ => Box::new(Broker {
                children: Children::new(children),
                pattern,
                next: 0,
                waiting: Vec::new(),
                returns: Returns::new(ctx.output_bell()),
            }),
        };
        batching::batched(child, &self.batching, ctx)
    }
}

struct Broker {
    children: Children,
    pattern: Pattern,
    /// Whose turn it is.
    next: usize,
    /// What no output had room for.
    waiting: Vec<Delivery>,
    /// What one output after the other was given, with the index of the last one.
    returns: Returns<(usize, Delivery, Answer)>,
}

impl Broker {
    fn give_in_sequence(&mut self, idx: usize, delivery: Delivery, step: &mut Step<'_>) {
        let is_last = idx + 1 == self.children.len();
        let delivery = match is_last {
            true => delivery,
            false => {
                let returns = self.returns.clone();
                delivery.via(move |delivery, answer| returns.put((idx, delivery, answer)))
            }
        };
        self.children.get(idx).write(delivery, step);
    }

    fn give_in_turn(&mut self, delivery: Delivery, step: &mut Step<'_>) {
        let (first, n) = (self.next, self.children.len());
        let part = delivery.part();
        self.next = (first + part.n_batches()) % n;
        let mut batches = (0..part.n_batches()).flat_map(|it| std::iter::repeat_n(it, part.batch(it).len()));
        let targets: Vec<usize> = batches.by_ref().map(|batch| (first + batch) % n).collect();
        drop(batches);
        for (idx, delivery) in delivery.route(n, |idx, _| targets[idx]).into_iter().enumerate() {
            if let Some(delivery) = delivery {
                self.children.get(idx).write(delivery, step);
            }
        }
    }

    /// Divides what waits among those that have room: to each the same number of batches.
    fn give_to_the_free(&mut self, step: &mut Step<'_>) {
        while let Some(mut delivery) = self.waiting.pop() {
            let mut free = self.children.with_room(self.next).into_iter();
            loop {
                let Some(idx) = free.next() else {
                    return self.waiting.push(delivery);
                };
                let n_batches = delivery.part().n_batches();
                let share = n_batches.div_ceil(free.len() + 1);
                let rest = (share < n_batches).then(|| delivery.split_off(share));
                self.next = (idx + 1) % self.children.len();
                self.children.get(idx).write(delivery, step);
                match rest {
                    Some(rest) => delivery = rest,
                    None => break,
                }
            }
        }
    }

    fn settle(&mut self, step: &mut Step<'_>) {
        while let Some(returned) = self.returns.take() {
            for (idx, delivery, answer) in returned {
                let (arrived, failed) = delivery.divide(&answer);
                if let Some(failed) = failed {
                    failed.give_up(answer);
                }
                if let Some(arrived) = arrived {
                    self.give_in_sequence(idx + 1, arrived, step);
                }
            }
        }
        self.give_to_the_free(step);
    }
}

impl Output for Broker {
    fn connect(&mut self) -> Result<(), ConnectError> {
        self.children.connect()
    }

    fn has_room(&self) -> bool {
        let n = self.children.len();
        match self.pattern {
            Pattern::FanOut => (0..n).all(|it| self.children.has_room(it)),
            Pattern::Sequential => self.children.has_room(0),
            Pattern::RoundRobin => self.children.has_room(self.next),
            Pattern::Greedy => self.waiting.is_empty() && (0..n).any(|it| self.children.has_room(it)),
        }
    }

    fn write(&mut self, delivery: Delivery, step: &mut Step<'_>) {
        self.returns.attend();
        match self.pattern {
            Pattern::FanOut => {
                for idx in 1..self.children.len() {
                    self.children.get(idx).write(delivery.copy(), step);
                }
                self.children.get(0).write(delivery, step);
            }
            Pattern::Sequential => self.give_in_sequence(0, delivery, step),
            Pattern::RoundRobin => self.give_in_turn(delivery, step),
            Pattern::Greedy => self.waiting.insert(0, delivery),
        }
        self.settle(step);
    }

    fn resume(&mut self, step: &mut Step<'_>) {
        self.returns.attend();
        self.children.resume(step);
        self.settle(step);
    }

    fn due(&self) -> Option<Duration> {
        self.children.due()
    }

    fn flush(&mut self, step: &mut Step<'_>) {
        // What one lets go of may come to the next, and make room for what waits.
        for idx in 0..self.children.len() {
            self.returns.attend();
            self.settle(step);
            self.returns.attend();
            self.children.get(idx).flush(step);
            self.settle(step);
        }
    }

    fn close(&mut self) -> Result<(), String> {
        self.children.close()
    }
}

#[cfg(test)]
mod tests {
    use wappa_component::Output;

    use crate::test::{Harness, Said, check_lint};

    /// A broker of two outputs that answer late.
    fn broker(harness: &mut Harness, pattern: &str) -> Box<dyn Output> {
        let outputs = "[late: {name: one, room: 2}, late: {name: two, room: 2}]";
        harness.output(&format!("broker: {{pattern: {pattern}, outputs: {outputs}}}"))
    }

    fn has(harness: &Harness, one: &str, two: &str) {
        assert_eq!((harness.held.of("one").as_str(), harness.held.of("two").as_str()), (one, two));
    }

    fn answer(harness: &mut Harness, output: &mut Box<dyn Output>, name: &str, on: &str) {
        harness.held.answer(name, on);
        harness.resume(output);
    }

    fn said(said: &Said) -> String {
        said.take()
    }

    #[test]
    fn fan_out_retries_only_where_it_failed() {
        let mut harness = Harness::default();
        let mut output = broker(&mut harness, "fan_out");
        let it = harness.give(&mut output, &["a|x", "b"]);
        has(&harness, "a|x / b", "a|x / b");
        answer(&mut harness, &mut output, "one", "");
        answer(&mut harness, &mut output, "two", "x");
        assert_eq!((said(&it).as_str(), output.has_room()), ("nothing", false));
        harness.advance_to(output.due());
        harness.resume(&mut output);
        has(&harness, "", "x");
        answer(&mut harness, &mut output, "two", "");
        assert_eq!((said(&it).as_str(), output.has_room()), ("delivered", true));
    }

    #[test]
    fn fan_out_has_room_where_all_have() {
        let mut harness = Harness::default();
        let mut output = broker(&mut harness, "fan_out_fail_fast");
        let first = harness.give(&mut output, &["a"]);
        let _second = harness.give(&mut output, &["b"]);
        assert!(!output.has_room());
        harness.held.answer("one", "");
        assert!(!output.has_room());
        answer(&mut harness, &mut output, "two", "a");
        assert_eq!((said(&first).as_str(), output.has_room()), ("failed: two failed", true));
    }

    #[test]
    fn in_sequence_what_failed_goes_no_further() {
        let mut harness = Harness::default();
        let mut output = broker(&mut harness, "fan_out_sequential_fail_fast");
        let it = harness.give(&mut output, &["a|x", "b"]);
        has(&harness, "a|x / b", "");
        answer(&mut harness, &mut output, "one", "x");
        has(&harness, "", "a / b");
        answer(&mut harness, &mut output, "two", "b");
        assert_eq!(said(&it), "partial: 1: one failed, 2: two failed");

        let mut output = broker(&mut harness, "fan_out_sequential");
        let it = harness.give(&mut output, &["a|x"]);
        answer(&mut harness, &mut output, "one", "x");
        has(&harness, "", "");
        harness.advance_to(output.due());
        harness.resume(&mut output);
        answer(&mut harness, &mut output, "one", "");
        has(&harness, "", "a|x");
        answer(&mut harness, &mut output, "two", "");
        assert_eq!(said(&it), "delivered");
    }

    #[test]
    fn in_turn_each_gets_a_batch() {
        let mut harness = Harness::default();
        let mut output = broker(&mut harness, "round_robin");
        let it = harness.give(&mut output, &["a|b", "c", "d|e"]);
        has(&harness, "a|b / d|e", "c");
        let other = harness.give(&mut output, &["f"]);
        has(&harness, "a|b / d|e", "c\nf");
        assert!(output.has_room(), "the first one has");
        answer(&mut harness, &mut output, "two", "c");
        answer(&mut harness, &mut output, "one", "e");
        assert_eq!((said(&it).as_str(), said(&other).as_str()), ("partial: 2: two failed, 4: one failed", "nothing"));
    }

    #[test]
    fn whoever_is_free_gets_more() {
        let mut harness = Harness::default();
        let mut output = broker(&mut harness, "greedy");
        let it = harness.give(&mut output, &["a", "b", "c"]);
        has(&harness, "a / b", "c");
        let other = harness.give(&mut output, &["d", "e"]);
        has(&harness, "a / b\nd", "c\ne");
        assert!(!output.has_room(), "both are full");
        let more = harness.give(&mut output, &["f", "g"]);
        has(&harness, "a / b\nd", "c\ne");
        answer(&mut harness, &mut output, "two", "");
        harness.turn(&mut output);
        has(&harness, "a / b\nd", "e\nf / g");
        for name in ["one", "one", "two", "two"] {
            answer(&mut harness, &mut output, name, "");
        }
        assert_eq!([&it, &other, &more].map(said), ["delivered"; 3]);
    }

    #[test]
    fn batches_are_collected_from_parts_of_one() {
        let mut harness = Harness::default();
        let outputs = "[late: {name: one}, late: {name: two}]";
        let policy = "{count: 3, period: 1s, processors: [{append: '!'}]}";
        let config = format!("broker: {{pattern: fan_out_fail_fast, outputs: {outputs}, batching: {policy}}}");
        let mut output = harness.output(&config);
        let first = harness.give(&mut output, &["a", "b"]);
        has(&harness, "", "");
        let second = harness.give(&mut output, &["c|d"]);
        has(&harness, "a!|b!|c!", "a!|b!|c!");
        answer(&mut harness, &mut output, "one", "b");
        answer(&mut harness, &mut output, "two", "");
        assert_eq!((said(&first).as_str(), said(&second).as_str()), ("partial: 1: one failed", "nothing"));
        // What is left is sent when the period is over.
        harness.advance_to(output.due());
        harness.resume(&mut output);
        has(&harness, "d!", "d!");
        answer(&mut harness, &mut output, "one", "");
        answer(&mut harness, &mut output, "two", "");
        assert_eq!((said(&second).as_str(), output.due()), ("delivered", None));
        // Or when nothing more can come.
        let third = harness.give(&mut output, &["e"]);
        harness.flush(&mut output);
        has(&harness, "e!", "e!");
        assert_eq!((said(&third).as_str(), output.due()), ("nothing", None));
        let counted = harness.counters("batch_created");
        assert!(counted.contains("mechanism=count,path=root.output.batching 1"), "{counted}");
        assert!(counted.contains("mechanism=period,path=root.output.batching 1"), "{counted}");
    }

    #[test]
    fn a_batch_that_is_filtered_needs_no_delivery() {
        let mut harness = Harness::default();
        let policy = "{count: 2, processors: [{filter_on: a}]}";
        let config = format!("broker: {{outputs: [late: {{name: one}}], batching: {policy}}}");
        let mut output = harness.output(&config);
        let it = harness.give(&mut output, &["a1", "a2"]);
        assert_eq!((said(&it).as_str(), harness.held.of("one").as_str()), ("delivered", ""));
    }

    #[test]
    fn there_are_as_many_as_asked_for() {
        let mut harness = Harness::default();
        let config = "broker: {copies: 3, outputs: [late: {name: one}], pattern: fan_out_fail_fast}";
        let mut output = harness.output(config);
        let _it = harness.give(&mut output, &["a"]);
        assert_eq!(harness.held.of("one"), "a\na\na");
        assert!(harness.try_output("broker: {copies: 0, outputs: [drop: {}]}").is_err());
        let text = "attempting to create broker output type with no outputs";
        check_lint("output:\n  broker:\n    outputs: []\n", &format!("(3,1) {text}\n"));
    }
}
