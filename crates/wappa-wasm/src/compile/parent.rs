//! The parent's side: one child per module, watched until it has answered, and always reaped.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use wappa_component::cause_of_start;
use wappa_spec::is_printable;

use super::wire::{Answer, Incoming, Question, request_header};
use super::{Budget, Compile, CompileError};
use crate::inspect::{Limits, Verdict};

/// How often the interrupt flag is looked at.
const SLICE: Duration = Duration::from_millis(20);

/// How much of the child's standard error is kept: its end.
const STDERR_BYTES_MAX: usize = 8 << 10;

/// More threads than this save little, and each takes address space.
pub(crate) const THREADS_MAX: usize = 8;

/// Compiles in a child process that runs [`super::child_main`], within a budget.
#[derive(Debug, Clone)]
pub struct ChildCompiler {
    program: PathBuf,
    args: Vec<OsString>,
    budget: Budget,
    interrupt: Arc<AtomicBool>,
}

impl ChildCompiler {
    /// The program and the arguments with which it calls `child_main`; usually the running program itself.
    pub fn new(program: PathBuf, args: Vec<OsString>, budget: Budget) -> ChildCompiler {
        ChildCompiler { program, args, budget, interrupt: Arc::new(AtomicBool::new(false)) }
    }

    /// Once the flag is true, running and later compilations end with [`CompileError::Interrupted`].
    #[must_use]
    pub fn interrupted_by(mut self, flag: Arc<AtomicBool>) -> ChildCompiler {
        self.interrupt = flag;
        self
    }

    fn failed(&self, err: impl Into<io::Error>) -> CompileError {
        let program = self.program.display().to_string();
        CompileError::Process { program, reason: cause_of_start(&err.into()) }
    }

    fn spawn(&self, threads: usize) -> io::Result<Child> {
        Command::new(&self.program)
            .args(&self.args)
            // What the environment of this process holds is not for a process that strangers' modules are read in.
            .env_clear()
            .env("RAYON_NUM_THREADS", threads.to_string())
            // The last line it writes is to say what happened, not where.
            .env("RUST_BACKTRACE", "0")
            // Ctrl-C on a terminal goes to the whole group; whether to stop is for the parent to decide.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    }
}

impl Compile for ChildCompiler {
    fn compile(&self, file: &[u8]) -> Result<Vec<u8>, CompileError> {
        self.ask(&Question::Compile, file)
    }
}

impl ChildCompiler {
    /// Looks into a file, for a processor with this field `function` and these limits. The error is one line.
    pub fn inspect(&self, file: &[u8], function: &str, limits: &Limits) -> Result<Verdict, String> {
        let question = Question::Inspect { function: function.to_owned(), limits: *limits };
        let json = self.ask(&question, file).map_err(|err| reading(&err))?;
        Verdict::from_json(&json).ok_or_else(|| "the process that read it answered with nonsense".to_owned())
    }

    /// For each offset of a [`crate::Frame`], the places in the source that it stands for, the innermost first: several
    /// where functions were inlined, none where the module does not say. None: the module has no debug sections. The
    /// error is one line.
    pub fn source_lines(&self, file: &[u8], offsets: &[u64]) -> Result<Option<Vec<Vec<String>>>, String> {
        let question = Question::SourceLines { offsets: offsets.to_vec() };
        let json = self.ask(&question, file).map_err(|err| reading(&err))?;
        serde_json::from_slice(&json)
            .map_err(|_| "the process that read it answered with nonsense".to_owned())
    }

