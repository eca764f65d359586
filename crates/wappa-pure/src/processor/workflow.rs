//! The processor `workflow`.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use wappa_component::{
    BuildError, BuildProcessor, Component, Context, Logger, Part, Processor, Step, in_chunks, tracer::SpanPlace,
};
use wappa_message::{Mark, Message, Object, Text, TooDeep, Value};
use wappa_spec::{Config, Map, Node, Reader, Rule};

use super::{
    branch::{Branch, BranchConfig, Labelled, Outcome, misaligned},
    document::document,
};

pub(super) const COMPONENT: Component =
    Component::processor::<WorkflowConfig>("workflow").categories(&["Composition"]);

/// Runs several branches, each behind those whose results it needs, and writes into each message what became of them.
///
/// A branch is what the processor [`branch`](branch.md) is. What its `request_map` reads and another one's `result_map` assigns
/// decides which is first, unless `order` says it: one that reads `this.a.b` comes behind those that assign `root.a.b`,
/// `root.a` or `root`, and not behind one that assigns a part of it. Branches that do not need each other are a tier: each of
/// them sees the messages as they were before the tier.
///
/// # Examples
///
/// ### The second branch needs what the first one finds
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - workflow:
///         branches:
///           name:
///             request_map: root = this.user
///             processors:
///               - mapping: root = content().uppercase()
///             result_map: root.name = content().string()
///           greeting:
///             request_map: root = this.name
///             processors:
///               - mapping: root = "HELLO " + content().string()
///             result_map: root.greeting = content().string()
/// output:
///   stdout: {}
/// ```
///
/// # Structured metadata
///
/// At `meta_path` each document gets an object with lists of names, `succeeded` and `skipped`, and with `failed`, an object of
/// names and reasons. A branch is skipped for a message whose request is deleted.
///
/// A message that has been through the workflow before, as from a queue of failed messages, has such an object already. Branches
/// that it says have succeeded or were skipped are skipped again; a list `apply` in it says which ones are to run at all. It
/// stands as `previous` in the new one.
///
/// # Errors
///
/// A branch that fails on a message is told in `failed`, and the message is not marked. With an empty `meta_path`, and where the
/// object cannot be written since the document is none or no object, the message is marked with the names of the branches.
///
/// # Resources
///
/// `branch_resources`, and names in `order` that are none of `branches`, are labels of `branch` processors among the
/// `processor_resources`.
///
/// # Performance
///
/// The branches of a tier run one after the other, in the order of their names, on the thread of the message; what runs at the
/// same time are the threads of the pipeline.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct WorkflowConfig {
    /// The path, with points between names, of the object that says what became of the branches; empty for none.
    #[config(default = "meta.workflow")]
    meta_path: String,

    /// The tiers, each a list of names. All branches are in it once.
    #[config(default = "[]", example = "[[foo, bar], [baz]]", example = "[[foo], [bar], [baz]]")]
    order: Vec<Vec<String>>,

    /// Labels of `branch` processors that are resources, and belong to the workflow as those in `branches` do.
    #[config(default = "[]", advanced)]
    branch_resources: Vec<String>,

    /// The branches by their names.
    #[config(default = "{}")]
    branches: Map<BranchConfig>,
}

/// Each may need each other one, which a config could ask for without end.
const BRANCHES_MAX: usize = 1000;

/// What Bento finds when it starts, as far as the branches are known.
fn lint(config: &WorkflowConfig, node: &Node, reader: &mut Reader<'_>) {
    let names: Vec<&str> = config.branches.0.iter().map(|(name, _)| name.as_str()).collect();
    if !config.order.is_empty() {
        let all: Vec<&str> = names.into_iter().chain(config.branch_resources.iter().map(String::as_str)).collect();
        if let Err(why) = check_order(&config.order, &all) {
            reader.error(Rule::InvalidValue, node.get("order").unwrap_or(node), why);
        }
        return;
    }
    if config.branch_resources.is_empty() {
        let needs: Vec<Needs> = config.branches.0.iter().map(|(name, it)| Needs::of(name, it.places())).collect();
        if let Err(why) = tiers(&needs) {
            reader.error(Rule::InvalidValue, node.get("branches").unwrap_or(node), why);
        }
    }
}

