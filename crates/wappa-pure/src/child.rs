//! Other programs: started in a group of their own, fed and read without waiting for one end alone, and killed with all that
//! they started when nobody wants them any more.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::process::{CommandExt, ExitStatusExt},
    },
    process::{Command, ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll},
    io::{Errno, ioctl_fionbio},
    process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid},
};
use wappa_component::{Context, cause};
use wappa_spec::{Lint, Node, Reader, Rule};

/// How much is read or written in one go.
pub(crate) const PIECE_BYTES: usize = 64 << 10;

/// Warns where the name of a program has arguments behind it: no shell divides them, and such a program is hardly there.
pub(crate) fn lint_name(node: &Node, reader: &mut Reader<'_>, way_out: &str) {
    let Some(at) = node.get("name") else { return };
    let is_several = |it: &&str| it.trim().contains(char::is_whitespace) && !it.contains(['/', '$']);
    if let Some(name) = at.as_str().filter(is_several) {
        let first = name.split_whitespace().next().unwrap_or_default();
        let text = "the name of the program has a blank in it, and no shell that divides it";
        let lint = Lint::warning(Rule::InvalidValue, at.pos, text).on(at);
        reader.push(lint.hint(format!("the program is `{}`: {way_out}", wappa_spec::printable(first))));
    }
}

/// Wakes whoever waits for a program when everything is given up.
#[derive(Clone, Debug)]
pub(crate) struct Wake(Arc<OwnedFd>);

impl Wake {
    /// One that the stream rings when it gives up.
    pub(crate) fn new(ctx: &mut Context<'_>) -> io::Result<Wake> {
        let wake = Wake(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?));
        let other = wake.clone();
        // It stays readable from here on, for all who look at it.
        ctx.on_abandon(move || {
            let _ = rustix::io::write(&other.0, &1u64.to_ne_bytes());
        });
        Ok(wake)
    }
}

/// A program that runs. Dropped, it is killed, and its end is waited for.
#[derive(Debug)]
pub(crate) struct Child {
    process: std::process::Child,
    /// Can be read when the program has ended.
    end: Arc<OwnedFd>,
    pub(crate) stdin: Option<File>,
    pub(crate) stdout: Option<File>,
    pub(crate) stderr: Option<File>,
}

impl Child {
    /// Starts a program that is fed and read. The error is Go's text.
    pub(crate) fn start(name: &str, args: &[String]) -> Result<Child, String> {
        Child::start_with(name, args, Stdio::piped(), Stdio::piped())
    }

