//! What a test runs: from its target, its mocks and its environment to a config of those processors alone, with the
//! resources that they may ask for.

use std::{
    any::{Any, TypeId},
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use wappa_component::{NotRead, read_file};
use wappa_spec::{
    ComponentKind, Lint, LintOptions, Mapping, Node, Pointer, Pos, Registry, Source, Spec, StreamConfig,
    TestConfig, labelled, mock, printable_path,
    yaml::{Kind, Style},
};

use super::{coverage::Target, definitions::clean};
use crate::environment::Environment;

/// No config is that big.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Where components of tests come from: all that there are, and what mappings of one test see of the world.
pub(super) struct TestRegistry<'a> {
    pub(super) inner: &'a dyn Registry,
    pub(super) mappings: wappa_bloblang::Environment,
}

impl<'a> TestRegistry<'a> {
    /// What a test sees: its own variables before those of the program.
    pub(super) fn new(inner: &'a dyn Registry, case: &TestConfig, config: &Path) -> TestRegistry<'a> {
        let variables: BTreeMap<String, String> =
            case.environment.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        // A mapping of a file imports what is beside it.
        let imports = match case.target_mapping.as_str() {
            "" => PathBuf::new(),
            mapping => beside(config, mapping).parent().map(Path::to_path_buf).unwrap_or_default(),
        };
        TestRegistry { inner, mappings: wappa_bloblang::Environment::of_file(imports, variables) }
    }
}

impl Registry for TestRegistry<'_> {
    fn spec(&self, kind: ComponentKind, name: &str) -> Option<&Spec> {
        self.inner.spec(kind, name)
    }

    fn names(&self, kind: ComponentKind) -> Vec<&str> {
        self.inner.names(kind)
    }

    fn is_restricted(&self) -> bool {
        self.inner.is_restricted()
    }

    fn service(&self, type_id: TypeId) -> Option<&(dyn Any + Send + Sync)> {
        match type_id == TypeId::of::<wappa_bloblang::Environment>() {
            true => Some(&self.mappings),
            false => self.inner.service(type_id),
        }
    }
}

/// What is beside a config, unless its path is absolute.
fn beside(config: &Path, path: &str) -> PathBuf {
    clean(&config.parent().unwrap_or(Path::new("")).join(path))
}

/// What tests of one config have in common.
pub(super) struct Targeting<'a> {
    /// The config that the tests belong to.
    pub(super) config: &'a Path,
    pub(super) environment: &'a Environment,
    /// Files with more resources.
    pub(super) resources: &'a [PathBuf],
}

