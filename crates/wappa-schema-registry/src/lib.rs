//! Schema registries: the processors that read and write messages whose schemas are kept by a service.
//!
//! A message begins with the number of its schema (`wire.rs`), which is fetched once (`registry.rs`), made ready on a thread
//! beside those of the pipeline (`loader.rs`), and kept as long as it is used (`cache.rs`). Schemas, messages and the registry
//! are not trusted: each has its bounds where it is read.

mod avro;
mod cache;
mod codec;
mod decode;
mod encode;
mod json;
mod loader;
mod protobuf;
mod registry;
mod wire;
mod work;

use wappa_component::Component;

/// All components of this crate, for the program's table.
pub fn components() -> Vec<&'static Component> {
    vec![&decode::COMPONENT, &encode::COMPONENT]
}
