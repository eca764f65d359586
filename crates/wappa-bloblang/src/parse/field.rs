//! Texts with queries in them: the fields of a config that hold `${! … }`.

use super::{
    ParseError, Parser,
    fail::{Fail, OrElse, Parsed},
};
use crate::{
    environment::Environment,
    interpolated::{Interpolated, Segment},
};

impl Interpolated {
    /// Reads a text: what stands in `${! … }` is a query, `${{! … }}` stands for itself without the inner braces, and
    /// everything else for itself.
    pub fn parse(source: &str, environment: &Environment) -> Result<Interpolated, ParseError> {
        let mut parser = Parser::new(source, environment);
        let segments = parser.segments().map_err(|fail| ParseError::new(source, &fail))?;
        Ok(Interpolated::new(source, segments, parser.reads_batch, parser.kept))
    }
}

impl Parser<'_> {
    fn segments(&mut self) -> Parsed<Vec<Segment>> {
        let mut segments = Vec::new();
        let mut literal = String::new();
        while let Some(n) = self.rest().find('$') {
            literal.push_str(&self.rest()[..n]);
            self.at += n;
            if self.rest().starts_with("${!") {
                self.at += "${!".len();
                match Segment::of(self.interpolation()?) {
                    Segment::Literal(text) => literal.push_str(&text),
                    segment => {
                        push_literal(&mut segments, &mut literal);
                        segments.push(segment);
                    }
                }
            } else if self.rest().starts_with("${{!") {
                self.at += "${{!".len();
                let inner = self.rest();
                let n =
                    inner.find("}}").ok_or_else(|| Fail::required(self.at, "end of escaped expression"))?;
                literal.push_str("${!");
                literal.push_str(&inner[..n]);
                literal.push('}');
                self.at += n + "}}".len();
            } else {
                literal.push('$');
                self.at += 1;
            }
        }
        literal.push_str(self.rest());
        push_literal(&mut segments, &mut literal);
        Ok(segments)
    }

    /// A query and the brace behind it. No line ends between the braces and the query.
    fn interpolation(&mut self) -> Parsed<crate::program::Expr> {
        self.skip_spaces();
        let query = self.query().required()?;
        self.skip_spaces();
        self.character(b'}', "end of expression").required()?;
        Ok(query)
    }
}

fn push_literal(segments: &mut Vec<Segment>, literal: &mut String) {
    if !literal.is_empty() {
        segments.push(Segment::Literal(std::mem::take(literal).into()));
    }
}
