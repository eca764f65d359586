//! The table of all components: what `list` prints, what configs may name, what the reference describes.

use std::sync::LazyLock;

use wappa_component::Component;
use wappa_spec::{ComponentKind, Registry, Spec};

use crate::wasm;

static TABLE: LazyLock<Vec<&'static Component>> = LazyLock::new(|| {
    let mut all: Vec<&'static Component> = wappa_pure::components();
    #[cfg(feature = "net")]
    all.extend(wappa_net::components());
    all.extend(wasm::components());
    all.sort_by_key(|it| (it.spec.kind, it.spec.name));
    all
});

/// All components, by kind and name.
pub fn table() -> &'static [&'static Component] {
    &TABLE
}

/// The table, as what reads configs asks for it.
pub(crate) fn registry() -> Table {
    Table(table())
}

/// A registry over a table.
pub(crate) struct Table(&'static [&'static Component]);

impl Registry for Table {
    fn spec(&self, kind: ComponentKind, name: &str) -> Option<&Spec> {
        self.0.iter().map(|it| &it.spec).find(|it| it.kind == kind && it.name == name)
    }

    fn names(&self, kind: ComponentKind) -> Vec<&str> {
        self.0.iter().filter(|it| it.spec.kind == kind).map(|it| it.spec.name).collect()
    }
}
