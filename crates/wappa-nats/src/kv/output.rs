//! The output `nats_kv`.

use async_nats::jetstream::kv::PutErrorKind;
use futures_util::{StreamExt, stream};
use tokio::time::timeout;
use wappa_component::{BuildError, BuildOutput, Component, ConnectError, Context, Output, WriteError, fault};
use wappa_message::Mark;
use wappa_net::{Client, Sending, TlsConfig, in_flight};
use wappa_spec::{Config, Interpolated, Node, Reader};

use super::{ANSWER_MAX, Bucket, key_of};
use crate::{
    auth::AuthConfig,
    connection::{Endpoint, lint_urls},
    jetstream::consumer::with_cause,
    output::limit,
};

pub(crate) const COMPONENT: Component = Component::output::<KvConfig>("nats_kv").categories(&["Services"]);

/// Puts the contents of messages into a key-value bucket, which has to be there.
///
/// # Examples
///
/// ### The last state of each order
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   nats_kv:
///     urls: [nats://localhost:4222]
///     bucket: orders
///     key: ${! json("id") }
/// ```
///
/// # Delivery
///
/// A message has arrived once the bucket has acknowledged it. Messages with the same key are put in their order. When a
/// connection is lost what was not acknowledged comes again, in order, on the next one.
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

    /// The key of each message: of letters, digits and `-/_=.`, neither beginning nor ending with a dot.
    #[config(example = "foo", example = "foo.bar.baz", example = "foo.${! json(\"meta.type\") }")]
    key: Interpolated,

    /// How many messages are on their way and not acknowledged at most.
    #[config(default = "1024")]
    max_in_flight: usize,

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

impl BuildOutput for KvConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        let endpoint = Endpoint::new(&self.urls, self.tls, self.auth, ctx).map_err(BuildError::new)?;
        let client = Kv { bucket: Bucket::new(endpoint, self.bucket, ctx), key: self.key };
        Ok(in_flight(client, limit(self.max_in_flight), ctx))
    }
}

struct Kv {
    bucket: Bucket,
    key: Interpolated,
}

/// How many values of one call are on their way at once.
const AT_ONCE: usize = 256;

/// What became of one message that has not arrived.
enum NotPut {
    Failed(Mark),
    Lost,
}

impl Client for Kv {
    async fn connect(&self) -> Result<(), ConnectError> {
        self.bucket.store().await.map(drop).map_err(ConnectError::BackOff)
    }

    async fn send(&self, mut sending: Sending) {
        let keys = self.keys(&mut sending);
        let Ok((link, store)) = self.bucket.store().await else {
            return sending.answer(Err(WriteError::NotConnected));
        };
        let values: Vec<_> = sending.messages().iter().map(|it| it.content().clone()).collect();
        let put = |(key, value): (Result<String, Mark>, bytes::Bytes)| {
            let store = &store;
            async move {
                let key = key.map_err(NotPut::Failed)?;
                match timeout(ANSWER_MAX, store.put(&key, value)).await {
                    Ok(Ok(_)) => Ok(()),
                    Ok(Err(err)) if err.kind() == PutErrorKind::InvalidKey => {
                        let key = fault::told(key.as_bytes()).into_owned();
                        Err(NotPut::Failed(Mark::of_hopeless(format!("{key:?} is no key of a bucket"))))
                    }
                    Ok(Err(err)) => Err(NotPut::Failed(Mark::new(with_cause(&err)))),
                    Err(_) => Err(NotPut::Lost),
                }
            }
        };
        // Begun in their order, which is the order in which they are published.
        let all = stream::iter(keys.into_iter().zip(values)).map(put).buffered(AT_ONCE).collect::<Vec<_>>();
        let results = tokio::select! {
            results = all => results,
            () = link.lost() => return sending.answer(Err(WriteError::NotConnected)),
        };
        let mut failures = Vec::new();
        for (idx, result) in results.into_iter().enumerate() {
            match result {
                Ok(()) => (),
                Err(NotPut::Failed(mark)) => failures.push((idx, mark)),
                Err(NotPut::Lost) => return sending.answer(Err(WriteError::NotConnected)),
            }
        }
        sending.answer(if failures.is_empty() { Ok(()) } else { Err(WriteError::Partial(failures)) });
    }
}

impl Kv {
    fn keys(&self, sending: &mut Sending) -> Vec<Result<String, Mark>> {
        let part = sending.part_mut();
        let mut keys = Vec::with_capacity(part.n_messages());
        for idx in 0..part.n_batches() {
            let range = part.batch(idx);
            let batch = &mut part.messages_mut()[range];
            keys.extend((0..batch.len()).map(|place| {
                let key = self.key.evaluate(batch, place);
                let key = key.map_err(|err| Mark::new(format!("key interpolation error: {err}")))?;
                key_of(key).map_err(Mark::of_hopeless)
            }));
        }
        keys
    }
}
