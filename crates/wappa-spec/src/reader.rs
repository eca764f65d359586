//! Reads configs out of a tree, and collects what is wrong with them in Bento's order.

use std::any::Any;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use wappa_bloblang::Kept;

use crate::component::ComponentNode;
use crate::labels::Labels;
use crate::lint::{Lint, Rule};
use crate::spec::{ComponentKind, Field, Registry, Spec, Type};
use crate::yaml::{Node, Pos, parse};
use crate::{builtin, suggest};

/// What is said about fields and components that should no longer be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deprecated {
    /// A warning.
    #[default]
    Warn,
    /// An error.
    Reject,
}

/// What a lint run is to be strict about; the default is Bento's.
#[derive(Clone, Copy, Debug, Default)]
pub struct LintOptions {
    /// What is deprecated.
    pub deprecated: Deprecated,
    /// Every component that can have a label must have one.
    pub require_labels: bool,
    /// Fields and components that Bento does not have are errors.
    pub portable: bool,
}

/// How many lints there may be before no hints are looked for any more.
const HINTED_LINTS_MAX: usize = 500;

/// Where lints are collected while a tree is read.
pub struct Reader<'r> {
    registry: &'r dyn Registry,
    options: LintOptions,
    lints: Vec<Lint>,
    /// Labels of this file, and the line at which each was defined.
    labels: HashMap<String, u32>,
    /// Resources of this file.
    resources: Labels,
    /// Where the config file is, if it is a file.
    pub(crate) base_dir: Option<Arc<Path>>,
    /// Off while a component is built: what was linted before is not linted again.
    is_linting: bool,
    /// How many values stand in for what could not be read.
    n_stand_ins: usize,
    /// What the mappings of a body reach that is kept from message to message: of each what it reaches.
    kept: Vec<Kept>,
}

impl std::fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("lints", &self.lints).finish_non_exhaustive()
    }
}

