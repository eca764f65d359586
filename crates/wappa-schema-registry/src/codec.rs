//! What a schema makes of messages, whatever its format is.

use wappa_spec::Size;

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

/// How long the text of a schema may be with those that it refers to, and how many times as much it takes up when it is
/// ready, at most: for each of the formats, in bytes.
const AVRO: (usize, usize) = (12 << 20, 32);
const JSON: (usize, usize) = (512 << 10, 240);
const PROTOBUF: (usize, usize) = (1 << 20, 160);

impl Codec {
    /// Makes a schema ready, and tells how much it takes up, at most. The error says what is wrong with it.
    pub(crate) fn new(whole: &Whole, options: Options) -> Result<(Codec, usize), String> {
        let (text_bytes_max, factor) = match whole.root.format {
            Format::Avro => AVRO,
            Format::Json => JSON,
            Format::Protobuf => PROTOBUF,
        };
        let text_bytes = whole.size();
        if text_bytes_max < text_bytes {
            return Err(format!("it has more than {}", Size(text_bytes_max as u64)));
        }
        let codec = Codec::ready(whole, options)?;
        let patterns = if let Codec::Json(schema) = &codec { schema.pattern_bytes() } else { 0 };
        Ok((codec, text_bytes * factor + patterns))
    }

    fn ready(whole: &Whole, options: Options) -> Result<Codec, String> {
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
