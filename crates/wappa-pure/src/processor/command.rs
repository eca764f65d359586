//! The processor `command`.

use std::sync::Arc;

use wappa_component::{BuildError, BuildProcessor, Component, Context, Part, Processor, Pulse, Step};
use wappa_message::{Mark, Message, Value};
use wappa_spec::{Config, Interpolated, Mapping, Node, Reader};

use super::limit::{self, Charged};
use crate::child::{self, Child, Ended, Wake};

pub(super) const COMPONENT: Component = Component::processor::<CommandConfig>("command").categories(&["Integration"]).reaching_machine();

/// Runs a program for each message, and takes what it writes for the content.
///
/// The program gets the content of the message as its standard input. What it writes to its standard error is in the metadata
/// `command_stderr`.
///
/// # Examples
///
/// ### Lines in another order
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - command:
///         name: rev
/// output:
///   stdout: {}
/// ```
///
/// ### Arguments from the message
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - command:
///         name: ${! json("program").or("echo") }
///         args_mapping: '[ "-n", this.text ]'
/// output:
///   stdout: {}
/// ```
///
/// # Errors
///
/// A message whose program cannot be started or ends with another code than 0 goes on as it was, marked with the code and with
/// what the program wrote to its standard error.
///
/// # Delivery
///
/// The next message of a thread waits for the end of the program, and for whatever it started and left behind with its standard
/// output. A stream that gives up at the end of its shutdown kills it, with all of its group; the message is answered as failed.
///
/// # Limits
///
/// The messages that are worked on together grow by 512MiB at most. A program that writes more is killed.
///
/// # Performance
///
/// Each message starts a process, which takes about a millisecond. A program that goes on from line to line is better run by
/// [`subprocess`](subprocess.md).
///
/// # Pitfalls
///
/// A `name` that a message decides runs any program that this process may run.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct CommandConfig {
    /// The name of the program, or its path.
    #[config(example = "bash", example = "go", example = "${! @command }")]
    name: Interpolated,

    /// A mapping whose result is an array: the arguments.
    #[config(optional, example = "[ \"-c\", this.script_path ]")]
    args_mapping: Option<Mapping>,
}

fn lint(_: &CommandConfig, node: &Node, reader: &mut Reader<'_>) {
    child::lint_name(node, reader, "what follows goes into `args_mapping`, as in `'[ \"-c\" ]'`");
}

impl BuildProcessor for CommandConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        let wake = Wake::new(ctx).map_err(|err| BuildError::new(wappa_component::cause(&err)))?;
        Ok(Box::new(CommandProcessor { name: self.name, args: self.args_mapping.unwrap_or_default(), wake, pulse: ctx.pulse() }))
    }
}

struct CommandProcessor {
    name: Interpolated,
    args: Mapping,
    wake: Wake,
    pulse: Arc<dyn Pulse>,
}

/// The stream gives up.
struct Interrupted;

impl CommandProcessor {
    fn args(&self, batch: &mut [Message], place: usize) -> Result<Vec<String>, String> {
        let Some(program) = self.args.program() else { return Ok(Vec::new()) };
        let value = program.value(batch, place).map_err(|err| format!("args mapping error: {err}"))?;
        match value {
            Some(Value::Array(args)) => {
                Ok(args.iter().map(|it| String::from_utf8_lossy(&it.to_text()).into_owned()).collect())
            }
            Some(other) => {
                let kind = wappa_bloblang::Type::of(&other);
                Err(format!("args mapping result error: expected array value, got {kind}"))
            }
            None => Err("args mapping result error: expected array value, got delete".to_string()),
        }
    }

    /// The program of one message, and its arguments.
    fn call(&self, batch: &mut [Message], place: usize) -> Result<(String, Vec<String>), String> {
        let name = self.name.evaluate_text(batch, place);
        let name = name.map_err(|err| format!("name interpolation error: {err}"))?;
        Ok((name, self.args(batch, place)?))
    }

