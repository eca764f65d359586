//! Which WebAssembly proposals the engine accepts, and which a module needs beyond them.

use wasmparser::{
    BinaryReaderError, FuncToValidate, FunctionBody, Parser, ValidPayload, Validator, ValidatorResources,
    WasmFeatures,
};

use super::Inspection;

/// A WebAssembly proposal that the engine does not accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proposal {
    /// As the proposal is called by compilers and in the specification.
    pub name: &'static str,
    /// How to build a module without it.
    pub hint: &'static str,
    feature: WasmFeatures,
}

const fn proposal(name: &'static str, feature: WasmFeatures, hint: &'static str) -> Proposal {
    Proposal { name, hint, feature }
}

impl Inspection {
    /// Whether it was an optimizer that made use of the proposal: compilers do not, for languages that keep their objects in
    /// a memory.
    pub(super) fn is_of_optimizer(&self, proposal: &Proposal) -> bool {
        let of_it = WasmFeatures::CUSTOM_DESCRIPTORS.union(WasmFeatures::COMPACT_IMPORTS);
        let has_memory = self.memories.iter().any(|it| !it.is_imported);
        self.component.is_none() && has_memory && of_it.contains(proposal.feature)
    }
}

/// Everything that the parser knows and the engine refuses, the likely ones first.
const REFUSED: [Proposal; 20] = [
    proposal(
        "threads",
        WasmFeatures::THREADS,
        "build without shared memory and atomics (no `-pthread`, no `+atomics`); a stream runs one instance a thread",
    ),
    proposal("memory64", WasmFeatures::MEMORY64, "build for a 32-bit target, `wasm32-…`"),
    proposal("multi-memory", WasmFeatures::MULTI_MEMORY, "build with one memory"),
    proposal(
        "exception-handling (first version)",
        WasmFeatures::LEGACY_EXCEPTIONS,
        "build with exceptions as they were standardized (`-mllvm -wasm-use-legacy-eh=false`), or without them \
         (`-fno-exceptions`, `panic = \"abort\"`)",
    ),
    proposal(
        "relaxed-simd",
        WasmFeatures::RELAXED_SIMD,
        "build without `+relaxed-simd`: its results differ from machine to machine",
    ),
    proposal("custom-page-sizes", WasmFeatures::CUSTOM_PAGE_SIZES, "build with pages of 64 KiB"),
    proposal("wide-arithmetic", WasmFeatures::WIDE_ARITHMETIC, "build without `+wide-arithmetic`"),
    proposal("stack-switching", WasmFeatures::STACK_SWITCHING, "build without this feature"),
    proposal(
        "shared-everything-threads",
        WasmFeatures::SHARED_EVERYTHING_THREADS,
        "build without this feature",
    ),
    proposal("memory-control", WasmFeatures::MEMORY_CONTROL, "build without this feature"),
    proposal("custom descriptors", WasmFeatures::CUSTOM_DESCRIPTORS, "build without this feature"),
    proposal(
        "component-model async",
        WasmFeatures::CM_ASYNC,
        "build without asynchronous functions, streams and futures (componentize-qjs: with `--sync`)",
    ),
    proposal(
        "component-model async (stackful)",
        WasmFeatures::CM_ASYNC_STACKFUL,
        "build without asynchronous functions",
    ),
    proposal(
        "component-model async (more built-ins)",
        WasmFeatures::CM_MORE_ASYNC_BUILTINS,
        "build without asynchronous functions",
    ),
    proposal("component-model threads", WasmFeatures::CM_THREADING, "build without threads"),
    proposal("component-model error-context", WasmFeatures::CM_ERROR_CONTEXT, "build without this feature"),
    proposal("component-model maps", WasmFeatures::CM_MAP, "use a list of pairs"),
    proposal("component-model 64-bit memories", WasmFeatures::CM64, "build for a 32-bit target, `wasm32-…`"),
    proposal(
        "component-model fixed-length lists",
        WasmFeatures::CM_FIXED_LENGTH_LISTS,
        "use a list or a tuple",
    ),
    proposal("compact import section", WasmFeatures::COMPACT_IMPORTS, "build without this feature"),
];

/// The proposals that an invalid module would need to be valid; empty when no proposal makes it so.
///
/// All of the module is looked at twice, and every proposal is tried on its declarations and on the few functions that
/// need one, so that a large module costs little more than a small one.
pub(super) fn needed(wasm: &[u8], accepted: WasmFeatures) -> Vec<Proposal> {
    let Ok(functions) = declared(wasm, WasmFeatures::all()) else { return Vec::new() };
    let mut needed = needed_by(|features| declared(wasm, features).is_ok());
    for (function, body) in functions {
        let known = needed.iter().fold(accepted, |features, it| features.union(it.feature));
        let is_valid = |features| {
            let FuncToValidate { resources, index, ty, .. } = &function;
            let function = FuncToValidate { resources: resources.clone(), index: *index, ty: *ty, features };
            function.into_validator(Default::default()).validate(&body).is_ok()
        };
        if is_valid(known) {
            continue;
        }
        if !is_valid(WasmFeatures::all()) {
            return Vec::new();
        }
        needed.extend(needed_by(is_valid));
    }
    // In the order of the list, each once.
    REFUSED.iter().filter(|it| needed.iter().any(|other| other.feature == it.feature)).copied().collect()
}

/// Validates everything but the bodies of functions, which come back.
fn declared(
    wasm: &[u8],
    features: WasmFeatures,
) -> Result<Vec<(FuncToValidate<ValidatorResources>, FunctionBody<'_>)>, BinaryReaderError> {
    let mut validator = Validator::new_with_features(features);
    let mut parser = Parser::new(0);
    parser.set_features(features);
    let mut functions = Vec::new();
    for payload in parser.parse_all(wasm) {
        if let ValidPayload::Func(function, body) = validator.payload(&payload?)? {
            functions.push((function, body));
        }
    }
    Ok(functions)
}

/// One that can be taken away is not needed; taking them away for good also settles the ones that come only together, of
/// which the last one stands for all.
fn needed_by(is_valid: impl Fn(WasmFeatures) -> bool) -> Vec<Proposal> {
    let mut kept = WasmFeatures::all();
    let mut needed = Vec::new();
    for proposal in REFUSED.iter().rev() {
        let without = kept.difference(proposal.feature);
        if is_valid(without) {
            kept = without;
        } else {
            needed.push(*proposal);
        }
    }
    needed
}

/// A parser that understands every proposal, for looking into modules that use refused ones.
pub(super) fn parser() -> Parser {
    let mut parser = Parser::new(0);
    parser.set_features(WasmFeatures::all());
    parser
}
