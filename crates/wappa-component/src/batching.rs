//! Batching policies: when a batch is complete; and batching in front of an output.

mod output;

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    time::Duration,
};

use wappa_message::Message;
use wappa_spec::{ComponentNode, Config, Mapping, Node, Reader, Rule};

pub use self::output::batched;
use crate::{Context, Counter, Logger, Metrics, duration};

crate::series! {
    BATCH_CREATED: counter "batch_created", ["mechanism"], "Batches that a policy completed, by what completed them: `count`, `size`, `period` or `check`.";
}

/// When a batch is complete: as soon as one of the limits is reached.
#[derive(Config, Debug)]
#[config(lint = lint)]
pub struct PolicyConfig {
    #[config(flatten)]
    limits: LimitsConfig,
}

/// The limits of a policy.
#[derive(Config, Debug, Clone)]
struct LimitsConfig {
    /// How many messages complete a batch; 0 for any number.
    #[config(default = "0")]
    count: i64,

    /// How many bytes of content complete a batch; 0 for any number. The message that reaches it is part of the batch.
    #[config(default = "0")]
    byte_size: i64,

    /// How long after its first message a batch is complete, whatever its size; empty for no such limit.
    #[config(default = "\"\"", example = "1s", example = "1m", example = "500ms")]
    period: String,

    /// A factor of the period: each is longer by a random part of it, so that many processes do not flush at once.
    #[config(default = "0", example = "0.01", example = "0.1", example = "1")]
    jitter: f64,

    /// A mapping that says of each message whether it completes the batch, and sees what is in it so far. Where it fails,
    /// the message completes nothing and the error is logged.
    #[config(default = "\"\"", example = "this.type == \"end\"", example = "batch_size() == 1 && errored()")]
    check: Mapping,

    /// Processors that run on each batch when it is complete; what comes of it is one batch.
    #[config(child = "processor", advanced)]
    processors: Vec<ComponentNode>,
}

fn lint(config: &PolicyConfig, node: &Node, reader: &mut Reader<'_>) {
    if let Err(text) = config.period() {
        duration::lint(text, node.get("period").unwrap_or(node), reader);
    }
    if config.limits.jitter < 0.0 {
        let at = node.get("jitter").unwrap_or(node);
        reader.error(Rule::Custom, at, "Cannot set a negative jitter factor");
    }
}

impl PolicyConfig {
    /// The processors that run on each batch.
    pub fn processors(&self) -> &[ComponentNode] {
        &self.limits.processors
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.limits.count <= 0
            && self.limits.byte_size <= 0
            && self.limits.period.is_empty()
            && self.limits.jitter <= 0.0
            && self.limits.check.program().is_none()
            && self.limits.processors.is_empty()
    }

    /// The period, if there is one; the error is Bento's text.
    fn period(&self) -> Result<Option<Duration>, String> {
        if self.limits.period.is_empty() {
            return Ok(None);
        }
        let period = duration::parse(&self.limits.period)
            .map_err(|err| format!("failed to parse duration string: {err}"))?;
        Ok(Some(period).filter(|it| !it.is_zero()))
    }
}

/// A policy that may be left out. Without `enabled` the others have no effect.
#[derive(Config, Debug)]
#[config(lint = lint_of_optional)]
pub struct OptionalPolicyConfig {
    /// Whether messages are put together to batches.
    #[config(default = "false")]
    enabled: bool,

    #[config(flatten)]
    limits: LimitsConfig,
}

fn lint_of_optional(config: &OptionalPolicyConfig, node: &Node, reader: &mut Reader<'_>) {
    if let Some(policy) = config.policy() {
        lint(&policy, node, reader);
    }
}

impl OptionalPolicyConfig {
    /// The policy, if there is one.
    pub fn policy(&self) -> Option<PolicyConfig> {
        self.enabled.then(|| PolicyConfig { limits: self.limits.clone() })
    }
}

/// Where neither messages nor bytes are counted, this many bytes complete a batch.
const BYTES_MAX: usize = 32 * 1024 * 1024;

/// What completes a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    Check,
    Count,
    Period,
    Size,
}

/// What is in a batch.
#[derive(Clone, Copy, Debug)]
pub struct Collected {
    pub n_messages: usize,
    pub n_bytes: usize,
}

/// What a mapping says of the messages of a batch.
#[derive(Clone, Debug)]
struct Check {
    mapping: Mapping,
    /// The messages of the batch. Those that no query can ask for any more are empty.
    seen: Vec<Message>,
    logger: Logger,
}

impl Check {
    /// Whether a message completes the batch that it is in now.
    fn completes(&mut self, message: Message) -> bool {
        let place = self.seen.len();
        self.seen.push(message);
        let program = self.mapping.program().expect("one that is empty completes nothing");
        let result = program.test(&mut self.seen, place);
        if !program.reads_batch() {
            self.seen[place] = Message::new("");
        }
        result.unwrap_or_else(|failure| {
            self.logger.failed(&format!("Failed to execute batch check query: {failure}"));
            false
        })
    }
}

