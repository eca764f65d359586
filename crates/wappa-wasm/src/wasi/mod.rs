//! WASI: what a guest sees of the world.

pub(crate) mod preview1;
pub(crate) mod preview2;
pub(crate) mod ungranted;
