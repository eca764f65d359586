//! YAML as a tree with a position on every node.
//!
//! The tree keeps what a config reader needs and nothing else: plain scalars stay apart from quoted ones, repeated
//! keys stay in the tree in file order (the last one counts), aliases are replaced by what they stand for.

mod parse;
mod scalar;
mod write;

use std::collections::{HashMap, hash_map::Entry};

pub use parse::{Parsed, parse};

/// A place in a text. Lines and columns are counted from 1, columns in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pos {
    /// The line; 0 for a document that has none, as Bento reports an empty file.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl Pos {
    /// The place at a line and a column, both counted from 1.
    pub const fn new(line: u32, column: u32) -> Pos {
        Pos { line, column }
    }
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes: it may be a number, a bool or null.
    Plain,
    /// In single or double quotes: it is text.
    Quoted,
    /// As a block, `|`; the column is that of its first character.
    Literal {
        /// The column at which the lines of the block begin.
        column: u32,
    },
    /// As a folded block, `>`.
    Folded {
        /// The column at which the lines of the block begin.
        column: u32,
    },
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Nothing, `~` or `null`.
    Null,
    /// Text, a number or a bool; which one depends on who asks.
    Scalar {
        /// The text, after quotes and escapes are resolved.
        text: String,
        /// How it was written.
        style: Style,
    },
    /// A list.
    Seq(Vec<Node>),
    /// A mapping in file order; a key may be there more than once, and then the last one counts.
    Map(Vec<(Node, Node)>),
}

/// A value with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it begins; for a block scalar the place of its indicator, from which Bento computes.
    pub pos: Pos,
    /// How many characters it covers on its line; 0 where that is not known.
    pub len: u32,
    /// What it is.
    pub kind: Kind,
}

impl Node {
    /// A node at a place.
    pub fn new(pos: Pos, kind: Kind) -> Node {
        Node { pos, len: 0, kind }
    }

    /// A null at a place.
    pub fn null(pos: Pos) -> Node {
        Node::new(pos, Kind::Null)
    }

    /// An empty mapping at a place.
    pub fn empty_map(pos: Pos) -> Node {
        Node::new(pos, Kind::Map(Vec::new()))
    }

    /// A plain scalar at a place.
    pub fn plain(pos: Pos, text: impl Into<String>) -> Node {
        Node::new(pos, Kind::Scalar { text: text.into(), style: Style::Plain })
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    /// The text of a scalar, whatever its type; null, lists and mappings have none.
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// A bool, also in the spellings of YAML 1.1 (`yes`, `off`); a quoted one is not a bool.
    pub fn as_bool(&self) -> Option<bool> {
        self.as_plain().and_then(scalar::bool)
    }

    /// An integer as `yaml.v3` reads it: `0x2`, `0o17`, `017`, `0b1`, `1_000`, and integral floats.
    pub fn as_int(&self) -> Option<i128> {
        self.as_plain().and_then(scalar::int)
    }

    /// A float; integers are floats too.
    pub fn as_float(&self) -> Option<f64> {
        self.as_plain().and_then(scalar::float)
    }

    /// The items of a list.
    pub fn as_seq(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::Seq(items) => Some(items),
            _ => None,
        }
    }

