//! The input `subprocess`.

use std::{fs::File, process::Stdio, sync::Arc};

use rustix::io::Errno;
use wappa_component::{
    Ack, BuildError, BuildInput, Component, ConnectError, Context, Input, Logger, Parcel, ReadError,
    ScannerFactory, Step, Waits,
};
use wappa_spec::{Config, Node, Reader};

use crate::{
    child::{self, Child, ERROR_LINE_BYTES_MAX, ErrorLines},
    reader::{NoParcel, SourceReader},
    scanner::Lines,
};

pub(super) const COMPONENT: Component =
    Component::input::<SubprocessConfig>("subprocess").categories(&["Utility"]).reaching_machine();

/// Runs a command and reads messages from its standard output, a line each.
///
/// The command has the environment and the working directory of this process; its standard input is empty.
/// The stream ends when the command's standard output does.
/// What it writes to standard error is logged as errors, line by line.
///
/// # Examples
///
/// ### The lines that a shell makes
///
/// ```yaml
/// input:
///   subprocess:
///     name: /bin/sh
///     args: [ -c, 'for i in 1 2 3; do echo "line $i"; done' ]
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// A message that fails is delivered again from memory, before anything new, until it arrives.
/// At a stop the command is killed, with all it has started in its process group; whole lines that were read are delivered.
///
/// # Errors
///
/// A command that cannot be started is tried again, with a back-off.
/// A line that is longer than `max_buffer` ends the command, and the process exits with 1 at its end.
/// An exit code other than 0 is logged.
///
/// # Pitfalls
///
/// Many programs keep what they write in a buffer as long as it does not go to a terminal.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct SubprocessConfig {
    /// The command: a path, or a name that is looked for in `PATH`.
    #[config(example = "cat", example = "sed", example = "awk")]
    name: String,

    /// Its arguments.
    #[config(default = "[]")]
    args: Vec<String>,

    /// How messages are made of what it writes.
    #[config(default = "lines", options("lines"))]
    codec: String,

    /// Whether the command is run again each time it ends.
    #[config(default = "false")]
    restart_on_exit: bool,

    /// How many bytes a line can have, what ends it included.
    #[config(default = "65536", advanced)]
    max_buffer: i64,
}

fn lint(_: &SubprocessConfig, node: &Node, reader: &mut Reader<'_>) {
    child::lint_name(node, reader, "what follows goes into `args`");
}

impl BuildInput for SubprocessConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        let SubprocessConfig { name, args, codec, restart_on_exit, max_buffer } = self;
        if codec != "lines" {
            return Err(BuildError::new(format!("codec not recognised: {codec}")));
        }
        Ok(Box::new(Subprocess {
            name,
            args,
            restart_on_exit,
            scanner: Lines::new(None, max_buffer, false),
            running: None,
            is_over: false,
            is_stopped: false,
            logger: ctx.logger(),
        }))
    }
}

struct Subprocess {
    name: String,
    args: Vec<String>,
    restart_on_exit: bool,
    scanner: Lines,
    running: Option<Running>,
    /// It has ended, and is not run again.
    is_over: bool,
    is_stopped: bool,
    logger: Logger,
}

/// The command at work.
struct Running {
    child: Child,
    out: SourceReader<File>,
    /// Standard error, until it is closed.
    errors: Option<Arc<File>>,
    error_lines: ErrorLines,
    is_out_over: bool,
}

/// How often standard error is read before it is standard output's turn again.
const ERROR_READS_MAX: usize = 16;

impl Input for Subprocess {
    fn connect(&mut self, _: &mut Waits) -> Result<(), ConnectError> {
        if self.running.is_none() && !self.is_over {
            self.running = Some(self.start().map_err(ConnectError::BackOff)?);
        }
        Ok(())
    }

