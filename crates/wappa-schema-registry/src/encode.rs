//! The processor `schema_registry_encode`.

use std::time::Duration;

use wappa_component::{BuildError, BuildProcessor, Component, Context, Level, Logger, Part, Processor, Step};
use wappa_http_client::{Access, BasicConfig, JwtConfig, OauthConfig, TransportConfig, check_address};
use wappa_message::{Mark, Message};
use wappa_net::TlsConfig;
use wappa_spec::{Config, Interpolated, Node, Reader, Rule};

use crate::{
    avro::Options,
    loader::Loader,
    registry::Asked,
    wire,
    work::{self, Schemas},
};

pub(crate) const COMPONENT: Component =
    Component::processor::<EncodeConfig>("schema_registry_encode").categories(&["Parsing", "Integration"]);

/// Encodes documents with the latest schema of a subject, which a Confluent Schema Registry keeps: JSON becomes Avro or
/// Protobuf, or is compared with a JSON Schema.
///
/// A message begins with a zero and four bytes, the number of its schema, as `schema_registry_decode` and the clients of
/// Kafka that use a registry expect it.
///
/// # Examples
///
/// ### Readings into a topic
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - schema_registry_encode:
///         url: http://localhost:8081
///         subject: readings-value
///         avro_raw_json: true
/// output:
///   kafka_franz:
///     seed_brokers: [ localhost:9092 ]
///     topic: readings
/// ```
///
/// # Avro
///
/// A value of a union is an object with the name of its type (`{"string":"a"}`, `{"com.example.Foo":{…}}`), and `null` is
/// `null`. With `avro_raw_json` it is the value alone, and the first type of the union that it can be is taken: a number and an
/// object is tried with the types in the order of their names (so a number is a `double` before it is an `int`), anything else
/// in the order of the schema. Bytes and `fixed` are texts; an escape such as `\u00ff` is one byte, and what stands in the text
/// as it is are its bytes in UTF-8. A logical type is the number, text or bytes that it is made of. A field that is missing has
/// its default, and one that the schema does not have is an error.
///
/// # Protobuf
///
/// A document is what `protojson` reads: names in lower camel case or as in the schema, Google's own types in their short form.
/// Where the schema has several messages the type of the document before is tried first, then all others in their order; types
/// within others are not tried. Imports are the references of the schema; Google's own files are there. Options that have types
/// of their own say nothing.
///
/// # JSON Schema
///
/// Drafts 4, 6 and 7 are understood. `$ref` leads to places in the schema itself, and to its references by their `$id` or by
/// the names that the registry has for them.
///
/// # Errors
///
/// A message goes on as it was, marked, where it does not fit the schema, where the registry does not know the subject or says
/// something else than a schema, and where there is no answer within five seconds. The next message of that subject asks
/// again. Where a schema cannot be fetched again after `refresh_period` the one that is there is used on, and the log says so.
/// Schemas that were found stay for ten minutes after they were used last, a thousand of them at most.
///
/// # Limits
///
/// A message has 64MiB at most, and 200 values at most stand one within another in it. The answer of a registry has
/// 4MiB at most. A schema refers to 500 others at
/// most, and has with all of them 12MiB at most for Avro, 1MiB for Protobuf, and 512KiB for JSON Schema. A document for Protobuf takes up 256MiB at most
/// while it is read; one that would is refused before.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct EncodeConfig {
    /// The address of the registry.
    #[config(example = "http://localhost:8081")]
    url: String,

    /// The subject.
    #[config(example = "foo", example = "${! @kafka_topic }")]
    subject: Interpolated,

    /// How long a schema is used before it is fetched again.
    #[config(default = "10m", example = "60s", example = "1h")]
    refresh_period: Duration,

    /// Whether values of unions stand in documents without the name of their type.
    #[config(default = "false", advanced)]
    avro_raw_json: bool,

    /// Whether a schema may name the types of the schemas that it refers to anywhere. Otherwise one with references has to
    /// be a union of their names.
    #[config(default = "false", advanced)]
    avro_nested_schemas: bool,

    /// How connections are made and kept.
    #[config(advanced)]
    transport: TransportConfig,

    /// Signs each request with OAuth 1.
    #[config(advanced)]
    oauth: OauthConfig,

    /// A user and a password, sent with each request.
    #[config(advanced)]
    basic_auth: BasicConfig,

    /// Signs a token into each request.
    #[config(advanced)]
    jwt: JwtConfig,

    /// How connections are encrypted, for addresses of `https`. Without it the server has to be one that the system trusts.
    tls: TlsConfig,
}

fn lint(config: &EncodeConfig, node: &Node, reader: &mut Reader<'_>) {
    if let Err(why) = check_address(&config.url) {
        reader.error(Rule::InvalidValue, node.get("url").unwrap_or(node), why);
    }
}

impl BuildProcessor for EncodeConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        let access = Access {
            url: self.url,
            transport: self.transport,
            tls: self.tls,
            oauth: self.oauth,
            basic_auth: self.basic_auth,
            jwt: self.jwt,
        };
        let options =
            Options { is_raw: self.avro_raw_json, is_nested: self.avro_nested_schemas, sanitizes: false };
        let loader = Loader::new(&access, options).map_err(BuildError::new)?;
        let schemas = Schemas::new(loader, Some(self.refresh_period.max(PERIOD_MIN)), ctx);
        Ok(Box::new(Encode { subject: self.subject, schemas, logger: ctx.logger() }))
    }
}

/// A schema is not fetched again before; Bento's.
const PERIOD_MIN: Duration = Duration::from_secs(1);

struct Encode {
    subject: Interpolated,
    schemas: Schemas<String>,
    logger: Logger,
}

impl Encode {
    /// What a message of a batch becomes. `None`: the stream gives up what it is doing.
    fn encoded(
        &self,
        batch: &mut [Message],
        place: usize,
        step: &Step<'_>,
    ) -> Option<Result<Vec<u8>, String>> {
        let subject = match self.subject.evaluate_text(batch, place) {
            Ok(subject) => subject,
            Err(err) => {
                let why = format!("subject interpolation error: {err}");
                self.logger.seldom(Level::Error, &why);
                return Some(Err(why));
            }
        };
        let loaded = match self.schemas.get(&subject, Asked::Latest(subject.clone()), step)? {
            Ok(loaded) => loaded,
            Err(why) => return Some(Err(why)),
        };
        let encoded = loaded.codec.encode(batch[place].content(), work::limit(step));
        Some(encoded.map(|it| [&wire::head(loaded.id)[..], &it].concat()))
    }
}

impl Processor for Encode {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let n_batches = part.n_batches();
        for idx in 0..n_batches {
            let range = part.batch(idx);
            let batch = &mut part.messages_mut()[range];
            // A subject may look at all of its batch, as it came in.
            let mut encoded = Vec::with_capacity(batch.len());
            for place in 0..batch.len() {
                match self.encoded(batch, place, step) {
                    None => return idx,
                    Some(it) => {
                        let n = it.as_ref().map_or(0, Vec::len);
                        step.grow(n.saturating_sub(batch[place].content_size()));
                        encoded.push(it);
                    }
                }
            }
            for (message, encoded) in batch.iter_mut().zip(encoded) {
                match encoded {
                    Ok(encoded) => message.set_content(encoded.into()),
                    Err(why) => step.mark(message, Mark::new(why)),
                }
            }
            if step.is_due() {
                return idx + 1;
            }
        }
        n_batches
    }
}