impl<'r> Reader<'r> {
    /// A reader for one file, which looks at everything.
    pub fn new(registry: &'r dyn Registry, options: LintOptions) -> Reader<'r> {
        Reader {
            registry,
            options,
            lints: Vec::new(),
            labels: HashMap::new(),
            resources: Labels::default(),
            base_dir: None,
            is_linting: true,
            n_stand_ins: 0,
            kept: Vec::new(),
        }
    }

    /// A reader for a body that was linted before.
    pub(crate) fn for_building(registry: &'r dyn Registry) -> Reader<'r> {
        Reader { is_linting: false, ..Reader::new(registry, LintOptions::default()) }
    }

    /// Whether this is a lint run. A check that costs much (a module to validate) is for lint runs only.
    pub fn is_linting(&self) -> bool {
        self.is_linting
    }

    /// How many values stand in for what could not be read, in a lint run, so that what is there can be looked at all the
    /// same. Whatever has one in it is nothing to build from, and nothing to lint as a whole.
    pub fn n_stand_ins(&self) -> usize {
        self.n_stand_ins
    }

    /// Something that stands in for what could not be read, which has been reported; in a lint run only.
    pub(crate) fn stand_in<T>(&mut self, make: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let made = if self.is_linting { make(self) } else { None };
        self.n_stand_ins += usize::from(made.is_some());
        made
    }

    /// What stands in inside of a body does not count for what is around it, which can be read without.
    pub(crate) fn apart(&mut self, read: impl FnOnce(&mut Self)) {
        let before = self.n_stand_ins;
        read(self);
        self.n_stand_ins = before;
    }

    /// The directory of the config file, for paths that are relative to it.
    pub fn base_dir(&self) -> Option<&Path> {
        self.base_dir.as_deref()
    }

    /// Notes what a mapping of a body reaches.
    pub(crate) fn reaches(&mut self, kept: &[Kept]) {
        if !self.is_linting {
            self.kept.extend_from_slice(kept);
        }
    }

    /// What the mappings of the body reach that is kept from message to message; what two of them reach, twice.
    pub(crate) fn into_kept(self) -> Vec<Kept> {
        self.kept
    }

    /// Reports what reaches the machine, unless the config is trusted. Says whether it did.
    pub fn refuse_if_restricted(&mut self, what: &str, at: &Node) -> bool {
        let is_refused = self.is_restricted();
        if is_refused {
            self.error(Rule::Restricted, at, format!("{what} is not allowed in a restricted config"));
        }
        is_refused
    }

    /// Whether the config is not trusted: see [`Registry::is_restricted`].
    pub fn is_restricted(&self) -> bool {
        self.registry.is_restricted()
    }

    /// What the program has of this type for lints, such as what is known of modules already. There need not be one.
    pub fn service<T: Any + Send + Sync>(&self) -> Option<&'r T> {
        self.registry.get()
    }

    /// The options of the lint run.
    pub fn options(&self) -> LintOptions {
        self.options
    }

    /// Reports a lint.
    pub fn push(&mut self, lint: Lint) {
        self.lints.push(lint);
    }

    /// Says where a field belongs that was found to be none here, and not what else may have been meant.
    pub(crate) fn hint_unknown(&mut self, key: &Node, hint: &str) {
        let is_meant = |it: &&mut Lint| it.rule == Rule::UnknownField && it.pos == key.pos;
        if let Some(lint) = self.lints.iter_mut().rev().find(is_meant) {
            lint.hint = Some(hint.to_string());
        }
    }

    /// Reports an error at a node.
    pub fn error(&mut self, rule: Rule, node: &Node, message: impl Into<String>) {
        self.push(Lint::error(rule, node.pos, message).on(node));
    }

    /// Reports a warning at a node.
    pub fn warn(&mut self, rule: Rule, node: &Node, message: impl Into<String>) {
        self.push(Lint::warning(rule, node.pos, message).on(node));
    }

    /// The lints so far.
    pub fn lints(&self) -> &[Lint] {
        &self.lints
    }

    /// All lints, in order.
    pub fn into_lints(self) -> Vec<Lint> {
        self.lints
    }

    /// All lints, in order, and the labels of resources.
    pub(crate) fn into_parts(self) -> (Vec<Lint>, Labels) {
        (self.lints, self.resources)
    }

    /// The names of all components.
    pub(crate) fn registry(&self) -> &'r dyn Registry {
        self.registry
    }

