//! The wrapper around a component's body: which component it is, its label, the processors of its own.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::lint::{Lint, Rule};
use crate::mapping::Mapping;
use crate::reader::Reader;
use crate::spec::{ComponentKind, Registry, Spec, Status, Value as _};
use crate::yaml::{Node, Pos};
use crate::{bento, suggest};

/// A component as a config names it, ready to be built.
#[derive(Clone, PartialEq)]
pub struct ComponentNode {
    /// What it is.
    pub kind: ComponentKind,
    /// Which one it is.
    pub name: String,
    /// The user's name for it; empty for none.
    pub label: String,
    /// Its own config; null when the config gives none. Read it with [`Config::from_body`](crate::Config::from_body).
    pub body: Node,
    /// The processors of an input or output.
    pub processors: Vec<ComponentNode>,
    /// What becomes of the names and labels of series, where it is an exporter of metrics.
    pub mapping: Mapping,
    /// Where it is in the config.
    pub pos: Pos,
    /// The directory of the file that it is in, for paths that are relative to it. None where it was not read out of a
    /// file, or is below a component that was.
    pub dir: Option<Arc<Path>>,
}

/// Without the body, which may hold secrets.
impl fmt::Debug for ComponentNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ComponentNode")
            .field("kind", &self.kind)
            .field("name", &self.name)
            .field("label", &self.label)
            .field("processors", &self.processors)
            .field("pos", &self.pos)
            .finish_non_exhaustive()
    }
}

/// Which component a mapping is, and where it says so.
struct Named<'r> {
    spec: &'r Spec,
    is_explicit: bool,
}

impl ComponentNode {
    /// Reads a component and everything below it.
    ///
    /// A component whose body has errors is still given, as its wrapper can be read; the lints say what is wrong. In a lint
    /// run `none` stands in for one that is not known.
    pub fn read(kind: ComponentKind, node: &Node, reader: &mut Reader<'_>) -> Option<ComponentNode> {
        let Some(pairs) = node.as_map() else {
            let message = format!("invalid type {}, expected object", node.tag());
            let lint = Lint::error(Rule::ComponentMissing, node.pos, message).on(node);
            reader.push(match node.as_str().filter(|it| reader.spec(kind, it).is_some()) {
                Some(name) => lint.hint(format!("write `{name}: {{}}`, with its fields in place of `{{}}`")),
                None => lint,
            });
            return reader.stand_in(|_| Some(ComponentNode::none(kind, node.pos)));
        };
        let named = match name_of(kind, node, pairs, reader) {
            Ok(named) => named,
            Err(None) => return Some(ComponentNode::none(kind, node.pos)),
            Err(Some(lint)) => {
                reader.push(*lint);
                return reader.stand_in(|_| Some(ComponentNode::none(kind, node.pos)));
            }
        };
        let spec = named.spec;
        if spec.status == Status::Deprecated && reader.is_linting() {
            reader.lint_as_deprecated(node, format!("component {} is deprecated", spec.name));
        }
        if !spec.bento && reader.demands_portable() {
            let at = pairs.iter().map(|(key, _)| key).find(|it| it.as_key() == spec.name).unwrap_or(node);
            let text = format!("Bento has no {} {}", kind.noun(), spec.name);
            reader.error(Rule::NotInBento, at, text);
        }
        if spec.reaches_machine && reader.is_restricted() {
            let text = format!("{kind} {} is not allowed in a restricted config", spec.name);
            let at = pairs.iter().map(|(key, _)| key).find(|it| it.as_key() == spec.name).unwrap_or(node);
            let lint = Lint::error(Rule::Restricted, at.pos, text).on(at);
            reader.push(lint.hint("it reaches files or programs of this machine"));
        }
        let own = node.get(spec.name);
        let body = own.filter(|it| !it.is_null()).or_else(|| node.get("plugin"));
        let body = body.cloned().unwrap_or_else(|| Node::null(node.pos));
        if reader.is_linting() {
            reader.apart(|it| (spec.lint)(&body, it));
        }
        let mut component = ComponentNode {
            body,
            name: spec.name.to_string(),
            dir: reader.base_dir.clone(),
            ..ComponentNode::none(kind, node.pos)
        };
        for (key, value) in pairs {
            component.read_reserved(&named, own.is_some(), key, value, reader);
        }
        let is_labelled = node.get("label").is_some() || spec.name == "resource";
        if reader.options().require_labels && kind.has_label() && !is_labelled {
            reader.error(Rule::MissingLabel, node, format!("label is required for {}", spec.name));
        }
        Some(component)
    }

