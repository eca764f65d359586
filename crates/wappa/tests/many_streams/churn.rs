//! A day in an hour: streams that are created and deleted again and again, while others work. Nothing is lost elsewhere, and
//! neither memory nor descriptors nor threads grow.
//!
//! Here it is a minute of it. `WAPPA_CHURN=1000 cargo test -p wappa --test many_streams churn -- --nocapture` is the whole.

use std::{
    env, fs,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use crate::{
    program::{AROUND, Streams, ask_at},
    support::Program,
};

/// What the process takes.
#[derive(Clone, Copy, Debug)]
struct Taken {
    memory: u64,
    descriptors: usize,
    threads: usize,
}

impl Taken {
    fn of(process: u32) -> Taken {
        let n = |dir: &str| fs::read_dir(format!("/proc/{process}/{dir}")).map_or(0, Iterator::count);
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let memory = status
            .lines()
            .find_map(|it| it.strip_prefix("RssAnon:")?.split_whitespace().next()?.parse().ok());
        Taken { memory: memory.unwrap_or(0), descriptors: n("fd"), threads: n("task") }
    }
}

const STEADY: &str = "input: { http_server: { path: /post } }
pipeline: { threads: 1, processors: [ { mapping: 'root = content().uppercase()' } ] }
output: { sync_response: {} }";

/// Each has endpoints, metrics, a guest and messages of its own.
fn coming(idx: usize) -> String {
    format!(
        "input: {{ label: in_{idx}, broker: {{ inputs: [ {{ generate: {{ mapping: 'root = counter()', interval: 1ms }} }}, {{ http_server: {{ path: /p{idx} }} }} ] }} }}
pipeline:
  threads: 2
  processors:
    - wasm: {{ module_path: guest.wat }}
    - mapping: 'root = content().uppercase()'
output: {{ drop: {{}} }}"
    )
}

const GUEST: &str = r#"(module (memory (export "memory") 4) (func (export "process")))"#;

#[test]
fn streams_come_and_go_under_load_and_nothing_is_lost_or_left() {
    let n: usize = env::var("WAPPA_CHURN").ok().and_then(|it| it.parse().ok()).unwrap_or(40);
    let program = Program::new("streams-churn").file("around.yaml", AROUND).file("guest.wat", GUEST);
    let streams = Streams::start(&program, &[]);
    let steady = ["one", "two", "three"];
    for id in steady {
        assert_eq!(streams.ask(&format!("POST /streams/{id}"), STEADY).text(), "200");
        streams.until(&format!("GET /{id}/ready"), |it| it.status == 200);
    }
    let is_over = AtomicBool::new(false);
    let answered: [AtomicU64; 3] = Default::default();
    let all = thread::scope(|scope| {
        for (id, answered) in steady.iter().zip(&answered) {
            let (is_over, address) = (&is_over, streams.address.clone());
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let n = answered.load(Ordering::Relaxed);
                    let answer = ask_at(&address, &format!("POST /{id}/post"), "", &format!("m{n}"));
                    // Each is answered with what became of it, whatever happens beside it.
                    assert_eq!(answer.expect("it answers").text(), format!("200 M{n}"), "{id}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let mut all: Vec<Taken> = Vec::new();
        for idx in 0..n {
            // Eight names again and again, and as many that never come again.
            let id = if idx % 2 == 0 { format!("again{}", idx % 16) } else { format!("once{idx}") };
            assert_eq!(streams.ask(&format!("POST /streams/{id}"), &coming(idx)).text(), "200", "{id}");
            // It is deleted while messages of it are under way.
            streams.until(&format!("GET /streams/{id}"), |_| 0 < streams.count(&id, "output_sent"));
            assert_eq!(streams.ask(&format!("DELETE /streams/{id}"), "").text(), "200", "{id}");
            if idx % (n / 20).max(1) == 0 {
                all.push(Taken::of(streams.child.id()));
            }
        }
        is_over.store(true, Ordering::Relaxed);
        all
    });
    for (id, answered) in steady.iter().zip(&answered) {
        let answered = answered.load(Ordering::Relaxed);
        assert!(0 < answered);
        assert_eq!(streams.count(id, "input_received"), answered, "{id}");
        assert_eq!(streams.count(id, "output_sent"), answered, "{id}");
    }
    // What was needed for the first few is needed for all.
    let (begin, end) = (&all[all.len() / 4], all.last().expect("there are some"));
    for taken in &all {
        eprintln!("{} KiB, {} descriptors, {} threads", taken.memory, taken.descriptors, taken.threads);
    }
    assert!(end.memory <= begin.memory + begin.memory / 4 + 8 * 1024, "{begin:?} {end:?}");
    assert!(
        end.descriptors <= begin.descriptors + 8 && end.threads <= begin.threads + 8,
        "{begin:?} {end:?}"
    );
    // Nothing is left of those that are gone, wherever somebody may look.
    for path in ["/metrics", "/endpoints", "/streams", "/debug/tap", "/debug/stack"] {
        let shown = streams.ask(&format!("GET {path}"), "").body;
        assert!(!shown.contains("once") && !shown.contains("again"), "{path}: {shown}");
    }
    assert!(streams.ask("GET /debug/memory", "").body.contains("guests 0\n"));
    let answered: u64 = answered.iter().map(|it| it.load(Ordering::Relaxed)).sum();
    eprintln!("{n} streams came and went; {answered} messages were answered beside them");
    assert_eq!(streams.end().0, Some(0));
}
