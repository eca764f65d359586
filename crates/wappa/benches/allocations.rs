//! Counts heap allocations of the program from outside: valgrind says how many there were when it ends. A run of 2N
//! messages less a run of N leaves what messages cost, without the start and the end.
#![expect(clippy::print_stdout, reason = "the report is what this program is for")]

use std::process::{Command, Stdio};

use crate::{
    Result,
    cases::{Case, Row, Who},
    input,
    measure::Bench,
};

const MESSAGES: u64 = 100_000;

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
    let inputs = [path];
    let command = case.command(bench.places(), &inputs, messages)?;
    // `none` would not count. Freed blocks are of no interest, and the guest's compiler runs in a child.
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=memcheck", "--leak-check=no", "--undef-value-errors=no", "--trace-children=no"]);
    valgrind.arg("--run-libc-freeres=no").arg(command.get_program()).args(command.get_args());
    let output = valgrind.current_dir(&bench.places().dir).stdin(Stdio::null()).output()?;
    let is_whole = input::check(&bench.places().output(), &inputs, case.row.is_upper()).is_ok();
    if !output.status.success() || !is_whole {
        return Ok(None);
    }
    Ok(total(&String::from_utf8_lossy(&output.stderr)))
}

/// `total heap usage: 1,234 allocs, …`
fn total(report: &str) -> Option<u64> {
    let (_, rest) = report.split_once("total heap usage: ")?;
    let (number, _) = rest.split_once(" allocs")?;
    number.replace(',', "").parse().ok()
}
