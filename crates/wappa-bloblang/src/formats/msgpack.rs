//! MessagePack: documents in bytes. Source: its specification, read as Bento's library reads it.

use std::convert::Infallible;

use bytes::Bytes;
use wappa_message::{Binary, Text, Time, Value};

use crate::time::zone::Zone;

/// The deepest nesting that is read.
const DEPTH_MAX: usize = 256;

/// The number of the extension that is a point in time.
const TIME: i8 = -1;

/// The document at the beginning of bytes.
///
/// The outer error is the one of `charge`, which is told how many containers and values are about to be made.
pub(crate) fn parse<E>(
    bytes: &Bytes,
    charge: &mut dyn FnMut(usize, usize) -> Result<(), E>,
) -> Result<Result<Value, String>, E> {
    if bytes.is_empty() {
        return Ok(Err("EOF".to_string()));
    }
    match (Reader { bytes, at: 0, depth: 0, charge }).value() {
        Ok(value) => Ok(Ok(value)),
        Err(Failed::Text(why)) => Ok(Err(why)),
        Err(Failed::Refused(err)) => Err(err),
    }
}

/// The document at the beginning of bytes.
///
/// # Errors
///
/// Why there is none.
pub fn read(bytes: &Bytes) -> Result<Value, String> {
    parse::<Infallible>(bytes, &mut |_, _| Ok(())).unwrap_or_else(|never| match never {})
}

/// Why there is no document.
enum Failed<E> {
    Text(String),
    Refused(E),
}

impl<E> From<String> for Failed<E> {
    fn from(why: String) -> Failed<E> {
        Failed::Text(why)
    }
}

struct Reader<'a, E> {
    bytes: &'a Bytes,
    at: usize,
    depth: usize,
    charge: &'a mut dyn FnMut(usize, usize) -> Result<(), E>,
}

