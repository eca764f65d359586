//! A mapping that was read and checked: what is evaluated for each message.
//!
//! Everything that can be decided once is decided when it is made: paths are cut into segments, variables have numbers,
//! arithmetic on literals is done, functions and methods are bound to those that are declared, and what they prepare of
//! fixed arguments is prepared.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    registry::{
        Function, Method,
        args::Args,
        bound::{BoundFunction, BoundMethod},
    },
    value::{Evaluated, path::Path},
};

/// A mapping, ready to be evaluated.
#[derive(Debug)]
pub struct Program {
    pub(crate) statements: Vec<Statement>,
    pub(crate) maps: Vec<Map>,
    /// How many variables the statements have.
    pub(crate) n_variables: usize,
    /// Whether a query looks at other messages of the batch.
    pub(crate) reads_batch: bool,
    /// Whether metadata are made of metadata, and nothing else is done.
    pub(crate) is_of_metadata: bool,
    /// What queries reach that is kept from message to message, each once.
    pub(crate) kept: Vec<Kept>,
}

/// What is kept from message to message, and shared by all queries that reach it: what one finds there depends on which
/// messages the others have seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The cache with this label.
    Cache(String),
    /// Some cache: its label comes with the messages.
    AnyCache,
    /// What is counted by name.
    Counts,
    /// Nothing that is kept, but the trace of the message, which has one only where somebody asks for it.
    Trace,
}

/// A map that queries call by its name.
#[derive(Debug)]
pub(crate) struct Map {
    pub(crate) name: String,
    pub(crate) statements: Vec<Statement>,
    pub(crate) n_variables: usize,
}

/// One statement and the line on which it begins: in the mapping, or in its map.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) line: usize,
    pub(crate) kind: StatementKind,
}

#[derive(Debug)]
pub(crate) enum StatementKind {
    Assign(Target, Expr),
    /// Conditions and what is done where one is true; the last one may have no condition.
    If(Vec<(Option<Expr>, Vec<Statement>)>),
}

/// What an assignment assigns to.
#[derive(Debug)]
pub(crate) enum Target {
    Root(Path),
    Variable(usize),
    /// A key, or all metadata.
    Metadata(Option<Bytes>),
}

/// A query.
#[derive(Debug)]
pub(crate) enum Expr {
    Literal(Box<Literal>),
    Field(Box<Field>),
    /// A path in the result of a query.
    Get(Box<(Expr, Path)>),
    Variable(Box<Variable>),
    /// A key of the metadata that are being made, or all of them.
    Metadata(Option<Bytes>),
    Not(Box<Expr>),
    Binary(Box<Binary>),
    Match(Box<Match>),
    If(Box<If>),
    Lambda(Box<Lambda>),
    /// `target.(query)`
    Map(Box<(Expr, Expr)>),
    Apply(Box<Apply>),
    Index(Box<(Expr, Expr)>),
    Slice(Box<Slice>),
    Array(Vec<Expr>),
    Object(Vec<(Expr, Expr)>),
    Function(Box<FunctionCall>),
    Method(Box<MethodCall>),
}

/// A value that is known.
#[derive(Debug)]
pub(crate) struct Literal {
    pub(crate) value: Evaluated,
    /// What errors call it, where that is not its type.
    pub(crate) annotation: Option<String>,
}

/// A path in the document, in what is being made, or in a value that has a name.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) root: FieldRoot,
    pub(crate) path: Path,
    pub(crate) lent: Lent,
}

/// Whether what a path begins with is with the machine, and not in a value: see [`lend`](crate::lending::lend).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lent {
    No,
    /// It is, and stays there.
    Seen,
    /// It is, and nobody looks at it later.
    Taken,
    /// It is the document, and nobody looks at that later.
    Document,
}

#[derive(Debug)]
pub(crate) enum FieldRoot {
    This,
    Root,
    Named(Arc<str>),
}

#[derive(Debug)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) slot: usize,
}

#[derive(Debug)]
pub(crate) struct Binary {
    pub(crate) operator: Operator,
    pub(crate) left: Expr,
    pub(crate) right: Expr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Divide,
    Multiply,
    Modulo,
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    And,
    Or,
    Coalesce,
}

#[derive(Debug)]
pub(crate) struct Match {
    pub(crate) target: Option<Expr>,
    pub(crate) cases: Vec<(Case, Expr)>,
}

#[derive(Debug)]
pub(crate) enum Case {
    Any,
    /// The target is equal to this.
    Equal(Evaluated),
    /// This is true of the target.
    True(Expr),
}

