//! From the file of a module to what is compiled: text becomes binary, a core module with the types of a component
//! becomes one, a memory becomes exported; and all of it is found valid.

use std::borrow::Cow;

use crate::{
    file::footprint::Footprint,
    file::format::to_binary,
    file::rewrite::export_memory,
    file::text::one_line,
    file::wrap::{is_component, wrap},
    interface,
};

/// What is compiled of a file. An error is one line.
pub(crate) fn prepare(file: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    let binary = to_binary(file).map_err(|err| err.to_string())?;
    let wasm = match wrap(&binary) {
        Ok(Cow::Owned(component)) => Cow::Owned(component),
        Ok(Cow::Borrowed(_)) => binary,
        Err(reason) => {
            return Err(format!(
                "making a component of the module, which carries the types of one: {reason}"
            ));
        }
    };
    let wasm = match is_component(&wasm) {
        true => wasm,
        false => match export_memory(&wasm) {
            Cow::Owned(rewritten) => Cow::Owned(rewritten),
            Cow::Borrowed(_) => wasm,
        },
    };
    // First, since it costs the least.
    Footprint::of_binary(&wasm).map_err(|why| format!("the module {why}"))?;
    validate(&wasm)?;
    Ok(wasm)
}

/// Finds a module valid with what guests may use, which is less than what the engine understands.
fn validate(wasm: &[u8]) -> Result<(), String> {
    let features =
        if is_component(wasm) { interface::COMPONENT_FEATURES } else { interface::ACCEPTED_FEATURES };
    match wasmparser::Validator::new_with_features(features).validate_all(wasm) {
        Ok(_) => Ok(()),
        Err(err) => Err(format!("the module is not valid: {}", one_line(&err.to_string()))),
    }
}
