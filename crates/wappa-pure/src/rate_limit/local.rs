//! The rate limit `local`.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use wappa_component::{BuildError, BuildRateLimit, Component, Context, Pulse, RateLimit};
use wappa_message::Message;
use wappa_spec::{Config, Node, Reader, Rule};

pub(super) const COMPONENT: Component = Component::rate_limit::<LocalConfig>("local");

/// Lets so many messages, or so many bytes, go on in an interval. It counts for this process alone.
///
/// An interval begins with the first message after the one before it was over. A message that is larger than `byte_size`
/// goes on at the beginning of an interval, and is all that goes on in it.
///
/// # Examples
///
/// ### A thousand messages a second
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - rate_limit:
///         resource: slowly
/// output:
///   stdout: {}
/// rate_limit_resources:
///   - label: slowly
///     local:
///       count: 1000
///       interval: 1s
/// ```
#[derive(Config, Debug)]
#[config(lint = lint)]
struct LocalConfig {
    /// How many messages go on in an interval; 0 for any number.
    #[config(default = "1000")]
    count: i64,

    /// How many bytes of content go on in an interval; 0 for any number.
    #[config(default = "0")]
    byte_size: i64,

    /// How long an interval is.
    #[config(default = "1s")]
    interval: Duration,
}

const NO_LIMIT: &str = "either count or byte size must be larger than zero";

fn lint(config: &LocalConfig, node: &Node, reader: &mut Reader<'_>) {
    for (name, value) in [("count", config.count), ("byte_size", config.byte_size)] {
        if value < 0 {
            let at = node.get(name).unwrap_or(node);
            reader.error(Rule::Custom, at, format!("{name} cannot be less than zero"));
        }
    }
    if config.count == 0 && config.byte_size == 0 {
        reader.error(Rule::Custom, node.get("count").unwrap_or(node), NO_LIMIT);
    }
}

impl BuildRateLimit for LocalConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Arc<dyn RateLimit>, BuildError> {
        if self.count < 0 || self.byte_size < 0 {
            return Err(BuildError::new("neither byte size nor count can be negative"));
        }
        if self.count == 0 && self.byte_size == 0 {
            return Err(BuildError::new(NO_LIMIT));
        }
        let state = Mutex::new(Interval { began: None, n_messages: 0, n_bytes: 0 });
        Ok(Arc::new(Local { config: self, state, pulse: ctx.pulse() }))
    }
}

struct Local {
    config: LocalConfig,
    state: Mutex<Interval>,
    pulse: Arc<dyn Pulse>,
}

/// What went on in the interval that is running.
struct Interval {
    began: Option<Duration>,
    n_messages: u64,
    n_bytes: u64,
}

impl RateLimit for Local {
    fn access(&self, message: &Message) -> Result<Duration, String> {
        let (count_max, bytes_max) = (self.config.count as u64, self.config.byte_size as u64);
        // A structure would be printed for it.
        let bytes = if bytes_max == 0 { 0 } else { message.content().len() as u64 };
        let now = self.pulse.now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let left = state.began.map_or(Duration::ZERO, |it| it.saturating_add(self.config.interval).saturating_sub(now));
        if left.is_zero() {
            *state = Interval { began: Some(now), n_messages: 0, n_bytes: 0 };
        }
        let is_full = count_max != 0 && count_max <= state.n_messages
            || bytes_max != 0 && state.n_messages != 0 && bytes_max < state.n_bytes.saturating_add(bytes);
        if is_full {
            return Ok(left);
        }
        state.n_messages += 1;
        state.n_bytes = state.n_bytes.saturating_add(bytes);
        Ok(Duration::ZERO)
    }
}
