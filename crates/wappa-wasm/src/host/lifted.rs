//! Messages and values as a component sends them.

use std::borrow::Cow;

use wasmtime::{
    StoreContext,
    component::{ComponentType, Lift, Lower, WasmList, WasmStr},
};

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

/// A metadata value that still lies in the guest's memory.
#[derive(ComponentType, Lift)]
#[component(variant)]
pub(crate) enum WitText {
    #[component(name = "text")]
    Text(WasmStr),
    #[component(name = "bytes")]
    Bytes(WasmList<u8>),
    #[component(name = "json")]
    Json(WasmStr),
}

impl WitText {
    /// What lies there.
    pub(crate) fn bytes<'a, T: 'static>(
        &self,
        store: StoreContext<'a, T>,
    ) -> wasmtime::Result<Cow<'a, [u8]>> {
        let text = match self {
            WitText::Bytes(bytes) => return Ok(Cow::Borrowed(bytes.as_le_slice(store))),
            WitText::Text(text) | WitText::Json(text) => text.to_str(store)?,
        };
        Ok(match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        })
    }
}

/// A message that a guest sends in the place of another.
#[derive(Debug, ComponentType, Lift)]
#[component(record)]
pub(crate) struct WitMessage {
    pub(crate) content: Vec<u8>,
    pub(crate) metadata: Vec<(String, WitValue)>,
}
