//! Places in a config: JSON pointers, what stands at them, what is put there, and where labels are.

use std::collections::BTreeMap;

use crate::component::{is_reserved, spec_of};
use crate::root::StreamConfig;
use crate::set;
use crate::spec::{ComponentKind, Field, Registry, Type};
use crate::yaml::{Kind, Node};

/// No tree is deeper, also with what was put into it: whoever recurses over one relies on it.
const DEPTH_MAX: usize = 100;

/// A place in a config, as names of fields and indices of lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pointer(pub Vec<String>);

impl Pointer {
    /// Reads a JSON pointer, `/pipeline/processors/0`.
    pub fn parse(text: &str) -> Result<Pointer, String> {
        let rest = text.strip_prefix('/').ok_or("a JSON pointer begins with `/`")?;
        let segments: Vec<String> =
            rest.split('/').map(|it| it.replace("~1", "/").replace("~0", "~")).collect();
        match segments.len() <= set::PATH_MAX {
            true => Ok(Pointer(segments)),
            false => Err(format!("the path has more than {} segments", set::PATH_MAX)),
        }
    }

    /// What stands there; the texts of errors are Bento's.
    pub fn find<'n>(&self, root: &'n Node) -> Result<&'n Node, String> {
        let mut node = root;
        for (idx, segment) in self.0.iter().enumerate() {
            let found = match node.as_seq() {
                Some(items) => item(items, segment),
                None => node.get(segment).ok_or_else(|| "key not found in mapping".to_string()),
            };
            node = found.map_err(|err| format!("{}: {err}", self.0[..=idx].join(".")))?;
        }
        Ok(node)
    }
}

fn item<'n>(items: &'n [Node], segment: &str) -> Result<&'n Node, String> {
    let idx: usize = segment.parse().map_err(|_| "failed to parse path segment as array index")?;
    items.get(idx).ok_or_else(|| "target index greater than array length".to_string())
}

/// Where each label of a config is defined.
pub fn labelled(root: &Node, registry: &dyn Registry) -> BTreeMap<String, Pointer> {
    let mut labels = Labelled { registry, path: Vec::new(), found: BTreeMap::new() };
    labels.object(root, StreamConfig::FIELDS);
    labels.found
}

/// A walk over a config.
struct Labelled<'r> {
    registry: &'r dyn Registry,
    path: Vec<String>,
    found: BTreeMap<String, Pointer>,
}

impl Labelled<'_> {
    fn object(&mut self, node: &Node, fields: &[Field]) {
        for (key, value) in node.as_map().into_iter().flatten() {
            if let Some(field) = fields.iter().find(|it| it.name == key.as_key()) {
                self.below(field.name, value, field.ty);
            }
        }
    }

    fn below(&mut self, name: &str, node: &Node, ty: Type) {
        self.path.push(name.to_string());
        self.typed(node, ty);
        self.path.pop();
    }

    fn typed(&mut self, node: &Node, ty: Type) {
        match ty {
            Type::Array(item) => {
                for (idx, node) in node.as_seq().into_iter().flatten().enumerate() {
                    self.below(&idx.to_string(), node, *item);
                }
            }
            Type::Map(item) => {
                for (key, value) in node.as_map().into_iter().flatten() {
                    self.below(key.as_key(), value, *item);
                }
            }
            Type::Object(fields) => self.object(node, fields),
            Type::Component(kind) => self.component(node, kind),
            _ => (),
        }
    }

    fn component(&mut self, node: &Node, kind: ComponentKind) {
        let label = node.get("label").and_then(Node::as_str).filter(|it| !it.is_empty() && kind.has_label());
        if let Some(label) = label {
            self.found.insert(label.to_string(), Pointer(self.path.clone()));
        }
        let body = spec_of(kind, node, self.registry);
        for (key, value) in node.as_map().into_iter().flatten() {
            match key.as_key() {
                "processors" if is_reserved(kind, "processors") => {
                    self.below("processors", value, Type::Array(&Type::Component(ComponentKind::Processor)));
                }
                name => {
                    if let Some(spec) = body.filter(|it| it.name == name) {
                        self.below(name, value, spec.body);
                    }
                }
            }
        }
    }
}

/// Puts a component in the place of another, whose label it takes unless it has its own.
pub fn mock(root: &mut Node, at: &Pointer, mock: &Node, registry: &dyn Registry) -> Result<(), String> {
    let mut mock = mock.clone();
    let label = at.find(root).ok().and_then(|it| it.get("label")).cloned();
    if let (Some(label), Kind::Map(pairs)) = (label, &mut mock.kind)
        && !pairs.iter().any(|(key, _)| key.as_key() == "label")
    {
        pairs.push((Node::plain(label.pos, "label"), label));
    }
    set::put(root, &at.0, mock, registry)?;
    match depth(root) <= DEPTH_MAX {
        true => Ok(()),
        false => Err(format!("nested more than {DEPTH_MAX} levels deep")),
    }
}

fn depth(node: &Node) -> usize {
    let below = match &node.kind {
        Kind::Null | Kind::Scalar { .. } => return 0,
        Kind::Seq(items) => items.iter().map(depth).max(),
        Kind::Map(pairs) => pairs.iter().map(|(_, value)| depth(value)).max(),
    };
    1 + below.unwrap_or(0)
}
