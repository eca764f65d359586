//! The input `generate`.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use wappa_bloblang::Program;
use wappa_component::{
    Ack, Batches, BuildError, BuildInput, Component, Context, Input, PARCEL_BYTES_MAX, PARCEL_MESSAGES_MAX, Parcel,
    ReadError, Step, Waits,
};
use wappa_message::Message;
use wappa_spec::{Config, Mapping, Node, Reader, Rule};

use crate::{cron::Schedule, duration};

pub(super) const COMPONENT: Component =
    Component::input::<GenerateConfig>("generate").categories(&["Utility"]);

/// Makes messages with a mapping, at an interval, by a schedule, or as fast as they are taken.
///
/// The mapping begins with nothing: there is no `this`, and `content()` is empty.
/// What it filters with `deleted()` is no message and does not count.
///
/// # Examples
///
/// ### A hundred messages at once
///
/// ```yaml
/// input:
///   generate:
///     count: 100
///     interval: ""
///     mapping: |
///       root.id = uuid_v4()
///       root.kind = if random_int() % 2 == 0 { "even" } else { "odd" }
/// output:
///   stdout: {}
/// ```
///
/// ### Three batches of two, by the clock
///
/// ```yaml
/// input:
///   generate:
///     interval: '* * * * * *'
///     count: 6
///     batch_size: 2
///     mapping: root.at = now()
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// The input ends once `count` messages were made.
/// A message that fails is delivered again, as it was made, before anything new.
/// Without an interval as many messages are made ahead as are taken in about ten milliseconds, so that a slow pipeline has
/// fresh ones, and little to work off at a stop.
/// No time is caught up on: while messages are not taken, nothing is made, and then the next one comes at once, and the one
/// after it at its time.
///
/// # Errors
///
/// A mapping that fails makes no message: the error is logged, and the mapping is evaluated again after a while, at the next
/// time of the interval at the earliest.
///
/// # Pitfalls
///
/// With an interval that is a duration the first message comes at once; with `@every` and other schedules at the first time
/// of the schedule.
/// Within a batch the functions that look at other messages see those made before, and a message's own index is 0.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct GenerateConfig {
    /// What makes a message.
    #[config(example = "root = \"hello world\"", example = "root = {\"test\": \"message\", \"id\": uuid_v4()}")]
    mapping: Mapping,

    /// When messages are made: a duration, or a `cron` expression of five fields, or of six with seconds first, in the time
    /// zone that `TZ=` before it names, else in UTC. Empty: whenever there is room for them.
    #[config(
        default = "1s",
        example = "5s",
        example = "'@every 5m'",
        example = "'0,30 */2 * * * *'",
        example = "TZ=Europe/London 30 3-6,20-23 * * *"
    )]
    interval: String,

    /// How many messages are made, until the input ends; 0 for any number.
    #[config(default = "0")]
    count: i64,

    /// How many messages are made at a time, as one batch.
    #[config(default = "1")]
    batch_size: i64,

    /// Whether messages that fail are delivered again; without it they are lost.
    #[config(default = "true")]
    auto_replay_nacks: bool,
}

/// When messages are made.
#[derive(Clone, Debug)]
enum Pace {
    /// Whenever they are asked for.
    AtOnce,
    Interval(Duration),
    Schedule(Schedule),
}

impl Pace {
    /// Reads an interval. The error is Bento's text.
    fn parse(text: &str) -> Result<Pace, String> {
        if text.is_empty() {
            return Ok(Pace::AtOnce);
        }
        let why = match duration::parse(text) {
            Ok(Duration::ZERO) => return Ok(Pace::AtOnce),
            Ok(interval) => return Ok(Pace::Interval(interval)),
            Err(why) => why,
        };
        let failed = |err| {
            format!("failed to parse interval as duration string: {why}, or as cron expression: {err}")
        };
        let schedule = Schedule::parse(text).map_err(failed)?;
        if schedule.next(Timestamp::now()).is_none() {
            return Err(format!("the time `{text}` never comes"));
        }
        Ok(Pace::Schedule(schedule))
    }
}

