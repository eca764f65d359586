//! What traces cost a stream: processor time of the whole process, in pairs with the same stream without a tracer.
//!
//! `cargo bench -p wappa --bench traced -- [PAIRS]`. Needs `otelcol` (`.ci/servers`).
//!
//! Each pair is one run without a tracer and one with it, one after the other, so that a machine whose speed drifts drifts for
//! both. What is printed is the median of the ratios, and the smallest and largest.
#![allow(clippy::print_stdout, reason = "the table is what it is for")]

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use wait4::Wait4;
use wappa_servers::otelcol::{Collector, Otelcol};

/// How many messages a run has.
const N_MESSAGES: usize = 1_000_000;

/// Pairs, where nothing else is said.
const PAIRS: usize = 7;

/// A tracer, as it is named in the table: none is what the others are compared with.
const TRACERS: [(&str, Option<&str>); 3] =
    [("nothing sampled", Some("0")), ("1 of 100 sampled", Some("0.01")), ("all sampled", Some("1"))];

fn main() {
    // `cargo test --all-targets` starts benchmarks as well, to see that they do.
    if !std::env::args().any(|it| it == "--bench") {
        return;
    }
    let pairs = std::env::args().find_map(|it| it.parse().ok()).unwrap_or(PAIRS).max(1);
    let collector = match Otelcol::find() {
        Ok(found) => found.start(),
        Err(missing) => return println!("{missing}"),
    };
    let dir = collector.server.dir().path().to_path_buf();
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/upper.wat");
    let streams = [
        ("no processor", "[]".to_string()),
        ("a mapping", "[{mapping: 'root = this.without(\"b\")'}]".to_string()),
        ("a guest", format!("[{{wasm: {{module_path: {guest:?}}}}}]")),
    ];
    let input = dir.join("in");
    write_input(&input).expect("it can be written");
    println!(
        "| stream | tracer | CPU, with / without: median (least to most of {pairs}) |\n| --- | --- | --- |"
    );
    for (stream, processors) in &streams {
        for (tracer, ratio) in TRACERS {
            let cost = |ratio| cpu_of(&dir, &config(&dir, processors, &collector, ratio));
            // Not counted: the first has to fill caches.
            cost(ratio);
            let mut ratios: Vec<f64> = (0..pairs).map(|_| cost(ratio) / cost(None)).collect();
            ratios.sort_by(f64::total_cmp);
            let [least, median, most] = [0, pairs / 2, pairs - 1].map(|it| ratios[it]);
            println!("| {stream} | {tracer} | {median:.3} ({least:.3} to {most:.3}) |");
        }
    }
}

fn write_input(path: &Path) -> io::Result<()> {
    let mut file = io::BufWriter::new(fs::File::create(path)?);
    for n in 0..N_MESSAGES {
        writeln!(file, r#"{{"id":{n},"a":"what is said of it, as text","b":[1,2,3],"c":{{"d":true}}}}"#)?;
    }
    file.flush()
}

fn config(dir: &Path, processors: &str, collector: &Collector, ratio: Option<&str>) -> PathBuf {
    let tracer = match ratio {
        None => "none: {}".to_string(),
        Some(ratio) => format!(
            "open_telemetry_collector: {{http: [{{address: '127.0.0.1:{}'}}], sampling: {{enabled: true, ratio: {ratio}}}}}",
            collector.server.port(0)
        ),
    };
    let text = format!(
        "http: {{enabled: false}}\nlogger: {{level: ERROR}}\nmetrics: {{none: {{}}}}\n\
         input: {{file: {{paths: [{:?}]}}}}\npipeline: {{threads: 1, processors: {processors}}}\n\
         output: {{file: {{path: /dev/null, codec: lines}}}}\ntracer: {{{tracer}}}\n",
        dir.join("in"),
    );
    let path = dir.join("stream.yaml");
    fs::write(&path, text).expect("it can be written");
    path
}

/// The processor time of a run, in seconds.
fn cpu_of(dir: &Path, config: &Path) -> f64 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wappa"));
    command.arg("-c").arg(config).current_dir(dir).stdout(Stdio::null());
    let child = command.spawn().expect("it can be run");
    let used = child.wait4().expect("it ends");
    assert!(used.status.success(), "{:?}", used.status);
    (used.rusage.utime + used.rusage.stime).as_secs_f64()
}
