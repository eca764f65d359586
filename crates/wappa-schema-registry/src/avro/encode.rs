//! From the JSON of a document to bytes.
//!
//! The text is read once, along the schema. What a record's fields become stands in the order of the text first, and is put
//! into that of the schema where they differ. Where a union does not say which of its types a value has, one after the
//! other is tried; how much may be read in vain is bounded, since types that nest would be tried over and over.

use std::{collections::HashSet, ops::Range};

use wappa_message::Value;
use wappa_spec::Size;

use super::{
    DEPTH_MAX, Kind, Record, Schema, Union, decode::shortest, number, shortened, text, text::Read, within,
};

/// Why a value does not become bytes.
enum Fail {
    /// It is none of this type.
    Unfit(String),
    /// Nothing else needs to be tried.
    Final(String),
}

impl From<String> for Fail {
    fn from(why: String) -> Fail {
        Fail::Unfit(why)
    }
}

impl Fail {
    fn within(self, place: impl FnOnce() -> String) -> Fail {
        match self {
            Fail::Unfit(why) => Fail::Unfit(within(place, why)),
            fail => fail,
        }
    }
}

type Result<T> = std::result::Result<T, Fail>;

/// How much work a document may be: so many steps for each of its bytes, and these.
const STEPS_PER_BYTE: usize = 64;
const STEPS_BESIDE: usize = 1 << 20;

/// A document on its way.
struct Encoder<'a> {
    schema: &'a Schema,
    json: &'a [u8],
    at: usize,
    out: Vec<u8>,
    /// How many bytes it may become.
    limit: usize,
    depth: usize,
    steps_left: usize,
    is_raw: bool,
    /// The text or bytes that were read last.
    read: Vec<u8>,
}

impl Schema {
    /// What a document in JSON becomes: so many bytes at most. What is behind it is not looked at, as in Bento.
    pub(crate) fn encode(&self, json: &[u8], limit: usize) -> std::result::Result<Vec<u8>, String> {
        let mut encoder = Encoder::new(self, json, limit, self.is_raw);
        match encoder.value(self.root) {
            Ok(()) => Ok(encoder.out),
            Err(Fail::Unfit(why) | Fail::Final(why)) => Err(why),
        }
    }
}

/// What a field is where a document has none: of a union, a value of its first type.
pub(super) fn default(
    schema: &Schema,
    node: usize,
    value: &Value,
    limit: usize,
) -> std::result::Result<Vec<u8>, String> {
    let json = value.to_json();
    let mut encoder = Encoder::new(schema, json.as_bytes(), limit, false);
    let encoded = match &schema.nodes[node].kind {
        Kind::Union(union) => {
            encoder.long(0);
            if union.null == Some(0) && json == "\"null\"" {
                encoder.json = b"null";
            }
            encoder.value(union.branches[0])
        }
        _ => encoder.value(node),
    };
    match encoded {
        Ok(()) if encoder.at == encoder.json.len() => Ok(encoder.out),
        Ok(()) => Err(shortened(&format!("{json} is no value of it"))),
        Err(Fail::Unfit(why) | Fail::Final(why)) => Err(why),
    }
}

