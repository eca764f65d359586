//! WASI 0.2 for components, with the same grants as preview 1: what wasmtime-wasi provides.

use wasmtime::component::Linker;

use crate::host::Host;

/// Provides the interfaces.
pub(crate) fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_sync(linker)
}
