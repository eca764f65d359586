//! What a config says of failed messages everywhere (`error_handling`): they are turned away, so that nothing that failed
//! goes on, and they are logged.
//!
//! A batch of which a message has failed goes through no further processor, and is answered as failed where it comes to an
//! output. Where components are in use that have to do with failures themselves, nothing is turned away.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use wappa_component::{ConnectError, Delivery, Level, Logger, Output, Part, Processor, Step, WriteError};
use wappa_message::{Mark, Message};
use wappa_spec::{ComponentKind, ComponentNode, ErrorHandlingConfig, ErrorLogConfig, Node, StreamConfig};

/// Whether messages that failed are turned away. Known only when everything is built.
#[derive(Clone, Debug)]
pub(crate) struct Strictness(Arc<AtomicBool>);

/// Components that have to do with failures themselves; as in Bento.
const INCOMPATIBLE: [(ComponentKind, &str); 4] = [
    (ComponentKind::Processor, "try"),
    (ComponentKind::Processor, "catch"),
    (ComponentKind::Processor, "retry"),
    (ComponentKind::Output, "reject_errored"),
];

impl Strictness {
    /// Of a config, unless its strategy is that failed messages go on.
    pub(crate) fn of(config: &StreamConfig, logger: &Logger) -> Option<Strictness> {
        if config.error_handling.strategy == ErrorHandlingConfig::NONE {
            return None;
        }
        let strictness = Strictness(Arc::new(AtomicBool::new(true)));
        for (name, what) in [("errored(", "function"), ("error(", "function"), (".catch(", "method")] {
            if nodes_of(config).any(|it| mentions(it, name)) {
                let name = name.trim_matches(['.', '(']);
                strictness.disable(logger, &format!("Bloblang {what}(s) of type '{name}'"));
            }
        }
        Some(strictness)
    }

    /// A component is used.
    pub(crate) fn see(&self, node: &ComponentNode, logger: &Logger) {
        if INCOMPATIBLE.contains(&(node.kind, node.name.as_str())) {
            self.disable(logger, &format!("{}(s) of type '{}'", node.kind.noun(), node.name));
        }
    }

    /// Whatever is built.
    #[cfg(test)]
    pub(crate) fn always() -> Strictness {
        Strictness(Arc::new(AtomicBool::new(true)))
    }

    fn disable(&self, logger: &Logger, what: &str) {
        logger.warn(&format!("Disabling strict mode due to incompatible {what}"));
        self.0.store(false, Ordering::Relaxed);
    }

    /// Whether messages that failed are turned away.
    pub(crate) fn is_strict(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The bodies of all components at the root of a config, and of its resources.
fn nodes_of(config: &StreamConfig) -> impl Iterator<Item = &ComponentNode> {
    let resources = &config.resources;
    [&config.input, &config.output]
        .into_iter()
        .chain(&config.pipeline.processors)
        .chain(&resources.inputs)
        .chain(&resources.processors)
        .chain(&resources.outputs)
        .chain(&resources.caches)
        .chain(&resources.rate_limits)
}

/// Whether a text of a component calls something.
fn mentions(component: &ComponentNode, call: &str) -> bool {
    fn within(node: &Node, call: &str) -> bool {
        node.as_str().is_some_and(|it| calls(it, call))
            || node.as_seq().is_some_and(|it| it.iter().any(|it| within(it, call)))
            || node.as_map().is_some_and(|it| it.iter().any(|(_, it)| within(it, call)))
    }
    within(&component.body, call) || component.processors.iter().any(|it| mentions(it, call))
}

/// Whether a text calls a function, `name(`, or a method, `.name(`.
fn calls(text: &str, call: &str) -> bool {
    let is_name = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '.';
    text.match_indices(call).any(|(at, _)| call.starts_with('.') || !text[..at].ends_with(is_name))
}

/// A processor that is given no batch of which a message has failed.
pub(crate) struct Unfailed {
    pub(crate) inner: Box<dyn Processor>,
    pub(crate) strictness: Strictness,
}

impl Processor for Unfailed {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let is_marked = |it: &Message| it.error().is_some();
        let Some(first) = part.messages().iter().position(is_marked).filter(|_| self.strictness.is_strict())
        else {
            return self.inner.process(part, step);
        };
        // Each batch is a place.
        let n_good = part.batches_within(first);
        if n_good == 0 {
            let is_bad = |idx: &usize| part.messages()[part.batch(*idx)].iter().any(is_marked);
            return (0..part.n_batches()).take_while(is_bad).count();
        }
        let rest = part.split_off(n_good);
        let done = self.inner.process(part, step);
        part.append(rest);
        done
    }
}

/// An output that is given no batch of which a message has failed: such a batch is answered as failed, all of it, so that
/// nothing of it is lost where it is delivered again.
pub(crate) struct TurnsAway {
    pub(crate) inner: Box<dyn Output>,
    pub(crate) strictness: Strictness,
}

/// Why each message of a part is turned away, if it is.
fn reasons(part: &Part) -> Vec<Option<Mark>> {
    let mut reasons = Vec::with_capacity(part.n_messages());
    for idx in 0..part.n_batches() {
        let batch = &part.messages()[part.batch(idx)];
        let first = batch.iter().find_map(Message::error);
        let others = first.map(|it| Mark::new(format!("another message of its batch failed: {it}")));
        reasons.extend(batch.iter().map(|it| it.error().cloned().or_else(|| others.clone())));
    }
    reasons
}

impl Output for TurnsAway {
    fn connect(&mut self) -> Result<(), ConnectError> {
        self.inner.connect()
    }