/// The error is Bento's.
fn check_order(order: &[Vec<String>], all: &[&str]) -> Result<(), String> {
    let mut seen = HashSet::new();
    for name in order.iter().flatten() {
        if !seen.insert(name.as_str()) {
            return Err(format!("branch specified in order listed multiple times: {name}"));
        }
    }
    let mut missing: Vec<&str> = all.iter().copied().filter(|it| !seen.contains(it)).collect();
    missing.sort_unstable();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(format!("the following branches were missing from order: [{}]", missing.join(" "))),
    }
}

/// What a branch reads and assigns.
struct Needs {
    name: String,
    read: Vec<wappa_bloblang::Place>,
    assigned: Vec<wappa_bloblang::Place>,
}

impl Needs {
    fn of(name: &str, (read, assigned): (Vec<wappa_bloblang::Place>, Vec<wappa_bloblang::Place>)) -> Needs {
        Needs { name: name.to_string(), read, assigned }
    }
}

/// Which branches assign what: a tree over the names that lead there. Paths are as long as somebody makes them, so its nodes
/// are in one list, and nothing recurs.
struct Assigned<'a>(Vec<AssignedAt<'a>>);

/// A place, and those below it.
#[derive(Default)]
struct AssignedAt<'a> {
    below: HashMap<&'a str, usize>,
    branches: Vec<usize>,
}

impl<'a> Assigned<'a> {
    fn new() -> Assigned<'a> {
        Assigned(vec![AssignedAt::default()])
    }

    fn add(&mut self, path: &'a [String], branch: usize) {
        let mut at = 0;
        for name in path {
            let next = self.0.len();
            at = *self.0[at].below.entry(name).or_insert(next);
            if at == next {
                self.0.push(AssignedAt::default());
            }
        }
        self.0[at].branches.push(branch);
    }

    /// Marks who assigns what is read, or all of which it is a part. Who assigns a part of it only is not waited for, as in
    /// Bento: else two branches that are given the whole document would wait for each other.
    fn mark(&self, path: &[String], is_needed: &mut [bool]) {
        let mut at = &self.0[0];
        at.branches.iter().for_each(|it| is_needed[*it] = true);
        for name in path {
            let Some(below) = at.below.get(name.as_str()) else { return };
            at = &self.0[*below];
            at.branches.iter().for_each(|it| is_needed[*it] = true);
        }
    }
}

/// For each branch, which ones it needs.
fn needed(all: &[Needs]) -> Vec<Vec<bool>> {
    let (mut document, mut metadata) = (Assigned::new(), Assigned::new());
    for (idx, branch) in all.iter().enumerate() {
        for place in &branch.assigned {
            if place.is_metadata() { &mut metadata } else { &mut document }.add(place.path(), idx);
        }
    }
    let of = |(idx, branch): (usize, &Needs)| {
        let mut read: Vec<_> = branch.read.iter().collect();
        read.sort_unstable();
        read.dedup();
        let mut is_needed = vec![false; all.len()];
        for place in read {
            if place.is_metadata() { &metadata } else { &document }.mark(place.path(), &mut is_needed);
        }
        is_needed[idx] = false;
        is_needed
    };
    all.iter().enumerate().map(of).collect()
}

/// Branches in tiers, each behind those it needs; the error is Bento's.
fn tiers(all: &[Needs]) -> Result<Vec<Vec<usize>>, String> {
    check_number(all.len())?;
    let needed = needed(all);
    let mut n_open: Vec<usize> = needed.iter().map(|it| it.iter().filter(|it| **it).count()).collect();
    let mut left: Vec<usize> = (0..all.len()).collect();
    left.sort_by(|one, other| all[*one].name.cmp(&all[*other].name));
    let mut tiers = Vec::new();
    while !left.is_empty() {
        let (tier, rest): (Vec<usize>, Vec<usize>) = left.iter().copied().partition(|idx| n_open[*idx] == 0);
        if tier.is_empty() {
            let names: Vec<&str> = rest.iter().map(|idx| all[*idx].name.as_str()).collect();
            return Err(format!(
                "failed to automatically resolve DAG, circular dependencies detected for branches: [{}]",
                names.join(" ")
            ));
        }
        for idx in &rest {
            n_open[*idx] -= tier.iter().filter(|it| needed[*idx][**it]).count();
        }
        tiers.push(tier);
        left = rest;
    }
    Ok(tiers)
}

