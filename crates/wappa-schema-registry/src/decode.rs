//! The processor `schema_registry_decode`.

use wappa_component::{BuildError, BuildProcessor, Component, Context, Part, Processor, Step};
use wappa_http_client::{Access, BasicConfig, JwtConfig, OauthConfig, TransportConfig, check_address};
use wappa_message::{Mark, Message};
use wappa_net::TlsConfig;
use wappa_spec::{Config, Node, Reader, Rule};

use crate::{
    avro::Options,
    loader::Loader,
    registry::Asked,
    wire,
    work::{self, Schemas},
};

pub(crate) const COMPONENT: Component =
    Component::processor::<DecodeConfig>("schema_registry_decode").categories(&["Parsing", "Integration"]);

/// Decodes messages with their schemas, which a Confluent Schema Registry keeps: Avro and Protobuf become JSON, and JSON is
/// compared with its JSON Schema.
///
/// A message begins with a zero and four bytes, the number of its schema. What is behind that becomes a document in JSON.
///
/// # Examples
///
/// ### Readings of a topic as JSON
///
/// ```yaml
/// input:
///   kafka_franz:
///     seed_brokers: [ localhost:9092 ]
///     topics: [ readings ]
///     consumer_group: printer
/// pipeline:
///   processors:
///     - schema_registry_decode:
///         url: http://localhost:8081
/// output:
///   stdout: {}
/// ```
///
/// # Avro
///
/// A value of a union is an object with the name of its type (`{"string":"a"}`, `{"com.example.Foo":{…}}`), and `null` is
/// `null`; with `avro_raw_json` it is the value alone. Bytes and `fixed` are texts with a character for each byte. A logical
/// type is the number, text or bytes that it is made of. Fields stand in the order of the schema.
///
/// # Protobuf
///
/// A document is what `protojson` makes of a message: names in lower camel case, 64-bit numbers as texts, bytes in base 64,
/// fields without a value left out, and Google's own types in their short form. Imports are the references of the schema; Google's
/// own files are there. Options that have types of their own say nothing.
///
/// # JSON Schema
///
/// Drafts 4, 6 and 7 are understood. `$ref` leads to places in the schema itself, and to its references by their `$id` or by
/// the names that the registry has for them.
///
/// # Errors
///
/// A message goes on as it was, marked, where it does not fit its schema, where the registry does not know the schema or says
/// something else than a schema, and where there is no answer within five seconds. The next message with that schema asks
/// again. Schemas that were found stay for ten minutes after they were used last, a thousand of them at most.
///
/// # Limits
///
/// A document has 64MiB at most, and 200 values at most stand one within another in it. The answer of a registry has
/// 4MiB at most. A schema refers to 500 others at
/// most, and has with all of them 12MiB at most for Avro, 1MiB for Protobuf, and 512KiB for JSON Schema. A message of Protobuf has messages 100 deep at most,
/// one within another, and takes up 256MiB at most while it is read; one that would is refused before.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct DecodeConfig {
    /// Whether values of unions are written without the name of their type.
    #[config(default = "false", advanced)]
    avro_raw_json: bool,

    /// Whether a schema may name the types of the schemas that it refers to anywhere. Otherwise one with references has to
    /// be a union of their names.
    #[config(default = "false", advanced)]
    avro_nested_schemas: bool,

    /// The address of the registry.
    #[config(example = "http://localhost:8081")]
    url: String,

    /// How connections are made and kept.
    #[config(advanced)]
    transport: TransportConfig,

    /// Whether names of namespaces lose the characters that Avro does not allow in them.
    #[config(default = "false", advanced)]
    sanitize_namespace_names: bool,

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

fn lint(config: &DecodeConfig, node: &Node, reader: &mut Reader<'_>) {
    if let Err(why) = check_address(&config.url) {
        reader.error(Rule::InvalidValue, node.get("url").unwrap_or(node), why);
    }
}

impl BuildProcessor for DecodeConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        let access = Access {
            url: self.url,
            transport: self.transport,
            tls: self.tls,
            oauth: self.oauth,
            basic_auth: self.basic_auth,
            jwt: self.jwt,
        };
        let options = Options {
            is_raw: self.avro_raw_json,
            is_nested: self.avro_nested_schemas,
            sanitizes: self.sanitize_namespace_names,
        };
        let loader = Loader::new(&access, options).map_err(BuildError::new)?;
        // What a number stands for never changes.
        Ok(Box::new(Decode { schemas: Schemas::new(loader, None, ctx) }))
    }
}

struct Decode {
    schemas: Schemas<u32>,
}

impl Decode {
    /// What a message becomes. `None`: the stream gives up what it is doing.
    fn decoded(&self, message: &Message, step: &Step<'_>) -> Option<Result<Vec<u8>, String>> {
        let (id, rest) = match wire::split(message.content()) {
            Ok(it) => it,
            Err(why) => return Some(Err(why)),
        };
        let loaded = self.schemas.get(&id, Asked::Id(id), step)?;
        Some(loaded.and_then(|it| it.codec.decode(rest, work::limit(step))))
    }
}

impl Processor for Decode {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let n_batches = part.n_batches();
        for idx in 0..n_batches {
            let range = part.batch(idx);
            for message in &mut part.messages_mut()[range] {
                match self.decoded(message, step) {
                    None => return idx,
                    Some(Ok(document)) => {
                        step.grow(document.len().saturating_sub(message.content_size()));
                        message.set_content(document.into());
                    }
                    Some(Err(why)) => step.mark(message, Mark::new(why)),
                }
            }
            if step.is_due() {
                return idx + 1;
            }
        }
        n_batches
    }
}
