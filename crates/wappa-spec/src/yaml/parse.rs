//! Builds the tree from the parser's events; the only file that knows the YAML library.
//!
//! Everything a hostile text could make large is bounded here: nesting before anything recurses over it, and what
//! aliases expand to before it is copied.

use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span};

use super::{Kind, Node, Pos, Style, scalar};
use crate::lint::{Lint, Rule};
use crate::suggest::shown;

/// The deepest nesting. Real configs stay below 30; reading recurses, so it must fit the smallest thread's stack.
const DEPTH_MAX: usize = 100;
/// The most nodes that anchors and aliases together may copy.
const COPIED_NODES_MAX: usize = 100_000;
/// The most bytes of text that anchors and aliases together may copy.
const COPIED_BYTES_MAX: usize = 16 << 20;

/// A text that was YAML.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The first document; null at line 0 where there is none.
    pub node: Node,
    /// Warnings about what YAML allows and nobody means: repeated keys, merge keys; and errors where these lose fields, and
    /// where a text is in base64 (`!!binary`).
    pub lints: Vec<Lint>,
}

/// Reads the first document of a YAML (or JSON) text, as Bento does; later documents are not looked at.
///
/// The error is the lint that describes why the text cannot be read.
pub fn parse(text: &str) -> Result<Parsed, Box<Lint>> {
    Builder { text, stack: Vec::new(), anchors: HashMap::new(), copied: Size::default(), lints: Vec::new() }
        .build()
}

/// What copying a subtree costs, and how deep it is.
#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    bytes: usize,
    height: usize,
}

impl Size {
    fn add(&mut self, child: Size) {
        self.nodes += child.nodes;
        self.bytes += child.bytes;
        self.height = self.height.max(child.height + 1);
    }
}

enum Children {
    Seq(Vec<Node>),
    Map { pairs: Vec<(Node, Node)>, key: Option<Node> },
}

/// A list or mapping whose end has not been seen.
struct Frame {
    pos: Pos,
    anchor: usize,
    size: Size,
    children: Children,
}

struct Builder<'t> {
    text: &'t str,
    stack: Vec<Frame>,
    anchors: HashMap<usize, (Node, Size)>,
    copied: Size,
    lints: Vec<Lint>,
}

impl<'t> Builder<'t> {
    fn build(mut self) -> Result<Parsed, Box<Lint>> {
        let options = granit_parser::options! {
            emit_comments: false,
            block_scalar_eof_without_line_feed: true,
            flow_nesting_limit: DEPTH_MAX,
            block_nesting_limit: DEPTH_MAX,
        };
        let mut events = Parser::new_from_str_with_options(self.text, options);
        while let Some(event) = events.next() {
            let (event, span) = event.map_err(|err| unreadable(&err))?;
            let is_end = matches!(event, Event::DocumentEnd);
            if let Some(node) = self.event(event, span)? {
                if let Some(pos) = next_document(events, is_end) {
                    let message =
                        "what follows this line is another document, and is not read: a config is one";
                    self.lints.push(Lint::warning(Rule::AnotherDocument, pos, message));
                }
                return Ok(Parsed { node, lints: self.lints });
            }
        }
        Ok(Parsed { node: Node::null(Pos::default()), lints: self.lints })
    }

