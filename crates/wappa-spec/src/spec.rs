//! What a component is described by: its fields, their types, and where all components are listed.
//!
//! Everything here is plain constant data that `#[derive(Config)]` writes. Parsing, lints, defaults, the `list`
//! command and the reference pages are functions of it.

use std::any::{Any, TypeId};
use std::fmt;

use wappa_bloblang::Kept;

use crate::reader::Reader;
use crate::yaml::Node;

/// The kinds of component that a config can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ComponentKind {
    /// Where messages come from.
    Input,
    /// What is done to messages.
    Processor,
    /// Where messages go.
    Output,
    /// A store that other components use by its label.
    Cache,
    /// A limit that other components use by its label.
    RateLimit,
    /// What holds messages between input and pipeline.
    Buffer,
    /// Where metrics are sent.
    Metrics,
    /// Where traces are sent.
    Tracer,
    /// How an input cuts a stream of bytes into messages.
    Scanner,
}

impl ComponentKind {
    /// All kinds, in the order of Bento's `list`.
    pub const ALL: [ComponentKind; 9] = [
        ComponentKind::Input,
        ComponentKind::Processor,
        ComponentKind::Output,
        ComponentKind::Cache,
        ComponentKind::RateLimit,
        ComponentKind::Buffer,
        ComponentKind::Metrics,
        ComponentKind::Tracer,
        ComponentKind::Scanner,
    ];

    /// The name in Bento's messages: `rate_limit`.
    pub fn name(self) -> &'static str {
        match self {
            ComponentKind::Input => "input",
            ComponentKind::Processor => "processor",
            ComponentKind::Output => "output",
            ComponentKind::Cache => "cache",
            ComponentKind::RateLimit => "rate_limit",
            ComponentKind::Buffer => "buffer",
            ComponentKind::Metrics => "metrics",
            ComponentKind::Tracer => "tracer",
            ComponentKind::Scanner => "scanner",
        }
    }

    /// What one of them is called in prose: `rate limit`.
    pub fn noun(self) -> &'static str {
        match self {
            ComponentKind::RateLimit => "rate limit",
            ComponentKind::Metrics => "metrics exporter",
            it => it.name(),
        }
    }

    /// That with its article: `an input`.
    pub fn one(self) -> String {
        let noun = self.noun();
        let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        format!("{article} {noun}")
    }

    /// The name of the group, as the `list` command takes and prints it: `rate-limits`.
    pub fn plural(self) -> &'static str {
        match self {
            ComponentKind::Input => "inputs",
            ComponentKind::Processor => "processors",
            ComponentKind::Output => "outputs",
            ComponentKind::Cache => "caches",
            ComponentKind::RateLimit => "rate-limits",
            ComponentKind::Buffer => "buffers",
            ComponentKind::Metrics => "metrics",
            ComponentKind::Tracer => "tracers",
            ComponentKind::Scanner => "scanners",
        }
    }

    /// Whether one of them can have a label.
    pub fn has_label(self) -> bool {
        use ComponentKind::{Cache, Input, Output, Processor, RateLimit};
        matches!(self, Input | Processor | Output | Cache | RateLimit)
    }

    /// Whether one of them can have processors of its own.
    pub fn has_processors(self) -> bool {
        matches!(self, ComponentKind::Input | ComponentKind::Output)
    }
}

impl fmt::Display for ComponentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a field holds; the grammar is closed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Type {
    /// Any scalar, taken as its text.
    String,
    /// A bool.
    Bool,
    /// An integer.
    Int,
    /// A float.
    Float,
    /// Text in Go's duration syntax: `1h2m`, `300ms`.
    Duration,
    /// A number of bytes: `128MiB`, `64KB`, `1024`.
    Size,
    /// Text that may hold `${! … }`.
    Interpolated,
    /// A mapping.
    Mapping,
    /// Anything.
    Any,
    /// A list of one type.
    Array(&'static Type),
    /// A mapping from names to one type.
    Map(&'static Type),
    /// An object with fields of its own.
    Object(&'static [Field]),
    /// Another component.
    Component(ComponentKind),
}

impl Type {
    /// What the reference pages call it.
    pub fn describe(&self) -> String {
        match self {
            Type::String => "`string`".to_string(),
            Type::Bool => "`bool`".to_string(),
            Type::Int => "`int`".to_string(),
            Type::Float => "`float`".to_string(),
            Type::Duration => "`duration`".to_string(),
            Type::Size => "`size`".to_string(),
            Type::Interpolated => "`string`, may hold interpolations".to_string(),
            Type::Mapping => "`mapping`".to_string(),
            Type::Any => "anything".to_string(),
            Type::Object(_) => "`object`".to_string(),
            Type::Array(item) => format!("list of {}", item.describe()),
            Type::Map(value) => format!("map of {}", value.describe()),
            Type::Component(kind) => format!("`{}`", kind.name()),
        }
    }
}

/// One field of an object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field {
    /// The key.
    pub name: &'static str,
    /// What it is for, in Markdown.
    pub doc: &'static str,
    /// What it holds.
    pub ty: Type,
    /// What it is when absent, as YAML text.
    pub default: Option<&'static str>,
    /// Values worth showing, as YAML text.
    pub examples: &'static [&'static str],
    /// The only values it may have, compared without regard to case; empty: any.
    pub options: &'static [&'static str],
    /// Most users need not see it.
    pub advanced: bool,
    /// It should no longer be used.
    pub deprecated: bool,
    /// It may be absent, and then there is no value.
    pub optional: bool,
    /// Its value must never be printed.
    pub secret: bool,
    /// Bento has it too.
    pub bento: bool,
    /// The version of Wappa that brought it.
    pub since: Option<&'static str>,
}

