//! The input `read_until`.

use std::{sync::Arc, time::Duration};

use wappa_bloblang::Program;
use wappa_component::{
    BuildError, BuildInput, Component, Context, Input, Logger, Parcel, ReadError, Step, Unpacked, Waits,
};
use wappa_message::Value;
use wappa_spec::{ComponentNode, Config, Mapping, Node, Reader, Rule};

use crate::{
    back_off::{Attempts, BackOff},
    duration,
};

// Its child is counted and logged.
pub(super) const COMPONENT: Component =
    Component::input::<ReadUntilConfig>("read_until").categories(&["Utility"]).unobserved();

/// Reads from another input until a message says that it is the last one, or until nothing has come for a while.
///
/// The mapping `check` is asked of the first message of each batch, and that batch is the last one: its first message gets the
/// metadata `bento_read_until` with the value `final`.
///
/// # Examples
///
/// ### The lines up to one that says so
///
/// ```yaml
/// input:
///   read_until:
///     check: content() == "end"
///     input:
///       stdin: {}
/// output:
///   stdout: {}
/// ```
///
/// ### Whatever comes, until nothing has come for five seconds
///
/// ```yaml
/// input:
///   read_until:
///     idle_timeout: 5s
///     input:
///       stdin: {}
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// Behind the last message the input is stopped. What it has read beyond is given back where that is possible, and not
/// delivered; what failed before is delivered again, and the input ends when that has arrived.
/// An input that puts batches together hands over one with something that failed as a whole.
///
/// The time of `idle_timeout` runs while nothing comes and more would be read; it does not run while the stream is busy with what came. When
/// it is over the input is stopped: what it has read is delivered, and it ends when that has arrived.
///
/// # Errors
///
/// Where `check` fails the message is none that ends it; the log says so.
///
/// # Pitfalls
///
/// With `restart_input` the time begins anew with each restart, as in Bento: an input that ends at once again and again
/// never lets it pass.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct ReadUntilConfig {
    /// Where messages come from.
    #[config(child = "input")]
    input: ComponentNode,

    /// A mapping that says of a message whether it is the last one.
    #[config(optional, example = "'this.type == \"foo\"'", example = "count(\"messages\") >= 100")]
    check: Option<Mapping>,

    /// For how long nothing may come before the input is stopped; zero for any time.
    #[config(optional, example = "5s")]
    idle_timeout: Option<String>,

    /// Whether an input that ends begins again.
    #[config(default = "false")]
    restart_input: bool,

    /// How long to wait before that.
    restart_backoff: RestartBackOffConfig,
}

/// How the wait before a restart grows, as long as no message comes.
#[derive(Config, Debug)]
struct RestartBackOffConfig {
    /// The first wait.
    #[config(default = "1ms", example = "50ms", example = "1s")]
    initial_interval: String,

    /// The longest wait.
    #[config(default = "100ms", example = "5s", example = "1m")]
    max_interval: String,
}

const NO_END: &str = "it is required to set either check or idle_timeout";

impl ReadUntilConfig {
    fn check(&self) -> Option<&Arc<Program>> {
        self.check.as_ref().and_then(Mapping::program)
    }

    /// The errors are Bento's texts.
    fn idle_timeout(&self) -> Result<Option<Duration>, String> {
        let Some(text) = self.idle_timeout.as_deref().filter(|it| !it.is_empty()) else {
            return if self.check().is_some() { Ok(None) } else { Err(NO_END.to_string()) };
        };
        let parsed = duration::parse(text).map_err(|err| format!("failed to parse idle_timeout string: {err}"))?;
        Ok(Some(parsed).filter(|it| !it.is_zero()))
    }

    fn back_off(&self) -> Result<BackOff, String> {
        let RestartBackOffConfig { initial_interval, max_interval } = &self.restart_backoff;
        Ok(BackOff::growing(duration::parse(initial_interval)?, duration::parse(max_interval)?))
    }
}

