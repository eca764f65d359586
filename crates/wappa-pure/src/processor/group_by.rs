//! The processor `group_by`, and what it shares with `group_by_value`.

use wappa_component::{
    Batches, BuildError, BuildProcessor, Component, Context, Logger, Part, Processor, Step, in_chunks, run_children,
};
use wappa_message::Message;
use wappa_spec::{ComponentNode, Config, Mapping, Node, Reader, Rule};

pub(super) const COMPONENT: Component =
    Component::processor::<GroupByConfig>("group_by").categories(&["Composition"]);

/// Divides each batch into groups, each of which becomes a batch, by what the messages are.
///
/// A message belongs to the first group whose check is true of it. The messages of a group stay in their order; the groups
/// follow each other as they are listed, and behind them come the messages that belong to none.
///
/// # Examples
///
/// ### Two kinds of messages, each an archive of its own
///
/// ```yaml
/// input:
///   batched:
///     child:
///       stdin: {}
///     policy:
///       count: 100
/// pipeline:
///   processors:
///     - group_by:
///         - check: content().contains("foo")
///           processors:
///             - archive:
///                 format: lines
///         - check: content().contains("bar")
///           processors:
///             - archive:
///                 format: json_array
/// output:
///   stdout: {}
/// ```
///
/// # Errors
///
/// A check that fails on a message is logged, and the message does not belong to that group.
///
/// # Delivery
///
/// What came in one batch is acknowledged when all of its groups have arrived.
#[derive(Config, Debug)]
struct GroupByConfig(Vec<GroupConfig>);

/// One group.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct GroupConfig {
    /// A mapping that says whether a message belongs to the group.
    #[config(example = "this.type == \"foo\"", example = "true")]
    check: Mapping,

    /// Processors that run on the group.
    #[config(child = "processor", default = "[]")]
    processors: Vec<ComponentNode>,
}

/// Bento does not start with such a group.
fn lint(config: &GroupConfig, node: &Node, reader: &mut Reader<'_>) {
    if config.check.program().is_none()
        && let Some(at) = node.get("check")
    {
        reader.error(Rule::BadMapping, at, NO_CHECK);
    }
}

const NO_CHECK: &str = "expected import, map, or assignment, but reached end of input";

impl BuildProcessor for GroupByConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        let mut groups = Vec::with_capacity(self.0.len());
        for (idx, group) in self.0.into_iter().enumerate() {
            if group.check.program().is_none() {
                return Err(BuildError::new(format!("group '{idx}' parse error: {NO_CHECK}")));
            }
            let children = ctx.processors(&format!("group_by.{idx}.processors"), &group.processors)?;
            groups.push(Group { check: group.check, children });
        }
        Ok(Box::new(GroupBy { groups, logger: ctx.logger() }))
    }
}

struct Group {
    check: Mapping,
    children: Vec<Box<dyn Processor>>,
}

struct GroupBy {
    groups: Vec<Group>,
    logger: Logger,
}

/// The messages of one place, and where the batches they are in end.
#[derive(Default)]
pub(super) struct Divided {
    messages: Vec<Message>,
    ends: Vec<u32>,
}

impl Divided {
    /// Puts a batch behind those there are, unless it is empty.
    pub(super) fn push(&mut self, batch: impl IntoIterator<Item = Message>) {
        let before = self.messages.len();
        self.messages.extend(batch);
        if before < self.messages.len() {
            self.ends.push(self.messages.len() as u32);
        }
    }

    /// A part of places that were divided.
    pub(super) fn part(places: Vec<Divided>) -> Part {
        let mut messages = Vec::new();
        let mut ends = Vec::with_capacity(places.len());
        let mut inner = Vec::with_capacity(places.len());
        for mut place in places {
            messages.append(&mut place.messages);
            ends.push(messages.len() as u32);
            // The last one ends where the place does.
            place.ends.pop();
            inner.push(place.ends);
        }
        let mut part = Part::new(messages, Batches::Ends(ends));
        let mut inner = inner.into_iter();
        part.divide(|_, out| out.extend(inner.next().expect("one for each place")));
        part
    }
}

impl GroupBy {
    /// Which group a message belongs to; as many as there are: to none.
    fn group_of(&self, batch: &mut [Message], place: usize) -> usize {
        let belongs = |idx: usize, group: &Group, batch: &mut [Message]| {
            let program = group.check.program().expect("it was there when the group was built");
            program.test(batch, place).unwrap_or_else(|failure| {
                self.logger.failed(&format!("Failed to test group {idx}: {failure}"));
                false
            })
        };
        let found = self.groups.iter().enumerate().position(|(idx, group)| belongs(idx, group, batch));
        found.unwrap_or(self.groups.len())
    }

