//! Which components of a config would do something outside of the process when messages come to them.

use wappa_spec::{ComponentKind, ComponentNode, Node, Registry, StreamConfig, Type, printable};

use crate::table;

/// Processors, and the caches and rate limits that they may ask, that reach servers, programs or files, each with its place.
/// Outputs themselves are not among them, nor is the input.
pub(super) fn effects(config: &StreamConfig, registry: &dyn Registry) -> Vec<String> {
    let mut walk = Walk { registry, found: Vec::new() };
    let resources = &config.resources;
    walk.each(&config.input.processors, "input.processors");
    walk.each(&config.pipeline.processors, "pipeline.processors");
    walk.component(&config.output, "output");
    walk.each(&resources.processors, "processor_resources");
    walk.each(&resources.outputs, "output_resources");
    walk.each(&resources.caches, "cache_resources");
    walk.each(&resources.rate_limits, "rate_limit_resources");
    walk.found
}

struct Walk<'a> {
    registry: &'a dyn Registry,
    found: Vec<String>,
}

impl Walk<'_> {
    fn each(&mut self, components: &[ComponentNode], path: &str) {
        for (idx, component) in components.iter().enumerate() {
            self.component(component, &format!("{path}.{idx}"));
        }
    }

    fn component(&mut self, component: &ComponentNode, path: &str) {
        let Some(spec) = self.registry.spec(component.kind, &component.name).copied() else { return };
        let acts = matches!(
            component.kind,
            ComponentKind::Processor | ComponentKind::Cache | ComponentKind::RateLimit
        );
        if acts && (spec.reaches_machine || table::reaches_servers(&spec) || writes_files(component)) {
            let label = match component.label.as_str() {
                "" => String::new(),
                label => format!(", `{}`", printable(label)),
            };
            self.found.push(format!("{} ({}{label})", printable(path), component.name));
        }
        self.typed(&component.body, spec.body, &format!("{path}.{}", component.name));
        self.each(&component.processors, &format!("{path}.processors"));
    }

    fn typed(&mut self, node: &Node, ty: Type, path: &str) {
        match ty {
            Type::Component(kind) => {
                if let Some(component) = ComponentNode::read_again(kind, node, self.registry) {
                    self.component(&component, path);
                }
            }
            Type::Array(item) => {
                for (idx, node) in node.as_seq().into_iter().flatten().enumerate() {
                    self.typed(node, *item, &format!("{path}.{idx}"));
                }
            }
            Type::Map(item) => {
                for (key, value) in node.as_map().into_iter().flatten() {
                    self.typed(value, *item, &format!("{path}.{}", key.as_key()));
                }
            }
            Type::Object(fields) => {
                for field in fields {
                    if let Some(value) = node.get(field.name) {
                        self.typed(value, field.ty, &format!("{path}.{}", field.name));
                    }
                }
            }
            _ => (),
        }
    }
}

/// Whether it is a guest that may change files.
fn writes_files(component: &ComponentNode) -> bool {
    let mounts = component.body.get("mounts").and_then(Node::as_seq).unwrap_or_default();
    component.name == "wasm"
        && mounts.iter().any(|it| it.get("writable").and_then(Node::as_bool).unwrap_or(false))
}
