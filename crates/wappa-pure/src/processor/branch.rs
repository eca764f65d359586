//! The processor `branch`, and what it shares with `workflow`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use wappa_bloblang::{Failure, Place};
use wappa_component::{
    BuildError, BuildProcessor, Component, Context, Logger, Part, Processor, Step, in_chunks, run_children,
};
use wappa_message::{Mark, Message};
use wappa_spec::{ComponentNode, Config, Mapping, Node, Reader, Rule};

use super::limit;

pub(super) const COMPONENT: Component = Component::processor::<BranchConfig>("branch").categories(&["Composition"]);

/// Makes a request of each message, runs processors on it, and maps what comes of it back into the message.
///
/// The message itself waits meanwhile and goes on as it was, but for what `result_map` assigns: so it can be enriched with
/// what processors make of a part of it, and nothing is lost where they fail.
///
/// # Examples
///
/// ### Only a part of a document is worked on
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - branch:
///         request_map: root = this.user.name
///         processors:
///           - mapping: root = content().uppercase()
///         result_map: root.user.shouted = content().string()
/// output:
///   stdout: {}
/// ```
///
/// ### A question that only some messages ask
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - branch:
///         request_map: |
///           root = if this.city == null { deleted() } else { this.city }
///         processors:
///           - cache:
///               resource: countries
///               operator: get
///               key: ${! content() }
///         result_map: root.country = content().string()
/// output:
///   stdout: {}
/// cache_resources:
///   - label: countries
///     memory:
///       init_values:
///         Lisbon: Portugal
/// ```
///
/// # Metadata
///
/// A request has the metadata of its message. What the processors make of them stays behind unless `result_map` takes it
/// over: in there `@` is the metadata of the message, and `metadata("key")` that of the result. All of it is taken over with
/// `meta = metadata()`.
///
/// # Errors
///
/// A message goes on as it was, marked, and the log says so, if `request_map` fails on it, if a processor fails on its
/// request, or if `result_map` fails. A message that was marked before is worked on as others are, its request is not marked,
/// and it stays marked.
///
/// The processors have to give one result for each request of a batch, in the same order: what filters, multiplies or joins
/// messages belongs before or behind the branch. Else all messages of the batch are marked.
///
/// # Performance
///
/// A request shares its content with the message; nothing is copied before something changes it.
#[derive(Config, Debug)]
#[config(lint = lint)]
pub(super) struct BranchConfig {
    /// A mapping that makes the request of a message. One that it deletes skips the branch, and one whose `root` it does not
    /// assign has no content; without a mapping the request is a copy of the message.
    #[config(default = "\"\"", example = "root.id = this.doc.id")]
    request_map: Mapping,

    /// The processors.
    #[config(child = "processor")]
    processors: Vec<ComponentNode>,

    /// A mapping from the result to the message: `this` is the result, `root` the message. Without a mapping the message
    /// stays as it was.
    #[config(
        default = "\"\"",
        example = "meta code = metadata(\"code\")\nroot.result = this",
        example = "root.raw_result = content().string()"
    )]
    result_map: Mapping,
}

/// Bento does not start with such a branch.
fn lint(config: &BranchConfig, node: &Node, reader: &mut Reader<'_>) {
    if config.processors.is_empty() {
        reader.error(Rule::InvalidValue, node.get("processors").unwrap_or(node), NO_PROCESSORS);
    }
}

const NO_PROCESSORS: &str = "the branch processor requires at least one child processor";

impl BuildProcessor for BranchConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        let branch = Arc::new(self.open("branch", ctx)?);
        if !ctx.label().is_empty() {
            ctx.services().get_or_default::<Labelled>().insert(ctx.label(), &branch);
        }
        Ok(Box::new(branch))
    }
}

impl BranchConfig {
    /// Builds the branch that is at `suffix` below the component.
    pub(super) fn open(self, suffix: &str, ctx: &mut Context<'_>) -> Result<Branch, BuildError> {
        if self.processors.is_empty() {
            return Err(BuildError::new(NO_PROCESSORS));
        }
        Ok(Branch {
            request_map: self.request_map,
            children: ctx.processors(&format!("{suffix}.processors"), &self.processors)?,
            result_map: self.result_map,
            logger: ctx.logger(),
        })
    }
}

