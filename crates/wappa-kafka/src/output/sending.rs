//! How the messages of a delivery are given to the client library: at once what stands together and goes the same way.

use std::sync::Arc;

use rdkafka::{
    error::RDKafkaErrorCode,
    message::OwnedHeaders,
    producer::{BaseRecord, Producer as _},
};
use wappa_message::{Mark, Message};

use super::{
    producer::{Client, Fault, Listener, Topic},
    writer::{Address, Options},
};
use crate::native::{Letters, NoTopic};

/// A client, and the topic that was written to last: nobody looks for it again as long as it stays the same.
pub(super) struct Sender {
    pub(super) client: Arc<Client>,
    topic: Option<(String, Topic)>,
}

/// A delivery that is being sent.
struct Sending<'a> {
    sender: &'a mut Sender,
    options: &'a Options,
    messages: &'a [Message],
    /// Those that are sent next, and where they go.
    letters: Letters<'a>,
    topic: &'a str,
    partition: Option<i32>,
    /// Those that the library does not take.
    faults: Vec<(usize, Fault)>,
}

impl Sender {
    pub(super) fn new(client: Arc<Client>) -> Sender {
        Sender { client, topic: None }
    }

    /// Sends all messages, in order, but for those that can go nowhere. What comes back are these, and those that the
    /// library does not take.
    pub(super) fn send(
        &mut self,
        options: &Options,
        messages: &[Message],
        addresses: &[Address],
        failures: Vec<(usize, Mark)>,
        slot: usize,
    ) -> Vec<(usize, Fault)> {
        let literal = options.topic.as_literal();
        let letters = Letters::with_capacity(messages.len());
        let client = Arc::clone(&self.client);
        let chooser = client.context().chooser.as_ref();
        let mut sending = Sending {
            sender: self,
            options,
            messages,
            letters,
            topic: "",
            partition: None,
            faults: Vec::new(),
        };
        let mut failures = failures.into_iter().peekable();
        let plain = Address::default();
        for (idx, message) in messages.iter().enumerate() {
            if let Some((_, mark)) = failures.next_if(|it| it.0 == idx) {
                sending.faults.push((idx, Fault::Mark(mark)));
                continue;
            }
            let address = addresses.get(idx).unwrap_or(&plain);
            sending.turn_to(literal.unwrap_or(&address.topic), address.partition);
            let (content, ticket) = (message.content(), Listener::ticket(slot, idx));
            if let Some(chooser) = chooser {
                chooser.send(content.len());
            }
            match options.headers.of(message) {
                Some(headers) => sending.send_alone(idx, ticket, address, headers),
                None => sending.letters.push(content, address.key.as_deref(), ticket),
            }
            if chooser.is_some() {
                // It is told of one message at a time.
                sending.post();
            }
        }
        sending.post();
        sending.faults
    }

    /// The topic of this name.
    fn topic(&mut self, name: &str) -> Result<&Topic, NoTopic> {
        if self.topic.as_ref().is_none_or(|it| it.0 != name) {
            self.topic = None;
            self.topic = Some((name.to_string(), Topic::of(&self.client, name)?));
        }
        Ok(&self.topic.as_ref().expect("it was just put there").1)
    }
}

impl<'a> Sending<'a> {
    /// What comes next goes there.
    fn turn_to(&mut self, topic: &'a str, partition: Option<i32>) {
        if (topic, partition) != (self.topic, self.partition) {
            self.post();
            (self.topic, self.partition) = (topic, partition);
        }
    }

    /// Sends the letters that are there.
    fn post(&mut self) {
        if self.letters.is_empty() {
            return;
        }
        let (options, messages, faults) = (self.options, self.messages, &mut self.faults);
        let (topic, partition) = (self.topic, self.partition);
        match self.sender.topic(topic) {
            Ok(to) => to.send(partition, &mut self.letters, |ticket, code| {
                let idx = Listener::index(ticket);
                faults.push((idx, fault(options, &messages[idx], code)));
            }),
            Err(err) => {
                for ticket in self.letters.take() {
                    let why = match &err {
                        NoTopic::Nul(err) => Fault::Mark(no_name(topic, err)),
                        NoTopic::Code(code) => Fault::Code(*code),
                    };
                    faults.push((Listener::index(ticket), why));
                }
            }
        }
    }

    /// Sends one behind the letters that are there.
    fn send_alone(&mut self, idx: usize, ticket: usize, address: &Address, headers: OwnedHeaders) {
        self.post();
        let message = &self.messages[idx];
        let mut record = BaseRecord::with_opaque_to(self.topic, ticket).payload(message.content().as_ref());
        record.key = address.key.as_deref();
        record.partition = address.partition;
        record.headers = Some(headers);
        if let Err((err, _)) = self.sender.client.send::<[u8], [u8]>(record) {
            let why = match err.rdkafka_error_code() {
                Some(code) => fault(self.options, message, code),
                None => Fault::Mark(no_name(self.topic, &err)),
            };
            self.faults.push((idx, why));
        }
    }
}

/// What the library's word for a message means that it does not take.
fn fault(options: &Options, message: &Message, code: RDKafkaErrorCode) -> Fault {
    let (limit, field) = options.max_bytes;
    match code {
        RDKafkaErrorCode::MessageSizeTooLarge => Fault::Mark(Mark::new(format!(
            "a message of {} bytes is over the limit of {limit} (`{field}`)",
            message.content().len()
        ))),
        code => Fault::Code(code),
    }
}

fn no_name(topic: &str, err: &dyn std::fmt::Display) -> Mark {
    Mark::of_hopeless(format!("topic {topic:?} is no name: {err}"))
}
