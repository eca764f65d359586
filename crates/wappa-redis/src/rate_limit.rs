//! The rate limit `redis`.

use std::{sync::Arc, time::Duration};

use redis::Value;
use wappa_component::{BuildError, BuildRateLimit, Component, Context, Pulse, RateLimit, Step};
use wappa_message::Message;
use wappa_spec::{Config, Node, Reader, Rule};

use crate::asking::{Shared, ask};
use crate::connection::ServerConfig;

pub(crate) const COMPONENT: Component = Component::rate_limit::<RedisConfig>("redis");

/// Counts up to a number, within a time that begins with the first; what is more is told how long the rest of it is, and is not
/// counted. A counter of Bento's may be higher, and one without a time is given one.
const ACCESS: &str = "
local count = tonumber(redis.call('GET', KEYS[1]) or '0')
if count >= tonumber(ARGV[1]) then
  local rest = redis.call('PTTL', KEYS[1])
  if rest > 0 then return rest end
  redis.call('DEL', KEYS[1])
end
if redis.call('INCR', KEYS[1]) == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
";

/// Lets so many messages go on in each interval, of all processes that name the same key of the same server together.
///
/// # Examples
///
/// ### A hundred requests a second, of all processes
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - rate_limit:
///         resource: together
/// output:
///   stdout: {}
/// rate_limit_resources:
///   - label: together
///     redis:
///       url: redis://localhost:6379
///       key: together
///       count: 100
///       interval: 1s
/// ```
#[derive(Config, Debug)]
#[config(lint = lint)]
struct RedisConfig {
    #[config(flatten)]
    server: ServerConfig,

    /// How many messages may go on in an interval.
    #[config(default = "1000")]
    count: i64,

    /// How long an interval is, which begins with its first message.
    #[config(default = "1s")]
    interval: Duration,

    /// Where it is counted.
    key: String,
}

fn lint(config: &RedisConfig, node: &Node, reader: &mut Reader<'_>) {
    if config.count <= 0 {
        let at = node.get("count").unwrap_or(node);
        reader.error(Rule::InvalidValue, at, "count must be larger than zero".to_string());
    }
}

impl BuildRateLimit for RedisConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Arc<dyn RateLimit>, BuildError> {
        if self.count <= 0 {
            return Err(BuildError::new("count must be larger than zero"));
        }
        let endpoint = self.server.endpoint().map_err(BuildError::new)?;
        Ok(Arc::new(Together {
            shared: Shared::new(endpoint, ctx),
            key: self.key,
            count: self.count,
            interval: self.interval,
            pulse: ctx.pulse(),
        }))
    }
}

struct Together {
    shared: Shared,
    key: String,
    count: i64,
    interval: Duration,
    pulse: Arc<dyn Pulse>,
}

impl RateLimit for Together {
    fn access(&self, _: &Message) -> Result<Duration, String> {
        let mut command = redis::cmd("EVAL");
        command.arg(ACCESS).arg(1).arg(&self.key).arg(self.count);
        command.arg(self.interval.as_millis().max(1) as u64);
        let shared = self.shared.clone();
        let asking = async move { ask(&shared, &command).await };
        let answered = self.shared.finish_within(&Step::new(0, self.pulse.as_ref()), asking);
        match answered.transpose()? {
            None => Err("the stream is about to stop".to_string()),
            Some(Err(failed)) => Err(format!("accessing redis rate limit: {}", failed.text())),
            Some(Ok(Value::Int(rest))) => Ok(Duration::from_millis(u64::try_from(rest).unwrap_or_default())),
            Some(Ok(_)) => Err("accessing redis rate limit: the answer is no number".to_string()),
        }
    }
}