fn check_number(n_branches: usize) -> Result<(), String> {
    match BRANCHES_MAX < n_branches {
        true => Err(format!("a workflow has at most {BRANCHES_MAX} branches, not {n_branches}")),
        false => Ok(()),
    }
}

impl BuildProcessor for WorkflowConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        let mut branches: Vec<(String, Arc<Branch>)> = Vec::new();
        for (name, config) in self.branches.0 {
            let branch = config.open(&format!("workflow.branches.{name}"), ctx)?;
            branches.push((name, Arc::new(branch)));
        }
        let is_there = |branches: &[(String, Arc<Branch>)], name: &str| branches.iter().any(|(it, _)| it == name);
        for label in &self.branch_resources {
            if is_there(&branches, label) {
                return Err(BuildError::new(format!("branch resource name '{label}' collides with an explicit branch")));
            }
        }
        for label in self.branch_resources.iter().chain(self.order.iter().flatten()) {
            if !is_there(&branches, label) {
                // It is built now, unless it was before, and leaves itself where it is found.
                ctx.processor_resource(label)?;
                let branch = ctx.services().get_or_default::<Labelled>().find(label);
                let branch = branch.ok_or_else(|| {
                    BuildError::new(format!("found resource named '{label}' with wrong type, expected a branch processor"))
                })?;
                branches.push((label.clone(), branch));
            }
        }
        let tiers = if self.order.is_empty() {
            let needs: Vec<Needs> = branches.iter().map(|(name, it)| Needs::of(name, it.places())).collect();
            tiers(&needs).map_err(BuildError::new)?
        } else {
            let names: Vec<&str> = branches.iter().map(|(name, _)| name.as_str()).collect();
            check_order(&self.order, &names).map_err(BuildError::new)?;
            let place = |name: &String| names.iter().position(|it| it == name).expect("each name of the order was found");
            self.order.iter().map(|tier| tier.iter().map(place).collect()).collect()
        };
        let meta_path = match self.meta_path.as_str() {
            "" => Vec::new(),
            path => path.split('.').map(|it| it.replace("~1", ".").replace("~0", "~")).collect(),
        };
        let tracer = ctx.tracer();
        let span = |(name, _): &(String, Arc<Branch>)| {
            tracer.place(name, "", &format!("{}.workflow.branches.{name}", ctx.path()))
        };
        let spans = branches.iter().filter_map(span).collect();
        Ok(Box::new(Workflow { branches, tiers, meta_path, spans, logger: ctx.logger() }))
    }
}

struct Workflow {
    branches: Vec<(String, Arc<Branch>)>,
    tiers: Vec<Vec<usize>>,
    meta_path: Vec<String>,
    /// Of each branch, where anything is traced.
    spans: Vec<SpanPlace>,
    logger: Logger,
}

/// What became of the branches for one message, by their names.
#[derive(Clone, Default)]
struct Record<'a> {
    succeeded: BTreeSet<&'a str>,
    skipped: BTreeSet<&'a str>,
    failed: BTreeMap<&'a str, Mark>,
}

impl Workflow {
    /// Runs a part through all tiers, and returns how many leading batches are finished.
    fn run(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let skips: Vec<HashSet<usize>> = part.messages_mut().iter_mut().map(|it| self.skips(it)).collect();
        let mut records = vec![Record::default(); skips.len()];
        let mut unfinished: Option<Part> = None;
        for tier in &self.tiers {
            // Each branch of a tier sees the messages as they were before it.
            let mut all_outcomes = Vec::with_capacity(tier.len());
            for idx in tier {
                let branch = &self.branches[*idx].1;
                let spans = self.spans.get(*idx);
                let entered = spans.map_or_else(Vec::new, |it| it.enter(part.messages_mut()));
                let (n_finished, outcomes) = branch.run(part, step, |message| !skips[message].contains(idx));
                if let Some(spans) = spans {
                    let is_failed = |idx: usize| {
                        matches!(outcomes.get(idx), Some(Outcome::Failed(_) | Outcome::Misaligned(_)))
                    };
                    spans.leave(entered, part.messages_mut(), is_failed);
                }
                if n_finished < part.n_batches() {
                    let mut rest = part.split_off(n_finished);
                    if let Some(behind) = unfinished.take() {
                        rest.append(behind);
                    }
                    unfinished = Some(rest);
                }
                all_outcomes.push(outcomes);
            }
            for (idx, mut outcomes) in tier.iter().zip(all_outcomes) {
                outcomes.truncate(part.n_messages());
                self.settle(*idx, part, outcomes, &mut records, step);
            }
        }
        let n_finished = part.n_batches();
        for (message, record) in part.messages_mut().iter_mut().zip(&records) {
            self.finish(message, record, step);
        }
        if let Some(rest) = unfinished {
            part.append(rest);
        }
        n_finished
    }