impl<E> Reader<'_, E> {
    fn take(&mut self, n: usize) -> Result<Bytes, Failed<E>> {
        let end = self.at.checked_add(n).filter(|it| *it <= self.bytes.len());
        let end = end.ok_or_else(|| "unexpected EOF".to_string())?;
        let taken = self.bytes.slice(self.at..end);
        self.at = end;
        Ok(taken)
    }

    /// A number of so many bytes, the highest first.
    fn number(&mut self, n: usize) -> Result<u64, Failed<E>> {
        Ok(self.take(n)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn len(&mut self, n: usize) -> Result<usize, Failed<E>> {
        Ok(usize::try_from(self.number(n)?).unwrap_or(usize::MAX))
    }

    fn value(&mut self) -> Result<Value, Failed<E>> {
        // A list that is full grows to twice as many.
        (self.charge)(0, 2).map_err(Failed::Refused)?;
        let code = self.number(1)? as u8;
        Ok(match code {
            0x00..=0x7f => Value::Int(code.into()),
            0x80..=0x8f => self.object(usize::from(code & 15))?,
            0x90..=0x9f => self.array(usize::from(code & 15))?,
            0xa0..=0xbf => self.text(usize::from(code & 31))?,
            0xc0 => Value::Null,
            0xc2 | 0xc3 => Value::Bool(code == 0xc3),
            0xc4..=0xc6 => {
                let n = self.len(1 << (code - 0xc4))?;
                Value::Bytes(Binary::from(self.take(n)?))
            }
            0xc7..=0xc9 => {
                let n = self.len(1 << (code - 0xc7))?;
                self.extension(n)?
            }
            0xca => Value::Float(f32::from_bits(self.number(4)? as u32).into()),
            0xcb => Value::Float(f64::from_bits(self.number(8)?)),
            0xcc..=0xcf => {
                let number = self.number(1 << (code - 0xcc))?;
                i64::try_from(number).map_or(Value::Uint(number), Value::Int)
            }
            0xd0 => Value::Int((self.number(1)? as i8).into()),
            0xd1 => Value::Int((self.number(2)? as i16).into()),
            0xd2 => Value::Int((self.number(4)? as i32).into()),
            0xd3 => Value::Int(self.number(8)? as i64),
            0xd4..=0xd8 => self.extension(1 << (code - 0xd4))?,
            0xd9..=0xdb => {
                let n = self.len(1 << (code - 0xd9))?;
                self.text(n)?
            }
            0xdc | 0xdd => {
                let n = self.len(if code == 0xdc { 2 } else { 4 })?;
                self.array(n)?
            }
            0xde | 0xdf => {
                let n = self.len(if code == 0xde { 2 } else { 4 })?;
                self.object(n)?
            }
            0xe0..=0xff => Value::Int((code as i8).into()),
            0xc1 => {
                return Err(Failed::Text(format!("msgpack: unknown code {code:x} decoding interface{{}}")));
            }
        })
    }

    fn text(&mut self, n: usize) -> Result<Value, Failed<E>> {
        Ok(Value::Text(Text::from(self.take(n)?)))
    }

    fn within<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Failed<E>>) -> Result<T, Failed<E>> {
        if self.depth == DEPTH_MAX {
            return Err(Failed::Text(format!("msgpack: nested more than {DEPTH_MAX} levels deep")));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// So many elements; a length is only a claim.
    fn list<T>(
        &mut self,
        n: usize,
        read: impl Fn(&mut Self) -> Result<T, Failed<E>>,
    ) -> Result<Vec<T>, Failed<E>> {
        (self.charge)(1, 0).map_err(Failed::Refused)?;
        self.within(|it| {
            let mut list = Vec::new();
            for _ in 0..n {
                list.push(read(it)?);
            }
            Ok(list)
        })
    }

    fn array(&mut self, n: usize) -> Result<Value, Failed<E>> {
        let values = self.list(n, Self::value)?;
        Ok(Value::array(values).map_err(|err| err.to_string())?)
    }

    fn object(&mut self, n: usize) -> Result<Value, Failed<E>> {
        let pair = |it: &mut Self| {
            let name = match it.value()? {
                Value::Text(name) => name,
                Value::Bytes(name) => Text::from(name.to_bytes()),
                Value::Null => Text::EMPTY,
                other => {
                    let what = crate::value::go::type_name(&other, false);
                    return Err(Failed::Text(format!("msgpack: a name has to be a text, and not {what}")));
                }
            };
            Ok((name, it.value()?))
        };
        let pairs = self.list(n, pair)?;
        Ok(Value::object(pairs).map_err(|err| err.to_string())?)
    }

    fn extension(&mut self, n: usize) -> Result<Value, Failed<E>> {
        let id = self.number(1)? as i8;
        if id != TIME {
            return Err(Failed::Text(format!("msgpack: unknown ext id={id}")));
        }
        let (seconds, nanos) = match n {
            4 => (self.number(4)? as i64, 0),
            8 => {
                let number = self.number(8)?;
                ((number & 0x3_ffff_ffff) as i64, number >> 34)
            }
            12 => {
                let nanos = self.number(4)?;
                (self.number(8)? as i64, nanos)
            }
            n => return Err(Failed::Text(format!("msgpack: invalid ext len={n} decoding time"))),
        };
        match u32::try_from(nanos).ok().filter(|it| *it < 1_000_000_000) {
            Some(nanos) => Ok(Value::Time(Zone::local().time(seconds, nanos))),
            None => Err(Failed::Text("msgpack: a time has a billion nanoseconds or more".to_string())),
        }
    }
}

/// Writes a value, each part in as few bytes as it needs.
pub fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0xc0),
        Value::Bool(it) => out.push(if *it { 0xc3 } else { 0xc2 }),
        Value::Int(it) => write_int(*it, out),
        Value::Uint(it) => write_uint(*it, out),
        Value::Float(it) => write_float(*it, out),
        // A number that was written with a point or an exponent is none that is whole.
        Value::Number(it) => match (it.to_i64(), it.as_str().parse()) {
            (Some(number), _) => write_int(number, out),
            (None, Ok(number)) => write_uint(number, out),
            (None, Err(_)) => write_float(it.to_f64(), out),
        },
        Value::Text(text) => {
            write_len(text.len(), (0xa0, 32), &[(0xd9, 1), (0xda, 2), (0xdb, 4)], out);
            out.extend_from_slice(text);
        }
        Value::Bytes(bytes) => {
            write_len(bytes.len(), (0, 0), &[(0xc4, 1), (0xc5, 2), (0xc6, 4)], out);
            out.extend_from_slice(bytes);
        }
        Value::Time(time) => write_time(time, out),
        Value::Array(array) => {
            write_len(array.len(), (0x90, 16), &[(0xdc, 2), (0xdd, 4)], out);
            array.iter().for_each(|it| write(&it, out));
        }
        Value::Object(object) => {
            write_len(object.len(), (0x80, 16), &[(0xde, 2), (0xdf, 4)], out);
            for (name, it) in object.iter() {
                write(&Value::Text(name), out);
                write(&it, out);
            }
        }
    }
}

/// Writes a length: in the code itself below `limit`, or behind the first code whose number holds it.
fn write_len(n: usize, (short, limit): (u8, usize), codes: &[(u8, usize)], out: &mut Vec<u8>) {
    if n < limit {
        out.push(short | n as u8);
        return;
    }
    let (code, n_bytes) =
        *codes.iter().find(|(_, n_bytes)| n < 1 << (8 * n_bytes)).unwrap_or(&codes[codes.len() - 1]);
    out.push(code);
    out.extend_from_slice(&(n as u32).to_be_bytes()[4 - n_bytes..]);
}

