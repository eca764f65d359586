//! All functions.

mod caches;
mod fake;
mod general;
mod ids;
mod message;
mod random;
mod tracing;
mod vectors;
mod world;

use crate::registry::{Function, args::Args};

/// The functions of each file.
pub(crate) const TABLE: &[&[Function]] = &[
    general::FUNCTIONS,
    message::FUNCTIONS,
    random::FUNCTIONS,
    world::FUNCTIONS,
    fake::FUNCTIONS,
    ids::FUNCTIONS,
    tracing::FUNCTIONS,
    vectors::FUNCTIONS,
    caches::FUNCTIONS,
];

/// What Bento has, and Wappa does not have yet.
pub(crate) const MISSING: &[&str] = &[];

/// What errors call a call, where that is not the name of the function.
pub(crate) fn annotation(function: &Function, args: &Args) -> Option<String> {
    let what = match function.name {
        "json" => {
            let path = args.fixed_text(0)?;
            return Some(format!("json path `{path}`"));
        }
        "metadata" => "metadata",
        "meta" => "meta",
        "root_meta" => "root_meta",
        _ => return None,
    };
    let key = args.fixed_text(0)?;
    Some(if key.is_empty() { format!("{what} object") } else { format!("{what} field {key}") })
}