#[derive(Debug)]
pub(crate) struct If {
    /// Conditions and results, one at least.
    pub(crate) branches: Vec<(Expr, Expr)>,
    pub(crate) otherwise: Option<Expr>,
}

#[derive(Debug)]
pub(crate) struct Lambda {
    pub(crate) name: Arc<str>,
    pub(crate) body: Expr,
}

#[derive(Debug)]
pub(crate) struct Apply {
    pub(crate) target: Expr,
    pub(crate) args: Args,
}

#[derive(Debug)]
pub(crate) struct Slice {
    pub(crate) target: Expr,
    pub(crate) start: Option<Expr>,
    pub(crate) end: Option<Expr>,
    pub(crate) step: Option<Expr>,
}

#[derive(Debug)]
pub(crate) struct FunctionCall {
    pub(crate) function: &'static Function,
    pub(crate) args: Args,
    pub(crate) bound: BoundFunction,
    /// What errors call it, where that is not its name.
    pub(crate) annotation: Option<String>,
}

#[derive(Debug)]
pub(crate) struct MethodCall {
    pub(crate) method: &'static Method,
    pub(crate) target: Expr,
    pub(crate) args: Args,
    pub(crate) bound: BoundMethod,
}

impl Expr {
    pub(crate) fn literal(value: impl Into<Evaluated>) -> Expr {
        Expr::Literal(Box::new(Literal { value: value.into(), annotation: None }))
    }

    pub(crate) fn as_literal(&self) -> Option<&Evaluated> {
        match self {
            Expr::Literal(literal) => Some(&literal.value),
            _ => None,
        }
    }

    /// Whether what it results in stands in a document.
    pub(crate) fn is_of_document(&self) -> bool {
        matches!(self, Expr::Field(_) | Expr::Get(_) | Expr::Index(_))
    }

    /// What errors call the query.
    pub(crate) fn annotation(&self) -> String {
        match self {
            Expr::Literal(literal) => match &literal.annotation {
                Some(annotation) => annotation.clone(),
                None => format!("{} literal", crate::value::types::Type::of_evaluated(&literal.value)),
            },
            Expr::Field(field) => {
                let root = match &field.root {
                    FieldRoot::This => "this",
                    FieldRoot::Root => "root",
                    FieldRoot::Named(name) => name,
                };
                match field.path.is_empty() {
                    true => format!("field `{root}`"),
                    false => format!("field `{root}.{}`", field.path.to_dots()),
                }
            }
            Expr::Get(get) => format!("path `{}`", get.1.to_dots()),
            Expr::Variable(variable) => format!("variable {}", variable.name),
            Expr::Metadata(Some(key)) => format!("meta field {}", String::from_utf8_lossy(key)),
            Expr::Metadata(None) => "meta object".to_string(),
            Expr::Not(query) => format!("not {}", query.annotation()),
            Expr::Binary(binary) => binary.right.annotation(),
            Expr::Match(_) => "match expression".to_string(),
            Expr::If(_) => "if expression".to_string(),
            Expr::Lambda(lambda) => lambda.body.annotation(),
            Expr::Map(map) => map.1.annotation(),
            Expr::Apply(apply) => match apply.args.fixed_text(0) {
                Some(name) => format!("map {name}"),
                None => "method apply".to_string(),
            },
            Expr::Index(_) => "index".to_string(),
            Expr::Slice(_) => "slice".to_string(),
            Expr::Array(_) => "array literal".to_string(),
            Expr::Object(_) => "object literal".to_string(),
            Expr::Function(call) => match &call.annotation {
                Some(annotation) => annotation.clone(),
                None => format!("function {}", call.function.name),
            },
            Expr::Method(call) => match call.method.name {
                "from" => match call.args.fixed_int(0) {
                    Some(index) => format!("{} from {index}", call.target.annotation()),
                    None => "method from".to_string(),
                },
                "map" => call.args.as_fixed().query(0).annotation(),
                name => format!("method {name}"),
            },
        }
    }
}

impl Operator {
    /// What errors call the operation.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Operator::Add => "add",
            Operator::Subtract => "subtract",
            Operator::Divide => "divide",
            Operator::Multiply => "multiply",
            Operator::Modulo => "modulo",
            Operator::And => "boolean and",
            Operator::Or => "boolean or",
            Operator::Coalesce => "coalesce",
            _ => "compare",
        }
    }
}
