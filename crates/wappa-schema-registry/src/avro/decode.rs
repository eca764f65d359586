//! From bytes to the JSON of a document.

use std::collections::HashSet;

use wappa_spec::Size;

use super::{DEPTH_MAX, Kind, Record, Schema, Union, number, shortened, text, within};

type Result<T> = std::result::Result<T, String>;

/// A document on its way.
struct Decoder<'a> {
    schema: &'a Schema,
    bytes: &'a [u8],
    out: Vec<u8>,
    /// How long the document may become.
    limit: usize,
    depth: usize,
}

impl Schema {
    /// The document that bytes begin with, as JSON of so many bytes at most. What is behind it is not looked at, as in Bento.
    pub(crate) fn decode(&self, bytes: &[u8], limit: usize) -> Result<Vec<u8>> {
        let mut decoder = Decoder { schema: self, bytes, out: Vec::new(), limit, depth: 0 };
        decoder.value(self.root)?;
        Ok(decoder.out)
    }
}

impl<'a> Decoder<'a> {
    fn value(&mut self, node: usize) -> Result<()> {
        let schema = self.schema;
        let node = &schema.nodes[node];
        match &node.kind {
            Kind::Null => self.write(b"null"),
            Kind::Boolean => match self.take(1).map_err(|_| "short buffer".to_string())? {
                [0] => self.write(b"false"),
                [1] => self.write(b"true"),
                other => Err(format!(
                    "cannot decode binary boolean: expected: Go byte(0) or byte(1); received: byte({})",
                    other[0]
                )),
            },
            Kind::Int => {
                let coded = self.coded()?;
                let value = (coded >> 1) as i32 ^ -((coded & 1) as i32);
                self.write(value.to_string().as_bytes())
            }
            Kind::Long => {
                let value = self.long()?;
                self.write(value.to_string().as_bytes())
            }
            Kind::Float => {
                let bytes = self.take(4).map_err(|why| format!("cannot decode binary float: {why}"))?;
                let value = f32::from_le_bytes(bytes.try_into().unwrap_or_default());
                self.float(f64::from(value), || format!("{value:e}"))
            }
            Kind::Double => {
                let bytes = self.take(8).map_err(|why| format!("cannot decode binary double: {why}"))?;
                let value = f64::from_le_bytes(bytes.try_into().unwrap_or_default());
                self.float(value, || format!("{value:e}"))
            }
            Kind::Bytes => {
                let bytes = self.sized()?;
                text::write_bytes(bytes, &mut self.out);
                self.check()
            }
            Kind::Decimal => {
                let bytes = shortest(self.sized()?);
                text::write_bytes(bytes, &mut self.out);
                self.check()
            }
            Kind::String => self.text(),
            Kind::Fixed { size } => {
                let n_left = self.bytes.len();
                let bytes = self.take(*size).map_err(|why| {
                    format!(
                        "cannot decode binary fixed {:?}: schema size exceeds remaining buffer size: {size} > {n_left} ({why})",
                        node.name
                    )
                })?;
                text::write_bytes(bytes, &mut self.out);
                self.check()
            }
            Kind::Enum { symbols, .. } => {
                let at = || format!("cannot decode binary enum {:?}", node.name);
                let place = self.long().map_err(|why| format!("{} index: {why}", at()))?;
                let symbol = usize::try_from(place).ok().and_then(|it| symbols.get(it)).ok_or_else(|| {
                    format!(
                        "{}: index ought to be between 0 and {}; read index: {place}",
                        at(),
                        symbols.len() - 1
                    )
                })?;
                text::write(symbol.as_bytes(), &mut self.out);
                self.check()
            }
            Kind::Array { items } => self.deeper(|it| it.array(*items)),
            Kind::Map { values } => self.deeper(|it| it.map(*values)),
            Kind::Union(union) => self.deeper(|it| it.union(union)),
            Kind::Record(record) => self.deeper(|it| it.record(&node.name, record)),
        }
    }

    fn deeper(&mut self, work: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        if self.depth == DEPTH_MAX {
            return Err(format!("more than {DEPTH_MAX} values one within another"));
        }
        self.depth += 1;
        let done = work(self);
        self.depth -= 1;
        done
    }

    fn record(&mut self, name: &str, record: &Record) -> Result<()> {
        self.out.push(b'{');
        for (idx, field) in record.fields.iter().enumerate() {
            if 0 < idx {
                self.out.push(b',');
            }
            text::write(field.name.as_bytes(), &mut self.out);
            self.write(b":")?;
            let done = self.value(field.node);
            done.map_err(|why| {
                within(|| format!("cannot decode binary record {name:?} field {:?}: ", field.name), why)
            })?;
        }
        self.write(b"}")
    }

