//! Labels of resources: which ones a file defines and which ones it refers to, so that a resource that is nowhere is found
//! before anything is built.

use std::collections::BTreeMap;

use crate::lint::{Lint, Rule};
use crate::spec::ComponentKind;
use crate::suggest::{nearest, shown};
use crate::yaml::{Node, Pos};

/// Among how many labels the one is looked for that was meant: each that is missing is compared with all of them.
const COMPARED_MAX: usize = 1000;

/// The labels of the resources of one file, or of several together.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    /// By their names: of which kinds they are.
    defined: BTreeMap<String, Vec<ComponentKind>>,
    referred_to: Vec<Reference>,
}

/// A place at which a resource is referred to by its label.
#[derive(Clone, Debug)]
struct Reference {
    kind: ComponentKind,
    label: String,
    pos: Pos,
    len: u32,
}

impl Labels {
    pub(crate) fn define(&mut self, kind: ComponentKind, label: &str) {
        let kinds = self.defined.entry(label.to_string()).or_default();
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }

    /// Remembers a label that is referred to, or a list of them.
    pub(crate) fn refer(&mut self, kind: ComponentKind, node: &Node) {
        for node in node.as_seq().unwrap_or(std::slice::from_ref(node)) {
            if let Some(label) = node.as_str() {
                self.referred_to.push(Reference {
                    kind,
                    label: label.to_string(),
                    pos: node.pos,
                    len: node.len,
                });
            }
        }
    }

    /// The same, of a text that stands in another one.
    pub fn moved(mut self, place: impl Fn(Pos) -> Pos) -> Labels {
        self.referred_to.iter_mut().for_each(|it| it.pos = place(it.pos));
        self
    }

    /// Adds what another file defines.
    pub fn add_defined(&mut self, other: &Labels) {
        for (label, kinds) in &other.defined {
            kinds.iter().for_each(|kind| self.define(*kind, label));
        }
    }

    /// The resources that are referred to here and not defined here, each once.
    pub fn missing(&self) -> Vec<(ComponentKind, String)> {
        let is_unknown = |it: &&Reference| !self.has(it.kind, &it.label);
        let missing = self.referred_to.iter().filter(is_unknown).map(|it| (it.kind, it.label.clone()));
        missing.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
    }

    /// In a file that is not linted nothing is missing.
    pub(crate) fn forget_references(&mut self) {
        self.referred_to.clear();
    }

    /// An error for each resource that is referred to here and defined nowhere in `all`.
    pub fn unknown(&self, all: &Labels) -> Vec<Lint> {
        let is_unknown = |it: &&Reference| !all.has(it.kind, &it.label);
        self.referred_to.iter().filter(is_unknown).map(|it| all.lint(it)).collect()
    }

    fn has(&self, kind: ComponentKind, label: &str) -> bool {
        self.defined.get(label).is_some_and(|it| it.contains(&kind))
    }

    fn lint(&self, reference: &Reference) -> Lint {
        let Reference { kind, label, pos, len } = reference;
        let message = format!("{kind} resource '{}' was not found", shown(label));
        let lint = Lint { len: *len, ..Lint::error(Rule::UnknownResource, *pos, message) };
        let of_kind =
            self.defined.iter().filter(|(_, kinds)| kinds.contains(kind)).map(|(label, _)| label.as_str());
        if self.defined.len() <= COMPARED_MAX
            && let Some(near) = nearest(label, of_kind)
        {
            return lint.hint(format!("did you mean `{near}`?"));
        }
        match self.defined.get(label).and_then(|it| it.first()) {
            Some(other) => {
                lint.hint(format!("`{label}` is the label of {}, not of {}", other.one(), kind.one()))
            }
            None => lint.hint(format!(
                "define it below `{kind}_resources`; those of other files are there with `-r FILE`"
            )),
        }
    }
}