fn lint(config: &ReadUntilConfig, node: &Node, reader: &mut Reader<'_>) {
    // A check that is no mapping is one that was meant to be.
    let is_meant = node.get("check").and_then(Node::as_str).is_some_and(|it| !it.is_empty());
    if let Err(text) = config.idle_timeout()
        && !(text == NO_END && is_meant)
    {
        reader.error(Rule::Custom, node.get("idle_timeout").unwrap_or(node), text);
    }
    let RestartBackOffConfig { initial_interval, max_interval } = &config.restart_backoff;
    for (name, text) in [("initial_interval", initial_interval), ("max_interval", max_interval)] {
        if let Err(err) = duration::parse(text) {
            let at = node.get("restart_backoff").and_then(|it| it.get(name)).unwrap_or(node);
            duration::lint(format!("failed to parse duration string: {err}"), at, reader);
        }
    }
}

impl BuildInput for ReadUntilConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        Ok(Box::new(ReadUntil {
            idle_timeout: self.idle_timeout().map_err(BuildError::new)?,
            restarts: self.restart_input.then(|| self.back_off()).transpose().map_err(BuildError::new)?,
            check: self.check().cloned(),
            child: ctx.input("read_until.input", &self.input)?,
            attempts: Attempts::default(),
            restart_at: None,
            idle_since: None,
            is_found: false,
            is_stopping: false,
            is_over: false,
            logger: ctx.logger(),
        }))
    }
}

struct ReadUntil {
    child: Box<dyn Input>,
    check: Option<Arc<Program>>,
    idle_timeout: Option<Duration>,
    restarts: Option<BackOff>,
    /// Restarts since a message came.
    attempts: Attempts,
    /// When the child begins again; it has ended.
    restart_at: Option<Duration>,
    /// Since when nothing has come.
    idle_since: Option<Duration>,
    /// The last message was handed over: nothing new is wanted.
    is_found: bool,
    is_stopping: bool,
    is_over: bool,
    logger: Logger,
}

/// What a message that ends it gets as metadata; Bento's.
const MARK: (&str, &str) = ("bento_read_until", "final");

impl ReadUntil {
    /// Looks at what came. `None`: nothing of it is wanted.
    fn examine(&mut self, parcel: Parcel) -> Option<Parcel> {
        let Some(check) = self.check.clone() else { return Some(parcel) };
        if self.is_found && !parcel.is_replay() {
            parcel.give_back();
            return None;
        }
        let mut opened = parcel.open();
        let part = &mut opened.part;
        for idx in 0..part.n_batches() {
            let range = part.batch(idx);
            if range.is_empty() {
                continue;
            }
            let batch = &mut part.messages_mut()[range];
            match check.test(batch, 0) {
                Ok(false) => (),
                Err(failure) => self.logger.failed(&format!("Failed to execute check query: {failure}")),
                Ok(true) => {
                    batch[0].metadata_mut().set(MARK.0, Value::text(MARK.1));
                    // A batch that was divided is one place of its source, which cannot be divided.
                    let n_before = (1..part.n_places()).take_while(|it| part.batches_of(*it) <= idx).count();
                    return Some(self.end_behind(opened, n_before + 1));
                }
            }
        }
        Some(opened.into_parcel())
    }

    /// So many places of it are the last ones, unless something that failed comes again.
    fn end_behind(&mut self, mut opened: Unpacked, n_places: usize) -> Parcel {
        if !std::mem::replace(&mut self.is_found, true) {
            self.stop();
        }
        if !opened.is_replay && n_places < opened.part.n_places() {
            opened.split_off(n_places).into_parcel().give_back();
        }
        opened.into_parcel()
    }

    /// The child has nothing to give. Whether it was stopped for that.
    fn is_idle_for_long(&mut self, waits: &mut Waits, now: Duration) -> bool {
        let Some(timeout) = self.idle_timeout.filter(|_| !self.is_stopping) else { return false };
        let until = self.idle_since.get_or_insert(now).saturating_add(timeout);
        if now < until {
            waits.until(until);
            return false;
        }
        self.logger.info("Idle timeout reached");
        self.stop();
        true
    }