    fn run(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let n_batches = part.n_batches();
        let mut grouped: Vec<Vec<Vec<Message>>> = Vec::with_capacity(n_batches);
        for idx in 0..n_batches {
            let range = part.batch(idx);
            let batch = &mut part.messages_mut()[range];
            let groups: Vec<usize> = (0..batch.len()).map(|place| self.group_of(batch, place)).collect();
            let mut messages: Vec<Vec<Message>> = (0..=self.groups.len()).map(|_| Vec::new()).collect();
            for (message, group) in batch.iter_mut().zip(groups) {
                messages[group].push(std::mem::take(message));
            }
            grouped.push(messages);
        }
        // What is interrupted in one group is not begun in those behind it.
        let mut n_finished = n_batches;
        let mut results: Vec<Divided> = (0..n_batches).map(|_| Divided::default()).collect();
        for (idx, group) in self.groups.iter().enumerate() {
            let mut view = Part::singles(Vec::new());
            let mut places = Vec::new();
            for (place, messages) in grouped.iter_mut().enumerate() {
                let messages = std::mem::take(&mut messages[idx]);
                if messages.is_empty() {
                    continue;
                }
                if n_finished <= place {
                    results[place].push(messages);
                    continue;
                }
                view.append(Part::one_batch(messages));
                places.push(place);
            }
            let done = run_children(&group.children, &mut view, step);
            n_finished = places.get(done).copied().unwrap_or(n_finished);
            for place in places {
                let rest = view.split_off(1);
                let one = std::mem::replace(&mut view, rest);
                let ends: Vec<usize> = (0..one.n_batches()).map(|it| one.batch(it).len()).collect();
                let mut messages = one.into_messages().into_iter();
                ends.into_iter().for_each(|n| results[place].push(messages.by_ref().take(n)));
            }
        }
        for (place, mut messages) in grouped.into_iter().enumerate() {
            results[place].push(messages.pop().unwrap_or_default());
        }
        *part = Divided::part(results);
        n_finished
    }
}

impl Processor for GroupBy {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        in_chunks(part, step, |part, step| self.run(part, step))
    }
}

#[cfg(test)]
mod tests {
    use crate::test::{Harness, check_interrupted, check_lint, check_process};

    /// Each batch with how many messages are in it.
    const COUNT: &str = "{mutation: 'root = content().string() + \"/\" + batch_size().string()'}";

    #[test]
    fn a_group_is_a_batch() {
        let config = format!(
            "processors: [{{group_by: [{{check: this % 2 == 0, processors: [{{append: x}}]}}, {{check: this == 3}}, {{check: \
             this == 4}}]}}, {COUNT}]"
        );
        check_process(&config, &["1|2|3|4|5", "6|8", "7"], "2x/2|4x/2\n3/1\n1/2|5/2\n6x/2|8x/2\n7/1\n");
        check_process(&format!("processors: [{{group_by: []}}, {COUNT}]"), &["a|b"], "a/2|b/2\n");
    }

    #[test]
    fn a_group_may_become_nothing_or_more_batches() {
        let config = format!(
            "processors: [{{group_by: [{{check: this < 3, processors: [{{split: {{}}}}]}}, {{check: this == 3, processors: \
             [{{filter_on: '3'}}]}}]}}, {COUNT}]"
        );
        check_process(&config, &["1|2|3|4|5", "3", "3|4"], "1/1\n2/1\n4/2|5/2\n-\n4/1\n");
    }

    #[test]
    fn a_check_that_fails_is_logged() {
        let mut harness = Harness::default();
        let config = "group_by: [{check: this > 1}, {check: 'true', processors: [{append: y}]}]";
        assert_eq!(harness.process(config, &["x|2"]), "2\nxy\n");
        let log = harness.log.take();
        assert!(log.starts_with("Error Failed to test group 0: failed assignment (line 1): "), "{log}");
    }

    #[test]
    fn what_is_finished_before_an_interruption_goes_on() {
        let config = "group_by: [{check: content() == \"a\", processors: [{append: '1'}]}, {check: content() != \"c\", \
                      processors: [{interrupt: b}, {append: '2'}]}]";
        check_interrupted(config, &["a|d", "c", "a|b", "a"], "a1\nd2\nc\n");
    }

    #[test]
    fn lints() {
        let lint = |group: &str, expected: &str| {
            check_lint(&format!("pipeline:\n  processors:\n    - group_by:\n        - {group}\n"), expected);
        };
        lint("check: 'true'", "");
        lint("processors: []", "(4,1) field check is required\n");
        lint("check: ''", "(4,1) expected import, map, or assignment, but reached end of input\n");
    }
}