    fn read(&mut self, waits: &mut Waits, _: &mut Step<'_>) -> Result<Parcel, ReadError> {
        if self.is_over {
            return Err(ReadError::EndOfInput);
        }
        let Some(running) = &mut self.running else { return Err(ReadError::NotConnected) };
        running.read_errors(waits, &self.logger);
        if !running.is_out_over {
            match running.out.read(waits) {
                Ok(slices) => {
                    let ack = Ack::new(slices.ranges.len() as u32, |_| ());
                    return Ok(Parcel::of_slices(slices, ack));
                }
                Err(NoParcel::NotReady) => return Err(ReadError::NotReady),
                Err(NoParcel::End) => running.is_out_over = true,
                Err(NoParcel::Failed(text) | NoParcel::Broken(text)) => {
                    self.running = None;
                    self.is_over = true;
                    return Err(ReadError::SourceFailed(text));
                }
            }
        }
        // Who has closed standard output need not have ended.
        let Some(status) = running.child.status() else {
            waits.readable(running.child.end());
            return Err(ReadError::NotReady);
        };
        running.read_errors(&mut Waits::default(), &self.logger);
        running.error_lines.finish(|line| tell(&self.logger, line));
        if let Some(why) = child::failure(status).filter(|_| !self.is_stopped) {
            self.logger.error(&format!("`{}` has ended: {why}", self.name));
        }
        self.running = None;
        if self.restart_on_exit && !self.is_stopped {
            return Err(ReadError::NotConnected);
        }
        self.is_over = true;
        Err(ReadError::EndOfInput)
    }

    fn stop(&mut self) {
        self.is_stopped = true;
        match &mut self.running {
            // What was read and is whole is handed on.
            Some(running) => {
                running.child.kill();
                running.out.stop();
            }
            None => self.is_over = true,
        }
    }

    fn restart(&mut self) -> bool {
        (self.is_over, self.is_stopped) = (false, false);
        true
    }

    fn is_exhausted(&self) -> bool {
        self.is_over
    }

    fn auto_replay_nacks(&self) -> bool {
        true
    }

    fn close(&mut self) -> Result<(), String> {
        self.running = None;
        Ok(())
    }
}

impl Subprocess {
    fn start(&self) -> Result<Running, String> {
        let mut child = Child::start_with(&self.name, &self.args, Stdio::null(), Stdio::piped())?;
        let (out, errors) = (child.stdout.take(), child.stderr.take());
        let out = out.expect("it has a pipe");
        Ok(Running {
            child,
            out: SourceReader::new(out, self.scanner.open("")?, format!("from `{}`", self.name)),
            errors: errors.map(Arc::new),
            error_lines: ErrorLines::default(),
            is_out_over: false,
        })
    }
}

impl Running {
    /// Logs what the command says on standard error, as far as it is there.
    fn read_errors(&mut self, waits: &mut Waits, logger: &Logger) {
        let mut buffer = [0; ERROR_LINE_BYTES_MAX];
        for _ in 0..ERROR_READS_MAX {
            let Some(errors) = &self.errors else { return };
            if !waits.is_readable(errors) {
                return;
            }
            match rustix::io::retry_on_intr(|| rustix::io::read(errors, &mut buffer)) {
                Err(Errno::AGAIN) => return waits.readable(errors),
                Ok(0) | Err(_) => self.errors = None,
                Ok(n_bytes) => self.error_lines.add(&buffer[..n_bytes], |line| tell(logger, line)),
            }
        }
        waits.again();
    }
}

/// Bento's words for what a command says on standard error.
fn tell(logger: &Logger, line: &str) {
    logger.error(&format!("Failed to read message: {line}"));
}

#[cfg(test)]
mod tests {
    use std::{
        fs, thread,
        time::{Duration, Instant},
    };

    use super::*;
    use crate::test::{Harness, TempDir, check_lint};

    /// Reads on until there is this, for real time goes on while a command works.
    fn read_until(harness: &mut Harness, input: &mut Box<dyn Input>, end: &str) -> String {
        let (mut out, began) = (String::new(), Instant::now());
        loop {
            let read = harness.read(input.as_mut());
            if read == "not ready\n" {
                assert!(began.elapsed() < Duration::from_secs(60), "there is only {out:?}");
                thread::sleep(Duration::from_millis(5));
                continue;
            }
            out.push_str(&read);
            if read == "not connected\n" {
                let _ = input.connect(&mut Waits::default());
            }
            if out.ends_with(end) {
                return out;
            }
        }
    }

