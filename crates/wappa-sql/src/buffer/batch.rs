//! A batch as it lies in a row: Bento's form, version 0, so that either program reads what the other has left.
//!
//! All numbers have four bytes, the highest first: the version, how many messages there are, and for each the length of its
//! metadata, an object in MessagePack, and the length of its content. Behind that, which Bento does not look at, stand how
//! many of the messages are marked as failed, and for each which one it is, and the length of its reason.

use bytes::{Buf, Bytes};
use wappa_bloblang::{read_msgpack, write_msgpack};
use wappa_message::{Mark, Message, Metadata, Object, Value};

const VERSION: u32 = 0;

/// What MessagePack has for an object of nothing.
const NO_METADATA: u8 = 0x80;

/// Writes a batch. The error says what no row has room for.
pub(super) fn write(messages: &[Message]) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(8 + messages.iter().map(|it| it.size() + 16).sum::<usize>());
    put_number(VERSION, &mut out);
    put_number(length(messages.len())?, &mut out);
    for message in messages {
        sized(&mut out, |out| write_metadata(message.metadata(), out))?;
        sized(&mut out, |out| {
            message.write_content(out);
            Ok(())
        })?;
    }
    let marked: Vec<_> =
        messages.iter().enumerate().filter_map(|(idx, it)| it.error().map(|mark| (idx, mark))).collect();
    if !marked.is_empty() {
        put_number(length(marked.len())?, &mut out);
        for (idx, mark) in marked {
            put_number(length(idx)?, &mut out);
            sized(&mut out, |out| {
                out.extend_from_slice(mark.as_str().as_bytes());
                Ok(())
            })?;
        }
    }
    Ok(out)
}

fn put_number(number: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&number.to_be_bytes());
}

fn length(n: usize) -> Result<u32, String> {
    u32::try_from(n).map_err(|_| format!("{n} are more than a row can count"))
}

/// Writes something behind its length.
fn sized(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<(), String>) -> Result<(), String> {
    let at = out.len();
    put_number(0, out);
    write(out)?;
    let n = length(out.len() - at - 4)?;
    out[at..at + 4].copy_from_slice(&n.to_be_bytes());
    Ok(())
}

fn write_metadata(metadata: &Metadata, out: &mut Vec<u8>) -> Result<(), String> {
    if metadata.is_empty() {
        out.push(NO_METADATA);
        return Ok(());
    }
    let object = Object::from_pairs(metadata.iter().map(|(key, value)| (key.clone(), value.clone())));
    write_msgpack(&Value::Object(object.map_err(|_| "its metadata is nested too deep".to_string())?), out);
    Ok(())
}

/// Reads a batch. The error says that it is none.
pub(super) fn read(mut row: Bytes) -> Result<Vec<Message>, String> {
    let version = number(&mut row)?;
    if version != VERSION {
        return Err(format!("its form has the version {version}, and {VERSION} is known"));
    }
    let n_messages = number(&mut row)?;
    let mut messages = Vec::new();
    for _ in 0..n_messages {
        let metadata = read_metadata(&taken(&mut row)?)?;
        // A row is as large as what it has: its messages keep all of it alive, and are answered together.
        let mut message = Message::new(taken(&mut row)?);
        *message.metadata_mut() = metadata;
        messages.push(message);
    }
    if row.is_empty() {
        return Ok(messages);
    }
    for _ in 0..number(&mut row)? {
        let idx = number(&mut row)? as usize;
        let reason = taken(&mut row)?;
        let message = messages.get_mut(idx).ok_or("a mark is of no message")?;
        message.set_error(Mark::new(String::from_utf8_lossy(&reason)));
    }
    Ok(messages)
}

fn number(row: &mut Bytes) -> Result<u32, String> {
    row.try_get_u32().map_err(|_| "it ends too early".to_string())
}

fn taken(row: &mut Bytes) -> Result<Bytes, String> {
    let n = number(row)? as usize;
    if row.len() < n {
        return Err("it ends too early".to_string());
    }
    Ok(row.split_to(n))
}

fn read_metadata(bytes: &Bytes) -> Result<Metadata, String> {
    if bytes.as_ref() == [NO_METADATA] {
        return Ok(Metadata::default());
    }
    match read_msgpack(bytes)? {
        Value::Object(object) => {
            Ok(Metadata::from_pairs(object.iter().map(|(key, value)| (key.to_bytes(), value))))
        }
        _ => Err("its metadata is no object".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two messages as Bento writes them: the first with metadata of two kinds.
    const OF_BENTO: &[u8] = b"\0\0\0\0\0\0\0\x02\0\0\0\x0c\x82\xa1a\xa3one\xa1n\xcd\x01\x2c\0\0\0\x05hello\0\0\0\x01\x80\0\0\0\x00";

    fn shown(messages: &[Message]) -> Vec<String> {
        let metadata = |it: &Message| {
            let pairs = it.metadata().iter().map(|(key, value)| format!("{}={value:?} ", key.escape_ascii()));
            pairs.collect::<String>()
        };
        let of = |it: &Message| {
            let mark = it.error().map_or(String::new(), |mark| format!(" [{}]", mark.as_str()));
            format!("{}{:?}{mark}", metadata(it), it.content())
        };
        messages.iter().map(of).collect()
    }

    #[test]
    fn a_row_of_bento_is_read_and_written() {
        let messages = read(Bytes::from_static(OF_BENTO)).expect("it is a batch");
        assert_eq!(messages.len(), 2);
        assert_eq!(messages[0].content(), "hello");
        assert_eq!(messages[0].metadata().text("a"), "one");
        assert_eq!(messages[0].metadata().text("n"), "300");
        assert!(messages[1].content().is_empty() && messages[1].metadata().is_empty());
        assert_eq!(
            write(&messages).expect("it has room").escape_ascii().to_string(),
            OF_BENTO.escape_ascii().to_string()
        );
    }

    #[test]
    fn marks_stand_behind_what_bento_reads() {
        let mut messages = vec![Message::new("a"), Message::new("b")];
        messages[1].set_error(Mark::new("it was bad"));
        let row = write(&messages).expect("it has room");
        assert_eq!(shown(&read(row.into()).expect("it is a batch")), shown(&messages));
    }

    #[test]
    fn what_is_no_batch_is_none() {
        let row = write(&[Message::new("hello")]).expect("it has room");
        for n in 0..row.len() {
            assert_eq!(read(Bytes::copy_from_slice(&row[..n])).expect_err("it is cut"), "it ends too early");
        }
        let mut other = row.clone();
        other[3] = 7;
        assert_eq!(read(other.into()).expect_err("it is new"), "its form has the version 7, and 0 is known");
        let many = [0, 0, 0, 0, 255, 255, 255, 255];
        assert_eq!(read(Bytes::copy_from_slice(&many)).expect_err("it is short"), "it ends too early");
        let mut number = row;
        number[12] = 0x07;
        assert_eq!(read(number.into()).expect_err("it is a number"), "its metadata is no object");
    }
}
