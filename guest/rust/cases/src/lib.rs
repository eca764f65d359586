//! Runs the cases that all SDKs share, those of `guest/examples/cases.json`, on the mock host.

use std::{fs, path::Path};

use serde_json::Value as Json;
use wappa_guest::{
    mock::{Host, Outcome, Record},
    Processor, Value,
};

/// Runs all cases of an example.
///
/// # Panics
///
/// When one of them comes out differently.
pub fn check<P: Processor>(example: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/cases.json");
    let text = fs::read(path).expect("the shared cases are there");
    let all: Json = serde_json::from_slice(&text).expect("the shared cases are JSON");
    let cases = all[example].as_array().expect("the example has cases");
    assert!(!cases.is_empty());
    for case in cases {
        check_case::<P>(case);
    }
}

fn check_case<P: Processor>(case: &Json) {
    let name = text(&case["name"]);
    let config = object(&case["config"]).map(|(key, value)| (key, text(value)));
    let mut host = Host::<P>::start(config).expect("the config is good");
    let input: Vec<Record> = list(&case["in"]).iter().map(record).collect();
    let outcomes = host.process_batch(input.clone());
    assert_eq!(outcomes.len(), list(&case["out"]).len(), "{name}");
    for (idx, (outcome, expected)) in outcomes.iter().zip(list(&case["out"])).enumerate() {
        check_outcome(&format!("{name}, message {idx}"), &input[idx], outcome, list(expected));
    }
}

fn check_outcome(name: &str, input: &Record, outcome: &Outcome, expected: &[Json]) {
    if let Some(reason) = expected.first().and_then(|it| it.get("failed")) {
        let expected = Outcome::Failed { reason: text(reason).to_string(), message: input.clone() };
        assert_eq!(*outcome, expected, "{name}");
        return;
    }
    let sent = outcome.sent();
    assert_eq!(sent.len(), expected.len(), "{name}: {sent:?}");
    for (sent, expected) in sent.iter().zip(expected) {
        let Some(json) = expected["content"].get("json") else {
            assert_eq!(*sent, record(expected), "{name}");
            continue;
        };
        let content: Json = serde_json::from_slice(sent.content()).expect("the content is JSON");
        assert_eq!(content, *json, "{name}");
        // The rest, with any content that is the same on both sides.
        let mut rest = expected.clone();
        rest["content"] = sent.text().into();
        assert_eq!(*sent, record(&rest), "{name}");
    }
}

fn record(message: &Json) -> Record {
    let mut record = Record::new(content(&message["content"]));
    for (key, value) in message.get("metadata").into_iter().flat_map(object) {
        record = match value {
            Json::String(text) => record.with_metadata(key, text),
            it if it.get("hex").is_some() => record.with_metadata(key, hex(text(&it["hex"]))),
            it => record.with_metadata(key, Value::Json(it["json"].to_string().into())),
        };
    }
    match message.get("error") {
        Some(error) => record.with_error(text(error)),
        None => record,
    }
}

fn content(content: &Json) -> Vec<u8> {
    match content {
        Json::String(text) => text.clone().into_bytes(),
        Json::Array(pieces) => pieces.iter().flat_map(piece).collect(),
        it => panic!("`{it}` is no content"),
    }
}

fn piece(piece: &Json) -> Vec<u8> {
    match piece {
        Json::String(text) => text.clone().into_bytes(),
        it if it.get("hex").is_some() => hex(text(&it["hex"])),
        it => text(&it["repeat"]).repeat(it["times"].as_u64().expect("a number") as usize).into_bytes(),
    }
}

fn hex(text: &str) -> Vec<u8> {
    assert!(text.len() % 2 == 0);
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex digits"))
        .collect()
}

fn text(json: &Json) -> &str {
    json.as_str().unwrap_or_else(|| panic!("`{json}` is no text"))
}

fn list(json: &Json) -> &[Json] {
    json.as_array().unwrap_or_else(|| panic!("`{json}` is no list"))
}

fn object(json: &Json) -> impl Iterator<Item = (&str, &Json)> {
    let object = json.as_object().unwrap_or_else(|| panic!("`{json}` is no object"));
    object.iter().map(|(key, value)| (key.as_str(), value))
}