    fn ask(&self, question: &Question, file: &[u8]) -> Result<Vec<u8>, CompileError> {
        // None is a budget beyond what a clock can say.
        let deadline = Instant::now().checked_add(self.budget.wall);
        if self.interrupt.load(Ordering::Relaxed) {
            return Err(CompileError::Interrupted);
        }
        let threads = std::thread::available_parallelism().map_or(1, |it| it.get().min(THREADS_MAX));
        let child = self.spawn(threads).map_err(|err| self.failed(err))?;
        let header = request_header(&self.budget, threads as u64, question, file);
        let mut talk = Talk::new(child, header, file).map_err(|err| self.failed(err))?;
        let ended = loop {
            if self.interrupt.load(Ordering::Relaxed) {
                return Err(CompileError::Interrupted);
            }
            let left = deadline.map_or(SLICE, |it| it.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Err(CompileError::TimeLimit(self.budget.wall));
            }
            talk.step(left.min(SLICE)).map_err(|err| self.failed(err))?;
            if talk.answer.is_whole(self.budget.memory).map_err(CompileError::Answer)? {
                break None;
            }
            if let Some(status) = talk.ended().map_err(|err| self.failed(err))? {
                break Some(status);
            }
        };
        match ended {
            Some(status) => Err(self.explain(status, &talk.last_stderr_line())),
            None => match std::mem::take(&mut talk.answer).into_answer() {
                Answer::Made(content) => Ok(content),
                Answer::Refused(reason) => Err(self.refusal(reason)),
                Answer::Unfit(reason) => Err(CompileError::Unfit(one_line(&reason))),
            },
        }
    }

    /// What the end of a child that did not answer means.
    fn explain(&self, status: ExitStatus, stderr: &str) -> CompileError {
        const SIGXCPU: i32 = rustix::process::Signal::XCPU.as_raw();
        match status.signal() {
            Some(SIGXCPU) => CompileError::CpuLimit(self.budget.cpu),
            // What Rust says as it aborts for want of memory.
            Some(_) if stderr.contains("memory allocation of") => {
                CompileError::MemoryLimit(self.budget.memory)
            }
            Some(signal) => {
                CompileError::Ended { how: format!("signal {signal}"), stderr: stderr.to_owned() }
            }
            None => {
                let how = format!("exit code {}", status.code().unwrap_or_default());
                CompileError::Ended { how, stderr: stderr.to_owned() }
            }
        }
    }

    /// The engine's reason; or the limit, where a mapping was refused and the engine passed that on.
    fn refusal(&self, reason: String) -> CompileError {
        if reason.contains("Cannot allocate memory") {
            return CompileError::MemoryLimit(self.budget.memory);
        }
        CompileError::Refused(one_line(&reason))
    }
}

/// What went wrong when nothing was compiled.
fn reading(err: &CompileError) -> String {
    match err {
        CompileError::CpuLimit(limit) => {
            format!("reading it took more than {limit:?} of processor time (limit `--compile-cpu-limit`)")
        }
        CompileError::TimeLimit(limit) => {
            format!("reading it took more than {limit:?} (limit `--compile-time-limit`)")
        }
        CompileError::MemoryLimit(limit) => {
            let mebibytes = limit.div_ceil(1 << 20);
            format!("reading it took more than {mebibytes}MiB of memory (limit `--compile-memory-limit`)")
        }
        CompileError::Interrupted => "reading it was interrupted by shutdown".to_owned(),
        CompileError::Ended { how, stderr } => {
            let text = CompileError::Ended { how: how.clone(), stderr: stderr.clone() }.to_string();
            text.replacen("the compiler process", "the process that read it", 1)
        }
        other => other.to_string(),
    }
}

/// A running child and what was said so far. Dropping it kills and reaps the child.
struct Talk<'a> {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    header: Vec<u8>,
    file: &'a [u8],
    /// Bytes of header and module that the child has taken.
    sent: usize,
    answer: Incoming,
    stderr_end: Vec<u8>,
}

