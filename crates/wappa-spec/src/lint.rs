//! Lints: what is wrong with a config, as data.
//!
//! Nothing in this crate stops at the first problem, prints, or decides what is fatal; it collects lints in the
//! order in which Bento reports them and leaves the rest to the caller.

use std::fmt;

use crate::yaml::{Node, Pos};

/// What kind of problem a lint reports; the set is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The file is not UTF-8 or not YAML, or is past a limit on its shape.
    FailedRead,
    /// Environment variables without a default were not set.
    MissingEnvVar,
    /// The value of an environment variable that is read as something else than what it holds.
    UnquotedVariable,
    /// A second YAML document in a file, which is not read.
    AnotherDocument,
    /// A key is given more than once in one mapping.
    DuplicateKey,
    /// A merge key (`<<`), which is accepted and not applied.
    MergeKey,
    /// A field that the object does not have.
    UnknownField,
    /// A field that must be there and is not.
    MissingField,
    /// A scalar that is not one of the allowed options.
    InvalidOption,
    /// A list was expected.
    ExpectedArray,
    /// An object was expected.
    ExpectedObject,
    /// A scalar was expected.
    ExpectedScalar,
    /// A scalar of another type or range was expected.
    InvalidValue,
    /// A label that is not well formed, or a resource without one.
    BadLabel,
    /// A label that was used before in the same file.
    DuplicateLabel,
    /// A component without a label where labels are required.
    MissingLabel,
    /// A resource that is referred to and defined nowhere.
    UnknownResource,
    /// A field that has no effect and has to go.
    ShouldOmit,
    /// A component whose name is missing or ambiguous.
    ComponentMissing,
    /// A component of a name that does not exist.
    ComponentNotFound,
    /// A `${! … }` or a mapping that is not understood.
    BadMapping,
    /// A field or component that is deprecated.
    Deprecated,
    /// A part of Bento that Wappa does not have yet.
    NotInWappa,
    /// A part of Wappa that Bento does not have.
    NotInBento,
    /// Something that a config that is not trusted must not see.
    Restricted,
    /// A default that cannot be read: a mistake in a component, or a child that this program was built without.
    BadDefault,
    /// A rule of one component's own.
    Custom,
}

impl Rule {
    /// The rule's name in kebab case, as the suites and the command line write it.
    pub fn name(self) -> &'static str {
        match self {
            Rule::FailedRead => "failed-read",
            Rule::MissingEnvVar => "missing-env-var",
            Rule::UnquotedVariable => "unquoted-variable",
            Rule::AnotherDocument => "another-document",
            Rule::DuplicateKey => "duplicate-key",
            Rule::MergeKey => "merge-key",
            Rule::UnknownField => "unknown-field",
            Rule::MissingField => "missing-field",
            Rule::InvalidOption => "invalid-option",
            Rule::ExpectedArray => "expected-array",
            Rule::ExpectedObject => "expected-object",
            Rule::ExpectedScalar => "expected-scalar",
            Rule::InvalidValue => "invalid-value",
            Rule::BadLabel => "bad-label",
            Rule::DuplicateLabel => "duplicate-label",
            Rule::MissingLabel => "missing-label",
            Rule::UnknownResource => "unknown-resource",
            Rule::ShouldOmit => "should-omit",
            Rule::ComponentMissing => "component-missing",
            Rule::ComponentNotFound => "component-not-found",
            Rule::BadMapping => "bad-mapping",
            Rule::Deprecated => "deprecated",
            Rule::NotInWappa => "not-in-wappa",
            Rule::NotInBento => "not-in-bento",
            Rule::Restricted => "restricted",
            Rule::BadDefault => "bad-default",
            Rule::Custom => "custom",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How serious a lint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The config must not run, unless the user insists.
    Error,
    /// The config runs; the user should know.
    Warning,
}

/// One finding about a config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lint {
    /// What kind of problem it is.
    pub rule: Rule,
    /// How serious it is.
    pub level: Level,
    /// Where it is, in the text after environment variables were put in.
    pub pos: Pos,
    /// How many characters it covers on its line; 0 where that is not known.
    pub len: u32,
    /// The column that Bento prints for it: 1, except inside interpolations and mappings.
    pub bento_column: u32,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// The way out, where there is an obvious one.
    pub hint: Option<String>,
}

impl Lint {
    /// An error at a position, with Bento's usual column.
    pub fn error(rule: Rule, pos: Pos, message: impl Into<String>) -> Lint {
        Lint { rule, level: Level::Error, pos, len: 0, bento_column: 1, message: message.into(), hint: None }
    }

    /// A warning at a position, with Bento's usual column.
    pub fn warning(rule: Rule, pos: Pos, message: impl Into<String>) -> Lint {
        Lint { level: Level::Warning, ..Lint::error(rule, pos, message) }
    }

    /// The same lint, covering the text of `node`.
    pub fn on(self, node: &Node) -> Lint {
        Lint { pos: node.pos, len: node.len, ..self }
    }

    /// The same lint with a way out.
    pub fn hint(self, hint: impl Into<String>) -> Lint {
        Lint { hint: Some(hint.into()), ..self }
    }

    /// Whether the config must not run.
    pub fn is_error(&self) -> bool {
        self.level == Level::Error
    }

    /// The line that Bento prints, without its line end: `path(line,column) text`.
    pub fn line(&self, path: &str) -> String {
        format!("{path}{self}")
    }
}

/// Bento's form without the path: `(line,column) text`.
impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({},{}) {}", self.pos.line, self.bento_column, self.message)
    }
}
