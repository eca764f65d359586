//! The digest of a file's bytes.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// SHA-256 of the file.
pub(crate) type Digest = [u8; 32];

/// The SHA-256 of a file's bytes.
pub(crate) fn digest_of(file: &[u8]) -> Digest {
    Sha256::digest(file).into()
}

pub(crate) fn hex(digest: &Digest) -> String {
    digest.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}
