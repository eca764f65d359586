//! Reads XML. Elements lie on a stack of their own, so that no document is too deep for that of the machine.

use std::borrow::Cow;

use wappa_message::{Text, Value};

use super::{ATTRIBUTE, TEXT};
use crate::{
    error::{Error, Result},
    value::{go, numbers},
};

/// Charges for so many values.
type Charge<'a> = &'a mut dyn FnMut(usize) -> Result<()>;

/// The first element of a document, as an object with its name. With `is_cast`, what looks like a number or a boolean is
/// one.
pub(crate) fn parse(text: &[u8], is_cast: bool, charge: Charge<'_>) -> Result<Value> {
    match parse_next(text, is_cast, charge)? {
        Some((value, _)) => Ok(value),
        None => Err(Error::new("EOF")),
    }
}

/// The same, with where in the text it ends; nothing where there is no element any more.
pub(crate) fn parse_next(text: &[u8], is_cast: bool, charge: Charge<'_>) -> Result<Option<(Value, usize)>> {
    parse_begun(text, is_cast, charge).0
}

/// The same, and whether all of the text was looked at, so that more of it may give something else.
pub(crate) fn parse_begun(
    text: &[u8],
    is_cast: bool,
    charge: Charge<'_>,
) -> (Result<Option<(Value, usize)>>, bool) {
    let mut reader = Reader { text, at: 0, line: 1, is_windows_1252: false };
    let read = parse_with(&mut reader, is_cast, charge);
    (read, reader.at == text.len())
}

fn parse_with(reader: &mut Reader<'_>, is_cast: bool, charge: Charge<'_>) -> Result<Option<(Value, usize)>> {
    let mut stack: Vec<Element> = Vec::new();
    // The end of an element that others stood open in.
    let mut closing: Option<Name> = None;
    loop {
        let token = match closing.take() {
            Some(name) => Token::End(name),
            None => match reader.token()? {
                Some(token) => token,
                None if stack.is_empty() => return Ok(None),
                None => return Err(reader.syntax("unexpected EOF")),
            },
        };
        match token {
            Token::Start { name, attributes, is_empty } => {
                charge(1 + attributes.len())?;
                let mut element = Element { name, fields: Vec::new(), text: None };
                for (key, value) in attributes {
                    let mut name = vec![ATTRIBUTE];
                    name.extend_from_slice(&key);
                    let value = cast(&value, is_cast);
                    match element.fields.iter_mut().find(|it| it.0 == name) {
                        Some(field) => field.1 = vec![value],
                        None => element.fields.push((name, vec![value])),
                    }
                }
                if is_empty {
                    closing = Some(element.name.clone());
                }
                stack.push(element);
            }
            Token::End(name) => {
                let Some(element) = stack.pop() else {
                    return Err(reader.syntax(&format!("unexpected end element </{}>", shown(&name.local))));
                };
                if element.name.local != name.local {
                    // Whoever leaves something open has it closed with what it stands in.
                    if stack.is_empty() {
                        // It is the root, which is all that is read.
                        return Ok(Some((Value::object([element.finish()?])?, reader.at)));
                    }
                    closing = Some(name);
                } else if element.name.space != name.space {
                    return Err(reader.syntax(&format!(
                        "element <{}> in space {} closed by </{}> in space {}",
                        shown(&element.name.local),
                        shown(&element.name.space),
                        shown(&name.local),
                        shown(&name.space),
                    )));
                }
                let (name, value) = element.finish()?;
                match stack.last_mut() {
                    Some(parent) => parent.add(name, value),
                    None => return Ok(Some((Value::object([(name, value)])?, reader.at))),
                }
            }
            Token::Text(text) => {
                let text = trim(&text);
                if let Some(element) = stack.last_mut()
                    && !text.is_empty()
                {
                    charge(1)?;
                    element.put_text(cast(text, is_cast));
                }
            }
        }
    }
}

/// An element that is open.
struct Element {
    name: Name,
    /// What it has, in the order in which it came; what came several times is a list.
    fields: Vec<(Vec<u8>, Vec<Value>)>,
    /// Its text, as long as there was nothing else when it came.
    text: Option<Value>,
}

impl Element {
    /// The text, which is beside the other fields where there are any already.
    fn put_text(&mut self, text: Value) {
        if self.fields.is_empty() {
            self.text = Some(text);
            return;
        }
        match self.fields.iter_mut().find(|it| it.0 == TEXT) {
            Some(field) => field.1 = vec![text],
            None => self.fields.push((TEXT.to_vec(), vec![text])),
        }
    }

    fn add(&mut self, name: Text, value: Value) {
        // Elements of one name mostly follow each other.
        match self.fields.iter_mut().rev().find(|it| it.0 == name.as_slice()) {
            Some(field) => field.1.push(value),
            None => self.fields.push((name.to_vec(), vec![value])),
        }
    }

