//! The processor `redis`.

use std::time::Duration;

use wappa_component::{BuildError, BuildProcessor, Component, Context, Logger, Part, Processor, Step};
use wappa_message::Message;
use wappa_spec::{Config, Interpolated, Mapping, Node, Reader, Rule};

use super::{Asked, Retries, each, insist};
use crate::connection::ServerConfig;
use crate::{
    args,
    asking::{Shared, ask},
};

pub(crate) const COMPONENT: Component =
    Component::processor::<RedisConfig>("redis").categories(&["Integration"]);

/// Sends a command to Redis for each message, whose content becomes the answer.
///
/// The content is the answer as JSON: a text in quotes, a number, a list, an object for what is a map (of a server before 6.0 a
/// list of keys and values). So a mapping behind it finds it as `this`. Where there is no answer (`nil`) the message is marked
/// with `redis: nil`.
///
/// # Examples
///
/// ### How many members a set has
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - branch:
///         processors:
///           - redis:
///               url: redis://localhost:6379
///               command: scard
///               args_mapping: root = [ this.set ]
///         result_map: root.cardinality = this
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// A message for which it fails is marked and goes on as it was. What was done stays done if the message is delivered again
/// later.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct RedisConfig {
    #[config(flatten)]
    server: ServerConfig,

    /// The command.
    #[config(optional, example = "scard", example = "incrby", example = "${! metadata(\"command\") }")]
    command: Option<Interpolated>,

    /// A mapping that gives the list of what stands behind the command.
    #[config(
        optional,
        example = "root = [ this.key ]",
        example = "root = [ metadata(\"kafka_key\"), this.count ]"
    )]
    args_mapping: Option<Mapping>,

    /// An older form of `command`, with `key`: `keys` gives those that match a pattern, `scard` how many members a set has,
    /// `sadd` adds the content to a set, and `incrby` adds it to a number.
    #[config(optional, deprecated, options("keys", "scard", "sadd", "incrby"))]
    operator: Option<String>,

    /// The key of `operator`.
    #[config(optional, deprecated)]
    key: Option<Interpolated>,

    /// How often it is tried again.
    #[config(default = "3", advanced)]
    retries: u64,

    /// How long is waited before that.
    #[config(default = "500ms", advanced)]
    retry_period: Duration,
}

fn lint(config: &RedisConfig, node: &Node, reader: &mut Reader<'_>) {
    if let Err(text) = config.check() {
        reader.error(Rule::Custom, node, text);
    }
}

impl RedisConfig {
    /// Whether it is said what to do; the errors are Bento's texts.
    fn check(&self) -> Result<(), String> {
        let text = match (&self.command, &self.operator) {
            (Some(_), Some(_)) | (None, None) => {
                "one of 'operator' (old style) or 'command' (new style) fields must be specified"
            }
            (None, Some(_)) if self.args_mapping.is_some() => {
                "field args_mapping is invalid with an operator set"
            }
            (Some(_), None) if self.args_mapping.is_none() => {
                "either a command & args_mapping or operator must be set"
            }
            (None, Some(_)) if self.key.is_none() => "field key is required with an operator set",
            _ => return Ok(()),
        };
        Err(text.to_string())
    }
}

impl BuildProcessor for RedisConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        self.check().map_err(BuildError::new)?;
        let endpoint = self.server.endpoint().map_err(BuildError::new)?;
        let what = match (self.command, self.args_mapping, self.operator, self.key) {
            (Some(command), Some(mapping), ..) => What::Command(command, mapping),
            (_, _, Some(operator), Some(key)) => What::Operator(operator, key),
            _ => return Err(BuildError::new("either a command & args_mapping or operator must be set")),
        };
        Ok(Box::new(Redis {
            shared: Shared::new(endpoint, ctx),
            what,
            retries: Retries { n: self.retries, period: self.retry_period },
            logger: ctx.logger(),
        }))
    }
}

enum What {
    Command(Interpolated, Mapping),
    Operator(String, Interpolated),
}

struct Redis {
    shared: Shared,
    what: What,
    retries: Retries,
    logger: Logger,
}

impl Redis {
    fn asked(&self, batch: &mut [Message], place: usize) -> Result<Asked, String> {
        match &self.what {
            What::Command(command, mapping) => {
                let list = args::list(mapping, batch, place);
                let list = list.map_err(|err| format!("args mapping failed: {err}"))?;
                let name = command.evaluate_text(batch, place);
                let name = name.map_err(|err| format!("command interpolation error: {err}"))?.to_string();
                let mut command = redis::cmd(&name);
                list.iter().for_each(|it| args::add(&mut command, it));
                Ok(Asked { command, name: format!("{name} command") })
            }
            What::Operator(operator, key) => {
                let key = key.evaluate(batch, place);
                let key = key.map_err(|err| format!("key interpolation error: {err}"))?;
                let mut command = redis::cmd(&operator.to_uppercase());
                command.arg(&key[..]);
                let content = batch[place].content();
                match operator.as_str() {
                    "sadd" => _ = command.arg(&content[..]),
                    "incrby" => {
                        let number = std::str::from_utf8(content).ok().and_then(|it| it.parse::<i64>().ok());
                        let text = "redis operator failed: the content is no whole number";
                        command.arg(number.ok_or(text)?);
                    }
                    _ => (),
                }
                Ok(Asked { command, name: "redis operator".to_string() })
            }
        }
    }
}

impl Processor for Redis {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let is_operator = matches!(self.what, What::Operator(..));
        let ask = |asked: Asked| {
            let (shared, retries, logger) = (self.shared.clone(), self.retries, self.logger.clone());
            async move {
                let result = insist(retries, &asked.name, &logger, || ask(&shared, &asked.command)).await;
                result.map_err(|text| match is_operator {
                    true => format!("redis operator failed: {text}"),
                    false => text,
                })
            }
        };
        each(&self.shared, part, step, |batch, place| self.asked(batch, place), ask)
    }
}
