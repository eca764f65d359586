//! Interpolated text, evaluated on a message.

use bytes::{Bytes, BytesMut};
use wappa_message::Message;
use wappa_spec::{Interpolated, Segment};

/// What stands for something that is not there, as in Bento.
const ABSENT: &[u8] = b"null";

/// The text for one message. A text that is a single `${! … }` is the value itself, any bytes.
pub fn interpolate(text: &Interpolated, message: &Message) -> Bytes {
    match text.parts() {
        [] => Bytes::new(),
        [one] => segment(one, message),
        parts => {
            let mut out = BytesMut::new();
            parts.iter().for_each(|it| out.extend_from_slice(&segment(it, message)));
            out.freeze()
        }
    }
}

fn segment(segment: &Segment, message: &Message) -> Bytes {
    match segment {
        Segment::Literal(text) => Bytes::copy_from_slice(text.as_bytes()),
        Segment::Content => message.content().clone(),
        Segment::Error => match message.error() {
            Some(mark) => Bytes::copy_from_slice(mark.as_str().as_bytes()),
            None => Bytes::from_static(ABSENT),
        },
        Segment::Meta(key) => match message.metadata().get(key) {
            Some(value) => value.to_text(),
            None => Bytes::from_static(ABSENT),
        },
    }
}

#[cfg(test)]
mod tests {
    use wappa_message::{Mark, Value};

    use super::*;

    #[test]
    fn what_is_not_there_is_null() {
        let mut message = Message::new("c");
        message.metadata_mut().set("k", Value::Int(5));
        let text = Interpolated::parse(r#"${! content() }-${! meta("k") }-${! @x }-${! error() }"#)
            .expect("understood");
        assert_eq!(interpolate(&text, &message), "c-5-null-null");
        message.set_error(Mark::new("why"));
        assert_eq!(interpolate(&Interpolated::parse("${! error() }").expect("understood"), &message), "why");
    }
}
