//! What follows the beginning of a query: fields, methods, maps, brackets. And the arguments of functions and methods.

use super::{
    Parser,
    fail::{Fail, OrElse, Parsed, one_of},
};
use crate::{
    environment::Environment,
    evaluate::{Context, Machine},
    program::{Apply, Expr, FunctionCall, Kept, Literal, MethodCall, Slice, Variable},
    registry::{
        self, Found,
        args::Args,
        bound::{BoundFunction, BoundMethod, FunctionBody, MethodBody},
    },
    value::{Evaluated, path::Path},
};

impl<'a> Parser<'a> {
    /// A query with everything that follows it.
    pub(super) fn with_tails(&mut self) -> Parsed<Expr> {
        let is_not = self.peek() == Some(b'!');
        if is_not {
            self.at += 1;
            self.skip_spaces();
        }
        let beside = std::mem::replace(&mut self.height, 0);
        let query = self.primary().and_then(|it| self.tails(it));
        self.height = beside.max(self.height);
        query.map(|it| if is_not { Expr::Not(Box::new(it)) } else { it })
    }

    fn tails(&mut self, mut query: Expr) -> Parsed<Expr> {
        loop {
            self.grow()?;
            if self.peek() == Some(b'[') {
                let begin = self.at;
                match self.bracket_bounds() {
                    Ok(bounds) => {
                        query = bounds.of(query);
                        continue;
                    }
                    // What is wrong there is told by whoever expects something else here.
                    Err(_) => self.at = begin,
                }
            }
            if self.peek() != Some(b'.') {
                return Ok(query);
            }
            self.at += 1;
            self.skip_blanks();
            query = self.tail(query)?;
        }
    }

    /// What stands behind a point.
    fn tail(&mut self, target: Expr) -> Parsed<Expr> {
        enum Tail<'a> {
            Map(Expr),
            Method(&'a str, Args, &'static registry::Method, usize),
            Field(String),
        }
        let tail = one_of!(
            self,
            (|parser: &mut Self| {
                parser.character(b'(', "method")?;
                parser.skip_blanks();
                let query = parser.query()?;
                parser.skip_blanks();
                parser.character(b')', ")")?;
                Ok(Tail::Map(query))
            })(self),
            (|parser: &mut Self| {
                let name = parser.snake_case("method")?;
                let args = parser.arguments()?;
                let method = match registry::method(name) {
                    Found::Here(method) => method,
                    Found::Missing => {
                        let why = format!("`{name}` is a Bento method that Wappa does not have yet");
                        return Err(Fail::fatal(parser.at, why));
                    }
                    Found::Unknown => {
                        return Err(Fail::fatal(parser.at, format!("unrecognised method '{name}'")));
                    }
                };
                let args = Args::bind(method.params, args).map_err(|why| Fail::fatal(parser.at, why))?;
                Ok(Tail::Method(name, args, method, parser.at))
            })(self),
            self.quoted_or_name("field path").map(Tail::Field),
        )
        .required()?;
        match tail {
            Tail::Map(query) => Ok(Expr::Map(Box::new((target, query)))),
            Tail::Field(name) => Ok(get(target, Path::of_name(&name))),
            Tail::Method(name, args, method, at) => {
                if matches!(name, "from" | "from_all") {
                    self.reads_batch = true;
                }
                bind_method(target, args, method, self.environment).map_err(|why| Fail::fatal(at, why))
            }
        }
    }

    /// `[index]` or `[from:to:step]`.
    fn bracket_bounds(&mut self) -> Parsed<Bounds> {
        self.character(b'[', "[")?;
        self.skip_blanks();
        let mut start = None;
        if self.peek() != Some(b':') {
            let query = self.query()?;
            self.skip_blanks();
            if self.peek() == Some(b']') {
                self.at += 1;
                return Ok(Bounds::Index(query));
            }
            start = Some(query);
        }
        self.character(b':', ":")?;
        self.skip_blanks();
        let (mut end, mut step) = (None, None);
        if !matches!(self.peek(), Some(b':' | b']')) {
            end = Some(self.query()?);
            self.skip_blanks();
        }
        if self.peek() == Some(b':') {
            self.at += 1;
            self.skip_blanks();
            if self.peek() != Some(b']') {
                step = Some(self.query()?);
                self.skip_blanks();
            }
        }
        self.character(b']', "closing bracket")?;
        Ok(Bounds::Slice(start, end, step))
    }

    pub(super) fn function(&mut self) -> Parsed<Expr> {
        let name = self.snake_case("function")?;
        let args = self.arguments()?;
        let at = self.at;
        let function = match registry::function(name) {
            Found::Here(function) if self.is_inner && !is_of_values(function) => {
                return Err(Fail::fatal(at, format!("unrecognised function '{name}'")));
            }
            Found::Here(function) => function,
            Found::Missing => {
                return Err(Fail::fatal(
                    at,
                    format!("`{name}` is a Bento function that Wappa does not have yet"),
                ));
            }
            Found::Unknown => return Err(Fail::fatal(at, format!("unrecognised function '{name}'"))),
        };
        let args = Args::bind(function.params, args).map_err(|why| Fail::fatal(at, why))?;
        match function.body {
            FunctionBody::Deleted => return Ok(word(Evaluated::Deleted, "delete")),
            FunctionBody::Nothing => return Ok(word(Evaluated::Nothing, "nothing")),
            _ => (),
        }
        if name == "var"
            && let Some(name) = args.fixed_text(0)
        {
            let slot = self.variable(&name);
            return Ok(Expr::Variable(Box::new(Variable { name: name.into_owned(), slot })));
        }
        match args.fixed_text(0) {
            _ if name == "count" => self.reaches(Kept::Counts),
            _ if name == "tracing_id" || name == "tracing_span" => self.reaches(Kept::Trace),
            Some(label) if name.starts_with("cache_") => self.reaches(Kept::Cache(label.into_owned())),
            None if name.starts_with("cache_") => self.reaches(Kept::AnyCache),
            _ => (),
        }
        let bound = match function.body {
            FunctionBody::Prepared(prepare) if !args.is_dynamic() => {
                let prepared = prepare(args.as_fixed(), self.environment);
                BoundFunction::Prepared(prepared.map_err(|err| Fail::fatal(at, err.to_string()))?)
            }
            FunctionBody::Prepared(_) => BoundFunction::AtCall(Some(self.environment.clone())),
            FunctionBody::Stateful(check, _) => {
                if !args.is_dynamic() {
                    check(args.as_fixed()).map_err(|err| Fail::fatal(at, err.to_string()))?;
                }
                BoundFunction::Stateful(Default::default())
            }
            _ => BoundFunction::AtCall(None),
        };
        let annotation = crate::functions::annotation(function, &args);
        Ok(Expr::Function(Box::new(FunctionCall { function, args, bound, annotation })))
    }

    /// Notes that a query reaches what is kept from message to message.
    pub(super) fn reaches(&mut self, kept: Kept) {
        if !self.kept.contains(&kept) {
            self.kept.push(kept);
        }
    }

    fn arguments(&mut self) -> Parsed<Vec<(Option<&'a str>, Expr)>> {
        self.delimited(
            |parser| {
                parser.character(b'(', "function arguments")?;
                parser.skip_blanks();
                Ok(())
            },
            |parser| {
                one_of!(
                    parser,
                    (|parser: &mut Self| {
                        let name = parser.snake_case("snake-case")?;
                        parser.character(b':', ":")?;
                        parser.skip_spaces();
                        let value = parser.query().called("argument value").required()?;
                        Ok((Some(name), value))
                    })(parser),
                    parser.query().map(|it| (None, it)),
                )
                .called("function argument")
                .required()
            },
            |parser| {
                parser.skip_spaces();
                parser.character(b',', "comma").required()?;
                parser.skip_blanks();
                Ok(())
            },
            |parser| {
                parser.skip_blanks();
                parser.character(b')', "closing bracket").required()
            },
        )
    }
}

