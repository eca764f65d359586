//! From a text to an expression.

use wappa_message::Value;

use super::{
    Node, Path, Step,
    operators::{self, Infix, Operator, Prefix},
    scan::{Scanner, Token},
};
use crate::value::{go, numbers, regexp};

/// How deep parts may stand one within another.
const DEPTH_MAX: usize = 100;

type Parsed<T> = Result<T, String>;

/// Reads all of a text.
pub(super) fn expression(text: &str) -> Parsed<Node> {
    let mut parser = Parser { scanner: Scanner::new(text), last: Token::End, refused: None, depth: 0 };
    let node = parser.expression().and_then(|node| match parser.refused.take() {
        Some(refused) if parser.last != Token::End => Err(refused.told(parser.last)),
        _ => Ok(node.node),
    });
    node.map_err(|why| format!("parsing error: {} {why}", parser.scanner.place()))
}

struct Parser<'a> {
    scanner: Scanner<'a>,
    last: Token,
    /// The last token was given back by who wanted something else.
    refused: Option<Refused>,
    depth: usize,
}

/// What was expected, by whom.
#[derive(Clone, Copy)]
struct Refused {
    by: &'static str,
    expected: &'static [Token],
}

impl Refused {
    fn told(self, got: Token) -> String {
        let expected: Vec<String> = self.expected.iter().map(Token::to_string).collect();
        let expected = match expected.as_slice() {
            [] => String::new(),
            [one] => format!(" expected {one}"),
            [some @ .., last] => format!(" expected {} or {last}", some.join(", ")),
        };
        format!("unexpected {got} while scanning {}{expected}", self.by)
    }
}

/// A part that was read, with how deep it is.
struct Part {
    node: Node,
    depth: usize,
}

/// One that waits for what is behind its operator.
struct Waiting {
    left: Part,
    operator: Operator,
    binds: u8,
}

/// What follows a value.
enum Next {
    Operator(Operator, u8),
    Condition,
    Nothing,
}

const PATH: Refused =
    Refused { by: "jsonpath", expected: &[Token::Symbol('.'), Token::Symbol('['), Token::Symbol('(')] };
const SELECT: Refused =
    Refused { by: "JSON select", expected: &[Token::Name, Token::Symbol('.'), Token::Symbol('*')] };
const DESCENT: Refused =
    Refused { by: "JSON mapper", expected: &[Token::Symbol('['), Token::Name, Token::Symbol('*')] };
const SEPARATOR: Refused =
    Refused { by: "JSON bracket separator", expected: &[Token::Symbol(':'), Token::Symbol(',')] };

