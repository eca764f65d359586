//! What a schema makes of messages, whatever its format is.

use crate::{
    avro::{self, Options, Reference},
    json, protobuf,
    registry::{Format, Whole},
};

/// A schema that is ready.
#[derive(Debug)]
pub(crate) enum Codec {
    Avro(avro::Schema),
    Json(json::Schema),
    Protobuf(protobuf::Schema),
}

impl Codec {
    /// Makes a schema ready. The error says what is wrong with it.
    pub(crate) fn new(whole: &Whole, options: Options) -> Result<Codec, String> {
        let text = whole.root.text.as_str();
        let others: Vec<(&str, &str)> =
            whole.references.iter().map(|(name, stored)| (name.as_str(), stored.text.as_str())).collect();
        match whole.root.format {
            Format::Avro => {
                let references: Vec<Reference> =
                    others.iter().map(|(name, text)| Reference::new(name, text)).collect();
                avro::Schema::parse(text, &references, options).map(Codec::Avro)
            }
            Format::Json => json::Schema::parse(text, &others).map(Codec::Json),
            Format::Protobuf => protobuf::Schema::parse(text, &others).map(Codec::Protobuf),
        }
    }

    /// What a message is as a document, which has so many bytes at most.
    pub(crate) fn decode(&self, message: &[u8], limit: usize) -> Result<Vec<u8>, String> {
        match self {
            Codec::Avro(schema) => schema.decode(message, limit),
            Codec::Json(schema) => schema.check(message).map(|()| message.to_vec()),
            Codec::Protobuf(schema) => schema.decode(message, limit),
        }
    }

    /// What a document is as a message, which has so many bytes at most.
    pub(crate) fn encode(&self, document: &[u8], limit: usize) -> Result<Vec<u8>, String> {
        match self {
            Codec::Avro(schema) => schema.encode(document, limit),
            Codec::Json(schema) => schema.check(document).map(|()| document.to_vec()),
            Codec::Protobuf(schema) => schema.encode(document, limit),
        }
    }
}