impl Drop for Talk<'_> {
    fn drop(&mut self) {
        // A child that is gone already cannot be killed, and that is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl<'a> Talk<'a> {
    fn new(mut child: Child, header: Vec<u8>, file: &'a [u8]) -> io::Result<Talk<'a>> {
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let talk = Talk {
            child,
            stdin,
            stdout,
            stderr,
            header,
            file,
            sent: 0,
            answer: Incoming::default(),
            stderr_end: Vec::new(),
        };
        // After the child is owned, so that a failure here reaps it.
        for pipe in [
            talk.stdin.as_ref().map(AsFd::as_fd),
            talk.stdout.as_ref().map(AsFd::as_fd),
            talk.stderr.as_ref().map(AsFd::as_fd),
        ] {
            rustix::io::ioctl_fionbio(pipe.expect("all three streams are pipes"), true)?;
        }
        Ok(talk)
    }

    /// Waits until there is something to do, for so long at most, and does it without waiting.
    fn step(&mut self, wait: Duration) -> io::Result<()> {
        let mut fds = Vec::with_capacity(3);
        fds.extend(self.stdin.as_ref().map(|it| PollFd::new(it, PollFlags::OUT)));
        fds.extend(self.stdout.as_ref().map(|it| PollFd::new(it, PollFlags::IN)));
        fds.extend(self.stderr.as_ref().map(|it| PollFd::new(it, PollFlags::IN)));
        let wait = Timespec::try_from(wait).expect("a slice of time fits");
        match poll(&mut fds, Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(err) => return Err(err.into()),
        }
        drop(fds);
        self.send()?;
        let answer = &mut self.answer;
        receive(&mut self.stdout, |bytes| answer.push(bytes))?;
        let stderr_end = &mut self.stderr_end;
        receive(&mut self.stderr, |bytes| keep_end(stderr_end, bytes))
    }

    fn send(&mut self) -> io::Result<()> {
        let Some(stdin) = &mut self.stdin else { return Ok(()) };
        let rest = match self.header.get(self.sent..) {
            Some(rest) if !rest.is_empty() => rest,
            _ => &self.file[self.sent - self.header.len()..],
        };
        match stdin.write(rest) {
            Ok(n) => self.sent += n,
            Err(err) if is_not_now(&err) => {}
            // It has an answer without the rest, or is dying; either is seen elsewhere.
            Err(err) if err.kind() == io::ErrorKind::BrokenPipe => self.stdin = None,
            Err(err) => return Err(err),
        }
        if self.sent == self.header.len() + self.file.len() {
            self.stdin = None;
        }
        Ok(())
    }

    /// How the child ended, once it can say nothing more.
    fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.stdout.is_some() {
            return Ok(None);
        }
        let status = self.child.try_wait()?;
        if status.is_some() {
            let stderr_end = &mut self.stderr_end;
            receive(&mut self.stderr, |bytes| keep_end(stderr_end, bytes))?;
        }
        Ok(status)
    }

    fn last_stderr_line(&self) -> String {
        let text = String::from_utf8_lossy(&self.stderr_end);
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        // A panic says first where and then why, and may end with advice.
        let line = lines.rfind(|line| !line.starts_with("note: ")).unwrap_or_default();
        one_line(line)
    }
}

/// Reads what is there, a bounded amount of it; closes a stream that has ended.
fn receive(from: &mut Option<impl Read>, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    const READS_MAX: usize = 16;
    let mut buffer = [0; 64 << 10];
    for _ in 0..READS_MAX {
        let Some(stream) = from else { break };
        match stream.read(&mut buffer) {
            Ok(0) => *from = None,
            Ok(n) => take(&buffer[..n]),
            Err(err) if is_not_now(&err) => break,
            Err(err) => return Err(err),
        }
    }
    Ok(())
}

fn is_not_now(err: &io::Error) -> bool {
    matches!(err.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn keep_end(kept: &mut Vec<u8>, bytes: &[u8]) {
    kept.extend_from_slice(bytes);
    kept.drain(..kept.len().saturating_sub(STDERR_BYTES_MAX));
}

/// Text of another process, made safe for one line of a log.
fn one_line(text: &str) -> String {
    let mut line: String = text.chars().map(|c| if is_printable(c) { c } else { ' ' }).take(500).collect();
    line.truncate(line.trim_end().len());
    line
}