const NO_MAPPING: &str = "failed to parse mapping: line 1 char 1: expected import, map, or assignment";
const NO_BATCH: &str = "field batch_size must be at least 1";

fn lint(config: &GenerateConfig, node: &Node, reader: &mut Reader<'_>) {
    let mut error = |field: &str, text: &str| {
        reader.error(Rule::InvalidValue, node.get(field).unwrap_or(node), text);
    };
    if config.mapping.program().is_none() {
        error("mapping", NO_MAPPING);
    }
    if let Err(text) = Pace::parse(&config.interval) {
        error("interval", &text);
    }
    if config.batch_size < 1 {
        error("batch_size", NO_BATCH);
    }
}

impl BuildInput for GenerateConfig {
    fn build(self, _: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        let program = self.mapping.program().cloned().ok_or_else(|| BuildError::new(NO_MAPPING))?;
        let pace = Pace::parse(&self.interval).map_err(BuildError::new)?;
        let batch_size = usize::try_from(self.batch_size).unwrap_or(0);
        if batch_size == 0 {
            return Err(BuildError::new(NO_BATCH));
        }
        let count = u64::try_from(self.count).ok().filter(|it| 0 < *it);
        Ok(Box::new(Generate {
            program,
            pace,
            count,
            left: count,
            batch_size,
            due: None,
            batch: None,
            failure: None,
            ahead: Ahead::default(),
            is_stopped: false,
            auto_replay_nacks: self.auto_replay_nacks,
        }))
    }
}

/// How large a batch may become: what the mappings of a pipeline may make of messages that are worked on together.
const BATCH_BYTES_MAX: usize = 512 << 20;

const TOO_LARGE: &str = "a batch would be larger than 512MiB: lower `batch_size`";

/// A longer time is waited for in pieces, so that it is that of the clock also where the clock is set.
const WAIT_MAX: Duration = Duration::from_secs(60);

struct Generate {
    program: Arc<Program>,
    pace: Pace,
    count: Option<u64>,
    /// How many messages are still to be made; none: any number.
    left: Option<u64>,
    batch_size: usize,
    /// When the next batch is to be made; none as long as nobody has asked.
    due: Option<Due>,
    /// The batch that is being made.
    batch: Option<Batch>,
    /// Why the mapping failed, where that is to be told behind what was made before.
    failure: Option<String>,
    ahead: Ahead,
    is_stopped: bool,
    auto_replay_nacks: bool,
}

/// For how long messages are made ahead: a stop works off what was made, and a message may hold the time it was made at.
const AHEAD: Duration = Duration::from_millis(10);

/// How many messages are made ahead: about as many as were taken in the time of [`AHEAD`] lately.
#[derive(Default)]
struct Ahead {
    /// How many were made last, and when they were given out.
    last: Option<(usize, Duration)>,
}

impl Ahead {
    /// How many to make for whoever asks now. One that asks again has taken what there was.
    fn n_wanted(&self, now: Duration) -> usize {
        let Some((n, since)) = self.last else { return 1 };
        let taken_for = now.saturating_sub(since).as_nanos().max(1);
        let n_in_time = (n as u128 * AHEAD.as_nanos()).div_ceil(taken_for);
        n_in_time.clamp(1, 2 * n as u128).min(PARCEL_MESSAGES_MAX as u128) as usize
    }

    fn made(&mut self, n: usize, now: Duration) {
        self.last = Some((n, now));
    }
}

/// When a batch is to be made.
#[derive(Clone, Copy)]
struct Due {
    /// A time of the stream.
    time: Duration,
    /// What the clock has to show, where that is what counts.
    clock: Option<Timestamp>,
    /// At that time the clock is looked at again.
    is_far: bool,
}

#[derive(Default)]
struct Batch {
    messages: Vec<Message>,
    n_evaluated: usize,
    n_bytes: usize,
}

