//! What a mapping costs that touches a few fields of a document: the measurement behind values that keep what nobody
//! asked for as ranges of the document.
//!
//! `cargo bench -p wappa-message --bench content` prints nanoseconds of CPU time a document, medians of five runs,
//! taken in turn. The ways:
//!
//! - `skip`: `serde_json` passes over the document and keeps nothing;
//! - `serde_json`: a plain program, with `serde_json::Value`;
//! - `whole`: the values of this crate, all of them made when the document is read;
//! - `ranges`: the values of this crate as they are.
#![allow(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::{fmt, hint::black_box};

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use wappa_message::{Message, Value};

const N_RUNS: usize = 5;
/// How many bytes of documents one run goes through.
const RUN_BYTES: usize = 8 * 1024 * 1024;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Without it a test run has come by, which only wants to see it work.
    let run_bytes = if arguments.iter().any(|it| it == "--bench") { RUN_BYTES } else { 64 * 1024 };
    let wanted = arguments.iter().find(|it| !it.starts_with('-'));
    println!("{:>22} {:>8} {:>12} {:>10} {:>8}", "document", "work", "way", "ns", "MB/s");
    for (name, document) in documents() {
        for (work, ways) in WORK {
            if wanted.is_some_and(|it| !format!("{name} {work}").contains(it.as_str())) {
                continue;
            }
            // So that the documents are not all in the nearest cache, as they are not in a stream.
            let copies: Vec<Bytes> = (0..256).map(|_| Bytes::copy_from_slice(document.as_bytes())).collect();
            let n_documents = (run_bytes / document.len()).max(copies.len());
            let mut ns: Vec<Vec<f64>> = ways.iter().map(|_| Vec::new()).collect();
            for _ in 0..N_RUNS {
                for ((_, way), ns) in ways.iter().zip(&mut ns) {
                    let began = cpu_seconds();
                    for idx in 0..n_documents {
                        black_box(way(black_box(&copies[idx % copies.len()])));
                    }
                    ns.push((cpu_seconds() - began) * 1e9 / n_documents as f64);
                }
            }
            for ((way, _), mut ns) in ways.iter().zip(ns) {
                ns.sort_by(f64::total_cmp);
                let median = ns[N_RUNS / 2];
                let mb = document.len() as f64 / median * 1e3;
                println!("{name:>22} {work:>8} {way:>12} {median:>10.0} {mb:>8.0}");
            }
        }
    }
}

fn cpu_seconds() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// Does its work on one document and gives how many bytes came out.
type Way = fn(&Bytes) -> usize;

const WORK: [(&str, &[(&str, Way)]); 3] = [
    ("rename", &[("serde_json", rename_serde), ("whole", rename_whole), ("ranges", rename_ranges)]),
    (
        "filter",
        &[("skip", skip), ("serde_json", filter_serde), ("whole", filter_whole), ("ranges", filter_ranges)],
    ),
    ("nested", &[("serde_json", nested_serde), ("whole", nested_whole), ("ranges", nested_ranges)]),
];

fn skip(document: &Bytes) -> usize {
    serde_json::from_slice::<IgnoredAny>(document).expect("it is JSON");
    document.len()
}

/// `root.kind = this.type`, `root.type = deleted()`, `root.message = deleted()`.
fn rename_serde(document: &Bytes) -> usize {
    let mut value: serde_json::Value = serde_json::from_slice(document).expect("it is JSON");
    let object = value.as_object_mut().expect("an object");
    if let Some(kind) = object.remove("type") {
        object.insert("kind".to_string(), kind);
    }
    object.remove("message");
    serde_json::to_vec(&value).expect("it can be printed").len()
}

fn rename(value: &mut Value) {
    let Value::Object(object) = value else { panic!("an object") };
    if let Some(kind) = object.get("type") {
        object.insert("kind", kind).expect("flat");
    }
    object.remove("type");
    object.remove("message");
}

fn rename_whole(document: &Bytes) -> usize {
    let mut value = whole(document);
    rename(&mut value);
    value.to_json_bytes().len()
}

fn rename_ranges(document: &Bytes) -> usize {
    let mut message = Message::new(document.clone());
    rename(message.value_mut().expect("it is JSON"));
    message.content().len()
}

/// `root = if this.type == "x" { deleted() }`.
fn filter_serde(document: &Bytes) -> usize {
    let value: serde_json::Value = serde_json::from_slice(document).expect("it is JSON");
    usize::from(value["type"] == "x")
}

fn filter(value: &Value) -> usize {
    let Value::Object(object) = value else { panic!("an object") };
    usize::from(object.get("type") == Some(Value::text("x")))
}

fn filter_whole(document: &Bytes) -> usize {
    filter(&whole(document))
}

fn filter_ranges(document: &Bytes) -> usize {
    filter(Message::new(document.clone()).value().expect("it is JSON"))
}

