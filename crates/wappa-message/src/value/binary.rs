//! Bytes that are no text.

use std::{ops::Deref, sync::Arc};

use bytes::Bytes;

/// Bytes that are no text: what a mapping gets of the raw content, say. As JSON they are base64. Cloning shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary(Arc<Bytes>);

impl Binary {
    /// The bytes, shared.
    pub fn to_bytes(&self) -> Bytes {
        Bytes::clone(&self.0)
    }

    /// What is allocated beside the value itself, in bytes.
    pub(crate) fn allocated(&self) -> usize {
        size_of::<Bytes>() + 16 + self.0.len()
    }
}

impl Deref for Binary {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Bytes> for Binary {
    fn from(bytes: Bytes) -> Binary {
        Binary(Arc::new(bytes))
    }
}

impl From<Vec<u8>> for Binary {
    fn from(bytes: Vec<u8>) -> Binary {
        Binary::from(Bytes::from(bytes))
    }
}