impl Input for Generate {
    fn read(&mut self, waits: &mut Waits, step: &mut Step<'_>) -> Result<Parcel, ReadError> {
        let (mut messages, mut ends, mut n_bytes) = (Vec::new(), Vec::new(), 0);
        let n_wanted = self.ahead.n_wanted(step.now());
        for _ in 0..PARCEL_MESSAGES_MAX {
            if self.is_over() || self.failure.is_some() || !self.is_due(waits, step.now()) {
                break;
            }
            if self.make(step)
                && let Some(batch) = self.batch.take()
                && !batch.messages.is_empty()
            {
                n_bytes += batch.n_bytes;
                messages.extend(batch.messages);
                ends.push(messages.len() as u32);
            }
            if step.is_due() || n_wanted <= messages.len() || PARCEL_BYTES_MAX <= n_bytes {
                break;
            }
        }
        if !messages.is_empty() {
            self.ahead.made(messages.len(), step.now());
            let batches = if self.batch_size == 1 { Batches::Singles } else { Batches::Ends(ends) };
            let ack = Ack::new(messages.len() as u32, |_| ());
            return Ok(Parcel::of_messages(messages, batches, ack));
        }
        if let Some(text) = self.failure.take() {
            return Err(ReadError::BackOff(text));
        }
        if self.is_over() {
            return Err(ReadError::EndOfInput);
        }
        if self.is_due(waits, step.now()) {
            waits.again();
        }
        Err(ReadError::NotReady)
    }

    fn stop(&mut self) {
        self.is_stopped = true;
        (self.batch, self.failure) = (None, None);
    }

    fn restart(&mut self) -> bool {
        self.left = self.count;
        (self.due, self.batch, self.failure) = (None, None, None);
        self.is_stopped = false;
        true
    }

    fn is_exhausted(&self) -> bool {
        self.is_over()
    }

    fn auto_replay_nacks(&self) -> bool {
        self.auto_replay_nacks
    }
}

impl Generate {
    fn is_over(&self) -> bool {
        self.is_stopped || self.left == Some(0) && self.batch.is_none()
    }

    /// Whether a batch is being made, or its time has come; else that is waited for.
    fn is_due(&mut self, waits: &mut Waits, now: Duration) -> bool {
        if self.batch.is_some() {
            return true;
        }
        let mut due = self.due.unwrap_or_else(|| self.pace.first(now));
        if let Some(clock) = due.clock.filter(|_| due.is_far && due.time <= now) {
            due = Due::of_clock(clock, now);
        }
        self.due = Some(due);
        if now < due.time {
            waits.until(due.time);
        }
        due.time <= now
    }

    /// Goes on with a batch until the turn should end. `true`: there is no more to be made of it.
    fn make(&mut self, step: &Step<'_>) -> bool {
        if self.batch.is_none() {
            self.due = self.due.map(|due| self.pace.next(due, step.now()));
        }
        let batch = self.batch.get_or_insert_default();
        while batch.n_evaluated < self.batch_size && self.left != Some(0) {
            if 0 < batch.n_evaluated && step.is_due() {
                return false;
            }
            batch.n_evaluated += 1;
            let mut message = Message::default();
            match self.program.map(&mut batch.messages, 0) {
                Ok(mapped) => {
                    batch.n_bytes = batch.n_bytes.saturating_add(mapped.growth(&message));
                    if BATCH_BYTES_MAX < batch.n_bytes {
                        self.failure = Some(TOO_LARGE.to_string());
                        return true;
                    }
                    if mapped.apply(&mut message) {
                        batch.messages.push(message);
                        self.left = self.left.map(|it| it - 1);
                    }
                }
                Err(failure) => {
                    self.failure = Some(failure.to_string());
                    return true;
                }
            }
        }
        true
    }
}

impl Pace {
    fn first(&self, now: Duration) -> Due {
        match self {
            Pace::AtOnce | Pace::Interval(_) => Due { time: now, clock: None, is_far: false },
            Pace::Schedule(schedule) => next_of(schedule, Timestamp::now(), now),
        }
    }

