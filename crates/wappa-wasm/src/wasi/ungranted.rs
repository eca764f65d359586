//! What toolchains import whether or not a guest uses it, and no grant of the config gives: HTTP.
//!
//! A component with such imports starts. What it calls of them ends the call, with a reason that says what there is
//! instead. The types are the component's own, so every version of the package will do.

use wasmtime::component::{
    Component, Linker, ResourceType,
    types::{ComponentInstance, ComponentItem},
};

use crate::{host::Host, host::functions::Interface, interface::is_ungranted};

/// Stands for every resource of these interfaces; there never is one.
struct Nothing;

/// A linker with everything of the kind that the component imports; none where it imports nothing of it.
pub(crate) fn linker_for(
    linker: &Linker<Host>,
    component: &Component,
    engine: &wasmtime::Engine,
) -> wasmtime::Result<Option<Linker<Host>>> {
    let ty = component.component_type();
    if !ty.imports(engine).any(|(name, _)| is_ungranted(name)) {
        return Ok(None);
    }
    let mut linker = linker.clone();
    // A resource that an interface has from another one is not defined again.
    let mut seen: Vec<ResourceType> = Vec::new();
    for (name, it) in ty.imports(engine) {
        let ComponentItem::ComponentInstance(instance) = it.ty else { continue };
        if is_ungranted(name) {
            refuse(&mut linker, name, &instance, engine, &seen)?;
        }
        seen.extend(instance.exports(engine).filter_map(|(_, it)| match it.ty {
            ComponentItem::Resource(ty) => Some(ty),
            _ => None,
        }));
    }
    Ok(Some(linker))
}

/// Provides an interface whose functions refuse.
fn refuse(
    linker: &mut Linker<Host>,
    name: &str,
    instance: &ComponentInstance,
    engine: &wasmtime::Engine,
    seen: &[ResourceType],
) -> wasmtime::Result<()> {
    let mut interface = Interface::new(linker, name)?;
    let why = |export: &str| {
        // `[method]fields.get` is how binaries name what people call `fields.get`.
        let function = export.rsplit(']').next().unwrap_or(export);
        format!(
            "`{function}` of `{name}` was called: a guest has no network, and no field of the processor grants it one; \
             make requests with the processor `http`, or with inputs and outputs"
        )
    };
    for (export, it) in instance.exports(engine) {
        match it.ty {
            ComponentItem::ComponentFunc(_) => interface.add_refusal(export, why(export))?,
            ComponentItem::Resource(ty) if !seen.contains(&ty) => {
                interface.add_resource::<Nothing>(export, |_| Ok(()))?
            }
            _ => {}
        }
    }
    Ok(())
}