/// `root.user.name = this.user.id`, two objects deep.
fn nested_serde(document: &Bytes) -> usize {
    let mut value: serde_json::Value = serde_json::from_slice(document).expect("it is JSON");
    value["user"]["name"] = value["user"]["id"].clone();
    serde_json::to_vec(&value).expect("it can be printed").len()
}

fn nested(value: &mut Value) {
    let Value::Object(object) = value else { panic!("an object") };
    let changed = object.update("user", |user| {
        let Value::Object(user) = user else { panic!("an object") };
        let id = user.get("id").expect("it is there");
        user.insert("name", id).expect("flat");
    });
    assert_eq!(changed, Ok(Some(())));
}

fn nested_whole(document: &Bytes) -> usize {
    let mut value = whole(document);
    nested(&mut value);
    value.to_json_bytes().len()
}

fn nested_ranges(document: &Bytes) -> usize {
    let mut message = Message::new(document.clone());
    nested(message.value_mut().expect("it is JSON"));
    message.content().len()
}

/// Reads a document into values that are all made at once.
fn whole(document: &[u8]) -> Value {
    serde_json::from_slice::<Whole>(document).expect("it is JSON").0
}

struct Whole(Value);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Whole, D::Error> {
        deserializer.deserialize_any(Maker).map(Whole)
    }
}

struct Maker;

impl<'de> Visitor<'de> for Maker {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, it: bool) -> Result<Value, E> {
        Ok(Value::Bool(it))
    }

    fn visit_i64<E>(self, it: i64) -> Result<Value, E> {
        Ok(Value::Int(it))
    }

    fn visit_u64<E>(self, it: u64) -> Result<Value, E> {
        Ok(Value::Int(it as i64))
    }

    fn visit_f64<E>(self, it: f64) -> Result<Value, E> {
        Ok(Value::Float(it))
    }

    fn visit_str<E>(self, it: &str) -> Result<Value, E> {
        Ok(Value::text(it))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Whole(it)) = seq.next_element()? {
            values.push(it);
        }
        Ok(Value::array(values).expect("not deep"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut pairs: Vec<(Whole, Whole)> = Vec::new();
        while let Some(it) = map.next_entry()? {
            pairs.push(it);
        }
        let pairs = pairs.into_iter().map(|(name, it)| match name.0 {
            Value::Text(name) => (name, it.0),
            _ => unreachable!("a name is a text"),
        });
        Ok(Value::object(pairs).expect("not deep"))
    }
}

/// The documents: of three sizes, as encoders that sort print them; and the one in the middle as others do.
fn documents() -> Vec<(&'static str, String)> {
    let small = document(6, 0);
    let medium = document(22, 3);
    let large = document(98, 55);
    let flat = document(99, 0);
    let parsed: serde_json::Value = serde_json::from_str(&medium).expect("it is JSON");
    let mut pairs: Vec<(String, String)> = parsed
        .as_object()
        .expect("an object")
        .iter()
        .map(|(name, it)| (name.clone(), it.to_string()))
        .collect();
    pairs.reverse();
    let unsorted: Vec<String> = pairs.iter().map(|(name, it)| format!("\"{name}\":{it}")).collect();
    let spaced = medium.replace("\":", "\": ").replace(",\"", ", \"");
    vec![
        ("200 B", small),
        ("1 KB", medium.clone()),
        ("1 KB, not sorted", format!("{{{}}}", unsorted.join(","))),
        ("1 KB, with white space", spaced),
        ("100 fields, flat", flat),
        ("10 KB, 100 fields", large),
    ]
}

/// A document of an object `user`, `n_fields` fields and, among them, `n_nested` lists of objects.
fn document(n_fields: usize, n_nested: usize) -> String {
    let mut pairs = vec![
        ("type".to_string(), "\"order\"".to_string()),
        ("message".to_string(), "\"a text of some length\"".to_string()),
        ("user".to_string(), r#"{"id":"8d7f-11","mail":"a@example.com","name":"Ada"}"#.to_string()),
    ];
    let nested = r#"[{"count":3,"price":12.50,"sku":"A-1182"},{"count":1,"price":7.25,"sku":"B-0007","tags":["new","sale"]}]"#;
    for idx in 0..n_fields.saturating_sub(pairs.len()) {
        let value = match idx % 5 {
            _ if idx % 5 < 3 && idx * 3 / 5 < n_nested => nested.to_string(),
            0 => format!("\"value of field {idx}\""),
            1 => format!("{}", 1_000_000 + idx * 7919),
            2 => format!("\"2026-01-{:02}T12:00:00Z\"", idx % 28 + 1),
            3 => "true".to_string(),
            _ => format!("{idx}.25"),
        };
        pairs.push((format!("field_{idx:02}"), value));
    }
    pairs.sort();
    let pairs: Vec<String> = pairs.iter().map(|(name, it)| format!("\"{name}\":{it}")).collect();
    format!("{{{}}}", pairs.join(","))
}
