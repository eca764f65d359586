//! Files that say something of addresses of the internet: a tree over the bits of an address, whose leaves are places of
//! values. Source: the MaxMind DB file format, 2.0.

use std::net::IpAddr;

use wappa_message::{Binary, Text, Value};

/// What stands before the part of a file that describes it.
const METADATA_MARK: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// How much of the end of a file is searched for that.
const METADATA_BYTES_MAX: usize = 128 << 10;

/// What lies between the tree and the values.
const SEPARATOR_BYTES: usize = 16;

/// How deep values are one within another, at most; those of the files that there are have four levels.
const DEPTH_MAX: u32 = 32;

/// How many values a record has at most, so that one that refers to itself many times over ends.
const VALUES_MAX: usize = 100_000;

/// A file that was read.
#[derive(Debug)]
pub(crate) struct Reader {
    file: Vec<u8>,
    n_nodes: usize,
    /// The bits of one half of a node.
    record_bits: usize,
    is_of_v6: bool,
    /// Where addresses of the fourth version begin in the tree.
    v4_node: usize,
    /// Which database it is.
    pub(crate) kind: String,
}

type Result<T> = std::result::Result<T, &'static str>;

const BROKEN: &str = "the MaxMind DB file is broken: a value is cut off";

impl Reader {
    /// Looks at what describes the file; nothing else is read before somebody asks.
    pub(crate) fn new(file: Vec<u8>) -> Result<Reader> {
        const INVALID: &str = "error opening database: invalid MaxMind DB file";
        let searched = file.len().saturating_sub(METADATA_BYTES_MAX);
        let mark = memchr::memmem::rfind(&file[searched..], METADATA_MARK).ok_or(INVALID)?;
        let metadata = &file[searched + mark + METADATA_MARK.len()..];
        let metadata = Values::new(metadata).read(0).map_err(|_| INVALID)?;
        let Value::Object(metadata) = metadata else { return Err(INVALID) };
        let number = |name: &str| match metadata.get(name) {
            Some(Value::Int(it)) => usize::try_from(it).map_err(|_| INVALID),
            _ => Err(INVALID),
        };
        let (n_nodes, record_bits) = (number("node_count")?, number("record_size")?);
        let is_sound = matches!(record_bits, 24 | 28 | 32) && number("binary_format_major_version")? == 2;
        let tree = n_nodes.checked_mul(record_bits / 4).and_then(|it| it.checked_add(SEPARATOR_BYTES));
        if !is_sound || tree.is_none_or(|it| file.len() < it) {
            return Err(INVALID);
        }
        let kind = metadata.get("database_type").map(|it| it.to_text()).unwrap_or_default();
        let kind = String::from_utf8_lossy(&kind).into_owned();
        let is_of_v6 = number("ip_version")? == 6;
        let mut reader = Reader { file, n_nodes, record_bits, is_of_v6, v4_node: 0, kind };
        if is_of_v6 {
            for _ in 0..96 {
                if reader.n_nodes <= reader.v4_node {
                    break;
                }
                reader.v4_node = reader.half(reader.v4_node, false);
            }
        }
        Ok(reader)
    }

    /// What the file says of an address, if it says anything.
    pub(crate) fn find(&self, address: IpAddr) -> Result<Option<Value>> {
        let address = address.to_canonical();
        let (bits, n_bits, mut node) = match address {
            IpAddr::V4(it) => (u128::from(it.to_bits()) << 96, 32, self.v4_node),
            IpAddr::V6(_) if !self.is_of_v6 => {
                return Err("error looking up an address of version 6 in a database of version 4");
            }
            IpAddr::V6(it) => (it.to_bits(), 128, 0),
        };
        for idx in 0..n_bits {
            if self.n_nodes <= node {
                break;
            }
            node = self.half(node, bits << idx >> 127 == 1);
        }
        if node <= self.n_nodes {
            return Ok(None);
        }
        let values = self.file.get(self.n_nodes * self.record_bits / 4 + SEPARATOR_BYTES..).ok_or(BROKEN)?;
        let at = (node - self.n_nodes).checked_sub(SEPARATOR_BYTES).ok_or(BROKEN)?;
        Values::new(values).read(at).map(Some)
    }