    /// Maps the results of one branch into the messages, and records what became of it.
    fn settle<'a>(
        &'a self,
        idx: usize,
        part: &mut Part,
        mut outcomes: Vec<Outcome>,
        records: &mut [Record<'a>],
        step: &mut Step<'_>,
    ) {
        let (name, branch) = &self.branches[idx];
        for batch in 0..part.n_batches() {
            let range = part.batch(batch);
            let messages = &mut part.messages_mut()[range.clone()];
            if let Some(mark) = misaligned(&outcomes[range.clone()]) {
                self.logger.failed(&format!("Failed to perform enrichment '{name}': {mark}"));
            }
            let failures = branch.overlay(messages, &mut outcomes[range.clone()], step);
            for (outcome, record) in outcomes[range.clone()].iter().zip(&mut records[range.clone()]) {
                let names = match outcome {
                    Outcome::Skipped => &mut record.skipped,
                    _ => &mut record.succeeded,
                };
                names.insert(name);
            }
            for (place, mark) in failures {
                let record = &mut records[range.start + place];
                record.succeeded.remove(name.as_str());
                record.failed.insert(name, mark);
            }
        }
    }

    /// Which branches do not run for a message, by what an earlier run has left in it.
    fn skips(&self, message: &mut Message) -> HashSet<usize> {
        let mut skips = HashSet::new();
        if self.meta_path.is_empty() || message.content().is_empty() {
            return skips;
        }
        let Ok(value) = message.value() else { return skips };
        let Some(Value::Object(earlier)) = find(value, &self.meta_path) else { return skips };
        let listed = |field: &str| -> Vec<usize> {
            let Some(Value::Array(names)) = earlier.get(field) else { return Vec::new() };
            let place = |name: Value| match name {
                Value::Text(name) => self.branches.iter().position(|(it, _)| it.as_bytes() == name.as_slice()),
                _ => None,
            };
            names.iter().filter_map(place).collect()
        };
        if let Some(Value::Array(apply)) = earlier.get("apply")
            && !apply.is_empty()
        {
            let wanted = listed("apply");
            skips.extend((0..self.branches.len()).filter(|idx| !wanted.contains(idx)));
        }
        skips.extend(listed("succeeded"));
        skips.extend(listed("skipped"));
        skips
    }

    /// Writes the record into a message, or marks it where that cannot be.
    fn finish(&self, message: &mut Message, record: &Record<'_>, step: &mut Step<'_>) {
        if !self.meta_path.is_empty() {
            match self.write(message, record, step) {
                Ok(true) => return,
                Ok(false) => (),
                Err(why) => {
                    self.logger.failed(&format!("Failed to parse message for meta update: {why}"));
                    if record.failed.is_empty() {
                        step.mark(message, Mark::new(why));
                    }
                }
            }
        }
        if !record.failed.is_empty() {
            let names: Vec<&str> = record.failed.keys().copied().collect();
            step.mark(message, Mark::new(format!("workflow branches failed: [{}]", names.join(" "))));
        }
    }