    /// The child has ended. When it is to begin again, if it is.
    fn after_end(&mut self, now: Duration) -> Option<Duration> {
        let back_off = self.restarts.as_ref().filter(|_| !self.is_stopping)?;
        self.idle_since = None;
        self.attempts.fail(back_off, now)
    }
}

impl Input for ReadUntil {
    fn read(&mut self, waits: &mut Waits, step: &mut Step<'_>) -> Result<Parcel, ReadError> {
        loop {
            if self.is_over {
                return Err(ReadError::EndOfInput);
            }
            if let Some(at) = self.restart_at {
                if step.now() < at {
                    waits.until(at);
                    return Err(ReadError::NotReady);
                }
                self.restart_at = None;
                self.is_over = !self.child.restart();
                continue;
            }
            match self.child.read(waits, step) {
                Ok(parcel) => {
                    if !parcel.is_empty() {
                        (self.idle_since, self.attempts) = (None, Attempts::default());
                    }
                    match self.examine(parcel) {
                        Some(parcel) => return Ok(parcel),
                        // There may be as much as the input has read, and it is somebody else's turn in between.
                        None => waits.again(),
                    }
                    return Err(ReadError::NotReady);
                }
                Err(ReadError::NotReady) if self.is_idle_for_long(waits, step.now()) => (),
                Err(ReadError::EndOfInput) => {
                    self.restart_at = self.after_end(step.now());
                    let Some(at) = self.restart_at else {
                        self.is_over = true;
                        continue;
                    };
                    // One that ends at once, again and again, does not keep a stop from being heard.
                    waits.until(at);
                    return Err(ReadError::NotReady);
                }
                Err(err) => return Err(err),
            }
        }
    }

    fn stop(&mut self) {
        self.is_stopping = true;
        // One that has ended does not begin again.
        self.is_over |= self.restart_at.is_some();
        self.child.stop();
    }

    fn restart(&mut self) -> bool {
        if !self.child.restart() {
            return false;
        }
        (self.attempts, self.restart_at, self.idle_since) = (Attempts::default(), None, None);
        (self.is_found, self.is_stopping, self.is_over) = (false, false, false);
        true
    }

    fn is_exhausted(&self) -> bool {
        self.is_over || (self.restart_at.is_none() && self.child.is_exhausted())
    }

    fn takes_back(&self) -> bool {
        self.child.takes_back()
    }

    fn close(&mut self) -> Result<(), String> {
        self.child.close()
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, time::Duration};

    use wappa_component::Pulse;

    use crate::test::{Harness, TempDir, check_lint};

    #[test]
    fn ends_when_nothing_has_come_for_a_while() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let pipe = dir.at("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::from_raw_mode(0o600)).expect("a pipe");
        let config = format!("read_until: {{idle_timeout: 5s, input: {{file: {{paths: [{pipe}]}}}}}}");
        let mut input = harness.input(&config);
        // The wait for more is as long as the time-out.
        assert_eq!(harness.read(input.as_mut()), "not ready\n");
        assert_eq!(harness.time.now(), Duration::from_secs(5));
        let mut writer = std::fs::OpenOptions::new().write(true).open(&pipe).expect("the reader is there");
        writer.write_all(b"a\nb").expect("the pipe has room");
        assert_eq!(harness.read(input.as_mut()), "a\n");
        assert_eq!(harness.read(input.as_mut()), "not ready\n");
        assert_eq!(harness.time.now(), Duration::from_secs(10));
        assert_eq!(harness.read(input.as_mut()), "end\n");
        assert!(harness.log.take().contains("Idle timeout reached"));
    }