    /// Where the tree goes on.
    fn half(&self, node: usize, is_right: bool) -> usize {
        let bytes = self.record_bits / 4;
        let node = &self.file[node * bytes..][..bytes];
        let number = |bytes: &[u8]| bytes.iter().fold(0usize, |it, byte| it << 8 | usize::from(*byte));
        match (self.record_bits, is_right) {
            (24, false) => number(&node[..3]),
            (24, true) => number(&node[3..]),
            // The byte in the middle has four bits of each.
            (28, false) => usize::from(node[3] >> 4) << 24 | number(&node[..3]),
            (28, true) => usize::from(node[3] & 15) << 24 | number(&node[4..]),
            (_, false) => number(&node[..4]),
            (_, true) => number(&node[4..]),
        }
    }
}

/// The part of a file in which values are.
struct Values<'a> {
    bytes: &'a [u8],
    n_left: usize,
}

/// What the first byte of a value says.
struct Head {
    kind: u8,
    size: usize,
    /// Where the content begins.
    at: usize,
}

impl<'a> Values<'a> {
    fn new(bytes: &'a [u8]) -> Values<'a> {
        Values { bytes, n_left: VALUES_MAX }
    }

    fn read(&mut self, at: usize) -> Result<Value> {
        self.value(at, 0).map(|it| it.0)
    }

    fn slice(&self, at: usize, n: usize) -> Result<&'a [u8]> {
        self.bytes.get(at..).and_then(|it| it.get(..n)).ok_or(BROKEN)
    }

    fn number(&self, at: usize, n: usize) -> Result<u128> {
        Ok(self.slice(at, n)?.iter().fold(0, |it, byte| it << 8 | u128::from(*byte)))
    }

    fn head(&self, mut at: usize) -> Result<Head> {
        let first = self.slice(at, 1)?[0];
        at += 1;
        let mut kind = first >> 5;
        if kind == POINTER {
            return Ok(Head { kind, size: usize::from(first & 31), at });
        }
        if kind == 0 {
            kind = self.slice(at, 1)?[0].checked_add(7).ok_or(BROKEN)?;
            at += 1;
        }
        let n = usize::from(first & 31).saturating_sub(28);
        let more = self.number(at, n)? as usize;
        let size = match n {
            0 => usize::from(first & 31),
            1 => 29 + more,
            2 => 285 + more,
            _ => 65_821 + more,
        };
        Ok(Head { kind, size, at: at + n })
    }

    /// The value at a place, and where the next one begins.
    fn value(&mut self, at: usize, depth: u32) -> Result<(Value, usize)> {
        self.n_left =
            self.n_left.checked_sub(1).ok_or("the MaxMind DB file is broken: a record has no end")?;
        if DEPTH_MAX < depth {
            return Err("the MaxMind DB file is broken: values are too deep one within another");
        }
        let Head { kind, size, at } = self.head(at)?;
        let whole = |bits: u128| match i64::try_from(bits) {
            Ok(it) => Value::Int(it),
            Err(_) => u64::try_from(bits).map_or(Value::Float(bits as f64), Value::Uint),
        };
        let value = match kind {
            POINTER => {
                let n = (size >> 3) + 1;
                let high = if n == 4 { 0 } else { (size & 7) << (8 * n) };
                let offset = [0, 2048, 526_336, 0][n - 1];
                let target = (high | self.number(at, n)? as usize) + offset;
                if self.head(target)?.kind == POINTER {
                    return Err("the MaxMind DB file is broken: a pointer leads to a pointer");
                }
                return Ok((self.value(target, depth + 1)?.0, at + n));
            }
            2 => Value::text(self.slice(at, size)?),
            3 if size == 8 => Value::Float(f64::from_bits(self.number(at, 8)? as u64)),
            4 => Value::Bytes(Binary::from(self.slice(at, size)?.to_vec())),
            5 | 6 | 9 | 10 if size <= 16 => whole(self.number(at, size)?),
            8 if size <= 4 => Value::Int(i64::from(self.number(at, size)? as u32 as i32)),
            14 => return Ok((Value::Bool(size == 1), at)),
            15 if size == 4 => Value::Float(f64::from(f32::from_bits(self.number(at, 4)? as u32))),
            7 => {
                let (mut pairs, mut at) = (Vec::new(), at);
                for _ in 0..size {
                    let (key, next) = self.value(at, depth + 1)?;
                    let (value, next) = self.value(next, depth + 1)?;
                    pairs.push((Text::from(key.to_text()), value));
                    at = next;
                }
                return Ok((Value::object(pairs).map_err(|_| BROKEN)?, at));
            }
            11 => {
                let (mut all, mut at) = (Vec::new(), at);
                for _ in 0..size {
                    let (value, next) = self.value(at, depth + 1)?;
                    all.push(value);
                    at = next;
                }
                return Ok((Value::array(all).map_err(|_| BROKEN)?, at));
            }
            _ => return Err("the MaxMind DB file is broken: a value is of no known type"),
        };
        Ok((value, at + size))
    }
}