    /// Starts a program with this standard input and output. The error is Go's text.
    pub(crate) fn start_with(
        name: &str,
        args: &[String],
        stdin: Stdio,
        stdout: Stdio,
    ) -> Result<Child, String> {
        if name.is_empty() {
            return Err("exec: no command".to_string());
        }
        let mut process = Command::new(name)
            .args(args)
            .stdin(stdin)
            .stdout(stdout)
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|err| match err.kind() {
                io::ErrorKind::NotFound if !name.contains('/') => {
                    format!("exec: {name:?}: executable file not found in $PATH")
                }
                io::ErrorKind::InvalidInput => format!("fork/exec {name}: invalid argument"),
                _ => format!("fork/exec {name}: {}", wappa_component::cause_of_start(&err)),
            })?;
        let pid = Pid::from_child(&process);
        let file = |it: Option<OwnedFd>| it.map(File::from);
        let [stdin, stdout, stderr] = [
            file(process.stdin.take().map(Into::into)),
            file(process.stdout.take().map(Into::into)),
            file(process.stderr.take().map(Into::into)),
        ];
        let prepared =
            [&stdin, &stdout, &stderr].into_iter().flatten().try_for_each(|it| ioctl_fionbio(it, true));
        match prepared.and_then(|()| pidfd_open(pid, PidfdFlags::empty())) {
            Ok(end) => Ok(Child { process, end: Arc::new(end), stdin, stdout, stderr }),
            Err(err) => {
                // Nobody else knows of it.
                let _ = process.kill();
                let _ = process.wait();
                Err(format!("fork/exec {name}: {}", cause(&err.into())))
            }
        }
    }

    /// What can be read when the program has ended, for whoever waits for that beside others.
    pub(crate) fn end(&self) -> &Arc<OwnedFd> {
        &self.end
    }

    /// How it ended, if it did. Its end is only looked at: as long as it is not waited for its group is its own, and what it
    /// left behind can be killed.
    pub(crate) fn status(&self) -> Option<ExitStatus> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let ended = waitid(WaitId::Pid(Pid::from_child(&self.process)), options).ok().flatten()?;
        // As wait(2) tells it: a code in the second byte, or a signal in the first one.
        let code = ended.exit_status().map(|it| (it & 0xff) << 8);
        Some(ExitStatus::from_raw(code.or(ended.terminating_signal()).unwrap_or(0)))
    }

    /// Waits until something can be read or written, the program ends, or the stream gives up. `is_writing`: there is something
    /// for the program to read; `looks_at_end`: its end has not been seen yet. What has happened.
    pub(crate) fn wait(&self, wake: &Wake, is_writing: bool, looks_at_end: bool) -> Ready {
        let mut fds: Vec<(Source, BorrowedFd<'_>, PollFlags)> =
            vec![(Source::Wake, wake.0.as_fd(), PollFlags::IN)];
        if let Some(stdout) = &self.stdout {
            fds.push((Source::Stdout, stdout.as_fd(), PollFlags::IN));
        }
        if let Some(stderr) = &self.stderr {
            fds.push((Source::Stderr, stderr.as_fd(), PollFlags::IN));
        }
        if let Some(stdin) = self.stdin.as_ref().filter(|_| is_writing) {
            fds.push((Source::Stdin, stdin.as_fd(), PollFlags::OUT));
        }
        if looks_at_end {
            fds.push((Source::End, self.end.as_fd(), PollFlags::IN));
        }
        let mut polled: Vec<PollFd<'_>> =
            fds.iter().map(|(_, fd, flags)| PollFd::from_borrowed_fd(*fd, *flags)).collect();
        let mut ready = Ready::default();
        match poll(&mut polled, None) {
            Ok(_) | Err(Errno::INTR) => (),
            // There is nothing to wait with: whoever asks looks at all of it.
            Err(_) => return Ready { stdin: true, stdout: true, stderr: true, end: true, wake: true },
        }
        for ((source, _, _), it) in fds.iter().zip(&polled) {
            let is_ready = !it.revents().is_empty();
            match source {
                Source::Wake => ready.wake = is_ready,
                Source::Stdout => ready.stdout = is_ready,
                Source::Stderr => ready.stderr = is_ready,
                Source::Stdin => ready.stdin = is_ready,
                Source::End => ready.end = is_ready,
            }
        }
        ready
    }

    /// Kills the program with all of its group, also when it has ended itself: nobody has waited for it.
    pub(crate) fn kill(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.process), Signal::KILL);
    }

    /// Lets the program end by itself, now that nothing more comes, for a while.
    pub(crate) fn close(&mut self, patience: Duration) {
        self.stdin = None;
        let mut polled = [PollFd::from_borrowed_fd(self.end.as_fd(), PollFlags::IN)];
        let timeout = Timespec { tv_sec: patience.as_secs() as i64, tv_nsec: patience.subsec_nanos().into() };
        let _ = poll(&mut polled, Some(&timeout));
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // What one that has ended by itself left behind goes on, unless somebody has killed it.
        if self.status().is_none() {
            self.kill();
        }
        // Nothing keeps what was killed from ending.
        let _ = self.process.wait();
    }
}

enum Source {
    Wake,
    Stdin,
    Stdout,
    Stderr,
    End,
}

/// What can be done now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ready {
    pub(crate) wake: bool,
    pub(crate) stdin: bool,
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
    pub(crate) end: bool,
}

/// Writes what can be written now; `false`: nobody reads it any more.
pub(crate) fn write_some(file: &mut File, bytes: &mut &[u8]) -> bool {
    match file.write(&bytes[..bytes.len().min(PIECE_BYTES)]) {
        Ok(n) => {
            *bytes = &bytes[n..];
            true
        }
        Err(err) => matches!(err.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
    }
}

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Bytes(usize),
    Nothing,
    End,
}

