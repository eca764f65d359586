//! Topics that are made where they are not there, as `custom_topic_creation` asks for.

use std::time::Duration;

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    error::RDKafkaErrorCode,
    producer::Producer as _,
};
use wappa_net::Runtime;

use super::producer::Client;

/// What a new topic is like; -1: as the broker makes them.
#[derive(Clone, Debug)]
pub(crate) struct NewTopics {
    pub(crate) partitions: i32,
    pub(crate) replication_factor: i32,
    pub(crate) runtime: Runtime,
}

/// How long brokers may take to say what there is, and to make a topic.
const ASK_MAX: Duration = Duration::from_secs(5);
const MAKE_MAX: Duration = Duration::from_secs(30);

impl NewTopics {
    /// Looks for these topics, and makes those that are not there. The error says why one cannot be made.
    pub(crate) fn settle(
        &self,
        config: &ClientConfig,
        client: &Client,
        topics: Vec<String>,
    ) -> Vec<(String, Result<(), String>)> {
        // To ask for one by its name would have brokers make it which make topics.
        let known = match client.client().fetch_metadata(None, ASK_MAX) {
            Ok(known) => known,
            Err(err) => {
                let failed = |it: String| {
                    let text = format!("failed to create topic '{it}': {err}");
                    (it, Err(text))
                };
                return topics.into_iter().map(failed).collect();
            }
        };
        let is_known = |topic: &str| known.topics().iter().any(|it| it.name() == topic);
        let each = |topic: String| {
            let result = if is_known(&topic) { Ok(()) } else { self.make(config, &topic) };
            (topic, result)
        };
        topics.into_iter().map(each).collect()
    }

    fn make(&self, config: &ClientConfig, topic: &str) -> Result<(), String> {
        let failed = |err: &dyn std::fmt::Display| format!("failed to create topic '{topic}': {err}");
        let admin: AdminClient<DefaultClientContext> = config.create().map_err(|err| failed(&err))?;
        let new = NewTopic::new(topic, self.partitions, TopicReplication::Fixed(self.replication_factor));
        let options = AdminOptions::new().operation_timeout(Some(MAKE_MAX)).request_timeout(Some(MAKE_MAX));
        let handle = self.runtime.start().map_err(|err| failed(&err))?;
        let made = handle.block_on(admin.create_topics([&new], &options)).map_err(|err| failed(&err))?;
        match made.into_iter().next() {
            // Somebody else was faster.
            Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
            Some(Err((_, code))) => Err(failed(&code)),
            None => Err(failed(&"no answer")),
        }
    }
}
