//! Literals: numbers, texts, lists, objects.

use wappa_message::{Text, Value};

use super::{
    Parser,
    fail::{Fail, OrElse, Parsed, one_of},
    text::Written,
};
use crate::{
    program::Expr,
    value::{Evaluated, go},
};

impl Parser<'_> {
    pub(super) fn literal(&mut self) -> Parsed<Expr> {
        one_of!(
            self,
            self.boolean(),
            self.number().map(|it| Expr::literal(match it {
                Written::Int(it) => Value::Int(it),
                Written::Float(it) => Value::Float(it),
            })),
            self.raw().map(|it| Expr::literal(Value::text(it))),
            self.quoted().map(|it| Expr::literal(Value::Text(Text::from(it)))),
            self.term("null").map(|()| Expr::literal(Value::Null)),
            self.array(),
            self.object(),
        )
    }

    fn boolean(&mut self) -> Parsed<Expr> {
        let value = one_of!(self, self.term("true").map(|()| true), self.term("false").map(|()| false));
        value.called("boolean").map(|it| Expr::literal(Value::Bool(it)))
    }

    fn array(&mut self) -> Parsed<Expr> {
        let begin = self.at;
        let queries = self.delimited(
            |parser| {
                parser.character(b'[', "array")?;
                parser.skip_blanks();
                Ok(())
            },
            |parser| parser.query().called("object"),
            Self::comma,
            |parser| {
                parser.skip_blanks();
                parser.character(b']', "]")
            },
        )?;
        let is_fixed = queries.iter().all(|it| it.as_literal().is_some());
        if !is_fixed {
            return Ok(Expr::Array(queries));
        }
        let values = queries.iter().filter_map(|it| match it.as_literal() {
            Some(Evaluated::Value(value)) => Some(value.clone()),
            _ => None,
        });
        Value::array(values).map(Expr::literal).map_err(|err| Fail::fatal(begin, err.to_string()))
    }

    fn object(&mut self) -> Parsed<Expr> {
        let begin = self.at;
        let pairs = self.delimited(
            |parser| {
                parser.character(b'{', "object")?;
                parser.skip_blanks();
                Ok(())
            },
            |parser| {
                let name = one_of!(
                    parser,
                    parser.quoted().map(|it| Expr::literal(Value::Text(Text::from(it)))),
                    parser.query().called("object"),
                )?;
                parser.skip_spaces();
                parser.character(b':', ":")?;
                parser.skip_blanks();
                let value = parser.query().called("object")?;
                Ok((name, value))
            },
            Self::comma,
            |parser| {
                parser.skip_blanks();
                parser.character(b'}', "}")
            },
        )?;
        for (name, _) in &pairs {
            if let Some(name) = name.as_literal()
                && !matches!(name, Evaluated::Value(Value::Text(_)))
            {
                let kind = go::type_name_of(name, false);
                return Err(Fail::fatal(begin, format!("object keys must be strings, received: {kind}")));
            }
        }
        let fixed: Option<Vec<(Text, &Evaluated)>> = pairs
            .iter()
            .map(|(name, value)| match name.as_literal()? {
                Evaluated::Value(Value::Text(name)) => Some((name.clone(), value.as_literal()?)),
                _ => None,
            })
            .collect();
        let Some(fixed) = fixed else { return Ok(Expr::Object(pairs)) };
        let fixed = fixed.into_iter().filter_map(|(name, value)| match value {
            Evaluated::Value(value) => Some((name, value.clone())),
            _ => None,
        });
        Value::object(fixed).map(Expr::literal).map_err(|err| Fail::fatal(begin, err.to_string()))
    }

    fn comma(&mut self) -> Parsed<()> {
        self.skip_spaces();
        self.character(b',', ",")?;
        self.skip_blanks();
        Ok(())
    }
}
