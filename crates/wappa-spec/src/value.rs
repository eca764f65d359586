//! The types that the fields of a config are made of.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::time::Duration;

use crate::duration::{duration_hint, parse_duration};
use crate::lint::{Lint, Rule};
use crate::reader::Reader;
use crate::size::Size;
use crate::spec::{Type, Value};
use crate::suggest::shown;
use crate::yaml::{Kind, Node};

/// Reports a value of another type than was wanted, in Bento's words where it has them.
fn expected(reader: &mut Reader<'_>, node: &Node, what: &str, hint: Option<&str>) {
    let (rule, message) = match &node.kind {
        Kind::Seq(_) | Kind::Map(_) => (Rule::ExpectedScalar, format!("expected {what} value")),
        Kind::Null => (Rule::InvalidValue, format!("expected {what} value, got null")),
        Kind::Scalar { text, .. } => {
            // That something is text says nothing new, unless it is empty.
            let kind = match node.tag() {
                "!!str" if !text.is_empty() => String::new(),
                tag => format!(" ({tag})"),
            };
            (Rule::InvalidValue, format!("expected {what} value, got `{}`{kind}", shown(text)))
        }
    };
    let lint = Lint::error(rule, node.pos, message).on(node);
    reader.push(match hint {
        Some(hint) => lint.hint(hint),
        None => lint,
    });
}

impl Value for String {
    const TYPE: Type = Type::String;

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<String> {
        if let Some(text) = node.as_str() {
            return Some(text.to_string());
        }
        expected(reader, node, "string", None);
        None
    }
}

impl Value for bool {
    const TYPE: Type = Type::Bool;

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<bool> {
        let value = node.as_bool();
        if value.is_none() {
            let is_quoted = node.as_str().is_some_and(|it| matches!(it, "true" | "false"));
            expected(
                reader,
                node,
                "bool",
                is_quoted.then_some("a quoted value is text: write it without quotes"),
            );
        }
        value
    }
}

fn read_int<T: TryFrom<i128>>(node: &Node, reader: &mut Reader<'_>, range: &str) -> Option<T> {
    if let Some(converted) = node.as_int().and_then(|it| T::try_from(it).ok()) {
        return Some(converted);
    }
    let text = node.as_str().unwrap_or_default();
    // A whole number that is too large for any type is a float to YAML.
    if node.as_float().is_some_and(|it| it.is_finite() && it.fract() == 0.0) {
        reader.error(Rule::InvalidValue, node, format!("expected int value {range}, got `{}`", shown(text)));
        return None;
    }
    let is_quoted = node.as_float().is_none() && text.parse::<i128>().is_ok();
    let hint = is_quoted.then_some("a quoted value is text: write it without quotes");
    expected(reader, node, "int", hint);
    None
}

macro_rules! integers {
    ($($type:ty: $range:literal),* $(,)?) => {
        $(impl Value for $type {
            const TYPE: Type = Type::Int;

            fn read(node: &Node, reader: &mut Reader<'_>) -> Option<$type> {
                read_int(node, reader, $range)
            }
        })*
    };
}

integers! {
    i64: "of 64 bits",
    u64: "of 0 or more",
    u32: "from 0 to 4294967295",
    u16: "from 0 to 65535",
    usize: "of 0 or more",
}

impl Value for f64 {
    const TYPE: Type = Type::Float;

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<f64> {
        let value = node.as_float();
        if value.is_none() {
            expected(reader, node, "float", None);
        }
        value
    }
}

impl Value for Duration {
    const TYPE: Type = Type::Duration;

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Duration> {
        let value = node.as_str().and_then(parse_duration);
        if value.is_none() {
            expected(reader, node, "duration", Some(&duration_hint(node.as_str().unwrap_or_default())));
        }
        value
    }
}

impl Value for Size {
    const TYPE: Type = Type::Size;

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Size> {
        // Numbers in the notations of YAML, then numbers with a unit.
        let number = node.as_int().and_then(|it| u64::try_from(it).ok()).map(Size);
        let value = number.or_else(|| node.as_str().and_then(Size::parse));
        if value.is_none() {
            expected(reader, node, "size", Some("a size is written like `128MiB`, `64KB` or `1024`"));
        }
        value
    }
}

/// Anything at all, left as it is.
impl Value for Node {
    const TYPE: Type = Type::Any;

    fn read(node: &Node, _: &mut Reader<'_>) -> Option<Node> {
        Some(node.clone())
    }
}

/// A value that may be absent; the empty text is no duration and no size, but the absence of one.
impl<T: Value> Value for Option<T> {
    const TYPE: Type = T::TYPE;
    const OPTIONAL: bool = true;
    const SECRET: bool = T::SECRET;

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Option<T>> {
        let is_empty = matches!(T::TYPE, Type::Duration | Type::Size) && node.as_str() == Some("");
        if node.is_null() || is_empty { Some(None) } else { T::read(node, reader).map(Some) }
    }
}

impl<T: Value> Value for Vec<T> {
    const TYPE: Type = Type::Array(&T::TYPE);
    const SECRET: bool = T::SECRET;
    const DEFAULT: Option<&'static str> = Some("[]");

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<T>> {
        reader.list(node, |reader, item| T::read(item, reader))
    }
}

/// A mapping from names to values, in file order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map<T>(pub Vec<(String, T)>);

impl<T> Default for Map<T> {
    fn default() -> Map<T> {
        Map(Vec::new())
    }
}

impl<T> Map<T> {
    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.0.iter().find(|(it, _)| it == name).map(|(_, value)| value)
    }

    /// All names with their values, in file order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl<T: Value> Value for Map<T> {
    const TYPE: Type = Type::Map(&T::TYPE);
    const SECRET: bool = T::SECRET;
    const DEFAULT: Option<&'static str> = Some("{}");

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Map<T>> {
        let Some(pairs) = node.as_map() else {
            reader.error(Rule::ExpectedObject, node, format!("expected object value, got {}", node.tag()));
            return None;
        };
        let mut map: Vec<(String, T)> = Vec::with_capacity(pairs.len());
        let mut places: HashMap<&str, usize> = HashMap::with_capacity(pairs.len());
        let mut is_complete = true;
        for (key, value) in pairs.iter().filter(|(key, _)| key.as_key() != "<<") {
            let Some(value) = T::read(value, reader) else {
                is_complete = false;
                continue;
            };
            match places.entry(key.as_key()) {
                // Of a name that is there twice the last value counts.
                Entry::Occupied(place) => map[*place.get()].1 = value,
                Entry::Vacant(place) => {
                    place.insert(map.len());
                    map.push((key.as_key().to_string(), value));
                }
            }
        }
        is_complete.then_some(Map(map))
    }
}

/// A value that no printout shows.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret<T>(pub T);

impl<T> Secret<T> {
    /// The value itself; it must not be printed.
    pub fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SCRUBBED)
    }
}

/// What stands for a secret in every printout; Bento's text.
pub const SCRUBBED: &str = "!!!SECRET_SCRUBBED!!!";

impl<T: Value> Value for Secret<T> {
    const TYPE: Type = T::TYPE;
    const OPTIONAL: bool = T::OPTIONAL;
    const SECRET: bool = true;
    const DEFAULT: Option<&'static str> = T::DEFAULT;

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Secret<T>> {
        T::read(node, reader).map(Secret)
    }
}
