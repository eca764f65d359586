//! Protobuf: schemas in its language, and messages as JSON and back, as `protojson` has it.
//!
//! Descriptors, messages and their JSON are those of kept libraries, which take what they are given as it comes. So what
//! would become of it is counted before: how long names become with those that they are in (`source.rs`), and what a message or a
//! document takes up as a tree (`cost.rs`).

mod cost;
mod source;

use std::{
    io::{self, Write},
    sync::atomic::{AtomicUsize, Ordering},
};

use prost_reflect::{
    DeserializeOptions, DynamicMessage, MessageDescriptor, ReflectMessage, SerializeOptions, Value,
    prost::Message,
};
use wappa_spec::Size;

/// How much of documents is read for one message while it is not known which type it has.
const TRIED_BYTES_MAX: usize = 256 << 20;

/// How many of the errors of types that a document does not have are told.
const TOLD_MAX: usize = 8;

/// A schema, ready for messages.
#[derive(Debug)]
pub(crate) struct Schema {
    /// The types of its file, in the order in which they stand there.
    types: Vec<MessageDescriptor>,
    /// The type of the document before.
    last: AtomicUsize,
    /// Whether any message has fields that have to be there.
    has_required: bool,
}

impl Schema {
    /// Reads a schema; what it imports is known by these names. The error says what is wrong with it.
    pub(crate) fn parse(text: &str, imports: &[(&str, &str)]) -> Result<Schema, String> {
        let types =
            source::types(text, imports).map_err(|why| format!("failed to parse proto schema: {why}"))?;
        let is_its_own = |it: &MessageDescriptor| !it.full_name().starts_with("google.protobuf.");
        let has_required = types.first().is_some_and(|it| {
            let mut all = it.parent_pool().all_messages().filter(is_its_own);
            all.any(|it| it.fields().any(|it| it.is_required()))
        });
        Ok(Schema { types, last: AtomicUsize::new(0), has_required })
    }

    /// The document of a message, as JSON of so many bytes at most.
    pub(crate) fn decode(&self, message: &[u8], limit: usize) -> Result<Vec<u8>, String> {
        let mut bytes = message;
        let descriptor = self.type_of(&mut bytes)?;
        let failed = |why: &dyn std::fmt::Display| format!("failed to unmarshal protobuf message: {why}");
        cost::check_message(&descriptor, bytes, limit).map_err(|why| failed(&why))?;
        let message = DynamicMessage::decode(descriptor, bytes).map_err(|why| failed(&why))?;
        self.check_required(&message).map_err(|why| failed(&why))?;
        let mut out = Bounded { bytes: Vec::new(), limit };
        let mut serializer = serde_json::Serializer::new(&mut out);
        let written = message.serialize_with_options(&mut serializer, &SerializeOptions::new());
        written.map_err(|why| format!("failed to marshal JSON protobuf message: {why}"))?;
        Ok(out.bytes)
    }

    /// The type that a message says it has, by its place in the file and in the types around it.
    fn type_of(&self, bytes: &mut &[u8]) -> Result<MessageDescriptor, String> {
        let unreadable = || "unable to read message indexes".to_string();
        let n = number(bytes).ok_or_else(unreadable)?;
        // Of the first type there is nothing but a zero.
        let n_places = if n == 0 { 1 } else { usize::try_from(n).map_err(|_| unreadable())? };
        let mut found: Option<MessageDescriptor> = None;
        for _ in 0..n_places {
            let place = if n == 0 { 0 } else { number(bytes).ok_or_else(unreadable)? };
            let place = usize::try_from(place).map_err(|_| unreadable())?;
            let (within, n_within) = match &found {
                None => (self.types.get(place).cloned(), self.types.len()),
                Some(it) => (it.child_messages().nth(place), it.child_messages().len()),
            };
            found = Some(within.ok_or_else(|| {
                format!("message index ({place}) is greater than available message definitions ({n_within})")
            })?);
        }
        found.ok_or_else(unreadable)
    }

