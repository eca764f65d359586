//! The guest interfaces: each translates to the verbs of [`crate::host::work`].

pub(crate) mod component;
pub(crate) mod v0;
pub(crate) mod v1;
