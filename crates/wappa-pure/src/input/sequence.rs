//! The input `sequence`.

use wappa_component::{
    Ack, Batches, BuildError, BuildInput, Component, Context, Input, Logger, PARCEL_MESSAGES_MAX, Parcel,
    ReadError, Step, Unpacked, Waits,
};
use wappa_spec::{ComponentNode, Config, Node, Reader, Rule};

use super::sharded_join::{Join, ShardedJoinConfig};

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
/// ### Rows of two tables that belong together
///
/// ```yaml
/// input:
///   sequence:
///     sharded_join:
///       type: full-outer
///       id_path: user
///     inputs:
///       - csv:
///           paths: [ ./users*.csv ]
///       - csv:
///           paths: [ ./orders*.csv ]
/// output:
///   stdout: {}
/// ```
///
/// # Joins
///
/// With `sharded_join` messages that are objects with the same identifier become one. Their fields are merged, and so are
/// their metadata, of which the last ones win.
/// What is joined is sent in the order in which identifiers came first, one message a batch.
///
/// All of it is kept in memory until all inputs have ended. With `iterations` they are read so many times, each time for another
/// part of the identifiers, which is what fits. An input that cannot be read again, such as standard input, gives nothing from
/// the second time on, and the log says so.
///
/// # Delivery
///
/// A message that was joined has arrived for the input that it came from; what it became is delivered again until it arrives, and
/// is lost where the process is killed before. At a stop, what is joined by then is sent.
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

const NO_INPUTS: &str = "requires at least one child input";

fn lint(config: &SequenceConfig, node: &Node, reader: &mut Reader<'_>) {
    if config.inputs.is_empty() {
        reader.error(Rule::Custom, node.get("inputs").unwrap_or(node), NO_INPUTS);
    }
    if let Err(text) = config.sharded_join.join() {
        let join = node.get("sharded_join").unwrap_or(node);
        reader.error(Rule::Custom, join.get(config.sharded_join.wrong_field()).unwrap_or(join), text);
    }
}

impl BuildInput for SequenceConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        if self.inputs.is_empty() {
            return Err(BuildError::new(NO_INPUTS));
        }
        let invalid = |text| BuildError::new(format!("invalid sharded join config: {text}"));
        let join = self.sharded_join.join().map_err(invalid)?;
        let build = |(idx, node)| ctx.input(&format!("sequence.inputs.{idx}"), node);
        let children: Result<Vec<_>, _> = self.inputs.iter().enumerate().map(build).collect();
        Ok(Box::new(Sequence {
            children: children?,
            current: 0,
            join,
            is_joined: false,
            is_stopping: false,
            logger: ctx.logger(),
        }))
    }
}

struct Sequence {
    children: Vec<Box<dyn Input>>,
    /// The one that is read.
    current: usize,
    join: Option<Join>,
    /// The last turn of the join is over.
    is_joined: bool,
    is_stopping: bool,
    logger: Logger,
}

impl Sequence {
    /// What the input at hand has, or the next one.
    fn read_next(&mut self, waits: &mut Waits, step: &mut Step<'_>) -> Result<Parcel, ReadError> {
        while let Some(child) = self.children.get_mut(self.current) {
            match child.read(waits, step) {
                Err(ReadError::EndOfInput) if self.is_stopping => self.current = self.children.len(),
                Err(ReadError::EndOfInput) => self.current += 1,
                result => return result,
            }
            if self.current == self.children.len() && self.join.is_none() && !self.is_stopping {
                self.logger.info("Exhausted all sequence inputs, shutting down.");
            }
        }
        Err(ReadError::EndOfInput)
    }

    /// Adds to the join what was read, which has arrived by that.
    fn add(&mut self, parcel: Parcel) {
        let Some(join) = &mut self.join else { return };
        let is_last = self.current + 1 == self.children.len();
        let Unpacked { part, ack, .. } = parcel.open();
        for message in part.into_messages() {
            if join.add(message, is_last).is_err() {
                self.logger.failed("A message was left out of the join: what it is joined with would be nested too deeply");
            }
        }
        ack.delivered();
    }

    /// The inputs have ended: they are read again for the next turn. Whether there is one.
    fn begin_turn(&mut self) -> bool {
        let goes_on = self.join.as_mut().is_some_and(Join::end_turn) && !self.is_stopping;
        if goes_on {
            self.current = 0;
            for (idx, child) in self.children.iter_mut().enumerate() {
                if !child.restart() {
                    self.logger.warn(&format!("Input {idx} cannot be read again: a join in several iterations lacks it"));
                }
            }
        }
        goes_on
    }
}

