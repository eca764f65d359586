//! The examples of functions and methods give in Bento what they give here.
//!
//! Runs where `WAPPA_BENTO` names a Bento; else there is nothing to compare with, and that is said.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use wappa_bloblang::{functions, methods};

/// What is otherwise here on purpose: "coming from Bento" says why.
const OTHERWISE: &[&str] = &["key_values", "parse_json", "values"];

/// What Bento makes of a content: what it prints, and what it says of a failure.
fn run(bento: &str, mapping: &str, content: &str) -> (String, String) {
    let mut child = Command::new(bento)
        .args(["blobl", mapping])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|err| panic!("{bento} starts: {err}"));
    let mut stdin = child.stdin.take().expect("it is piped");
    writeln!(stdin, "{content}").expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end().to_string();
    (text(output.stdout), text(output.stderr))
}

/// The same text where both are JSON that says the same.
fn is_equal(one: &str, other: &str) -> bool {
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    one == other || (value(one).is_some() && value(one) == value(other))
}

#[test]
fn examples_give_the_same_in_bento() {
    let Ok(bento) = std::env::var("WAPPA_BENTO") else {
        eprintln!("skipped: WAPPA_BENTO names no Bento");
        return;
    };
    let examples = functions().into_iter().map(|it| (it.name, it.examples));
    let examples = examples.chain(methods().into_iter().map(|it| (it.name, it.examples)));
    let (mut n, mut problems) = (0, Vec::new());
    for (name, examples) in examples.filter(|(name, _)| !OTHERWISE.contains(name)) {
        for example in examples {
            // What counts goes on counting; each of these is a process of its own.
            let results = if name.starts_with("count") {
                &example.results[..example.results.len().min(1)]
            } else {
                example.results
            };
            for (content, expected) in results.iter().filter(|(content, _)| !content.contains('\n')) {
                n += 1;
                let (stdout, stderr) = run(&bento, example.mapping, content);
                let is_same = match (expected.strip_prefix("Error(\""), *expected) {
                    (Some(text), _) => stderr
                        .contains(text.trim_end_matches("\")").split_once("): ").map_or(text, |it| it.1)),
                    (None, "<deleted>") => stdout.is_empty() && stderr.is_empty(),
                    (None, expected) => is_equal(&stdout, expected),
                };
                if !is_same {
                    problems.push(format!(
                        "{name}: {}\n  of {content}\n  bento {stdout} {stderr}\n  here  {expected}",
                        example.mapping
                    ));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{} of {n} differ\n{}", problems.len(), problems.join("\n"));
}
