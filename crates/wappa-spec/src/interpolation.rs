//! Interpolated text: literal text and a closed set of `${! … }`.
//!
//! Bento evaluates any query of its mapping language there. In a text Wappa understands a few queries yet; everything
//! else is a lint that says so. Evaluation on a message lives elsewhere.

use crate::lint::{Lint, Rule};
use crate::reader::Reader;
use crate::spec::{Type, Value};
use crate::suggest::shown;
use crate::yaml::{Node, Pos, Style};

/// A piece of an interpolated text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Text as it is.
    Literal(String),
    /// The content of the message: `${! content() }`.
    Content,
    /// The error mark of the message: `${! error() }`.
    Error,
    /// A metadata value of the message: `${! @key }` or `${! metadata("key") }`. Without a key all of them: an object.
    Meta(String),
    /// A metadata value as text: `${! meta("key") }`, where an empty one counts as none. Without a key all of them: an
    /// object of texts.
    MetaText(String),
}

/// A text with interpolations, read and understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interpolated {
    parts: Vec<Segment>,
}

/// Why a text is not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotUnderstood {
    /// How many characters stand before the place in question.
    pub chars_before: usize,
    /// What is wrong.
    pub message: String,
}

/// What Wappa understands; part of the lint.
const UNDERSTOOD: &str = "`content()`, `error()`, `meta(\"key\")` and `@key`";

impl Interpolated {
    /// Reads a text.
    pub fn parse(text: &str) -> Result<Interpolated, NotUnderstood> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            literal.push_str(&rest[..start]);
            rest = &rest[start..];
            let fail = |at: &str, message: String| NotUnderstood {
                chars_before: text[..text.len() - at.len()].chars().count(),
                message,
            };
            if let Some(inner) = rest.strip_prefix("${{!") {
                let end = inner.find("}}").ok_or_else(|| {
                    fail(&rest[rest.len()..], "the escape `${{!` is not closed by `}}`".to_string())
                })?;
                literal.push_str("${!");
                literal.push_str(&inner[..end]);
                literal.push('}');
                rest = &inner[end + 2..];
            } else if let Some(inner) = rest.strip_prefix("${!") {
                let query = inner.trim_start_matches([' ', '\t']);
                let (segment, after) = segment(query).map_err(|message| fail(query, message))?;
                if !literal.is_empty() {
                    parts.push(Segment::Literal(std::mem::take(&mut literal)));
                }
                parts.push(segment);
                rest = after;
            } else {
                literal.push('$');
                rest = &rest[1..];
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Segment::Literal(literal));
        }
        Ok(Interpolated { parts })
    }

    /// The pieces in order; none for the empty text.
    pub fn parts(&self) -> &[Segment] {
        &self.parts
    }

    /// The text, when it is the same for every message.
    pub fn as_literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Segment::Literal(text)] => Some(text),
            _ => None,
        }
    }
}

/// Reads a query and its closing brace; the segment and what comes after.
fn segment(query: &str) -> Result<(Segment, &str), String> {
    let understood = understood(query).and_then(|(segment, rest)| {
        let rest = rest.trim_start_matches([' ', '\t', '\r', '\n']).strip_prefix('}')?;
        Some((segment, rest))
    });
    understood.ok_or_else(|| match closing_brace(query) {
        None => "the interpolation is not closed by `}`".to_string(),
        Some(end) => {
            let written = shown(query[..end].trim_end());
            format!("Wappa understands {UNDERSTOOD} in an interpolation, not `{written}`")
        }
    })
}

fn understood(query: &str) -> Option<(Segment, &str)> {
    if let Some(rest) = query.strip_prefix('@') {
        if rest.starts_with('"') {
            let (key, rest) = quoted(rest)?;
            return Some((Segment::Meta(key), rest));
        }
        let end = rest.find(|it: char| !it.is_ascii_alphanumeric() && it != '_').unwrap_or(rest.len());
        let (key, rest) = rest.split_at(end);
        return (!key.is_empty()).then(|| (Segment::Meta(key.to_string()), rest));
    }
    let end = query.find(|it: char| !it.is_ascii_alphanumeric() && it != '_')?;
    let (name, rest) = query.split_at(end);
    let blanks = |it: &'_ str| it.len() - it.trim_start_matches([' ', '\t', '\r', '\n']).len();
    let rest = rest.strip_prefix('(')?;
    let rest = &rest[blanks(rest)..];
    let (segment, rest) = match name {
        "content" => (Segment::Content, rest),
        "error" => (Segment::Error, rest),
        "meta" => quoted(rest).map(|(key, rest)| (Segment::MetaText(key), rest))?,
        "metadata" => quoted(rest).map(|(key, rest)| (Segment::Meta(key), rest))?,
        _ => return None,
    };
    Some((segment, rest[blanks(rest)..].strip_prefix(')')?))
}

