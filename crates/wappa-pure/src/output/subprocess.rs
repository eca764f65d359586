//! The output `subprocess`.

use std::{
    fs::File,
    os::fd::OwnedFd,
    process::Stdio,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};
use wappa_component::{
    BuildError, BuildOutput, Component, ConnectError, Context, Delivery, Logger, Output, Step, WriteError,
    cause_of_start,
};
use wappa_message::Mark;
use wappa_spec::{Config, Node, Reader};

use crate::{
    child::{self, Child, ERROR_LINE_BYTES_MAX, ErrorLines},
    fault,
    writer::{Codec, Encoded},
};

pub(super) const COMPONENT: Component =
    Component::output::<SubprocessConfig>("subprocess").categories(&["Utility"]).reaching_machine();

/// Runs a command and writes messages to its standard input, a line each.
///
/// The command has the environment and the working directory of this process; what it writes to standard output is left out.
/// What it writes to standard error is logged as errors, line by line.
/// At the end of the stream its standard input is closed, and its end is waited for.
///
/// # Examples
///
/// ### Lines that a shell writes to a file, without those that are empty
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   subprocess:
///     name: /bin/sh
///     args:
///       - -c
///       - 'while read -r line; do if [ -n "$line" ]; then echo "$line"; fi; done > ./lines.txt'
/// ```
///
/// # Delivery
///
/// A message is delivered once the command's standard input has it; whether the command has read it is not known.
/// A command that ends early is run again, with a back-off, and what it could not be given is written to the next one.
/// When the stream is given up the command is killed, with all it has started in its process group.
///
/// # Pitfalls
///
/// A command that does not read holds up the stream.
/// A message with line feeds in it is several lines.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct SubprocessConfig {
    /// The command: a path, or a name that is looked for in `PATH`.
    #[config(example = "sort")]
    name: String,

    /// Its arguments.
    #[config(default = "[]")]
    args: Vec<String>,

    /// How messages are written.
    #[config(default = "lines", options("lines"))]
    codec: String,
}

fn lint(_: &SubprocessConfig, node: &Node, reader: &mut Reader<'_>) {
    child::lint_name(node, reader, "what follows goes into `args`");
}

impl BuildOutput for SubprocessConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        let SubprocessConfig { name, args, codec } = self;
        if codec != "lines" {
            return Err(BuildError::new(format!("codec not recognised: {codec}")));
        }
        let process: Shared = Arc::default();
        let abandoned = Arc::clone(&process);
        ctx.on_abandon(move || {
            if let Some(process) = lock(&abandoned).as_mut() {
                process.kill();
            }
        });
        Ok(Box::new(Subprocess {
            name,
            args,
            codec: Codec::line_feeds(),
            process,
            pipes: None,
            encoded: Encoded::default(),
            logger: ctx.logger(),
        }))
    }
}

/// The command at work, which whoever gives up the stream kills.
type Shared = Arc<Mutex<Option<Child>>>;

fn lock(process: &Shared) -> MutexGuard<'_, Option<Child>> {
    process.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Subprocess {
    name: String,
    args: Vec<String>,
    codec: Codec,
    process: Shared,
    pipes: Option<Pipes>,
    encoded: Encoded,
    logger: Logger,
}

/// What leads to the command, and from it.
struct Pipes {
    stdin: File,
    /// Logs what comes from standard error, until the command has ended.
    errors: JoinHandle<()>,
}

impl Output for Subprocess {
    fn connect(&mut self) -> Result<(), ConnectError> {
        if self.pipes.is_some() && self.is_running() {
            return Ok(());
        }
        self.lose();
        let mut child = Child::start_with(&self.name, &self.args, Stdio::piped(), Stdio::null())
            .map_err(ConnectError::BackOff)?;
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        let (stdin, stderr) = stdin.zip(stderr).expect("it has pipes");
        let errors = log_errors(stderr, Arc::clone(child.end()), self.logger.clone())
            .map_err(|err| ConnectError::BackOff(format!("starting a thread: {}", cause_of_start(&err))))?;
        self.pipes = Some(Pipes { stdin, errors });
        *lock(&self.process) = Some(child);
        Ok(())
    }

    fn write(&mut self, delivery: Delivery, step: &mut Step<'_>) {
        let Some(pipes) = self.pipes.as_ref().filter(|_| self.is_running()) else {
            self.lose();
            return delivery.answer(Err(WriteError::NotConnected));
        };
        let n_messages = delivery.part().n_messages();
        self.encoded.encode(&[], delivery.part(), 0..n_messages, &self.codec);
        let result = self.encoded.write_to(&pipes.stdin, 0, step);
        let result = match result {
            Ok(_) => Ok(()),
            Err(halt) if halt.errno == Some(Errno::PIPE) => {
                self.lose();
                Err(WriteError::NotConnected)
            }
            Err(halt) => {
                let reason = match halt.errno {
                    Some(errno) => Mark::new(fault::failed("write", format!("to `{}`", self.name), errno)),
                    None => Mark::new("the stream was stopped"),
                };
                // Half a message would become one with what comes next.
                let (n_whole, end) = self.encoded.whole(halt.written);
                if end != halt.written {
                    self.lose();
                }
                Err(WriteError::Partial((n_whole..n_messages).map(|it| (it, reason.clone())).collect()))
            }
        };
        self.encoded.release();
        delivery.answer(result);
    }