    fn subprocess(harness: &mut Harness, script: &str, fields: &str) -> Box<dyn Input> {
        harness.input(&format!("subprocess: {{name: sh, args: ['-c', '{script}'], {fields}}}"))
    }

    #[test]
    fn lines_of_a_command() {
        let mut harness = Harness::default();
        let mut input = subprocess(&mut harness, "echo a; echo no >&2; cat; printf b; exit 3", "");
        assert_eq!(read_until(&mut harness, &mut input, "end\n"), "a\nb\nend\n");
        let log = harness.log.take();
        assert!(log.contains("Error Failed to read message: no label= path=root.input\n"), "{log}");
        assert!(log.contains("Error `sh` has ended: exit status 3 label= path=root.input\n"), "{log}");
    }

    #[test]
    fn a_line_over_the_bound_ends_it() {
        let mut harness = Harness::default();
        let mut input = subprocess(&mut harness, "echo a; echo 0123456789; exec sleep 1000", "max_buffer: 5");
        let text = "a line is longer than 5 bytes: raise `max_buffer_size` of the scanner `lines`";
        let expected = format!("a\nsource failed: read from `sh`: at byte 2: {text}\nend\n");
        assert_eq!(read_until(&mut harness, &mut input, "end\n"), expected);
    }

    #[test]
    fn it_is_run_again() {
        let mut harness = Harness::default();
        let mut input = subprocess(&mut harness, "echo a", "restart_on_exit: true");
        let again = "a\nnot connected\na\nnot connected\na\n";
        assert_eq!(read_until(&mut harness, &mut input, again), again);
        input.stop();
        assert!(read_until(&mut harness, &mut input, "end\n").ends_with("end\n"));
    }

    #[test]
    fn a_stop_ends_all_that_it_has_started() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let path = dir.path().join("pid").display().to_string();
        let script = format!("sleep 1000 & echo $! > {path}.new; mv {path}.new {path}; echo a; printf half; wait");
        let mut input = subprocess(&mut harness, &script, "");
        assert_eq!(read_until(&mut harness, &mut input, "a\n"), "a\n");
        let pid = fs::read_to_string(&path).expect("it was written");
        input.stop();
        assert_eq!(read_until(&mut harness, &mut input, "end\n"), "end\n");
        input.close().expect("it can be closed");
        let began = Instant::now();
        // It may be there until somebody has waited for it, but not at work.
        let state = || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
            stat.rsplit(')').next().unwrap_or_default().trim().chars().next()
        };
        while !matches!(state(), None | Some('Z' | 'X')) {
            assert!(began.elapsed() < Duration::from_secs(60), "it still runs: {:?}", state());
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn who_closes_standard_output_is_waited_for() {
        let mut harness = Harness::default();
        let mut input = subprocess(&mut harness, "echo a; exec >&-; sleep 0.1; echo late >&2", "");
        assert_eq!(read_until(&mut harness, &mut input, "end\n"), "a\nend\n");
        assert!(harness.log.take().contains("late"));
    }

    #[test]
    fn no_descriptor_and_no_process_is_left() {
        let n_open = || fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        let mut harness = Harness::default();
        let mut run = || {
            let mut input = subprocess(&mut harness, "echo a", "");
            assert_eq!(read_until(&mut harness, &mut input, "end\n"), "a\nend\n");
        };
        run();
        // Other tests open and close files at the same time.
        let least = (0..20)
            .map(|_| {
                let before = n_open();
                run();
                n_open().saturating_sub(before)
            })
            .min();
        assert_eq!(least, Some(0));
    }

    #[test]
    fn a_command_that_is_none() {
        let mut harness = Harness::default();
        let mut input = harness.try_input("subprocess: {name: no_such_command}").expect("it can be built");
        let text = "exec: \"no_such_command\": executable file not found in $PATH";
        match input.connect(&mut Waits::default()) {
            Err(ConnectError::BackOff(it)) => assert_eq!(it, text),
            result => panic!("{result:?}"),
        }
        check_lint("input:\n  subprocess: {name: a, codec: b}\n", "(2,1) value b is not a valid option for this field\n");
    }
}
