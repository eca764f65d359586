//! The tools for a guest's author, as the author meets them: what goes in, what comes out, and the exit code.

#[path = "../support/mod.rs"]
mod support;

mod bench;
mod call;
mod dev;
mod new;

use expect_test::Expect;

use support::{Program, without_times};

/// Runs the program once for each command, all with the same standard input; what differs from run to run is left out.
fn check(program: &Program, commands: &[&str], expected: Expect) {
    let mut all = String::new();
    for command in commands {
        let arguments: Vec<&str> = command.split_whitespace().collect();
        let ended = program.run(&arguments).to_string();
        all.push_str(&format!("$ wappa {command}\n{}\n", without_nanos(&without_times(&ended))));
    }
    expected.assert_eq(&all);
}

/// The same JSON without the number that differs from run to run.
fn without_nanos(text: &str) -> String {
    let mut pieces = text.split("\"time_ns\":");
    let mut out = pieces.next().unwrap_or_default().to_string();
    for piece in pieces {
        out.push_str("\"time_ns\":N");
        out.push_str(piece.trim_start_matches(|it: char| it.is_ascii_digit()));
    }
    out
}
