//! One config file, from its bytes to its lints: environment, YAML, overrides, reading, in Bento's order.

use std::collections::{HashMap, hash_map::Entry};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::component::ComponentNode;
use crate::labels::Labels;
use crate::lint::{Lint, Rule};
use crate::reader::{LintOptions, Reader};
use crate::root::{Resources, StreamConfig, StreamPart};
use crate::spec::{ComponentKind, Registry, Restricted};
use crate::yaml::{Kind, Node, Pos, parse};
use crate::{env, set, unquoted};

/// A config file that could be read as YAML.
#[derive(Clone)]
pub struct Source {
    /// The text with environment variables put in, to which all positions refer.
    ///
    /// It may hold secrets that came from the environment. A variable never adds a line (a default that spans lines
    /// can remove some), so for print the line of the file itself is the better one.
    pub text: String,
    /// The tree.
    pub node: Node,
    /// What was found before the tree was looked at.
    lints: Vec<Lint>,
    is_lint_disabled: bool,
    dir: Option<Arc<Path>>,
}

/// Without the text, which may hold secrets.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("lints", &self.lints).finish_non_exhaustive()
    }
}

/// What a file says, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Linted<T> {
    /// What it says; nothing when no sense can be made of it.
    pub config: Option<T>,
    /// What can be told of one that cannot be read in full: with defaults and `none` in place of what is broken. For lints.
    pub partial: Option<T>,
    /// What is wrong with it, in Bento's order.
    pub lints: Vec<Lint>,
    /// The resources that it defines and refers to, which may be in other files.
    pub labels: Labels,
}

impl<T> Linted<T> {
    /// The config, as far as it can be read. For lints.
    pub fn as_far_as_read(&self) -> Option<&T> {
        self.config.as_ref().or(self.partial.as_ref())
    }

    /// The config, when nothing but warnings was found; for programs that want all or nothing.
    pub fn into_result(self) -> Result<T, Vec<Lint>> {
        match self.config {
            Some(config) if !self.lints.iter().any(Lint::is_error) => Ok(config),
            _ => Err(self.lints),
        }
    }
}