    fn has_room(&self) -> bool {
        self.inner.has_room()
    }

    fn write(&mut self, delivery: Delivery, step: &mut Step<'_>) {
        if !self.strictness.is_strict() || !delivery.part().has_marks() {
            return self.inner.write(delivery, step);
        }
        let reasons = reasons(delivery.part());
        let mut routed = delivery.route(2, |idx, _| usize::from(reasons[idx].is_some())).into_iter();
        let (good, bad) = (routed.next().flatten(), routed.next().flatten());
        if let Some(bad) = bad {
            let rejected = reasons.into_iter().flatten().enumerate().collect();
            bad.answer(Err(WriteError::Rejected(rejected)));
        }
        if let Some(good) = good {
            self.inner.write(good, step);
        }
    }

    fn resume(&mut self, step: &mut Step<'_>) {
        self.inner.resume(step);
    }

    fn due(&self) -> Option<Duration> {
        self.inner.due()
    }

    fn flush(&mut self, step: &mut Step<'_>) {
        self.inner.flush(step);
    }

    fn close(&mut self) -> Result<(), String> {
        self.inner.close()
    }
}

/// Logs messages on which a processor failed.
pub(crate) struct FailureLog {
    logger: Logger,
    /// The name of the processor.
    plugin: String,
    adds_payload: bool,
    /// Which part of the failures is logged.
    ratio: f64,
    n_failed: AtomicU64,
}

impl FailureLog {
    /// For the processor with this node, if failures are to be logged.
    pub(crate) fn new(
        config: &ErrorLogConfig,
        logger: &Logger,
        node: &ComponentNode,
        path: &str,
    ) -> Option<FailureLog> {
        let key = if node.label.is_empty() { path } else { &node.label };
        config.enabled.then(|| FailureLog {
            logger: logger.for_component(&node.label, key),
            plugin: node.name.clone(),
            adds_payload: config.add_payload,
            ratio: config.sampling_ratio.clamp(0.0, 1.0),
            n_failed: AtomicU64::new(0),
        })
    }

