//! Queries: operators, and what stands between them.

use std::sync::Arc;

use wappa_message::Value;

use super::{
    Parser,
    fail::{Fail, OrElse, Parsed, one_of},
};
use crate::{
    evaluate::operate,
    program::{Binary, Case, Expr, Field, FieldRoot, If, Lambda, Lent, Match, Operator, Variable},
    value::{Evaluated, path::Path},
};

/// All operators, in the order in which they are tried.
const OPERATORS: [(&str, Operator); 14] = [
    ("+", Operator::Add),
    ("-", Operator::Subtract),
    ("/", Operator::Divide),
    ("*", Operator::Multiply),
    ("%", Operator::Modulo),
    ("&&", Operator::And),
    ("||", Operator::Or),
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    (">=", Operator::GreaterOrEqual),
    ("<=", Operator::LessOrEqual),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("|", Operator::Coalesce),
];

impl Operator {
    /// Operators of a lower level are done first; within a level, from left to right.
    fn level(self) -> u8 {
        match self {
            Operator::Divide | Operator::Multiply | Operator::Modulo | Operator::Coalesce => 0,
            Operator::Add | Operator::Subtract => 1,
            Operator::And | Operator::Or => 3,
            _ => 2,
        }
    }
}

impl Parser<'_> {
    /// A query, with blanks in front.
    pub(super) fn query(&mut self) -> Parsed<Expr> {
        self.within(|parser| {
            parser.skip_spaces();
            parser.arithmetic()
        })
    }

    fn arithmetic(&mut self) -> Parsed<Expr> {
        let begin = self.at;
        let mut read = vec![self.operand()?];
        let mut operators = Vec::new();
        while let Some(operator) = self.operator() {
            operators.push(operator);
            read.push(self.operand()?);
            self.grow()?;
        }
        let mut operands = Vec::with_capacity(read.len());
        for (is_negative, query) in read {
            operands.push(match is_negative {
                false => query,
                true => binary(Operator::Subtract, Expr::literal(Value::Int(0)), query)
                    .map_err(|why| Fail::fatal(begin, why))?,
            });
        }
        for level in 0..=3 {
            if operators.is_empty() {
                break;
            }
            let mut rest = operands.into_iter();
            let mut kept = vec![rest.next().expect("there is one more than operators")];
            let mut kept_operators = Vec::new();
            for (operator, right) in operators.into_iter().zip(rest) {
                if operator.level() == level {
                    let left = kept.pop().expect("it is never empty");
                    kept.push(binary(operator, left, right).map_err(|why| Fail::fatal(begin, why))?);
                } else {
                    kept.push(right);
                    kept_operators.push(operator);
                }
            }
            (operands, operators) = (kept, kept_operators);
        }
        Ok(operands.pop().expect("one is left"))
    }

    /// One side of an operator, and whether a minus stands in front of it.
    fn operand(&mut self) -> Parsed<(bool, Expr)> {
        let is_negative = self.peek() == Some(b'-');
        if is_negative {
            self.at += 1;
            self.skip_blanks();
        }
        Ok((is_negative, self.with_tails()?))
    }

    fn operator(&mut self) -> Option<Operator> {
        let begin = self.at;
        self.skip_spaces();
        let rest = self.rest();
        let Some((text, operator)) = OPERATORS.iter().find(|(text, _)| rest.starts_with(text)) else {
            self.at = begin;
            return None;
        };
        self.at += text.len();
        self.skip_blanks();
        Some(*operator)
    }

    /// What a query begins with.
    pub(super) fn primary(&mut self) -> Parsed<Expr> {
        one_of!(
            self,
            self.match_expression(),
            self.if_expression(),
            self.lambda(),
            self.brackets(),
            self.literal(),
            self.function(),
            self.metadata_reference(),
            self.variable_reference(),
            self.field_reference(),
        )
        .called("query")
    }

    fn match_expression(&mut self) -> Parsed<Expr> {
        self.term("match")?;
        self.spaces()?;
        let target = self.maybe(Self::query)?;
        self.skip_blanks();
        let cases = self
            .delimited(
                |parser| {
                    parser.character(b'{', "{")?;
                    parser.skip_blanks();
                    Ok(())
                },
                Self::match_case,
                |parser| {
                    parser.skip_spaces();
                    one_of!(parser, parser.character(b',', ","), parser.line_break())?;
                    parser.skip_blanks();
                    Ok(())
                },
                |parser| {
                    parser.skip_blanks();
                    parser.character(b'}', "}")
                },
            )
            .required()?;
        Ok(Expr::Match(Box::new(Match { target, cases })))
    }

    fn match_case(&mut self) -> Parsed<(Case, Expr)> {
        let case = one_of!(
            self,
            {
                (|parser: &mut Self| {
                    parser.character(b'_', "match case")?;
                    parser.skip_spaces();
                    parser.term("=>")?;
                    Ok(Case::Any)
                })(self)
            },
            {
                (|parser: &mut Self| {
                    let query = parser.query().called("match case")?;
                    parser.skip_spaces();
                    parser.term("=>")?;
                    Ok(match query {
                        Expr::Literal(literal) => Case::Equal(literal.value),
                        query => Case::True(query),
                    })
                })(self)
            },
        )?;
        self.skip_spaces();
        Ok((case, self.query()?))
    }

    fn if_expression(&mut self) -> Parsed<Expr> {
        self.term("if")?;
        self.spaces()?;
        let mut branches = vec![self.branch()?];
        while let Some(branch) = self.maybe(|parser| {
            parser.skip_blanks();
            parser.term("else if")?;
            parser.spaces()?;
            parser.branch()
        })? {
            branches.push(branch);
        }
        let otherwise = self.maybe(|parser| {
            parser.skip_blanks();
            parser.term("else")?;
            parser.skip_blanks();
            parser.braces()
        })?;
        Ok(Expr::If(Box::new(If { branches, otherwise })))
    }

    fn branch(&mut self) -> Parsed<(Expr, Expr)> {
        let condition = self.query().required()?;
        self.skip_blanks();
        Ok((condition, self.braces()?))
    }

    /// A query between braces.
    fn braces(&mut self) -> Parsed<Expr> {
        self.character(b'{', "{").required()?;
        self.skip_blanks();
        let query = self.query().required()?;
        self.skip_blanks();
        self.character(b'}', "}").required()?;
        Ok(query)
    }

    fn lambda(&mut self) -> Parsed<Expr> {
        let begin = self.at;
        let name = (|| {
            let name = self.name("context name")?;
            self.spaces()?;
            self.term("->")?;
            self.spaces()?;
            Ok(name)
        })()
        .called("function")?;
        if name != "_" {
            if self.named.iter().any(|it| &**it == name) {
                let why = format!("context label `{name}` would shadow a parent context");
                return Err(Fail::fatal(begin, why));
            }
            if matches!(name, "root" | "this") {
                return Err(Fail::fatal(begin, format!("context label `{name}` is not allowed")));
            }
        }
        let name: Arc<str> = name.into();
        self.named.push(Arc::clone(&name));
        let body = self.query().required();
        self.named.pop();
        let body = body?;
        if let Expr::Lambda(other) = &body {
            let why = format!(
                "it would be in poor taste to capture the same context under both '{name}' and '{}'",
                other.name
            );
            return Err(Fail::fatal(begin, why));
        }
        Ok(Expr::Lambda(Box::new(Lambda { name, body })))
    }

    fn brackets(&mut self) -> Parsed<Expr> {
        self.character(b'(', "function")?;
        self.skip_blanks();
        let query = self.query()?;
        self.skip_blanks();
        self.character(b')', "closing bracket").required()?;
        Ok(query)
    }

    fn metadata_reference(&mut self) -> Parsed<Expr> {
        self.character(b'@', "metadata path")?;
        let key = self.maybe(|parser| match parser.peek() {
            Some(b'"') => parser.quoted(),
            _ => parser.name("metadata path").map(|it| it.as_bytes().to_vec()),
        })?;
        Ok(Expr::Metadata(key.filter(|it| !it.is_empty()).map(Into::into)))
    }

    fn variable_reference(&mut self) -> Parsed<Expr> {
        self.character(b'$', "variable path")?;
        let name = self.name("variable path")?;
        let slot = self.variable(name);
        Ok(Expr::Variable(Box::new(Variable { name: name.to_string(), slot })))
    }

    fn field_reference(&mut self) -> Parsed<Expr> {
        let name = self.name("field path")?;
        let mut path = Path::default();
        let root = match name {
            "this" => FieldRoot::This,
            "root" => FieldRoot::Root,
            name => match self.named.iter().find(|it| &***it == name) {
                Some(name) => FieldRoot::Named(Arc::clone(name)),
                // A name alone is a field of the document, in old mappings.
                None => {
                    path.push(name);
                    FieldRoot::This
                }
            },
        };
        Ok(Expr::Field(Box::new(Field { root, path, lent: Lent::No })))
    }
}

/// An operator between two queries. On literals it is done at once.
fn binary(operator: Operator, left: Expr, right: Expr) -> Result<Expr, String> {
    let is_lazy = matches!(operator, Operator::And | Operator::Or | Operator::Coalesce);
    if let (false, Some(one), Some(other)) = (is_lazy, left.as_literal(), right.as_literal()) {
        let value = operate(operator, (&left, one), (&right, other)).map_err(|err| err.to_string())?;
        let annotation = Some(right.annotation());
        let value = Evaluated::Value(value);
        return Ok(Expr::Literal(Box::new(crate::program::Literal { value, annotation })));
    }
    Ok(Expr::Binary(Box::new(Binary { operator, left, right })))
}