impl BranchConfig {
    /// What it reads of a message, and what it assigns.
    pub(super) fn places(&self) -> (Vec<Place>, Vec<Place>) {
        places(&self.request_map, &self.result_map)
    }
}

fn places(request_map: &Mapping, result_map: &Mapping) -> (Vec<Place>, Vec<Place>) {
    let read = request_map.program().map(|it| it.read());
    let assigned = result_map.program().map(|it| it.assigned());
    (read.unwrap_or_default(), assigned.unwrap_or_default())
}

/// The branches that have a label, for workflows that name them.
#[derive(Default)]
pub(super) struct Labelled(Mutex<HashMap<String, Arc<Branch>>>);

impl Labelled {
    fn insert(&self, label: &str, branch: &Arc<Branch>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(label.to_string(), Arc::clone(branch));
    }

    pub(super) fn find(&self, label: &str) -> Option<Arc<Branch>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(label).cloned()
    }
}

/// A branch at work.
pub(super) struct Branch {
    request_map: Mapping,
    children: Vec<Box<dyn Processor>>,
    result_map: Mapping,
    logger: Logger,
}

/// What came of the request of one message.
#[derive(Debug)]
pub(super) enum Outcome {
    /// There was none.
    Skipped,
    Result(Box<Message>),
    Failed(Mark),
    /// The results of its batch cannot be told apart, which was logged for all of the batch.
    Misaligned(Mark),
}

impl Branch {
    /// What it reads of a message, and what it assigns.
    pub(super) fn places(&self) -> (Vec<Place>, Vec<Place>) {
        places(&self.request_map, &self.result_map)
    }

    /// Runs the requests of the messages that `is_wanted` picks by their index. What came of them, for each message, and how
    /// many leading batches are finished; what there is of the others is of no use. The messages stay as they are.
    pub(super) fn run(
        &self,
        part: &mut Part,
        step: &mut Step<'_>,
        is_wanted: impl Fn(usize) -> bool,
    ) -> (usize, Vec<Outcome>) {
        let n_batches = part.n_batches();
        let mut outcomes = Vec::with_capacity(part.n_messages());
        let mut requests = Requests::default();
        for batch in 0..n_batches {
            let range = part.batch(batch);
            let messages = &mut part.messages_mut()[range.clone()];
            for (place, idx) in range.enumerate() {
                let request = match is_wanted(idx) {
                    true => self.request(messages, place, step),
                    false => Ok(None),
                };
                outcomes.push(match request {
                    Ok(Some(request)) => {
                        requests.push(batch, idx, request);
                        Outcome::Skipped
                    }
                    Ok(None) => Outcome::Skipped,
                    Err(mark) => Outcome::Failed(mark),
                });
            }
        }
        let Requests { messages, ends, batches, places } = requests;
        if batches.is_empty() {
            return (n_batches, outcomes);
        }
        let are_singles = ends.len() == messages.len();
        let mut view = match are_singles {
            true => Part::singles(messages),
            false => Part::new(messages, wappa_component::Batches::Ends(ends.clone())),
        };
        let done = run_children(&self.children, &mut view, step);
        view.join_places();
        let n_finished = batches.get(done).copied().unwrap_or(n_batches);
        let n_results: Vec<usize> = (0..done).map(|idx| view.batch(idx).len()).collect();
        let mut results = view.into_messages().into_iter();
        let mut begin = 0;
        for (batch, n_results) in n_results.into_iter().enumerate() {
            let places = &places[begin..ends[batch] as usize];
            begin = ends[batch] as usize;
            let results = results.by_ref().take(n_results);
            if n_results == places.len() {
                for (idx, result) in places.iter().zip(results) {
                    outcomes[*idx] = match result.error() {
                        Some(mark) => Outcome::Failed(Mark::new(format!("processors failed: {mark}"))),
                        None => Outcome::Result(Box::new(result)),
                    };
                }
                continue;
            }
            results.for_each(drop);
            let mark = self.misaligned(places.len(), n_results);
            for idx in part.batch(batches[batch]) {
                if !matches!(outcomes[idx], Outcome::Failed(_)) {
                    outcomes[idx] = Outcome::Misaligned(mark.clone());
                }
            }
        }
        (n_finished, outcomes)
    }