impl<'a> Encoder<'a> {
    fn new(schema: &'a Schema, json: &'a [u8], limit: usize, is_raw: bool) -> Encoder<'a> {
        let steps_left = STEPS_BESIDE.saturating_add(json.len().saturating_mul(STEPS_PER_BYTE));
        Encoder {
            schema,
            json,
            at: 0,
            out: Vec::new(),
            limit,
            depth: 0,
            steps_left,
            is_raw,
            read: Vec::new(),
        }
    }

    fn value(&mut self, node: usize) -> Result<()> {
        self.steps(1)?;
        let schema = self.schema;
        let node = &schema.nodes[node];
        match &node.kind {
            Kind::Null => match self.rest() {
                [b'n', b'u', b'l', b'l', ..] => {
                    self.at += 4;
                    Ok(())
                }
                rest if rest.len() < 4 => Err("cannot decode textual null: short buffer".to_string().into()),
                _ => Err("cannot decode textual null: expected: null".to_string().into()),
            },
            Kind::Boolean => {
                let value = self.rest().starts_with(b"true");
                if !value && !self.rest().starts_with(b"false") {
                    return Err("expected false or true".to_string().into());
                }
                self.at += if value { 4 } else { 5 };
                self.push(&[u8::from(value)])
            }
            Kind::Int => {
                let value: i32 = self.whole()?;
                self.long(i64::from(value));
                self.check()
            }
            Kind::Long => {
                let value = self.whole()?;
                self.long(value);
                self.check()
            }
            Kind::Float => {
                let value: f32 = self.float(f32::from_bits(0x7FC0_0000), f32::INFINITY)?;
                self.push(&value.to_le_bytes())
            }
            Kind::Double => {
                // The one of Go.
                let value: f64 = self.float(f64::from_bits(0x7FF8_0000_0000_0001), f64::INFINITY)?;
                self.push(&value.to_le_bytes())
            }
            Kind::Bytes => {
                self.text(Read::Bytes)?;
                self.sized(|read| read)
            }
            Kind::Decimal => {
                self.text(Read::Bytes)?;
                self.sized(shortest)
            }
            Kind::String => {
                self.text(Read::Text)?;
                self.sized(|read| read)
            }
            Kind::Fixed { size } => {
                self.text(Read::Bytes)?;
                let n = self.read.len();
                if n != *size {
                    let name = &node.name;
                    return Err(format!(
                        "cannot decode textual fixed {name:?}: datum size ought to equal schema size: {n} != {size}"
                    )
                    .into());
                }
                self.out.extend_from_slice(&self.read);
                self.check()
            }
            Kind::Enum { places, .. } => {
                self.skip_space();
                let read = self.text(Read::Text);
                read.map_err(|why| why.within(|| "cannot decode textual enum: expected key: ".to_string()))?;
                let symbol = String::from_utf8_lossy(&self.read);
                let Some(place) = places.get(&*symbol) else {
                    return Err(shortened(&format!(
                        "cannot decode textual enum {:?}: value ought to be member of symbols: {symbol:?}",
                        node.name
                    ))
                    .into());
                };
                self.long(*place as i64);
                self.check()
            }
            Kind::Array { items } => self.deeper(|it| it.array(*items)),
            Kind::Map { values } => self.deeper(|it| it.map(*values)),
            Kind::Union(union) if self.is_raw => self.deeper(|it| it.bare(union)),
            Kind::Union(union) => self.deeper(|it| it.union(union)),
            Kind::Record(record) => self.deeper(|it| it.record(&node.name, record)),
        }
    }

    fn deeper(&mut self, work: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        if self.depth == DEPTH_MAX {
            return Err(Fail::Final(format!("more than {DEPTH_MAX} values one within another")));
        }
        self.depth += 1;
        let done = work(self);
        self.depth -= 1;
        done
    }

    fn record(&mut self, name: &str, record: &Record) -> Result<()> {
        let at = || format!("cannot decode textual record {name:?}: ");
        let n_fields = record.fields.len();
        self.steps(n_fields)?;
        let begin = self.out.len();
        let mut places: Vec<Option<Range<usize>>> = vec![None; n_fields];
        let mut n_found = 0;
        let mut is_in_order = true;
        let read = self.pairs(|it, key| {
            let Some(idx) = std::str::from_utf8(&key).ok().and_then(|key| record.places.get(key)).copied()
            else {
                return Err(
                    format!("cannot decode textual map: cannot determine codec: {}", told(&key)).into()
                );
            };
            if places[idx].is_some() {
                return Err(format!("cannot decode textual map: duplicate key: {}", told(&key)).into());
            }
            is_in_order &= idx == n_found;
            n_found += 1;
            let from = it.out.len();
            it.colon()?;
            it.value(record.fields[idx].node)
                .map_err(|why| why.within(|| format!("for key {}: ", told(&key))))?;
            places[idx] = Some(from..it.out.len());
            Ok(())
        });
        read.map_err(|why| why.within(at))?;
        if is_in_order && n_found == n_fields {
            return Ok(());
        }
        let mut whole = Vec::with_capacity(self.out.len() - begin);
        for (field, place) in record.fields.iter().zip(places) {
            match (place, &field.default) {
                (Some(place), _) => whole.extend_from_slice(&self.out[place]),
                (None, Some(default)) => whole.extend_from_slice(default),
                (None, None) => {
                    return Err(format!(
                        "{}only found {n_found} of {n_fields} fields, and {:?}, which has no default, is none of them",
                        at(),
                        field.name
                    )
                    .into());
                }
            }
            if self.limit < begin + whole.len() {
                return self.too_large();
            }
        }
        // What is copied is work too.
        self.steps(whole.len() / 64)?;
        self.out.truncate(begin);
        self.out.extend_from_slice(&whole);
        Ok(())
    }

    fn map(&mut self, values: usize) -> Result<()> {
        let begin = self.out.len();
        let mut keys = HashSet::new();
        self.pairs(|it, key| {
            it.colon()?;
            it.long(key.len() as i64);
            it.push(&key)?;
            let done = it.value(values);
            done.map_err(|why| why.within(|| format!("for key {}: ", told(&key))))?;
            match keys.contains(&key) {
                true => Err(format!("cannot decode textual map: duplicate key: {}", told(&key)).into()),
                false => {
                    keys.insert(key);
                    Ok(())
                }
            }
        })?;
        self.end_block(begin, keys.len())
    }

    fn array(&mut self, items: usize) -> Result<()> {
        let failed = |why: String| Fail::Unfit(format!("cannot decode textual array: {why}"));
        let begin = self.out.len();
        self.expect(b'[').map_err(failed)?;
        let mut n = 0;
        if self.next().map_err(failed)? == b']' {
            self.at += 1;
            return self.end_block(begin, n);
        }
        loop {
            let done = self.value(items);
            done.map_err(|why| why.within(|| "cannot decode textual array: ".to_string()))?;
            n += 1;
            match self.next().map_err(failed)? {
                b']' => {
                    self.at += 1;
                    return self.end_block(begin, n);
                }
                b',' => self.at += 1,
                other => {
                    return Err(failed(format!("expected ',' or ']'; received: {:?}", char::from(other))));
                }
            }
            self.next().map_err(failed)?;
        }
    }

    /// Puts how many elements there are in front of those that were written from here on, and the end behind them.
    fn end_block(&mut self, begin: usize, n: usize) -> Result<()> {
        if 0 < n {
            let end = self.out.len();
            self.long(n as i64);
            let n_bytes = self.out.len() - end;
            self.out[begin..].rotate_right(n_bytes);
            self.steps((end - begin) / 64)?;
        }
        self.push(&[0])
    }

    /// A value in an object that names its type.
    fn union(&mut self, union: &Union) -> Result<()> {
        if self.rest().starts_with(b"null")
            && let Some(place) = union.null
        {
            self.at += 4;
            self.long(place as i64);
            return self.check();
        }
        let schema = self.schema;
        let allowed = || {
            let names = union.branches.iter().map(|it| schema.nodes[*it].name.as_str());
            names.take(32).collect::<Vec<_>>().join(" ")
        };
        let mut n = 0;
        let read = self.pairs(|it, key| {
            n += 1;
            let place = std::str::from_utf8(&key).ok().and_then(|key| union.places.get(key)).copied();
            let place = place.ok_or_else(|| {
                format!("cannot decode textual map: cannot determine codec: {}", told(&key))
            })?;
            it.colon()?;
            it.long(place as i64);
            let done = it.value(union.branches[place]);
            done.map_err(|why| why.within(|| format!("for key {}: ", told(&key))))
        });
        read.map_err(|why| why.within(|| format!("cannot decode textual union of [{}]: ", allowed())))?;
        match n {
            1 => Ok(()),
            _ => Err(format!(
                "cannot encode binary union: non-nil Union values ought to be specified with a single key equal to type name, and value equal to datum value: [{}]",
                allowed()
            )
            .into()),
        }
    }

    /// A value that does not say which type of a union it has: the first one that it can be.
    fn bare(&mut self, union: &Union) -> Result<()> {
        let space = text::space(self.rest());
        let first = self.rest().get(space).copied();
        if self.rest().starts_with(b"null")
            && let Some(place) = union.null
        {
            self.at += 4;
            self.long(place as i64);
            return self.check();
        }
        let is_sorted = matches!(first, Some(b'-' | b'0'..=b'9' | b'{'));
        let (at, n_out) = (self.at, self.out.len());
        let attempt = |it: &mut Self, place: usize| {
            it.long(place as i64);
            match it.value(union.branches[place]) {
                Ok(()) => Ok(true),
                Err(Fail::Unfit(_)) => {
                    it.steps(32 + (it.at - at))?;
                    it.at = at;
                    it.out.truncate(n_out);
                    Ok(false)
                }
                Err(fail) => Err(fail),
            }
        };
        let in_order = (0..union.branches.len()).filter(|it| union.null != Some(*it));
        let found = match is_sorted {
            true => first_of(union.sorted.iter().copied(), |place| attempt(self, place))?,
            false => first_of(in_order, |place| attempt(self, place))?,
        };
        match found {
            true => Ok(()),
            false => {
                let rest = String::from_utf8_lossy(&self.rest()[..self.rest().len().min(64)]).into_owned();
                Err(format!("could not decode any json data in input {rest}").into())
            }
        }
    }

    /// Reads an object: `each` is given each name, and reads the colon and the value behind it.
    fn pairs(&mut self, mut each: impl FnMut(&mut Self, Vec<u8>) -> Result<()>) -> Result<()> {
        self.expect(b'{')?;
        if self.next()? == b'}' {
            self.at += 1;
            return Ok(());
        }
        loop {
            let key = self.text(Read::Text);
            key.map_err(|why| why.within(|| "cannot decode textual map: expected key: ".to_string()))?;
            let key = std::mem::take(&mut self.read);
            each(self, key)?;
            match self.next()? {
                b'}' => {
                    self.at += 1;
                    return Ok(());
                }
                b',' => self.at += 1,
                other => {
                    let other = char::from(other);
                    return Err(format!(
                        "cannot decode textual map: expected ',' or '}}'; received: {other:?}"
                    )
                    .into());
                }
            }
            self.next()?;
        }
    }

    fn colon(&mut self) -> Result<()> {
        self.expect(b':')?;
        self.next()?;
        Ok(())
    }

    fn rest(&self) -> &'a [u8] {
        &self.json[self.at..]
    }

    fn skip_space(&mut self) {
        self.at += text::space(self.rest());
    }

    /// What comes behind white space.
    fn next(&mut self) -> std::result::Result<u8, String> {
        self.skip_space();
        self.rest().first().copied().ok_or_else(|| "short buffer".to_string())
    }

    fn expect(&mut self, expected: u8) -> std::result::Result<(), String> {
        let next = self.next()?;
        if next != expected {
            return Err(format!("expected: {:?}; actual: {:?}", char::from(expected), char::from(next)));
        }
        self.at += 1;
        Ok(())
    }

    fn text(&mut self, what: Read) -> Result<()> {
        self.at += text::read(self.rest(), what, &mut self.read)?;
        Ok(())
    }

    fn number(&mut self, may_be_float: bool) -> std::result::Result<&'a str, String> {
        let n = number::len(self.rest(), may_be_float)?;
        let digits = std::str::from_utf8(&self.rest()[..n]).unwrap_or_default();
        self.at += n;
        Ok(digits)
    }

    fn whole<T: std::str::FromStr>(&mut self) -> Result<T> {
        let digits = self.number(false)?;
        let out_of_range = || shortened(&format!("strconv.ParseInt: parsing {digits:?}: value out of range"));
        Ok(digits.parse().map_err(|_| out_of_range())?)
    }

    fn float<T>(&mut self, nan: T, infinite: T) -> Result<T>
    where
        T: std::str::FromStr + Copy + PartialEq + std::ops::Neg<Output = T>,
    {
        for (text, value) in [("null", nan), ("1e999", infinite), ("-1e999", -infinite)] {
            if self.rest().starts_with(text.as_bytes()) {
                self.at += text.len();
                return Ok(value);
            }
        }
        let digits = self.number(true)?;
        match digits.parse::<T>() {
            Ok(value) if value != infinite && value != -infinite => Ok(value),
            _ => {
                Err(shortened(&format!("strconv.ParseFloat: parsing {digits:?}: value out of range")).into())
            }
        }
    }

    /// Writes what was read, behind its length.
    fn sized(&mut self, what: impl FnOnce(&[u8]) -> &[u8]) -> Result<()> {
        let read = std::mem::take(&mut self.read);
        let bytes = what(&read);
        self.long(bytes.len() as i64);
        self.out.extend_from_slice(bytes);
        self.read = read;
        self.check()
    }

    fn long(&mut self, value: i64) {
        let mut coded = ((value << 1) ^ (value >> 63)) as u64;
        while 0x80 <= coded {
            self.out.push(coded as u8 | 0x80);
            coded >>= 7;
        }
        self.out.push(coded as u8);
    }

    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.extend_from_slice(bytes);
        self.check()
    }

    fn check(&self) -> Result<()> {
        if self.out.len() <= self.limit { Ok(()) } else { self.too_large() }
    }

    fn too_large(&self) -> Result<()> {
        Err(Fail::Final(format!("the message would be larger than {}", Size(self.limit as u64))))
    }

    fn steps(&mut self, n: usize) -> Result<()> {
        let too_many =
            || Fail::Final("the types of the schema's unions would be tried for too long".to_string());
        self.steps_left = self.steps_left.checked_sub(n).ok_or_else(too_many)?;
        Ok(())
    }
}

/// Whether one of them succeeds; those behind it are not tried.
fn first_of(
    mut places: impl Iterator<Item = usize>,
    mut attempt: impl FnMut(usize) -> Result<bool>,
) -> Result<bool> {
    places.try_fold(false, |found, place| if found { Ok(true) } else { attempt(place) })
}

fn told(key: &[u8]) -> String {
    shortened(&format!("{:?}", String::from_utf8_lossy(key)))
}
