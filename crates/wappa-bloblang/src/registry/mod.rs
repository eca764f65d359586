//! Functions and methods: each is declared once, with its parameters, what it does and examples, and everything else comes
//! from that: checks when a mapping is read, the reference pages, the tests of the examples.

pub(crate) mod args;
pub(crate) mod bound;
mod param;

pub use param::{Constant, Param, Params};

use crate::registry::bound::{FunctionBody, MethodBody};

/// What stands together in the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Category {
    /// What fits nowhere else.
    General,
    /// The message and its batch.
    Message,
    /// The world around: time, files, the machine.
    Environment,
    /// Data that are made up.
    Fake,
    /// From one type to another.
    Coercion,
    /// Texts.
    Strings,
    /// Regular expressions.
    Regexp,
    /// Numbers.
    Numbers,
    /// Points in time.
    Timestamps,
    /// Lists and objects.
    Objects,
    /// Texts that hold something.
    Parsing,
    /// Other alphabets, checksums, ciphers.
    Encoding,
    /// Signed claims.
    Jwt,
    /// Places of addresses.
    Geoip,
}

impl Category {
    /// The heading of the category.
    pub fn title(self) -> &'static str {
        match self {
            Category::General => "General",
            Category::Message => "Message",
            Category::Environment => "Environment",
            Category::Fake => "Fake data",
            Category::Coercion => "Type coercion",
            Category::Strings => "Strings",
            Category::Regexp => "Regular expressions",
            Category::Numbers => "Numbers",
            Category::Timestamps => "Timestamps",
            Category::Objects => "Arrays and objects",
            Category::Parsing => "Parsing",
            Category::Encoding => "Encoding and encryption",
            Category::Jwt => "JSON web tokens",
            Category::Geoip => "GeoIP",
        }
    }
}

/// Whether people should use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Yes.
    Stable,
    /// There is something better.
    Deprecated,
    /// It is for old mappings, and not in the reference.
    Hidden,
}

/// A mapping with what it makes of a document. A result that begins with `Error(` is the text of a failure.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// The mapping.
    pub mapping: &'static str,
    /// A content and what becomes of it; none where that is not known beforehand.
    pub results: &'static [(&'static str, &'static str)],
}

/// A function that is declared.
#[derive(Debug)]
pub struct Function {
    /// The name.
    pub name: &'static str,
    /// Where it stands in the reference.
    pub category: Category,
    /// Whether people should use it.
    pub status: Status,
    /// What it does, in sentences.
    pub description: &'static str,
    /// What it takes.
    pub params: Params,
    /// Mappings that use it.
    pub examples: &'static [Example],
    /// Whether what it gives depends on more than the message, so that contexts that are not trusted do without.
    pub is_impure: bool,
    pub(crate) body: FunctionBody,
}

/// Which errors of a method say which query gave the value in question. In Bento that depends on how old the method is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NamesTarget {
    Always,
    /// Where the value is of a wrong type.
    OfType,
    Never,
}

/// How much of its target and its arguments a method goes through at most. It is charged for that before it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// A few places, and it gives what is there: what it makes beside that, it charges itself.
    Places,
    /// All elements, but not what is in them.
    Elements,
    /// Whatever is in it: what a method reaches that does not say.
    All,
}

/// A method that is declared.
#[derive(Debug)]
pub struct Method {
    /// The name.
    pub name: &'static str,
    /// Where it stands in the reference.
    pub category: Category,
    /// Whether people should use it.
    pub status: Status,
    /// What it does, in sentences.
    pub description: &'static str,
    /// What it takes.
    pub params: Params,
    /// Mappings that use it.
    pub examples: &'static [Example],
    /// Which of its errors say which query gave the value in question.
    pub(crate) names_target: NamesTarget,
    /// Whether it is done when the mapping is read, where all is known.
    pub(crate) is_folded: bool,
    pub(crate) reach: Reach,
    /// Whether what it prepares of its arguments may take long: a pattern, a schema.
    pub(crate) compiles: bool,
    pub(crate) body: MethodBody,
}

impl Function {
    pub(crate) const fn new(
        name: &'static str,
        category: Category,
        description: &'static str,
        body: FunctionBody,
    ) -> Function {
        Function {
            name,
            category,
            status: Status::Stable,
            description,
            params: Params::Named(&[]),
            examples: &[],
            is_impure: false,
            body,
        }
    }

