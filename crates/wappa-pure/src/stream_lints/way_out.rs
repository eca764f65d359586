//! A lint over a whole stream: messages that failed and are turned away for ever.

use wappa_spec::{ComponentKind, ComponentNode, Lint, Node, Pos, Registry, Rule, StreamConfig};

/// Resources may refer to each other in a circle, which is found when they are built.
const DEPTH_MAX: usize = 50;

/// Warns of a `reject_errored` that turns messages away with no other place to go, where they can fail and are replayed:
/// each comes back for as long as it fails, and when there are many of them the stream stands still.
///
/// Nothing is said where a `fallback` tries another output next, where the input does not replay (it says so itself what
/// becomes of them), and where a `catch` clears all marks after the last processor that can fail.
pub(super) fn lint(config: &StreamConfig, registry: &dyn Registry) -> Option<Lint> {
    let stream = Stream { config, registry };
    // A buffer replays whatever the input does.
    if config.buffer.name == "none" && !stream.replays(&config.input) {
        return None;
    }
    let can_fail = stream.can_fail(false, &config.input.processors);
    let can_fail = stream.can_fail(can_fail, &config.pipeline.processors);
    let found = stream.turns_away(&config.output, can_fail, 0)?;
    let message = "messages that failed have no way out: `reject_errored` turns them away, and the input replays them \
                   until they do not fail any more";
    let hint = "give them one: `fallback: [ reject_errored: …, file: { path: ./failed.txt } ]`";
    Some(Lint::warning(Rule::Custom, found, message).hint(hint))
}

struct Stream<'a> {
    config: &'a StreamConfig,
    registry: &'a dyn Registry,
}

impl Stream<'_> {
    /// Whether the input delivers again what failed.
    fn replays(&self, input: &ComponentNode) -> bool {
        match (input.name.as_str(), self.child(ComponentKind::Input, input.body.get("child"))) {
            ("batched", Some(child)) => self.replays(&child),
            ("broker" | "sequence", _) => {
                let inputs = input.body.get("inputs").and_then(Node::as_seq).unwrap_or_default();
                let child = |it| ComponentNode::read_again(ComponentKind::Input, it, self.registry);
                inputs.iter().filter_map(child).any(|it| self.replays(&it))
            }
            ("read_until", _) => {
                self.child(ComponentKind::Input, input.body.get("input")).is_none_or(|it| self.replays(&it))
            }
            // It is for whoever wrote it.
            ("inproc", _) => false,
            ("resource", _) => self
                .resource(&input.body, &self.config.resources.inputs)
                .is_none_or(|it| it.name == "resource" || self.replays(it)),
            _ => input.body.get("auto_replay_nacks").and_then(Node::as_bool) != Some(false),
        }
    }

    /// Whether messages may be marked after these processors.
    fn can_fail(&self, before: bool, processors: &[ComponentNode]) -> bool {
        processors.iter().fold(before, |before, it| match it.name.as_str() {
            "catch" => false,
            // `none` stands in for what is not known, and is told to be wrong itself.
            "noop" | "log" | "sleep" | "split" | "none" => before,
            // What is inside of a list that ends with a `catch` is cleared like that.
            "try" | "for_each" | "processors" => {
                let last = it.body.as_seq().and_then(<[Node]>::last);
                let is_cleared = last.is_some_and(|it| it.get("catch").is_some());
                it.name == "try" && before || !is_cleared
            }
            "resource" => match self.resource(&it.body, &self.config.resources.processors) {
                Some(it) if it.name != "resource" => self.can_fail(before, std::slice::from_ref(it)),
                _ => true,
            },
            _ => true,
        })
    }

    /// Where messages are turned away for good.
    fn turns_away(&self, output: &ComponentNode, before: bool, depth: usize) -> Option<Pos> {
        let can_fail = self.can_fail(before, &output.processors);
        if depth == DEPTH_MAX {
            return None;
        }
        match output.name.as_str() {
            "reject_errored" => can_fail.then_some(output.pos),
            // Where a check asks for failures, those go their own way.
            "switch" => {
                let cases = output.body.get("cases").and_then(Node::as_seq).unwrap_or_default();
                let asks =
                    |it: &Node| it.get("check").and_then(Node::as_str).is_some_and(|it| it.contains("error"));
                if cases.iter().any(asks) {
                    return None;
                }
                let outputs = cases.iter().filter_map(|it| it.get("output"));
                self.any_turns_away(outputs, can_fail, depth)
            }
            "broker" => {
                let outputs = output.body.get("outputs").and_then(Node::as_seq).unwrap_or_default();
                self.any_turns_away(outputs.iter(), can_fail, depth)
            }
            "retry" => self.any_turns_away(output.body.get("output").into_iter(), can_fail, depth),
            "drop_on" => {
                let drops = output.body.get("error").and_then(Node::as_bool) == Some(true)
                    || output.body.get("error_patterns").is_some();
                let output = output.body.get("output").filter(|_| !drops);
                self.any_turns_away(output.into_iter(), can_fail, depth)
            }
            // What one of them turns away is tried by the next.
            "fallback" => {
                let last = output.body.as_seq().and_then(<[Node]>::last);
                self.turns_away(&self.child(ComponentKind::Output, last)?, can_fail, depth + 1)
            }
            "resource" => {
                let resource = self.resource(&output.body, &self.config.resources.outputs)?;
                self.turns_away(resource, can_fail, depth + 1)
            }
            _ => None,
        }
    }

    /// Where one of these outputs, which are below another one, turns messages away.
    fn any_turns_away<'n>(
        &self,
        mut outputs: impl Iterator<Item = &'n Node>,
        can_fail: bool,
        depth: usize,
    ) -> Option<Pos> {
        outputs.find_map(|it| {
            self.turns_away(&self.child(ComponentKind::Output, Some(it))?, can_fail, depth + 1)
        })
    }

    fn resource<'n>(&self, body: &Node, nodes: &'n [ComponentNode]) -> Option<&'n ComponentNode> {
        nodes.iter().find(|it| Some(it.label.as_str()) == body.as_str())
    }

    fn child(&self, kind: ComponentKind, node: Option<&Node>) -> Option<ComponentNode> {
        ComponentNode::read_again(kind, node?, self.registry)
    }
}