    /// The pairs of a mapping, in file order.
    pub fn as_map(&self) -> Option<&[(Node, Node)]> {
        match &self.kind {
            Kind::Map(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// The value under a key of a mapping; of several, the last.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.iter().rev().find(|(it, _)| it.as_key() == key).map(|(_, value)| value)
    }

    /// This tree with what another one says of it: mappings are put together, key by key, and all else is replaced.
    #[must_use]
    pub fn patched(&self, patch: &Node) -> Node {
        let (Kind::Map(pairs), Kind::Map(changes)) = (&self.kind, &patch.kind) else { return patch.clone() };
        let mut pairs = pairs.clone();
        // Of several with one key the last counts.
        let mut places: HashMap<String, usize> =
            pairs.iter().enumerate().map(|(idx, (key, _))| (key.as_key().to_string(), idx)).collect();
        for (key, change) in changes {
            match places.entry(key.as_key().to_string()) {
                Entry::Occupied(place) => {
                    let value = &mut pairs[*place.get()].1;
                    *value = value.patched(change);
                }
                Entry::Vacant(place) => {
                    place.insert(pairs.len());
                    pairs.push((key.clone(), change.clone()));
                }
            }
        }
        Node { pos: self.pos, len: self.len, kind: Kind::Map(pairs) }
    }

    /// About how many bytes of memory the tree takes.
    pub fn n_bytes(&self) -> usize {
        let beneath = match &self.kind {
            Kind::Null => 0,
            Kind::Scalar { text, .. } => text.len(),
            Kind::Seq(items) => items.iter().map(Node::n_bytes).sum(),
            Kind::Map(pairs) => pairs.iter().map(|(key, value)| key.n_bytes() + value.n_bytes()).sum(),
        };
        size_of::<Node>() + beneath
    }

    /// Puts the whole subtree at one place.
    pub(crate) fn move_to(&mut self, pos: Pos) {
        (self.pos, self.len) = (pos, 0);
        match &mut self.kind {
            Kind::Null | Kind::Scalar { .. } => {}
            Kind::Seq(items) => items.iter_mut().for_each(|it| it.move_to(pos)),
            Kind::Map(pairs) => {
                for (key, value) in pairs {
                    key.move_to(pos);
                    value.move_to(pos);
                }
            }
        }
    }

    /// What this node is called as a key: the text of a scalar, and the empty text for anything else.
    pub fn as_key(&self) -> &str {
        self.as_str().unwrap_or_default()
    }

    /// The short tag that Bento's messages name: `!!str`, `!!int`, `!!map` …
    pub fn tag(&self) -> &'static str {
        match &self.kind {
            Kind::Null => "!!null",
            Kind::Seq(_) => "!!seq",
            Kind::Map(_) => "!!map",
            Kind::Scalar { text, style: Style::Plain } => scalar::tag(text),
            Kind::Scalar { .. } => "!!str",
        }
    }

    fn as_plain(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, style: Style::Plain } => Some(text),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Node {
        parse(text).expect("it is YAML").node
    }

    #[test]
    fn a_patch_is_put_together_key_by_key() {
        let patched = |text: &str, patch: &str| {
            let mut texts = Vec::new();
            flat(&tree(text).patched(&tree(patch)), "", &mut texts);
            texts.join(" ")
        };
        assert_eq!(
            patched("a: { b: 1, c: [1] }\nd: 2", "a: { c: [8, 9], e: 3 }\nf: 4\nf: 5"),
            "/a/b=1 /a/c/=8 /a/c/=9 /a/e=3 /d=2 /f=5"
        );
        // Of two with one key the last counts.
        assert_eq!(patched("a: { b: 1 }\na: { c: 2 }", "a: { d: 3 }"), "/a/b=1 /a/c=2 /a/d=3");
        assert_eq!(patched("a: 1", "[x]"), "/=x");
    }

    #[test]
    fn what_an_alias_stands_for_counts_each_time() {
        let text = "[long enough, to be more than a node]";
        let aliased = tree(&format!("a: &a {text}\nb: *a\nc: *a")).n_bytes();
        assert_eq!(aliased, tree(&format!("a: {text}\nb: {text}\nc: {text}")).n_bytes());
        assert!(3 * text.len() < aliased);
    }

    fn flat(node: &Node, path: &str, texts: &mut Vec<String>) {
        match &node.kind {
            Kind::Map(pairs) => {
                pairs.iter().for_each(|(key, value)| flat(value, &format!("{path}/{}", key.as_key()), texts));
            }
            Kind::Seq(items) => items.iter().for_each(|it| flat(it, &format!("{path}/"), texts)),
            Kind::Null | Kind::Scalar { .. } => {
                texts.push(format!("{path}={}", node.as_str().unwrap_or_default()));
            }
        }
    }
}
