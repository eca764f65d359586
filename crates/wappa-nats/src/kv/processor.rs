//! The processor `nats_kv`.

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::kv::{CreateErrorKind, Store};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::time::timeout;
use wappa_component::{BuildError, BuildProcessor, Component, Context, Part, Processor, Step};
use wappa_message::{Mark, Message, Metadata, Value};
use wappa_net::TlsConfig;
use wappa_spec::{Config, Interpolated, Node, Reader, Rule};

use super::{Bucket, Entry, Operation, Past, Watch, entry, entry_at, key_of};
use crate::{
    auth::AuthConfig,
    connection::{Endpoint, Link, lint_urls},
    jetstream::consumer::with_cause,
};

pub(crate) const COMPONENT: Component = Component::processor::<KvConfig>("nats_kv").categories(&["Services"]);

/// Does something with a key of a key-value bucket, which has to be there, for each message.
///
/// # Operations
///
/// - `get`: the value of the key becomes the content.
/// - `get_revision`: the value that the key had at `revision` becomes the content.
/// - `create`: the content becomes the value of a key that has none; it fails with `key exists` if there is one.
/// - `put`: the content becomes the value of the key.
/// - `update`: the content becomes the value, if the last revision of the key is `revision`.
/// - `delete`: the key has no value any more, and keeps those that it had.
/// - `purge`: the key has no value any more, and what it had is gone.
/// - `history`: the content becomes a list of what the key had, objects with `key`, `value`, `bucket`, `revision`, `delta`,
///   `operation` and `created`. The key may have wildcards.
/// - `keys`: the content becomes a list of the keys that there are; `key` says which, with wildcards.
///
/// # Metadata
///
/// `get` and `get_revision` set `nats_kv_key`, `nats_kv_bucket`, `nats_kv_revision`, `nats_kv_delta`, `nats_kv_operation` and
/// `nats_kv_created`; `create`, `put`, `update`, `delete` and `purge` all of these but `nats_kv_delta` and `nats_kv_created`. `history`
/// and `keys` leave no metadata, but for `nats_kv_bucket` with `keys`.
///
/// # Examples
///
/// ### Add what a bucket knows of a customer
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - branch:
///         processors:
///           - nats_kv:
///               urls: [nats://localhost:4222]
///               bucket: customers
///               operation: get
///               key: ${! json("customer") }
///         result_map: root.customer = this
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// A message for which it fails is marked and goes on as it was. What was done to a bucket stays done if the message is
/// delivered again later: `create` then finds what it made itself.
///
/// # Performance
///
/// The messages of a batch are worked on at once, in their order for each key.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct KvConfig {
    /// Where the servers are; one of them is connected to. An item may hold several with commas between them, and a user
    /// and a password, or a token.
    #[config(example = "[nats://127.0.0.1:4222]", example = "[\"nats://username:password@127.0.0.1:4222\"]")]
    urls: Vec<String>,

    /// The name of the bucket.
    #[config(example = "my_kv_bucket")]
    bucket: String,

    /// What to do.
    #[config(options(
        "create",
        "delete",
        "get",
        "get_revision",
        "history",
        "keys",
        "purge",
        "put",
        "update"
    ))]
    operation: String,

    /// The key.
    #[config(
        example = "foo",
        example = "foo.bar.baz",
        example = "foo.*",
        example = "foo.>",
        example = "foo.${! json(\"meta.type\") }"
    )]
    key: Interpolated,

    /// The revision that `get_revision` and `update` are about.
    #[config(optional, advanced, example = "\"42\"", example = "${! @nats_kv_revision }")]
    revision: Option<Interpolated>,

    /// How long an operation may take.
    #[config(default = "5s", advanced)]
    timeout: Duration,

    /// How the connection is encrypted.
    #[config(advanced)]
    tls: TlsConfig,

    /// Who we are to the server.
    #[config(advanced)]
    auth: AuthConfig,
}

