//! What the bytes of a module's file say, and what is made of them before anything is compiled.

pub(crate) mod digest;
pub(crate) mod footprint;
pub(crate) mod format;
pub(crate) mod prepare;
pub mod rewrite;
pub(crate) mod text;
pub(crate) mod wrap;
