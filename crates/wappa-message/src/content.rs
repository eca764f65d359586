//! The content of a message: bytes or a structure, each made from the other when somebody asks for it.

use std::sync::Arc;

use bytes::Bytes;
use once_cell::sync::OnceCell;

use crate::{JsonError, Value};

/// Bytes, or a structure. As large as bytes alone.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Bytes(Bytes),
    Structured(Arc<Structured>),
}

/// A value, and the same as bytes: as they came in, or printed by the first who asks, for all who share it.
#[derive(Clone, Debug)]
pub(crate) struct Structured {
    value: Value,
    bytes: OnceCell<Bytes>,
}

impl Content {
    pub(crate) fn of_value(value: Value) -> Content {
        Content::Structured(Arc::new(Structured { value, bytes: OnceCell::new() }))
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &Bytes {
        match self {
            Content::Bytes(bytes) => bytes,
            Content::Structured(it) => it.bytes.get_or_init(|| it.value.to_json_bytes()),
        }
    }

    /// The bytes if there are any, without printing.
    #[inline]
    pub(crate) fn printed(&self) -> Result<&Bytes, &Value> {
        match self {
            Content::Bytes(bytes) => Ok(bytes),
            Content::Structured(it) => it.bytes.get().ok_or(&it.value),
        }
    }

    /// Writes the bytes behind what is in `out`. What nobody else holds is not kept: it is printed to where it belongs.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Content::Structured(it) if it.bytes.get().is_none() && Arc::strong_count(it) == 1 => {
                it.value.write_json(out);
            }
            _ => out.extend_from_slice(self.bytes()),
        }
    }

    /// The value. Bytes are read first, and become a structure that keeps them.
    pub(crate) fn value(&mut self) -> Result<&Value, JsonError> {
        if let Content::Bytes(bytes) = self {
            let value = Value::from_json(bytes)?;
            self.keep(value);
        }
        match self {
            Content::Structured(it) => Ok(&it.value),
            Content::Bytes(_) => unreachable!("they were read"),
        }
    }

    /// The value that bytes are read as, without keeping it, and the [size](Content::size) if they did; nothing of a
    /// structure.
    pub(crate) fn read(&self) -> Option<Result<(Value, usize), JsonError>> {
        let Content::Bytes(bytes) = self else { return None };
        let sized = |value: Value| {
            let size = size_of_both(&value, bytes);
            (value, size)
        };
        Some(Value::from_json(bytes).map(sized))
    }

    /// Bytes are kept as the value that they were read as.
    pub(crate) fn keep(&mut self, value: Value) {
        if let Content::Bytes(bytes) = self {
            let bytes = OnceCell::from(std::mem::take(bytes));
            *self = Content::Structured(Arc::new(Structured { value, bytes }));
        }
    }

    /// The value, to be changed; the bytes no longer stand for it.
    pub(crate) fn value_mut(&mut self) -> Result<&mut Value, JsonError> {
        self.value()?;
        match self {
            Content::Structured(it) => {
                let it = Arc::make_mut(it);
                it.bytes = OnceCell::new();
                Ok(&mut it.value)
            }
            Content::Bytes(_) => unreachable!("they were read"),
        }
    }

    /// What the content makes its holder keep, in bytes.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        match self {
            Content::Bytes(bytes) => bytes.len(),
            Content::Structured(it) => {
                it.bytes.get().map_or_else(|| it.value.size(), |bytes| size_of_both(&it.value, bytes))
            }
        }
    }
}

/// What was read keeps the same buffer alive twice.
fn size_of_both(value: &Value, bytes: &Bytes) -> usize {
    value.size() + value.bytes_beside(bytes)
}