    fn close(&mut self) -> Result<(), String> {
        let Some(Pipes { stdin, errors }) = self.pipes.take() else { return Ok(()) };
        drop(stdin);
        let status = loop {
            let mut process = lock(&self.process);
            let Some(running) = process.as_mut() else { return Ok(()) };
            if let Some(status) = running.status() {
                *process = None;
                break status;
            }
            let end = Arc::clone(running.end());
            // Whoever gives up the stream gets at it meanwhile.
            drop(process);
            let _ = poll(&mut [PollFd::new(end.as_ref(), PollFlags::IN)], None);
        };
        join(errors);
        match child::failure(status) {
            None => Ok(()),
            Some(why) => Err(format!("`{}` has ended: {why}", self.name)),
        }
    }
}

impl Subprocess {
    /// Whether the command can be given more; says once how it has ended.
    fn is_running(&self) -> bool {
        let mut process = lock(&self.process);
        let Some(running) = process.as_mut() else { return false };
        let Some(status) = running.status() else { return true };
        *process = None;
        drop(process);
        let how = child::failure(status).unwrap_or_else(|| "exit status 0".to_string());
        self.logger.error(&format!("`{}` has ended: {how}", self.name));
        false
    }

    /// Ends what is left of the command.
    fn lose(&mut self) {
        self.is_running();
        *lock(&self.process) = None;
        if let Some(Pipes { errors, .. }) = self.pipes.take() {
            join(errors);
        }
    }
}

impl Drop for Subprocess {
    fn drop(&mut self) {
        *lock(&self.process) = None;
    }
}

fn join(errors: JoinHandle<()>) {
    // It has nothing to say but what it has logged.
    let _ = errors.join();
}

/// Logs what a command says on standard error, from a thread of its own, so that one that says much is not held up. What
/// the command has started may keep standard error open after its end, and is not waited for.
fn log_errors(mut stderr: File, end: Arc<OwnedFd>, logger: Logger) -> std::io::Result<JoinHandle<()>> {
    let run = move || {
        let mut lines = ErrorLines::default();
        let mut buffer = [0; ERROR_LINE_BYTES_MAX];
        let mut has_ended = false;
        loop {
            match rustix::io::retry_on_intr(|| rustix::io::read(&mut stderr, &mut buffer)) {
                Ok(n_bytes @ 1..) => lines.add(&buffer[..n_bytes], |line| logger.error(line)),
                Err(Errno::AGAIN) if !has_ended => {
                    let mut polled =
                        [PollFd::new(&stderr, PollFlags::IN), PollFd::new(end.as_ref(), PollFlags::IN)];
                    let _ = poll(&mut polled, None);
                    has_ended = !polled[1].revents().is_empty();
                }
                Ok(0) | Err(_) => return lines.finish(|line| logger.error(line)),
            }
        }
    };
    thread::Builder::new().name("subprocess".to_string()).spawn(run)
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;
    use crate::test::{Harness, TempDir, check_lint};

    fn subprocess(harness: &mut Harness, script: &str) -> Box<dyn Output> {
        harness.output(&format!("subprocess: {{name: sh, args: ['-c', '{script}']}}"))
    }

    #[test]
    fn lines_come_to_a_command_and_its_end_is_waited_for() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let path = dir.path().join("out").display().to_string();
        let mut output = subprocess(&mut harness, &format!("cat > {path}.new; echo no >&2; mv {path}.new {path}"));
        assert_eq!(harness.write(&mut output, &["a|b", "c"]), "delivered");
        let large = "x".repeat(1 << 20);
        assert_eq!(harness.write(&mut output, &[&large]), "delivered");
        assert_eq!([output.close(), output.close()], [Ok(()), Ok(())]);
        assert_eq!(fs::read_to_string(&path).ok(), Some(format!("a\nb\nc\n{large}\n")));
        assert_eq!(harness.log.take(), "Error no label= path=root.output\n");
    }

    #[test]
    fn a_command_that_ends_early_is_run_again() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let path = dir.path().join("out").display().to_string();
        let mut output = subprocess(&mut harness, &format!("read line; echo \"$line\" >> {path}; exit 3"));
        assert_eq!(harness.write(&mut output, &["a"]), "delivered");
        let began = std::time::Instant::now();
        while harness.write(&mut output, &["b"]) == "delivered" {
            assert!(began.elapsed() < Duration::from_secs(60), "it does not end");
            thread::sleep(Duration::from_millis(5));
        }
        assert!(harness.log.take().contains("Error `sh` has ended: exit status 3 label= path=root.output\n"));
        output.connect().expect("it can be started again");
        assert_eq!(harness.write(&mut output, &["c"]), "delivered");
        assert_eq!(output.close(), Err("`sh` has ended: exit status 3".to_string()));
        assert_eq!(fs::read_to_string(&path).ok().as_deref(), Some("a\nc\n"));
    }

    #[test]
    fn dropping_it_ends_the_command() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let path = dir.path().join("out").display().to_string();
        let mut output = subprocess(&mut harness, &format!("exec > {path}; echo a; exec sleep 1000"));
        assert_eq!(harness.write(&mut output, &["a"]), "delivered");
        drop(output);
    }

    #[test]
    fn a_command_that_is_none() {
        let mut output = Harness::default().try_output("subprocess: {name: no_such_command}").expect("it can be built");
        let text = "exec: \"no_such_command\": executable file not found in $PATH";
        match output.connect() {
            Err(ConnectError::BackOff(it)) => assert_eq!(it, text),
            result => panic!("{result:?}"),
        }
        check_lint("output:\n  subprocess: {name: a, codec: b}\n", "(2,1) value b is not a valid option for this field\n");
    }
}
