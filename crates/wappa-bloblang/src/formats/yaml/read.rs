//! From text to values: the only file of the language that knows the YAML library.
//!
//! What a text could make large is bounded: nesting by values themselves, and what aliases expand to before it is given.

use std::collections::{BTreeMap, HashMap};

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span};
use wappa_message::{Text, Value};

use super::scalar;
use crate::value::{base::Scheme, go};

/// What the names of YAML's own types begin with.
const TAGS: &str = "tag:yaml.org,2002:";

/// The deepest nesting, as in values.
const DEPTH_MAX: usize = 1000;

/// The most values that aliases may stand for, in all.
const ALIASED_MAX: usize = 1_000_000;

/// A value and how many values are in it.
#[derive(Clone, Debug)]
struct Node {
    value: Value,
    n_values: usize,
}

/// The document that a text holds; of several the first one.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    let options = granit_parser::options! {
        emit_comments: false,
        block_scalar_eof_without_line_feed: true,
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
    };
    let mut builder = Builder::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|err| unreadable(text, &err))?;
        if let Some(value) = builder.event(event, &span)? {
            return builder.finish(value);
        }
    }
    Ok(Value::Null)
}

enum Children {
    Seq(Vec<Value>),
    Map {
        pairs: Vec<(Text, Value)>,
        /// The line of each key.
        lines: BTreeMap<Text, usize>,
        /// The key whose value comes next.
        key: Option<Key>,
        /// What other objects give where the object has nothing itself.
        merged: Vec<Value>,
    },
}

enum Key {
    Named(Text),
    Merge,
}

struct Frame {
    anchor: usize,
    n_values: usize,
    children: Children,
}

#[derive(Default)]
struct Builder {
    stack: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    n_aliased: usize,
    /// What does not keep the rest from being read.
    repeated: Vec<String>,
}

fn failed(text: impl AsRef<str>) -> String {
    format!("yaml: {}", text.as_ref())
}

impl Builder {
    fn finish(self, value: Value) -> Result<Value, String> {
        match self.repeated.as_slice() {
            [] => Ok(value),
            lines => Err(failed(format!("unmarshal errors:\n  {}", lines.join("\n  ")))),
        }
    }

    /// Takes one event; the document when that is complete.
    fn event(&mut self, event: Event<'_>, span: &Span) -> Result<Option<Value>, String> {
        let line = span.start.line();
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.as_ref().map(|it| it.suffix_in_namespace(TAGS).unwrap_or_default());
                let is_merge = style == ScalarStyle::Plain && text == "<<" && self.awaits_key();
                if is_merge
                    && let Some(Children::Map { key, .. }) = self.stack.last_mut().map(|it| &mut it.children)
                {
                    *key = Some(Key::Merge);
                    return Ok(None);
                }
                let value = scalar_value(&text, style == ScalarStyle::Plain, tag.as_deref())?;
                let node = Node { value, n_values: 1 };
                self.keep(anchor, &node);
                self.place(node, line, Some(&text))
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err(failed("anchor value contains itself"));
                };
                self.n_aliased = self.n_aliased.saturating_add(node.n_values);
                if ALIASED_MAX < self.n_aliased {
                    return Err(failed("document contains excessive aliasing"));
                }
                self.place(node, line, None)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.stack.push(Frame { anchor, n_values: 1, children: Children::Seq(Vec::new()) });
                Ok(None)
            }
            Event::MappingStart(_, anchor, _) => {
                let (pairs, lines) = (Vec::new(), BTreeMap::new());
                let children = Children::Map { pairs, lines, key: None, merged: Vec::new() };
                self.stack.push(Frame { anchor, n_values: 1, children });
                Ok(None)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(line),
            Event::DocumentEnd => Ok(Some(Value::Null)),
            _ => Ok(None),
        }
    }

    fn awaits_key(&self) -> bool {
        matches!(self.stack.last(), Some(Frame { children: Children::Map { key: None, .. }, .. }))
    }

    fn keep(&mut self, anchor: usize, node: &Node) {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
    }

    fn close(&mut self, line: usize) -> Result<Option<Value>, String> {
        let Some(frame) = self.stack.pop() else { return Err(failed("unexpected end of a collection")) };
        let value = match frame.children {
            Children::Seq(values) => Value::array(values).map_err(|err| failed(err.to_string()))?,
            Children::Map { mut pairs, mut lines, merged, .. } => {
                for value in merged {
                    merge(&mut pairs, &mut lines, &value)?;
                }
                Value::object(pairs).map_err(|err| failed(err.to_string()))?
            }
        };
        let node = Node { value, n_values: frame.n_values };
        self.keep(frame.anchor, &node);
        self.place(node, line, None)
    }

    /// Puts a value where it belongs; `text` is how a scalar was written.
    fn place(&mut self, node: Node, line: usize, text: Option<&str>) -> Result<Option<Value>, String> {
        let Some(frame) = self.stack.last_mut() else { return Ok(Some(node.value)) };
        frame.n_values = frame.n_values.saturating_add(node.n_values);
        match &mut frame.children {
            Children::Seq(values) => values.push(node.value),
            Children::Map { pairs, lines, key, merged } => match key.take() {
                None => {
                    if matches!(node.value, Value::Array(_) | Value::Object(_)) {
                        return Err(failed(format!("line {line}: a key has to be a scalar")));
                    }
                    // A key that is no text has its text as a name; of a text the quotes and escapes are gone.
                    let name = match (&node.value, text) {
                        (Value::Text(it), _) => it.clone(),
                        (_, Some(text)) => Text::from(text),
                        (value, None) => Text::from(value.to_text()),
                    };
                    match lines.get(&name) {
                        Some(first) => {
                            let name = go::told_bytes(&name);
                            self.repeated.push(format!(
                                "line {line}: mapping key {name} already defined at line {first}"
                            ));
                        }
                        None => _ = lines.insert(name.clone(), line),
                    }
                    *key = Some(Key::Named(name));
                }
                Some(Key::Named(name)) => pairs.push((name, node.value)),
                Some(Key::Merge) => merged.push(node.value),
            },
        }
        Ok(None)
    }
}

