//! The input `nats_kv`.

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;
use wappa_component::{
    Batches, BuildError, BuildInput, Component, ConnectError, Context, Input, Logger, PARCEL_MESSAGES_MAX,
    ReadError,
};
use wappa_message::Message;
use wappa_net::{Fed, Feeder, Source, Stopping, TlsConfig, fed_by};
use wappa_spec::{Config, Node, Reader};

use super::{Entry, Operation, Past, Watch, open};
use crate::{
    auth::AuthConfig,
    connection::{Endpoint, Link, lint_urls},
};

pub(crate) const COMPONENT: Component = Component::input::<KvConfig>("nats_kv").categories(&["Services"]);

/// How many messages the client holds for us.
const CAPACITY: usize = 65_536;

/// Reads what happens to the keys of a key-value bucket: first the last value of each, then each change.
///
/// # Examples
///
/// ### Follow the settings of a service
///
/// ```yaml
/// input:
///   nats_kv:
///     urls: [nats://localhost:4222]
///     bucket: settings
///     key: service.>
/// output:
///   stdout: {}
/// ```
///
/// # Metadata
///
/// - `nats_kv_key`
/// - `nats_kv_bucket`
/// - `nats_kv_revision`: a number.
/// - `nats_kv_delta`: how many changes are behind this one, a number.
/// - `nats_kv_operation`: `KeyValuePutOp`, `KeyValueDeleteOp` or `KeyValuePurgeOp`.
/// - `nats_kv_created`: a time.
///
/// # Delivery
///
/// What was read is delivered again from memory until it arrives. When the connection was lost it goes on behind what was
/// read; a process that starts begins anew.
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

    /// Which keys: `*` stands for one token, `>` for all that follow.
    #[config(
        default = "\">\"",
        example = "foo.bar.baz",
        example = "foo.*.baz",
        example = "foo.bar.*",
        example = "foo.>"
    )]
    key: String,

    /// Whether messages that fail are delivered again; without it they are lost.
    #[config(default = "true")]
    auto_replay_nacks: bool,

    /// Whether removed keys are left out.
    #[config(default = "false", advanced)]
    ignore_deletes: bool,

    /// Whether it begins with all values that the bucket still has, and not with the last of each key.
    #[config(default = "false", advanced)]
    include_history: bool,

    /// Whether values are left out, so that contents are empty.
    #[config(default = "false", advanced)]
    meta_only: bool,

    /// How the connection is encrypted.
    #[config(advanced)]
    tls: TlsConfig,

    /// Who we are to the server.
    #[config(advanced)]
    auth: AuthConfig,
}

fn lint(config: &KvConfig, node: &Node, reader: &mut Reader<'_>) {
    lint_urls(&config.urls, node, reader);
}

impl BuildInput for KvConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        let endpoint = Endpoint::new(&self.urls, self.tls, self.auth, ctx).map_err(BuildError::new)?;
        let source = Kv {
            endpoint,
            bucket: self.bucket,
            key: self.key,
            ignore_deletes: self.ignore_deletes,
            past: if self.include_history { Past::All } else { Past::Last },
            meta_only: self.meta_only,
            revision: AtomicU64::new(0),
            logger: ctx.logger(),
        };
        Ok(fed_by(source, self.auto_replay_nacks, ctx))
    }
}

struct Kv {
    endpoint: Endpoint,
    bucket: String,
    key: String,
    ignore_deletes: bool,
    past: Past,
    meta_only: bool,
    /// That of what was read last; 0: there was nothing.
    revision: AtomicU64,
    logger: Logger,
}

impl Source for Kv {
    type Connection = (Link, Watch);

    async fn connect(&self) -> Result<(Link, Watch), ConnectError> {
        let link = self.endpoint.connect(CAPACITY).await.map_err(ConnectError::BackOff)?;
        let store = open(&link, &self.bucket).await.map_err(ConnectError::BackOff)?;
        let past = match self.revision.load(Ordering::SeqCst) {
            0 => self.past,
            revision => Past::After(revision),
        };
        let watch = tokio::select! {
            watch = Watch::begin(&link, &store, &self.key, past, self.meta_only) => watch,
            () = link.lost() => Err("the connection was lost".to_string()),
        };
        Ok((link, watch.map_err(ConnectError::BackOff)?))
    }

    async fn read(&self, (link, mut watch): (Link, Watch), feeder: Feeder, mut stop: Stopping) -> ReadError {
        loop {
            let first = tokio::select! {
                next = watch.next() => next,
                () = stop.requested() => return ReadError::EndOfInput,
                () = link.lost() => return ReadError::NotConnected,
            };
            let mut next = first;
            let mut messages = Vec::new();
            let mut is_over = false;
            loop {
                match next {
                    Some(Ok(entry)) => messages.extend(self.take(entry)),
                    Some(Err(text)) => {
                        self.logger.error(&format!("Failed to read message: {text}"));
                        is_over = true;
                    }
                    None => is_over = true,
                }
                if is_over || PARCEL_MESSAGES_MAX <= messages.len() {
                    break;
                }
                match watch.next().now_or_never() {
                    Some(more) => next = more,
                    None => break,
                }
            }
            if !messages.is_empty() && feeder.put(Fed::messages(messages, Batches::Singles)).await.is_err() {
                return ReadError::EndOfInput;
            }
            if is_over {
                return ReadError::NotConnected;
            }
        }
    }
}

impl Kv {
    fn take(&self, entry: Entry) -> Option<Message> {
        self.revision.fetch_max(entry.revision, Ordering::SeqCst);
        if self.ignore_deletes && entry.operation != Operation::Put {
            return None;
        }
        let mut message = Message::new(entry.value.clone());
        entry.describe(&self.bucket, &mut message);
        Some(message)
    }
}