    fn finish(mut self) -> Result<(Text, Value)> {
        let name = Text::copied(&self.name.local);
        if self.fields.is_empty() {
            return Ok((name, self.text.unwrap_or_else(|| Value::text(""))));
        }
        if let Some(text) = self.text {
            self.fields.retain(|it| it.0 != TEXT);
            self.fields.push((TEXT.to_vec(), vec![text]));
        }
        let fields = self.fields.into_iter().map(|(name, mut values)| {
            let value = if values.len() == 1 { values.remove(0) } else { Value::array(values)? };
            Ok((Text::from(name), value))
        });
        Ok((name, Value::object(fields.collect::<Result<Vec<_>>>()?)?))
    }
}

fn shown(name: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(name)
}

fn trim(text: &[u8]) -> &[u8] {
    let is_noise = |it: &u8| matches!(it, b'\t' | b'\r' | 8 | b'\n' | b' ');
    let begin = text.iter().position(|it| !is_noise(it)).unwrap_or(text.len());
    let end = text.iter().rposition(|it| !is_noise(it)).map_or(begin, |it| it + 1);
    &text[begin..end]
}

fn cast(text: &[u8], is_cast: bool) -> Value {
    let plain = || Value::text(text);
    let Some(known) = str::from_utf8(text).ok().filter(|_| is_cast) else { return plain() };
    if matches!(known.to_ascii_lowercase().as_str(), "nan" | "inf" | "-inf") {
        return plain();
    }
    match numbers::parse_float(known) {
        Ok(it) if it.is_finite() => Value::Float(it),
        // Names of what is no number have no place in JSON.
        Ok(_) => plain(),
        Err(_) => match known {
            "t" | "T" | "true" | "TRUE" | "True" => Value::Bool(true),
            "f" | "F" | "false" | "FALSE" | "False" => Value::Bool(false),
            _ => plain(),
        },
    }
}

/// A name, and the prefix that says where it is from.
#[derive(Clone, PartialEq, Eq)]
struct Name {
    space: Vec<u8>,
    local: Vec<u8>,
}

enum Token {
    Start { name: Name, attributes: Vec<(Vec<u8>, Vec<u8>)>, is_empty: bool },
    End(Name),
    Text(Vec<u8>),
}

/// Where a text ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    AtTag,
    AtQuote(u8),
    WithCdata,
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    line: u32,
    /// A byte is a character, and those beyond ASCII are Windows' of the West.
    is_windows_1252: bool,
}

