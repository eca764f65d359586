//! Random configs, made from the descriptions of components and written in every style that YAML has.

use wappa_spec::{ComponentKind, Field, Registry, Spec, StreamConfig, Type, is_printable};

pub(crate) struct Random(u64);

impl Random {
    /// Xorshift, after one round of mixing, so that neighbouring seeds go different ways.
    pub(crate) fn new(seed: u64) -> Random {
        let mixed = (seed ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        Random((mixed ^ (mixed >> 31)).max(1))
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) % n.max(1) as u64) as usize
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

enum Tree {
    Scalar(String),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

const TEXTS: [&str; 34] = [
    "",
    "a",
    "./a.wasm",
    "two words",
    "a: b",
    "# no",
    "- x",
    "null",
    "~",
    "true",
    "yes",
    "-5",
    "1.5",
    "0x1F",
    "1e3",
    "5m",
    "1h2m3s",
    "64KiB",
    "128 MB",
    "9999999999999999999999",
    "${X}",
    "${X:y}",
    "${UNSET:${X}}",
    "${{X}}",
    "${UNSET}",
    "${NESTED}",
    "${LINES}",
    "a ${! content() } b",
    "${! meta(\"k\") }",
    "${! @k } ${!",
    "one\ntwo\n",
    " led by a space",
    "\u{e9}\u{1f600}\t\u{7}",
    "\"quoted\" 'twice' \\ \u{2028}",
];

const KEYS: [&str; 12] =
    ["label", "type", "plugin", "processors", "<<", "unknown", "", "null", "a b", "5", "label", "true"];

/// What stands behind a `=`, or in an interpolation.
const QUERIES: [&str; 22] = [
    "content()",
    "this.a.b.0",
    "this",
    "json(\"a\")",
    "@",
    "@k.or(\"\u{e9}\")",
    "meta(\"k\")",
    "error()",
    "uuid_v4()",
    "nothing_there()",
    "this.map_each(it -> it * 2)",
    "this.a.uppercase().no_such_method()",
    "if this.a { 1 } else if this.b { 2 }",
    "match this.a {\n  \"x\" => 1\n  _ => 2\n}",
    "[ 1, 2.5, null, {\"a\": $v} ]",
    "1 + \"\u{1f600}\" / 0",
    "this.re_match(\"(\")",
    "file(\"/etc/passwd\")",
    "\"not closed",
    "(((((this)))))",
    "this.a. b",
    "-",
];

/// Statements of a mapping.
const STATEMENTS: [&str; 9] = [
    "map m { root = this }",
    "map m {",
    "import \"none.blobl\"",
    "root",
    "= 1",
    "let v = 1",
    "root = $w",
    "}",
    "# a comment",
];

/// Names that would do something to a terminal.
const HOSTILE: [&str; 8] =
    ["\u{1b}[2J", "\u{9b}31m", "a\u{7f}", "\u{202e}txet", "\u{2066}", "one\ntwo\r", "\0", "\u{85}\u{2028}"];

pub(crate) fn config(random: &mut Random, registry: &Vec<&'static Spec>) -> String {
    let mut maker = Maker { random, registry };
    let tree = maker.object(StreamConfig::FIELDS, 0);
    let mut writer = Writer { random, out: String::new(), anchors: 0 };
    if writer.random.below(30) == 0 {
        writer.out.push_str("# BENTO LINT DISABLE\n");
    }
    if writer.random.below(12) == 0 {
        writer.flow(&tree);
        writer.out.push('\n');
    } else {
        writer.block(&tree, 0);
    }
    writer.out
}

/// One `path=value`, which the fields may or may not have.
pub(crate) fn override_of(random: &mut Random, registry: &Vec<&'static Spec>) -> String {
    let mut maker = Maker { random, registry };
    let mut path = Vec::new();
    maker.path(Type::Object(StreamConfig::FIELDS), &mut path);
    if random.below(5) == 0 {
        let at = random.below(path.len() + 1);
        path.insert(at, (*random.pick(&["x", "", "-", "0", "~1", "99", "processors"])).to_string());
    }
    format!("{}={}", path.join("."), random.pick(&TEXTS))
}

struct Maker<'r> {
    random: &'r mut Random,
    registry: &'r Vec<&'static Spec>,
}

impl Maker<'_> {
    fn object(&mut self, fields: &[Field], depth: usize) -> Tree {
        let mut pairs = Vec::new();
        for field in fields {
            let wanted = if depth == 0 {
                4
            } else if field.is_required() {
                7
            } else {
                3
            };
            if self.random.below(8) < wanted {
                pairs.push((field.name.to_string(), self.field(field, depth + 1)));
            }
        }
        if self.random.below(10) == 0 {
            let value = self.text();
            pairs.push(((*self.random.pick(&KEYS)).to_string(), value));
        }
        if self.random.below(30) == 0 {
            let value = self.text();
            pairs.push((self.hostile(), value));
        }
        if self.random.below(6) == 0 && !pairs.is_empty() {
            let at = self.random.below(pairs.len());
            let pair = pairs.remove(at);
            pairs.push(pair);
        }
        Tree::Map(pairs)
    }