/// Adds what another object has under names that are not there yet, or each of a list, of which the earlier ones come
/// first.
fn merge(
    pairs: &mut Vec<(Text, Value)>,
    lines: &mut BTreeMap<Text, usize>,
    value: &Value,
) -> Result<(), String> {
    let mut one = |value: &Value| -> Result<(), String> {
        let Value::Object(other) = value else {
            return Err(failed("map merge requires map or sequence of maps as the value"));
        };
        for (name, value) in other.iter() {
            if lines.insert(name.clone(), 0).is_none() {
                pairs.push((name, value));
            }
        }
        Ok(())
    };
    match value {
        Value::Array(values) => values.iter().try_for_each(|it| one(&it)),
        value => one(value),
    }
}

fn scalar_value(text: &str, is_plain: bool, tag: Option<&str>) -> Result<Value, String> {
    let resolved = |text: &str| scalar::resolve(text).unwrap_or_else(|| Value::text(text));
    let Some(tag) = tag else {
        return Ok(if is_plain { resolved(text) } else { Value::text(text) });
    };
    let value = match (tag, resolved(text)) {
        ("binary", _) => return binary(text),
        ("str", _) => return Ok(Value::text(text)),
        ("float", Value::Int(it)) => Value::Float(it as f64),
        ("float", Value::Uint(it)) => Value::Float(it as f64),
        (_, value) => value,
    };
    let fits = match tag {
        "int" => matches!(value, Value::Int(_) | Value::Uint(_)),
        "float" => matches!(value, Value::Float(_)),
        "bool" => matches!(value, Value::Bool(_)),
        "null" => matches!(value, Value::Null),
        "timestamp" => matches!(value, Value::Time(_)),
        // To the tags of others, everything is a text.
        _ => return Ok(Value::text(text)),
    };
    match fits {
        true => Ok(value),
        false => {
            let actual = match value {
                Value::Int(_) | Value::Uint(_) => "int",
                Value::Float(_) => "float",
                Value::Bool(_) => "bool",
                Value::Null => "null",
                Value::Time(_) => "timestamp",
                _ => "str",
            };
            Err(failed(format!("cannot decode !!{actual} `{text}` as a !!{tag}")))
        }
    }
}

/// The bytes that a scalar holds, as a text, as Go has it.
fn binary(text: &str) -> Result<Value, String> {
    let bytes = Scheme::find("base64").ok_or_else(String::new).and_then(|it| it.decode(text.as_bytes()));
    let bytes = bytes.map_err(|_| failed("!!binary value contains invalid base64 data"))?;
    Ok(Value::Text(Text::from(bytes)))
}

fn unreadable(text: &str, err: &ScanError) -> String {
    let what = match err.kind() {
        ErrorKind::UnknownAnchor => {
            let behind = err.marker().byte_offset().and_then(|it| text.get(it..)).unwrap_or_default();
            let name: String = match behind.strip_prefix('*') {
                Some(it) => {
                    it.chars().take_while(|it| !it.is_whitespace() && !",[]{}".contains(*it)).collect()
                }
                None => return failed("unknown anchor referenced"),
            };
            return failed(format!("unknown anchor '{name}' referenced"));
        }
        ErrorKind::RecursionLimitExceeded => {
            return failed(format!("nested more than {DEPTH_MAX} levels deep"));
        }
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::UnexpectedCharacter { .. } => "found character that cannot start any token".to_string(),
        ErrorKind::TabInPlainScalar => "found a tab character that violates indentation".to_string(),
        ErrorKind::MappingValueNotAllowed => "mapping values are not allowed in this context".to_string(),
        ErrorKind::UnknownQuotedScalarEscape => "found unknown escape character".to_string(),
        ErrorKind::UnclosedQuotedScalar => "found unexpected end of stream".to_string(),
        ErrorKind::UnclosedFlowCollection { open: '[' } => "did not find expected ',' or ']'".to_string(),
        ErrorKind::UnclosedFlowCollection { .. } => "did not find expected ',' or '}'".to_string(),
        ErrorKind::ExpectedBlockMappingKey => "did not find expected key".to_string(),
        ErrorKind::ExpectedBlockSequenceEntry => "did not find expected '-' indicator".to_string(),
        _ => err.info(),
    };
    // As Go's, which does not name the first line.
    match err.marker().line() {
        0 | 1 => failed(what),
        line => failed(format!("line {line}: {what}")),
    }
}