/// A policy at work.
#[derive(Clone, Debug)]
pub struct Policy {
    count: Option<usize>,
    byte_size: Option<usize>,
    period: Option<Duration>,
    jitter: f64,
    /// State of a generator of random numbers.
    random: u64,
    check: Option<Check>,
    by_check: Counter,
    by_count: Counter,
    by_period: Counter,
    by_size: Counter,
}

impl Policy {
    /// The policy that a config of a component describes; the error is Bento's text.
    pub fn new(config: &PolicyConfig, ctx: &Context<'_>) -> Result<Policy, String> {
        let path = format!("{}.batching", ctx.path());
        let logger = ctx.logger().for_component(ctx.label(), &path);
        Policy::at(config, ctx.label(), &path, ctx.metrics(), logger)
    }

    fn at(
        config: &PolicyConfig,
        label: &str,
        path: &str,
        metrics: &Metrics,
        logger: Logger,
    ) -> Result<Policy, String> {
        let limit = |it: i64| usize::try_from(it).ok().filter(|it| 0 < *it);
        let (count, byte_size) = (limit(config.limits.count), limit(config.limits.byte_size));
        let period = config.period()?;
        let check = config.limits.check.program().is_some().then(|| Check {
            mapping: config.limits.check.clone(),
            seen: Vec::new(),
            logger,
        });
        if count.is_none() && byte_size.is_none() && period.is_none() && check.is_none() {
            return Err("batch policy must have at least one active trigger".to_string());
        }
        if config.limits.jitter < 0.0 {
            return Err("jitter factor cannot be negative".to_string());
        }
        let counter = |mechanism: &str| {
            metrics.counter(BATCH_CREATED.name, &[("label", label), ("mechanism", mechanism), ("path", path)])
        };
        Ok(Policy {
            count,
            byte_size: byte_size.or(Some(BYTES_MAX).filter(|_| count.is_none())),
            period,
            jitter: config.limits.jitter,
            random: RandomState::new().build_hasher().finish(),
            check,
            by_check: counter("check"),
            by_count: counter("count"),
            by_period: counter("period"),
            by_size: counter("size"),
        })
    }

    /// The same policy at work on other batches; what it completes is counted together.
    #[must_use]
    pub fn another(&self) -> Policy {
        Policy { random: RandomState::new().build_hasher().finish(), ..self.clone() }
    }

    /// Which limit a batch has reached with a message that was added to it.
    pub fn limit(&mut self, collected: Collected, added: impl FnOnce() -> Message) -> Option<Mechanism> {
        if self.count.is_some_and(|it| it <= collected.n_messages) {
            return Some(Mechanism::Count);
        }
        if self.byte_size.is_some_and(|it| it <= collected.n_bytes) {
            return Some(Mechanism::Size);
        }
        self.check.as_mut().is_some_and(|it| it.completes(added())).then_some(Mechanism::Check)
    }

    /// A batch begins: how long it may be collected.
    pub fn begin(&mut self) -> Option<Duration> {
        self.check.iter_mut().for_each(|it| it.seen.clear());
        let period = self.period?;
        if self.jitter <= 0.0 {
            return Some(period);
        }
        let longest = self.jitter * period.as_secs_f64() * self.next_fraction();
        Some(period.saturating_add(Duration::try_from_secs_f64(longest).unwrap_or_default()))
    }

    /// Counts a batch.
    pub fn count(&self, mechanism: Mechanism) {
        match mechanism {
            Mechanism::Check => self.by_check.add(1),
            Mechanism::Count => self.by_count.add(1),
            Mechanism::Period => self.by_period.add(1),
            Mechanism::Size => self.by_size.add(1),
        }
    }

    /// A number from 0 to 1, 1 excluded; SplitMix64.
    fn next_fraction(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.random;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((it ^ (it >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(count: i64, byte_size: i64, period: &str, jitter: f64) -> Policy {
        let period = period.to_string();
        let config = PolicyConfig {
            limits: LimitsConfig {
                count,
                byte_size,
                period,
                jitter,
                check: Mapping::default(),
                processors: Vec::new(),
            },
        };
        let metrics = Metrics::default();
        Policy::at(&config, "", "root.input.batching", &metrics, Logger::silent()).expect("a policy")
    }

    #[test]
    fn a_period_alone_has_a_bound() {
        let second = "1s";
        let full = Collected { n_messages: 1, n_bytes: BYTES_MAX };
        let limit = |mut policy: Policy| policy.limit(full, || unreachable!("there is no check"));
        assert_eq!(limit(policy(0, 0, second, 0.0)), Some(Mechanism::Size));
        assert_eq!(limit(policy(2, 0, second, 0.0)), None);
        assert_eq!(limit(policy(0, BYTES_MAX as i64 + 1, "", 0.0)), None);
    }

    #[test]
    fn jitter_makes_periods_longer_by_less_than_its_factor() {
        let second = Duration::from_secs(1);
        let mut policy = policy(0, 0, "1s", 0.1);
        let periods: Vec<Duration> = (0..100).filter_map(|_| policy.begin()).collect();
        assert!(periods.iter().all(|it| second <= *it && *it < second.mul_f64(1.1)));
        assert!(periods.windows(2).any(|it| it[0] != it[1]));
    }
}
