//! What becomes of a script: a second writing of `letters.wat`, for a message by itself.

use bytes::Bytes;
use wappa_message::{Message, Metadata, Number, Value};
use wappa_wasm::Kind;

/// A content that the guest takes out of the middle of its memory: nobody knows what is in it.
pub(crate) const LARGE_BYTES: usize = 60_000;

/// What must come of one message.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) sent: Vec<Message>,
    pub(crate) failed: Option<Kind>,
    /// The content of what is sent is the large one.
    pub(crate) is_large: bool,
    /// How often it counted.
    pub(crate) counted: u64,
}

enum Disposition {
    Keep,
    Filter,
    Content(Bytes),
    Large,
    Send,
    SendNone,
    Fail,
}

/// What becomes of a message at this place of its batch.
pub(crate) fn expected(message: &Message, position: (u32, u32)) -> Expected {
    let mut changed = message.clone();
    let mut disposition = Disposition::Keep;
    let (mut counted, mut is_short) = (0, false);
    let failed = |kind: Kind, counted: u64| Expected {
        sent: vec![message.clone()],
        failed: Some(kind),
        is_large: false,
        counted,
    };
    for letter in message.content().iter() {
        match letter {
            b'x' => disposition = Disposition::Filter,
            b'w' => disposition = Disposition::Content(Bytes::from_static(b"[w]")),
            b'b' => disposition = Disposition::Large,
            b's' => disposition = Disposition::Send,
            b'z' => disposition = Disposition::SendNone,
            b'f' => disposition = Disposition::Fail,
            b't' => return failed(Kind::Trap, counted),
            b'n' => is_short = true,
            b'm' => changed.metadata_mut().set("key", Value::text("value")),
            b'j' => {
                let list =
                    Value::array([Value::Int(1), Value::Number(Number::parse("2.5").expect("a number"))])
                        .expect("flat");
                changed.metadata_mut().set("key", Value::object([("a", list)]).expect("flat"));
            }
            b'J' | b'i' | b'-' => return failed(Kind::HostCall, counted),
            b'd' => {
                changed.metadata_mut().delete("key");
            }
            b'g' => {
                if let Some(value) = changed.metadata().get("key") {
                    let text = match value {
                        Value::Text(text) => text.to_bytes(),
                        other => other.to_json().into(),
                    };
                    disposition = Disposition::Content(text);
                }
            }
            b'c' => drop(changed.clear_error()),
            b'r' => {
                if let Some(mark) = changed.error() {
                    disposition = Disposition::Content(Bytes::copy_from_slice(mark.as_str().as_bytes()));
                }
            }
            b'p' => {
                let digit = |it: u32| b'0'.wrapping_add(it as u8);
                let text = [digit(position.0), b'/', digit(position.1)];
                disposition = Disposition::Content(Bytes::copy_from_slice(&text));
            }
            b'+' => counted += 1,
            _ => {}
        }
    }
    if is_short {
        return failed(Kind::Trap, counted);
    }
    let is_large = matches!(disposition, Disposition::Large);
    let sent = match disposition {
        Disposition::Keep | Disposition::Large => vec![changed],
        Disposition::Content(content) => {
            changed.set_content(content);
            vec![changed]
        }
        Disposition::Filter | Disposition::SendNone => Vec::new(),
        Disposition::Send => {
            let pairs = [(Bytes::from_static(b"key"), Value::text("value"))];
            let mut sent = vec![Message::new("one"), Message::new("two")];
            *sent[1].metadata_mut() = Metadata::from_pairs(pairs);
            for it in &mut sent {
                if let Some(mark) = changed.error() {
                    it.set_error(mark.clone());
                }
            }
            sent
        }
        Disposition::Fail => return failed(Kind::Fail, counted),
    };
    Expected { sent, failed: None, is_large, counted }
}