    fn field(&mut self, field: &Field, depth: usize) -> Tree {
        match field.options {
            [] => self.value(field.ty, depth),
            options if self.random.below(8) != 0 => Tree::Scalar((*self.random.pick(options)).to_string()),
            _ => self.text(),
        }
    }

    fn value(&mut self, ty: Type, depth: usize) -> Tree {
        if self.random.below(25) == 0 || depth > 9 {
            return self.text();
        }
        match ty {
            Type::Bool => self.one_of(&["true", "false", "yes", "off"]),
            Type::Int => self.one_of(&["0", "-1", "5", "0x10", "1_000", "1e2", "17"]),
            Type::Float => self.one_of(&["0.5", "1", ".inf", "-2e9", "nan"]),
            Type::Duration => self.one_of(&["5s", "1h2m", "100ms", "0", "1.5h", "-3s"]),
            Type::Size => self.one_of(&["1KiB", "64 MB", "12", "0", "1.5GiB"]),
            Type::String => self.text(),
            Type::Interpolated if self.random.below(2) == 0 => {
                Tree::Scalar(format!("a ${{! {} }} b", self.random.pick(&QUERIES)))
            }
            Type::Mapping if self.random.below(4) != 0 => self.mapping(),
            Type::Interpolated | Type::Mapping => self.text(),
            Type::Any => match self.random.below(3) {
                0 => self.text(),
                1 => Tree::List(vec![self.text(), self.text()]),
                _ => Tree::Map(vec![("k".into(), self.text())]),
            },
            Type::Array(item) => {
                Tree::List((0..self.random.below(4)).map(|_| self.value(*item, depth + 1)).collect())
            }
            Type::Map(value) => Tree::Map(
                (0..self.random.below(3)).map(|i| (format!("k{i}"), self.value(*value, depth + 1))).collect(),
            ),
            Type::Object(fields) => self.object(fields, depth + 1),
            Type::Component(kind) => self.component(kind, depth + 1),
        }
    }

    fn component(&mut self, kind: ComponentKind, depth: usize) -> Tree {
        let names = self.registry.names(kind);
        if names.is_empty() {
            return Tree::Map(vec![((*self.random.pick(&["none", "http"])).into(), Tree::Map(Vec::new()))]);
        }
        let name = *self.random.pick(&names);
        let spec = self.registry.spec(kind, name).expect("it is listed");
        let body = self.value(spec.body, depth);
        let mut pairs = Vec::new();
        if self.random.below(3) == 0 {
            let label = match self.random.below(6) {
                0 => self.hostile(),
                n => ["a", "b", "c_1", "Not Good", ""][n - 1].to_string(),
            };
            pairs.push(("label".to_string(), Tree::Scalar(label)));
        }
        match self.random.below(9) {
            0 => {
                pairs.push(("type".into(), Tree::Scalar(name.to_string())));
                let key = if self.random.below(2) == 0 { name } else { "plugin" };
                pairs.push((key.into(), body));
            }
            1 => {
                let other = *self.random.pick(&names);
                pairs.push((other.into(), Tree::Map(Vec::new())));
                pairs.push((name.into(), body));
            }
            _ => pairs.push((name.into(), body)),
        }
        if kind.has_processors() && self.random.below(4) == 0 {
            let list = Type::Array(&Type::Component(ComponentKind::Processor));
            pairs.push(("processors".into(), self.value(list, depth + 1)));
        }
        Tree::Map(pairs)
    }

