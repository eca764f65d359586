//! Who reads the modules that a lint looks into, and which ones need not be read again: those whose code is kept.

use std::sync::{Arc, OnceLock};

use crate::{
    ChildCompiler, CodeCache,
    inspect::{Limits, Verdict},
};

/// A lint has no services, so these are the process's. Unset, every lint validates everything.
static KEPT: OnceLock<Arc<CodeCache>> = OnceLock::new();

/// Unset, lints read modules in this process, without a bound.
static READER: OnceLock<ChildCompiler> = OnceLock::new();

/// From now on lints of this process take what this cache holds for valid, since only code of valid modules is kept.
/// For a start that must be fast; whoever asks for lints wants all of them. Only the first cache counts.
pub fn trust(cache: Arc<CodeCache>) {
    let _ = KEPT.set(cache);
}

/// From now on lints of this process have modules read by this one, within its budget. Only the first one counts.
pub fn read_with(reader: ChildCompiler) {
    let _ = READER.set(reader);
}

/// What is found in a module. The error is one line.
pub(super) fn look_into(file: &[u8], function: &str, limits: &Limits) -> Result<Verdict, String> {
    let is_valid = |sha256: &[u8; 32]| KEPT.get().is_some_and(|it| it.holds(sha256));
    match READER.get() {
        // What is known was read and compiled within its bounds before.
        Some(reader) if !is_valid(&crate::module::digest_of(file)) => reader.inspect(file, function, limits),
        _ => Ok(Verdict::of_known(file, function, limits, is_valid)),
    }
}