    /// The processor has marked messages of a part, with these marks.
    pub(crate) fn see(&self, part: &Part, marks: &[Mark]) {
        if marks.is_empty() || !self.logger.enabled(Level::Error) {
            return;
        }
        for message in part.messages() {
            let is_new = |it: &&Mark| marks.iter().any(|mark| mark.is_same_as(it));
            let Some(mark) = message.error().filter(is_new) else { continue };
            let n_before = self.n_failed.fetch_add(1, Ordering::Relaxed);
            // So that of any number of failures this part is logged.
            let n_logged = |n: u64| (n as f64 * self.ratio) as u64;
            if n_logged(n_before) == n_logged(n_before + 1) {
                continue;
            }
            let mut fields = vec![
                ("error", Cow::Borrowed(mark.as_str())),
                ("plugin", Cow::Borrowed(self.plugin.as_str())),
            ];
            if self.adds_payload {
                fields.push(("raw_payload", String::from_utf8_lossy(message.content())));
            }
            self.logger.seldom_with(Level::Error, "failed processing", &fields);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use wappa_component::{Answer, Pulse};

    use super::*;

    struct Now;

    impl Pulse for Now {
        fn now(&self) -> Duration {
            Duration::ZERO
        }
        fn ticks(&self) -> u64 {
            0
        }
        fn is_interrupted(&self) -> bool {
            false
        }
        fn sleep(&self, _: Duration) -> bool {
            true
        }
    }

    /// Adds a letter, and marks messages that have an `x` first.
    struct Letter;

    impl Processor for Letter {
        fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
            for message in part.messages_mut() {
                let content = [message.content().as_ref(), b"+"].concat();
                if content.starts_with(b"x") {
                    step.mark(message, Mark::new("x is bad"));
                }
                message.set_content(content.into());
            }
            part.n_batches()
        }
    }

    /// Writes what it gets to a text.
    struct Texts(Arc<Mutex<String>>);

    impl Output for Texts {
        fn connect(&mut self) -> Result<(), ConnectError> {
            Ok(())
        }

        fn write(&mut self, delivery: Delivery, _: &mut Step<'_>) {
            *self.0.lock().expect("nobody panics") = text(delivery.part());
            delivery.answer(Ok(()));
        }
    }

    fn text(part: &Part) -> String {
        let content = |it: &Message| String::from_utf8_lossy(it.content()).into_owned();
        let batch = |idx| part.messages()[part.batch(idx)].iter().map(content).collect::<Vec<_>>().join("|");
        (0..part.n_batches()).map(batch).collect::<Vec<_>>().join(" ")
    }

    fn part(words: &str) -> Part {
        let mut part = Part::singles(Vec::new());
        for word in words.split(' ') {
            let messages = word.split('|').map(|it| Message::new(it.to_string())).collect();
            part.append(Part::one_batch(messages));
        }
        part
    }

    /// What goes through two processors and to an output, and what is answered.
    fn run(words: &str, is_strict: bool) -> String {
        let strictness = Strictness(Arc::new(AtomicBool::new(is_strict)));
        let of = || -> Box<dyn Processor> {
            Box::new(Unfailed { inner: Box::new(Letter), strictness: strictness.clone() })
        };
        let mut part = part(words);
        let mut step = Step::new(0, &Now);
        let n_places = part.n_places();
        assert_eq!(wappa_component::run_children(&[of(), of()], &mut part, &mut step), n_places);
        let written: Arc<Mutex<String>> = Arc::default();
        let answered: Arc<Mutex<String>> = Arc::default();
        let other = Arc::clone(&answered);
        let mut output = TurnsAway { inner: Box::new(Texts(Arc::clone(&written))), strictness };
        let said = move |answer: Answer| {
            let failures: Vec<String> =
                answer.failures.iter().map(|(idx, it)| format!("{idx}: {it}")).collect();
            *other.lock().expect("nobody panics") = failures.join(", ");
        };
        output.write(Delivery::new(part, said), &mut step);
        let (written, answered) =
            (written.lock().expect("nobody panics"), answered.lock().expect("nobody panics"));
        format!("{written} / {answered}")
    }

    #[test]
    fn a_batch_with_a_message_that_failed_goes_no_further() {
        assert_eq!(run("a b c", true), "a++ b++ c++ / ");
        assert_eq!(run("a x b", true), "a++ b++ / 1: x is bad");
        assert_eq!(
            run("x a|x|b c x d", true),
            "c++ d++ / 0: x is bad, 1: another message of its batch failed: x is bad, 2: x is bad, \
             3: another message of its batch failed: x is bad, 5: x is bad"
        );
        assert_eq!(run("x", true), " / 0: x is bad");
        assert_eq!(run("a|x b", false), "a++|x++ b++ / ");
    }

    #[test]
    fn calls_are_told_from_other_words() {
        for (text, call, expected) in [
            ("root = errored()", "errored(", true),
            ("root = this.errored()", "errored(", false),
            ("root = my_error()", "error(", false),
            ("root = !error().string()", "error(", true),
            ("root = this.a.catch(0)", ".catch(", true),
            ("root = catch(0)", ".catch(", false),
        ] {
            assert_eq!(calls(text, call), expected, "{text}");
        }
    }
}
