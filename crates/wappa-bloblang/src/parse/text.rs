//! The small pieces of a mapping: blanks, names, numbers, texts.

use super::{
    Parser,
    fail::{Fail, OrElse, Parsed},
};
use crate::value::go;

/// The names of fields, variables, maps.
fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The names of functions, methods and parameters.
fn is_snake(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'
}

/// A number as it is written in a mapping.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Written {
    Int(i64),
    Float(f64),
}

impl<'a> Parser<'a> {
    pub(super) fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.source.as_bytes().get(self.at).copied()
    }

    /// One character of ASCII.
    pub(super) fn character(&mut self, c: u8, name: &'static str) -> Parsed<()> {
        if self.peek() != Some(c) {
            return Err(Fail::expected(self.at, name));
        }
        self.at += 1;
        Ok(())
    }

    /// A word as it stands.
    pub(super) fn term(&mut self, term: &'static str) -> Parsed<()> {
        if !self.rest().starts_with(term) {
            return Err(Fail::expected(self.at, term));
        }
        self.at += term.len();
        Ok(())
    }

    /// Blanks and tabs, one at least.
    pub(super) fn spaces(&mut self) -> Parsed<()> {
        let begin = self.at;
        self.skip_spaces();
        if self.at == begin {
            return Err(Fail::expected(begin, "whitespace"));
        }
        Ok(())
    }

    pub(super) fn skip_spaces(&mut self) {
        while let Some(b' ' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// The end of a line, after a comment if there is one.
    pub(super) fn line_break(&mut self) -> Parsed<()> {
        let rest = self.rest();
        let n = match rest.as_bytes() {
            [b'#', ..] => rest.find('\n').map(|it| it + 1),
            [b'\n', ..] => Some(1),
            [b'\r', b'\n', ..] => Some(2),
            _ => None,
        };
        match n {
            Some(n) => {
                self.at += n;
                Ok(())
            }
            None => {
                // A comment without an end, or a return without a new line, came that far.
                let at = match rest.as_bytes().first() {
                    Some(b'#') => self.source.len(),
                    Some(b'\r') => self.at + 1,
                    _ => self.at,
                };
                Err(Fail::expected(at, "line break"))
            }
        }
    }

    /// Blanks, ends of lines and comments.
    pub(super) fn skip_blanks(&mut self) {
        loop {
            self.skip_spaces();
            if self.line_break().is_err() {
                return;
            }
        }
    }

    fn while_name(&mut self, is_part: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let n = rest.bytes().position(|it| !is_part(it)).unwrap_or(rest.len());
        self.at += n;
        &rest[..n]
    }

    /// A name of letters, digits and underscores; what it is the name of is for the error.
    pub(super) fn name(&mut self, what: &'static str) -> Parsed<&'a str> {
        match self.while_name(is_name) {
            "" => Err(Fail::expected(self.at, what)),
            name => Ok(name),
        }
    }

    /// A name of a function, a method or a parameter.
    pub(super) fn snake_case(&mut self, what: &'static str) -> Parsed<&'a str> {
        match self.while_name(is_snake) {
            "" => Err(Fail::expected(self.at, what)),
            name => Ok(name),
        }
    }

    /// A name, or a text in quotes.
    pub(super) fn quoted_or_name(&mut self, what: &'static str) -> Parsed<String> {
        if self.peek() == Some(b'"') {
            return self.quoted_text().called(what);
        }
        self.name(what).map(str::to_string)
    }

    pub(super) fn number(&mut self) -> Parsed<Written> {
        let begin = self.at;
        let is_negative = self.peek() == Some(b'-');
        if is_negative {
            self.at += 1;
        }
        let digits = self.at;
        if self.while_name(|it| it.is_ascii_digit()).is_empty() {
            return Err(Fail::expected(self.at, "number"));
        }
        let mut is_float = false;
        if let [b'.', digit, ..] = self.rest().as_bytes()
            && digit.is_ascii_digit()
        {
            is_float = true;
            self.at += 1;
            self.while_name(|it| it.is_ascii_digit());
        }
        let text = &self.source[digits..self.at];
        if is_float {
            let number: f64 = text.parse().expect("digits and a point are a number");
            if number.is_infinite() {
                let why = format!("strconv.ParseFloat: parsing {}: value out of range", go::quote(text));
                return Err(Fail::fatal(begin, format!("failed to parse '{text}' as float: {why}")));
            }
            return Ok(Written::Float(if is_negative { -number } else { number }));
        }
        match text.parse::<i64>() {
            Ok(number) => Ok(Written::Int(if is_negative { -number } else { number })),
            Err(_) => {
                let why = format!("strconv.ParseInt: parsing {}: value out of range", go::quote(text));
                Err(Fail::fatal(begin, format!("failed to parse '{text}' as integer: {why}")))
            }
        }
    }

    /// A text between three quotes, as it stands.
    pub(super) fn raw(&mut self) -> Parsed<&'a str> {
        let rest = self.rest();
        if rest.chars().take(6).count() < 6 || !rest.starts_with("\"\"\"") {
            return Err(Fail::expected(self.at, "quoted string"));
        }
        match rest[3..].find("\"\"\"") {
            Some(n) => {
                self.at += n + 6;
                Ok(&rest[3..3 + n])
            }
            None => Err(Fail::required(self.source.len(), "end triple-quote")),
        }
    }

    /// A text between quotes that names something.
    pub(super) fn quoted_text(&mut self) -> Parsed<String> {
        self.quoted().map(|it| String::from_utf8_lossy(&it).into_owned())
    }

    /// A text between quotes, in Go's notation, which may stand for any bytes.
    pub(super) fn quoted(&mut self) -> Parsed<Vec<u8>> {
        let rest = self.rest();
        if !rest.starts_with('"') {
            return Err(Fail::expected(self.at, "quoted string"));
        }
        let mut is_escaped = false;
        for (idx, byte) in rest.bytes().enumerate().skip(1) {
            match byte {
                b'"' if !is_escaped => {
                    let text = go::unquote(&rest[1..idx]).ok_or_else(|| {
                        Fail::fatal(self.at, "failed to unescape quoted string contents: invalid syntax")
                    })?;
                    self.at += idx + 1;
                    return Ok(text);
                }
                b'\\' => is_escaped = !is_escaped,
                _ => is_escaped = false,
            }
        }
        Err(Fail::required(self.source.len(), "end quote"))
    }
}
