//! Runs the program as its users do, in a folder of its own, and says what came of it.

#![allow(dead_code, unreachable_pub, reason = "each test file uses another part")]

use std::{
    env,
    ffi::OsStr,
    fmt, fs,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{RecvTimeoutError, channel},
    thread::{self, JoinHandle},
    time::Duration,
};

use expect_test::Expect;

/// A program that runs longer is asked to stop.
const PATIENCE: Duration = Duration::from_secs(8);

/// A program to run. Its folder goes when it does.
pub struct Program {
    dir: PathBuf,
    stdin: Vec<u8>,
    env: Vec<(String, String)>,
}

/// What came of it.
pub struct Ended {
    /// The exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Program {
    /// One with a folder of this name, which no other test uses.
    pub fn new(name: &str) -> Program {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a folder can be made");
        Program { dir, stdin: Vec::new(), env: Vec::new() }
    }

    /// The folder in which it runs.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// With a file in its folder.
    pub fn file(self, path: &str, content: impl AsRef<[u8]>) -> Program {
        let path = self.dir.join(path);
        fs::create_dir_all(path.parent().expect("it is in the folder")).expect("a folder can be made");
        fs::write(path, content).expect("a file can be written");
        self
    }

    /// With standard input.
    pub fn stdin(mut self, text: &str) -> Program {
        self.stdin = text.as_bytes().to_vec();
        self
    }

    /// With a variable of the environment.
    pub fn env(mut self, name: &str, value: &str) -> Program {
        self.env.push((name.to_string(), value.to_string()));
        self
    }

    /// With these programs of the machine to call, and no others; without, where one of them is not there.
    pub fn tools(self, names: &[&str]) -> Option<Program> {
        let bin = self.dir.join("bin");
        fs::create_dir_all(&bin).expect("a folder can be made");
        for name in names {
            let places = env::var_os("PATH").unwrap_or_default();
            let file = env::split_paths(&places).map(|it| it.join(name)).find(|it| it.is_file())?;
            std::os::unix::fs::symlink(file, bin.join(name)).expect("a link can be made");
        }
        let bin = bin.display().to_string();
        Some(self.env("PATH", &bin))
    }

    /// It, ready to be started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(env!("CARGO_BIN_EXE_wappa"), &self.dir);
        command.args(arguments).envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts it with pipes on all sides.
    pub fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the program starts")
    }

    /// Runs it to its end; when that takes too long it is stopped.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        let mut child = self.start(arguments);
        let mut stdin = child.stdin.take().expect("it is piped");
        let input = self.stdin.clone();
        // A program that ends before it has read everything is no mistake of the test.
        let writer = thread::spawn(move || {
            let _ = stdin.write_all(&input);
        });
        let stdout = collect(child.stdout.take().expect("it is piped"));
        let stderr = collect(child.stderr.take().expect("it is piped"));
        let status = wait(child);
        writer.join().expect("writing does not panic");
        Ended {
            code: status.code(),
            stdout: stdout.join().expect("reading does not panic"),
            stderr: stderr.join().expect("reading does not panic"),
        }
    }
}

/// A command that sees nothing of the machine it runs on: it has no variables but a home and a cache of its own, below
/// the folder in which it runs. Without a `PATH` it finds no programs.
pub fn command(program: impl AsRef<OsStr>, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir).env_clear().env("PATH", "/nowhere");
    command.env("HOME", dir).env("XDG_CACHE_HOME", dir.join(".cache"));
    // Many run at once, each with an HTTP service of its own.
    command.env("WAPPA_HTTP_ADDRESS", "127.0.0.1:0");
    command
}

/// A script for the shell, which finds what the base system has, and the program as `$WAPPA`.
pub fn shell(script: &str, dir: &Path) -> Command {
    let mut command = command("/bin/sh", dir);
    command.args(["-c", script]).env("WAPPA", env!("CARGO_BIN_EXE_wappa"));
    command.env("PATH", env::var_os("PATH").unwrap_or_default());
    command
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Waits for the end; asks for it when it takes too long, and insists on it when that does not help.
pub fn wait(mut child: Child) -> ExitStatus {
    let pid = rustix::process::Pid::from_child(&child);
    let (tx, rx) = channel();
    let waiter = thread::spawn(move || {
        let status = child.wait();
        let _ = tx.send(());
        status
    });
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::KILL] {
        match rx.recv_timeout(PATIENCE) {
            Err(RecvTimeoutError::Timeout) => {
                let _ = rustix::process::kill_process(pid, signal);
            }
            _ => break,
        }
    }
    waiter.join().expect("waiting does not panic").expect("a child can be waited for")
}