    /// Reads a component that was linted before.
    pub fn read_again(kind: ComponentKind, node: &Node, registry: &dyn Registry) -> Option<ComponentNode> {
        ComponentNode::read(kind, node, &mut Reader::for_building(registry))
    }

    /// The component of a kind that does nothing; where there is one it is called `none`.
    pub(crate) fn none(kind: ComponentKind, pos: Pos) -> ComponentNode {
        ComponentNode {
            kind,
            name: "none".to_string(),
            label: String::new(),
            body: Node::null(pos),
            processors: Vec::new(),
            mapping: Mapping::default(),
            pos,
            dir: None,
        }
    }

    /// Reads a key beside the body.
    fn read_reserved(
        &mut self,
        named: &Named<'_>,
        has_body: bool,
        key: &Node,
        value: &Node,
        reader: &mut Reader<'_>,
    ) {
        let name = key.as_key();
        match name {
            "type" => {}
            _ if name == self.name => {}
            "plugin" => {
                if has_body {
                    reader.error(Rule::ShouldOmit, key, "plugin object is ineffective");
                }
            }
            "label" if self.kind.has_label() => self.read_label(named, value, reader),
            "processors" if self.kind.has_processors() => {
                if value.as_seq().is_some_and(<[Node]>::is_empty) {
                    reader.error(Rule::ShouldOmit, value, "field processors is empty and can be removed");
                }
                if !value.is_null() {
                    self.processors = reader.children(ComponentKind::Processor, value).unwrap_or_default();
                }
            }
            "mapping" if self.kind == ComponentKind::Metrics => {
                if !value.is_null() {
                    self.mapping = Mapping::read(value, reader).unwrap_or_default();
                }
            }
            _ => {
                let message = format!(
                    "field {name} is invalid when the component type is {} ({})",
                    self.name, self.kind
                );
                let lint = Lint::error(Rule::UnknownField, key.pos, message).on(key);
                let near = named.spec.fields().iter().any(|it| it.name == name);
                let hint = format!("`{name}` is a field of `{}`: indent it below", self.name);
                reader.push(if near { lint.hint(hint) } else { lint });
            }
        }
    }

    fn read_label(&mut self, named: &Named<'_>, value: &Node, reader: &mut Reader<'_>) {
        let is_reference = self.name == "resource"
            && (named.is_explicit || self.body.as_str().is_some_and(|it| !it.is_empty()));
        if is_reference {
            let message = "label field should be omitted when pointing to a resource";
            reader.error(Rule::ShouldOmit, value, message);
        }
        let Some(label) = value.as_str() else {
            if !value.is_null() {
                reader.error(Rule::ExpectedScalar, value, "expected string value");
            }
            return;
        };
        self.label = label.to_string();
        if label.is_empty() || !reader.is_linting() {
            return;
        }
        if !is_label(label) {
            let message = format!(
                "invalid label '{}': should match the regular expression /^[a-z0-9_]+$/ and must not start with \
                 an underscore",
                suggest::shown(label)
            );
            reader.error(Rule::BadLabel, value, message);
        } else if let Some(line) = reader.define_label(label, value.pos.line) {
            let message = format!("label '{label}' collides with a previously defined label at line {line}");
            reader.error(Rule::DuplicateLabel, value, message);
        }
    }
}

/// Whether a text can be a label.
pub fn is_label(text: &str) -> bool {
    let allowed = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_';
    !text.is_empty() && !text.starts_with('_') && text.bytes().all(allowed)
}

/// Whether a key can stand beside the body of a component of this kind.
pub(crate) fn is_reserved(kind: ComponentKind, key: &str) -> bool {
    match key {
        "type" | "plugin" => true,
        "label" => kind.has_label(),
        "processors" => kind.has_processors(),
        "mapping" => kind == ComponentKind::Metrics,
        _ => false,
    }
}

/// The description of the component that a mapping is, where it says so clearly.
pub(crate) fn spec_of<'r>(kind: ComponentKind, node: &Node, registry: &'r dyn Registry) -> Option<&'r Spec> {
    let mut reader = Reader::for_building(registry);
    name_of(kind, node, node.as_map()?, &mut reader).ok().map(|it| it.spec)
}

