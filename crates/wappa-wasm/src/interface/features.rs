//! Which WebAssembly proposals are accepted.

use wasmparser::WasmFeatures;

/// What guests may use. The engine's settings are made from this, and whatever is compiled was found valid with exactly
/// these proposals before.
///
/// `GC_TYPES` is a switch of the parser, not a proposal: without it, references to anything but functions are
/// refused; the engine, which is built with a garbage collector, is told to refuse them too.
pub const ACCEPTED_FEATURES: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    .difference(WasmFeatures::GC_TYPES);

/// The same, for components and the core modules within them.
pub const COMPONENT_FEATURES: WasmFeatures = ACCEPTED_FEATURES.union(WasmFeatures::COMPONENT_MODEL);

/// What the engine itself is made with: one proposal more, for what it composes. Its adapters between the components
/// inside of a component copy from one memory into another; a guest's own second memory stays refused.
pub(crate) const ENGINE_FEATURES: WasmFeatures = COMPONENT_FEATURES.union(WasmFeatures::MULTI_MEMORY);
