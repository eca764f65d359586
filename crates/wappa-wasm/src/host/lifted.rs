//! Messages and values as a component sends them.

use wasmtime::component::{ComponentType, Lift, Lower};

/// A metadata value as the world writes it.
#[derive(Clone, Debug, ComponentType, Lift, Lower)]
#[component(variant)]
pub(crate) enum WitValue {
    #[component(name = "text")]
    Text(String),
    #[component(name = "bytes")]
    Bytes(Vec<u8>),
    #[component(name = "json")]
    Json(String),
}

/// A message that a guest sends in the place of another.
#[derive(Debug, ComponentType, Lift)]
#[component(record)]
pub(crate) struct WitMessage {
    pub(crate) content: Vec<u8>,
    pub(crate) metadata: Vec<(String, WitValue)>,
}
