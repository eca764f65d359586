//! Which WebAssembly proposals are accepted.

use wasmparser::WasmFeatures;

/// What guests may use. The engine's settings are made from this, and whatever is compiled was found valid with exactly
/// these proposals before.
///
/// Languages of virtual machines come with garbage collection, and with the references and exceptions that belong to it.
/// `GC_TYPES` is a switch of the parser, not a proposal: with it there are references to more than functions. Whoever uses
/// none of this pays nothing for it: only an instance of a module that has such types has a heap for them.
pub const ACCEPTED_FEATURES: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::FUNCTION_REFERENCES)
    .union(WasmFeatures::GC)
    .union(WasmFeatures::GC_TYPES)
    .union(WasmFeatures::EXCEPTIONS);

/// The same, for components and the core modules within them.
pub const COMPONENT_FEATURES: WasmFeatures = ACCEPTED_FEATURES.union(WasmFeatures::COMPONENT_MODEL);

/// What the engine itself is made with: one proposal more, for what it composes. Its adapters between the components
/// inside of a component copy from one memory into another; a guest's own second memory stays refused.
pub(crate) const ENGINE_FEATURES: WasmFeatures = COMPONENT_FEATURES.union(WasmFeatures::MULTI_MEMORY);