    fn next(&self, due: Due, now: Duration) -> Due {
        match self {
            Pace::AtOnce => Due { time: now, ..due },
            Pace::Interval(interval) => {
                let interval = interval.as_nanos();
                let n_passed = now.saturating_sub(due.time).as_nanos() / interval + 1;
                let ahead = u64::try_from(n_passed.saturating_mul(interval)).unwrap_or(u64::MAX);
                Due { time: due.time.saturating_add(Duration::from_nanos(ahead)), ..due }
            }
            Pace::Schedule(schedule) => {
                let clock = Timestamp::now();
                next_of(schedule, due.clock.map_or(clock, |it| it.max(clock)), now)
            }
        }
    }
}

/// What comes next by a schedule, after the clock has shown this.
fn next_of(schedule: &Schedule, after: Timestamp, now: Duration) -> Due {
    let clock = schedule.next(after).unwrap_or(Timestamp::MAX);
    let due = Due::of_clock(clock, now);
    match schedule {
        // Setting the clock changes nothing about an interval.
        Schedule::Every(_) => Due { time: now.saturating_add(until(clock)), clock: None, is_far: false },
        Schedule::Clock(_) => due,
    }
}

fn until(clock: Timestamp) -> Duration {
    Duration::try_from(Timestamp::now().duration_until(clock)).unwrap_or_default()
}