    fn union(&mut self, union: &Union) -> Result<()> {
        let place = self.long()?;
        let branch = usize::try_from(place).ok().filter(|it| *it < union.branches.len());
        let branch = branch.ok_or_else(|| {
            let last = union.branches.len() - 1;
            format!("cannot decode binary union: index ought to be between 0 and {last}; read index: {place}")
        })?;
        let is_bare = self.schema.is_raw || union.null == Some(branch);
        let node = union.branches[branch];
        if !is_bare {
            self.out.push(b'{');
            let schema = self.schema;
            text::write(schema.nodes[node].name.as_bytes(), &mut self.out);
            self.write(b":")?;
        }
        let done = self.value(node);
        done.map_err(|why| within(|| format!("cannot decode binary union item {}: ", branch + 1), why))?;
        if is_bare { Ok(()) } else { self.write(b"}") }
    }

    fn array(&mut self, items: usize) -> Result<()> {
        self.out.push(b'[');
        let mut n_done = 0_u64;
        loop {
            let n = self.block("array")?;
            if n == 0 {
                return self.write(b"]");
            }
            for _ in 0..n {
                if 0 < n_done {
                    self.out.push(b',');
                }
                n_done += 1;
                let done = self.value(items);
                done.map_err(|why| within(|| format!("cannot decode binary array item {n_done}: "), why))?;
            }
        }
    }

    fn map(&mut self, values: usize) -> Result<()> {
        self.out.push(b'{');
        let mut keys: HashSet<&'a [u8]> = HashSet::new();
        loop {
            let n = self.block("map")?;
            if n == 0 {
                return self.write(b"}");
            }
            for _ in 0..n {
                if !keys.is_empty() {
                    self.out.push(b',');
                }
                let key = self.sized().map_err(|why| {
                    format!("cannot decode binary map key: cannot decode binary string: {why}")
                })?;
                let told = || shortened(&format!("{:?}", String::from_utf8_lossy(key)));
                if !keys.insert(key) {
                    return Err(format!("cannot decode binary map: duplicate key: {}", told()));
                }
                text::write(key, &mut self.out);
                self.write(b":")?;
                let done = self.value(values);
                done.map_err(|why| {
                    within(|| format!("cannot decode binary map value for key {}: ", told()), why)
                })?;
            }
        }
    }

    /// How many elements come next; 0 for the end. Nothing is kept for them before they are there.
    fn block(&mut self, what: &str) -> Result<u64> {
        let n = self.long().map_err(|why| format!("cannot decode binary {what} block count: {why}"))?;
        if n < 0 {
            // Its size in bytes says nothing that is wanted.
            self.long().map_err(|why| format!("cannot decode binary {what} block size: {why}"))?;
        }
        match n.unsigned_abs() {
            n if n <= i32::MAX as u64 => Ok(n),
            n => Err(format!(
                "cannot decode binary {what} when block count exceeds MaxBlockCount: {n} > {}",
                i32::MAX
            )),
        }
    }

    fn text(&mut self) -> Result<()> {
        let text = self.sized().map_err(|why| format!("cannot decode binary string: {why}"))?;
        text::write(text, &mut self.out);
        self.check()
    }

    fn sized(&mut self) -> Result<&'a [u8]> {
        let failed = |why: String| format!("cannot decode binary bytes: {why}");
        let size = self.long().map_err(failed)?;
        let n = usize::try_from(size).map_err(|_| failed(format!("negative size: {size}")))?;
        self.take(n).map_err(failed)
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(n).ok_or("short buffer")?;
        self.bytes = rest;
        Ok(taken)
    }

    fn long(&mut self) -> Result<i64> {
        let coded = self.coded()?;
        Ok((coded >> 1) as i64 ^ -((coded & 1) as i64))
    }

    /// A number in pieces of seven bits, the lowest ones first.
    fn coded(&mut self) -> Result<u64> {
        let mut value = 0;
        for (place, byte) in self.bytes.iter().enumerate() {
            if place < 10 {
                value |= u64::from(byte & 0x7F) << (7 * place);
            }
            if byte & 0x80 == 0 {
                self.bytes = &self.bytes[place + 1..];
                return Ok(value);
            }
        }
        Err("short buffer".to_string())
    }

    fn float(&mut self, value: f64, digits: impl FnOnce() -> String) -> Result<()> {
        match value {
            _ if value.is_nan() => self.write(b"null"),
            f64::INFINITY => self.write(b"1e999"),
            f64::NEG_INFINITY => self.write(b"-1e999"),
            _ => {
                number::write(&digits(), &mut self.out);
                self.check()
            }
        }
    }

    fn write(&mut self, piece: &[u8]) -> Result<()> {
        self.out.extend_from_slice(piece);
        self.check()
    }

    fn check(&self) -> Result<()> {
        match self.out.len() <= self.limit {
            true => Ok(()),
            false => Err(format!("the document would be larger than {}", Size(self.limit as u64))),
        }
    }
}

/// A number in as few bytes as it takes: those in front that only repeat its sign are left out.
pub(super) fn shortest(mut number: &[u8]) -> &[u8] {
    if number.is_empty() {
        return &[0];
    }
    while let [first, second, ..] = number
        && (*first == 0 && *second < 0x80 || *first == 0xFF && 0x80 <= *second)
    {
        number = &number[1..];
    }
    number
}
