//! Looking into a guest without compiling it: what it is, what it needs, what it offers, and what is wrong.
//!
//! `wappa lint`, `wappa inspect` and the engine all ask here, so that a mistake is told once, in one voice, and
//! before anything is compiled.
//! Everything is checked against the parser alone, never against the engine: what a person reads must not depend
//! on how instances happen to be allocated.

mod broken;
mod component;
mod core_module;
mod features;
mod fit;
mod imports;
mod json;
mod origin;
mod problems;
mod report;
mod types;
mod verdict;
mod wit;
mod world;

pub use crate::file::format::{NotAModule, to_binary};
pub use crate::interface::{
    ACCEPTED_FEATURES, COMPONENT_FEATURES, Signature, V0_MODULES, V1_MODULE, ValueType, WASI_MODULE,
    WORLD_PACKAGE, WORLD_VERSION, provided_functions,
};
pub use component::{Component, Extern, Function, Item as ComponentItem};
pub use features::Proposal;
pub(crate) use problems::TABLE_ELEMENTS_MAX;
pub use problems::{Limits, Problem, Severity};
pub use types::{Export, Import, Item, Memory, Producer, Table};
pub use verdict::{Findings, Refusal, Verdict};

use std::borrow::Cow;

use sha2::{Digest, Sha256};
use wasmparser::{BinaryReaderError, Parser, ValidPayload, Validator, WasmFeatures, types::Types};

use crate::{
    file::{
        footprint::Footprint,
        format,
        text::safe,
        wrap::{is_component, wrap},
    },
    interface,
};

/// What a guest is, as far as one can tell without running it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Whether the file is WebAssembly text.
    pub is_text: bool,
    /// Size of the file.
    pub size: u64,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// The name that the guest gives itself in its name section.
    pub name: Option<String>,
    /// What a core module imports; empty for a component.
    pub imports: Vec<Import>,
    /// What a core module exports; empty for a component.
    pub exports: Vec<Export>,
    /// The memories of a core module, or those that the core modules inside of a component bring.
    pub memories: Vec<Memory>,
    /// Likewise.
    pub tables: Vec<Table>,
    /// Functions that are defined, and the size of their code; for a component those of all core modules inside.
    pub functions: u32,
    pub code_bytes: u64,
    /// Whether a function runs as the module is instantiated, before any export can be called.
    pub has_start_section: bool,
    /// Custom sections by name, in the file's order, and how large all of a name are together.
    pub custom_sections: Vec<(String, u64)>,
    pub producers: Vec<Producer>,
    /// Proposals that the guest needs and the engine refuses.
    pub refused: Vec<Proposal>,
    /// What an instance costs the host beside its memories and tables; or why none can be made, as in "makes more than
    /// 200 core instances".
    pub footprint: Result<Footprint, String>,
    /// What a component imports and exports; none for a core module.
    pub component: Option<Component>,
    /// Why a core module that carries the types of a component cannot be made one.
    pub not_wrapped: Option<String>,
}

/// Which guest interface a guest is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// Guest interface v0: imports from `bento_wasm` or `benthos_wasm`, or nothing but WASI.
    V0,
    /// Guest interface v1: imports from `wappa`, maybe from v0 too.
    V1,
    /// A component of the world `wappa:processor/processor`.
    Component,
}

impl Inspection {
    /// Looks into the content of a file, binary or text.
    ///
    /// A guest that is valid but for proposals which the engine refuses is inspected too: the proposals are problems
    /// of the guest, told together with its other ones. A core module that carries the types of a component is
    /// inspected as the component that it is wrapped as when it is loaded.
    pub fn of(file: &[u8]) -> Result<Inspection, NotAModule> {
        Inspection::of_digest(file, Sha256::digest(file).into(), false)
    }

