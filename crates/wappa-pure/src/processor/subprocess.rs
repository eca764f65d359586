//! The processor `subprocess`.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use memchr::memchr;
use wappa_component::{BuildError, BuildProcessor, Component, Context, Level, Logger, Part, Processor, Pulse, Step};
use wappa_message::{Mark, Message};
use wappa_spec::{Config, Node, Reader};

use super::limit;
use crate::child::{self, Child, Got, PIECE_BYTES, Wake, read_some, write_some};

pub(super) const COMPONENT: Component =
    Component::processor::<SubprocessConfig>("subprocess").categories(&["Integration"]).reaching_machine();

/// Gives each message to a program that goes on running, and takes its answer for the content.
///
/// The program is started with the stream. For each message that it reads from its standard input it writes one answer to its
/// standard output, in the same order, and flushes it. What it writes to its standard error instead is why it failed on the
/// message.
///
/// # Examples
///
/// ### Answers of a script
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - subprocess:
///         name: /bin/sh
///         args:
///           - -c
///           - while read -r line; do echo "<$line>"; done
/// output:
///   stdout: {}
/// ```
///
/// # Formats
///
/// - `lines`: each message is a line. One that has several lines is written as they are, and gets as many lines as its answer.
/// - `length_prefixed_uint32_be`: each behind its length, four bytes, the most significant one first.
/// - `netstring`: each between its length in decimal with a colon, and a comma.
///
/// # Errors
///
/// A message to which the program answers with its standard error, or in whose turn it ends, goes on as it was, marked. A
/// program that ended is started again for the next message.
///
/// # Delivery
///
/// There is one program for all threads, which take turns. A stream that gives up at the end of its shutdown kills it, with all
/// of its group; the message is answered as failed. At the end of the stream it gets the end of its input, and a second.
///
/// # Limits
///
/// The messages that are worked on together grow by 512MiB at most. A program that makes them larger is killed and started
/// again, as is one that writes more than the longest answer beside those that it is asked for, and does not read.
///
/// # Pitfalls
///
/// A program that keeps back what it writes, as most do when they write to a pipe, gives no answer, and the stream waits.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct SubprocessConfig {
    /// The name of the program, or its path.
    #[config(example = "cat", example = "sed", example = "awk")]
    name: String,

    /// Its arguments.
    #[config(default = "[]")]
    args: Vec<String>,

    /// How long an answer may be, in bytes.
    #[config(default = "65536", advanced)]
    max_buffer: i64,

    /// How messages are written.
    #[config(default = "lines", options("lines", "length_prefixed_uint32_be", "netstring"), advanced)]
    codec_send: String,

    /// How answers are read.
    #[config(default = "lines", options("lines", "length_prefixed_uint32_be", "netstring"), advanced)]
    codec_recv: String,
}

fn lint(_: &SubprocessConfig, node: &Node, reader: &mut Reader<'_>) {
    child::lint_name(node, reader, "what follows goes into `args`");
}

impl BuildProcessor for SubprocessConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        let wake = Wake::new(ctx).map_err(|err| BuildError::new(wappa_component::cause(&err)))?;
        // A program that is not there is told before anything is read.
        let child = Child::start(&self.name, &self.args).map_err(BuildError::new)?;
        Ok(Box::new(Subprocess {
            send: Codec::find(&self.codec_send).map_err(BuildError::new)?,
            receive: Codec::find(&self.codec_recv).map_err(BuildError::new)?,
            answer_max: usize::try_from(self.max_buffer).unwrap_or(0),
            name: self.name,
            args: self.args,
            running: Mutex::new(Some(Running::new(child))),
            wake,
            pulse: ctx.pulse(),
            logger: ctx.logger(),
        }))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Codec {
    Lines,
    LengthPrefixed,
    Netstring,
}

impl Codec {
    fn find(name: &str) -> Result<Codec, String> {
        match name {
            "lines" => Ok(Codec::Lines),
            "length_prefixed_uint32_be" => Ok(Codec::LengthPrefixed),
            "netstring" => Ok(Codec::Netstring),
            _ => Err(format!("unrecognized codec: {name}")),
        }
    }

    /// How a message is written, and how many answers it gets.
    fn encode(self, content: &[u8]) -> Result<(Vec<u8>, usize), String> {
        let mut out = Vec::with_capacity(content.len() + 12);
        let mut n_answers = 1;
        match self {
            Codec::Lines => {
                n_answers += content.iter().filter(|it| **it == b'\n').count();
                out.extend_from_slice(content);
                out.push(b'\n');
            }
            Codec::LengthPrefixed => {
                let len = u32::try_from(content.len()).map_err(|_| "the content is longer than 4 GiB")?;
                out.extend(len.to_be_bytes());
                out.extend_from_slice(content);
            }
            Codec::Netstring => {
                out.extend_from_slice(content.len().to_string().as_bytes());
                out.push(b':');
                out.extend_from_slice(content);
                out.push(b',');
            }
        }
        Ok((out, n_answers))
    }

