//! What is made of two looks at the metrics of a service: a line for each component, and one for each module.

use std::{cmp::Reverse, collections::BTreeMap};

use super::samples::{Labels, Samples};

/// What the series of a kind of components are called.
struct Kind {
    /// Counts what came to it, or out of an input.
    received: &'static str,
    /// Counts what went on from it.
    sent: &'static str,
    /// Counts what failed.
    failed: &'static str,
    latency: &'static str,
}

/// In the order of a stream.
const KINDS: [Kind; 4] = [
    Kind {
        received: "input_received",
        sent: "input_received",
        failed: "input_replayed",
        latency: "input_latency_ns",
    },
    Kind {
        received: "buffer_received",
        sent: "buffer_sent",
        failed: "buffer_spillover",
        latency: "buffer_latency_ns",
    },
    Kind {
        received: "processor_received",
        sent: "processor_sent",
        failed: "processor_error",
        latency: "processor_latency_ns",
    },
    Kind {
        received: "output_sent",
        sent: "output_sent",
        failed: "output_error",
        latency: "output_latency_ns",
    },
];

const INPUT: usize = 0;
const PROCESSOR: usize = 2;
const OUTPUT: usize = 3;

/// A component as a line.
struct Row {
    /// Of several streams which; empty where there is one only.
    stream: String,
    kind: usize,
    path: String,
    label: String,
    /// Messages that came, all and in a second; and those that went on.
    received: f64,
    received_rate: f64,
    sent: f64,
    failed: f64,
    failed_rate: f64,
    p50: Option<f64>,
    p99: Option<f64>,
    /// How many threads were busy with it, on average.
    busy: Option<f64>,
    backlog: Option<f64>,
}

/// What happened between two looks that are so many seconds apart: in all streams, or in this one.
pub(super) fn of(before: &Samples, now: &Samples, seconds: f64, stream: Option<&str>) -> String {
    let rows = rows(before, now, seconds, stream);
    if let Some(stream) = stream.filter(|_| rows.is_empty()) {
        return format!("there is no stream {stream:?}\n");
    }
    if rows.is_empty() {
        return "there are no components: the names may be changed by `metrics.mapping`\n".to_string();
    }
    // Which stream it is stands there where there may be several.
    let is_of_several = rows.iter().any(|it| !it.stream.is_empty());
    let heads =
        ["component", "label", "in", "in/s", "out", "failed", "failed/s", "p50", "p99", "busy", "backlog"];
    let named = |stream: &str, mut cells: Vec<String>| {
        if is_of_several {
            cells.insert(0, stream.to_string());
        }
        cells
    };
    let mut lines = vec![named("stream", heads.map(str::to_string).to_vec())];
    for row in rows {
        let optional = |it: Option<f64>, text: fn(f64) -> String| it.map_or("-".to_string(), text);
        let cells = vec![
            row.path,
            row.label,
            count(row.received),
            count(row.received_rate),
            count(row.sent),
            count(row.failed),
            count(row.failed_rate),
            optional(row.p50, time),
            optional(row.p99, time),
            optional(row.busy, |it| format!("{:.0}%", 100.0 * it)),
            optional(row.backlog, count),
        ];
        lines.push(named(&row.stream, cells));
    }
    let mut out = aligned(&lines, 2 + usize::from(is_of_several));
    let modules = modules(before, now, seconds, stream, &named);
    if 1 < modules.len() {
        out.push('\n');
        out += &aligned(&modules, 2 + usize::from(is_of_several));
    }
    out
}

