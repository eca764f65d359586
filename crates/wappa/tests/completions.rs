//! What shells and manuals are given: shells that are there accept it, and complete with it.

use std::{path::Path, process::Command};

mod support;

use support::{Ended, Program};

fn is_there(tool: &str) -> bool {
    let places = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&places).any(|it| it.join(tool).is_file())
}

/// A program of the machine in the folder of ours; none where it is not there.
fn run(program: &Program, tool: &str, arguments: &[&str]) -> Option<String> {
    if !is_there(tool) {
        eprintln!("skipped: this machine has no {tool}");
        return None;
    }
    let ended = Command::new(tool).args(arguments).current_dir(program.dir()).output().expect("it runs");
    let stderr = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.success(), "{tool} {arguments:?}: {stderr}");
    assert_eq!(stderr, "", "{tool} {arguments:?}");
    Some(String::from_utf8_lossy(&ended.stdout).into_owned())
}

fn printed(program: &Program, arguments: &[&str]) -> String {
    let Ended { code, stdout, stderr } = program.run(arguments);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{arguments:?}");
    stdout
}

fn with_script(name: &str, shell: &str) -> Program {
    let program = Program::new(name);
    let script = printed(&program, &["completions", shell]);
    assert!(script.contains("wappa") && !script.contains("compile-child"), "{script}");
    program.file("script", script)
}

#[test]
fn bash_completes() {
    let program = with_script("complete-bash", "bash");
    run(&program, "bash", &["-n", "script"]);
    let complete = |words: &str, n: usize| {
        let script = format!(
            "source ./script; COMP_WORDS=({words}); COMP_CWORD={n}; _wappa wappa \"${{COMP_WORDS[{n}]}}\" \
             \"${{COMP_WORDS[{before}]}}\"; echo \"${{COMPREPLY[@]}}\"",
            before = n - 1
        );
        run(&program, "bash", &["--norc", "-c", &script])
    };
    for (words, n, expected) in [
        ("wappa li", 1, "lint list\n"),
        ("wappa lint --form", 2, "--format\n"),
        ("wappa list --format js", 3, "json json-schema\n"),
        ("wappa completions f", 2, "fish\n"),
    ] {
        if let Some(found) = complete(words, n) {
            assert_eq!(found, expected, "{words}");
        }
    }
}

#[test]
fn other_shells_read_their_scripts() {
    let zsh = with_script("complete-zsh", "zsh");
    run(&zsh, "zsh", &["-n", "script"]);
    let fish = with_script("complete-fish", "fish");
    run(&fish, "fish", &["--no-execute", "script"]);
    let powershell = with_script("complete-powershell", "powershell");
    let parse = "$e = $null; $p = (Resolve-Path script).Path; \
                 [void][System.Management.Automation.Language.Parser]::ParseFile($p, [ref]$null, [ref]$e); exit $e.Count";
    run(&powershell, "pwsh", &["-NoProfile", "-Command", parse]);
}

#[test]
fn manuals_are_read() {
    let program = Program::new("man");
    let all = printed(&program, &["man"]);
    let of_run = printed(&program, &["man", "run"]);
    assert!(all.starts_with(".ie \\n(.g") && of_run.contains(".TH wappa-run 1"), "{of_run}");
    let program = program.file("wappa.1", all).file("run.1", of_run);
    for (file, expected) in [("wappa.1", "wappa"), ("run.1", "--chilled")] {
        assert!(Path::new(program.dir()).join(file).is_file());
        if let Some(text) = run(&program, "groff", &["-man", "-ww", "-Tascii", "-P-cbou", file]) {
            assert!(text.contains(expected), "{text}");
        }
    }
    let ended = program.run(&["man", "lst"]);
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (Some(1), "there is no command `lst`\nhint: did you mean `list`?\n")
    );
}
