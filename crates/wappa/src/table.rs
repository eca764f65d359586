//! The table of all components: what `list` prints, what configs may name, what the reference describes.

use std::{
    any::{Any, TypeId},
    sync::LazyLock,
};

use wappa_component::Component;
use wappa_spec::{ComponentKind, Registry, Spec};
use wappa_wasm::processor::Modules;

use crate::wasm;

static TABLE: LazyLock<Vec<&'static Component>> = LazyLock::new(|| {
    let mut all: Vec<&'static Component> = wappa_pure::components();
    #[cfg(feature = "nats")]
    all.extend(wappa_nats::components());
    #[cfg(feature = "net")]
    all.extend(wappa_net::components());
    #[cfg(feature = "otlp")]
    all.extend(wappa_otlp::components());
    #[cfg(feature = "http")]
    all.extend(wappa_http_client::components());
    #[cfg(feature = "http")]
    all.extend(wappa_http_server::components());
    #[cfg(feature = "kafka")]
    all.extend(wappa_kafka::components());
    #[cfg(feature = "redis")]
    all.extend(wappa_redis::components());
    #[cfg(feature = "schema-registry")]
    all.extend(wappa_schema_registry::components());
    #[cfg(feature = "sql")]
    all.extend(wappa_sql::components());
    all.extend(wasm::components());
    all.sort_by_key(|it| (it.spec.kind, it.spec.name));
    all
});

/// All components, by kind and name.
pub fn table() -> &'static [&'static Component] {
    &TABLE
}

/// Whether a component is one of a client's or a server's, and so reaches others than this process.
pub(crate) fn reaches_servers(spec: &Spec) -> bool {
    let is_it = |it: &&Component| it.spec.kind == spec.kind && it.spec.name == spec.name;
    !wappa_pure::components().into_iter().chain(wasm::components()).any(|it| is_it(&it))
}

/// The table, as what reads configs asks for it. No module is read with it: see [`with_modules`].
pub(crate) fn registry() -> Table {
    with_modules(Modules::default())
}

/// The same, for lints that read modules.
pub(crate) fn with_modules(modules: Modules) -> Table {
    Table { components: table(), modules }
}

/// A registry over a table.
pub(crate) struct Table {
    components: &'static [&'static Component],
    modules: Modules,
}

impl Registry for Table {
    fn spec(&self, kind: ComponentKind, name: &str) -> Option<&Spec> {
        self.components.iter().map(|it| &it.spec).find(|it| it.kind == kind && it.name == name)
    }

    fn names(&self, kind: ComponentKind) -> Vec<&str> {
        self.components.iter().filter(|it| it.spec.kind == kind).map(|it| it.spec.name).collect()
    }

    fn service(&self, type_id: TypeId) -> Option<&(dyn Any + Send + Sync)> {
        (type_id == TypeId::of::<Modules>()).then_some(&self.modules as _)
    }
}