impl Field {
    /// A required field without any of the extras; what `#[derive(Config)]` builds on.
    pub const fn new(name: &'static str, ty: Type) -> Field {
        Field {
            name,
            doc: "",
            ty,
            default: None,
            examples: &[],
            options: &[],
            advanced: false,
            deprecated: false,
            optional: false,
            secret: false,
            bento: true,
            since: None,
        }
    }

    /// Whether its absence is an error.
    pub fn is_required(&self) -> bool {
        self.default.is_none() && !self.optional && !self.deprecated
    }
}

/// How far a component's config may still change; Bento's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It stays as it is.
    Stable,
    /// It may change in minor versions.
    Beta,
    /// It may change at any time.
    Experimental,
    /// It should no longer be used.
    Deprecated,
}

impl Status {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Status::Stable => "stable",
            Status::Beta => "beta",
            Status::Experimental => "experimental",
            Status::Deprecated => "deprecated",
        }
    }
}

/// A value that is read from a YAML node: what the fields of a config are made of.
///
/// Implemented for the types of the closed grammar and, by `#[derive(Config)]`, for configs themselves.
pub trait Value: Sized {
    /// What the reference pages say it is.
    const TYPE: Type;
    /// Whether a field of this type may be absent.
    const OPTIONAL: bool = false;
    /// Whether a value of this type must never be printed.
    const SECRET: bool = false;
    /// What a field of this type is when it is absent and has no default of its own.
    const DEFAULT: Option<&'static str> = None;

    /// Reads a node; reports to the reader whatever is wrong, and gives nothing when no value can be made of it.
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self>;
}

/// The config of a component, or of a part of one. Derive it: `#[derive(Config)]`.
pub trait Config: Value {
    /// The doc comment of the struct, in Markdown.
    const DOC: &'static str;
    /// The fields, in the order of the struct; empty where the body is not an object.
    const FIELDS: &'static [Field];

    /// Reads a body that was linted before, to build from it: children are not read, and no check that costs
    /// much is run.
    fn from_body(body: &Node, registry: &dyn Registry) -> Result<Self, Vec<crate::Lint>> {
        Self::from_body_with_kept(body, registry).map(|it| it.0)
    }

    /// The same, of what was not linted before: with what is wrong with it, also where it can be read.
    fn from_body_with_lints(body: &Node, registry: &dyn Registry) -> (Option<Self>, Vec<crate::Lint>) {
        let mut reader = Reader::for_building(registry);
        let config = Self::read(body, &mut reader);
        (config, reader.into_lints())
    }

    /// The same, and what the config's own mappings and texts with queries reach that is kept from message to message: what
    /// two of them reach, twice.
    fn from_body_with_kept(
        body: &Node,
        registry: &dyn Registry,
    ) -> Result<(Self, Vec<Kept>), Vec<crate::Lint>> {
        let mut reader = Reader::for_building(registry);
        match Self::read(body, &mut reader) {
            Some(config) => Ok((config, reader.into_kept())),
            None => Err(reader.into_lints()),
        }
    }
}

/// The description of one component.
#[derive(Clone, Copy)]
pub struct Spec {
    /// What it is.
    pub kind: ComponentKind,
    /// Its name in configs.
    pub name: &'static str,
    /// Its page, in Markdown; the first paragraph is the summary.
    pub doc: &'static str,
    /// Where it is listed, in Bento's words.
    pub categories: &'static [&'static str],
    /// How far it may still change.
    pub status: Status,
    /// Whether Bento has a component of this kind and name.
    pub bento: bool,
    /// Whether it reaches files or programs of the machine, so that configs that are not trusted do without it.
    pub reaches_machine: bool,
    /// What its body is: an object with fields, or something else.
    pub body: Type,
    /// Reads a body and reports all that is wrong with it.
    pub lint: fn(&Node, &mut Reader<'_>),
}

