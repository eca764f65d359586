//! Formats in which several messages are one: how they are written and read.
//!
//! What is read comes from anywhere: nothing is made before `charge` was told how many bytes it takes, and it may refuse.

pub(crate) mod binary;
pub(crate) mod tar;
pub(crate) mod zip;

use bytes::Bytes;

/// One file of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: Bytes,
    pub(crate) content: Bytes,
}

/// Is told how many bytes are about to be made; the error is why they may not.
pub(crate) type Charge<'a> = dyn FnMut(usize) -> Result<(), String> + 'a;

/// What a member takes beside its bytes.
pub(crate) const MEMBER_BYTES: usize = size_of::<Member>();

/// How much is read before `charge` is told of more.
const PIECE_BYTES: usize = 64 << 10;

const UNEXPECTED_END: &str = "unexpected EOF";