fn lint(config: &KvConfig, node: &Node, reader: &mut Reader<'_>) {
    lint_urls(&config.urls, node, reader);
    if config.key.as_literal() == Some("") {
        let at = node.get("key").unwrap_or(node);
        reader.error(Rule::InvalidValue, at, "'key' must be set to a non-empty string".to_string());
    }
    let operation = &config.operation;
    match (needs_revision(operation), &config.revision) {
        (true, None) => {
            reader.error(
                Rule::Custom,
                node,
                format!("'revision' must be set when operation is '{operation}'"),
            );
        }
        (false, Some(_)) => {
            let at = node.get("revision").unwrap_or(node);
            reader.error(
                Rule::Custom,
                at,
                format!("'revision' cannot be set when operation is '{operation}'"),
            );
        }
        _ => (),
    }
}

fn needs_revision(operation: &str) -> bool {
    matches!(operation, "get_revision" | "update")
}

impl BuildProcessor for KvConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        let endpoint = Endpoint::new(&self.urls, self.tls, self.auth, ctx).map_err(BuildError::new)?;
        Ok(Box::new(Kv {
            bucket: Arc::new(Bucket::new(endpoint, self.bucket, ctx)),
            what: match self.operation.as_str() {
                "create" => What::Create,
                "delete" => What::Delete,
                "get" => What::Get,
                "get_revision" => What::GetRevision,
                "history" => What::History,
                "keys" => What::Keys,
                "purge" => What::Purge,
                "put" => What::Put,
                _ => What::Update,
            },
            key: self.key,
            revision: self.revision,
            timeout: self.timeout,
        }))
    }
}

#[derive(Clone, Copy, Debug)]
enum What {
    Create,
    Delete,
    Get,
    GetRevision,
    History,
    Keys,
    Purge,
    Put,
    Update,
}

struct Kv {
    bucket: Arc<Bucket>,
    what: What,
    key: Interpolated,
    revision: Option<Interpolated>,
    timeout: Duration,
}

/// How many messages of a batch are worked on at once.
const AT_ONCE: usize = 256;

/// What is to be done for one message.
struct Asked {
    what: What,
    key: String,
    /// Where there is none it is 0.
    revision: u64,
    content: Bytes,
}

/// What came of it.
enum Done {
    /// A value, which becomes the content.
    Got(Entry),
    /// The key, its new revision, and what was done.
    Written(String, u64, Operation),
    /// A list, which becomes the content.
    Listed(Value, ListOf),
}

#[derive(Clone, Copy)]
enum ListOf {
    Entries,
    Keys,
}

impl Kv {
    fn asked(&self, batch: &mut [Message], place: usize) -> Result<Asked, String> {
        let key = self.key.evaluate(batch, place).map_err(|err| format!("key interpolation error: {err}"))?;
        let revision = match &self.revision {
            None => 0,
            Some(revision) => {
                let text = revision.evaluate_text(batch, place);
                let text = text.map_err(|err| format!("revision interpolation error: {err}"))?;
                text.parse().map_err(|_| format!("revision {text:?} is no number"))?
            }
        };
        Ok(Asked { what: self.what, key: key_of(key)?, revision, content: batch[place].content().clone() })
    }

    /// Does all of it, in its time.
    async fn run(bucket: Arc<Bucket>, asked: Result<Asked, String>, max: Duration) -> Result<Done, String> {
        let asked = asked?;
        let done = timeout(max, async {
            let (link, store) = bucket.store().await?;
            asked.run(&link, &store, bucket.name()).await
        });
        done.await.unwrap_or_else(|_| Err(format!("bucket {} does not answer", bucket.name())))
    }
}