    /// The request of one message of a batch, unless it is deleted.
    fn request(&self, batch: &mut [Message], place: usize, step: &mut Step<'_>) -> Result<Option<Message>, Mark> {
        let mut request = batch[place].clone();
        request.clear_error();
        let Some(program) = self.request_map.program() else { return Ok(Some(request)) };
        let failed = |why: &str| Mark::new(format!("request mapping failed: {why}"));
        let mapped = program.map(batch, place).map_err(|err| failed(err.as_str()))?;
        let has_content = !mapped.keeps_content();
        let stays = limit::apply(mapped, &mut request, step).map_err(failed)?;
        if !has_content {
            request.set_content(Default::default());
        }
        Ok(Some(request).filter(|_| stays))
    }

    /// Why the results of a batch cannot be told apart. Logged once, in Bento's words; but those confuse the two numbers.
    fn misaligned(&self, n_requests: usize, n_results: usize) -> Mark {
        if n_results == 0 {
            let text = "child processors resulted in zero messages";
            self.logger.failed(&format!("Child processors failed: {text}"));
            return Mark::new(text);
        }
        let text = format!(
            "message count from branch processors does not match request, started with {n_requests} messages, finished with \
             {n_results}"
        );
        self.logger.failed(&format!(
            "Failed to align branch result: {text}. Avoid using filters or archive/unarchive processors within your branch, \
             or anything that increases or reduces the number of messages. These processors should instead be applied before \
             or after the branch processor."
        ));
        Mark::new(text)
    }

    /// Maps results back into the messages of one batch, and returns which of them failed, and why.
    pub(super) fn overlay(
        &self,
        batch: &mut [Message],
        outcomes: &mut [Outcome],
        step: &mut Step<'_>,
    ) -> Vec<(usize, Mark)> {
        let mut failures = Vec::new();
        let program = self.result_map.program();
        // Queries see the results as a batch, in which what has none is empty.
        let mut results: Vec<Message> = match program {
            Some(_) => outcomes.iter_mut().map(|it| it.take_result().unwrap_or_default()).collect(),
            None => Vec::new(),
        };
        for (place, outcome) in outcomes.iter().enumerate() {
            let mark = match (outcome, program) {
                (Outcome::Skipped, _) | (Outcome::Result(_), None) => continue,
                (Outcome::Failed(mark) | Outcome::Misaligned(mark), _) => mark.clone(),
                (Outcome::Result(_), Some(program)) => {
                    let message = &mut batch[place];
                    let failed = |why: &str| Mark::new(format!("result mapping failed: {why}"));
                    let mapped =
                        program.map_onto(&mut results, place, message).map_err(|err: Failure| failed(err.as_str()));
                    // One that deletes the message changes its metadata and keeps it, as in Bento.
                    match mapped.and_then(|it| limit::apply(it, message, step).map_err(failed)) {
                        Ok(_) => continue,
                        Err(mark) => mark,
                    }
                }
            };
            failures.push((place, mark));
        }
        failures
    }
}

/// Why the results of a batch with these outcomes cannot be told apart.
pub(super) fn misaligned(outcomes: &[Outcome]) -> Option<&Mark> {
    outcomes.iter().find_map(|it| match it {
        Outcome::Misaligned(mark) => Some(mark),
        _ => None,
    })
}

impl Outcome {
    /// The result, if there is one; that there was one can still be seen.
    fn take_result(&mut self) -> Option<Message> {
        match self {
            Outcome::Result(message) => Some(std::mem::take(message)),
            _ => None,
        }
    }
}

/// Requests of several batches, and where they come from.
#[derive(Default)]
struct Requests {
    messages: Vec<Message>,
    /// Where the requests of each batch end.
    ends: Vec<u32>,
    /// Which batches these are.
    batches: Vec<usize>,
    /// The index of each request's message.
    places: Vec<usize>,
}