    /// As [`Inspection::of`], of a file whose SHA-256 is known. One that is known to be valid is looked into without
    /// validating the bodies of its functions again, which is most of the work.
    pub(crate) fn of_digest(file: &[u8], sha256: [u8; 32], is_known: bool) -> Result<Inspection, NotAModule> {
        let wasm = to_binary(file)?;
        let mut inspection = Inspection {
            is_text: format::is_text(file),
            size: file.len() as u64,
            sha256,
            name: None,
            imports: Vec::new(),
            exports: Vec::new(),
            memories: Vec::new(),
            tables: Vec::new(),
            functions: 0,
            code_bytes: 0,
            has_start_section: false,
            custom_sections: Vec::new(),
            producers: Vec::new(),
            refused: Vec::new(),
            footprint: Ok(Footprint::default()),
            component: None,
            not_wrapped: None,
        };
        match wrap(&wasm) {
            Ok(Cow::Borrowed(wasm)) => inspection.read(wasm, false, is_known)?,
            Ok(Cow::Owned(component)) => inspection.read(&component, true, is_known)?,
            Err(reason) => {
                inspection.read(&wasm, false, is_known)?;
                inspection.not_wrapped = Some(safe(&reason, 300));
            }
        }
        Ok(inspection)
    }

    /// Which guest interface the guest is written for.
    pub fn tier(&self) -> Tier {
        let is_hook = |it: &Export| interface::HOOKS.iter().any(|(name, _)| it.name == *name);
        if self.component.is_some() || self.not_wrapped.is_some() {
            Tier::Component
        } else if self.imports.iter().any(|it| it.module == V1_MODULE) || self.exports.iter().any(is_hook) {
            Tier::V1
        } else {
            Tier::V0
        }
    }

    /// SHA-256 of the file, in hexadecimal digits.
    pub fn sha256_text(&self) -> String {
        self.sha256.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The oldest Wappa that has every function of guest interface v1 that the guest imports.
    pub fn since(&self) -> &'static str {
        let v1 = self.imports.iter().filter(|it| it.module == V1_MODULE);
        let since = v1.filter_map(|it| interface::since(&it.name));
        let numbers = |version: &str| version.split('.').map(|it| it.parse::<u64>().ok()).collect::<Vec<_>>();
        since.max_by_key(|it| numbers(it)).unwrap_or(interface::V1_SINCE)
    }

    /// The type of an exported function of a core module; none when there is no such export, or it is something
    /// else.
    pub fn exported_function(&self, name: &str) -> Option<&Signature> {
        self.export(name)?.item.as_function()
    }

    fn export(&self, name: &str) -> Option<&Export> {
        self.exports.iter().find(|it| it.name == name)
    }

    fn read(&mut self, wasm: &[u8], is_wrapped: bool, is_known: bool) -> Result<(), NotAModule> {
        self.footprint = Footprint::of_binary(wasm);
        let types = self.validate(wasm, is_known)?;
        let read = if is_component(wasm) {
            self.read_component(wasm, types.as_ref(), is_wrapped)
        } else {
            self.read_core(wasm, types.as_ref())
        };
        read.map_err(|err| broken::invalid(wasm, &err))
    }

    /// Validates once; only what is refused is looked at again, for the reason.
    fn validate(&mut self, wasm: &[u8], is_known: bool) -> Result<Types, NotAModule> {
        let accepted = if is_component(wasm) { COMPONENT_FEATURES } else { ACCEPTED_FEATURES };
        let mut validator = Validator::new_with_features(accepted);
        let validated = match is_known {
            true => validate_without_bodies(&mut validator, wasm),
            false => validator.validate_all(wasm),
        };
        let refusal = match validated {
            Ok(types) => return Ok(types),
            Err(refusal) => refusal,
        };
        let Ok(types) = Validator::new_with_features(WasmFeatures::all()).validate_all(wasm) else {
            return Err(broken::invalid(wasm, &refusal));
        };
        self.refused = features::needed(wasm, accepted);
        if self.refused.is_empty() { Err(broken::invalid(wasm, &refusal)) } else { Ok(types) }
    }
}

/// The types of a valid module, without a look at the bodies of its functions.
fn validate_without_bodies(validator: &mut Validator, wasm: &[u8]) -> Result<Types, BinaryReaderError> {
    let mut types = None;
    for payload in Parser::new(0).parse_all(wasm) {
        // Those that are nested in a component end before it does.
        if let ValidPayload::End(it) = validator.payload(&payload?)? {
            types = Some(it);
        }
    }
    Ok(types.expect("what is parsed to its end has one"))
}

#[cfg(test)]
mod tests;