    /// Takes one event; the root node when that is complete.
    fn event(&mut self, event: Event<'t>, span: Span) -> Result<Option<Node>, Box<Lint>> {
        let pos = pos(&span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                // What has a tag of its own is a text, as in Bento.
                let is_binary = tag.as_ref().is_some_and(|it| {
                    let (handle, suffix) = it.parts();
                    [handle, suffix].concat() == "tag:yaml.org,2002:binary"
                });
                let tag = tag.as_ref().map(|it| it.core_suffix().unwrap_or("str").to_string());
                let node = self.scalar(&span, text.into_owned(), style, tag.as_deref());
                if is_binary {
                    let message = "`!!binary` is not decoded: write the text that it stands for";
                    self.lints.push(Lint::error(Rule::InvalidValue, node.pos, message).on(&node));
                }
                let size = Size { nodes: 1, bytes: node.as_key().len(), height: 1 };
                self.keep(anchor, &node, size)?;
                self.place(node, size)
            }
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor) else {
                    return Err(failed(pos, "an anchor contains itself"));
                };
                // The place stays that of the anchor, where the text is, as in Bento.
                let (node, size) = (node.clone(), *size);
                self.charge(pos, size)?;
                self.place(node, size)
            }
            Event::SequenceStart(_, anchor, _) => self.open(pos, anchor, Children::Seq(Vec::new())),
            Event::MappingStart(_, anchor, _) => {
                self.open(pos, anchor, Children::Map { pairs: Vec::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            // An empty first document: the later ones do not count.
            Event::DocumentEnd => Ok(Some(Node::null(Pos::default()))),
            _ => Ok(None),
        }
    }

    fn open(&mut self, pos: Pos, anchor: usize, children: Children) -> Result<Option<Node>, Box<Lint>> {
        if self.stack.len() >= DEPTH_MAX {
            return Err(too_deep(pos));
        }
        self.stack.push(Frame { pos, anchor, size: Size { nodes: 1, bytes: 0, height: 1 }, children });
        Ok(None)
    }

    fn close(&mut self) -> Result<Option<Node>, Box<Lint>> {
        let frame = self.stack.pop().expect("an end event follows its start event");
        let kind = match frame.children {
            Children::Seq(items) => Kind::Seq(items),
            Children::Map { pairs, .. } => {
                self.lint_keys(&pairs);
                Kind::Map(pairs)
            }
        };
        let node = Node::new(frame.pos, kind);
        self.keep(frame.anchor, &node, frame.size)?;
        self.place(node, frame.size)
    }

    /// Puts a complete node into the list or mapping that is open; the root node is returned instead.
    fn place(&mut self, node: Node, size: Size) -> Result<Option<Node>, Box<Lint>> {
        if self.stack.len() + size.height > DEPTH_MAX + 1 {
            return Err(too_deep(node.pos));
        }
        let Some(frame) = self.stack.last_mut() else {
            return Ok(Some(node));
        };
        frame.size.add(size);
        match &mut frame.children {
            Children::Seq(items) => items.push(node),
            Children::Map { pairs, key } => match key.take() {
                Some(key) => pairs.push((key, node)),
                None => *key = Some(node),
            },
        }
        Ok(None)
    }

    fn keep(&mut self, anchor: usize, node: &Node, size: Size) -> Result<(), Box<Lint>> {
        if anchor != 0 {
            self.charge(node.pos, size)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        Ok(())
    }

    fn charge(&mut self, pos: Pos, size: Size) -> Result<(), Box<Lint>> {
        self.copied.add(size);
        if self.copied.nodes > COPIED_NODES_MAX || self.copied.bytes > COPIED_BYTES_MAX {
            let what = format!(
                "anchors and aliases expand to more than {COPIED_NODES_MAX} nodes or {} MiB of text",
                COPIED_BYTES_MAX >> 20
            );
            return Err(failed(pos, &what));
        }
        Ok(())
    }

    fn scalar(&self, span: &Span, text: String, style: ScalarStyle, tag: Option<&str>) -> Node {
        // The library gives `~` for a value that is not there at all.
        let is_absent = style == ScalarStyle::Plain && span.start.index() == span.end.index();
        let column = pos(span).column;
        let style = match (style, tag) {
            (ScalarStyle::Literal, _) => Style::Literal { column },
            (ScalarStyle::Folded, _) => Style::Folded { column },
            (ScalarStyle::Plain, Some("str" | "binary")) => Style::Quoted,
            (ScalarStyle::Plain, _) | (_, Some("int" | "float" | "bool" | "null")) => Style::Plain,
            _ => Style::Quoted,
        };
        let is_null = style == Style::Plain && (is_absent || scalar::is_null(&text));
        let kind = if is_null { Kind::Null } else { Kind::Scalar { text, style } };
        match style {
            Style::Literal { .. } | Style::Folded { .. } => Node::new(self.indicator(span), kind),
            _ => Node { pos: pos(span), len: len(span), kind },
        }
    }

    /// The place of a block scalar's `|` or `>`: on the last line with text before the first line of the block.
    fn indicator(&self, span: &Span) -> Pos {
        let start = span.start.byte_offset().unwrap_or_default().min(self.text.len());
        let before = self.text.get(..start).unwrap_or_default();
        if self.text[before.len()..].starts_with(['|', '>']) {
            return pos(span);
        }
        let header = before.trim_end();
        // The library takes a carriage return alone for a line end as well.
        let between = before[header.len()..].replace("\r\n", "\n");
        let lines_back = between.matches(['\n', '\r']).count();
        let line = pos(span).line.saturating_sub(number(lines_back));
        let header = header.rsplit(['\n', '\r']).next().unwrap_or_default();
        let column = block_header(header).unwrap_or(0);
        Pos::new(line, number(column) + 1)
    }

    fn lint_keys(&mut self, pairs: &[(Node, Node)]) {
        let mut seen = HashMap::new();
        for (key, value) in pairs {
            let name = key.as_key();
            if name == "<<" && matches!(key.kind, Kind::Scalar { style: Style::Plain, .. }) {
                self.lints.push(lint_merge(key, value, pairs));
            } else if let Some(line) = seen.insert(name, key.pos.line)
                && !name.is_empty()
            {
                let message = format!("key {name} was given before at line {line}, the last one counts");
                self.lints.push(Lint::warning(Rule::DuplicateKey, key.pos, message).on(key));
            }
        }
    }
}

/// A merge key is an error where fields are lost by it, which changes what the config means.
fn lint_merge(key: &Node, value: &Node, pairs: &[(Node, Node)]) -> Lint {
    let merged = match &value.kind {
        Kind::Seq(items) => items.as_slice(),
        _ => std::slice::from_ref(value),
    };
    let fields = merged.iter().filter_map(Node::as_map).flatten();
    let is_given = |name: &str| pairs.iter().any(|(it, _)| it.as_key() == name);
    let lost: Vec<&str> = fields.map(|(it, _)| it.as_key()).filter(|it| !is_given(it)).collect();
    let Some(first) = lost.first() else {
        let message = "merge keys (`<<`) are not applied, as in Bento: what is below has no effect";
        return Lint::warning(Rule::MergeKey, key.pos, message).on(key);
    };
    let more = match lost.len() - 1 {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let message = format!(
        "merge keys (`<<`) are not applied, as in Bento: `{}`{more} would be missing here",
        shown(first)
    );
    let hint = "write the fields out, or give all of the mapping by its alias";
    Lint::error(Rule::MergeKey, key.pos, message).on(key).hint(hint)
}

/// The character index of the indicator in the line that begins a block scalar.
fn block_header(line: &str) -> Option<usize> {
    let mut previous = ' ';
    for (index, (at, it)) in line.char_indices().enumerate() {
        if matches!(it, '|' | '>') && previous.is_whitespace() && ends_header(&line[at + 1..]) {
            return Some(index);
        }
        previous = it;
    }
    None
}

/// Whether a text is what can follow the indicator on its line: digits and signs, a comment.
fn ends_header(text: &str) -> bool {
    let rest = text.trim_start_matches(|it: char| it == '+' || it == '-' || it.is_ascii_digit());
    let after_blanks = rest.trim_start();
    after_blanks.is_empty() || after_blanks.len() < rest.len() && after_blanks.starts_with('#')
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn pos(span: &Span) -> Pos {
    Pos::new(number(span.start.line()), number(span.start.col()).saturating_add(1))
}

fn len(span: &Span) -> u32 {
    if span.start.line() != span.end.line() {
        return 0;
    }
    number(span.end.col().saturating_sub(span.start.col()))
}

/// Where another document begins behind the first one, whose end may have been seen; a last `---` begins none.
fn next_document<'t>(
    events: impl Iterator<Item = Result<(Event<'t>, Span), ScanError>>,
    mut is_over: bool,
) -> Option<Pos> {
    let mut begin = None;
    for event in events {
        // What is not read need not be right.
        let (event, span) = event.ok()?;
        match event {
            Event::DocumentEnd => is_over = true,
            Event::DocumentStart(..) if is_over => begin = Some(pos(&span)),
            // Nothing at all.
            Event::Scalar(text, ScalarStyle::Plain, ..) if matches!(&*text, "" | "~") => (),
            Event::StreamEnd => return None,
            _ if begin.is_some() => return begin,
            _ => (),
        }
    }
    None
}

fn failed(pos: Pos, what: &str) -> Box<Lint> {
    Box::new(Lint::error(Rule::FailedRead, pos, format!("yaml: line {}: {what}", pos.line)))
}

fn too_deep(pos: Pos) -> Box<Lint> {
    failed(pos, &format!("nested more than {DEPTH_MAX} levels deep"))
}

fn unreadable(err: &ScanError) -> Box<Lint> {
    let pos = Pos::new(number(err.marker().line()), number(err.marker().col()).saturating_add(1));
    match err.kind() {
        ErrorKind::RecursionLimitExceeded => too_deep(pos),
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart => {
            let lint = failed(pos, "found a tab where only spaces may indent");
            Box::new(lint.hint("YAML is indented with spaces"))
        }
        _ => {
            let info = err.info();
            let lint = failed(pos, &info);
            // Where a mapping with texts in it was put between quotes, the first of them ends the value.
            match info.contains("trailing content after double-quoted") {
                true => Box::new(
                    lint.hint("a value with double quotes in it goes between single ones, or below a `|`"),
                ),
                false => lint,
            }
        }
    }
}

#[cfg(test)]
mod tests;