/// The type of what stands elsewhere.
const POINTER: u8 = 1;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Writes such files, as far as tests need them.
    fn text(text: &str) -> Vec<u8> {
        let head = match text.len() {
            len @ ..29 => vec![2 << 5 | len as u8],
            len => vec![2 << 5 | 29, u8::try_from(len - 29).expect("it is short")],
        };
        [&head, text.as_bytes()].concat()
    }

    fn number(kind: u8, it: u32) -> Vec<u8> {
        let bytes = it.to_be_bytes();
        match kind {
            0..8 => [&[kind << 5 | 4], &bytes[..]].concat(),
            _ => [&[4, kind - 7], &bytes[..]].concat(),
        }
    }

    fn map(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut out = vec![7 << 5 | pairs.len() as u8];
        pairs.iter().for_each(|(key, value)| out.extend([text(key), value.clone()].concat()));
        out
    }

    /// A file of a kind that says this of 1.2.0.0/16, and nothing else.
    pub(crate) fn file(kind: &str, record: &[u8]) -> Vec<u8> {
        let (n_nodes, prefix) = (16u32, 0x0102u16);
        let mut out = Vec::new();
        for idx in 0..16 {
            let next = if idx == 15 { n_nodes + SEPARATOR_BYTES as u32 } else { idx + 1 };
            let is_right = prefix << idx >> 15 == 1;
            let halves = if is_right { [n_nodes, next] } else { [next, n_nodes] };
            halves.iter().for_each(|it| out.extend(&it.to_be_bytes()[1..]));
        }
        out.extend([0; SEPARATOR_BYTES]);
        out.extend(record);
        out.extend(METADATA_MARK);
        out.extend(map(&[
            ("node_count", number(6, n_nodes)),
            ("record_size", number(5, 24)),
            ("ip_version", number(5, 4)),
            ("binary_format_major_version", number(5, 2)),
            ("database_type", text(kind)),
        ]));
        out
    }

    /// What a file of autonomous systems has.
    pub(crate) fn system() -> Vec<u8> {
        map(&[
            ("autonomous_system_number", number(6, 64_500)),
            ("autonomous_system_organization", text("Example")),
        ])
    }

    #[test]
    fn addresses_are_found() {
        let mut record = [
            map(&[
                ("a", vec![POINTER << 5, 40]),
                ("b", vec![0, 7]),
                ("c", [&[3 << 5 | 8], &1.5f64.to_be_bytes()[..]].concat()),
                ("d", [vec![2, 4], number(8, -7i32 as u32), text("x")].concat()),
            ]),
            vec![0; 64],
        ]
        .concat();
        record.splice(40..45, text("far "));
        let reader = Reader::new(file("Test", &record)).expect("it is sound");
        let find = |it: &str| reader.find(it.parse().expect("an address"));
        assert_eq!(reader.kind, "Test");
        assert_eq!(find("1.3.0.1"), Ok(None));
        assert!(find("::1").is_err());
        let found = find("::ffff:1.2.3.4").expect("it is sound").expect("it is there");
        assert_eq!(found.to_json(), r#"{"a":"far ","b":false,"c":1.5,"d":[-7,"x"]}"#);
    }

    #[test]
    fn broken_files_are_refused() {
        let sound = file("Test", &system());
        assert!(
            Reader::new(sound.clone())
                .is_ok_and(|it| it.find([1, 2, 3, 4].into()).is_ok_and(|it| it.is_some()))
        );
        for len in 0..sound.len() {
            if let Ok(reader) = Reader::new(sound[..len].to_vec()) {
                _ = reader.find([1, 2, 3, 4].into());
            }
        }
        for at in 0..sound.len() {
            for byte in [0, 0x20, 0x28, 0x7f, 0xe1, 0xff] {
                let mut file = sound.clone();
                file[at] = byte;
                if let Ok(reader) = Reader::new(file) {
                    _ = reader.find([1, 2, 3, 4].into());
                    _ = reader.find([255, 255, 255, 255].into());
                }
            }
        }
    }
}
