//! Which modules a lint need not validate: those whose code is kept.

use std::sync::{Arc, OnceLock};

use crate::CodeCache;

/// A lint has no services, so this is the process's. Unset, every lint validates everything.
static KEPT: OnceLock<Arc<CodeCache>> = OnceLock::new();

/// From now on lints of this process take what this cache holds for valid, since only code of valid modules is kept.
/// For a start that must be fast; whoever asks for lints wants all of them. Only the first cache counts.
pub fn trust(cache: Arc<CodeCache>) {
    let _ = KEPT.set(cache);
}

/// Whether the file with this digest is known to be valid.
pub(super) fn is_valid(sha256: &[u8; 32]) -> bool {
    KEPT.get().is_some_and(|it| it.holds(sha256))
}
