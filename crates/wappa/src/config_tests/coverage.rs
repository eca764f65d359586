//! What of configs their tests have not reached: processors, and the cases of processors that choose.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use wappa_engine::Reached;
use wappa_spec::{
    ComponentKind, Field, Node, Pointer, Pos, Registry, StreamConfig, TestConfig, Type, labelled, printable,
    printable_path,
};

/// Where the processors of a test are.
#[derive(Debug)]
pub(super) struct Target {
    /// The config that they are in.
    pub(super) file: PathBuf,
    /// That config, before anything was put in the place of something else.
    pub(super) root: Node,
    /// Their place in it.
    pub(super) pointer: Pointer,
    /// Whether that is a list of them.
    pub(super) is_list: bool,
}

/// What tests have reached, by config.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    files: BTreeMap<PathBuf, BTreeSet<Vec<String>>>,
}

impl Coverage {
    /// There are tests for this config.
    pub(super) fn begin(&mut self, file: &Path) {
        self.files.entry(file.to_path_buf()).or_default();
    }

    /// Adds what a test has reached. What stands in for something is not that.
    pub(super) fn add(
        &mut self,
        target: &Target,
        case: &TestConfig,
        seen: &Reached,
        registry: &dyn Registry,
    ) {
        let labels = labelled(&target.root, registry);
        let mocked: Vec<Pointer> = case
            .mocks
            .iter()
            .filter_map(|(key, _)| Pointer::parse(key).ok().or_else(|| labels.get(key).cloned()))
            .collect();
        let reached = self.files.entry(target.file.clone()).or_default();
        for (within, path) in seen.places() {
            let place = target.place_of(within.as_deref(), &path, &labels);
            reached.extend(place.filter(|it| !mocked.iter().any(|mock| it.starts_with(&mock.0))));
        }
    }

    /// What there is in each config, and what of it was not reached; `read` gives the tree of a config.
    pub(super) fn report(&self, registry: &dyn Registry, read: impl Fn(&Path) -> Option<Node>) -> String {
        let mut out = String::from("\nCoverage:\n");
        for (file, reached) in &self.files {
            let Some(root) = read(file) else { continue };
            let mut listing = Listing { registry, path: Vec::new(), all: Vec::new() };
            listing.object(&root, StreamConfig::FIELDS);
            if listing.all.is_empty() {
                continue;
            }
            let is_reached = |thing: &Thing| match thing.case {
                // Whoever is in it was given a message.
                true => reached.iter().any(|it| it.starts_with(&thing.path)),
                false => reached.contains(&thing.path),
            };
            out.push_str(&format!("\n--- {} ---\n\n", printable_path(file)));
            let count = |case: bool, one: &str, several: &str| {
                let all: Vec<&Thing> = listing.all.iter().filter(|it| it.case == case).collect();
                let n = all.iter().filter(|it| is_reached(it)).count();
                let things = if all.len() == 1 { one } else { several };
                (!all.is_empty()).then(|| format!("{n} of {} {things}", all.len()))
            };
            let counts = [count(false, "processor", "processors"), count(true, "case", "cases")];
            let counts: Vec<String> = counts.into_iter().flatten().collect();
            out.push_str(&format!("{} reached\n", counts.join(", ")));
            for thing in listing.all.iter().filter(|it| !is_reached(it)) {
                let Pos { line, column } = thing.pos;
                let what = if thing.case { "case" } else { "processor" };
                let name = if thing.case { String::new() } else { format!(" {}", printable(&thing.name)) };
                let path = thing.path.join("/");
                out.push_str(&format!("not reached: ({line},{column}) {what}{name} /{}\n", printable(&path)));
            }
        }
        out
    }
}

impl Target {
    /// Where in the config something is that has this path in the stream of a test.
    fn place_of(
        &self,
        within: Option<&str>,
        path: &str,
        labels: &BTreeMap<String, Pointer>,
    ) -> Option<Vec<String>> {
        let (mut place, below) = match within {
            Some(label) => (labels.get(label)?.0.clone(), path.strip_prefix("root.processor_resources")?),
            None => (self.pointer.0.clone(), path.strip_prefix("root.pipeline.processors")?),
        };
        let mut below = below.split('.').skip(1).map(str::to_string);
        if within.is_none() {
            let idx = below.next()?;
            place.extend(self.is_list.then_some(idx));
        }
        place.extend(below);
        Some(place)
    }
}

/// Something that a test may reach.
struct Thing {
    path: Vec<String>,
    pos: Pos,
    /// Whether it is a case, and no processor.
    case: bool,
    name: String,
}

/// A walk over a config.
struct Listing<'r> {
    registry: &'r dyn Registry,
    path: Vec<String>,
    all: Vec<Thing>,
}

impl Listing<'_> {
    fn below(&mut self, name: &str, node: &Node, ty: Type, is_of_processor: bool) {
        self.path.push(name.to_string());
        self.typed(node, ty, is_of_processor);
        self.path.pop();
    }

    fn object(&mut self, node: &Node, fields: &[Field]) {
        for (key, value) in node.as_map().into_iter().flatten() {
            if let Some(field) = fields.iter().find(|it| it.name == key.as_key() && it.name != "tests") {
                self.below(field.name, value, field.ty, false);
            }
        }
    }

    fn typed(&mut self, node: &Node, ty: Type, is_of_processor: bool) {
        match ty {
            Type::Array(item) => {
                for (idx, node) in node.as_seq().into_iter().flatten().enumerate() {
                    let path = [self.path.as_slice(), &[idx.to_string()]].concat();
                    let has_processors = node.get("processors").and_then(Node::as_seq);
                    if is_of_processor
                        && matches!(item, Type::Object(_))
                        && has_processors.is_some_and(|it| !it.is_empty())
                    {
                        self.all.push(Thing { path, pos: node.pos, case: true, name: String::new() });
                    }
                    self.below(&idx.to_string(), node, *item, false);
                }
            }
            Type::Map(item) => {
                for (key, value) in node.as_map().into_iter().flatten() {
                    self.below(key.as_key(), value, *item, false);
                }
            }
            Type::Object(fields) => self.object(node, fields),
            Type::Component(kind) => self.component(node, kind),
            _ => (),
        }
    }

    fn component(&mut self, node: &Node, kind: ComponentKind) {
        let named = node.get("type").and_then(Node::as_str);
        let keys = node.as_map().into_iter().flatten().map(|(key, _)| key.as_key());
        let Some(spec) = named.into_iter().chain(keys).find_map(|it| self.registry.spec(kind, it)) else {
            return;
        };
        let is_processor = kind == ComponentKind::Processor;
        if is_processor {
            let (path, name) = (self.path.clone(), spec.name.to_string());
            self.all.push(Thing { path, pos: node.pos, case: false, name });
        }
        if let Some(body) = node.get(spec.name).or_else(|| node.get("plugin")) {
            self.below(spec.name, body, spec.body, is_processor);
        }
        if let Some(processors) = node.get("processors").filter(|_| kind.has_processors()) {
            self.below(
                "processors",
                processors,
                Type::Array(&Type::Component(ComponentKind::Processor)),
                false,
            );
        }
    }
}
