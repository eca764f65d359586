//! What became of messages, as JSON: one document a line, with fields that stay.

use std::str;

use serde_json::Value as Json;
use wappa_message::{Message, Value};
use wappa_spec::printable_json;

use super::{
    ending::Ending,
    records::{Records, word},
    session::Ran,
    text::hex,
};

/// An object with its members in the order in which they were put in.
pub(super) struct Object(String);

impl Object {
    pub(super) fn new() -> Object {
        Object("{".to_string())
    }

    /// A member whose value is JSON already.
    pub(super) fn json(mut self, name: &str, json: &str) -> Object {
        if 1 < self.0.len() {
            self.0.push(',');
        }
        self.0.push_str(&string(name));
        self.0.push(':');
        self.0.push_str(json);
        self
    }

    pub(super) fn text(self, name: &str, text: &str) -> Object {
        self.json(name, &string(text))
    }

    pub(super) fn number(self, name: &str, number: impl ToString) -> Object {
        self.json(name, &number.to_string())
    }

    pub(super) fn end(self) -> String {
        self.0 + "}"
    }
}

fn string(text: &str) -> String {
    printable_json(&Json::from(text).to_string()).into_owned()
}

fn array(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(","))
}

/// What became of a message. In a batch, what it cost is told for the batch.
pub(super) fn ending(number: usize, ending: &Ending, cost: Option<(&Ran, &Records)>) -> String {
    let mut object = Object::new().number("message", number).text("outcome", ending.kind.word());
    object = object.json("sent", &array(ending.messages.iter().map(message)));
    if let Some(err) = &ending.failed {
        let failed = Object::new()
            .text("kind", err.kind().as_str())
            .text("reason", err.reason())
            .json("backtrace", &array(ending.stack.iter().map(|it| string(it))));
        object = object.json("failed", &failed.end());
    }
    if let Some((ran, records)) = cost {
        object = costs(object, ran, records);
    }
    object.end()
}

/// What a batch cost.
pub(super) fn batch(n_messages: usize, ran: &Ran, records: &Records) -> String {
    costs(Object::new().number("batch", n_messages), ran, records).end()
}

/// What a guest said at its end.
pub(super) fn end(said: &Records) -> String {
    records(Object::new().json("end", "true"), said).end()
}

fn costs(object: Object, ran: &Ran, said: &Records) -> Object {
    let object = object.number("time_ns", ran.time.as_nanos()).number("memory_bytes", ran.memory_bytes);
    records(object, said)
}

fn records(object: Object, said: &Records) -> Object {
    let lines = said.lines.iter();
    let lines = lines.map(|(level, text)| Object::new().text("level", word(*level)).text("text", text).end());
    let counters = said.counters.iter().fold(Object::new(), |it, (name, delta)| it.number(name, delta));
    object.json("log", &array(lines)).json("counters", &counters.end())
}

/// Content and metadata are text where they can be, and else in hexadecimal under another name.
fn message(message: &Message) -> String {
    let mut object = match str::from_utf8(message.content()) {
        Ok(text) => Object::new().text("content", text),
        Err(_) => Object::new().text("content_hex", &hex(message.content())),
    };
    let (mut metadata, mut metadata_hex) = (Object::new(), Object::new());
    let mut has_hex = false;
    for (key, value) in message.metadata().iter() {
        let key = String::from_utf8_lossy(key);
        match value {
            Value::Text(bytes) if str::from_utf8(bytes).is_err() => {
                metadata_hex = metadata_hex.text(&key, &hex(bytes));
                has_hex = true;
            }
            value => metadata = metadata.json(&key, &value.to_json()),
        }
    }
    object = object.json("metadata", &metadata.end());
    if has_hex {
        object = object.json("metadata_hex", &metadata_hex.end());
    }
    if let Some(mark) = message.error() {
        object = object.text("error", mark.as_str());
    }
    object.end()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use wappa_message::{Mark, Number};
    use wappa_wasm::Outcome;

    use super::*;

    #[test]
    fn every_value_has_a_place() {
        let mut first = Message::new("é\"\n");
        first
            .metadata_mut()
            .set("n", Value::Number(Number::parse("12345678901234567890123").expect("a number")));
        first.metadata_mut().set("text", Value::text("12"));
        let mut second = Message::new(&b"\xff\x00"[..]);
        second.metadata_mut().set("raw", Value::text(b"\xfe"));
        second.set_error(Mark::new("trap: before"));
        let sent = Ending::from(Outcome::Sent(vec![first, second], None));
        let filtered = Ending::from(Outcome::Sent(Vec::new(), None));
        let all = [ending(1, &sent, None), ending(2, &filtered, None)].join("\n");
        expect![[r#"
            {"message":1,"outcome":"sent","sent":[{"content":"é\"\n","metadata":{"n":12345678901234567890123,"text":"12"}},{"content_hex":"ff00","metadata":{},"metadata_hex":{"raw":"fe"},"error":"trap: before"}]}
            {"message":2,"outcome":"filtered","sent":[]}"#]]
        .assert_eq(&all);
        for line in all.lines() {
            assert!(serde_json::from_str::<Json>(line).is_ok(), "{line}");
        }
    }
}
