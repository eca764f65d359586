//! Consumers: what the server knows of how far a stream was read.

use std::time::Duration;

use async_nats::{
    Subscriber,
    jetstream::{
        self, Context,
        consumer::{AckPolicy, Config, DeliverPolicy, Info},
        stream::Stream,
    },
};

use crate::connection::Link;

/// How long the server may take to answer what it is asked about streams.
pub(crate) const API_MAX: Duration = Duration::from_secs(5);

/// Which consumer is read with, and what it is like where it has to be made.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) stream: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) durable: Option<String>,
    pub(crate) queue: Option<String>,
    pub(crate) bind: bool,
    pub(crate) pull: bool,
    pub(crate) deliver: DeliverPolicy,
    pub(crate) ack_wait: Option<Duration>,
    pub(crate) max_ack_pending: i64,
}

/// The consumer that was read with before a connection was lost.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) name: String,
    /// Where another one would have to begin in the stream.
    pub(crate) next: u64,
}

/// How long the server keeps a consumer without a name that nobody reads with: longer than it takes to connect again.
const INACTIVE_MAX: Duration = Duration::from_secs(60);

/// A consumer, and what comes from it.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) stream: Stream,
    pub(crate) name: String,
    pub(crate) config: Config,
    pub(crate) subscriber: Subscriber,
    /// What the subscription is to.
    pub(crate) inbox: String,
}

/// The interface of JetStream on a connection.
pub(crate) fn api(link: &Link) -> Context {
    let mut api = jetstream::new(link.client.clone());
    api.set_timeout(API_MAX);
    api
}

impl Wanted {
    /// Finds or makes the consumer, and subscribes to what it gives. The error is for whoever reads the log.
    pub(crate) async fn open(&self, link: &Link, known: Option<Known>) -> Result<Consumer, String> {
        let api = api(link);
        let stream_name = match (&self.stream, &self.subject) {
            (Some(name), _) => name.clone(),
            (None, Some(subject)) => api
                .stream_by_subject(subject.clone())
                .await
                .map_err(|err| format!("no stream has the subject {subject}: {}", with_cause(&err)))?,
            (None, None) => return Err("neither `stream` nor `subject` is set".to_string()),
        };
        let stream = api.get_stream(&stream_name).await;
        let stream = stream.map_err(|err| format!("stream {stream_name}: {}", with_cause(&err)))?;
        // As in other clients, the members of a group without a name of its own are those of a consumer called like it.
        let name = self.durable.as_ref().or(self.queue.as_ref());
        if let Some(name) = name.or(known.as_ref().map(|it| &it.name))
            && let Some(info) = found(&stream, name).await?
        {
            return self.open_found(link, stream, info, known.is_some()).await;
        }
        match name {
            Some(name) if self.bind => Err(format!("stream {stream_name} has no consumer {name}")),
            _ => self.open_new(link, stream, name, known).await,
        }
    }

    async fn open_found(
        &self,
        link: &Link,
        stream: Stream,
        info: Info,
        is_ours: bool,
    ) -> Result<Consumer, String> {
        let Info { name, config, push_bound, .. } = info;
        if config.ack_policy == AckPolicy::All {
            return Err(format!(
                "consumer {name} has `ack_policy: all`: acknowledging one message would acknowledge all before it, which \
                 may not have arrived; make one with `explicit`"
            ));
        }
        if let Some(subject) = &self.subject
            && !config.filter_subject.is_empty()
            && config.filter_subject != *subject
        {
            return Err(format!(
                "consumer {name} is for the subject {}, and not for {subject}: give this one another name (`durable`), or \
                 delete it",
                config.filter_subject
            ));
        }
        let (inbox, group) = match (&config.deliver_subject, &config.deliver_group) {
            (None, _) => (link.client.new_inbox(), None),
            (Some(_), None) if self.queue.is_some() => {
                return Err(format!("consumer {name} has no group, so `queue` cannot be set"));
            }
            (Some(_), Some(group)) if self.queue.as_ref().is_some_and(|it| it != group) => {
                return Err(format!("consumer {name} is for the group {group}, which `queue` has to be"));
            }
            // There can be one reader only. It may be ourselves, which the server has not noticed to be gone.
            (Some(_), None) if push_bound && !is_ours => {
                return Err(format!("consumer {name} is read by somebody else; to share it, set `queue`"));
            }
            (Some(subject), group) => (subject.clone(), group.clone()),
        };
        let subscriber = subscribe(link, &inbox, group).await?;
        Ok(Consumer { stream, name, config, subscriber, inbox })
    }

    async fn open_new(
        &self,
        link: &Link,
        stream: Stream,
        name: Option<&String>,
        known: Option<Known>,
    ) -> Result<Consumer, String> {
        let inbox = link.client.new_inbox();
        let group = self.queue.clone().filter(|_| !self.pull);
        let subscriber = subscribe(link, &inbox, group.clone()).await?;
        let config = Config {
            deliver_subject: Some(inbox.clone()).filter(|_| !self.pull),
            deliver_group: group,
            durable_name: name.cloned(),
            name: name.cloned(),
            deliver_policy: match (name, known) {
                (None, Some(known)) => DeliverPolicy::ByStartSequence { start_sequence: known.next },
                _ => self.deliver,
            },
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.ack_wait.unwrap_or_default(),
            max_ack_pending: self.max_ack_pending,
            filter_subject: self.subject.clone().unwrap_or_default(),
            inactive_threshold: if name.is_none() { INACTIVE_MAX } else { Duration::ZERO },
            ..Config::default()
        };
        let made = stream.create_consumer(config).await.map_err(|err| with_cause(&err));
        let info = made.map_err(|err| format!("making a consumer: {err}"))?.cached_info().clone();
        Ok(Consumer { stream, name: info.name, config: info.config, subscriber, inbox })
    }
}

/// What is known of a consumer; `None`: there is none.
pub(crate) async fn found(stream: &Stream, name: &str) -> Result<Option<Info>, String> {
    match stream.consumer_info(name).await {
        Ok(info) => Ok(Some(info)),
        Err(err) if with_cause(&err).contains("consumer not found") => Ok(None),
        Err(err) => Err(format!("consumer {name}: {}", with_cause(&err))),
    }
}

async fn subscribe(link: &Link, inbox: &str, group: Option<String>) -> Result<Subscriber, String> {
    let subscribed = match group {
        Some(group) => link.client.queue_subscribe(inbox.to_string(), group).await,
        None => link.client.subscribe(inbox.to_string()).await,
    };
    subscribed.map_err(|err| format!("subscribing to {inbox}: {err}"))
}

/// An error with what caused it, each once.
pub(crate) fn with_cause(err: &dyn std::error::Error) -> String {
    let mut text = err.to_string();
    let mut source = err.source();
    while let Some(err) = source {
        let more = err.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = err.source();
    }
    text
}
