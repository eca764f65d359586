//! What a schema makes of messages, whatever its format is.

use crate::{
    avro::{self, Options, Reference},
    registry::{Format, Whole},
};

/// A schema that is ready.
#[derive(Debug)]
pub(crate) enum Codec {
    Avro(avro::Schema),
}

impl Codec {
    /// Makes a schema ready. The error says what is wrong with it.
    pub(crate) fn new(whole: &Whole, options: Options) -> Result<Codec, String> {
        match whole.root.format {
            Format::Avro => {
                let reference = |(name, stored): &(String, _)| Reference::new(name, stored);
                let references: Vec<Reference> = whole.references.iter().map(reference).collect();
                avro::Schema::parse(&whole.root.text, &references, options).map(Codec::Avro)
            }
            other => Err(format!("schema type {other:?} not supported")),
        }
    }

    /// What a message is as a document, which has so many bytes at most.
    pub(crate) fn decode(&self, message: &[u8], limit: usize) -> Result<Vec<u8>, String> {
        match self {
            Codec::Avro(schema) => schema.decode(message, limit),
        }
    }

    /// What a document is as a message, which has so many bytes at most.
    pub(crate) fn encode(&self, document: &[u8], limit: usize) -> Result<Vec<u8>, String> {
        match self {
            Codec::Avro(schema) => schema.encode(document, limit),
        }
    }
}