impl Asked {
    async fn run(self, link: &Link, store: &Store, bucket: &str) -> Result<Done, String> {
        let Asked { what, key, revision, content } = self;
        let none = || "key not found".to_string();
        Ok(match what {
            What::Get => Done::Got(entry(store, &key).await?.ok_or_else(none)?),
            What::GetRevision => {
                let found = entry_at(store, &key, revision).await?;
                Done::Got(found.filter(|it| it.operation == Operation::Put).ok_or_else(none)?)
            }
            What::Create => {
                let revision = store.create(&key, content).await.map_err(|err| match err.kind() {
                    CreateErrorKind::AlreadyExists => "key exists".to_string(),
                    _ => with_cause(&err),
                })?;
                Done::Written(key, revision, Operation::Put)
            }
            What::Put => {
                let revision = store.put(&key, content).await.map_err(|err| with_cause(&err))?;
                Done::Written(key, revision, Operation::Put)
            }
            What::Update => {
                let revision = store.update(&key, content, revision).await.map_err(|err| with_cause(&err))?;
                Done::Written(key, revision, Operation::Put)
            }
            What::Delete => {
                store.delete(&key).await.map_err(|err| with_cause(&err))?;
                Done::Written(key, 0, Operation::Delete)
            }
            What::Purge => {
                store.purge(&key).await.map_err(|err| with_cause(&err))?;
                Done::Written(key, 0, Operation::Purge)
            }
            What::History => {
                let all = Watch::begin(link, store, &key, Past::All, false).await?.rest().await?;
                if all.is_empty() {
                    return Err(none());
                }
                Done::Listed(list(all.iter().map(|it| it.to_value(bucket)))?, ListOf::Entries)
            }
            What::Keys => {
                let mut all = Watch::begin(link, store, &key, Past::Last, true).await?.rest().await?;
                all.retain(|it| it.operation == Operation::Put);
                Done::Listed(list(all.iter().map(|it| Value::text(&it.key)))?, ListOf::Keys)
            }
        })
    }
}

fn list(values: impl IntoIterator<Item = Value>) -> Result<Value, String> {
    Value::array(values).map_err(|_| "the list is too deep".to_string())
}

impl Processor for Kv {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let n_batches = part.n_batches();
        for idx in 0..n_batches {
            let range = part.batch(idx);
            let batch = &mut part.messages_mut()[range];
            let asked: Vec<_> = (0..batch.len()).map(|place| self.asked(batch, place)).collect();
            let (bucket, max) = (Arc::clone(&self.bucket), self.timeout);
            let each = asked.into_iter().map(move |it| Kv::run(Arc::clone(&bucket), it, max));
            // Begun in their order.
            let all = stream::iter(each).buffered(AT_ONCE).collect::<Vec<_>>();
            let results = match self.bucket.connection.finish_within(step, all) {
                None => return idx,
                Some(Ok(results)) => results,
                Some(Err(text)) => batch.iter().map(|_| Err(text.clone())).collect(),
            };
            for (message, result) in batch.iter_mut().zip(results) {
                match result {
                    Ok(done) => self.put(message, done, step),
                    Err(text) => step.mark(message, Mark::new(text)),
                }
            }
            if step.is_due() {
                return idx + 1;
            }
        }
        n_batches
    }
}

impl Kv {
    fn put(&self, message: &mut Message, done: Done, step: &mut Step<'_>) {
        let bucket = self.bucket.name();
        match done {
            Done::Got(entry) => {
                step.grow(entry.value.len().saturating_sub(message.content_size()));
                entry.describe(bucket, message);
                message.set_content(entry.value);
            }
            Done::Written(key, revision, operation) => {
                let metadata = message.metadata_mut();
                metadata.set("nats_kv_key", Value::text(key));
                metadata.set("nats_kv_bucket", Value::text(bucket));
                metadata.set("nats_kv_revision", Value::Uint(revision));
                metadata.set("nats_kv_operation", Value::text(operation.name()));
            }
            Done::Listed(list, of) => {
                step.grow(list.size().saturating_sub(message.content_size()));
                *message.metadata_mut() = Metadata::default();
                if let ListOf::Keys = of {
                    message.metadata_mut().set("nats_kv_bucket", Value::text(bucket));
                }
                message.set_value(list);
            }
        }
    }
}