#[cfg(test)]
mod tests {
    use crate::stream_lints::tests;

    /// Whether an output, in line 3, is told to have no way out for what a mapping in the pipeline may fail on.
    #[track_caller]
    fn check(output: &str, is_told: bool) {
        let text = "messages that failed have no way out: `reject_errored` turns them away, and the input replays them until \
                    they do not fail any more\n";
        let expected = if is_told { format!("(3,1) {text}") } else { String::new() };
        let config = format!(
            "input: {{stdin: {{}}}}\npipeline: {{processors: [mapping: root = this]}}\noutput: {{{output}}}\n"
        );
        tests::check(&config, &expected);
    }

    #[test]
    fn below_other_outputs() {
        let reject = "{reject_errored: {drop: {}}}";
        check("reject_errored: {drop: {}}", true);
        check(&format!("retry: {{output: {reject}}}"), true);
        check(&format!("broker: {{outputs: [drop: {{}}, {reject}]}}"), true);
        check(&format!("drop_on: {{back_pressure: 1s, output: {reject}}}"), true);
        check(&format!("drop_on: {{error: true, output: {reject}}}"), false);
        check(&format!("fallback: [{reject}, drop: {{}}]"), false);
        check(&format!("fallback: [drop: {{}}, {reject}]"), true);
        let case = |check: &str| format!("{{check: {check}, output: {{drop: {{}}}}}}");
        check(&format!("switch: {{cases: [{}, {{output: {reject}}}]}}", case("this.a == 1")), true);
        check(&format!("switch: {{cases: [{}, {{output: {reject}}}]}}", case("errored()")), false);
        check(
            &format!("broker: {{outputs: [switch: {{cases: [output: {{retry: {{output: {reject}}}}}]}}]}}"),
            true,
        );
    }
}
