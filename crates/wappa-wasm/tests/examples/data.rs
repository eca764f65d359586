//! The shared data: `guest/examples/README.md` says what it means.

use std::{collections::BTreeMap, fs, path::Path};

use bytes::Bytes;
use serde_json::Value as Json;
use wappa_message::{Mark, Message, Metadata, Value};

use crate::check::{Content, Meta, Seen};

/// The cases of each example.
pub(crate) type Data = BTreeMap<String, Vec<Case>>;

/// One batch, and what becomes of it.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Ordered by key.
    pub(crate) config: Vec<(String, String)>,
    pub(crate) input: Vec<Message>,
    /// What each message of the input becomes.
    pub(crate) output: Vec<Vec<Seen>>,
}

pub(crate) fn read(path: &Path) -> Data {
    let text = fs::read(path).expect("the shared data can be read");
    let data: Json = serde_json::from_slice(&text).expect("the shared data are JSON");
    let cases = |it: &Json| list(it).iter().map(case).collect();
    object(&data).into_iter().map(|(name, it)| (name.clone(), cases(it))).collect()
}

fn case(case: &Json) -> Case {
    let name = text(&case["name"]).to_string();
    let config = object(&case["config"]).into_iter().map(|(key, it)| (key.clone(), text(it).to_string()));
    let input: Vec<Message> = list(&case["in"]).iter().map(message).collect();
    let output: Vec<Vec<Seen>> = list(&case["out"])
        .iter()
        .zip(&input)
        .map(|(sent, came)| list(sent).iter().map(|it| expected(it, came)).collect())
        .collect();
    assert_eq!(input.len(), list(&case["out"]).len(), "`{name}` says what becomes of each message");
    Case { name, config: config.collect(), input, output }
}

/// A message of the input.
fn message(json: &Json) -> Message {
    let mut message = Message::new(bytes(&json["content"]));
    let pairs = object(&json["metadata"]).into_iter();
    let pairs = pairs.map(|(key, it)| (Bytes::from(key.clone()), metadata_value(it)));
    *message.metadata_mut() = Metadata::from_pairs(pairs);
    if let Some(error) = json["error"].as_str() {
        message.set_error(Mark::new(error));
    }
    message
}

fn metadata_value(json: &Json) -> Value {
    match json.get("json") {
        Some(json) => value(json),
        None => Value::Text(bytes(json).into()),
    }
}

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(it) => Value::Bool(*it),
        Json::Number(it) => match it.as_i64() {
            Some(it) => Value::Int(it),
            None => Value::Float(it.as_f64().expect("a number of the data fits into 64 bits")),
        },
        Json::String(it) => Value::text(it),
        Json::Array(items) => Value::array(items.iter().map(value)).expect("not deep"),
        Json::Object(pairs) => {
            Value::object(pairs.iter().map(|(key, it)| (key.as_str(), value(it)))).expect("not deep")
        }
    }
}

/// What becomes of the message that came.
fn expected(json: &Json, came: &Message) -> Seen {
    if let Some(reason) = json["failed"].as_str() {
        return Seen { error: Some(format!("fail: {reason}")), ..Seen::of(came) };
    }
    let content = match json["content"].get("json") {
        Some(json) => Content::Json(json.clone()),
        None => Content::Bytes(bytes(&json["content"])),
    };
    let metadata = object(&json["metadata"]).into_iter().map(|(key, it)| {
        let value = it.get("json").map_or_else(|| Meta::Text(bytes(it)), |it| Meta::Json(it.clone()));
        (Bytes::from(key.clone()), value)
    });
    Seen { content, metadata: metadata.collect(), error: json["error"].as_str().map(String::from) }
}

/// Text, bytes in hexadecimal, something repeated, or pieces of these.
fn bytes(json: &Json) -> Bytes {
    if let Some(text) = json.as_str() {
        return Bytes::from(text.to_string());
    }
    if let Some(pieces) = json.as_array() {
        return pieces.iter().map(bytes).collect::<Vec<_>>().concat().into();
    }
    if let Some(hex) = json["hex"].as_str() {
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("two hexadecimal digits");
        return (0..hex.len()).step_by(2).map(byte).collect();
    }
    let times = json["times"].as_u64().unwrap_or_else(|| panic!("{json} is no content"));
    text(&json["repeat"]).repeat(times as usize).into()
}

fn text(json: &Json) -> &str {
    json.as_str().unwrap_or_else(|| panic!("{json} is no text"))
}

fn list(json: &Json) -> &[Json] {
    json.as_array().unwrap_or_else(|| panic!("{json} is no list"))
}

/// The pairs of an object, ordered by key; none when it is not there.
fn object(json: &Json) -> BTreeMap<&String, &Json> {
    if json.is_null() {
        return BTreeMap::new();
    }
    json.as_object().unwrap_or_else(|| panic!("{json} is no object")).iter().collect()
}