/// Finds out which component a mapping is; no lint as the error means that a warning was enough.
fn name_of<'r>(
    kind: ComponentKind,
    node: &Node,
    pairs: &[(Node, Node)],
    reader: &mut Reader<'r>,
) -> Result<Named<'r>, Option<Box<Lint>>> {
    if let Some((_, value)) = pairs.iter().find(|(key, _)| key.as_key() == "type") {
        let name = value.as_key();
        if let Some(spec) = reader.spec(kind, name) {
            return Ok(Named { spec, is_explicit: true });
        }
        if bento::has(kind, name) {
            return Err(not_in_wappa(kind, name, value, reader));
        }
        let message = format!("{kind} type '{name}' was not recognised");
        let lint = Lint::error(Rule::ComponentNotFound, value.pos, message).on(value);
        return Err(Some(Box::new(suggest_component(lint, kind, name, reader))));
    }
    let candidates: Vec<&Node> =
        pairs.iter().map(|(key, _)| key).filter(|it| !is_reserved(kind, it.as_key())).collect();
    let mut known = candidates.iter().filter_map(|it| reader.spec(kind, it.as_key()));
    let missing = |message: String| Lint::error(Rule::ComponentMissing, node.pos, message);
    if let Some(spec) = known.next() {
        let Some(second) = known.next() else {
            return Ok(Named { spec, is_explicit: false });
        };
        let mut names = [spec.name, second.name];
        names.sort_unstable();
        let [first, second] = names;
        let message = format!("unable to infer {kind} type, multiple candidates '{first}' and '{second}'");
        let way = match kind {
            ComponentKind::Processor => {
                "each processor is an item of the list: begin the second one with `- `"
            }
            ComponentKind::Input | ComponentKind::Output => "there is one here: put several below `broker`",
            _ => "there is one here",
        };
        return Err(Some(Box::new(missing(message).hint(way))));
    }
    if let Some(key) = candidates.iter().find(|it| bento::has(kind, it.as_key())) {
        return Err(not_in_wappa(kind, key.as_key(), key, reader));
    }
    if candidates.is_empty() {
        return Err(Some(Box::new(missing(format!("an explicit {kind} type must be specified")))));
    }
    let mut names: Vec<&str> = candidates.iter().map(|it| it.as_key()).collect();
    names.sort_unstable();
    let lint = missing(format!("unable to infer {kind} type from candidates: [{}]", names.join(" ")));
    // Bento reports the line of the mapping; where the name is on it, it is what is meant.
    let lint = match candidates.as_slice() {
        [key] if key.pos.line == node.pos.line => lint.on(key),
        _ => lint,
    };
    // A component has a handful of keys; of a thousand none is a misspelt name.
    let mut hinted = names.iter().take(8).map(|it| suggest_component(lint.clone(), kind, it, reader));
    Err(Some(Box::new(hinted.find(|it| it.hint.is_some()).unwrap_or(lint))))
}

fn suggest_component(lint: Lint, kind: ComponentKind, name: &str, reader: &Reader<'_>) -> Lint {
    let mut others = ComponentKind::ALL.into_iter().filter(|it| *it != kind);
    match others.find(|it| reader.spec(*it, name).is_some() || bento::has(*it, name)) {
        Some(other) => lint.hint(format!("`{name}` is the name of {}, not of {}", other.one(), kind.one())),
        None => suggest::did_you_mean(lint, name, reader.names(kind)),
    }
}

/// The lint for what only Bento has: an error, or a warning where it cannot change data.
fn not_in_wappa(kind: ComponentKind, name: &str, at: &Node, reader: &mut Reader<'_>) -> Option<Box<Lint>> {
    let message = format!("`{name}` is a Bento {} that Wappa does not have yet", kind.noun());
    if matches!(kind, ComponentKind::Metrics | ComponentKind::Tracer) {
        reader.warn(Rule::NotInWappa, at, message);
        return None;
    }
    let names = reader.names(kind);
    let lint = Lint::error(Rule::NotInWappa, at.pos, message).on(at);
    let hint = format!("Wappa has the {}: {}", kind.plural(), names.join(", "));
    Some(Box::new(if names.is_empty() { lint } else { lint.hint(hint) }))
}
