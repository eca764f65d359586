//! Counts heap allocations of the program from outside: valgrind says how many there were when it ends. A run of 2N
//! messages less a run of N leaves what messages cost, without the start and the end.
#![expect(clippy::print_stdout, reason = "the report is what this program is for")]

use std::{
    fs,
    process::{Command, Stdio},
};

use crate::{
    Result,
    cases::{Case, Row, Who},
    input,
    measure::Bench,
};

const MESSAGES: u64 = 50_000;

/// Counts for streams with and without the guest.
pub(crate) fn run(bench: &Bench<'_>) -> Result<()> {
    if Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("Skipped: counting allocations from outside needs valgrind, which is not there.");
        return Ok(());
    }
    println!(
        "| row | batches of | threads | allocations over {MESSAGES} | over {} | per further message |\n\
         | --- | ---: | ---: | ---: | ---: | ---: |",
        2 * MESSAGES
    );
    for row in [Row::None, Row::Wasm] {
        for batch in [1, 100] {
            let case = Case { row, who: Who::This, size: 100, batch, threads: 1 };
            match (counted(bench, &case, MESSAGES)?, counted(bench, &case, 2 * MESSAGES)?) {
                (Some(once), Some(twice)) => {
                    let each = (twice as f64 - once as f64) / MESSAGES as f64;
                    println!("| {case} | {batch} | 1 | {once} | {twice} | {each:.4} |");
                }
                _ => println!("| {case} | {batch} | 1 | does not run under valgrind | | |"),
            }
        }
    }
    Ok(())
}

/// How many allocations a run makes, or nothing where the program does not come through.
fn counted(bench: &Bench<'_>, case: &Case, messages: u64) -> Result<Option<u64>> {
    let path = bench.places().dir.join("input-allocations");
    input::write(&path, case.size, messages)?;
    if bench.places().output().exists() {
        fs::remove_file(bench.places().output())?;
    }
    let inputs = [path];
    let command = case.command(bench.places(), &inputs, messages)?;
    // The child that compiles the guest must run under valgrind too, whose processor can do less than the real one.
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=memcheck", "--leak-check=no", "--undef-value-errors=no", "--trace-children=yes"]);
    valgrind.arg("--run-libc-freeres=no").arg(command.get_program()).args(command.get_args());
    valgrind.env("XDG_CACHE_HOME", "/dev/null");
    valgrind.current_dir(&bench.places().dir).stdin(Stdio::null()).stdout(Stdio::null());
    let child = valgrind.stderr(Stdio::piped()).spawn()?;
    let process = child.id();
    let output = child.wait_with_output()?;
    let is_whole = input::check(&bench.places().output(), &inputs, case.row.is_upper()).is_ok();
    if !output.status.success() || !is_whole {
        return Ok(None);
    }
    Ok(total(&String::from_utf8_lossy(&output.stderr), process))
}

/// `==4711==   total heap usage: 1,234 allocs, …`, of the process itself and not of its child.
fn total(report: &str, process: u32) -> Option<u64> {
    let of_process = format!("=={process}==");
    let line = report.lines().find(|it| it.starts_with(&of_process) && it.contains("total heap usage: "))?;
    let (_, rest) = line.split_once("total heap usage: ")?;
    let (number, _) = rest.split_once(" allocs")?;
    number.replace(',', "").parse().ok()
}