    /// Runs a program for one message; the inner error is why it failed.
    fn run(
        &self,
        name: &str,
        args: &[String],
        message: &mut Message,
        step: &mut Step<'_>,
    ) -> Result<Result<(), String>, Interrupted> {
        let child = match Child::start(name, args) {
            Ok(child) => child,
            Err(why) => return Ok(Err(format!("execution error: {why}: "))),
        };
        let content = message.content().clone();
        let mut charged = Charged::new(step, message);
        let charge = &mut |n: usize| charged.charge(n);
        let output = child::run(child, &content, &self.wake, charge, &|| self.pulse.is_interrupted());
        let output = match output {
            Ok(output) => output,
            Err(Ended::Interrupted) => return Err(Interrupted),
            Err(Ended::Refused(why)) => return Ok(Err(format!("execution error: {why}"))),
        };
        let stderr = String::from_utf8_lossy(&output.stderr);
        if let Some(failure) = child::failure(output.status) {
            return Ok(Err(told(&failure, &stderr)));
        }
        if !output.stderr.is_empty()
            && let Err(why) = limit::set_metadata(step, message, "command_stderr", Value::text(&output.stderr))
        {
            return Ok(Err(format!("execution error: {why}")));
        }
        message.set_content(output.stdout.into());
        Ok(Ok(()))
    }
}

/// The longest mark, in bytes.
const MARK_BYTES_MAX: usize = 4096;

fn told(failure: &str, stderr: &str) -> String {
    let mut text = format!("execution error: {failure}: {stderr}");
    if MARK_BYTES_MAX < text.len() {
        text.truncate(text.floor_char_boundary(MARK_BYTES_MAX));
        text.push('…');
    }
    text
}

impl Processor for CommandProcessor {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let n_batches = part.n_batches();
        for idx in 0..n_batches {
            let range = part.batch(idx);
            // Queries see the batch as it came.
            let mut batch = part.messages()[range.clone()].to_vec();
            for place in 0..batch.len() {
                let call = self.call(&mut batch, place);
                let message = &mut part.messages_mut()[range.start + place];
                match call.map_or_else(|why| Ok(Err(why)), |(name, args)| self.run(&name, &args, message, step)) {
                    Ok(Ok(())) => (),
                    Ok(Err(why)) => step.mark(message, Mark::new(why)),
                    Err(Interrupted) => return idx,
                }
            }
            // One that takes a while holds up no other message.
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

    use crate::test::{Harness, check_process};

    fn sh(script: &str) -> String {
        format!("command: {{name: /bin/sh, args_mapping: '[\"-c\", \"{script}\"]'}}")
    }

    #[test]
    fn a_program_makes_the_content() {
        check_process("command: {name: cat}", &["a|b", "c"], "a|b\nc\n");
        check_process(
            "command: {name: echo, args_mapping: '[content(), 5, {\"a\":1}, null, batch_index()]'}",
            &["a|b"],
            "a 5 {\\\"a\\\":1} null 0\\n|b 5 {\\\"a\\\":1} null 1\\n\n",
        );
        check_process("command: {name: '${! content() }'}", &["true"], "\"\"\n");
    }

    #[test]
    fn what_it_says_to_standard_error_is_metadata() {
        let seen = "{mutation: 'root = content().string() + @command_stderr'}";
        check_process(&format!("processors: [{{{}}}, {seen}]", sh("echo out; echo err >&2")), &["a"], "out\\nerr\\n\n");
    }

    #[test]
    fn a_program_that_fails_marks_its_message() {
        check_process(&sh("echo out; echo err >&2; exit 3"), &["a"], "a[execution error: exit status 3: err\n]\n");
        let missing = "execution error: exec: \"wappa-nowhere\": executable file not found in $PATH: ";
        check_process("command: {name: '${! content() }'}", &["wappa-nowhere|true"], &format!("wappa-nowhere[{missing}]|\"\"\n"));
        check_process(
            "command: {name: echo, args_mapping: 'root.a = 1'}",
            &["a"],
            "a[args mapping result error: expected array value, got object]\n",
        );
        check_process(
            "command: {name: echo, args_mapping: 'root = deleted()'}",
            &["a"],
            "a[args mapping result error: expected array value, got delete]\n",
        );
        let output = Harness::default().process("command: {name: '${! this.a }'}", &["x"]);
        assert!(output.starts_with("x[name interpolation error: "), "{output}");
    }

    #[test]
    fn a_stream_that_gives_up_waits_for_no_program() {
        let mut harness = Harness::default();
        harness.time.is_interrupted.store(true, Ordering::Relaxed);
        assert_eq!(harness.process("command: {name: sleep, args_mapping: '[1000]'}", &["a"]), "");
    }
}
