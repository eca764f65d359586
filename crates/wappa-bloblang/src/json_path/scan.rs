//! Tokens, which are those of Go.

use std::fmt;

use crate::value::go;

/// What kind of token it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    End,
    Name,
    Int,
    Float,
    /// In single quotes, of any length.
    Char,
    Text,
    RawText,
    /// Any other character.
    Symbol(char),
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::End => f.write_str("EOF"),
            Token::Name => f.write_str("Ident"),
            Token::Int => f.write_str("Int"),
            Token::Float => f.write_str("Float"),
            Token::Char => f.write_str("Char"),
            Token::Text => f.write_str("String"),
            Token::RawText => f.write_str("RawString"),
            Token::Symbol(c) => f.write_str(&go::quote(&c.to_string())),
        }
    }
}

/// Reads one token after the other.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    /// What is behind the last token.
    at: usize,
    /// Where the last token begins.
    begin: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Scanner<'a> {
        Scanner { text, at: 0, begin: 0 }
    }

    /// What the last token is made of.
    pub(super) fn token_text(&self) -> &'a str {
        &self.text[self.begin..self.at]
    }

    /// The character behind the last token.
    pub(super) fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    /// Makes the last token longer by that character.
    pub(super) fn extend(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }

    /// Where the last token begins and ends: lines and characters, counted from 1.
    pub(super) fn place(&self) -> String {
        let place = |at: usize| {
            let before = &self.text[..at];
            let line = before.rsplit_once('\n').map_or(before, |it| it.1);
            (before.matches('\n').count() + 1, line.chars().count() + 1)
        };
        let ((line, column), (end_line, end_column)) = (place(self.begin), place(self.at));
        match self.text {
            // Go's scanner has not begun there.
            "" => "\t - 1:1".to_string(),
            text => format!("{text}\t:{line}:{column} - {end_line}:{end_column}"),
        }
    }

    /// The next token.
    pub(super) fn scan(&mut self) -> Token {
        self.skip();
        self.begin = self.at;
        let mut chars = self.text[self.at..].chars();
        let Some(first) = chars.next() else { return Token::End };
        let is_fraction = first == '.' && chars.next().is_some_and(|it| it.is_ascii_digit());
        match first {
            _ if first.is_alphabetic() || first == '_' => {
                self.skip_while(|it| it.is_alphabetic() || it == '_' || it.is_numeric());
                Token::Name
            }
            _ if first.is_ascii_digit() || is_fraction => self.number(),
            '"' => self.quoted('"', Token::Text),
            '\'' => self.quoted('\'', Token::Char),
            '`' => {
                let inner = &self.text[self.at + 1..];
                self.at = inner.find('`').map_or(self.text.len(), |it| self.at + it + 2);
                Token::RawText
            }
            _ => {
                self.at += first.len_utf8();
                Token::Symbol(first)
            }
        }
    }

    /// Skips white space and comments.
    fn skip(&mut self) {
        loop {
            self.skip_while(|it| matches!(it, ' ' | '\t' | '\n' | '\r'));
            let rest = &self.text[self.at..];
            let n = match rest.get(..2) {
                Some("//") => rest.find('\n'),
                Some("/*") => rest.get(2..).and_then(|it| it.find("*/")).map(|it| it + 4),
                _ => return,
            };
            self.at += n.unwrap_or(rest.len());
        }
    }

    fn skip_while(&mut self, is: impl Fn(char) -> bool) {
        let rest = &self.text[self.at..];
        self.at += rest.find(|it| !is(it)).unwrap_or(rest.len());
    }

    fn number(&mut self) -> Token {
        let is_prefixed = matches!(
            self.text.as_bytes().get(self.at..self.at + 2),
            Some([b'0', b'x' | b'X' | b'b' | b'B' | b'o' | b'O'])
        );
        if is_prefixed {
            self.skip_while(|it| it.is_ascii_alphanumeric() || it == '_');
            return Token::Int;
        }
        let is_digit = |it: char| it.is_ascii_digit() || it == '_';
        self.skip_while(is_digit);
        let mut token = Token::Int;
        if self.peek() == Some('.') {
            self.extend();
            self.skip_while(is_digit);
            token = Token::Float;
        }
        if matches!(self.peek(), Some('e' | 'E')) {
            self.extend();
            if matches!(self.peek(), Some('+' | '-')) {
                self.extend();
            }
            self.skip_while(is_digit);
            token = Token::Float;
        }
        token
    }

    /// Up to the closing quote, or as far as the line goes.
    fn quoted(&mut self, quote: char, token: Token) -> Token {
        self.at += 1;
        loop {
            match self.peek() {
                None | Some('\n') => return token,
                Some('\\') => {
                    self.extend();
                    self.extend();
                }
                Some(it) => {
                    self.extend();
                    if it == quote {
                        return token;
                    }
                }
            }
        }
    }
}