impl Requests {
    fn push(&mut self, batch: usize, idx: usize, request: Message) {
        if self.batches.last() != Some(&batch) {
            self.batches.push(batch);
            self.ends.push(self.messages.len() as u32);
        }
        self.messages.push(request);
        self.places.push(idx);
        if let Some(end) = self.ends.last_mut() {
            *end = self.messages.len() as u32;
        }
    }
}

impl Processor for Branch {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        in_chunks(part, step, |part, step| {
            let (n_finished, mut outcomes) = self.run(part, step, |_| true);
            for batch in 0..n_finished {
                let range = part.batch(batch);
                let messages = &mut part.messages_mut()[range.clone()];
                let is_told = misaligned(&outcomes[range.clone()]).is_some();
                for (place, mark) in self.overlay(messages, &mut outcomes[range], step) {
                    if !is_told {
                        self.logger.failed(&format!("Branch error: {mark}"));
                    }
                    step.mark(&mut messages[place], mark);
                }
            }
            n_finished
        })
    }

    fn is_parent(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::test::{Harness, check_interrupted, check_lint};

    /// What comes out, with quotes as they are.
    fn check_process(config: &str, inputs: &[&str], expected: &str) {
        let output = Harness::default().process(config, inputs);
        assert_eq!(output.replace("\\\"", "\""), expected, "{config}");
    }

    #[test]
    fn results_are_mapped_into_the_messages() {
        check_process(
            "branch: {request_map: root = this.a, processors: [{append: x}], result_map: root.b = content().string()}",
            &[r#"{"a":"1"}|{"a":"2","b":0}"#, r#"{"a":"3"}"#],
            "{\"a\":\"1\",\"b\":\"1x\"}|{\"a\":\"2\",\"b\":\"2x\"}\n{\"a\":\"3\",\"b\":\"3x\"}\n",
        );
        // Without mappings the request is a copy, and the result is dropped.
        check_process("branch: {processors: [{append: x}]}", &["a|b", "c"], "a|b\nc\n");
        check_process("branch: {processors: [{append: x}], result_map: root = content()}", &["a"], "ax\n");
    }

    #[test]
    fn a_request_has_the_content_that_its_mapping_gives_it() {
        for mapping in ["meta k = \"v\"", "let x = content()", "root.x = if false { 1 }"] {
            let processor = "{mapping: 'root = [content().string(), @]'}";
            check_process(
                &format!(
                    "processors: [{{mapping: meta old = 1}}, {{branch: {{request_map: '{mapping}', processors: [{processor}], \
                     result_map: root = this}}}}]"
                ),
                &["a"],
                match mapping.starts_with("meta") {
                    true => "[\"\",{\"k\":\"v\",\"old\":1}]\n",
                    false => "[\"\",{\"old\":1}]\n",
                },
            );
        }
        check_process(
            "branch: {request_map: 'root = content()', processors: [{append: x}], result_map: root = content()}",
            &["a"],
            "ax\n",
        );
    }

    #[test]
    fn requests_that_are_deleted_skip_the_branch() {
        let request = r#"root = if content() == "b" { deleted() } else { content() }"#;
        check_process(
            &format!("branch: {{request_map: '{request}', processors: [{{append: x}}], result_map: root = content()}}"),
            &["a|b|c", "b", "b|d"],
            "ax|b|cx\nb\nb|dx\n",
        );
    }

    #[test]
    fn metadata_stay_behind_unless_they_are_taken_over() {
        let seen = "{mutation: 'root = [content().string(), @]'}";
        let branch = |map: &str| {
            format!(
                "processors: [{{mapping: 'meta a = 1'}}, {{branch: {{processors: [{{mapping: \"meta a = 2\\nmeta b = 3\"}}], \
                 result_map: \"{map}\"}}}}, {seen}]"
            )
        };
        check_process(&branch(""), &["x"], "[\"x\",{\"a\":1}]\n");
        check_process(&branch("meta c = [@, metadata()]"), &["x"], "[\"x\",{\"a\":1,\"c\":[{\"a\":1},{\"a\":2,\"b\":3}]}]\n");
        check_process(&branch("meta = metadata()"), &["x"], "[\"x\",{\"a\":2,\"b\":3}]\n");
        check_process(&branch("meta c = 4\\nroot = deleted()"), &["x"], "[\"x\",{\"a\":1,\"c\":4}]\n");
    }

    #[test]
    fn what_fails_goes_on_as_it_was() {
        let request = r#"root = if content() == "b" { throw("bad") } else { content() }"#;
        let result = r#"root = if content() == "dx" { throw("worse") } else { content() }"#;
        let config = format!(
            "branch: {{request_map: '{request}', processors: [{{append: x}}, {{fail_on: c}}], result_map: '{result}'}}"
        );
        let mut harness = Harness::default();
        assert_eq!(
            harness.process(&config, &["a|b|c|d", "b"]),
            "ax|b[request mapping failed: failed assignment (line 1): bad]|c[processors failed: failed on c]|\
             d[result mapping failed: failed assignment (line 1): worse]\n\
             b[request mapping failed: failed assignment (line 1): bad]\n"
        );
        let log = harness.log.take().replace(" label= path=root.pipeline.processors.0", "");
        assert_eq!(
            log,
            "Error Branch error: request mapping failed: failed assignment (line 1): bad\n\
             Error Branch error: processors failed: failed on c\n\
             Error Branch error: result mapping failed: failed assignment (line 1): worse\n\
             Error Branch error: request mapping failed: failed assignment (line 1): bad\n"
        );
    }

    #[test]
    fn a_mark_from_before_is_not_seen_inside_and_stays() {
        check_process(
            "branch: {processors: [{mapping: 'root = errored()'}], result_map: root = content()}",
            &["a!|b"],
            "false[a is bad]|false\n",
        );
        check_process(
            "branch: {request_map: root = errored(), processors: [{append: ''}], result_map: root = content()}",
            &["a!|b"],
            "true[a is bad]|false\n",
        );
    }

    #[test]
    fn results_that_do_not_match_the_requests_mark_their_batch() {
        let count = "message count from branch processors does not match request";
        check_process(
            "branch: {processors: [{filter_on: b}], result_map: root = content().uppercase()}",
            &["a|b", "a", "b"],
            &format!(
                "a[{count}, started with 2 messages, finished with 1]|b[{count}, started with 2 messages, finished with \
                 1]\nA\nb[child processors resulted in zero messages]\n"
            ),
        );
        check_process(
            "branch: {processors: [{double: {}}]}",
            &["a"],
            &format!("a[{count}, started with 1 messages, finished with 2]\n"),
        );
        // It is logged once, and not for each message.
        let mut harness = Harness::default();
        harness.process("branch: {processors: [{filter_on: b}]}", &["a|b"]);
        let log = harness.log.take();
        assert!(log.starts_with("Error Failed to align branch result: ") && log.lines().count() == 1, "{log}");
        // Batches that are divided are none of that.
        check_process("branch: {processors: [{split: {}}, {append: x}], result_map: root = content()}", &["a|b"], "ax|bx\n");
    }

    #[test]
    fn mappings_see_the_batch() {
        check_process(
            "branch: {request_map: 'root = [batch_index(), json().from_all()]', processors: [{append: ''}], result_map: \
             'root = [this, batch_size(), batch_index()]'}",
            &["1|2", "3"],
            "[[0,[1,2]],2,0]|[[1,[1,2]],2,1]\n[[0,[3]],1,0]\n",
        );
    }

    #[test]
    fn what_is_finished_before_an_interruption_goes_on() {
        let config = "branch: {processors: [{append: x}, {interrupt: b}], result_map: root = content()}";
        check_interrupted(config, &["a", "c|d", "a|b", "a"], "ax\ncx|dx\n");
    }

    #[test]
    fn lints() {
        let lint = |branch: &str, expected: &str| {
            check_lint(&format!("pipeline:\n  processors:\n    - branch:\n        {branch}\n"), expected);
        };
        lint("processors: [{noop: {}}]", "");
        lint("result_map: root = this", "(4,1) the branch processor requires at least one child processor\n");
        lint("processors: []", "(4,1) the branch processor requires at least one child processor\n");
        lint("request_map: root = nope()", "(4,36) unrecognised function 'nope'\n");
    }
}