    /// `false`: the document has no place for it. The error is why there is no document.
    fn write(&self, message: &mut Message, record: &Record<'_>, step: &mut Step<'_>) -> Result<bool, String> {
        let before = message.content_size();
        let value = document(message)?;
        let mut pairs: Vec<(Text, Value)> = Vec::new();
        let list = |names: &BTreeSet<&str>| Value::array(names.iter().map(Value::text));
        let failed = record.failed.iter().map(|(name, mark)| (Text::from(*name), Value::text(mark.as_str())));
        let too_deep = |err: TooDeep| err.to_string();
        if !record.succeeded.is_empty() {
            pairs.push(("succeeded".into(), list(&record.succeeded).map_err(too_deep)?));
        }
        if !record.skipped.is_empty() {
            pairs.push(("skipped".into(), list(&record.skipped).map_err(too_deep)?));
        }
        if !record.failed.is_empty() {
            pairs.push(("failed".into(), Value::object(failed).map_err(too_deep)?));
        }
        if let Some(previous) = find(value, &self.meta_path).filter(|it| !matches!(it, Value::Null)) {
            pairs.push(("previous".into(), previous));
        }
        let current = Value::object(pairs).map_err(too_deep)?;
        let mut changed = value.clone();
        if !set(&mut changed, &self.meta_path, current).map_err(too_deep)? {
            return Ok(false);
        }
        message.set_value(changed);
        step.grow(message.content_size().saturating_sub(before));
        Ok(true)
    }
}

/// What is at a path of names, through objects only.
fn find(value: &Value, path: &[String]) -> Option<Value> {
    let Some((name, rest)) = path.split_first() else { return Some(value.clone()) };
    let Value::Object(object) = value else { return None };
    find(&object.get(name)?, rest)
}

/// Sets what is at a path of names; `false`: something in the way is no object.
fn set(value: &mut Value, path: &[String], new: Value) -> Result<bool, TooDeep> {
    let Some((name, rest)) = path.split_first() else {
        *value = new;
        return Ok(true);
    };
    let Value::Object(object) = value else { return Ok(false) };
    let mut inner = object.get(name).filter(|it| !matches!(it, Value::Null)).unwrap_or_else(|| Value::Object(Object::default()));
    let is_set = set(&mut inner, rest, new)?;
    if is_set {
        object.insert(Text::from(name.as_str()), inner)?;
    }
    Ok(is_set)
}

