//! The processor `switch`.

use wappa_component::{
    Batches, BuildError, BuildProcessor, Component, Context, Logger, Part, Processor, Step, in_chunks, run_children,
};
use wappa_message::{Mark, Message, ORIGIN_NONE};
use wappa_spec::{ComponentNode, Config, Mapping, Node, Reader, Rule};

pub(super) const COMPONENT: Component = Component::processor::<SwitchConfig>("switch").categories(&["Composition"]);

/// Runs other processors on a message, depending on what it is: those of the first case whose check is true.
///
/// A message that no case is for goes on as it is. The messages of a batch that come to the same case are a batch to its
/// processors; behind the switch they are in the places they came from.
///
/// # Examples
///
/// ### Two kinds of documents, and the rest
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - switch:
///         - check: this.type == "user"
///           processors:
///             - mapping: root = this.name
///         - check: this.type == "noise"
///           processors:
///             - mapping: root = deleted()
///         - processors:
///             - log:
///                 message: unknown ${! content() }
/// output:
///   stdout: {}
/// ```
///
/// # Errors
///
/// A message on which a check fails, or for which it results in something else than a boolean, is marked, the log says so,
/// and no other case is tried.
///
/// # Pitfalls
///
/// In a check, `batch_size()` and the like count the messages that no case before was for.
#[derive(Config, Debug)]
struct SwitchConfig(Vec<CaseConfig>);

/// One case.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct CaseConfig {
    /// A mapping that says whether the case is for a message; without one it is for all.
    #[config(default = "\"\"", example = "this.type == \"foo\"", example = "this.urls.contains(\"https://example.com\")")]
    check: Mapping,

    /// The processors.
    #[config(child = "processor", default = "[]")]
    processors: Vec<ComponentNode>,

    /// Whether what comes of it goes through the next case as well, whatever its check says.
    #[config(default = "false", advanced)]
    fallthrough: bool,
}

/// Bento does not start with such a case.
fn lint(config: &CaseConfig, node: &Node, reader: &mut Reader<'_>) {
    if config.processors.is_empty() {
        reader.error(Rule::InvalidValue, node.get("processors").unwrap_or(node), NO_PROCESSORS);
    }
}

const NO_PROCESSORS: &str = "case has no processors, in order to have a no-op case use a `noop` processor";

impl BuildProcessor for SwitchConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        let mut cases = Vec::with_capacity(self.0.len());
        for (idx, case) in self.0.into_iter().enumerate() {
            if case.processors.is_empty() {
                return Err(BuildError::new(format!("case '{idx}' parse error: {NO_PROCESSORS}")));
            }
            let children = ctx.processors(&format!("switch.{idx}.processors"), &case.processors)?;
            cases.push(Case { check: case.check, children, falls_through: case.fallthrough });
        }
        Ok(Box::new(Switch { cases, logger: ctx.logger() }))
    }
}

struct Case {
    check: Mapping,
    children: Vec<Box<dyn Processor>>,
    falls_through: bool,
}

struct Switch {
    cases: Vec<Case>,
    logger: Logger,
}

/// Messages and where they belong.
#[derive(Default)]
struct Placed {
    messages: Vec<Message>,
    places: Vec<Place>,
}

/// The batch of a message, and the index it had in the part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    batch: u32,
    idx: u32,
}

impl Placed {
    fn push(&mut self, message: Message, place: Place) {
        self.messages.push(message);
        self.places.push(place);
    }

    fn drain(&mut self) -> impl Iterator<Item = (Message, Place)> {
        std::mem::take(&mut self.messages).into_iter().zip(std::mem::take(&mut self.places))
    }

    /// Puts other messages behind these, all in the order of their batches.
    fn append(&mut self, mut other: Placed) {
        let is_first = self.messages.is_empty();
        self.messages.append(&mut other.messages);
        self.places.append(&mut other.places);
        if !is_first {
            self.sort_by_key(|place| place.batch);
        }
    }

    fn sort_by_key<K: Ord>(&mut self, key: impl Fn(&Place) -> K) {
        if self.places.is_sorted_by_key(&key) {
            return;
        }
        let mut all: Vec<(Message, Place)> = self.drain().collect();
        all.sort_by_key(|(_, place)| key(place));
        (self.messages, self.places) = all.into_iter().unzip();
    }

    /// The ranges of the messages of each batch, in order.
    fn batches(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let mut start = 0;
        self.places.chunk_by(|one, other| one.batch == other.batch).map(move |batch| {
            let range = start..start + batch.len();
            start = range.end;
            range
        })
    }
}

/// What a check said.
enum Verdict {
    Passed,
    Refused,
    Failed(Mark),
}