impl Parser<'_> {
    fn scan(&mut self) -> Token {
        if self.refused.take().is_none() {
            self.last = self.scanner.scan();
        }
        self.last
    }

    /// Gives the last token back.
    fn refuse(&mut self, by: &'static str, expected: &'static [Token]) {
        self.refused = Some(Refused { by, expected });
    }

    fn unexpected<T>(&self, refused: Refused) -> Parsed<T> {
        Err(refused.told(self.last))
    }

    fn wants(&mut self, token: Token, by: &'static str, expected: &'static [Token]) -> Parsed<()> {
        match self.scan() == token {
            true => Ok(()),
            false => self.unexpected(Refused { by, expected }),
        }
    }

    /// Goes one deeper while it does something.
    fn deeper<T>(&mut self, body: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == DEPTH_MAX {
            return Err(too_deep());
        }
        self.depth += 1;
        let result = body(self);
        self.depth -= 1;
        result
    }

    fn expression(&mut self) -> Parsed<Part> {
        self.deeper(|it| it.operations())
    }

    /// Values with operators between them.
    fn operations(&mut self) -> Parsed<Part> {
        let mut waiting: Vec<Waiting> = Vec::new();
        loop {
            let mut part = self.prefixed()?;
            loop {
                match self.operator()? {
                    Next::Nothing => return joined(&mut waiting, part, 0),
                    Next::Condition => {
                        part = joined(&mut waiting, part, 0)?;
                        part = self.condition(part)?;
                    }
                    Next::Operator(operator, binds) => {
                        let left = joined(&mut waiting, part, binds)?;
                        waiting.push(Waiting { left, operator, binds });
                        break;
                    }
                }
            }
        }
    }

    fn operator(&mut self) -> Parsed<Next> {
        let token = self.scan();
        let mut is_long = false;
        match token {
            Token::Symbol(c) if operators::is_symbol(c) => {
                while let Some(c) = self.scanner.peek()
                    && operators::is_symbol(c)
                    && operators::is_begin(&format!("{}{c}", self.scanner.token_text()))
                {
                    self.scanner.extend();
                    is_long = true;
                }
            }
            Token::Name => {}
            _ => {
                self.refuse("operator", &[]);
                return Ok(Next::Nothing);
            }
        }
        let name = self.scanner.token_text();
        match operators::find(name) {
            Some((operator, binds)) => Ok(Next::Operator(operator, binds)),
            None if name == operators::CONDITION => Ok(Next::Condition),
            None if is_long => Err(format!("unknown operator {name}")),
            None => {
                self.refuse("operator", &[]);
                Ok(Next::Nothing)
            }
        }
    }

    fn condition(&mut self, condition: Part) -> Parsed<Part> {
        let one = self.expression()?;
        let other = match self.scan() {
            Token::Symbol(':') => self.expression()?,
            Token::End => constant(Value::Null),
            _ => {
                return self
                    .unexpected(Refused { by: "<> ? <> : <>", expected: &[Token::Symbol(':'), Token::End] });
            }
        };
        let depth = deepest([condition.depth, one.depth, other.depth])?;
        Ok(Part { node: Node::Condition(Box::new([condition.node, one.node, other.node])), depth })
    }

    /// A value, with what stands before it.
    fn prefixed(&mut self) -> Parsed<Part> {
        let token = self.scan();
        match token {
            Token::Int | Token::Float => {
                let number =
                    numbers::parse_float(self.scanner.token_text()).map_err(|err| err.to_string())?;
                Ok(constant(Value::Float(number)))
            }
            Token::Text | Token::RawText | Token::Char => self.text(),
            Token::Name => self.name(),
            Token::Symbol('-') => self.prefix(Prefix::Minus),
            Token::Symbol('!') => self.prefix(Prefix::Not),
            Token::Symbol('~') => self.prefix(Prefix::Complement),
            Token::Symbol('(') => {
                let part = self.expression()?;
                self.wants(Token::Symbol(')'), "parentheses", &[Token::Symbol(')')])?;
                Ok(part)
            }
            Token::Symbol('[') => self.list(),
            Token::Symbol('{') => self.object(),
            Token::Symbol('$') => self.path(false),
            Token::Symbol('@') => self.path(true),
            _ => self.unexpected(Refused { by: "extensions", expected: &[] }),
        }
    }

    fn prefix(&mut self, prefix: Prefix) -> Parsed<Part> {
        let part = self.deeper(|it| it.prefixed())?;
        if let Node::Constant(value) = &part.node {
            return prefix.apply(value).map(constant).map_err(|err| err.to_string());
        }
        let depth = deepest([part.depth])?;
        Ok(Part { node: Node::Prefix(prefix, Box::new(part.node)), depth })
    }

    fn text(&mut self) -> Parsed<Part> {
        let text = self.scanner.token_text();
        let unquoted = match text.as_bytes() {
            // As a text of Go, but for the quotes, of which the other kind stands for itself.
            [b'\'', .., b'\''] if 1 < text.len() => {
                let inner = text[1..text.len() - 1].replace("\\'", "'").replace('"', "\\\"");
                go::unquote(&inner.replace("\\\\\"", "\\\""))
            }
            _ => go::unquote_any(text),
        };
        match unquoted {
            Some(text) => Ok(constant(Value::text(text))),
            None => Err("could not parse string: invalid syntax".to_string()),
        }
    }

    /// A constant, a function, or a place in the document.
    fn name(&mut self) -> Parsed<Part> {
        let name = self.scanner.token_text();
        match name {
            "true" => return Ok(constant(Value::Bool(true))),
            "false" => return Ok(constant(Value::Bool(false))),
            "date" => {
                let args = match self.scan() {
                    Token::Symbol('(') => self.arguments()?,
                    _ => {
                        self.refuse("function call", &[Token::Symbol('(')]);
                        (Vec::new(), 0)
                    }
                };
                return Ok(Part { node: Node::Date(args.0), depth: deepest([args.1])? });
            }
            _ => {}
        }
        let mut depth = 0;
        let mut names = vec![Node::Constant(Value::text(name))];
        loop {
            match self.scan() {
                Token::Symbol('.') => {
                    self.wants(Token::Name, "field", &[Token::Name])?;
                    names.push(Node::Constant(Value::text(self.scanner.token_text())));
                }
                Token::Symbol('[') => {
                    let part = self.expression()?;
                    self.wants(Token::Symbol(']'), "array key", &[Token::Symbol(']')])?;
                    depth = depth.max(part.depth);
                    names.push(part.node);
                }
                Token::Symbol('(') => {
                    let args = self.arguments()?;
                    let depth = deepest([depth, args.1])?;
                    return Ok(Part { node: Node::Call(name.to_string(), names), depth });
                }
                _ => {
                    self.refuse("variable", &[Token::Symbol('.'), Token::Symbol('('), Token::Symbol('[')]);
                    return Ok(Part { node: Node::Variable(names), depth: deepest([depth])? });
                }
            }
        }
    }

    /// Up to the closing parenthesis, with how deep they are.
    fn arguments(&mut self) -> Parsed<(Vec<Node>, usize)> {
        if self.scan() == Token::Symbol(')') {
            return Ok((Vec::new(), 0));
        }
        self.refuse("scan arguments", &[Token::Symbol(')')]);
        let (mut args, mut depth) = (Vec::new(), 0);
        loop {
            let part = self.expression()?;
            depth = depth.max(part.depth);
            args.push(part.node);
            match self.scan() {
                Token::Symbol(')') => return Ok((args, depth)),
                Token::Symbol(',') => {}
                _ => {
                    let expected = &[Token::Symbol(')'), Token::Symbol(',')];
                    return self.unexpected(Refused { by: "arguments", expected });
                }
            }
        }
    }

    fn list(&mut self) -> Parsed<Part> {
        let (mut elements, mut depth) = (Vec::new(), 0);
        loop {
            match self.scan() {
                Token::Symbol(']') => {
                    return Ok(Part { node: Node::List(elements), depth: deepest([depth])? });
                }
                Token::Symbol(',') => {}
                _ => {
                    self.refuse("array", &[Token::Symbol(','), Token::Symbol(']')]);
                    let part = self.expression()?;
                    depth = depth.max(part.depth);
                    elements.push(part.node);
                }
            }
        }
    }

    fn object(&mut self) -> Parsed<Part> {
        let (mut pairs, mut depth) = (Vec::new(), 0);
        loop {
            match self.scan() {
                Token::Symbol('}') => {
                    return Ok(Part { node: Node::Object(pairs), depth: deepest([depth])? });
                }
                Token::Symbol(',') => {}
                _ => {
                    self.refuse("object", &[Token::Symbol(','), Token::Symbol('}')]);
                    let name = self.expression()?;
                    self.wants(Token::Symbol(':'), "object", &[Token::Symbol(':')])?;
                    let value = self.expression()?;
                    depth = depth.max(name.depth).max(value.depth);
                    pairs.push((name.node, value.node));
                }
            }
        }
    }

    /// What follows `$` or `@`.
    fn path(&mut self, is_of_current: bool) -> Parsed<Part> {
        let mut path = Path { is_of_current, steps: Vec::new() };
        let mut depth = 0;
        loop {
            match self.scan() {
                Token::Symbol('.') => match self.scan() {
                    Token::Name => path.steps.push(self.named()),
                    Token::Symbol('*') => path.steps.push(Step::All),
                    Token::Symbol('.') => {
                        path.steps.push(Step::Descend);
                        let step = match self.scan() {
                            Token::Name => self.named(),
                            Token::Symbol('*') => Step::All,
                            Token::Symbol('[') => match self.brackets(&mut depth)? {
                                Step::Range(_) => {
                                    return Err("mapper can not be combined with range query".to_string());
                                }
                                Step::Name(name) => Step::Names(vec![name]),
                                step => step,
                            },
                            Token::Symbol('(') => self.script(&mut depth)?,
                            _ => return self.unexpected(DESCENT),
                        };
                        path.steps.push(step);
                    }
                    _ => return self.unexpected(SELECT),
                },
                Token::Symbol('[') => path.steps.push(self.brackets(&mut depth)?),
                Token::Symbol('(') => path.steps.push(self.script(&mut depth)?),
                _ => {
                    self.refuse(PATH.by, PATH.expected);
                    return Ok(Part { node: Node::Path(path), depth: deepest([depth])? });
                }
            }
        }
    }

    fn named(&self) -> Step {
        Step::Name(Node::Constant(Value::text(self.scanner.token_text())))
    }

    fn script(&mut self, depth: &mut usize) -> Parsed<Step> {
        let part = self.expression()?;
        // Bento's spelling.
        self.wants(Token::Symbol(')'), "jsnopath script", &[Token::Symbol(')')])?;
        *depth = (*depth).max(part.depth);
        Ok(Step::Script(part.node))
    }

    /// What stands behind `[`, up to `]`.
    fn brackets(&mut self, depth: &mut usize) -> Parsed<Step> {
        match self.scan() {
            Token::Symbol('*') => {
                self.wants(Token::Symbol(']'), "JSON bracket star", &[Token::Symbol(']')])?;
                return Ok(Step::All);
            }
            Token::Symbol('?') => {
                let part = self.expression()?;
                *depth = (*depth).max(part.depth);
                return match self.scan() {
                    Token::Symbol(']') => Ok(Step::Filter(part.node)),
                    Token::Symbol(it @ (',' | ':')) => Err(mixed('?', it)),
                    _ => self.unexpected(SEPARATOR),
                };
            }
            _ => self.refuse("jsonpath brackets", &[]),
        }
        let mut parts: Vec<Option<Node>> = Vec::new();
        let mut separator = None;
        loop {
            // Between the colons of a range there may be nothing.
            let token = self.scan();
            let is_left_out =
                token == Token::Symbol(':') || (token == Token::Symbol(']') && separator == Some(':'));
            self.refuse("jsonpath brackets", &[]);
            if is_left_out {
                parts.push(None);
            } else {
                let part = self.expression()?;
                *depth = (*depth).max(part.depth);
                parts.push(Some(part.node));
            }
            match self.scan() {
                Token::Symbol(']') => break,
                Token::Symbol(it @ (',' | ':')) => match separator {
                    Some(separator) if separator != it => return Err(mixed(separator, it)),
                    _ => separator = Some(it),
                },
                _ => return self.unexpected(SEPARATOR),
            }
        }
        if separator == Some(':') {
            if 3 < parts.len() {
                return Err("range query has at least the parameter [min:max:step]".to_string());
            }
            parts.resize_with(3, || None);
            let mut parts = parts.into_iter();
            let mut or =
                |default: f64| parts.next().flatten().unwrap_or(Node::Constant(Value::Float(default)));
            return Ok(Step::Range(Box::new([or(0.0), or(f64::from(i32::MAX)), or(1.0)])));
        }
        let mut names: Vec<Node> = parts.into_iter().flatten().collect();
        Ok(match names.len() {
            1 => Step::Name(names.remove(0)),
            _ => Step::Names(names),
        })
    }
}