    /// Takes one answer out of what was read, if all of it is there. The error is why there will be none.
    fn decode(self, read: &mut Vec<u8>, answer_max: usize) -> Result<Option<Vec<u8>>, String> {
        let too_long = || format!("the answer is longer than `max_buffer`, {answer_max} bytes");
        let (start, len, behind) = match self {
            Codec::Lines => match memchr(b'\n', read) {
                Some(end) => (0, end, 1),
                None if answer_max < read.len() => return Err(too_long()),
                None => return Ok(None),
            },
            Codec::LengthPrefixed => match read.first_chunk() {
                Some(len) => (4, u32::from_be_bytes(*len) as usize, 0),
                None => return Ok(None),
            },
            Codec::Netstring => match memchr(b':', &read[..read.len().min(21)]) {
                Some(colon) => {
                    let len = str::from_utf8(&read[..colon]).ok().and_then(|it| it.parse().ok());
                    (colon + 1, len.ok_or("the answer is no netstring")?, 1)
                }
                None if 21 <= read.len() => return Err("the answer is no netstring".to_string()),
                None => return Ok(None),
            },
        };
        if answer_max < len {
            return Err(too_long());
        }
        let end = start + len;
        if read.len() < end + behind {
            return Ok(None);
        }
        if self == Codec::Netstring && read[end] != b',' {
            return Err("the answer is no netstring".to_string());
        }
        let mut answer = read[start..end].to_vec();
        if self == Codec::Lines && answer.ends_with(b"\r") {
            answer.pop();
        }
        read.drain(..end + behind);
        Ok(Some(answer))
    }
}

/// The program, and what was read of it that is no whole answer yet.
struct Running {
    child: Child,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// It has said what was wrong with a message, so that it may answer to it all the same.
    may_answer_late: bool,
}

impl Running {
    fn new(child: Child) -> Running {
        Running { child, stdout: Vec::new(), stderr: Vec::new(), may_answer_late: false }
    }

    /// Forgets what came too late for its message; `false`: it does not stop coming.
    fn forget(&mut self) -> bool {
        if !std::mem::take(&mut self.may_answer_late) {
            return true;
        }
        self.stdout.clear();
        let Some(stdout) = &mut self.child.stdout else { return true };
        for _ in 0..LATE_PIECES_MAX {
            if !matches!(read_some(stdout, &mut self.stdout), Got::Bytes(_)) {
                return true;
            }
            self.stdout.clear();
        }
        false
    }
}

struct Subprocess {
    name: String,
    args: Vec<String>,
    send: Codec,
    receive: Codec,
    answer_max: usize,
    running: Mutex<Option<Running>>,
    wake: Wake,
    pulse: Arc<dyn Pulse>,
    logger: Logger,
}

/// How much a program may have to say too late, in pieces of 64 KiB: what a pipe holds, and some.
const LATE_PIECES_MAX: usize = 32;

/// How much of its standard error is kept for a mark.
const STDERR_BYTES_MAX: usize = 4096;

/// How long the program may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(1);

/// Why there is no answer.
enum NoAnswer {
    /// The stream gives up.
    Interrupted,
    /// The program says so, and goes on.
    Failed(String),
    /// It can no longer be asked.
    Gone(String),
}

impl Subprocess {
    /// Gives the program a message, whose answers may have so many bytes together.
    fn ask(&self, content: &Bytes, room: usize) -> Result<Vec<u8>, NoAnswer> {
        let (request, n_answers) = self.send.encode(content).map_err(NoAnswer::Failed)?;
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if self.pulse.is_interrupted() {
            return Err(NoAnswer::Interrupted);
        }
        // One that has ended in the meantime is no program any more.
        let running_still = running.take().filter(|it| it.child.status().is_none());
        let mut program = match running_still.and_then(|mut it| it.forget().then_some(it)) {
            Some(program) => program,
            None => Running::new(Child::start(&self.name, &self.args).map_err(NoAnswer::Gone)?),
        };
        let result = self.exchange(&mut program, &request, n_answers, room);
        match &result {
            Ok(_) | Err(NoAnswer::Failed(_)) => *running = Some(program),
            Err(_) => program.child.kill(),
        }
        result
    }