    #[test]
    fn one_that_ends_at_once_again_and_again_can_be_stopped() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let path = dir.write("empty.txt", "");
        let body = format!("idle_timeout: 1h, restart_input: true, input: {{file: {{paths: [{path}]}}}}");
        let back_off = "restart_backoff: {initial_interval: 0s, max_interval: 0s}";
        let mut input = harness.input(&format!("read_until: {{{body}, {back_off}}}"));
        for _ in 0..3 {
            assert_eq!(harness.read(input.as_mut()), "not ready\n");
        }
        input.stop();
        assert_eq!(harness.read_all(input.as_mut()), "end\n");
    }

    #[test]
    fn restarts_with_a_back_off() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let path = dir.write("a.txt", "a\n");
        let body = format!("idle_timeout: 1h, restart_input: true, input: {{file: {{paths: [{path}]}}}}");
        let mut input = harness.input(&format!("read_until: {{{body}}}"));
        let mut times = Vec::new();
        for _ in 0..3 {
            while harness.read(input.as_mut()) != "a\n" {}
            times.push(harness.time.now().as_micros());
        }
        assert_eq!(times, [0, 1000, 2000], "a message ends the back-off");
        std::fs::write(&path, "").expect("it is ours");
        while harness.time.now() < Duration::from_secs(1) {
            assert_eq!(harness.read(input.as_mut()), "not ready\n");
        }
        input.stop();
        assert_eq!(harness.read(input.as_mut()), "end\n");
    }

    #[test]
    fn without_a_restart_it_ends_with_its_child() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let path = dir.write("a.txt", "a\n");
        let body = format!("idle_timeout: 0s, input: {{file: {{paths: [{path}]}}}}");
        let mut input = harness.input(&format!("read_until: {{{body}}}"));
        assert_eq!(harness.read_all(input.as_mut()), "a\nend\n");
        assert!(input.restart());
        assert_eq!(harness.read_all(input.as_mut()), "a\nend\n");
    }

    #[test]
    fn ends_with_a_message_that_says_so() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let path = dir.write("a.txt", "a\nb\nend\nc\nend\nd\n");
        let mut read = |check: &str, around: &str| {
            let input = format!("{{file: {{paths: [{path}], delete_on_finish: true}}}}");
            let input = around.replace("INPUT", &input);
            let mut input = harness.input(&format!("read_until: {{check: '{check}', input: {input}}}"));
            let read = harness.read_all(input.as_mut());
            (read, harness.log.take(), input)
        };
        let (text, log, mut input) = read("content() == \"end\"", "INPUT");
        assert_eq!((text.as_str(), log.as_str()), ("a\nb\nend\nend\n", ""));
        assert!(dir.has("a.txt"), "not all of it has arrived");
        assert!(input.restart());
        let (part, ack) = Harness::default().read_part(input.as_mut()).expect("it begins again");
        let marks: Vec<_> = part.messages().iter().map(|it| it.metadata().text("bento_read_until")).collect();
        assert_eq!(marks, ["", "", "final"]);
        ack.delivered();
        let batched = "{batched: {child: INPUT, policy: {count: 2}}}";
        let (text, _, _) = read("content() == \"b\" || content() == \"end\"", batched);
        assert_eq!(text, "a|b\nend|c\nend\n", "the first message of a batch says it");
        let (text, log, _) = read("this.a == 1", "INPUT");
        assert_eq!(text, "a\nb\nend\nc\nend\nd\nend\n");
        assert!(log.starts_with("Error Failed to execute check query: "), "{log}");
        assert!(!dir.has("a.txt"));
    }

    #[test]
    fn lints() {
        let lint = |body: &str| format!("input:\n  read_until:\n    input: {{stdin: {{}}}}\n    {body}\n");
        check_lint(&lint("idle_timeout: 1s"), "");
        check_lint(&lint("restart_input: true"), "(3,1) it is required to set either check or idle_timeout\n");
        check_lint(&lint("check: this.a == 1"), "");
        check_lint(&lint("check: ''"), "(3,1) it is required to set either check or idle_timeout\n");
        let text = "expected query, but reached end of input";
        check_lint(&lint("check: this.a =="), &format!("(4,22) {text}\n"));
        let text = "failed to parse idle_timeout string: time: invalid duration \"soon\"";
        check_lint(&lint("idle_timeout: soon"), &format!("(4,1) {text}\n"));
    }
}
