//! Makes a component of a core module that carries the types of one.
//!
//! Toolchains of languages without a component target stop there: `wit-bindgen` puts the types into a custom section,
//! and somebody has to wrap the module. Guests need no tool for that, because the host does it on load.

mod check;

use std::{
    borrow::Cow,
    panic::{AssertUnwindSafe, catch_unwind},
};

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

use crate::{file::text::one_line, interface::WASI_MODULE};

/// What the names of custom sections with the types of a component begin with.
pub(crate) const TYPE_SECTION_PREFIX: &str = "component-type";

/// Whether a binary is a component, by its header.
pub(crate) fn is_component(wasm: &[u8]) -> bool {
    wasm.get(4..8) == Some(&[0x0d, 0, 1, 0])
}

/// The component that a core module is the inside of; the binary itself where it is something else. An error is one
/// line.
pub(crate) fn wrap(wasm: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    if is_component(wasm) {
        return Ok(Cow::Borrowed(wasm));
    }
    let (mut has_types, mut imports_wasi) = (false, false);
    let mut packages = check::Packages::default();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload {
            Ok(Payload::CustomSection(section)) if section.name().starts_with(TYPE_SECTION_PREFIX) => {
                has_types = true;
                guarded(|| packages.add(section.data()))?;
            }
            Ok(Payload::ImportSection(section)) => {
                imports_wasi |= section.into_imports().flatten().any(|it| it.module == WASI_MODULE);
            }
            Ok(_) => {}
            // Validation will say it better.
            Err(_) => return Ok(Cow::Borrowed(wasm)),
        }
    }
    if !has_types {
        return Ok(Cow::Borrowed(wasm));
    }
    packages.check()?;
    let encode = || {
        let mut encoder = ComponentEncoder::default().module(wasm)?;
        if imports_wasi {
            encoder = encoder
                .adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)?;
        }
        encoder.validate(false).encode()
    };
    guarded(|| encode().map(Cow::Owned).map_err(|err| one_line(&format!("{err:#}"))))
}

/// The library for it is made for what compilers make, and may panic at what somebody made up.
fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("its types are broken".to_owned()))
}