    fn exchange(
        &self,
        program: &mut Running,
        request: &[u8],
        n_answers: usize,
        room: usize,
    ) -> Result<Vec<u8>, NoAnswer> {
        let mut rest = request;
        let mut answers: Vec<Vec<u8>> = Vec::with_capacity(n_answers.min(16));
        let mut n_bytes = 0;
        loop {
            // What it says there counts more than an answer that it gives as well.
            if let Some(end) = memchr::memrchr(b'\n', &program.stderr) {
                let text = String::from_utf8_lossy(&program.stderr[..end]).into_owned();
                program.stderr.drain(..=end);
                program.may_answer_late = true;
                // What is only half there cannot be taken back.
                return Err(match rest.is_empty() {
                    true => NoAnswer::Failed(text),
                    false => NoAnswer::Gone(text),
                });
            }
            while answers.len() < n_answers
                && let Some(answer) =
                    self.receive.decode(&mut program.stdout, self.answer_max).map_err(NoAnswer::Gone)?
            {
                n_bytes += size_of::<Vec<u8>>() + answer.len();
                if room < n_bytes {
                    return Err(NoAnswer::Gone(limit::TOO_LARGE.to_string()));
                }
                answers.push(answer);
            }
            if answers.len() == n_answers && self.answer_max + PIECE_BYTES < program.stdout.len() {
                let why = "the subprocess writes more answers than it is asked for";
                return Err(NoAnswer::Gone(why.to_string()));
            }
            if answers.len() == n_answers && rest.is_empty() {
                return Ok(answers.join(&b'\n'));
            }
            if self.pulse.is_interrupted() {
                return Err(NoAnswer::Interrupted);
            }
            let ready = program.child.wait(&self.wake, !rest.is_empty(), true);
            let mut has_ended = ready.end;
            if ready.stdin
                && let Some(stdin) = &mut program.child.stdin
                && !write_some(stdin, &mut rest)
            {
                has_ended = true;
            }
            let mut got_any = false;
            if ready.stdout
                && let Some(stdout) = &mut program.child.stdout
            {
                match read_some(stdout, &mut program.stdout) {
                    Got::Bytes(_) => got_any = true,
                    Got::Nothing => (),
                    Got::End => has_ended = true,
                }
            }
            if ready.stderr
                && let Some(stderr) = &mut program.child.stderr
            {
                match read_some(stderr, &mut program.stderr) {
                    Got::Bytes(_) => got_any = true,
                    Got::Nothing => (),
                    Got::End => program.child.stderr = None,
                }
                program.stderr.truncate(STDERR_BYTES_MAX);
            }
            // What it wrote before it ended still counts.
            if has_ended && !got_any {
                return Err(NoAnswer::Gone(ended(program)));
            }
        }
    }

    /// Asks for one message; `false`: the stream gives up.
    fn process_message(&self, message: &mut Message, step: &mut Step<'_>) -> bool {
        let room = step.growth().left(limit::PART_LIMIT).saturating_add(message.content_size());
        let answered = match self.ask(message.content(), room) {
            Ok(answer) => {
                let grown = answer.len().saturating_sub(message.content_size());
                limit::grow(step, grown).map(|()| message.set_content(answer.into())).map_err(str::to_string)
            }
            Err(NoAnswer::Interrupted) => return false,
            Err(NoAnswer::Failed(why)) => Err(why),
            Err(NoAnswer::Gone(why)) => {
                self.logger.seldom(Level::Warn, "Subprocess exited");
                Err(why)
            }
        };
        if let Err(why) = answered {
            self.logger.failed(&format!("Failed to send message to subprocess: {why}"));
            step.mark(message, Mark::new(why));
        }
        true
    }
}

/// What is said of a program that ended.
fn ended(program: &mut Running) -> String {
    program.child.close(Duration::from_millis(100));
    let how = program.child.status().and_then(child::failure).unwrap_or_else(|| "exit status 0".to_string());
    match program.stderr.trim_ascii() {
        b"" => format!("the subprocess has ended: {how}"),
        stderr => format!("the subprocess has ended: {how}: {}", String::from_utf8_lossy(stderr)),
    }
}

impl Drop for Subprocess {
    fn drop(&mut self) {
        let running = self.running.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = running
            && !self.pulse.is_interrupted()
        {
            running.child.close(PATIENCE);
        }
    }
}

impl Processor for Subprocess {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let n_batches = part.n_batches();
        for idx in 0..n_batches {
            for at in part.batch(idx) {
                if !self.process_message(&mut part.messages_mut()[at], step) {
                    return idx;
                }
            }
            if step.is_due() {
                return idx + 1;
            }
        }
        n_batches
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::test::{Harness, check_process};

    fn sh(script: &str) -> String {
        format!("subprocess: {{name: /bin/sh, args: ['-c', '{script}']}}")
    }