/// Reads what can be read now, some of it.
pub(crate) fn read_some(file: &mut File, out: &mut Vec<u8>) -> Got {
    let len = out.len();
    out.resize(len + PIECE_BYTES, 0);
    let read = file.read(&mut out[len..]);
    out.truncate(len + *read.as_ref().unwrap_or(&0));
    match read {
        Ok(0) => Got::End,
        Ok(n) => Got::Bytes(n),
        Err(err) if matches!(err.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
            Got::Nothing
        }
        Err(_) => Got::End,
    }
}

/// What a program says on its standard error, line by line.
#[derive(Debug, Default)]
pub(crate) struct ErrorLines(Vec<u8>);

/// Of a longer line only the beginning is told.
pub(crate) const ERROR_LINE_BYTES_MAX: usize = 4096;

impl ErrorLines {
    /// Tells the lines that have come to their end.
    pub(crate) fn add(&mut self, mut bytes: &[u8], mut tell: impl FnMut(&str)) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            self.push(&bytes[..end]);
            self.flush(&mut tell);
            bytes = &bytes[end + 1..];
        }
        self.push(bytes);
    }

    /// There is no more: tells what is left.
    pub(crate) fn finish(&mut self, mut tell: impl FnMut(&str)) {
        if !self.0.is_empty() {
            self.flush(&mut tell);
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        let room = ERROR_LINE_BYTES_MAX - self.0.len();
        self.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn flush(&mut self, tell: &mut impl FnMut(&str)) {
        let line = std::mem::take(&mut self.0);
        tell(String::from_utf8_lossy(&line).trim_end());
    }
}

/// How a program ended, in Go's words; nothing where it ended well.
pub(crate) fn failure(status: ExitStatus) -> Option<String> {
    match (status.code(), status.signal()) {
        (Some(0), _) => None,
        (Some(code), _) => Some(format!("exit status {code}")),
        (None, Some(9)) => Some("signal: killed".to_string()),
        (None, Some(15)) => Some("signal: terminated".to_string()),
        (None, Some(signal)) => Some(format!("signal: {signal}")),
        (None, None) => Some("exit status unknown".to_string()),
    }
}

/// What a program made of its input.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) status: ExitStatus,
}

/// Why there is no output.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The stream gives up.
    Interrupted,
    /// It made too much.
    Refused(String),
}

