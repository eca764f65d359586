//! Runs the program on one test in a directory of its own, and keeps what it left behind.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::expect::line_matches;
use crate::parse::Case;

/// A run that takes longer has hung; the slowest honest test takes a few seconds.
const RUN_LIMIT: Duration = Duration::from_secs(60);

/// The program under test.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    /// Whether it is Bento, which needs some flags to be comparable.
    pub(crate) is_bento: bool,
    /// The guests of the suites, `${GUESTS}` in a config.
    pub(crate) guests: PathBuf,
    pub(crate) scratch: PathBuf,
}

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) dir: PathBuf,
    pub(crate) out: Vec<u8>,
    pub(crate) err: Vec<u8>,
    /// The exit code as text, `killed by signal N`, or `hangs`.
    pub(crate) exit: String,
}

/// Writes the test's files and runs the program in their directory.
pub(crate) fn run(program: &Program, case: &Case) -> Result<Run, String> {
    let dir = program.scratch.join(case.name.replace(|it: char| !it.is_ascii_alphanumeric(), "-"));
    write_files(program, case, &dir).map_err(|err| format!("writing the files of the test: {err}"))?;
    let mut input = Vec::new();
    for fence in case.of("in", false) {
        input.extend(fence.bytes()?);
    }
    let mut command = Command::new(&program.path);
    command.args(arguments(program, case)).current_dir(&dir);
    // Nothing of whoever runs the tests, and nothing that another test filled.
    command.env_clear().env("HOME", &dir).env("XDG_CACHE_HOME", dir.join(".cache"));
    command.env("GUESTS", &program.guests);
    // Many run at once, each with an HTTP service of its own.
    command.env("WAPPA_HTTP_ADDRESS", "127.0.0.1:0");
    for (name, value) in
        case.of("env", false).flat_map(|it| it.body.lines()).filter_map(|it| it.split_once('='))
    {
        command.env(name, value);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().map_err(|err| format!("starting {}: {err}", program.path.display()))?;
    drive(child, case, input, dir, program.is_bento)
}

fn write_files(program: &Program, case: &Case, dir: &Path) -> Result<(), String> {
    let fail = |err: std::io::Error| err.to_string();
    if dir.exists() {
        std::fs::remove_dir_all(dir).map_err(fail)?;
    }
    std::fs::create_dir_all(dir).map_err(fail)?;
    for fence in &case.fences {
        let mut bytes = fence.bytes()?;
        let path = match fence.kind.as_str() {
            "yaml" => dir.join("config.yaml"),
            "wat" | "file" => dir.join(&fence.name),
            _ => continue,
        };
        if fence.name.ends_with('/') {
            std::fs::create_dir_all(path).map_err(fail)?;
            continue;
        }
        if fence.kind == "wat" {
            let assembled = wat::parse_bytes(&bytes).map_err(|err| err.to_string())?.into_owned();
            if program.is_bento {
                bytes = assembled;
            }
        }
        std::fs::create_dir_all(path.parent().unwrap_or(dir)).map_err(fail)?;
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).map_err(fail)?;
        file.write_all(&bytes).map_err(fail)?;
    }
    Ok(())
}

fn arguments(program: &Program, case: &Case) -> Vec<OsString> {
    let mut given: Vec<&str> = case.of("args", false).flat_map(|it| it.body.split_whitespace()).collect();
    if given.is_empty() {
        given = if case.is("yaml", "lint") { vec!["lint", "config.yaml"] } else { vec!["-c", "config.yaml"] };
    }
    // Bento would listen on a port, and gives up the order with more than one thread.
    if program.is_bento && (given[0].starts_with('-') || given[0] == "run") {
        let at = usize::from(given[0] == "run");
        given.splice(at..at, ["-s", "http.enabled=false", "-s", "pipeline.threads=1"]);
    }
    given.into_iter().map(Into::into).collect()
}

