//! Overrides of single fields: `--set path=value`, and whatever else puts a value at a path.
//!
//! A path is checked against the fields of the root and of the components on its way, as in Bento; objects on the way
//! are made, lists take an index or `-` for one more item.

use crate::builtin;
use crate::component::is_reserved;
use crate::root::StreamConfig;
use crate::spec::{ComponentKind, Field, Registry, Type};
use crate::yaml::{Kind, Node, Pos};

/// The longest path; the deepest sensible config needs a fraction of it.
pub(crate) const PATH_MAX: usize = 50;

/// Applies one `path=value` to the root of a config; the error is Bento's text.
pub(crate) fn apply(root: &mut Node, expression: &str, registry: &dyn Registry) -> Result<(), String> {
    let (path, value) = expression
        .split_once('=')
        .filter(|(path, value)| !path.is_empty() && !value.is_empty())
        .ok_or_else(|| format!("invalid set expression '{expression}': expected foo=bar syntax"))?;
    let path: Vec<String> = path.split('.').map(|it| it.replace("~1", ".").replace("~0", "~")).collect();
    // The tree must stay as shallow as one that was parsed, for whoever recurses over it.
    if path.len() > PATH_MAX {
        return Err(format!(
            "failed to set config field override: the path has more than {PATH_MAX} segments"
        ));
    }
    put(root, &path, scalar(value), registry)
        .map_err(|err| format!("failed to set config field override: {err}"))
}

/// Puts a value at a path of a root.
pub(crate) fn put(
    root: &mut Node,
    path: &[String],
    value: Node,
    registry: &dyn Registry,
) -> Result<(), String> {
    Setter { registry, value }.object(root, StreamConfig::FIELDS, path)
}

/// The value as Bento takes it: one plain scalar, whatever characters it has.
fn scalar(text: &str) -> Node {
    let pos = Pos::new(1, 1);
    let is_null = matches!(text, "~" | "null" | "Null" | "NULL");
    if is_null { Node::null(pos) } else { Node::plain(pos, text) }
}

struct Setter<'r> {
    registry: &'r dyn Registry,
    value: Node,
}

impl Setter<'_> {
    fn object(&self, node: &mut Node, fields: &[Field], path: &[String]) -> Result<(), String> {
        let [name, rest @ ..] = path else {
            *node = self.value.clone();
            return Ok(());
        };
        let field = fields.iter().find(|it| it.name == name).ok_or_else(|| not_recognised(name))?;
        self.typed(entry(node, name), field.ty, rest).map_err(|err| format!("{name}.{err}"))
    }

    fn typed(&self, node: &mut Node, ty: Type, path: &[String]) -> Result<(), String> {
        match ty {
            Type::Array(item) => self.list(node, *item, path),
            Type::Map(value) => {
                let [name, rest @ ..] = path else {
                    return Err("cannot set map directly".to_string());
                };
                self.typed(entry(node, name), *value, rest).map_err(|err| format!("{name}.{err}"))
            }
            _ if path.is_empty() => {
                *node = self.value.clone();
                Ok(())
            }
            Type::Component(kind) => self.component(node, kind, path),
            Type::Object(fields) => self.object(node, fields, path),
            _ => Err(not_recognised(&path[0])),
        }
    }

    fn list(&self, node: &mut Node, item: Type, path: &[String]) -> Result<(), String> {
        let pos = node.pos;
        let [index, rest @ ..] = path else {
            match self.value.as_seq() {
                Some(_) => *node = self.value.clone(),
                None => node.kind = Kind::Seq(vec![self.value.clone()]),
            }
            return Ok(());
        };
        if !matches!(node.kind, Kind::Seq(_)) {
            *node = Node::new(pos, Kind::Seq(Vec::new()));
        }
        let Kind::Seq(items) = &mut node.kind else { return Err(not_recognised(index)) };
        let target = if index == "-" {
            items.push(Node::null(pos));
            items.last_mut()
        } else {
            let at: usize =
                index.parse().map_err(|_| format!("{index}: failed to parse path segment as array index"))?;
            items.get_mut(at)
        };
        let target = target.ok_or_else(|| format!("{index}: target index greater than array length"))?;
        self.typed(target, item, rest).map_err(|err| format!("{index}.{err}"))
    }

    fn component(&self, node: &mut Node, kind: ComponentKind, path: &[String]) -> Result<(), String> {
        let [name, rest @ ..] = path else {
            *node = self.value.clone();
            return Ok(());
        };
        let ty = match name.as_str() {
            "processors" if is_reserved(kind, name) => {
                Type::Array(&Type::Component(ComponentKind::Processor))
            }
            _ if is_reserved(kind, name) => Type::String,
            _ => {
                let spec = self.registry.spec(kind, name).or_else(|| builtin::spec(kind, name));
                spec.ok_or_else(|| not_recognised(name))?.body
            }
        };
        self.typed(entry(node, name), ty, rest).map_err(|err| format!("{name}.{err}"))
    }
}

fn not_recognised(name: &str) -> String {
    format!("{name}: field not recognised")
}

/// The value under a key, made if need be; what is no mapping becomes one, as in Bento.
fn entry<'n>(node: &'n mut Node, name: &str) -> &'n mut Node {
    let pos = node.pos;
    if !matches!(node.kind, Kind::Map(_)) {
        *node = Node::empty_map(pos);
    }
    let Kind::Map(pairs) = &mut node.kind else { unreachable!("it was made a mapping") };
    let at = pairs.iter().rposition(|(key, _)| key.as_key() == name).unwrap_or_else(|| {
        pairs.push((Node::plain(pos, name), Node::null(pos)));
        pairs.len() - 1
    });
    &mut pairs[at].1
}