impl Source {
    /// Reads the bytes of a file; `lookup` gives the value of an environment variable.
    pub fn read(bytes: &[u8], lookup: impl Fn(&str) -> Option<String>) -> Result<Source, Vec<Lint>> {
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(err) => {
                let valid = &bytes[..err.valid_up_to()];
                let line = 1 + valid.iter().filter(|it| **it == b'\n').count();
                let message = "detected invalid utf-8 encoding in config";
                let lint = Lint::error(Rule::FailedRead, Pos::new(1, 1), message);
                return Err(vec![lint.hint(format!("line {line} has bytes that are no text"))]);
            }
        };
        let replaced = env::replace(text, &lookup);
        let mut lints: Vec<Lint> = replaced.lint().into_iter().collect();
        match parse(&replaced.text) {
            Ok(parsed) => {
                let is_lint_disabled = replaced.text.starts_with("# BENTO LINT DISABLE");
                lints.extend(parsed.lints);
                lints.extend(unquoted::lints(text, lookup, Ok(&parsed.node)));
                Ok(Source { text: replaced.text, node: parsed.node, lints, is_lint_disabled, dir: None })
            }
            Err(mut lint) => {
                unquoted::lints(text, lookup, Err(&mut lint));
                lints.push(*lint);
                Err(lints)
            }
        }
    }

    /// Another tree, which was made of this one.
    #[must_use]
    pub fn with_node(self, node: Node) -> Source {
        Source { node, ..self }
    }

    /// The values of a mapping, each by itself under its key; of several with one key the last counts. What was found in the
    /// text is found with the first of them, and the text belongs to none. The error is a tree that is no mapping.
    pub fn into_pieces(self) -> Result<Vec<(String, Source)>, Source> {
        let Kind::Map(pairs) = self.node.kind else { return Err(self) };
        let mut lints = Some(self.lints);
        let mut pieces: Vec<(String, Source)> = Vec::with_capacity(pairs.len());
        let mut places: HashMap<String, usize> = HashMap::with_capacity(pairs.len());
        for (key, node) in pairs {
            let name = key.as_key().to_string();
            let lints = lints.take().unwrap_or_default();
            let (is_lint_disabled, dir) = (self.is_lint_disabled, self.dir.clone());
            let piece = Source { text: String::new(), node, lints, is_lint_disabled, dir };
            match places.entry(name) {
                Entry::Occupied(place) => pieces[*place.get()].1.node = piece.node,
                Entry::Vacant(place) => {
                    pieces.push((place.key().clone(), piece));
                    place.insert(pieces.len() - 1);
                }
            }
        }
        Ok(pieces)
    }

    /// Says in which directory the file is, for paths in it that are relative to it.
    pub fn in_dir(self, dir: &Path) -> Source {
        Source { dir: Some(dir.into()), ..self }
    }

    /// Applies one `path=value`, as `--set` gives it; the error is Bento's text.
    pub fn set(&mut self, expression: &str, registry: &dyn Registry) -> Result<(), String> {
        set::apply(&mut self.node, expression, registry)
    }

    /// Reads it as a main config.
    pub fn stream(&self, registry: &dyn Registry, options: LintOptions) -> Linted<StreamConfig> {
        self.linted(registry, options, StreamConfig::read)
    }

    /// Reads it as the config that several streams have around them.
    pub fn around(&self, registry: &dyn Registry, options: LintOptions) -> Linted<StreamConfig> {
        self.linted(registry, options, StreamConfig::read_around)
    }

    /// Reads it as the config of a stream among several, or as a file with one.
    pub fn part(&self, registry: &dyn Registry, options: LintOptions, is_file: bool) -> Linted<StreamPart> {
        let read = if is_file { StreamPart::read_file } else { StreamPart::read };
        self.linted(registry, options, read)
    }

    /// Reads it as a resource of this kind, whose label is told elsewhere.
    pub fn resource(
        &self,
        kind: ComponentKind,
        registry: &dyn Registry,
        options: LintOptions,
    ) -> Linted<ComponentNode> {
        let mut reader = self.reader(registry, options);
        let read = ComponentNode::read(kind, &self.node, &mut reader);
        self.of_reader(read, reader)
    }

    /// Reads it as a file of resources.
    pub fn resources(&self, registry: &dyn Registry, options: LintOptions) -> Linted<Resources> {
        self.linted(registry, options, Resources::read_file)
    }

    /// Whether the field `restricted` is set. It counts for all of the file, also for what stands before it.
    fn asks_for_restriction(&self) -> bool {
        self.node.get("restricted").and_then(Node::as_bool) == Some(true)
    }

    fn linted<T>(
        &self,
        registry: &dyn Registry,
        options: LintOptions,
        read: fn(&Node, &mut Reader<'_>) -> Option<T>,
    ) -> Linted<T> {
        let restricted = Restricted(registry);
        let registry = if self.asks_for_restriction() { &restricted } else { registry };
        let mut reader = self.reader(registry, options);
        let read = read(&self.node, &mut reader);
        self.of_reader(read, reader)
    }

    fn reader<'r>(&self, registry: &'r dyn Registry, options: LintOptions) -> Reader<'r> {
        let mut reader = Reader::new(registry, options);
        reader.base_dir.clone_from(&self.dir);
        reader
    }

    fn of_reader<T>(&self, read: Option<T>, reader: Reader<'_>) -> Linted<T> {
        let (config, partial) = if reader.n_stand_ins() == 0 { (read, None) } else { (None, read) };
        let mut lints = self.lints.clone();
        let (found, mut labels) = reader.into_parts();
        if self.is_lint_disabled {
            labels.forget_references();
            // What remains is what Bento reports when it reads a file, not when it lints it.
            lints.retain(|it| it.rule == Rule::MissingEnvVar);
            lints.extend(
                found.into_iter().filter(|it| is_read_error(it) || config.is_none() && it.is_error()),
            );
        } else {
            lints.extend(found);
        }
        Linted { config, partial, lints, labels }
    }
}

fn is_read_error(lint: &Lint) -> bool {
    lint.is_error()
        && matches!(lint.rule, Rule::ComponentMissing | Rule::ComponentNotFound | Rule::NotInWappa)
}
