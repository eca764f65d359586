//! Prints what was measured, as Markdown.
#![expect(clippy::print_stdout, reason = "the report is what this program is for")]

use std::{fs, process::Command, thread};

use crate::{
    bars::{Judged, Needed},
    cases::{GOMAXPROCS, wappa},
    events::Events,
    measure::{Bench, Measured, Memory},
    starts::Starts,
};

const MIB: f64 = 1024.0 * 1024.0;

/// What it was measured on, and how.
pub(crate) fn machine(bench: &Bench<'_>) {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = thread::available_parallelism().map_or(0, usize::from);
    println!("- Machine: {cores} cores, {}; Linux {}.", model.trim_matches([' ', '\t', ':']), kernel.trim());
    println!(
        "- Files: on {}, made for this run; every output is compared with its input.",
        bench.place.file_system
    );
    let options = bench.options;
    println!(
        "- Runs: {} of about {} s each, all rows of a size in turn, after one that is not counted; medians.",
        options.runs(),
        options.seconds()
    );
    println!("- Wappa: {}.", version(Command::new(wappa())));
    if let Some(bento) = &bench.places().bento {
        println!(
            "- Bento: {}; GOMAXPROCS={GOMAXPROCS} in every row, also with one thread.",
            version(Command::new(bento))
        );
    }
    match &bench.places().against {
        Some(other) => println!("- \"against\": another build, {}.", version(Command::new(other))),
        None => println!("- \"against\": this build once more, to show the noise."),
    }
    load("at the beginning");
    println!();
}

fn version(mut command: Command) -> String {
    let output = command.arg("--version").output();
    let text = output.map(|it| String::from_utf8_lossy(&it.stdout).trim().replace('\n', ", "));
    text.unwrap_or_default()
}

/// How busy the machine is.
pub(crate) fn load(when: &str) {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let averages: Vec<_> = load.split(' ').take(3).collect();
    println!("- Load averages {when}: {}.", averages.join(" "));
}

/// The head of the table.
pub(crate) fn head() {
    println!(
        "| bytes | row | batches of | threads | messages/s | runs | CPU-s per million | peak MiB |\n\
         | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    );
}

/// One row, as soon as it is known. Gives the line as well.
pub(crate) fn row(it: &Measured) -> String {
    let case = &it.case;
    let (low, high) = it.spread();
    let batch = if case.row.is_stream() { case.batch.to_string() } else { String::from("–") };
    let line = format!(
        "| {} | {case} | {batch} | {} | {} | {:+.0} … {:+.0} % | {:.3} | {:.0} |",
        case.size,
        case.threads,
        rate(it.rate()),
        low * 100.0,
        high * 100.0,
        it.cpu_per_million(),
        it.rss_bytes_max() / MIB,
    );
    println!("{line}");
    line
}

/// Three digits that matter.
fn rate(per_second: f64) -> String {
    match per_second {
        it if 1e7 <= it => format!("{:.1} M", it / 1e6),
        it if 1e6 <= it => format!("{:.2} M", it / 1e6),
        it if 1e5 <= it => format!("{:.0} k", it / 1e3),
        it => format!("{:.1} k", it / 1e3),
    }
}

/// Peak memory over the length of the stream, and what is rare.
pub(crate) fn beside(memory: &[Memory], events: &Events) {
    println!(
        "\n| peak memory, MiB | N messages | over N | over 2N | over 4N |\n| --- | ---: | ---: | ---: | ---: |"
    );
    for it in memory {
        let peaks: Vec<_> = it.peaks.iter().map(|(_, bytes)| format!("{:.1}", *bytes as f64 / MIB)).collect();
        println!("| {} | {} | {} |", it.case, it.peaks[0].0, peaks.join(" | "));
    }
    println!(
        "\nAn empty call {:.0} ns; a trap with its replacement {:.1} µs; a deadline {:.1} ms late, at most {:.1} ms.",
        events.empty_ns,
        events.trap_ns / 1e3,
        events.late_ms_median,
        events.late_ms_max
    );
}

/// How long it takes to start.
pub(crate) fn starts(starts: &Starts) {
    println!(
        "\n| from exec to the first message out, ms | module in the cache | compiled first |\n| --- | ---: | ---: |"
    );
    for it in &starts.starts {
        let compiled = it.compiled_ms.map_or_else(|| String::from("–"), |it| format!("{it:.0}"));
        println!("| {} | {:.1} | {compiled} |", it.module, it.cached_ms);
    }
    println!(
        "\nA module of 2 MiB is loaded from the cache in {:.2} ms, and compiled in {:.0} ms.",
        starts.load_ms, starts.compile_ms
    );
}

/// A line per bar.
pub(crate) fn bars(judged: &[Judged]) {
    println!("\n| bar (100 B) | needed | measured | | by CPU time |\n| --- | ---: | ---: | --- | ---: |");
    for it in judged {
        let needed = match it.needed {
            Needed::AtLeast(bound) => format!("≥ {bound}"),
            Needed::AtMost(bound) => format!("≤ {bound}"),
        };
        let [value, by_cpu] = [it.value, it.by_cpu].map(|it| it.map_or_else(|| String::from("–"), digits));
        let word = match it.is_met() {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "not run",
        };
        println!("| {} | {needed} | {value} | {word} | {by_cpu} |", it.text);
    }
    println!();
}

fn digits(value: f64) -> String {
    if value.abs() < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}