fn rows(before: &Samples, now: &Samples, seconds: f64, stream: Option<&str>) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (kind, names) in KINDS.iter().enumerate() {
        for (labels, received) in now.of(names.received).filter(|it| is_of(it.0, stream)) {
            let value = |name: &str| now.get(name, labels).unwrap_or_default();
            let rate = |name: &str| rate(before, now, name, labels, seconds);
            let (mut received, mut received_rate) = (received, rate(names.received));
            if kind == OUTPUT {
                received += value(names.failed);
                received_rate += rate(names.failed);
            }
            let sum = format!("{}_sum", names.latency);
            let busy = now.get(&sum, labels).map(|_| self::rate(before, now, &sum, labels, seconds) / 1e9);
            rows.push(Row {
                stream: label_of(labels, "stream").to_string(),
                kind,
                path: label_of(labels, "path").to_string(),
                label: label_of(labels, "label").to_string(),
                received,
                received_rate,
                sent: value(names.sent),
                failed: value(names.failed),
                failed_rate: rate(names.failed),
                p50: now.quantile(names.latency, labels, "0.5"),
                p99: now.quantile(names.latency, labels, "0.99"),
                // An input's latency is that of all behind it.
                busy: busy.filter(|_| kind != INPUT),
                backlog: match kind {
                    INPUT => now.get("input_unanswered", labels),
                    _ => None,
                },
            });
        }
    }
    rows.sort_by_cached_key(|it| {
        let place = place(&it.path);
        (it.stream.clone(), place, if place == PLACES.len() { it.kind } else { 0 }, numbered(&it.path))
    });
    rows.chunk_by_mut(|one, other| one.stream == other.stream).for_each(wait);
    rows
}

/// Whether a series is of this stream, where it matters.
fn is_of(labels: &Labels, stream: Option<&str>) -> bool {
    stream.is_none_or(|it| label_of(labels, "stream") == it)
}

/// The parts of a stream, from the input to the output.
const PLACES: [&str; 4] = ["root.input", "root.buffer", "root.pipeline", "root.output"];

/// Which of them a component is in; resources are behind all of them.
fn place(path: &str) -> usize {
    let is_in = |part: &&str| path.strip_prefix(*part).is_some_and(|it| it.is_empty() || it.starts_with('.'));
    PLACES.iter().position(is_in).unwrap_or(PLACES.len())
}

/// What went on from one part of the pipeline and has not come to the next.
fn wait(rows: &mut [Row]) {
    const PIPELINE: &str = "root.pipeline.processors.";
    let read: f64 = rows.iter().filter(|it| it.kind == INPUT).map(|it| it.received + it.failed).sum();
    let has_buffer = rows.iter().any(|it| it.kind == 1);
    let is_stage = |row: &Row| match row.kind {
        PROCESSOR => row.path.strip_prefix(PIPELINE).is_some_and(|it| !it.contains('.')),
        OUTPUT => row.path == "root.output",
        _ => false,
    };
    // With processors under an input or a buffer others counted what was read.
    let is_plain =
        !has_buffer && !rows.iter().any(|it| it.kind == PROCESSOR && it.path.starts_with("root.input."));
    let mut came = is_plain.then_some(read);
    for row in rows.iter_mut() {
        if !is_stage(row) {
            continue;
        }
        if let Some(came) = came {
            row.backlog = Some((came - row.received).max(0.0));
        }
        came = Some(row.sent);
    }
}

fn modules(
    before: &Samples,
    now: &Samples,
    seconds: f64,
    stream: Option<&str>,
    named: &impl Fn(&str, Vec<String>) -> Vec<String>,
) -> Vec<Vec<String>> {
    let heads =
        ["module of", "sha256", "instances", "calls/s", "p50", "p99", "memory max", "replaced", "failures"];
    let mut lines = vec![named("stream", heads.map(str::to_string).to_vec())];
    for (labels, _) in now.of("wasm_module").filter(|it| is_of(it.0, stream)) {
        let of: Labels = labels.iter().filter(|it| it.0 != "sha256").cloned().collect();
        let value = |name: &str| now.get(name, &of).unwrap_or_default();
        let timing = |quantile| now.quantile("wasm_latency_ns", &of, quantile).map_or("-".to_string(), time);
        let mut failures: Vec<(String, f64)> = Vec::new();
        for (labels, n) in now.of("wasm_failed") {
            let is_its = of.iter().all(|it| labels.contains(it));
            if is_its && 0.0 < n {
                failures.push((label_of(labels, "kind").to_string(), n));
            }
        }
        failures.sort_by_key(|it| Reverse(it.1 as u64));
        let mut failures: Vec<String> =
            failures.iter().map(|(kind, n)| format!("{kind} {}", count(*n))).collect();
        if 0.0 < value("wasm_reload_failed") {
            failures.push(format!("reload {}", count(value("wasm_reload_failed"))));
        }
        let cells = vec![
            label_of(&of, "path").to_string(),
            label_of(labels, "sha256").chars().take(12).collect(),
            count(value("wasm_instances")),
            count(rate(before, now, "wasm_calls", &of, seconds)),
            timing("0.5"),
            timing("0.99"),
            size(value("wasm_memory_bytes_max")),
            count(value("wasm_state_lost")),
            if failures.is_empty() { "-".to_string() } else { failures.join(", ") },
        ];
        lines.push(named(label_of(&of, "stream"), cells));
    }
    lines
}