impl Processor for Workflow {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        in_chunks(part, step, |part, step| self.run(part, step))
    }

    fn is_parent(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use wappa_spec::ComponentKind;

    use super::{BRANCHES_MAX, Needs, tiers};
    use crate::test::{Harness, check_interrupted, check_lint};

    fn check(config: &str, inputs: &[&str], expected: &str) {
        let output = Harness::default().process(config, inputs);
        assert_eq!(output.replace("\\\"", "\""), expected, "{config}");
    }

    fn branch(request: &str, processor: &str, result: &str) -> String {
        format!("{{request_map: '{request}', processors: [{{mapping: '{processor}'}}], result_map: '{result}'}}")
    }

    /// `foo` needs nothing, `bar` needs `foo`, and `baz` needs `bar`.
    fn chain(fields: &str) -> String {
        let [foo, bar, baz] = [
            branch("root = this.a", "root = this + 1", "root.foo = this"),
            branch("root = if this.foo == null { deleted() } else { this.foo }", "root = this + 10", "root.bar = this"),
            branch("root = this.bar", "root = if this == null { throw(\"no bar\") } else { this + 100 }", "root.baz = this"),
        ];
        format!("workflow: {{{fields} branches: {{baz: {baz}, bar: {bar}, foo: {foo}}}}}")
    }

    #[test]
    fn branches_run_behind_what_they_need() {
        check(
            &chain(""),
            &[r#"{"a":1}|{"b":1}"#],
            "{\"a\":1,\"bar\":12,\"baz\":112,\"foo\":2,\"meta\":{\"workflow\":{\"succeeded\":[\"bar\",\"baz\",\"foo\"]}}}|\
             {\"b\":1,\"meta\":{\"workflow\":{\"failed\":{\"baz\":\"processors failed: failed assignment (line 1): no bar\",\
             \"foo\":\"processors failed: failed assignment (line 1): cannot add types null (from field `this`) and number (from \
             number literal)\"},\"skipped\":[\"bar\"]}}}\n",
        );
        // An order that is given is kept.
        check(
            &chain("order: [[baz, bar], [foo]], meta_path: m,"),
            &[r#"{"a":1,"foo":5,"bar":6}"#],
            "{\"a\":1,\"bar\":15,\"baz\":106,\"foo\":2,\"m\":{\"succeeded\":[\"bar\",\"baz\",\"foo\"]}}\n",
        );
    }

    #[test]
    fn what_cannot_be_told_apart_is_logged_once() {
        let mut harness = Harness::default();
        let config = "workflow: {branches: {foo: {processors: [{filter_on: b}]}}}";
        let output = harness.process(config, &[r#"{"a":1}|{"b":1}"#]);
        assert_eq!(output.matches("message count from branch processors does not match request").count(), 2, "{output}");
        let log = harness.log.take();
        let lines: Vec<&str> = log.lines().collect();
        let is_of = |line: &&str, text: &str| line.starts_with(&format!("Error {text}"));
        assert_eq!(lines.len(), 2, "{log}");
        assert!(lines.iter().any(|it| is_of(it, "Failed to align branch result: ")), "{log}");
        assert!(lines.iter().any(|it| is_of(it, "Failed to perform enrichment 'foo': message count from ")), "{log}");
    }

    #[test]
    fn branches_of_a_tier_see_what_was_before_it() {
        let one = |add: i32, result: &str| branch("root = this.a", &format!("root = this + {add}"), result);
        let config = format!("workflow: {{meta_path: '', branches: {{x: {}, y: {}}}}}", one(1, "root.b = this"), one(2, "root.c = this"));
        check(&config, &[r#"{"a":1}"#, r#"{"a":2}"#], "{\"a\":1,\"b\":2,\"c\":3}\n{\"a\":2,\"b\":3,\"c\":4}\n");
    }

    #[test]
    fn without_a_place_for_it_failures_mark() {
        let config = format!("processors: [{{{}}}]", chain("meta_path: '',"));
        check(&config, &[r#"{"a":1}|{"b":1}"#], "{\"a\":1,\"bar\":12,\"baz\":112,\"foo\":2}|{\"b\":1}[workflow branches failed: [baz foo]]\n");
        let fails = branch("root = 1", "root = throw(\"no\")", "");
        let fine = branch("root = 1", "root = 2", "");
        let config = |branch: &str| format!("workflow: {{branches: {{foo: {branch}}}}}");
        check(&config(&fails), &["\"x\"", "no"], "\"x\"[workflow branches failed: [foo]]\nno[workflow branches failed: [foo]]\n");
        let no = "invalid character 'o' in literal null (expecting 'u')";
        check(&config(&fine), &["\"x\"", "no"], &format!("\"x\"\nno[{no}]\n"));
        check("workflow: {}", &["{}"], "{\"meta\":{\"workflow\":{}}}\n");
    }

    #[test]
    fn what_an_earlier_run_left_is_not_done_again() {
        let one = |name: &str| branch("root = this.a", "", &format!("root.{name} = this"));
        let config = format!(
            "workflow: {{meta_path: m, branches: {{foo: {}, bar: {}, baz: {}}}}}",
            one("foo"),
            one("bar"),
            one("baz")
        );
        check(
            &config,
            &[
                r#"{"a":1,"m":{"succeeded":["foo"],"skipped":["baz"],"failed":{"bar":"x"},"apply":["bar"]},"z":1}"#,
                r#"{"a":1,"m":{"succeeded":["foo"],"failed":{"bar":"x"}}}"#,
                r#"{"a":1,"m":{"succeeded":["foo"],"apply":["foo"]}}"#,
            ],
            "{\"a\":1,\"bar\":1,\"m\":{\"previous\":{\"apply\":[\"bar\"],\"failed\":{\"bar\":\"x\"},\"skipped\":[\"baz\"],\
             \"succeeded\":[\"foo\"]},\"skipped\":[\"baz\",\"foo\"],\"succeeded\":[\"bar\"]},\"z\":1}\n\
             {\"a\":1,\"bar\":1,\"baz\":1,\"m\":{\"previous\":{\"failed\":{\"bar\":\"x\"},\"succeeded\":[\"foo\"]},\
             \"skipped\":[\"foo\"],\"succeeded\":[\"bar\",\"baz\"]}}\n\
             {\"a\":1,\"m\":{\"previous\":{\"apply\":[\"foo\"],\"succeeded\":[\"foo\"]},\"skipped\":[\"bar\",\"baz\",\"foo\"]}}\n",
        );
    }

    #[test]
    fn branches_may_be_resources() {
        let mut harness = Harness::default();
        let resource = branch("root = this.foo", "root = this + 10", "root.bar = this");
        harness.resource(ComponentKind::Processor, &format!("{{label: bar, branch: {resource}}}"));
        harness.resource(ComponentKind::Processor, "{label: other, noop: {}}");
        let foo = branch("root = this.a", "root = this + 1", "root.foo = this");
        for fields in ["branch_resources: [bar]", "order: [[foo], [bar]]"] {
            let config = format!("workflow: {{meta_path: '', {fields}, branches: {{foo: {foo}}}}}");
            assert_eq!(harness.process(&config, &[r#"{"a":1}"#]).replace("\\\"", "\""), "{\"a\":1,\"bar\":12,\"foo\":2}\n");
        }
        let err = harness.processor("workflow: {branch_resources: [other]}").map(drop).expect_err("that is none");
        assert!(err.to_string().ends_with("'other' with wrong type, expected a branch processor"), "{err}");
    }

    #[test]
    fn what_is_finished_before_an_interruption_goes_on() {
        let config = "workflow: {meta_path: '', branches: {x: {processors: [{append: x}]}, y: {processors: [{interrupt: b}], \
                      result_map: root = content() + \"y\"}}}";
        check_interrupted(config, &["a", "c|b", "a"], "ay\n");
    }

    /// The tiers of branches that read and assign places of the document.
    fn check_tiers(branches: &[(&str, &str, &str)], expected: &str) {
        let parse = |text: &str| wappa_bloblang::Program::parse(text, &Default::default()).expect("the test's mapping is sound");
        let of = |(name, read, assigned): &(&str, &str, &str)| {
            Needs::of(name, (parse(read).read(), parse(assigned).assigned()))
        };
        let all: Vec<Needs> = branches.iter().map(of).collect();
        let text = match tiers(&all) {
            Ok(tiers) => tiers.iter().map(|tier| tier.iter().map(|it| branches[*it].0).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(" | "),
            Err(why) => why,
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn tiers_by_what_is_needed() {
        check_tiers(&[("c", "root = this.x.y", "root.z = 1"), ("b", "root = this.w", "root.x = 1"), ("a", "root = 1", "root.x.y.z = 1")], "a b | c");
        check_tiers(&[("whole", "root = this", "root.end = 1"), ("part", "root = this.p", "root.q = 1"), ("p", "root = 1", "root.p.r = 1")], "p part whole");
        check_tiers(&[("one", "root = this", "root.one = 1"), ("two", "root = this", "root.two = 1")], "one two");
        check_tiers(&[("all", "root = 1", "root = 1"), ("part", "root = this.p", "root.q = 1"), ("whole", "root = this", "root.r = 1")], "all | part whole");
        check_tiers(&[("both", "root.a = this.x\nroot.b = this.x.y", "root.q = 1"), ("y", "root = 1", "root.x.y = 1")], "y | both");
        check_tiers(&[("meta", "root = @k", "root.k = 1"), ("k", "root = this.k", "meta k = 1")], "failed to automatically resolve DAG, circular dependencies detected for branches: [k meta]");
        check_tiers(&[("self", "root = this.a", "root.a = 1"), ("other", "root = @a", "meta b = 1")], "other self");
        let names: Vec<String> = (0..=BRANCHES_MAX).map(|it| it.to_string()).collect();
        let many: Vec<_> = names.iter().map(|it| (it.as_str(), "root = 1", "root.a = 1")).collect();
        check_tiers(&many, "a workflow has at most 1000 branches, not 1001");
    }

    #[test]
    fn lints() {
        let lint = |body: &str, expected: &str| {
            check_lint(&format!("pipeline:\n  processors:\n    - workflow:\n        {body}\n"), expected);
        };
        let noop = "{processors: [{noop: {}}]}";
        lint(&format!("branches: {{foo: {noop}}}"), "");
        lint(&format!("{{order: [[foo]], branches: {{foo: {noop}, bar: {noop}}}}}"), "(4,1) the following branches were missing from order: [bar]\n");
        lint(&format!("{{order: [[foo], [foo]], branches: {{foo: {noop}}}}}"), "(4,1) branch specified in order listed multiple times: foo\n");
        lint(
            "branches: {foo: {request_map: root = this.b, processors: [{noop: {}}], result_map: root.a = 1}, bar: {request_map: \
             root = this.a, processors: [{noop: {}}], result_map: root.b = 1}}",
            "(4,1) failed to automatically resolve DAG, circular dependencies detected for branches: [bar foo]\n",
        );
    }
}