    #[test]
    fn each_message_gets_its_answer() {
        check_process("subprocess: {name: cat}", &["a|", "b\nc", "d\r"], "a|\"\"\nb\\nc\nd\n");
        check_process(&sh("n=0; while read x; do n=$((n+1)); echo $n$x; done"), &["a|b", "c"], "1a|2b\n3c\n");
        for codec in ["netstring", "length_prefixed_uint32_be"] {
            let config = format!("subprocess: {{name: cat, codec_send: {codec}, codec_recv: {codec}}}");
            check_process(&config, &["a\nb|", "c"], "a\\nb|\"\"\nc\n");
        }
        check_process("subprocess: {name: cat, codec_send: netstring}", &["abc\n"], "4:abc\n");
        // More than pipes hold, at once.
        let large = "x".repeat(1 << 20);
        let config = "subprocess: {name: cat, max_buffer: 2000000}";
        check_process(config, &[&large], &format!("{large}\n"));
    }

    /// It never reads, and the message is longer than a pipe.
    #[test]
    fn one_that_writes_without_end_is_killed() {
        let mut harness = Harness::default();
        let message = "x".repeat(1 << 20);
        let output = harness.process("subprocess: {name: yes}", &[&message, "y"]);
        let why = "the subprocess writes more answers than it is asked for";
        assert_eq!(output, format!("{message}[{why}]\ny\n"));
        // Or only once it has said what was wrong with a message: what comes then holds up none.
        let script = "read x; echo bad >&2; exec yes";
        let output = harness.process(&format!("subprocess: {{name: /bin/sh, args: ['-c', '{script}']}}"), &["a", "a"]);
        assert!(["a[bad]\na[bad]\n", "a[bad]\ny\n"].contains(&output.as_str()), "{output}");
    }

    #[test]
    fn what_it_says_to_standard_error_marks_the_message() {
        let mut harness = Harness::default();
        let config = sh("while read x; do if [ $x = a ]; then echo bad >&2; sleep 0.05; echo late; else echo $x; fi; done");
        assert_eq!(harness.process(&config, &["a"]), "a[bad]\n");
        assert_eq!(harness.log.take(), "Error Failed to send message to subprocess: bad label= path=root.pipeline.processors.0\n");
    }

    #[test]
    fn a_program_that_ended_is_started_again() {
        let mut harness = Harness::default();
        let config = sh("while read x; do if [ $x = a ]; then exit 3; fi; echo $x; done");
        let ended = "[the subprocess has ended: exit status 3]";
        assert_eq!(harness.process(&config, &["a", "b|a", "b"]), format!("a{ended}\nb|a{ended}\nb\n"));
        assert!(harness.log.take().starts_with("Warn Subprocess exited "));
    }

    #[test]
    fn an_answer_that_is_too_long_is_none() {
        let too_long = "the answer is longer than `max_buffer`, 8 bytes";
        let config = "subprocess: {name: cat, max_buffer: 8}";
        check_process(config, &["abcdefghijkl", "b"], &format!("abcdefghijkl[{too_long}]\nb\n"));
        for codec in ["netstring", "length_prefixed_uint32_be"] {
            let config = format!("subprocess: {{name: cat, max_buffer: 8, codec_send: {codec}, codec_recv: {codec}}}");
            check_process(&config, &["abcdefghijkl", "b"], &format!("abcdefghijkl[{too_long}]\nb\n"));
        }
        check_process("subprocess: {name: cat, codec_recv: netstring}", &["x:"], "x:[the answer is no netstring]\n");
    }

    #[test]
    fn a_program_that_is_not_there_is_told_at_the_start() {
        let err = Harness::default().processor("subprocess: {name: wappa-nowhere}").map(drop).expect_err("there is none");
        assert!(err.to_string().contains("exec: \"wappa-nowhere\": executable file not found in $PATH"), "{err}");
    }

    #[test]
    fn a_stream_that_gives_up_waits_for_no_answer() {
        let mut harness = Harness::default();
        harness.time.is_interrupted.store(true, Ordering::Relaxed);
        assert_eq!(harness.process("subprocess: {name: sleep, args: ['1000']}", &["a"]), "");
    }

    #[test]
    fn answers_come_in_any_pieces() {
        for codec in [Codec::Lines, Codec::LengthPrefixed, Codec::Netstring] {
            let contents: [&[u8]; 3] = [b"", b"abc", b"de"];
            let mut read = Vec::new();
            let mut got = Vec::new();
            for byte in contents.iter().flat_map(|it| codec.encode(it).expect("it is short").0) {
                read.push(byte);
                got.extend(codec.decode(&mut read, 10).expect("it is sound"));
            }
            assert_eq!(got, contents, "{codec:?}");
        }
    }
}