fn rate(before: &Samples, now: &Samples, name: &str, labels: &Labels, seconds: f64) -> f64 {
    let value = |of: &Samples| of.get(name, labels).unwrap_or_default();
    // What is less than before began anew.
    let (earlier, later) = (value(before), value(now));
    let more = if later < earlier { later } else { later - earlier };
    if 0.0 < seconds { more / seconds } else { 0.0 }
}

fn label_of<'a>(labels: &'a Labels, name: &str) -> &'a str {
    labels.iter().find(|it| it.0 == name).map_or("", |it| it.1.as_str())
}

/// A path in an order in which the tenth comes after the ninth.
fn numbered(path: &str) -> Vec<(u64, String)> {
    path.split('.').map(|it| (it.parse().unwrap_or_default(), it.to_string())).collect()
}

/// A number in at most five letters or so.
fn count(n: f64) -> String {
    match n {
        0.0 => "0".to_string(),
        n if n < 10.0 && n.fract() != 0.0 => format!("{n:.1}"),
        n if n < 100_000.0 => format!("{n:.0}"),
        n if n < 1e7 => format!("{:.0}k", n / 1e3),
        n if n < 1e10 => format!("{:.0}M", n / 1e6),
        n => format!("{:.0}G", n / 1e9),
    }
}

fn time(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{ns:.0}ns"),
        ns if ns < 1e6 => format!("{:.1}µs", ns / 1e3),
        ns if ns < 1e9 => format!("{:.1}ms", ns / 1e6),
        ns => format!("{:.1}s", ns / 1e9),
    }
}

fn size(bytes: f64) -> String {
    match bytes {
        n if n < 1024.0 => format!("{n:.0}B"),
        n if n < 1048576.0 => format!("{:.0}KiB", n / 1024.0),
        n => format!("{:.1}MiB", n / 1048576.0),
    }
}