impl Switch {
    /// Runs the part through all cases, and returns how many leading batches are finished.
    fn run(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let n_batches = part.n_batches();
        let mut places = Vec::with_capacity(part.n_messages());
        for batch in 0..n_batches {
            places.extend(part.batch(batch).map(|idx| Place { batch: batch as u32, idx: idx as u32 }));
        }
        let messages = std::mem::replace(part, Part::singles(Vec::new())).into_messages();
        let origins: Vec<u32> = messages.iter().map(Message::origin).collect();
        let mut remaining = Placed { messages, places };
        let mut carried = Placed::default();
        let mut results = Placed::default();
        let mut n_finished = n_batches;
        for (idx, case) in self.cases.iter().enumerate() {
            if remaining.messages.is_empty() && carried.messages.is_empty() {
                break;
            }
            let mut passed = std::mem::take(&mut carried);
            let mut new = Placed::default();
            let verdicts = self.verdicts(idx, case, &mut remaining);
            let mut rest = Placed::default();
            for ((mut message, place), verdict) in remaining.drain().zip(verdicts) {
                match verdict {
                    Verdict::Passed => new.push(message, place),
                    Verdict::Refused => rest.push(message, place),
                    Verdict::Failed(mark) => {
                        step.mark(&mut message, mark);
                        results.push(message, place);
                    }
                }
            }
            remaining = rest;
            passed.append(new);
            if passed.messages.is_empty() {
                continue;
            }
            let to = if case.falls_through { &mut carried } else { &mut results };
            let n_done = case.run(passed, &origins, to, step);
            if n_done < n_finished {
                // Nothing more is done with what will not be finished.
                n_finished = n_done;
                for held in [&mut carried, &mut remaining] {
                    let mut stays = Placed::default();
                    for (message, place) in held.drain() {
                        let to = if (place.batch as usize) < n_finished { &mut stays } else { &mut results };
                        to.push(message, place);
                    }
                    *held = stays;
                }
            }
        }
        for mut held in [carried, remaining] {
            results.messages.append(&mut held.messages);
            results.places.append(&mut held.places);
        }
        results.sort_by_key(|place| *place);
        *part = assemble(results, n_batches);
        n_finished
    }

    /// What the check of a case says of each message.
    fn verdicts(&self, idx: usize, case: &Case, remaining: &mut Placed) -> Vec<Verdict> {
        let Some(program) = case.check.program() else {
            return remaining.messages.iter().map(|_| Verdict::Passed).collect();
        };
        let mut verdicts = Vec::with_capacity(remaining.messages.len());
        let ranges: Vec<_> = remaining.batches().collect();
        for range in ranges {
            let batch = &mut remaining.messages[range];
            for place in 0..batch.len() {
                verdicts.push(match program.test(batch, place) {
                    Ok(true) => Verdict::Passed,
                    Ok(false) => Verdict::Refused,
                    Err(failure) => {
                        self.logger.failed(&format!("Failed to test case {idx}: {failure}"));
                        Verdict::Failed(Mark::new(failure.as_str()))
                    }
                });
            }
        }
        verdicts
    }
}

impl Case {
    /// Runs the processors on messages, whose results come to where their messages were, and returns how many leading batches
    /// of the part are finished.
    fn run(&self, passed: Placed, origins: &[u32], to: &mut Placed, step: &mut Step<'_>) -> usize {
        let ends: Vec<u32> = passed.batches().map(|it| it.end as u32).collect();
        let Placed { mut messages, places } = passed;
        // Where a message belongs stands where its origin does, until the processors are through with it.
        for (message, place) in messages.iter_mut().zip(&places) {
            message.set_origin(place.idx);
        }
        let mut view = match ends.len() == messages.len() {
            true => Part::singles(messages),
            false => Part::new(messages, Batches::Ends(ends.clone())),
        };
        let done = run_children(&self.children, &mut view, step);
        view.join_places();
        let n_results: Vec<usize> = (0..view.n_batches()).map(|idx| view.batch(idx).len()).collect();
        let mut results = view.into_messages().into_iter();
        let mut begin = 0;
        for (end, n_results) in ends.iter().zip(n_results) {
            let places = &places[begin..*end as usize];
            begin = *end as usize;
            let of_all = common(places.iter().map(|it| origins[it.idx as usize]));
            let mut idx = places[0].idx;
            for mut result in results.by_ref().take(n_results) {
                // What was made of several messages comes behind the one before it.
                match result.origin() {
                    ORIGIN_NONE => result.set_origin(of_all),
                    own => {
                        idx = own;
                        result.set_origin(origins[own as usize]);
                    }
                }
                to.push(result, Place { batch: places[0].batch, idx });
            }
        }
        match done {
            done if done < ends.len() => {
                let first = if done == 0 { 0 } else { ends[done - 1] as usize };
                places[first].batch as usize
            }
            _ => usize::MAX,
        }
    }
}

/// The origin that all have, if it is one.
fn common(mut origins: impl Iterator<Item = u32>) -> u32 {
    let first = origins.next().unwrap_or(ORIGIN_NONE);
    if origins.all(|it| it == first) { first } else { ORIGIN_NONE }
}

/// A part of so many batches, empty ones included.
fn assemble(placed: Placed, n_batches: usize) -> Part {
    let Placed { messages, places } = placed;
    let are_singles =
        messages.len() == n_batches && places.iter().enumerate().all(|(idx, place)| place.batch as usize == idx);
    if are_singles {
        return Part::singles(messages);
    }
    let ends = (1..=n_batches as u32).map(|batch| places.partition_point(|it| it.batch < batch) as u32).collect();
    Part::new(messages, Batches::Ends(ends))
}