    /// The description of a component, those that need no registry included.
    pub fn spec(&self, kind: ComponentKind, name: &str) -> Option<&'r Spec> {
        self.registry.spec(kind, name).or_else(|| builtin::spec(kind, name))
    }

    /// All names of a kind.
    pub(crate) fn names(&self, kind: ComponentKind) -> Vec<&'r str> {
        let registry = self.registry;
        let mut names = registry.names(kind);
        for name in builtin::names(kind) {
            if registry.spec(kind, name).is_none() {
                names.push(name);
            }
        }
        names
    }

    /// Remembers where a label is defined; the line of an earlier one of the same name.
    pub(crate) fn define_label(&mut self, label: &str, line: u32) -> Option<u32> {
        let earlier = self.labels.get(label).copied();
        if earlier.is_none() {
            self.labels.insert(label.to_string(), line);
        }
        earlier
    }

    /// Remembers that a field holds the label of a resource, or a list of them. `#[config(label_of = …)]` calls it.
    pub fn refer(&mut self, kind: ComponentKind, node: &Node) {
        if self.is_linting {
            self.resources.refer(kind, node);
        }
    }

    /// Reads a child component.
    pub fn child(&mut self, kind: ComponentKind, node: &Node) -> Option<ComponentNode> {
        ComponentNode::read(kind, node, self)
    }

    /// Reads a child component that may be absent.
    pub fn optional_child(&mut self, kind: ComponentKind, node: &Node) -> Option<Option<ComponentNode>> {
        if node.is_null() { Some(None) } else { self.child(kind, node).map(Some) }
    }

    /// Reads a list of child components.
    pub fn children(&mut self, kind: ComponentKind, node: &Node) -> Option<Vec<ComponentNode>> {
        self.list(node, |reader, item| reader.child(kind, item))
    }

    /// Reads a list of resources: components that must have a label.
    pub fn resources(&mut self, kind: ComponentKind, node: &Node) -> Option<Vec<ComponentNode>> {
        self.list(node, |reader, item| {
            if let Some(label) = item.get("label").and_then(Node::as_str) {
                reader.resources.define(kind, label);
            }
            if item.as_map().is_some() && item.get("label").is_none_or(|it| it.as_key().is_empty()) {
                let message = "the label field for resources must be unique and not empty";
                reader.error(Rule::BadLabel, item, message);
            }
            reader.child(kind, item)
        })
    }

    /// Reads every item of a list, and gives nothing when one of them gives nothing.
    pub(crate) fn list<T>(
        &mut self,
        node: &Node,
        mut read: impl FnMut(&mut Self, &Node) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Some(items) = node.as_seq() else {
            let lint = Lint::error(Rule::ExpectedArray, node.pos, "expected array value").on(node);
            self.push(match node.as_map() {
                Some(_) => lint.hint("the items of a list begin with `- `"),
                None => lint.hint("a list of one value is written `[ VALUE ]`"),
            });
            return None;
        };
        // Not short-circuiting: all items are linted.
        let read: Vec<Option<T>> = items.iter().map(|it| read(self, it)).collect();
        read.into_iter().collect()
    }

    /// Begins to read an object; nothing, and a lint, when the node is none. Null is the object `empty`.
    pub fn fields<'n>(
        &mut self,
        node: &'n Node,
        empty: &'n Node,
        fields: &'static [Field],
    ) -> Option<Fields<'n>> {
        // Bento takes the empty text for an object without fields, as in `drop: ""`.
        let is_empty = node.is_null() || fields.is_empty() && node.as_str() == Some("");
        let node = if is_empty { empty } else { node };
        let Some(pairs) = node.as_map() else {
            let message = format!("expected object value, got {}", node.tag());
            let lint = Lint::error(Rule::ExpectedObject, node.pos, message).on(node);
            let is_known =
                |it: &&Field| !it.deprecated && (!it.advanced || fields.iter().all(|it| it.advanced));
            let known: Vec<&str> = fields.iter().filter(is_known).map(|it| it.name).collect();
            self.push(match known.as_slice() {
                [] => lint,
                [one] => {
                    lint.hint(format!("what belongs here has a name, `{one}`: write it below, as `{one}: …`"))
                }
                some => {
                    let shown: Vec<String> =
                        some.iter().take(SHOWN_FIELDS_MAX).map(|it| format!("`{it}`")).collect();
                    let rest = if some.len() > SHOWN_FIELDS_MAX { " and others" } else { "" };
                    lint.hint(format!(
                        "the fields are written below, each with its name: {}{rest}",
                        shown.join(", ")
                    ))
                }
            });
            return None;
        };
        let seen = vec![false; fields.len()];
        Some(Fields { pos: node.pos, rest: pairs.iter(), fields, misspelt: seen.clone(), seen })
    }

    /// Reads a body that is one value and no object; null is its default, where it has one.
    pub fn body<T>(
        &mut self,
        node: &Node,
        field: &'static [Field],
        read: fn(&Node, &mut Reader<'_>) -> Option<T>,
    ) -> Option<T> {
        let [field] = field else { return None };
        match field.default {
            Some(text) if node.is_null() => self.default(text, node.pos, read),
            _ => {
                lint_options(field, node, self);
                read(node, self)
            }
        }
    }

    /// Reads the default of a field; a component's own tests make sure that it can be read.
    pub fn default<T>(
        &mut self,
        text: &str,
        pos: Pos,
        read: fn(&Node, &mut Reader<'_>) -> Option<T>,
    ) -> Option<T> {
        match self.quietly(text, pos, read) {
            Ok(value) => Some(value),
            Err(lints) => {
                // A child's default may name a component that this program was built without.
                let why = lints.into_iter().next().map_or_else(String::new, |it| format!(": {}", it.message));
                let message = format!("the default `{text}` cannot be read{why}");
                self.push(Lint::error(Rule::BadDefault, pos, message));
                None
            }
        }
    }

    /// Reads a text as a value, without a lint.
    fn quietly<T>(
        &self,
        text: &str,
        pos: Pos,
        read: fn(&Node, &mut Reader<'_>) -> Option<T>,
    ) -> Result<T, Vec<Lint>> {
        let mut quiet = Reader { is_linting: false, ..Reader::new(self.registry, self.options) };
        default_node(text, pos).and_then(|node| read(&node, &mut quiet)).ok_or(quiet.lints)
    }

    /// Whether what Bento does not have is to be told.
    pub(crate) fn demands_portable(&self) -> bool {
        self.options.portable && self.is_linting
    }

    fn lint_deprecated(&mut self, field: &Field, value: &Node) {
        if field.deprecated && self.is_linting {
            let message = format!("field {} is deprecated", field.name);
            self.lint_as_deprecated(value, message);
        }
    }

    /// Reports that something is deprecated, as strictly as the options say.
    pub(crate) fn lint_as_deprecated(&mut self, node: &Node, message: String) {
        match self.options.deprecated {
            Deprecated::Warn => self.warn(Rule::Deprecated, node, message),
            Deprecated::Reject => self.error(Rule::Deprecated, node, message),
        }
    }
}

/// The tree of a default's text, at one place.
///
/// It is read as an item of a list, so that texts that mean something else at the top of a document (`...`) do not.
fn default_node(text: &str, pos: Pos) -> Option<Node> {
    let mut node = parse(&format!("- {}", text.replace('\n', "\n  "))).ok()?.node;
    let crate::yaml::Kind::Seq(items) = &mut node.kind else { return None };
    let mut item = items.pop()?;
    item.move_to(pos);
    Some(item)
}

/// The fields of one object that is being read; `#[derive(Config)]` drives it.
#[derive(Debug)]
pub struct Fields<'n> {
    pos: Pos,
    rest: std::slice::Iter<'n, (Node, Node)>,
    fields: &'static [Field],
    /// Which fields were there; what could not be read of them has been reported.
    seen: Vec<bool>,
    /// Which fields were there under a name that is nearly theirs, which has been reported.
    misspelt: Vec<bool>,
}

impl<'n> Fields<'n> {
    /// The next field that is there, as its index and value; what the object does not have is linted on the way.
    ///
    /// A null stands for an absent field, as in Bento, and is not given.
    pub fn next(&mut self, reader: &mut Reader<'_>) -> Option<(usize, &'n Node)> {
        for (key, value) in self.rest.by_ref() {
            let name = key.as_key();
            if name == "<<" {
                continue;
            }
            let Some(index) = self.fields.iter().position(|it| it.name == name) else {
                if let Some(meant) = lint_unknown(key, self.fields, reader) {
                    self.misspelt[meant] = true;
                }
                continue;
            };
            if value.is_null() {
                continue;
            }
            let field = &self.fields[index];
            reader.lint_deprecated(field, value);
            if !field.bento && reader.demands_portable() {
                reader.error(Rule::NotInBento, key, format!("Bento has no field {name} here"));
            }
            lint_options(field, value, reader);
            self.seen[index] = true;
            return Some((index, value));
        }
        None
    }

    /// What an absent field is, or a lint that it is missing.
    pub fn absent<T>(
        &self,
        index: usize,
        reader: &mut Reader<'_>,
        read: fn(&Node, &mut Reader<'_>) -> Option<T>,
    ) -> Option<T> {
        let field = &self.fields[index];
        // What was there and could not be read has been reported.
        if self.seen[index] {
            let text = field.default.or_else(|| field.optional.then_some("null"));
            return reader.stand_in(|it| it.quietly(text?, self.pos, read).ok());
        }
        match field.default {
            // What an absent object lacks is reported as if it were there.
            Some("{}") if matches!(field.ty, Type::Object(_)) => read(&Node::empty_map(self.pos), reader),
            Some(text) => reader.default(text, self.pos, read),
            None if field.optional || field.deprecated => read(&Node::null(self.pos), reader),
            // One mistake is told once.
            None if self.misspelt[index] => None,
            None => {
                let message = format!("field {} is required", field.name);
                reader.push(Lint::error(Rule::MissingField, self.pos, message));
                None
            }
        }
    }
}

/// Tells of a field that is not there; the result is the one that may have been meant.
fn lint_unknown(key: &Node, fields: &[Field], reader: &mut Reader<'_>) -> Option<usize> {
    let name = key.as_key();
    let lint = Lint::error(Rule::UnknownField, key.pos, format!("field {name} not recognised")).on(key);
    // Hints are for people, who do not make hundreds of mistakes; a generated file should not wait for them.
    if reader.lints.len() > HINTED_LINTS_MAX {
        reader.push(lint);
        return None;
    }
    let known = fields.iter().filter(|it| !it.deprecated).map(|it| it.name);
    let meant = suggest::nearest(name, known);
    reader.push(match (meant, object_of(name, fields)) {
        (Some(meant), _) => lint.hint(format!("did you mean `{meant}`?")),
        (None, Some((object, meant))) => {
            lint.hint(format!("`{meant}` is a field of `{object}`: indent it below"))
        }
        (None, None) => lint,
    });
    fields.iter().position(|it| Some(it.name) == meant)
}

/// The object among the fields that has a field of nearly this name, and that field.
fn object_of(name: &str, fields: &[Field]) -> Option<(&'static str, &'static str)> {
    let inside = |it: &Field| {
        let Type::Object(inner) = it.ty else { return None };
        let known = inner.iter().filter(|it| !it.deprecated).map(|it| it.name);
        suggest::nearest(name, known).map(|meant| (it.name, meant))
    };
    fields.iter().find_map(inside)
}

/// How many names of fields a hint has.
const SHOWN_FIELDS_MAX: usize = 4;

fn lint_options(field: &Field, value: &Node, reader: &mut Reader<'_>) {
    if field.options.is_empty() || !reader.is_linting {
        return;
    }
    let values = value.as_seq().unwrap_or(std::slice::from_ref(value));
    for value in values {
        let Some(text) = value.as_str() else { continue };
        if !field.options.iter().any(|it| it.eq_ignore_ascii_case(text)) {
            let message = format!("value {text} is not a valid option for this field");
            let lint = Lint::error(Rule::InvalidOption, value.pos, message).on(value);
            let lint = suggest::did_you_mean(lint, text, field.options.iter().copied());
            let all = format!("one of: {}", field.options.join(", "));
            reader.push(if lint.hint.is_some() { lint } else { lint.hint(all) });
        }
    }
}

/// Texts that have a closed set of values, compared without regard to case.
pub trait Options: Sized {
    /// The option that is meant, in its own spelling; what is none stays as it is.
    fn canonical(self, options: &[&str]) -> Self;
}

impl Options for String {
    fn canonical(self, options: &[&str]) -> String {
        match options.iter().find(|it| it.eq_ignore_ascii_case(&self)) {
            Some(it) => (*it).to_string(),
            None => self,
        }
    }
}

impl<T: Options> Options for Option<T> {
    fn canonical(self, options: &[&str]) -> Option<T> {
        self.map(|it| it.canonical(options))
    }
}

impl<T: Options> Options for Vec<T> {
    fn canonical(self, options: &[&str]) -> Vec<T> {
        self.into_iter().map(|it| it.canonical(options)).collect()
    }
}