    /// Lines of a mapping, some of them wrong, some with nothing or white space behind them.
    fn mapping(&mut self) -> Tree {
        let mut text = String::new();
        for _ in 0..1 + self.random.below(4) {
            if self.random.below(3) == 0 {
                text.push_str(self.random.pick::<&str>(&[
                    "root = ",
                    "root.a.\"b c\" = ",
                    "let v = ",
                    "meta k = ",
                    "\u{e9} = ",
                ]));
            }
            text.push_str(match self.random.below(3) {
                0 => self.random.pick::<&str>(&STATEMENTS),
                _ => self.random.pick::<&str>(&QUERIES),
            });
            text.push_str(self.random.pick::<&str>(&["\n", "\n\n", "\r\n", " ", "", "  # \u{e9}\n", "\n  "]));
        }
        Tree::Scalar(text)
    }

    fn one_of(&mut self, texts: &[&str]) -> Tree {
        Tree::Scalar((*self.random.pick(texts)).to_string())
    }

    fn text(&mut self) -> Tree {
        match self.random.below(30) {
            0 => Tree::Scalar(self.hostile()),
            _ => self.one_of(&TEXTS),
        }
    }

    fn hostile(&mut self) -> String {
        let times = if self.random.below(20) == 0 { 1000 } else { 1 + self.random.below(2) };
        self.random.pick(&HOSTILE).repeat(times)
    }

    fn path(&mut self, ty: Type, path: &mut Vec<String>) {
        if path.len() > 12 || !path.is_empty() && self.random.below(6) == 0 {
            return;
        }
        match ty {
            Type::Array(item) => {
                path.push((*self.random.pick(&["-", "0", "1"])).to_string());
                self.path(*item, path);
            }
            Type::Map(value) => {
                path.push("k".to_string());
                self.path(*value, path);
            }
            Type::Object([]) => {}
            Type::Object(fields) => {
                let field = self.random.pick(fields);
                path.push(field.name.to_string());
                self.path(field.ty, path);
            }
            Type::Component(kind) => {
                let names = self.registry.names(kind);
                if names.is_empty() {
                    return;
                }
                let name = *self.random.pick(&names);
                path.push(name.to_string());
                self.path(self.registry.spec(kind, name).expect("it is listed").body, path);
            }
            _ => {}
        }
    }
}

struct Writer<'r> {
    random: &'r mut Random,
    out: String,
    anchors: usize,
}