/// Whether a function asks for neither a message nor the machine, and counts nothing.
fn is_of_values(function: &registry::Function) -> bool {
    !function.is_impure && function.category != registry::Category::Message && function.name != "counter"
}

/// What stands in brackets.
enum Bounds {
    Index(Expr),
    Slice(Option<Expr>, Option<Expr>, Option<Expr>),
}

impl Bounds {
    fn of(self, target: Expr) -> Expr {
        match self {
            Bounds::Index(index) => Expr::Index(Box::new((target, index))),
            Bounds::Slice(start, end, step) => Expr::Slice(Box::new(Slice { target, start, end, step })),
        }
    }
}

fn word(value: Evaluated, annotation: &str) -> Expr {
    Expr::Literal(Box::new(Literal { value, annotation: Some(annotation.to_string()) }))
}

/// A path in what a query results in. Behind a path it is a longer path.
fn get(target: Expr, path: Path) -> Expr {
    match target {
        Expr::Field(mut field) => {
            field.path.join(path);
            Expr::Field(field)
        }
        Expr::Get(mut get) => {
            get.1.join(path);
            Expr::Get(get)
        }
        target => Expr::Get(Box::new((target, path))),
    }
}

fn bind_method(
    target: Expr,
    mut args: Args,
    method: &'static registry::Method,
    environment: &Environment,
) -> Result<Expr, String> {
    match method.name {
        "get" => {
            if let Some(path) = args.fixed_text(0) {
                return Ok(get(target, Path::of_dots(&path)));
            }
        }
        "fold" => args.lend(1),
        "not" => return Ok(Expr::Not(Box::new(target))),
        "bloblang" => {
            if let Some(text) = args.fixed_text(0) {
                crate::methods::mappings::read(&text).map_err(|err| err.to_string())?;
            }
        }
        "apply" => return Ok(Expr::Apply(Box::new(Apply { target, args }))),
        _ => (),
    }
    let bound = match method.body {
        MethodBody::Prepared(prepare) if !args.is_dynamic() => {
            BoundMethod::Prepared(prepare(args.as_fixed()).map_err(|err| err.to_string())?)
        }
        MethodBody::World(prepare) => {
            let prepared = prepare(args.as_fixed(), environment);
            BoundMethod::Prepared(prepared.map_err(|err| err.to_string())?)
        }
        _ => BoundMethod::AtCall,
    };
    let is_known = method.is_folded && target.as_literal().is_some() && !args.is_dynamic();
    let call = Expr::Method(Box::new(MethodCall { method, target, args, bound }));
    if !is_known {
        return Ok(call);
    }
    let value =
        Machine::new(None, &mut [], 0).evaluate(&call, Context::new(0)).map_err(|err| err.to_string())?;
    let annotation = Some(call.annotation());
    Ok(Expr::Literal(Box::new(Literal { value, annotation })))
}
