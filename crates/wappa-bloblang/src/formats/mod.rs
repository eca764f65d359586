//! Notations that texts are in: how they are read and written, without any method.

pub(crate) mod aes;
pub(crate) mod compression;
pub mod csv;
pub(crate) mod html;
pub(crate) mod keys;
pub(crate) mod mmdb;
pub(crate) mod msgpack;
pub(crate) mod url;
pub(crate) mod xml;
pub(crate) mod yaml;