/// Runs a program to its end. `charge` is told how many bytes it has made, and may refuse; `is_interrupted` says whether the
/// stream gives up.
pub(crate) fn run(
    mut child: Child,
    input: &[u8],
    wake: &Wake,
    charge: &mut dyn FnMut(usize) -> Result<(), String>,
    is_interrupted: &dyn Fn() -> bool,
) -> Result<Output, Ended> {
    let (mut rest, mut stdout, mut stderr) = (input, Vec::new(), Vec::new());
    let mut status = None;
    loop {
        if rest.is_empty() {
            child.stdin = None;
        }
        if let (None, None, Some(status)) = (&child.stdout, &child.stderr, status) {
            return Ok(Output { stdout, stderr, status });
        }
        if is_interrupted() {
            child.kill();
            return Err(Ended::Interrupted);
        }
        let ready = child.wait(wake, !rest.is_empty(), status.is_none());
        if ready.stdin
            && let Some(stdin) = &mut child.stdin
            && !write_some(stdin, &mut rest)
        {
            // One that does not read all of it is none that failed.
            rest = &[];
        }
        let mut refused = None;
        for (is_ready, file, out) in
            [(ready.stdout, &mut child.stdout, &mut stdout), (ready.stderr, &mut child.stderr, &mut stderr)]
        {
            let Some(open) = file.as_mut().filter(|_| is_ready) else { continue };
            match read_some(open, out) {
                Got::Bytes(n) => refused = charge(n).err().or(refused),
                Got::Nothing => (),
                Got::End => *file = None,
            }
        }
        if let Some(why) = refused {
            child.kill();
            return Err(Ended::Refused(why));
        }
        if ready.end {
            status = child.status();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(script: &str) -> Child {
        Child::start("/bin/sh", &["-c".to_string(), script.to_string()]).expect("there is a shell")
    }

    fn wake() -> Wake {
        Wake(Arc::new(eventfd(0, EventfdFlags::CLOEXEC).expect("there can be one")))
    }

    fn check(script: &str, input: &str, expected: &str) {
        let output =
            run(start(script), input.as_bytes(), &wake(), &mut |_| Ok(()), &|| false).expect("it ends");
        let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
        let failure = failure(output.status).unwrap_or_default();
        assert_eq!(
            format!("{}|{}|{failure}", text(&output.stdout), text(&output.stderr)),
            expected,
            "{script}"
        );
    }

    #[test]
    fn a_program_is_fed_and_read() {
        check("cat", "a\nb", "a\nb||");
        check("echo out; echo err >&2; exit 3", "not read", "out\n|err\n|exit status 3");
        check("kill -9 $$", "", "||signal: killed");
        check("exec >&- 2>&-; read x; exit 4", "a\n", "||exit status 4");
        // More than pipes hold, in both directions.
        let large = "0123456789abcdef".repeat(100_000);
        check("cat", &large, &format!("{large}||"));
        check("sleep 0.1; cat > /dev/null; echo done", &large, "done\n||");
    }

    #[test]
    fn a_program_that_cannot_be_started_is_told() {
        for (name, expected) in [
            ("", "exec: no command"),
            ("wappa-nowhere", "exec: \"wappa-nowhere\": executable file not found in $PATH"),
            ("./wappa-nowhere", "fork/exec ./wappa-nowhere: no such file or directory"),
            ("/", "fork/exec /: permission denied"),
            ("a\0b", "fork/exec a\0b: invalid argument"),
        ] {
            assert_eq!(Child::start(name, &[]).map(drop), Err(expected.to_string()));
        }
    }

    /// One whose end was seen, and who left something behind that has its standard output, in the same group.
    #[test]
    fn nothing_is_left_of_one_that_has_ended_before_it_is_given_up() {
        let mut child = start("sleep 1000 & echo $!; exit 3");
        let mut out = Vec::new();
        while !out.ends_with(b"\n") {
            child.wait(&wake(), false, true);
            read_some(child.stdout.as_mut().expect("it is open"), &mut out);
        }
        let grandchild: u32 = String::from_utf8_lossy(&out).trim().parse().expect("it is a number");
        while child.status().is_none() {
            std::thread::yield_now();
        }
        assert_eq!(child.status().and_then(failure).as_deref(), Some("exit status 3"));
        assert!(is_there(grandchild));
        let refused = run(child, b"", &wake(), &mut |_| Ok(()), &|| true);
        assert!(matches!(refused, Err(Ended::Interrupted)));
        assert!(!goes_on(grandchild));
    }

    /// Whether there is a process.
    fn is_there(pid: u32) -> bool {
        std::path::Path::new(&format!("/proc/{pid}")).exists()
    }

    #[test]
    fn nothing_is_left_of_one_that_is_given_up() {
        let mut child = start("sleep 1000 & echo $!; cat; wait");
        let pid = child.process.id();
        let mut out = Vec::new();
        while !out.ends_with(b"\n") {
            child.wait(&wake(), false, true);
            read_some(child.stdout.as_mut().expect("it is open"), &mut out);
        }
        let grandchild: u32 = String::from_utf8_lossy(&out).trim().parse().expect("it is a number");
        assert!(is_there(pid) && is_there(grandchild));
        drop(child);
        assert!(!is_there(pid));
        // The one that it started is gone as soon as whoever adopts it looks.
        assert!(!goes_on(grandchild));
        // And one that makes too much.
        let refused = run(start("yes"), b"", &wake(), &mut |_| Err("too much".to_string()), &|| false);
        assert!(matches!(refused, Err(Ended::Refused(why)) if why == "too much"));
        let interrupted = run(start("cat"), &[0; 1 << 20], &wake(), &mut |_| Ok(()), &|| true);
        assert!(matches!(interrupted, Err(Ended::Interrupted)));
    }

    fn goes_on(pid: u32) -> bool {
        (0..1000).all(|_| {
            std::thread::yield_now();
            let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            state.rsplit(')').next().is_some_and(|it| it.trim_start().starts_with(['R', 'S', 'D']))
        })
    }
}