/// Lines in columns: the first ones to the left, numbers to the right.
fn aligned(lines: &[Vec<String>], n_left: usize) -> String {
    let mut widths: BTreeMap<usize, usize> = BTreeMap::new();
    for (column, cell) in lines.iter().flat_map(|it| it.iter().enumerate()) {
        let width = widths.entry(column).or_default();
        *width = (*width).max(cell.chars().count());
    }
    let mut out = String::new();
    for line in lines {
        let mut text = String::new();
        for (column, cell) in line.iter().enumerate() {
            let width = widths[&column];
            match column < n_left {
                true => text += &format!("{cell:<width$}  "),
                false => text += &format!("{cell:>width$}  "),
            }
        }
        out += text.trim_end();
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    const BEFORE: &str = r#"
input_received{label="",path="root.input"} 1000
processor_received{label="slow",path="root.pipeline.processors.0"} 500
processor_latency_ns_sum{label="slow",path="root.pipeline.processors.0"} 0
output_sent{label="",path="root.output"} 100
output_error{label="",path="root.output"} 0
"#;

    const NOW: &str = r#"
input_received{label="",path="root.input"} 3000
input_replayed{label="",path="root.input"} 50
input_unanswered{label="",path="root.input"} 2440
input_latency_ns{label="",path="root.input",quantile="0.5"} 1.5e+06
input_latency_ns_sum{label="",path="root.input"} 9e+09
processor_received{label="slow",path="root.pipeline.processors.0"} 600
processor_sent{label="slow",path="root.pipeline.processors.0"} 590
processor_error{label="slow",path="root.pipeline.processors.0"} 7
processor_latency_ns{label="slow",path="root.pipeline.processors.0",quantile="0.5"} 20000000
processor_latency_ns{label="slow",path="root.pipeline.processors.0",quantile="0.99"} 2.5e+09
processor_latency_ns_sum{label="slow",path="root.pipeline.processors.0"} 1.9e+09
processor_received{label="",path="root.pipeline.processors.10"} 590
processor_sent{label="",path="root.pipeline.processors.10"} 590
processor_received{label="",path="root.pipeline.processors.9"} 590
processor_sent{label="",path="root.pipeline.processors.9"} 590
processor_received{label="",path="root.pipeline.processors.9.try.0"} 590
processor_received{label="",path="root.output.processors.0"} 560
processor_sent{label="",path="root.output.processors.0"} 560
output_sent{label="",path="root.output"} 500
output_error{label="",path="root.output"} 60
wasm_module{label="slow",path="root.pipeline.processors.0",sha256="0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"} 1
wasm_instances{label="slow",path="root.pipeline.processors.0"} 2
wasm_calls{label="slow",path="root.pipeline.processors.0"} 600
wasm_latency_ns{label="slow",path="root.pipeline.processors.0",quantile="0.99"} 17
wasm_failed{kind="trap",label="slow",path="root.pipeline.processors.0"} 3
wasm_failed{kind="timeout",label="slow",path="root.pipeline.processors.0"} 4
wasm_memory_bytes_max{label="slow",path="root.pipeline.processors.0"} 1.2582912e+07
wasm_state_lost{label="slow",path="root.pipeline.processors.0"} 7
"#;

    #[test]
    fn a_stream_with_a_slow_module() {
        let read = |it| Samples::read(it).expect("these are metrics");
        expect![[r#"
            component                         label    in  in/s   out  failed  failed/s     p50   p99  busy  backlog
            root.input                               3000  1000  3000      50        25   1.5ms     -     -     2440
            root.pipeline.processors.0        slow    600    50   590       7       3.5  20.0ms  2.5s   95%     2450
            root.pipeline.processors.9                590   295   590       0         0       -     -     -        0
            root.pipeline.processors.9.try.0          590   295     0       0         0       -     -     -        -
            root.pipeline.processors.10               590   295   590       0         0       -     -     -        0
            root.output                               560   230   500      60        30       -     -     -       30
            root.output.processors.0                  560   280   560       0         0       -     -     -        -

            module of                   sha256        instances  calls/s  p50   p99  memory max  replaced           failures
            root.pipeline.processors.0  0123456789ab          2      300    -  17ns     12.0MiB         7  timeout 4, trap 3
        "#]].assert_eq(&of(&read(BEFORE), &read(NOW), 2.0, None));
    }

    #[test]
    fn several_streams() {
        let read = |it| Samples::read(it).expect("these are metrics");
        let now = r#"
input_received{label="",path="root.input",stream="b"} 3000
output_sent{label="",path="root.output",stream="b"} 500
input_received{label="",path="root.input",stream="a"} 20
output_sent{label="out",path="root.output",stream="a"} 10
wasm_module{label="g",path="root.pipeline.processors.0",sha256="0123",stream="a"} 1
"#;
        let before = Samples::default();
        // The first two words of each line.
        let words = |stream: Option<&str>| -> Vec<String> {
            let words = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
            of(&before, &read(now), 1.0, stream).lines().map(words).collect()
        };
        let heads = "stream component";
        let all = [heads, "a root.input", "a root.output", "b root.input", "b root.output"];
        let modules = ["", "stream module", "a root.pipeline.processors.0"];
        assert_eq!(words(None), [&all[..], &modules[..]].concat());
        assert_eq!(words(Some("b")), [heads, "b root.input", "b root.output"]);
        assert_eq!(of(&before, &read(now), 1.0, Some("c")), "there is no stream \"c\"\n");
    }

    #[test]
    fn what_began_anew_counts_from_nothing() {
        let read = |it| Samples::read(it).expect("these are metrics");
        let labels =
            vec![("label".to_string(), String::new()), ("path".to_string(), "root.input".to_string())];
        assert_eq!(rate(&read(NOW), &read(BEFORE), "input_received", &labels, 2.0), 500.0);
        assert!(
            of(&Samples::default(), &Samples::default(), 1.0, None).starts_with("there are no components")
        );
    }
}
