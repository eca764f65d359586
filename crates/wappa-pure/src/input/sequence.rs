//! The input `sequence`.

use wappa_component::{BuildError, BuildInput, Component, Context, Input, Logger, Parcel, ReadError, Step, Waits};
use wappa_spec::{ComponentNode, Config, Node, Reader, Rule};

// Its children are counted and logged.
pub(super) const COMPONENT: Component =
    Component::input::<SequenceConfig>("sequence").categories(&["Utility"]).unobserved();

/// Reads from several inputs, one after the other.
///
/// An input is read when the one before it has ended, and not connected before. The stream ends when the last one has.
///
/// # Examples
///
/// ### A header, then everything that is piped in
///
/// ```yaml
/// input:
///   sequence:
///     inputs:
///       - file:
///           paths: [ ./header*.csv ]
///       - stdin: {}
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// An input that replays what failed has ended once all that came from it has arrived. So nothing of an input comes behind
/// something of the next one, and what collects messages lets go of them in between. At a stop, the inputs that were not
/// reached are not read.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct SequenceConfig {
    /// Joins messages of several inputs that have the same identifier.
    #[config(advanced)]
    sharded_join: ShardedJoinConfig,

    /// Where messages come from.
    #[config(child = "input")]
    inputs: Vec<ComponentNode>,
}

/// How messages are joined, once there is a language for what is in them.
#[derive(Config, Debug)]
#[expect(dead_code, reason = "what is said of a join is checked, and a join refused")]
struct ShardedJoinConfig {
    /// Whether messages are joined, and which of those that have no other; only `none` works as yet.
    #[config(default = "none", options("none", "full-outer", "outer", "full-outter", "outter"))]
    r#type: String,

    /// Where the identifier is in a message.
    #[config(default = "\"\"")]
    id_path: String,

    /// How often the inputs are read.
    #[config(default = "1")]
    iterations: i64,

    /// What becomes of a field that several messages have.
    #[config(default = "array", options("array", "replace", "keep"))]
    merge_strategy: String,
}

const NO_INPUTS: &str = "requires at least one child input";
const NO_JOIN: &str = "Wappa does not have `sharded_join` of `sequence` yet";

fn lint(config: &SequenceConfig, node: &Node, reader: &mut Reader<'_>) {
    if config.inputs.is_empty() {
        reader.error(Rule::Custom, node.get("inputs").unwrap_or(node), NO_INPUTS);
    }
    if config.sharded_join.r#type != "none" {
        let at = node.get("sharded_join").and_then(|it| it.get("type")).unwrap_or(node);
        reader.error(Rule::Custom, at, NO_JOIN);
    }
}

impl BuildInput for SequenceConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        if self.inputs.is_empty() {
            return Err(BuildError::new(NO_INPUTS));
        }
        if self.sharded_join.r#type != "none" {
            return Err(BuildError::new(NO_JOIN));
        }
        let build = |(idx, node)| ctx.input(&format!("sequence.inputs.{idx}"), node);
        let children: Result<Vec<_>, _> = self.inputs.iter().enumerate().map(build).collect();
        Ok(Box::new(Sequence { children: children?, current: 0, is_stopping: false, logger: ctx.logger() }))
    }
}

struct Sequence {
    children: Vec<Box<dyn Input>>,
    /// The one that is read.
    current: usize,
    is_stopping: bool,
    logger: Logger,
}

impl Input for Sequence {
    fn read(&mut self, waits: &mut Waits, step: &mut Step<'_>) -> Result<Parcel, ReadError> {
        while let Some(child) = self.children.get_mut(self.current) {
            match child.read(waits, step) {
                Err(ReadError::EndOfInput) if self.is_stopping => self.current = self.children.len(),
                Err(ReadError::EndOfInput) => {
                    self.current += 1;
                    if self.current == self.children.len() {
                        self.logger.info("Exhausted all sequence inputs, shutting down.");
                    }
                }
                result => return result,
            }
        }
        Err(ReadError::EndOfInput)
    }

    fn stop(&mut self) {
        self.is_stopping = true;
        if let Some(child) = self.children.get_mut(self.current) {
            child.stop();
        }
    }

    fn restart(&mut self) -> bool {
        self.current = 0;
        let restarted: Vec<bool> = self.children.iter_mut().map(|it| it.restart()).collect();
        restarted.contains(&true)
    }

    /// Of one that waits for answers the next one comes only behind them.
    fn is_exhausted(&self) -> bool {
        self.children.get(self.current).is_none_or(|it| it.is_exhausted())
    }

    fn takes_back(&self) -> bool {
        self.children.iter().all(|it| it.takes_back())
    }

    fn close(&mut self) -> Result<(), String> {
        let results: Vec<_> = self.children.iter_mut().map(|it| it.close()).collect();
        results.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::test::{Harness, TempDir, check_lint};

    #[test]
    fn one_after_the_other() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let (one, two) = (dir.write("1.txt", "a\nb\n"), dir.write("2.txt", "c\n"));
        let inputs = format!("[file: {{paths: [{one}]}}, file: {{paths: []}}, file: {{paths: [{two}]}}]");
        let mut input = harness.input(&format!("sequence: {{inputs: {inputs}}}"));
        assert_eq!(harness.read_all(input.as_mut()), "a\nb\nc\nend\n");
        assert!(harness.log.take().contains("Exhausted all sequence inputs"));
        assert_eq!(harness.read(input.as_mut()), "end\n");
        assert!(input.restart());
        assert_eq!(harness.read(input.as_mut()), "a\nb\n");
        input.stop();
        assert_eq!(harness.read_all(input.as_mut()), "end\n");
    }

    #[test]
    fn what_it_does_not_do() {
        let lint = |body: &str| format!("input:\n  sequence:\n    inputs: [ stdin: {{}} ]\n    {body}\n");
        check_lint("input:\n  sequence:\n    inputs: []\n", "(3,1) requires at least one child input\n");
        check_lint(&lint("sharded_join: {type: none, id_path: id}"), "");
        let text = "Wappa does not have `sharded_join` of `sequence` yet";
        check_lint(&lint("sharded_join: {type: outer, id_path: id}"), &format!("(4,1) {text}\n"));
    }
}