impl Spec {
    /// The description of a component whose config is `C`.
    pub const fn new<C: Config>(kind: ComponentKind, name: &'static str) -> Spec {
        Spec {
            kind,
            name,
            doc: C::DOC,
            categories: &[],
            status: Status::Stable,
            bento: true,
            reaches_machine: false,
            body: C::TYPE,
            lint: |body, reader| {
                C::read(body, reader);
            },
        }
    }

    /// The same, listed under categories.
    pub const fn categories(self, categories: &'static [&'static str]) -> Spec {
        Spec { categories, ..self }
    }

    /// The same, with another status.
    pub const fn status(self, status: Status) -> Spec {
        Spec { status, ..self }
    }

    /// The same, as a component that Bento does not have.
    pub const fn only_in_wappa(self) -> Spec {
        Spec { bento: false, ..self }
    }

    /// The same, as one that reaches files or programs of the machine.
    pub const fn reaching_machine(self) -> Spec {
        Spec { reaches_machine: true, ..self }
    }

    /// The same, with a lint of its own in place of reading the config.
    pub const fn lint(self, lint: fn(&Node, &mut Reader<'_>)) -> Spec {
        Spec { lint, ..self }
    }

    /// The fields of a body that is an object, or a list of objects; none for other bodies.
    pub fn fields(&self) -> &'static [Field] {
        match self.body {
            Type::Object(fields) => fields,
            Type::Array(Type::Object(fields)) => fields,
            _ => &[],
        }
    }

    /// The first paragraph of the doc.
    pub fn summary(&self) -> &'static str {
        self.doc.split_once("\n\n").map_or(self.doc, |(summary, _)| summary).trim()
    }
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spec").field("kind", &self.kind).field("name", &self.name).finish_non_exhaustive()
    }
}

/// All components that a program has. Shared by the threads that build from it.
pub trait Registry: Send + Sync {
    /// The description of a component.
    fn spec(&self, kind: ComponentKind, name: &str) -> Option<&Spec>;

    /// The names of a kind, in the order in which they are to be listed.
    fn names(&self, kind: ComponentKind) -> Vec<&str>;

    /// Whether configs are not trusted, so that they must not see what belongs to the machine: its files, programs and
    /// environment variables.
    fn is_restricted(&self) -> bool {
        false
    }

    /// What a lint of a component may use beside its config, by its type: see [`Reader::service`].
    fn service(&self, type_id: TypeId) -> Option<&(dyn Any + Send + Sync)> {
        let _ = type_id;
        None
    }
}

impl dyn Registry + '_ {
    /// What the program has of this type for its components' lints.
    pub fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.service(TypeId::of::<T>())?.downcast_ref()
    }
}

/// All components of another registry, for configs that are not trusted.
#[derive(Clone, Copy)]
pub struct Restricted<'a>(pub &'a dyn Registry);

impl fmt::Debug for Restricted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Restricted")
    }
}

impl Registry for Restricted<'_> {
    fn spec(&self, kind: ComponentKind, name: &str) -> Option<&Spec> {
        self.0.spec(kind, name)
    }

    fn names(&self, kind: ComponentKind) -> Vec<&str> {
        self.0.names(kind)
    }

    fn is_restricted(&self) -> bool {
        true
    }

    fn service(&self, type_id: TypeId) -> Option<&(dyn Any + Send + Sync)> {
        self.0.service(type_id)
    }
}

/// A list of descriptions is a registry; of two of one name, the first counts.
impl Registry for [&'static Spec] {
    fn spec(&self, kind: ComponentKind, name: &str) -> Option<&Spec> {
        self.iter().copied().find(|it| it.kind == kind && it.name == name)
    }

    fn names(&self, kind: ComponentKind) -> Vec<&str> {
        self.iter().filter(|it| it.kind == kind).map(|it| it.name).collect()
    }
}

/// A list of descriptions is a registry; of two of one name, the first counts.
impl Registry for Vec<&'static Spec> {
    fn spec(&self, kind: ComponentKind, name: &str) -> Option<&Spec> {
        self.as_slice().spec(kind, name)
    }

    fn names(&self, kind: ComponentKind) -> Vec<&str> {
        self.as_slice().names(kind)
    }
}