/// Feeds the process, reads it, sends it the test's signal, and waits for its end.
fn drive(mut child: Child, case: &Case, input: Vec<u8>, dir: PathBuf, is_bento: bool) -> Result<Run, String> {
    let (tx, lines) = sync_channel::<String>(64);
    let head = match case.of("out", is_bento).next() {
        Some(fence) => fence.number("head")?,
        None => None,
    };
    let out = child.stdout.take().expect("standard output is piped");
    let err = child.stderr.take().expect("standard error is piped");
    let mut stdin = child.stdin.take().expect("standard input is piped");
    let tx_err = tx.clone();
    let out = thread::spawn(move || read_lines(out, &tx, head));
    let err = thread::spawn(move || read_lines(err, &tx_err, None));
    let keeps_open = case.is("in", "open");
    let feeder = thread::spawn(move || {
        // A process that does not read its input is judged by what it prints.
        let _ = stdin.write_all(&input);
        keeps_open.then_some(stdin)
    });
    let limit = match case.of("exit", is_bento).any(|it| it.body.trim() == "hangs") {
        true => Duration::from_secs(3),
        false => RUN_LIMIT,
    };
    let status = wait(&mut child, case, &lines, limit, is_bento)?;
    drop(lines);
    drop(feeder.join().expect("the feeder does not panic"));
    let out = out.join().expect("the reader does not panic");
    let err = err.join().expect("the reader does not panic");
    let exit = match status {
        None => "hangs".to_owned(),
        Some(status) => exit_text(status),
    };
    Ok(Run { dir, out, err, exit })
}

fn exit_text(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => code.to_string(),
        (None, signal) => format!("killed by signal {}", signal.unwrap_or_default()),
    }
}

/// Waits for the process; `None` when it had to be killed.
fn wait(
    child: &mut Child,
    case: &Case,
    lines: &Receiver<String>,
    limit: Duration,
    is_bento: bool,
) -> Result<Option<ExitStatus>, String> {
    let signal = case.of("signal", false).next();
    let deadline = Instant::now() + limit;
    let mut sent = false;
    loop {
        match lines.recv_timeout(Duration::from_millis(10)) {
            Ok(line) => {
                if let Some(fence) = signal
                    .filter(|it| !sent && line_matches(&format!("[..]{}[..]", it.body.trim_end()), &line))
                {
                    sent = true;
                    if is_bento {
                        // Bento works before it listens to signals.
                        thread::sleep(Duration::from_millis(300));
                    }
                    send(child, &fence.name)?;
                }
                continue;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => thread::sleep(Duration::from_millis(5)),
        }
        if let Some(status) = child.try_wait().map_err(|err| err.to_string())? {
            return Ok(Some(status));
        }
        if Instant::now() > deadline {
            child.kill().and_then(|()| child.wait()).map_err(|err| err.to_string())?;
            return Ok(None);
        }
    }
}

fn send(child: &Child, name: &str) -> Result<(), String> {
    let signal = match name {
        "TERM" => Signal::TERM,
        "INT" => Signal::INT,
        "KILL" => Signal::KILL,
        other => return Err(format!("unknown signal `{other}`")),
    };
    let pid = Pid::from_child(child);
    kill_process(pid, signal).map_err(|err| format!("sending {name}: {err}"))
}

/// Reads to the end, or to the `head`-th line; whoever listens is told of every line.
fn read_lines(from: impl Read, tx: &SyncSender<String>, head: Option<usize>) -> Vec<u8> {
    let mut from = BufReader::new(from);
    let mut all = Vec::new();
    for _ in 0..head.unwrap_or(usize::MAX) {
        let start = all.len();
        if from.read_until(b'\n', &mut all).unwrap_or(0) == 0 {
            break;
        }
        // Nobody listens once the process has ended.
        let _ = tx.send(String::from_utf8_lossy(&all[start..]).trim_end().to_owned());
    }
    all
}