fn write_uint(it: u64, out: &mut Vec<u8>) {
    let bytes = it.to_be_bytes();
    match it {
        0..0x80 => out.push(bytes[7]),
        0x80..0x100 => out.extend_from_slice(&[0xcc, bytes[7]]),
        0x100..0x1_0000 => out.extend([&[0xcd], &bytes[6..]].concat()),
        0x1_0000..0x1_0000_0000 => out.extend([&[0xce], &bytes[4..]].concat()),
        _ => out.extend([&[0xcf], bytes.as_slice()].concat()),
    }
}

fn write_int(it: i64, out: &mut Vec<u8>) {
    let bytes = it.to_be_bytes();
    match it {
        0.. => write_uint(it as u64, out),
        -32..0 => out.push(bytes[7]),
        -0x80..-32 => out.extend_from_slice(&[0xd0, bytes[7]]),
        -0x8000..-0x80 => out.extend([&[0xd1], &bytes[6..]].concat()),
        -0x8000_0000..-0x8000 => out.extend([&[0xd2], &bytes[4..]].concat()),
        _ => out.extend([&[0xd3], bytes.as_slice()].concat()),
    }
}

fn write_float(it: f64, out: &mut Vec<u8>) {
    out.push(0xcb);
    out.extend_from_slice(&it.to_bits().to_be_bytes());
}

fn write_time(time: &Time, out: &mut Vec<u8>) {
    let (seconds, nanos) = (time.seconds(), time.nanos());
    match (u64::try_from(seconds), nanos) {
        (Ok(seconds), 0) if seconds < 1 << 32 => {
            out.extend_from_slice(&[0xd6, TIME as u8]);
            out.extend_from_slice(&(seconds as u32).to_be_bytes());
        }
        (Ok(seconds), nanos) if seconds < 1 << 34 => {
            out.extend_from_slice(&[0xd7, TIME as u8]);
            out.extend_from_slice(&(u64::from(nanos) << 34 | seconds).to_be_bytes());
        }
        _ => {
            out.extend_from_slice(&[0xc7, 12, TIME as u8]);
            out.extend_from_slice(&nanos.to_be_bytes());
            out.extend_from_slice(&seconds.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: impl Into<Bytes>) -> Result<Value, String> {
        parse(&bytes.into(), &mut |_, _| Ok::<(), ()>(())).expect("nothing refuses")
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|it| format!("{it:02x}")).collect()
    }

    #[test]
    fn what_is_written_can_be_read() {
        for (value, expected) in [
            ("0", "00"),
            ("127", "7f"),
            ("128", "cc80"),
            ("256", "cd0100"),
            ("65536", "ce00010000"),
            ("4294967296", "cf0000000100000000"),
            ("18446744073709551615", "cfffffffffffffffff"),
            ("-32", "e0"),
            ("-33", "d0df"),
            ("-129", "d1ff7f"),
            ("-32769", "d2ffff7fff"),
            ("-2147483649", "d3ffffffff7fffffff"),
            ("1.5", "cb3ff8000000000000"),
            ("[null,true,false,\"a\"]", "94c0c3c2a161"),
            ("{\"a\":{}}", "81a16180"),
            ("[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "dc001001010101010101010101010101010101"),
        ] {
            let document = Value::from_json(&Bytes::from_static(value.as_bytes())).expect("it is JSON");
            let mut out = Vec::new();
            write(&document, &mut out);
            assert_eq!(hex(&out), expected, "{value}");
            assert_eq!(read(out).map(|it| it.to_json()).as_deref(), Ok(value));
        }
        let long = Value::text("x".repeat(70_000));
        let mut out = Vec::new();
        write(&long, &mut out);
        assert_eq!(hex(&out[..5]), "db00011170");
        assert_eq!(read(out), Ok(long));
        for (seconds, nanos) in [(0, 0), (1 << 33, 5), (-1, 5), (1 << 35, 0)] {
            let time = Value::Time(Zone::local().time(seconds, nanos));
            let mut out = Vec::new();
            write(&time, &mut out);
            assert_eq!(read(out), Ok(time));
        }
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for (bytes, why) in [
            (b"".as_slice(), "EOF"),
            (b"\x81", "unexpected EOF"),
            (b"\xdd\xff\xff\xff\xff", "unexpected EOF"),
            (b"\xdf\xff\xff\xff\xff\x01", "msgpack: a name has to be a text, and not int64"),
            (b"\xdb\xff\xff\xff\xffa", "unexpected EOF"),
            (b"\xc1", "msgpack: unknown code c1 decoding interface{}"),
            (b"\xd4\x01\x00", "msgpack: unknown ext id=1"),
        ] {
            assert_eq!(read(Bytes::from_static(bytes)), Err(why.to_string()));
        }
        assert!(read(Bytes::from(vec![0x91; 100_000])).is_err());
        assert!(read(Bytes::from([0xdd, 0xff, 0xff, 0xff, 0xff].repeat(1000))).is_err());
    }
}
