//! The processor `redis_script`.

use std::{sync::Arc, time::Duration};

use redis::{Cmd, Value};
use wappa_component::{BuildError, BuildProcessor, Component, Context, Logger, Part, Processor, Step};
use wappa_message::Message;
use wappa_spec::{Config, Mapping};

use super::{Asked, Retries, each, insist};
use crate::{
    args,
    asking::{Shared, ask},
    connection::{Failed, ServerConfig},
};

pub(crate) const COMPONENT: Component =
    Component::processor::<ScriptConfig>("redis_script").categories(&["Integration"]);

/// Runs a script in Lua in Redis for each message, whose content becomes what it returns.
///
/// The content is what it returns as JSON: a text in quotes, a number, a list. So a mapping behind it finds it as `this`. Where
/// nothing is returned the message is marked with `redis: nil`.
///
/// # Examples
///
/// ### The highest number so far
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - redis_script:
///         url: redis://localhost:6379
///         script: |
///           local highest = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), tonumber(ARGV[1]))
///           redis.call('SET', KEYS[1], highest)
///           return highest
///         keys_mapping: root = [ "highest" ]
///         args_mapping: root = [ content().number() ]
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// A message for which it fails is marked and goes on as it was. What was done stays done if the message is delivered again
/// later.
///
/// # Performance
///
/// The script is sent once, and named by its hash after that.
#[derive(Config, Debug)]
struct ScriptConfig {
    #[config(flatten)]
    server: ServerConfig,

    /// The script.
    #[config(example = "return redis.call('set', KEYS[1], ARGV[1])")]
    script: String,

    /// A mapping that gives the list `ARGV`.
    #[config(
        example = "root = [ this.key ]",
        example = "root = [ metadata(\"kafka_key\"), \"hardcoded_value\" ]"
    )]
    args_mapping: Mapping,

    /// A mapping that gives the list `KEYS`.
    #[config(example = "root = [ this.key ]", example = "root = [ metadata(\"kafka_key\"), this.count ]")]
    keys_mapping: Mapping,

    /// How often it is tried again.
    #[config(default = "3", advanced)]
    retries: u64,

    /// How long is waited before that.
    #[config(default = "500ms", advanced)]
    retry_period: Duration,
}

impl BuildProcessor for ScriptConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        let endpoint = self.server.endpoint().map_err(BuildError::new)?;
        let hash = redis::Script::new(&self.script).get_hash().to_string();
        Ok(Box::new(Script {
            shared: Shared::new(endpoint, ctx),
            script: self.script.into(),
            hash,
            args: self.args_mapping,
            keys: self.keys_mapping,
            retries: Retries { n: self.retries, period: self.retry_period },
            logger: ctx.logger(),
        }))
    }
}

struct Script {
    shared: Shared,
    script: Arc<str>,
    hash: String,
    args: Mapping,
    keys: Mapping,
    retries: Retries,
    logger: Logger,
}

impl Script {
    fn asked(&self, batch: &mut [Message], place: usize) -> Result<Asked, String> {
        let list = args::list(&self.args, batch, place);
        let list = list.map_err(|err| format!("args_mapping failed: {err}"))?;
        let keys = args::list(&self.keys, batch, place);
        let keys = keys.map_err(|err| format!("keys_mapping failed: {err}"))?;
        let mut command = redis::cmd("EVALSHA");
        command.arg(&self.hash).arg(keys.len());
        keys.iter().chain(&list).for_each(|it| args::add(&mut command, it));
        Ok(Asked { command, name: "script".to_string() })
    }
}

/// Names the script, and sends it where the server does not know it.
async fn run(shared: &Shared, script: &str, command: &Cmd) -> Result<Value, Failed> {
    match ask(shared, command).await {
        Err(Failed::Refused(text)) if text.starts_with("NOSCRIPT") => {
            let mut load = redis::cmd("SCRIPT");
            ask(shared, load.arg("LOAD").arg(script)).await?;
            ask(shared, command).await
        }
        answer => answer,
    }
}

impl Processor for Script {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let ask = |asked: Asked| {
            let (shared, retries, logger) = (self.shared.clone(), self.retries, self.logger.clone());
            let script = Arc::clone(&self.script);
            async move { insist(retries, &asked.name, &logger, || run(&shared, &script, &asked.command)).await }
        };
        each(&self.shared, part, step, |batch, place| self.asked(batch, place), ask)
    }
}