impl Processor for Switch {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        in_chunks(part, step, |part, step| self.run(part, step))
    }
}

#[cfg(test)]
mod tests {
    use wappa_component::Step;

    use crate::test::{Harness, batches, check_interrupted, check_lint, check_process};

    #[test]
    fn the_first_case_that_is_true_is_for_a_message() {
        let config = r#"switch:
  - check: content() == "a"
    processors: [{append: '1'}]
  - check: content() != "c"
    processors: [{append: '2'}]
"#;
        check_process(config, &["a|b|c|a", "c", "b"], "a1|b2|c|a1\nc\nb2\n");
        check_process("switch: []", &["a|b!"], "a|b[b is bad]\n");
        check_process("switch: [{processors: [{append: x}]}]", &["a|b!", "c"], "ax|bx[b is bad]\ncx\n");
    }

    #[test]
    fn a_case_may_fall_through() {
        let config = r#"switch:
  - check: content() == "b"
    processors: [{append: '1'}]
    fallthrough: true
  - check: content() == "a"
    processors: [{append: '2'}]
    fallthrough: true
"#;
        check_process(config, &["a|b|c", "b", "a"], "a2|b12|c\nb12\na2\n");
    }

    #[test]
    fn a_check_that_fails_marks_its_message() {
        let config = r#"switch:
  - check: this > 1
    processors: [{append: '1'}]
  - check: if this == 0 { 5 } else { deleted() }
    processors: [{append: '2'}]
  - processors: [{append: '3'}]
"#;
        let mut harness = Harness::default();
        assert_eq!(
            harness.process(config, &["2|x|1", "0"]),
            "21|x[failed assignment (line 1): unable to reference message as structured (with 'this'): parse as json: invalid \
             character 'x' looking for beginning of value]|1[query mapping resulted in deleted message, expected a boolean \
             value]\n0[expected bool value, got number from mapping (5)]\n"
        );
        let log = harness.log.take();
        assert!(log.contains("Error Failed to test case 0: failed assignment (line 1): unable"), "{log}");
        assert!(log.contains("Error Failed to test case 1: expected bool value"), "{log}");
    }

    #[test]
    fn results_come_to_where_their_messages_were() {
        let config = r#"switch:
  - check: this % 2 == 1
    processors: [{double: {}}, {filter_on: '3'}]
  - processors: [{append: x}, {filter_on: '4'}]
"#;
        check_process(config, &["1|2|3|4|5", "3", "4|6"], "1|1|2x|5|5\n-\n6x\n");
        // Of several messages one: where the first of them was.
        let config = r#"switch:
  - check: this % 2 == 1
    processors: [{select_parts: {parts: [1]}}]
"#;
        check_process(config, &["0|1|2|3", "1|5"], "0|2|3\n5\n");
    }

    #[test]
    fn origins_stay_what_they_were() {
        let mut harness = Harness::default();
        let config = "switch: [{check: this % 2 == 1, processors: [{double: {}}]}, {check: this == 4, processors: \
                      [{insert_part: {content: new}}]}]";
        let processor = harness.processor(config).expect("it can be built");
        let mut part = batches(&["1", "2|3", "4"]);
        assert_eq!(processor.process(&mut part, &mut Step::new(0, harness.time.as_ref())), 3);
        let origins: Vec<u32> = part.messages().iter().map(|it| it.origin()).collect();
        assert_eq!(origins, [0, 0, 1, 2, 2, 3, 3]);
    }

    #[test]
    fn a_batch_of_a_case_is_what_comes_to_it() {
        let config = r#"switch:
  - check: batch_index() == 1
    processors: [{mapping: 'root = content() + "-" + batch_size().string()'}]
  - check: batch_size() == 2
    processors: [{mapping: 'root = content() + "+" + batch_index().string()'}]
"#;
        check_process(config, &["0|1|2", "0"], "0+0|1-1|2+1\n0\n");
    }

    #[test]
    fn what_is_finished_before_an_interruption_goes_on() {
        let config = "switch: [{check: 'content() != \"c\"', processors: [{interrupt: b}, {append: '1'}]}, {processors: \
                      [{append: '2'}]}]";
        check_interrupted(config, &["a|c", "c", "a", "c|b", "c", "a"], "a1|c2\nc2\na1\n");
        let config = "switch: [{check: 'content() == \"c\"', processors: [{append: '2'}]}, {processors: [{interrupt: ''}]}]";
        check_interrupted(config, &["c", "a", "c"], "c2\n");
    }

    #[test]
    fn lints() {
        let lint = |case: &str, expected: &str| {
            check_lint(&format!("pipeline:\n  processors:\n    - switch:\n        - {case}\n"), expected);
        };
        lint("processors: [{noop: {}}]", "");
        lint(
            "check: 'true'",
            "(4,1) case has no processors, in order to have a no-op case use a `noop` processor\n",
        );
        lint("{check: nope(), processors: [{noop: {}}]}", "(4,26) unrecognised function 'nope'\n");
    }
}
