//! Interpolated text, evaluated on a message.

use bytes::{Bytes, BytesMut};
use wappa_message::{Message, Object, Value};
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
        Segment::Meta(key) if key.is_empty() => all(message, Value::clone),
        Segment::MetaText(key) if key.is_empty() => all(message, |value| Value::Text(value.to_text().into())),
        Segment::Meta(key) => message.metadata().get(key).map_or(Bytes::from_static(ABSENT), Value::to_text),
        // As in Bento, whose function cannot tell an empty text from none.
        Segment::MetaText(key) => match message.metadata().text(key) {
            text if text.is_empty() => Bytes::from_static(ABSENT),
            text => text,
        },
    }
}

/// All metadata as one object. What is as deep as a value may be has no room in it and stands there as its text.
fn all(message: &Message, value: impl Fn(&Value) -> Value) -> Bytes {
    let mut pairs = Object::default();
    for (key, it) in message.metadata().iter() {
        let is_in = pairs.insert(key.clone(), value(it));
        is_in
            .or_else(|_| pairs.insert(key.clone(), Value::Text(it.to_text().into())))
            .expect("a text has no depth");
    }
    Value::Object(pairs).to_text()
}

#[cfg(test)]
mod tests {
    use wappa_message::Mark;

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

    /// As observed in Bento.
    #[test]
    fn metadata_in_two_ways() {
        let mut message = Message::new("c");
        message.metadata_mut().set("a", Value::text(""));
        message.metadata_mut().set("b", Value::Int(5));
        message.metadata_mut().set("c", Value::array([Value::text("<")]).expect("flat"));
        message.metadata_mut().set("d", Value::Null);
        for (query, expected) in [
            (r#"meta("a")"#, "null"),
            ("@a", ""),
            (r#"metadata("a")"#, ""),
            (r#"meta("b")"#, "5"),
            (r#"meta("d")"#, "null"),
            (r#"meta("x")"#, "null"),
            ("@c", r#"["\u003c"]"#),
            (r#"meta("")"#, r#"{"a":"","b":"5","c":"[\"\\u003c\"]","d":"null"}"#),
            (r#"@"""#, r#"{"a":"","b":5,"c":["\u003c"],"d":null}"#),
            (r#"metadata("")"#, r#"{"a":"","b":5,"c":["\u003c"],"d":null}"#),
        ] {
            let text = Interpolated::parse(&format!("${{! {query} }}")).expect("understood");
            assert_eq!(interpolate(&text, &message), expected, "{query}");
        }
    }
}