impl Targeting<'_> {
    /// What a test runs, as a config, and where that is unless it is a file with a mapping. The texts of errors are Bento's.
    pub(super) fn stream(
        &self,
        case: &TestConfig,
        registry: &TestRegistry<'_>,
    ) -> Result<(StreamConfig, Option<Target>), String> {
        match case.target_mapping.as_str() {
            "" => self.of_processors(case, registry).map(|(it, target)| (it, Some(target))).map_err(|why| {
                format!("failed to initialise processors '{}': {why}", case.target_processors)
            }),
            path => self
                .of_mapping(path, case, registry)
                .map(|it| (it, None))
                .map_err(|why| format!("failed to initialise Bloblang mapping '{path}': {why}")),
        }
    }

    fn of_mapping(
        &self,
        path: &str,
        case: &TestConfig,
        registry: &TestRegistry<'_>,
    ) -> Result<StreamConfig, String> {
        let path = beside(self.config, path);
        let bytes = read(&path)?;
        let text = String::from_utf8(bytes).map_err(|_| "it is not text in UTF-8".to_string())?;
        Mapping::parse(&text, &registry.mappings).map_err(|err| err.text_with_found())?;
        let at = Pos::new(1, 1);
        let text = Node::new(at, Kind::Scalar { text, style: Style::Quoted });
        let processor = Node::new(at, Kind::Map(vec![(Node::plain(at, "bloblang"), text)]));
        let source = Source::read(b"{}", |_| None).map_err(|lints| first_of(&lints))?;
        self.of_nodes(source, &[processor], case, registry)
    }

    fn of_processors(
        &self,
        case: &TestConfig,
        registry: &TestRegistry<'_>,
    ) -> Result<(StreamConfig, Target), String> {
        let (path, place) = self.resolve(&case.target_processors)?;
        let in_file = |why: String| format!("failed to parse config file '{}': {why}", path.display());
        let mut source = self.source(&path, case, registry).map_err(in_file)?;
        let unmocked = source.node.clone();
        self.put_mocks(&mut source.node, case, registry)?;
        let found = match place.starts_with('/') {
            true => Pointer::parse(&place)
                .map_err(|why| format!("failed to parse case processors path '{place}': {why}"))?,
            false => {
                labelled(&source.node, registry).remove(&place).ok_or_else(|| not_found("target", &place))?
            }
        };
        let resolving =
            |why: String| format!("failed to resolve case processors from '{}': {why}", path.display());
        let target = found.find(&source.node).map_err(resolving)?;
        let processors = target.as_seq().unwrap_or(std::slice::from_ref(target)).to_vec();
        let is_list = target.as_seq().is_some();
        let config = self.of_nodes(source, &processors, case, registry).map_err(resolving)?;
        Ok((config, Target { file: path, root: unmocked, pointer: found, is_list }))
    }

    /// The file that a target is in, and its place there.
    fn resolve(&self, target: &str) -> Result<(PathBuf, String), String> {
        let without_scheme = target.strip_prefix("file:").unwrap_or(target);
        if without_scheme.split(['/', '#']).next().is_some_and(|it| it.contains(':')) {
            return Err(format!("target processors '{target}' contains non-path scheme value"));
        }
        let (path, place) = match without_scheme.split_once('#') {
            Some((path, place)) if !place.is_empty() => (unescaped(path), unescaped(place)),
            _ => (String::new(), unescaped(without_scheme.trim_end_matches('#'))),
        };
        if place.is_empty() {
            return Err(format!(
                "failed to target processors '{target}': reference URI must contain a path or fragment"
            ));
        }
        let file = if path.is_empty() { self.config.to_path_buf() } else { beside(self.config, &path) };
        Ok((file, place))
    }

    fn source(&self, path: &Path, case: &TestConfig, registry: &dyn Registry) -> Result<Source, String> {
        let bytes = read(path)?;
        let lookup = |name: &str| {
            let own = case.environment.get(name).cloned();
            own.or_else(|| self.environment.for_config(name, registry.is_restricted()))
        };
        let source = Source::read(&bytes, lookup).map_err(|lints| first_of(&lints))?;
        Ok(source.in_dir(path.parent().unwrap_or(Path::new(""))))
    }

    /// Those at places first, so that labels are looked for in what is there then.
    fn put_mocks(&self, root: &mut Node, case: &TestConfig, registry: &dyn Registry) -> Result<(), String> {
        let (at_places, at_labels): (Vec<_>, Vec<_>) =
            case.mocks.iter().partition(|(key, _)| key.starts_with('/'));
        let failed = |key: &str, why: String| format!("failed to set mock '{key}': {why}");
        for (key, stand_in) in at_places {
            let place =
                Pointer::parse(key).map_err(|why| format!("failed to parse mock path '{key}': {why}"))?;
            mock(root, &place, stand_in, registry).map_err(|why| failed(key, why))?;
        }
        let places = if at_labels.is_empty() { BTreeMap::new() } else { labelled(root, registry) };
        for (label, stand_in) in at_labels {
            let place = places.get(label).ok_or_else(|| not_found("mock", label))?;
            mock(root, place, stand_in, registry).map_err(|why| failed(label, why))?;
        }
        Ok(())
    }

    /// These processors as a pipeline of one thread, with the resources of the config and of the other files.
    fn of_nodes(
        &self,
        mut source: Source,
        processors: &[Node],
        case: &TestConfig,
        registry: &dyn Registry,
    ) -> Result<StreamConfig, String> {
        const KEPT: [&str; 4] =
            ["restricted", "processor_resources", "cache_resources", "rate_limit_resources"];
        let at = Pos::new(1, 1);
        let map = |pairs: Vec<(&str, Node)>| {
            let pairs = pairs.into_iter().map(|(key, value)| (Node::plain(at, key), value));
            Node::new(at, Kind::Map(pairs.collect()))
        };
        let list = Node::new(at, Kind::Seq(processors.to_vec()));
        let pipeline = map(vec![("threads", Node::plain(at, "1")), ("processors", list)]);
        let mut root = vec![("pipeline", pipeline)];
        root.extend(KEPT.into_iter().filter_map(|key| Some((key, source.node.get(key)?.clone()))));
        source.node = map(root);
        let linted = source.stream(registry, LintOptions::default());
        let mut config = linted.config.ok_or_else(|| first_of(&linted.lints))?;
        for path in self.resources {
            let failed = |why: String| {
                format!("failed to parse resources config file '{}': {why}", printable_path(path))
            };
            let more = self.source(path, case, registry).map_err(failed)?;
            let linted = more.resources(registry, LintOptions::default());
            let mut more = linted.config.ok_or_else(|| failed(first_of(&linted.lints)))?;
            // Nothing that processors ask for.
            more.inputs.clear();
            more.outputs.clear();
            config.resources.append(more);
        }
        Ok(config)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    read_file(path, FILE_BYTES_MAX)
        .map_err(|NotRead { step, cause }| format!("{step} {}: {cause}", path.display()))
}

/// What is wrong first.
fn first_of(lints: &[Lint]) -> String {
    let first = lints.iter().find(|it| it.is_error());
    first.map_or_else(|| "no sense can be made of it".to_string(), ToString::to_string)
}

fn not_found(what: &str, label: &str) -> String {
    match what {
        "mock" => format!(
            "mock for label '{label}' could not be applied as the label was not found in the test target file, it is \
             not currently possible to mock resources imported separate to the test file"
        ),
        _ => format!(
            "target for label '{label}' failed as the label was not found in the test target file, it is not \
             currently possible to target resources imported separate to the test file"
        ),
    }
}

/// Characters of a URI that are written as `%2F`.
fn unescaped(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).and_then(|it| str::from_utf8(it).ok());
        match digits.filter(|_| *first == b'%').and_then(|it| u8::from_str_radix(it, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &tail[2..];
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