    /// What a document in JSON is as a message of so many bytes at most: of the type of the one before, or else of the first
    /// one of the file that it fits.
    pub(crate) fn encode(&self, document: &[u8], limit: usize) -> Result<Vec<u8>, String> {
        if self.types.is_empty() {
            return Err("the schema has no messages".to_string());
        }
        cost::check_document(document, limit)?;
        let last = self.last.load(Ordering::Relaxed).min(self.types.len() - 1);
        let others = (0..self.types.len()).filter(|it| *it != last);
        let mut told: Vec<String> = Vec::new();
        let mut tried = 0_usize;
        for place in std::iter::once(last).chain(others) {
            tried = tried.saturating_add(document.len());
            if TRIED_BYTES_MAX < tried && 1 < told.len() {
                told.push("and the types of the schema would be tried for too long".to_string());
                break;
            }
            let descriptor = &self.types[place];
            let message = of_json(descriptor, document).and_then(|it| self.check_required(&it).map(|()| it));
            match message {
                Ok(message) => {
                    self.last.store(place, Ordering::Relaxed);
                    return self.written(place, &message, limit);
                }
                Err(why) if told.len() < TOLD_MAX => {
                    told.push(format!("unmarshal '{}': {why}", descriptor.name()))
                }
                Err(_) => (),
            }
        }
        Err(told.join(", "))
    }

    /// Whether all fields are there that have to be.
    fn check_required(&self, message: &DynamicMessage) -> Result<(), String> {
        if self.has_required { check_required(message) } else { Ok(()) }
    }

    fn written(&self, place: usize, message: &DynamicMessage, limit: usize) -> Result<Vec<u8>, String> {
        let n = message.encoded_len();
        if limit < n {
            return Err(format!("the message would be larger than {}", Size(limit as u64)));
        }
        let mut out = Vec::with_capacity(n + 8);
        match place {
            0 => out.push(0),
            place => {
                write_number(1, &mut out);
                write_number(place as u64, &mut out);
            }
        }
        message.encode(&mut out).map_err(|why| format!("failed to marshal protobuf message: {why}"))?;
        Ok(out)
    }
}

fn check_required(message: &DynamicMessage) -> Result<(), String> {
    let descriptor = message.descriptor();
    for field in descriptor.fields().filter(|it| it.is_required()) {
        if !message.has_field(&field) {
            return Err(format!("required field {}.{} not set", descriptor.full_name(), field.name()));
        }
    }
    message.fields().try_for_each(|(_, value)| match value {
        Value::Message(it) => check_required(it),
        Value::List(list) => list.iter().filter_map(Value::as_message).try_for_each(check_required),
        Value::Map(map) => map.values().filter_map(Value::as_message).try_for_each(check_required),
        _ => Ok(()),
    })
}

fn of_json(descriptor: &MessageDescriptor, document: &[u8]) -> Result<DynamicMessage, String> {
    let mut deserializer = serde_json::Deserializer::from_slice(document);
    let options = DeserializeOptions::new();
    let read = DynamicMessage::deserialize_with_options(descriptor.clone(), &mut deserializer, &options);
    let message = read.map_err(|why| why.to_string())?;
    deserializer.end().map_err(|why| why.to_string())?;
    Ok(message)
}

/// A number with a sign, in pieces of seven bits.
fn number(bytes: &mut &[u8]) -> Option<i64> {
    let coded = cost::varint(bytes)?;
    Some((coded >> 1) as i64 ^ -((coded & 1) as i64))
}

fn write_number(number: u64, out: &mut Vec<u8>) {
    let mut coded = number << 1;
    while 0x80 <= coded {
        out.push(coded as u8 | 0x80);
        coded >>= 7;
    }
    out.push(coded as u8);
}

/// Takes up so many bytes and no more.
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
}

impl Write for Bounded {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if self.limit - self.bytes.len() < piece.len() {
            let why = format!("the document would be larger than {}", Size(self.limit as u64));
            return Err(io::Error::other(why));
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
