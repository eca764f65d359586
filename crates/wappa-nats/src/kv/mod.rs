//! Buckets of values by key, which are streams of JetStream.

pub(crate) mod cache;
pub(crate) mod input;
pub(crate) mod output;
pub(crate) mod processor;

use std::time::Duration;

use async_nats::{
    HeaderMap,
    jetstream::{
        consumer::{
            DeliverPolicy, ReplayPolicy,
            push::{Ordered, OrderedConfig},
        },
        kv::{self, Store},
        message::StreamMessage,
        stream::{DirectGetErrorKind, RawMessageErrorKind},
    },
};
use bytes::Bytes;
use futures_util::StreamExt;
use wappa_component::{Context, fault};
use wappa_message::{Message, Time, Value};

use crate::{
    connection::{Endpoint, Link},
    jetstream::consumer::{api, with_cause},
    shared::Shared,
};

/// How long a bucket may take to answer where nobody says how long.
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(5);

/// A bucket, with a connection that is made when it is needed.
pub(crate) struct Bucket {
    pub(crate) connection: Shared,
    name: String,
    /// Together with the connection that it is of.
    store: tokio::sync::Mutex<Option<(Link, Store)>>,
}

impl Bucket {
    pub(crate) fn new(endpoint: Endpoint, name: String, ctx: &Context<'_>) -> Bucket {
        Bucket { connection: Shared::new(endpoint, ctx), name, store: tokio::sync::Mutex::new(None) }
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The bucket on the connection; the error says why it cannot be had. For the runtime's threads.
    pub(crate) async fn store(&self) -> Result<(Link, Store), String> {
        let mut place = self.store.lock().await;
        if let Some(found) = place.as_ref().filter(|it| !it.0.is_lost()) {
            return Ok(found.clone());
        }
        let link = self.connection.link().await?;
        let store = open(&link, &self.name).await?;
        Ok(place.insert((link, store)).clone())
    }
}

/// The bucket of this name.
pub(crate) async fn open(link: &Link, name: &str) -> Result<Store, String> {
    let api = api(link);
    let found = tokio::select! {
        found = api.get_key_value(name) => found,
        () = link.lost() => return Err("the connection was lost".to_string()),
    };
    found.map_err(|err| format!("bucket {name}: {}", with_cause(&err)))
}

/// What can be a key of a message.
pub(crate) fn key_of(key: Bytes) -> Result<String, String> {
    let text = String::from_utf8(key.to_vec()).ok();
    text.ok_or_else(|| format!("{:?} is no key", fault::told(&key)))
}

/// What was done to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Put,
    Delete,
    Purge,
}

impl Operation {
    fn of(headers: Option<&HeaderMap>) -> Operation {
        let header = |name: &str| headers.and_then(|it| it.get(name)).map(|it| it.as_str());
        match (header("KV-Operation"), header("Nats-Marker-Reason")) {
            (Some("DEL"), _) | (None, Some("Remove")) => Operation::Delete,
            (Some("PURGE"), _) | (None, Some("MaxAge" | "Purge")) => Operation::Purge,
            _ => Operation::Put,
        }
    }

    /// As Bento writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Operation::Put => "KeyValuePutOp",
            Operation::Delete => "KeyValueDeleteOp",
            Operation::Purge => "KeyValuePurgeOp",
        }
    }
}

/// A value of a key, or that there is none any more.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) value: Bytes,
    pub(crate) revision: u64,
    /// How many are behind it.
    pub(crate) delta: u64,
    pub(crate) operation: Operation,
    /// Seconds and nanoseconds since 1970.
    created: (i64, u32),
}