impl Reader<'_> {
    /// Adds a byte of the text to what is read of it.
    fn push(&self, byte: u8, out: &mut Vec<u8>) {
        match self.is_windows_1252 && !byte.is_ascii() {
            true => out.extend_from_slice(of_windows_1252(byte).encode_utf8(&mut [0; 4]).as_bytes()),
            false => out.push(byte),
        }
    }

    #[cold]
    fn syntax(&self, why: &str) -> Error {
        Error::new(format!("xml.Decoder.Token() - XML syntax error on line {}: {why}", self.line))
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        self.line += u32::from(byte == b'\n');
        Some(byte)
    }

    fn must_next(&mut self) -> Result<u8> {
        self.next().ok_or_else(|| self.syntax("unexpected EOF"))
    }

    /// One back; never over the end of a line.
    fn back(&mut self) {
        self.at -= 1;
        self.line -= u32::from(self.text[self.at] == b'\n');
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\r' | b'\n' | b'\t')) {
            self.next();
        }
    }

    /// The next token that says something; none at the end.
    fn token(&mut self) -> Result<Option<Token>> {
        loop {
            let Some(byte) = self.next() else { return Ok(None) };
            if byte != b'<' {
                self.back();
                return self.read_text(Ends::AtTag).map(|it| Some(Token::Text(it)));
            }
            match self.must_next()? {
                b'/' => return self.end().map(Some),
                b'?' => self.instruction()?,
                b'!' => {
                    if let Some(text) = self.declaration()? {
                        return Ok(Some(Token::Text(text)));
                    }
                }
                _ => {
                    self.back();
                    return self.start().map(Some);
                }
            }
        }
    }

    fn end(&mut self) -> Result<Token> {
        let Some(name) = self.full_name()? else {
            return Err(self.syntax("expected element name after </"));
        };
        self.blanks();
        if self.must_next()? != b'>' {
            let name = shown(&name.local).into_owned();
            return Err(self.syntax(&format!("invalid characters between </{name} and >")));
        }
        Ok(Token::End(name))
    }

    fn start(&mut self) -> Result<Token> {
        let Some(name) = self.full_name()? else {
            return Err(self.syntax("expected element name after <"));
        };
        let mut attributes = Vec::new();
        loop {
            self.blanks();
            match self.must_next()? {
                b'/' => {
                    if self.must_next()? != b'>' {
                        return Err(self.syntax("expected /> in element"));
                    }
                    return Ok(Token::Start { name, attributes, is_empty: true });
                }
                b'>' => return Ok(Token::Start { name, attributes, is_empty: false }),
                _ => self.back(),
            }
            let Some(key) = self.full_name()? else {
                return Err(self.syntax("expected attribute name in element"));
            };
            self.blanks();
            let value = if self.must_next()? == b'=' {
                self.blanks();
                self.attribute()?
            } else {
                self.back();
                key.local.clone()
            };
            attributes.push((key.local, value));
        }
    }

    fn attribute(&mut self) -> Result<Vec<u8>> {
        match self.must_next()? {
            quote @ (b'"' | b'\'') => self.read_text(Ends::AtQuote(quote)),
            _ => {
                self.back();
                let begin = self.at;
                while matches!(self.must_next()?, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b':' | b'-')
                {
                }
                self.back();
                Ok(self.text[begin..self.at].to_vec())
            }
        }
    }

    /// `<? … ?>`, of which nothing but version and alphabet is of interest.
    fn instruction(&mut self) -> Result<()> {
        let Some(target) = self.name()? else {
            return Err(self.syntax("expected target name after <?"));
        };
        self.blanks();
        let begin = self.at;
        let mut before = 0;
        loop {
            let byte = self.must_next()?;
            if before == b'?' && byte == b'>' {
                break;
            }
            before = byte;
        }
        if target != b"xml" {
            return Ok(());
        }
        let content = String::from_utf8_lossy(&self.text[begin..self.at - 2]).into_owned();
        let version = parameter(&content, "version");
        if !matches!(version, "" | "1.0") {
            let version = go::quote(version);
            return Err(Error::new(format!(
                "xml.Decoder.Token() - xml: unsupported version {version}; only version 1.0 is supported"
            )));
        }
        let encoding = parameter(&content, "encoding").trim();
        match encoding.to_ascii_lowercase().as_str() {
            "" | "utf-8" | "utf8" | "unicode-1-1-utf-8" => Ok(()),
            "us-ascii" | "ascii" | "iso-8859-1" | "iso8859-1" | "latin1" | "l1" | "windows-1252"
            | "cp1252" => {
                self.is_windows_1252 = true;
                Ok(())
            }
            _ => {
                let encoding = go::quote(encoding);
                Err(Error::new(format!(
                    "xml.Decoder.Token() - xml: opening charset {encoding}: unsupported charset: {encoding}"
                )))
            }
        }
    }

    /// `<! … >`: the text of a section of characters; a comment and anything else says nothing.
    fn declaration(&mut self) -> Result<Option<Vec<u8>>> {
        match self.must_next()? {
            b'-' => {
                if self.must_next()? != b'-' {
                    return Err(self.syntax("invalid sequence <!- not part of <!--"));
                }
                let (mut first, mut second) = (0, 0);
                loop {
                    let byte = self.must_next()?;
                    if first == b'-' && second == b'-' {
                        if byte != b'>' {
                            return Err(self.syntax(r#"invalid sequence "--" not allowed in comments"#));
                        }
                        return Ok(None);
                    }
                    (first, second) = (second, byte);
                }
            }
            b'[' => {
                for expected in b"CDATA[" {
                    if self.must_next()? != *expected {
                        return Err(self.syntax("invalid <![ sequence"));
                    }
                }
                self.read_text(Ends::WithCdata).map(Some)
            }
            _ => {
                // What it holds in brackets and quotes is gone over.
                let (mut depth, mut quote) = (0u32, None);
                loop {
                    let byte = self.must_next()?;
                    match (quote, byte) {
                        (Some(it), byte) => quote = Some(it).filter(|it| *it != byte),
                        (None, b'"' | b'\'') => quote = Some(byte),
                        (None, b'>') if depth == 0 => return Ok(None),
                        (None, b'>') => depth -= 1,
                        (None, b'<') => depth += 1,
                        _ => (),
                    }
                }
            }
        }
    }

    fn read_text(&mut self, ends: Ends) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        let is_cdata = ends == Ends::WithCdata;
        // What of it stood there, and was no character by another name.
        let mut plain = [0, 0];
        loop {
            let Some(byte) = self.next() else {
                match ends {
                    Ends::WithCdata => return Err(self.syntax("unexpected EOF in CDATA section")),
                    Ends::AtQuote(_) => return Err(self.syntax("unexpected EOF")),
                    Ends::AtTag => break,
                }
            };
            let is_quoted = matches!(ends, Ends::AtQuote(_));
            if !is_quoted && plain == *b"]]" && byte == b'>' {
                if is_cdata {
                    out.truncate(out.len() - 2);
                    break;
                }
                return Err(self.syntax("unescaped ]]> not in CDATA section"));
            }
            match byte {
                b'<' if is_quoted => return Err(self.syntax("unescaped < inside quoted string")),
                b'<' if !is_cdata => {
                    self.back();
                    break;
                }
                _ if ends == Ends::AtQuote(byte) => break,
                b'&' if !is_cdata => {
                    self.entity(&mut out);
                    plain = [0, 0];
                    continue;
                }
                // Ends of lines are one character, whatever they were.
                b'\r' => out.push(b'\n'),
                b'\n' if plain[1] == b'\r' => (),
                byte => self.push(byte, &mut out),
            }
            plain = [plain[1], byte];
        }
        match str::from_utf8(&out) {
            Err(_) => Err(self.syntax("invalid UTF-8")),
            Ok(text) => match text.chars().find(|it| !is_character(*it)) {
                Some(it) => Err(self.syntax(&format!("illegal character code U+{:04X}", u32::from(it)))),
                None => Ok(out),
            },
        }
    }

    /// What follows `&`: a character by its number or name, or what stands there.
    fn entity(&mut self, out: &mut Vec<u8>) {
        let rest = &self.text[self.at..];
        let len = rest.iter().take(40).position(|it| !it.is_ascii_alphanumeric() && *it != b'#');
        let name = len.filter(|it| rest[*it] == b';').map(|it| &rest[..it]);
        let found = name.and_then(|name| match name {
            b"lt" => Some('<'),
            b"gt" => Some('>'),
            b"amp" => Some('&'),
            b"apos" => Some('\''),
            b"quot" => Some('"'),
            _ => {
                let digits = str::from_utf8(name.strip_prefix(b"#")?).ok()?;
                let code = match digits.strip_prefix('x') {
                    Some(digits) => u32::from_str_radix(digits, 16),
                    None => digits.parse(),
                };
                // As Go has it, half of a pair is the sign for what is unknown.
                code.ok().filter(|it| *it <= 0x10_ffff).map(|it| char::from_u32(it).unwrap_or('\u{fffd}'))
            }
        });
        match (found, name) {
            (Some(c), Some(name)) => {
                self.at += name.len() + 1;
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            _ => out.push(b'&'),
        }
    }

    fn full_name(&mut self) -> Result<Option<Name>> {
        let Some(name) = self.name()? else { return Ok(None) };
        let mut parts = name.split(|it| *it == b':');
        Ok(match (parts.next(), parts.next(), parts.next()) {
            (Some(_), Some(_), Some(_)) => None,
            (Some(space), Some(local), None) if !space.is_empty() && !local.is_empty() => {
                Some(Name { space: space.to_vec(), local: local.to_vec() })
            }
            _ => Some(Name { space: Vec::new(), local: name }),
        })
    }

    fn name(&mut self) -> Result<Option<Vec<u8>>> {
        let is_part =
            |it: u8| it >= 0x80 || it.is_ascii_alphanumeric() || matches!(it, b'_' | b':' | b'.' | b'-');
        let begin = self.at;
        while self.peek().is_some_and(is_part) {
            self.at += 1;
        }
        if self.peek().is_none() {
            return Err(self.syntax("unexpected EOF"));
        }
        let mut name = Vec::new();
        self.text[begin..self.at].iter().for_each(|it| self.push(*it, &mut name));
        if name.is_empty() {
            return Ok(None);
        }
        let first = String::from_utf8_lossy(&name).chars().next();
        match first.is_some_and(|it| it.is_alphabetic() || matches!(it, '_' | ':')) {
            true => Ok(Some(name)),
            false => Err(self.syntax(&format!("invalid XML name: {}", shown(&name)))),
        }
    }
}

/// Whether a character may stand in a document. Source: XML 1.0, 2.2.
fn is_character(it: char) -> bool {
    matches!(it, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// The value of `name="…"` in an instruction, empty where there is none.
fn parameter<'a>(content: &'a str, name: &str) -> &'a str {
    let find = || {
        let (_, rest) = content.split_once(&format!("{name}="))?;
        let quote = rest.chars().next().filter(|it| matches!(it, '"' | '\''))?;
        rest[1..].split_once(quote).map(|it| it.0)
    };
    find().unwrap_or_default()
}

/// Source: the encoding standard of WHATWG, which takes Latin-1 for the same.
fn of_windows_1252(byte: u8) -> char {
    const SPECIAL: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
        '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => SPECIAL[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}
