//! The output `redis_hash`.

use wappa_component::{BuildError, BuildOutput, Component, Context, Output};
use wappa_message::{Mark, Message, Value};
use wappa_spec::{Config, Interpolated, Map, Node, Reader, Rule};

use super::{Form, boxed};
use crate::connection::ServerConfig;
use crate::{args, wire::Command};

pub(crate) const COMPONENT: Component =
    Component::output::<HashConfig>("redis_hash").categories(&["Services"]);

/// Sets fields of hashes of Redis.
///
/// The fields are first those of `walk_metadata`, then those of `walk_json_object`, then those of `fields`; where two have one
/// name the later one is set. A value that is a list or an object is set as JSON.
///
/// # Examples
///
/// ### The last state of each order
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   redis_hash:
///     url: redis://localhost:6379
///     key: order:${! json("id") }
///     walk_json_object: true
///     fields:
///       seen: ${! now() }
/// ```
///
/// # Delivery
///
/// A message has arrived once the server says so. What was not answered when a connection broke is set again on the next one.
///
/// # Performance
///
/// Messages do not wait for the answers of those before them, up to `max_in_flight`.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct HashConfig {
    #[config(flatten)]
    server: ServerConfig,

    /// The hash for each message.
    #[config(
        example = "${! @.kafka_key }",
        example = "${! this.doc.id }",
        example = "${! count(\"msgs\") }"
    )]
    key: Interpolated,

    /// Whether all metadata are fields.
    #[config(default = "false")]
    walk_metadata: bool,

    /// Whether everything in the content, which has to be a JSON object, is a field.
    #[config(default = "false")]
    walk_json_object: bool,

    /// Fields, and their values.
    #[config(default = "{}")]
    fields: Map<Interpolated>,

    /// How many messages may be on their way at once.
    #[config(default = "64")]
    max_in_flight: usize,
}

fn lint(config: &HashConfig, node: &Node, reader: &mut Reader<'_>) {
    if let Err(text) = config.check() {
        reader.error(Rule::Custom, node, text);
    }
}

impl HashConfig {
    fn check(&self) -> Result<(), String> {
        match self.walk_metadata || self.walk_json_object || !self.fields.0.is_empty() {
            true => Ok(()),
            false => Err("at least one mechanism for setting fields must be enabled".to_string()),
        }
    }
}

impl BuildOutput for HashConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        self.check().map_err(BuildError::new)?;
        let endpoint = self.server.endpoint().map_err(BuildError::new)?;
        let form = Set {
            key: self.key,
            walk_metadata: self.walk_metadata,
            walk_json_object: self.walk_json_object,
            fields: self.fields.0,
        };
        Ok(boxed(endpoint, form, self.max_in_flight, ctx))
    }
}

struct Set {
    key: Interpolated,
    walk_metadata: bool,
    walk_json_object: bool,
    fields: Vec<(String, Interpolated)>,
}

impl Form for Set {
    fn write(&self, batch: &mut [Message], place: usize, command: &mut Command<'_>) -> Result<(), Mark> {
        let key = self.key.evaluate(batch, place);
        let key = key.map_err(|err| Mark::new(format!("key interpolation error: {err}")))?;
        command.arg("HSET").arg(key);
        let mut is_empty = true;
        // Of two values for one name the server keeps the later one.
        if self.walk_metadata {
            for (key, value) in batch[place].metadata().iter() {
                args::write(command.arg(key), value);
                is_empty = false;
            }
        }
        if self.walk_json_object {
            let value = batch[place].value();
            let value = value.map_err(|err| Mark::new(format!("failed to walk JSON object: {err}")))?;
            let Value::Object(object) = value else {
                return Err(Mark::new("failed to walk JSON object: expected JSON object"));
            };
            for (key, value) in object.iter() {
                args::write(command.arg(key.as_slice()), &value);
                is_empty = false;
            }
        }
        for (name, value) in &self.fields {
            let value = value.evaluate(batch, place);
            let value = value.map_err(|err| Mark::new(format!("field {name} interpolation error: {err}")))?;
            command.arg(name).arg(value);
            is_empty = false;
        }
        match is_empty {
            true => Err(Mark::new("there is no field to set")),
            false => Ok(()),
        }
    }
}