/// A text in double quotes, with Go's escapes, at the beginning of `text`; and what comes after.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut chars = text.strip_prefix('"')?.char_indices();
    let mut out = String::new();
    while let Some((at, it)) = chars.next() {
        match it {
            // One for the quote at the beginning, one for the one at the end.
            '"' => return Some((out, &text[at + 2..])),
            '\n' => return None,
            '\\' => match chars.next()?.1 {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'r' => out.push('\r'),
                it @ ('"' | '\\') => out.push(it),
                'u' => {
                    let digits: String = (0..4).map_while(|_| chars.next().map(|it| it.1)).collect();
                    out.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                }
                _ => return None,
            },
            it => out.push(it),
        }
    }
    None
}

/// Where the brace is that closes a query, quoted text aside.
fn closing_brace(query: &str) -> Option<usize> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    for (at, it) in query.char_indices() {
        match it {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            '}' if !is_quoted => return Some(at),
            _ => {}
        }
    }
    // A quote that nothing closes: any brace will do to say what was written.
    query.find('}')
}

/// A lint at a place inside the text of a scalar, with the column that Bento computes for it.
pub(crate) fn lint_inside(node: &Node, chars_before: usize, message: impl Into<String>) -> Lint {
    let crate::yaml::Kind::Scalar { text, style } = &node.kind else {
        return Lint::error(Rule::BadMapping, node.pos, message).on(node);
    };
    let (_, column) = line_and_column(text.chars().take(chars_before));
    // Bento adds a column counted from 1 to that of the value, whichever way it was quoted.
    let bento_column = node.pos.column.saturating_add(column).saturating_add(1);
    // The end of a text is the end of its last line, not the line after it, which is something else's.
    let written = text.trim_end_matches('\n');
    let (line, column) = line_and_column(written.chars().take(chars_before));
    let is_blank = written.split('\n').nth(line as usize).is_none_or(str::is_empty);
    let Pos { line: line_of_value, column: column_of_value } = node.pos;
    let at = |line: u32, column: u32| Pos::new(line_of_value.saturating_add(line), column);
    // Of a text that goes on in the next line only the first one is known: an escape and the end of a line look the same.
    let end = column_of_value.saturating_add(node.len);
    let pos = match style {
        Style::Plain | Style::Quoted if 0 < line => node.pos,
        Style::Plain => at(line, column_of_value.saturating_add(column).min(end)),
        Style::Quoted => at(line, column_of_value.saturating_add(column).saturating_add(1).min(end)),
        // Nothing is indented in a blank line.
        Style::Literal { .. } if is_blank => at(line.saturating_add(1), 1),
        Style::Literal { column: first } => at(line.saturating_add(1), first.saturating_add(column)),
        // Folding has lost where the lines of the text were; Bento counts from the indicator.
        Style::Folded { .. } if 0 < line => at(line, 1),
        Style::Folded { .. } => at(line, column_of_value),
    };
    Lint { bento_column, ..Lint::error(Rule::BadMapping, pos, message) }
}

/// How many lines and, in the last of them, characters there are before the end of a text.
fn line_and_column(text: impl Iterator<Item = char>) -> (u32, u32) {
    let (mut line, mut column) = (0u32, 0u32);
    for it in text {
        if it == '\n' {
            (line, column) = (line.saturating_add(1), 0);
        } else {
            column = column.saturating_add(1);
        }
    }
    (line, column)
}

impl Value for Interpolated {
    const TYPE: Type = Type::Interpolated;

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Interpolated> {
        let text = String::read(node, reader)?;
        match Interpolated::parse(&text) {
            Ok(interpolated) => Some(interpolated),
            Err(err) => {
                reader.push(lint_inside(node, err.chars_before, err.message));
                None
            }
        }
    }
}