impl Input for Sequence {
    fn read(&mut self, waits: &mut Waits, step: &mut Step<'_>) -> Result<Parcel, ReadError> {
        loop {
            if let Some(join) = &mut self.join {
                let joined = join.take(PARCEL_MESSAGES_MAX);
                if !joined.is_empty() {
                    let ack = Ack::new(joined.len() as u32, |_| ());
                    return Ok(Parcel::of_messages(joined, Batches::Singles, ack));
                }
            }
            match self.read_next(waits, step) {
                Ok(parcel) if self.join.is_some() => {
                    self.add(parcel);
                    // Whatever a stop is waiting for comes in between.
                    waits.again();
                    return Err(ReadError::NotReady);
                }
                Err(ReadError::EndOfInput) if self.join.is_some() && !self.is_joined => {
                    self.is_joined = !self.begin_turn();
                    if !self.is_joined && !self.join.as_ref().is_some_and(Join::is_ready) {
                        // There may be many turns without anything to send, and a stop is heard between them.
                        waits.again();
                        return Err(ReadError::NotReady);
                    }
                    if self.is_joined {
                        let text = "Finished all sharded iterations and exhausted all sequence inputs, shutting down.";
                        self.logger.info(text);
                    }
                }
                result => return result,
            }
        }
    }

    fn stop(&mut self) {
        self.is_stopping = true;
        if let Some(child) = self.children.get_mut(self.current) {
            child.stop();
        }
    }

    fn restart(&mut self) -> bool {
        (self.current, self.is_joined, self.is_stopping) = (0, false, false);
        if let Some(join) = &mut self.join {
            join.restart();
        }
        let restarted: Vec<bool> = self.children.iter_mut().map(|it| it.restart()).collect();
        restarted.contains(&true)
    }

    /// What is joined is its own, and has no other copy.
    fn auto_replay_nacks(&self) -> bool {
        self.join.is_some()
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
    fn joined_in_turns() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let ids = |value: &str| (0..1000).map(|it| format!("{{\"id\":\"{it}\",{value}}}\n")).collect::<String>();
        let (one, two) = (dir.write("1.txt", ids("\"a\":1")), dir.write("2.txt", ids("\"b\":2")));
        let inputs = format!("[file: {{paths: [{one}]}}, file: {{paths: [{two}]}}]");
        let config =
            format!("sequence: {{sharded_join: {{type: full-outer, id_path: id, iterations: 3}}, inputs: {inputs}}}");
        let mut input = harness.input(&config);
        assert!(input.auto_replay_nacks());
        let mut lines = Vec::new();
        let mut n_rounds = 0;
        loop {
            match harness.read(input.as_mut()).as_str() {
                "end\n" => break,
                "not ready\n" => n_rounds += 1,
                text => lines.extend(text.lines().map(str::to_string)),
            }
            assert!(n_rounds < 1000, "it does not end");
        }
        let mut expected: Vec<String> =
            (0..1000).map(|it| format!(r#"{{\"a\":1,\"b\":2,\"id\":\"{it}\"}}"#)).collect();
        lines.sort();
        expected.sort();
        assert_eq!(lines, expected);
        assert!(harness.log.take().contains("Finished all sharded iterations"));
        // At a stop, what is joined by then is sent.
        assert!(input.restart());
        assert_eq!(harness.read(input.as_mut()), "not ready\n");
        input.stop();
        assert!(harness.read_all(input.as_mut()).ends_with("}\nend\n"));
    }

    #[test]
    fn turns_without_anything_to_send_can_be_stopped() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let inputs = format!("[file: {{paths: [{}]}}]", dir.write("empty.txt", ""));
        let join = "sharded_join: {type: full-outer, id_path: id, iterations: 1000000000}";
        let mut input = harness.input(&format!("sequence: {{{join}, inputs: {inputs}}}"));
        for _ in 0..3 {
            assert_eq!(harness.read(input.as_mut()), "not ready\n");
        }
        input.stop();
        assert_eq!(harness.read_all(input.as_mut()), "end\n");
    }

    #[test]
    fn mistakes() {
        let lint = |body: &str| format!("input:\n  sequence:\n    inputs: [ stdin: {{}} ]\n    {body}\n");
        check_lint("input:\n  sequence:\n    inputs: []\n", "(3,1) requires at least one child input\n");
        check_lint(&lint("sharded_join: {type: none, id_path: id}"), "");
        check_lint(&lint("sharded_join: {type: outer, id_path: id}"), "");
        check_lint(&lint("sharded_join: {type: outer}"), "(4,1) the id path must not be empty\n");
        let text = "invalid number of iterations: 0";
        check_lint(&lint("sharded_join: {type: outer, id_path: id, iterations: 0}"), &format!("(4,1) {text}\n"));
    }
}