    pub(crate) const fn params(mut self, params: &'static [Param]) -> Function {
        self.params = Params::Named(params);
        self
    }

    pub(crate) const fn examples(mut self, examples: &'static [Example]) -> Function {
        self.examples = examples;
        self
    }

    pub(crate) const fn status(mut self, status: Status) -> Function {
        self.status = status;
        self
    }

    pub(crate) const fn impure(mut self) -> Function {
        self.is_impure = true;
        self
    }
}

impl Method {
    pub(crate) const fn new(
        name: &'static str,
        category: Category,
        description: &'static str,
        body: MethodBody,
    ) -> Method {
        let params = Params::Named(&[]);
        Method {
            name,
            category,
            status: Status::Stable,
            description,
            params,
            examples: &[],
            names_target: NamesTarget::Always,
            is_folded: false,
            // Queries on elements are charged for what they reach themselves.
            reach: match body {
                MethodBody::Query(_) => Reach::Elements,
                _ => Reach::All,
            },
            compiles: false,
            body,
        }
    }

    pub(crate) const fn params(mut self, params: &'static [Param]) -> Method {
        self.params = Params::Named(params);
        self
    }

    /// Its errors do not say which query gave the value in question.
    pub(crate) const fn unnamed(mut self) -> Method {
        self.names_target = NamesTarget::Never;
        self
    }

    /// It is done when the mapping is read, where all is known.
    pub(crate) const fn folded(mut self) -> Method {
        self.is_folded = true;
        self
    }

    /// Only its errors of types say which query gave the value in question.
    pub(crate) const fn named_of_type(mut self) -> Method {
        self.names_target = NamesTarget::OfType;
        self
    }

    /// It looks at a few places only.
    pub(crate) const fn places(mut self) -> Method {
        self.reach = Reach::Places;
        self
    }

    /// It goes through the elements only, and not through what is in them.
    pub(crate) const fn elements(mut self) -> Method {
        self.reach = Reach::Elements;
        self
    }

    /// What it prepares may take long.
    pub(crate) const fn compiles(mut self) -> Method {
        self.compiles = true;
        self
    }

    /// Takes any number of values without names.
    pub(crate) const fn variadic(mut self) -> Method {
        self.params = Params::Variadic;
        self
    }

    pub(crate) const fn examples(mut self, examples: &'static [Example]) -> Method {
        self.examples = examples;
        self
    }

    pub(crate) const fn status(mut self, status: Status) -> Method {
        self.status = status;
        self
    }
}

/// An example with a content and what becomes of it.
pub(crate) const fn example(
    mapping: &'static str,
    results: &'static [(&'static str, &'static str)],
) -> Example {
    Example { mapping, results }
}

/// Something looked up by its name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found<T: 'static> {
    Here(&'static T),
    /// Bento has it, Wappa does not have it yet.
    Missing,
    Unknown,
}

/// All functions, in the order of their names.
pub fn functions() -> Vec<&'static Function> {
    let mut all: Vec<&Function> = crate::functions::TABLE.iter().copied().flatten().collect();
    all.sort_by_key(|it| it.name);
    all
}

/// All methods, in the order of their names.
pub fn methods() -> Vec<&'static Method> {
    let mut all: Vec<&Method> = crate::methods::TABLE.iter().copied().flatten().collect();
    all.sort_by_key(|it| it.name);
    all
}

pub(crate) fn function(name: &str) -> Found<Function> {
    static INDEX: std::sync::OnceLock<Vec<&'static Function>> = std::sync::OnceLock::new();
    let index = INDEX.get_or_init(functions);
    match index.binary_search_by_key(&name, |it| it.name) {
        Ok(idx) => Found::Here(index[idx]),
        Err(_) if crate::functions::MISSING.contains(&name) => Found::Missing,
        Err(_) => Found::Unknown,
    }
}

pub(crate) fn method(name: &str) -> Found<Method> {
    static INDEX: std::sync::OnceLock<Vec<&'static Method>> = std::sync::OnceLock::new();
    let index = INDEX.get_or_init(methods);
    match index.binary_search_by_key(&name, |it| it.name) {
        Ok(idx) => Found::Here(index[idx]),
        Err(_) if crate::methods::MISSING.contains(&name) => Found::Missing,
        Err(_) => Found::Unknown,
    }
}
