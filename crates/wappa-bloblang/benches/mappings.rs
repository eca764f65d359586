//! What mappings cost as people write them, beside the same done by hand with `serde_json`.
//!
//! `cargo bench -p wappa-bloblang --bench mappings` prints nanoseconds of CPU time a message, medians of five runs taken in
//! turn, and how many times as fast as by hand the mapping is. A word behind `--` picks rows.
#![allow(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::hint::black_box;

use bytes::Bytes;
use regex::Regex;
use serde_json::{Value as Json, json};
use wappa_bloblang::{Environment, Program};
use wappa_message::Message;

const N_RUNS: usize = 5;
/// How many bytes of documents one run goes through.
const RUN_BYTES: usize = 4 * 1024 * 1024;

/// The same by hand: what comes out, unless the message is filtered.
type ByHand = fn(&[u8], &Regex) -> Option<Vec<u8>>;

const LINE: &str =
    r"^(?P<ip>\S+) \S+ \S+ \[(?P<at>[^\]]+)\] .(?P<method>[A-Z]+) (?P<path>\S+)[^.]*\. (?P<status>[0-9]+)";

fn work() -> [(&'static str, String, ByHand); 5] {
    [
        (
            "rename",
            "root = this.without(\"type\", \"message\")\nroot.kind = this.type".to_string(),
            rename,
        ),
        ("filter", r#"root = if this.type == "x" { deleted() }"#.to_string(), filter),
        ("enrich", "root = this\nroot.id = uuid_v4()\nroot.at = now()".to_string(), enrich),
        (
            "map_each",
            "root.tags = this.tags.map_each(it -> match it { this == \"new\" => 1, this == \"sale\" => 2, _ => 0 })\n\
             root.type = this.type"
                .to_string(),
            map_each,
        ),
        ("parse", format!("root = this.line.re_find_object({LINE:?})"), parse),
    ]
}

fn read(document: &[u8]) -> Json {
    serde_json::from_slice(document).expect("it is JSON")
}

fn print(value: &Json) -> Option<Vec<u8>> {
    Some(serde_json::to_vec(value).expect("it can be printed"))
}

fn rename(document: &[u8], _: &Regex) -> Option<Vec<u8>> {
    let mut value = read(document);
    let object = value.as_object_mut().expect("an object");
    object.remove("message");
    if let Some(kind) = object.remove("type") {
        object.insert("kind".to_string(), kind);
    }
    print(&value)
}

fn filter(document: &[u8], _: &Regex) -> Option<Vec<u8>> {
    let value = read(document);
    // What stays is not printed again.
    (value["type"] != "x").then(|| document.to_vec())
}

fn enrich(document: &[u8], _: &Regex) -> Option<Vec<u8>> {
    let mut value = read(document);
    let object = value.as_object_mut().expect("an object");
    let id: [u8; 16] = rand::random();
    object.insert("id".to_string(), Json::String(id.iter().map(|it| format!("{it:02x}")).collect()));
    object.insert("at".to_string(), Json::String(jiff::Timestamp::now().to_string()));
    print(&value)
}

fn map_each(document: &[u8], _: &Regex) -> Option<Vec<u8>> {
    let value = read(document);
    let number = |it: &Json| match it.as_str() {
        Some("new") => 1,
        Some("sale") => 2,
        _ => 0,
    };
    let tags: Vec<i32> = value["tags"].as_array().expect("a list").iter().map(number).collect();
    print(&json!({"tags": tags, "type": value["type"]}))
}

fn parse(document: &[u8], regex: &Regex) -> Option<Vec<u8>> {
    let value = read(document);
    let captures = regex.captures(value["line"].as_str().expect("a text"))?;
    let mut object = serde_json::Map::new();
    for (idx, name) in regex.capture_names().enumerate() {
        let name = name.map_or_else(|| idx.to_string(), str::to_string);
        object.insert(name, Json::String(captures[idx].to_string()));
    }
    print(&Json::Object(object))
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Without it a test run has come by, which only wants to see it work.
    let run_bytes = if arguments.iter().any(|it| it == "--bench") { RUN_BYTES } else { 16 * 1024 };
    let wanted = arguments.iter().find(|it| !it.starts_with('-'));
    let regex = Regex::new(LINE).expect("it is sound");
    println!("{:>8} {:>10} {:>10} {:>10} {:>8}", "size", "mapping", "ns", "by hand", "times");
    for size in [200, 1024, 10 * 1024] {
        let document = document(size);
        for (name, mapping, by_hand) in work() {
            if wanted.is_some_and(|it| !format!("{size} {name}").contains(it.as_str())) {
                continue;
            }
            let program = Program::parse(&mapping, &Environment::default()).expect("the mapping is sound");
            let copies: Vec<Bytes> = (0..256).map(|_| Bytes::copy_from_slice(document.as_bytes())).collect();
            let n = (run_bytes / document.len()).max(copies.len());
            let (mut mapped, mut manual) = (Vec::new(), Vec::new());
            for _ in 0..N_RUNS {
                mapped.push(timed(n, |idx| {
                    let mut batch = [Message::new(copies[idx % copies.len()].clone())];
                    let mapped = program.map(&mut batch, 0).expect("it succeeds");
                    match mapped.apply(&mut batch[0]) {
                        true => batch[0].content().len(),
                        false => 0,
                    }
                }));
                manual.push(timed(n, |idx| {
                    by_hand(&copies[idx % copies.len()], &regex).map_or(0, |it| it.len())
                }));
            }
            let (ns, by_hand) = (median(mapped), median(manual));
            println!("{size:>8} {name:>10} {ns:>10.0} {by_hand:>10.0} {:>8.2}", by_hand / ns);
        }
    }
}

fn timed(n: usize, mut work: impl FnMut(usize) -> usize) -> f64 {
    let began = cpu_seconds();
    for idx in 0..n {
        black_box(work(black_box(idx)));
    }
    (cpu_seconds() - began) * 1e9 / n as f64
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn cpu_seconds() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// A document of about this size, as encoders that sort print it.
fn document(size: usize) -> String {
    let line = "10.0.0.7 - - [10/Oct/2026:13:55:36 +0000] \\\"GET /index.html HTTP/1.1\\\". 200 2326";
    let mut pairs = vec![
        format!("\"line\":\"{line}\""),
        "\"tags\":[\"new\",\"old\",\"sale\"]".to_string(),
        "\"type\":\"order\"".to_string(),
    ];
    if 200 < size {
        pairs.push("\"message\":\"a text of some length\"".to_string());
    }
    let mut idx = 0;
    while pairs.iter().map(|it| it.len() + 1).sum::<usize>() < size {
        pairs.push(match idx % 4 {
            0 => format!("\"field_{idx:03}\":\"value of field {idx}\""),
            1 => format!("\"field_{idx:03}\":{}", 1_000_000 + idx * 7919),
            2 => format!("\"field_{idx:03}\":{{\"count\":3,\"price\":12.50,\"sku\":\"A-{idx}\"}}"),
            _ => format!("\"field_{idx:03}\":true"),
        });
        idx += 1;
    }
    pairs.sort();
    format!("{{{}}}", pairs.join(","))
}