impl Entry {
    /// What is known of it, by the names of metadata.
    fn described(&self, bucket: &str) -> [(&'static str, Value); 6] {
        [
            ("key", Value::text(&self.key)),
            ("bucket", Value::text(bucket)),
            ("revision", Value::Uint(self.revision)),
            ("delta", Value::Uint(self.delta)),
            ("operation", Value::text(self.operation.name())),
            ("created", Value::Time(Time::new(self.created.0, self.created.1, 0, "UTC"))),
        ]
    }

    /// Adds it to the metadata of a message.
    pub(crate) fn describe(&self, bucket: &str, message: &mut Message) {
        for (name, value) in self.described(bucket) {
            message.metadata_mut().set(format!("nats_kv_{name}"), value);
        }
    }

    /// It as an object, with its value.
    pub(crate) fn to_value(&self, bucket: &str) -> Value {
        let value = ("value", Value::Bytes(self.value.clone().into()));
        let object = Value::object(self.described(bucket).into_iter().chain([value]));
        object.expect("it is two deep")
    }
}

/// The value that a key had at a revision.
pub(crate) async fn entry_at(store: &Store, key: &str, revision: u64) -> Result<Option<Entry>, String> {
    let stream = &store.stream;
    let found = match stream.cached_info().config.allow_direct {
        true => match stream.direct_get(revision).await {
            Ok(message) => Some(message),
            Err(err) if err.kind() == DirectGetErrorKind::NotFound => None,
            Err(err) => return Err(with_cause(&err)),
        },
        false => match stream.get_raw_message(revision).await {
            Ok(message) => Some(message),
            Err(err) if err.kind() == RawMessageErrorKind::NoMessageFound => None,
            Err(err) => return Err(with_cause(&err)),
        },
    };
    let is_it = |it: &StreamMessage| it.subject.strip_prefix(store.prefix.as_str()) == Some(key);
    Ok(found.filter(is_it).map(|it| Entry {
        key: key.to_string(),
        operation: Operation::of(Some(&it.headers)),
        value: it.payload,
        revision: it.sequence,
        delta: 0,
        created: (it.time.unix_timestamp(), it.time.nanosecond()),
    }))
}

/// The value of a key.
pub(crate) async fn entry(store: &Store, key: &str) -> Result<Option<Entry>, String> {
    let found = store.entry(key).await.map_err(|err| with_cause(&err))?;
    let found = found.map(|it| Entry {
        operation: match it.operation {
            kv::Operation::Put => Operation::Put,
            kv::Operation::Delete => Operation::Delete,
            kv::Operation::Purge => Operation::Purge,
        },
        created: (it.created.unix_timestamp(), it.created.nanosecond()),
        key: it.key,
        value: it.value,
        revision: it.revision,
        delta: 0,
    });
    Ok(found.filter(|it| it.operation == Operation::Put))
}

/// What happens to keys, in order.
pub(crate) struct Watch {
    messages: Ordered,
    prefix: String,
    /// How many there were when it began.
    pub(crate) n_pending: u64,
}

/// Which of the past is watched.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Past {
    /// The last value of each key.
    Last,
    All,
    /// What comes behind this revision.
    After(u64),
}

impl Watch {
    /// `keys` may have wildcards.
    pub(crate) async fn begin(
        link: &Link,
        store: &Store,
        keys: &str,
        past: Past,
        meta_only: bool,
    ) -> Result<Watch, String> {
        let config = OrderedConfig {
            deliver_subject: link.client.new_inbox(),
            filter_subject: format!("{}{keys}", store.prefix),
            headers_only: meta_only,
            replay_policy: ReplayPolicy::Instant,
            deliver_policy: match past {
                Past::Last => DeliverPolicy::LastPerSubject,
                Past::All => DeliverPolicy::All,
                Past::After(revision) => DeliverPolicy::ByStartSequence { start_sequence: revision + 1 },
            },
            ..OrderedConfig::default()
        };
        let consumer = store.stream.create_consumer(config).await;
        let consumer = consumer.map_err(|err| format!("watching {keys}: {}", with_cause(&err)))?;
        let n_pending = consumer.cached_info().num_pending;
        let messages = consumer.messages().await;
        let messages = messages.map_err(|err| format!("watching {keys}: {}", with_cause(&err)))?;
        Ok(Watch { messages, prefix: store.prefix.clone(), n_pending })
    }

    /// The next; `None`: it is over.
    pub(crate) async fn next(&mut self) -> Option<Result<Entry, String>> {
        let message = match self.messages.next().await? {
            Ok(message) => message,
            Err(err) => return Some(Err(with_cause(&err))),
        };
        let info = match message.info() {
            Ok(info) => info,
            Err(err) => return Some(Err(err.to_string())),
        };
        let key = message.subject.strip_prefix(self.prefix.as_str()).unwrap_or(message.subject.as_str());
        Some(Ok(Entry {
            key: key.to_string(),
            value: message.payload.clone(),
            revision: info.stream_sequence,
            delta: info.pending,
            operation: Operation::of(message.headers.as_ref()),
            created: (info.published.unix_timestamp(), info.published.nanosecond()),
        }))
    }

    /// All that there were when it began.
    pub(crate) async fn rest(mut self) -> Result<Vec<Entry>, String> {
        let mut all = Vec::new();
        while 0 < self.n_pending {
            let Some(entry) = self.next().await else { break };
            let entry = entry?;
            self.n_pending = entry.delta;
            all.push(entry);
        }
        Ok(all)
    }
}
