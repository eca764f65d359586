//! The line of a failed message: one object of JSON, as the recipe in the guide to operating writes it.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use wappa_message::{Message, Object, Text, Value};

/// A message that failed once, and what is known of that.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FailedMessage {
    /// As it was when it failed.
    pub(super) message: Message,
    /// As it was read; none where the line does not say.
    pub(super) origin: Option<Message>,
    /// Why it failed.
    pub(super) reason: Option<String>,
}

impl FailedMessage {
    /// Reads a line. The error says what is wrong with it, or what it lacks.
    pub(super) fn parse(line: &Bytes) -> Result<FailedMessage, String> {
        let value = Value::from_json(line).map_err(|err| format!("it is no JSON: {err}"))?;
        let Value::Object(object) = value else {
            return Err("it is no object with the fields of a failed message".to_string());
        };
        // What says only where the message came from is for people.
        let origin = match object.get("origin") {
            Some(Value::Object(it)) if it.contains_key("content") || it.contains_key("content_base64") => {
                Some(message(&it).map_err(|why| format!("in `origin`: {why}"))?)
            }
            _ => None,
        };
        let message = match (&origin, has_content(&object)) {
            // Somebody who keeps the origin only wants that replayed.
            (Some(origin), false) => origin.clone(),
            _ => message(&object)?,
        };
        let reason = object.get("reason").map(|it| String::from_utf8_lossy(&it.to_text()).into_owned());
        Ok(FailedMessage { message, origin, reason })
    }
}

fn has_content(object: &Object) -> bool {
    ["content", "content_base64"].into_iter().any(|it| object.get(it).is_some_and(|it| it != Value::Null))
}

/// The message that an object describes.
fn message(object: &Object) -> Result<Message, String> {
    let mut message = Message::new(content(object)?);
    let metadata = message.metadata_mut();
    for (key, value) in pairs(object, "metadata")? {
        metadata.set(key.to_bytes(), value);
    }
    for (key, value) in pairs(object, "metadata_base64")? {
        let name = format!("metadata_base64.{}", String::from_utf8_lossy(key.as_slice()));
        metadata.set(key.to_bytes(), Value::Text(decoded(&name, &value)?.into()));
    }
    Ok(message)
}

fn content(object: &Object) -> Result<Bytes, String> {
    let found = |name| object.get(name).filter(|it| *it != Value::Null);
    match (found("content"), found("content_base64")) {
        (Some(Value::Text(text)), None) => Ok(text.to_bytes()),
        (Some(_), None) => {
            Err("`content` is no text: write `content().string()`, which keeps each byte".to_string())
        }
        (None, Some(text)) => decoded("content_base64", &text),
        (Some(_), Some(_)) => Err("it has both `content` and `content_base64`".to_string()),
        (None, None) => Err("it has neither `content` nor `content_base64`".to_string()),
    }
}

fn pairs(object: &Object, name: &str) -> Result<Vec<(Text, Value)>, String> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(pairs)) => Ok(pairs.iter().collect()),
        Some(_) => Err(format!("`{name}` is no object")),
    }
}

fn decoded(name: &str, value: &Value) -> Result<Bytes, String> {
    let Value::Text(text) = value else { return Err(format!("`{name}` is no text in base64")) };
    let bytes = BASE64_STANDARD.decode(text.as_slice());
    bytes.map(Bytes::from).map_err(|err| format!("`{name}` is no text in base64: {err}"))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn shown(message: &Message) -> String {
        let metadata = message.metadata().iter();
        let metadata = metadata.map(|(key, value)| format!(" {}={value:?}", String::from_utf8_lossy(key)));
        format!("{:?}{}", message.content(), metadata.collect::<String>())
    }

    fn check(line: &str, expected: Expect) {
        let text = match FailedMessage::parse(&Bytes::from(line.to_string())) {
            Err(why) => format!("error: {why}"),
            Ok(FailedMessage { message, origin, reason }) => {
                let origin = origin.as_ref().map(|it| format!(", origin {}", shown(it)));
                format!("{}{}, reason {reason:?}", shown(&message), origin.unwrap_or_default())
            }
        };
        expected.assert_eq(&text);
    }

    #[test]
    fn each_byte_comes_back() {
        check(
            r#"{"content":"é \u0000\n","metadata":{"n":1.50,"t":"1"},"reason":"no","path":"x","more":[1]}"#,
            expect![[r#"b"\xc3\xa9 \0\n" n=Number(1.50) t=Text("1"), reason Some("no")"#]],
        );
        check(
            r#"{"content":null,"content_base64":"/wA=","metadata_base64":{"raw":"/g=="}}"#,
            expect![[r#"b"\xff\0" raw=Text("\xfe"), reason None"#]],
        );
        check(
            r#"{"content":"late","origin":{"content":"early","metadata":{"k":"v"}}}"#,
            expect![[r#"b"late", origin b"early" k=Text("v"), reason None"#]],
        );
        check(r#"{"origin":{"content":"early"}}"#, expect![[r#"b"early", origin b"early", reason None"#]]);
        check(r#"{"content":"","origin":"orders.jsonl"}"#, expect![[r#"b"", reason None"#]]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        check(r#"{"content":"cut off"#, expect!["error: it is no JSON: unexpected EOF"]);
        check("[1]", expect!["error: it is no object with the fields of a failed message"]);
        check("{}", expect!["error: it has neither `content` nor `content_base64`"]);
        check(
            r#"{"content":{"a":1}}"#,
            expect!["error: `content` is no text: write `content().string()`, which keeps each byte"],
        );
        check(
            r#"{"content":"a","content_base64":"YQ=="}"#,
            expect![["error: it has both `content` and `content_base64`"]],
        );
        check(
            r#"{"content_base64":"?"}"#,
            expect![[r#"error: `content_base64` is no text in base64: Invalid symbol 63, offset 0."#]],
        );
        check(r#"{"content":"a","metadata":[]}"#, expect!["error: `metadata` is no object"]);
        check(
            r#"{"content":"a","origin":{"content":1}}"#,
            expect![
                "error: in `origin`: `content` is no text: write `content().string()`, which keeps each byte"
            ],
        );
    }
}
