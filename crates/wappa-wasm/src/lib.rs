//! Placeholder.

pub mod inspect;
pub mod rewrite;