/// Two separators in one pair of brackets, which Bento tells by their numbers.
fn mixed(one: char, other: char) -> String {
    format!("mixed {} and {} in JSON bracket", u32::from(one), u32::from(other))
}

fn constant(value: Value) -> Part {
    Part { node: Node::Constant(value), depth: 0 }
}

fn too_deep() -> String {
    format!("more than {DEPTH_MAX} parts stand one within another")
}

/// How deep a part is that has these in it.
fn deepest<const N: usize>(depths: [usize; N]) -> Parsed<usize> {
    match depths.into_iter().max().unwrap_or(0) + 1 {
        depth if DEPTH_MAX < depth => Err(too_deep()),
        depth => Ok(depth),
    }
}

/// A part with all that waits for it and binds at least as strongly as what is behind it.
fn joined(waiting: &mut Vec<Waiting>, mut right: Part, binds: u8) -> Parsed<Part> {
    while let Some(Waiting { left, operator, .. }) = waiting.pop_if(|it| binds <= it.binds) {
        let is_fit = matches!(operator, Operator::Fits | Operator::FitsNot);
        if let (Node::Constant(left), Node::Constant(right_value)) = (&left.node, &right.node) {
            let budget = &mut crate::evaluate::Budget::default();
            let value = match operator.of_left(left) {
                Some(value) => Ok(value),
                None => operator.apply(left, right_value, budget),
            };
            right = constant(value.map_err(|err| err.to_string())?);
            continue;
        }
        let depth = deepest([left.depth, right.depth])?;
        let infix = match &right.node {
            Node::Constant(pattern) if is_fit => {
                let mut text = String::new();
                go::print(pattern, &mut text);
                let regex = regexp::compile(text.as_bytes()).map_err(|err| err.to_string())?;
                Infix::Fits(Box::new(regex), operator == Operator::Fits)
            }
            _ => Infix::Of(operator),
        };
        right = Part { node: Node::Infix(infix, Box::new((left.node, right.node))), depth };
    }
    Ok(right)
}