/// Reads lines until one holds `text`, and gives all of them.
pub fn read_until(from: &mut BufReader<impl Read>, text: &str) -> String {
    let mut all = String::new();
    while !all.contains(text) {
        let n = from.read_line(&mut all).expect("it can be read");
        assert!(n != 0, "`{text}` did not come:\n{all}");
    }
    all
}

/// Reads to the end, on a thread of its own.
pub fn collect(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

impl fmt::Display for Ended {
    /// Everything, with the lines of threads that race in a fixed order.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => writeln!(f, "exit {code}")?,
            None => writeln!(f, "ended by a signal")?,
        }
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if text.is_empty() {
                continue;
            }
            let (mut lines, mut racing): (Vec<&str>, Vec<&str>) =
                text.lines().partition(|it| !it.contains(" is now active"));
            racing.sort_unstable();
            let at =
                lines.iter().position(|it| it.contains("Launching a Wappa")).map_or(lines.len(), |it| it + 1);
            lines.splice(at..at, racing);
            let text = without_duration(&lines.join("\n")).replace(env!("CARGO_PKG_VERSION"), "VERSION");
            // What `--version` says besides depends on how the program was built.
            let of_build = |line: &str| {
                let name = ["Date: ", "Commit: "].into_iter().find(|it| line.starts_with(it));
                name.map_or(line.to_string(), |it| {
                    format!("{it}{}", it.trim_end_matches(": ").to_uppercase())
                })
            };
            let text: Vec<String> = text.lines().map(of_build).collect();
            writeln!(f, "--- {name}\n{}", text.join("\n"))?;
        }
        Ok(())
    }
}

/// The same log with `TIME` for how long each run took, and the address that the HTTP service has elsewhere.
pub fn without_duration(text: &str) -> String {
    let mut text = text.to_string();
    let mut pieces = text.split("http://127.0.0.1:");
    let first = pieces.next().unwrap_or_default().to_string();
    text = pieces.fold(first, |all, piece| {
        all + "http://0.0.0.0:4195" + piece.trim_start_matches(|it: char| it.is_ascii_digit())
    });
    for name in [" duration=", "\"duration\":\""] {
        let mut pieces = text.split(name);
        let mut out = pieces.next().unwrap_or_default().to_string();
        for piece in pieces {
            let end = piece.find([' ', '\n', '"']).unwrap_or(piece.len());
            out.push_str(name);
            out.push_str("TIME");
            out.push_str(&piece[end..]);
        }
        text = out;
    }
    text
}

/// Runs the program once for each list of arguments, all in one folder.
pub fn check(program: &Program, commands: &[&str], expected: Expect) {
    let mut all = String::new();
    for command in commands {
        let arguments: Vec<&str> = command.split_whitespace().collect();
        all.push_str(&format!("$ wappa {command}\n{}\n", program.run(&arguments)));
    }
    expected.assert_eq(&all);
}

/// The same text, with `TIME` for each time of a person's kind: `12.3 ms`, `7 µs`.
pub fn without_times(text: &str) -> String {
    let line = |line: &str| {
        let mut words: Vec<String> = line.split(' ').map(str::to_string).collect();
        for idx in (1..words.len()).rev() {
            let unit = words[idx].trim_end_matches(',');
            let is_time = matches!(unit, "ns" | "µs" | "ms" | "s") && words[idx - 1].parse::<f64>().is_ok();
            if is_time {
                let behind = words.remove(idx).ends_with(',');
                words[idx - 1] = if behind { "TIME," } else { "TIME" }.to_string();
            }
        }
        words.join(" ")
    };
    let ends = if text.ends_with('\n') { "\n" } else { "" };
    text.lines().map(line).collect::<Vec<_>>().join("\n") + ends
}