impl Writer<'_> {
    /// Writes a value on lines of its own.
    fn block(&mut self, tree: &Tree, depth: usize) {
        match tree {
            Tree::Map(pairs) if !pairs.is_empty() => {
                for (key, value) in pairs {
                    self.indent(depth);
                    self.key(key, depth);
                    self.after_key(value, depth);
                }
            }
            Tree::List(items) if !items.is_empty() => {
                for item in items {
                    self.indent(depth);
                    self.out.push('-');
                    self.after_key(item, depth);
                }
            }
            _ => {
                self.indent(depth);
                self.flow(tree);
                self.end();
            }
        }
    }

    fn after_key(&mut self, value: &Tree, depth: usize) {
        self.out.push(' ');
        if self.random.below(20) == 0 {
            self.anchors += 1;
            self.out.push_str(&format!("&a{} ", self.anchors));
        } else if self.anchors > 0 && self.random.below(30) == 0 {
            // Now and then one that is not there; the latest may contain this place.
            let known = self.anchors + usize::from(self.random.below(60) == 0);
            let anchor = 1 + self.random.below(known);
            self.out.push_str(&format!("*a{anchor}"));
            return self.end();
        } else if self.random.below(150) == 0 {
            let tag = *self.random.pick(&["!!str ", "!!int ", "!x ", "!!map ", "! "]);
            self.out.push_str(tag);
        }
        match value {
            Tree::Scalar(text) if self.random.below(3) == 0 => self.block_scalar(text, depth + 1),
            Tree::Map(pairs) if !pairs.is_empty() && self.random.below(7) != 0 => {
                self.end();
                self.block(value, depth + 1);
            }
            Tree::List(items) if !items.is_empty() && self.random.below(7) != 0 => {
                self.end();
                let deeper = usize::from(self.random.below(3) != 0);
                self.block(value, depth + deeper);
            }
            _ => {
                self.flow(value);
                self.end();
            }
        }
    }

    fn block_scalar(&mut self, text: &str, depth: usize) {
        let header = *self.random.pick(&["|", ">", "|-", ">+", "|", "> # comment", "|+", "|-", ">-", "|2"]);
        self.out.push_str(header);
        self.out.push('\n');
        for line in text.split('\n') {
            self.indent(depth);
            self.out.push_str(line);
            self.out.push('\n');
        }
    }

    fn key(&mut self, key: &str, depth: usize) {
        match self.random.below(40) {
            0 => self.quoted(key),
            1 if !key.is_empty() => {
                self.out.push_str(&format!("? {key}\n"));
                self.indent(depth);
            }
            _ if key.is_empty() => self.out.push_str("''"),
            _ if !key.chars().all(is_printable) => self.quoted(key),
            _ => self.out.push_str(key),
        }
        self.out.push(':');
    }

    fn flow(&mut self, tree: &Tree) {
        match tree {
            Tree::Scalar(text) => match self.random.below(4) {
                0 => self.quoted(text),
                1 => self.out.push_str(&format!("'{}'", text.replace('\'', "''"))),
                _ if !is_plain(text) && self.random.below(50) != 0 => {
                    self.quoted(text);
                }
                _ => self.out.push_str(text),
            },
            Tree::List(items) => {
                self.out.push('[');
                for item in items {
                    self.flow(item);
                    self.out.push_str(", ");
                }
                self.out.push(']');
            }
            Tree::Map(pairs) => {
                self.out.push('{');
                for (key, value) in pairs {
                    if self.random.below(3) == 0 || key.is_empty() {
                        self.quoted(key);
                    } else {
                        self.out.push_str(key);
                    }
                    self.out.push_str(": ");
                    self.flow(value);
                    self.out.push_str(", ");
                }
                self.out.push('}');
            }
        }
    }

    fn quoted(&mut self, text: &str) {
        self.out.push('"');
        for it in text.chars() {
            match it {
                '"' | '\\' => self.out.extend(['\\', it]),
                '\n' => self.out.push_str("\\n"),
                it if it.is_control() => self.out.push_str(&format!("\\u{:04x}", u32::from(it))),
                it => self.out.push(it),
            }
        }
        self.out.push('"');
    }

    fn end(&mut self) {
        let end = match self.random.below(40) {
            0 => " # ${UNSET} comment\n",
            1 => "\r\n",
            2 => " \n\n",
            _ => "\n",
        };
        self.out.push_str(end);
    }

    fn indent(&mut self, depth: usize) {
        (0..depth).for_each(|_| self.out.push_str("  "));
    }
}

/// Whether a text can stand for itself anywhere.
fn is_plain(text: &str) -> bool {
    !text.contains(['\n', '#', '{', '"', '\'', '\u{7}', '\t'])
        && !text.contains(": ")
        && !text.starts_with(['-', ' ', '!', '@'])
        && text.chars().all(is_printable)
}

/// Moves bytes about.
pub(crate) fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    const BYTES: &[u8] = b" \n\t\r-:[]{},&*#?|>!%@`'\"\\$~<=0x\xff\xc3\xa9aA_.";
    for _ in 0..=random.below(6) {
        if bytes.is_empty() {
            bytes.push(*random.pick(BYTES));
        }
        let at = random.below(bytes.len());
        match random.below(7) {
            0 => bytes[at] = *random.pick(BYTES),
            1 | 2 => bytes.insert(at, *random.pick(BYTES)),
            3 => drop(bytes.remove(at)),
            4 => {
                // A line break of another kind, or a character of several bytes.
                let piece: &[u8] = random
                    .pick(&["\r", "\u{85}", "\u{2028}", "\u{feff}", "\u{e9}", "\n---\n", "\n...\n"])
                    .as_bytes();
                bytes.splice(at..at, piece.iter().copied());
            }
            5 => {
                let end = (at + random.below(60)).min(bytes.len());
                let piece = bytes[at..end].repeat(1 + random.below(3));
                let to = random.below(bytes.len());
                bytes.splice(to..to, piece);
            }
            _ => {
                let end = (at + random.below(30)).min(bytes.len());
                bytes.drain(at..end);
            }
        }
    }
}