impl Due {
    fn of_clock(clock: Timestamp, now: Duration) -> Due {
        let left = until(clock);
        Due { time: now.saturating_add(left.min(WAIT_MAX)), clock: Some(clock), is_far: WAIT_MAX < left }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::{Harness, check_lint, text};

    fn check(config: &str, expected: &str) {
        let mut harness = Harness::default();
        let mut input = harness.input(&format!("generate: {config}"));
        let read = harness.read_all(input.as_mut());
        assert_eq!(read.replace("\\\"", "\""), expected, "{config}");
    }

    #[test]
    fn makes_messages_until_there_are_enough() {
        check("{count: 3, interval: '', mapping: 'root = count(\"generate a\")'}", "1\n2\n3\nend\n");
        check(
            "{count: 5, batch_size: 3, interval: '', mapping: 'root = count(\"generate b\")'}",
            "1|2|3\n4|5\nend\n",
        );
        check("{count: 1, interval: 0s, mapping: 'meta k = \"v\"'}", "\"\"\nend\n");
    }

    #[test]
    fn what_is_filtered_does_not_count() {
        let mapping = "root = if count(\"generate c\") % 2 == 0 { deleted() } else { count(\"generate d\") }";
        check(&format!("{{count: 3, interval: '', mapping: '{mapping}'}}"), "1\n2\n3\nend\n");
        let mapping = "root = if count(\"generate e\") % 2 == 0 { deleted() } else { 1 }";
        check(&format!("{{count: 2, batch_size: 3, interval: '', mapping: '{mapping}'}}"), "1|1\nend\n");
        check("{interval: '', mapping: 'root = deleted()'}", &"not ready\n".repeat(5));
    }

    #[test]
    fn a_slow_pipeline_has_fresh_messages() {
        let mut harness = Harness::default();
        let mut input = harness.input("generate: {interval: '', mapping: 'root = 1'}");
        let mut n_read = |input: &mut dyn Input, taken_for| {
            harness.time.advance(Duration::from_micros(taken_for));
            harness.read(input).lines().count()
        };
        assert_eq!(n_read(input.as_mut(), 0), 1);
        let growing: Vec<usize> = (0..9).map(|_| n_read(input.as_mut(), 1)).collect();
        assert_eq!(growing, [2, 4, 8, 16, 32, 64, 128, 256, 256]);
        assert_eq!(n_read(input.as_mut(), 100_000), 26, "ten milliseconds of 256 in a hundred");
        assert_eq!(n_read(input.as_mut(), 1_000_000), 1);
        assert_eq!(n_read(input.as_mut(), 2_000), 2);
    }

    #[test]
    fn it_sees_what_was_made_before() {
        let mapping = "root = [batch_index(), batch_size(), content().string()]";
        check(
            &format!("{{count: 3, batch_size: 3, interval: '', mapping: '{mapping}'}}"),
            "[0,0,\"\"]|[0,1,\"[0,0,\\\\\"\\\\\"]\"]|[0,2,\"[0,0,\\\\\"\\\\\"]\"]\nend\n",
        );
    }

    #[test]
    fn a_failure_is_told_behind_what_was_made() {
        let mapping = "root = if count(\"generate f\") % 3 == 0 { throw(\"no\") } else { 1 }";
        let failed = "back off: failed assignment (line 1): no\n";
        check(
            &format!("{{count: 4, interval: '', mapping: '{mapping}'}}"),
            &format!("1\n1\n{failed}1\n1\nend\n"),
        );
        let this = "failed assignment (line 1): unable to reference message as structured (with 'this'): message is empty";
        let mut harness = Harness::default();
        let mut input = harness.input("generate: {interval: '', mapping: 'root = this'}");
        assert_eq!(harness.read(input.as_mut()), format!("back off: {this}\n"));
    }

    #[test]
    fn one_batch_an_interval_and_none_is_caught_up_on() {
        let mut harness = Harness::default();
        let mut input = harness.input("generate: {interval: 10s, mapping: root = 1}");
        let now = |harness: &Harness| wappa_component::Pulse::now(harness.time.as_ref()).as_secs();
        assert_eq!(harness.read(input.as_mut()), "1\n");
        assert_eq!((harness.read(input.as_mut()).as_str(), now(&harness)), ("not ready\n", 10));
        assert_eq!(harness.read(input.as_mut()), "1\n");
        harness.advance_to(Some(Duration::from_secs(47)));
        assert_eq!(harness.read(input.as_mut()), "1\n");
        assert_eq!((harness.read(input.as_mut()).as_str(), now(&harness)), ("not ready\n", 50));
        assert_eq!(harness.read(input.as_mut()), "1\n");
    }

    #[test]
    fn a_schedule_begins_with_its_first_time() {
        for interval in ["'@every 1s'", "'* * * * * *'"] {
            let config = format!("{{count: 2, interval: {interval}, mapping: root = 1}}");
            check(&config, "not ready\n1\nnot ready\n1\nend\n");
        }
    }

    #[test]
    fn it_stops_and_begins_again() {
        let mut harness = Harness::default();
        let mut input = harness.input("generate: {count: 1, interval: 1h, mapping: root = 1}");
        let mut read = |input: &mut Box<dyn Input>| harness.read(input.as_mut());
        assert_eq!([read(&mut input), read(&mut input)], ["1\n", "end\n"]);
        assert!(input.is_exhausted() && input.restart());
        assert_eq!(read(&mut input), "1\n");
        assert!(input.restart());
        input.stop();
        assert_eq!(read(&mut input), "end\n");
    }

    #[test]
    fn large_batches_are_made_in_pieces() {
        let mut harness = Harness::default();
        let mut input = harness.input("generate: {interval: '', batch_size: 1000, mapping: root = 1}");
        harness.time.ticks_per_look.store(1, std::sync::atomic::Ordering::Relaxed);
        let mut n_not_ready = 0;
        let part = loop {
            match harness.read_part(input.as_mut()) {
                Ok((part, ack)) => {
                    ack.delivered();
                    break part;
                }
                Err(_) => n_not_ready += 1,
            }
        };
        assert!(1 < n_not_ready);
        assert_eq!(text(&part), format!("{}1\n", "1|".repeat(999)));
    }

    #[test]
    fn mistakes() {
        let lint = |body: &str, expected: &str| {
            check_lint(&format!("input:\n  generate:\n    {body}\n"), expected);
        };
        lint("mapping: root = 1", "");
        lint("{}", "(3,1) field mapping is required\n");
        lint("mapping: ''", &format!("(3,1) {NO_MAPPING}\n"));
        lint("{mapping: root = 1, batch_size: 0}", &format!("(3,1) {NO_BATCH}\n"));
        let prefix = "(3,1) failed to parse interval as duration string: time";
        lint(
            "{mapping: root = 1, interval: foo}",
            &format!("{prefix}: invalid duration \"foo\", or as cron expression: expected 5 to 6 fields, found 1: [foo]\n"),
        );
        lint("{mapping: root = 1, interval: 0 0 30 2 *}", "(3,1) the time `0 0 30 2 *` never comes\n");
    }
}
