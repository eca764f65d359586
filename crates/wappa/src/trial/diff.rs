//! `diff`: one input through two configs, or through two programs, and the first message that differs.
//!
//! Each side is a process that runs the config's processors between standard input and standard output, with one thread,
//! and prints one object of JSON for each message: so a side may be Bento, or another version of this program.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read, Write},
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitCode, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use clap::Args;
use wappa_component::{NotRead, cause, counted, read_file};
use wappa_message::{Object, Value};
use wappa_spec::{
    Lint, LintOptions, Node, Pos, Registry, Restricted, Rule, Source, printable_lines, printable_path,
    yaml::{Kind, Style},
};

use super::{
    differences::{Printed, differences},
    lines::refuse_device,
    replay::is_config,
};
use crate::{
    cli::{FileOptions, Options},
    environment,
    environment::Environment,
    globs, standard_output, table,
};

/// No config is that big.
const CONFIG_BYTES_MAX: u64 = 64 << 20;

/// The longest line of the input, in bytes.
const LINE_BYTES_MAX: &str = "67108864";

/// What one message may be in the form in which a side prints it.
const RECORD_BYTES_MAX: u64 = 256 << 20;

/// How much of what a side says on standard error is kept: its end.
const SAID_BYTES_MAX: usize = 8 << 10;

/// How long the last words of a program that has ended are waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// What a side prints for each message.
const RECORD: &str = "\
root.content = content().encode(\"base64\")
root.metadata = @
root.error = error()
";

const EXAMPLES: &str = "\
Each line of FILE is a message. The processors of each config, with those under its input and the resources that they \
ask, run for real and in one thread; its inputs and outputs do not. Exits with 0 if all messages are the same, in their \
order: content, metadata, and why they failed. Exits with 1 at the first that is not, and shows what differs.

  wappa diff ./orders.jsonl ./old.yaml ./new.yaml
  wappa diff ./orders.jsonl ./config.yaml --with bento";

/// The arguments of `diff`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DiffArguments {
    /// The file whose lines are the messages.
    file: PathBuf,

    /// A config.
    config_file: PathBuf,

    /// The other config; without it the same, with another program.
    other: Option<PathBuf>,

    /// The program that runs the other side, such as `bento` or another `wappa`. Whether messages failed is compared then,
    /// and not the words for it.
    #[arg(long, value_name = "PROGRAM")]
    with: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) files: FileOptions,
}

/// Compares. The error is for standard error.
pub(crate) fn diff(
    arguments: &DiffArguments,
    before: &Options,
    environment: &Environment,
) -> Result<ExitCode, String> {
    standard_output::check()?;
    if arguments.files.config.is_some() || !before.set.is_empty() {
        return Err(
            "`diff` takes its configs as arguments, as they are: wappa diff FILE CONFIG OTHER".to_string()
        );
    }
    if arguments.other.is_none() && arguments.with.is_none() {
        return Err("there is nothing to compare with\nhint: name another config, or another program: \
                    wappa diff FILE CONFIG --with PROGRAM"
            .to_string());
    }
    if arguments.file.as_os_str() == "-" {
        return Err("standard input can be read only once, and two sides want it: name a file".to_string());
    }
    let others = [Some(&arguments.config_file), arguments.other.as_ref()];
    if is_config(&arguments.file) && others.into_iter().flatten().any(|it| !is_config(it)) {
        let hint = "the file with the messages comes first: wappa diff FILE CONFIG OTHER";
        return Err(format!("{} has the name of a config\nhint: {hint}", printable_path(&arguments.file)));
    }
    let resources = globs::expand(&arguments.files.resources)
        .map_err(|err| format!("Failed to resolve resource glob pattern: {err}"))?;
    let this = environment::program().map_err(|err| format!("finding this program: {}", cause(&err)))?;
    let side = |program: &Path, config: &Path| {
        Side::start(program, config, arguments, before.restricted, &resources, environment)
    };
    let mut one = side(&this, &arguments.config_file)?;
    let program = arguments.with.as_deref().unwrap_or(&this);
    let mut other = side(program, arguments.other.as_deref().unwrap_or(&arguments.config_file))?;
    let (mut number, mut n_failed) = (0_u64, 0_u64);
    loop {
        let (a, b) = (one.next()?, other.next()?);
        number += 1;
        let text = match (&a, &b) {
            (None, None) => {
                one.end()?;
                other.end()?;
                standard_output::print(same(number - 1, n_failed).as_bytes())?;
                return Ok(ExitCode::SUCCESS);
            }
            (Some(a), Some(b)) => match differences(a, b, arguments.with.is_none()) {
                Some(text) => text,
                None => {
                    n_failed += u64::from(a.error.is_some());
                    continue;
                }
            },
            // One that broke off is no difference of messages.
            (None, Some(more)) => {
                one.end()?;
                format!("only the second side has it\n{}", more.whole('+'))
            }
            (Some(more), None) => {
                other.end()?;
                format!("only the first side has it\n{}", more.whole('-'))
            }
        };
        let text = format!("message {number} differs:\n--- {}\n+++ {}\n{text}", one.name, other.name);
        standard_output::print(text.as_bytes())?;
        return Ok(ExitCode::FAILURE);
    }
}

/// What is said where nothing differs.
fn same(n: u64, n_failed: u64) -> String {
    match (n, n_failed) {
        (0, _) => "no difference, and nothing to compare: no message came out of either side\n".to_string(),
        (n, 0) => format!("no difference in {}\n", counted(n, "message", "messages")),
        (n, _) => format!(
            "no difference in {}, of which {n_failed} failed on both sides\n",
            counted(n, "message", "messages")
        ),
    }
}

/// A process that runs one config, and what it prints.
struct Side {
    name: String,
    child: Child,
    out: BufReader<ChildStdout>,
    said: Arc<Mutex<Vec<u8>>>,
    /// Reads what it says.
    listener: JoinHandle<()>,
}

impl Side {
    fn start(
        program: &Path,
        config: &Path,
        arguments: &DiffArguments,
        is_restricted: bool,
        resources: &[PathBuf],
        environment: &Environment,
    ) -> Result<Side, String> {
        let text = between_standard_streams(config, is_restricted, environment)?;
        let file = messages(&arguments.file)?;
        let of_config = in_memory(&text).map_err(|err| format!("keeping a config: {}", cause(&err)))?;
        let path = format!("/proc/self/fd/{}", of_config.as_raw_fd());
        let mut command = Command::new(program);
        if is_restricted {
            command.arg("--restricted");
        }
        command.arg("-c").arg(&path);
        for resource in resources {
            command.arg("-r").arg(resource);
        }
        command.stdin(Stdio::from(file)).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|err| format!("starting {}: {}", printable_path(program), cause(&err)))?;
        let out = BufReader::new(child.stdout.take().expect("it is piped"));
        let stderr = child.stderr.take().expect("it is piped");
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
        let listener =
            thread::Builder::new().name("listener".to_string()).spawn(move || listen(stderr, &heard));
        let listener = listener.map_err(|err| format!("starting a thread: {}", cause(&err)))?;
        let name = match arguments.with.is_some() {
            true => format!("{} of {}", printable_path(config), printable_path(program)),
            false => printable_path(config),
        };
        Ok(Side { name, child, out, said, listener })
    }

    /// The next message; none at the end.
    fn next(&mut self) -> Result<Option<Printed>, String> {
        loop {
            let mut line = Vec::new();
            let n = self.out.by_ref().take(RECORD_BYTES_MAX + 1).read_until(b'\n', &mut line);
            if n.map_err(|err| self.failed(&format!("reading what it prints: {}", cause(&err))))? == 0 {
                return Ok(None);
            }
            if RECORD_BYTES_MAX < line.len() as u64 {
                let text = format!("a message is larger than {} MiB", RECORD_BYTES_MAX >> 20);
                return Err(self.failed(&text));
            }
            // A batch of several messages ends with an empty line.
            if line == b"\n" {
                continue;
            }
            let shown: String = String::from_utf8_lossy(&line).chars().take(200).collect();
            return match record(&Bytes::from(line)) {
                Some(record) => Ok(Some(record)),
                None => Err(self.failed(&format!("it prints what is no message: {}", shown.trim_end()))),
            };
        }
    }

    /// The program has said all that it has; the error is its own.
    fn end(&mut self) -> Result<(), String> {
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(self.failed(&format!("it ended with {status}"))),
            Err(err) => Err(self.failed(&cause(&err))),
        }
    }

    /// Why it went wrong, with what it said last.
    fn failed(&mut self, why: &str) -> String {
        let _ = self.child.kill();
        // What it started itself may go on, and hold the pipe open.
        let until = Instant::now() + PATIENCE;
        while !self.listener.is_finished() && Instant::now() < until {
            thread::sleep(Duration::from_millis(5));
        }
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let said = String::from_utf8_lossy(&said);
        printable_lines(format!("{}: {why}\n{said}", self.name).trim_end()).into_owned()
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Keeps the end of what a program says.
fn listen(mut from: impl Read, said: &Mutex<Vec<u8>>) {
    let mut chunk = [0; 4096];
    while let Ok(n) = from.read(&mut chunk) {
        if n == 0 {
            break;
        }
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend_from_slice(&chunk[..n]);
        let too_many = said.len().saturating_sub(SAID_BYTES_MAX);
        said.drain(..too_many);
    }
}

fn record(line: &Bytes) -> Option<Printed> {
    let Ok(Value::Object(object)) = Value::from_json(line) else { return None };
    let (Some(Value::Text(content)), Some(Value::Object(metadata))) =
        (object.get("content"), metadata_of(&object))
    else {
        return None;
    };
    let error = match object.get("error") {
        Some(Value::Text(text)) => Some(String::from_utf8_lossy(text.as_slice()).into_owned()),
        _ => None,
    };
    Some(Printed { content: BASE64_STANDARD.decode(content.as_slice()).ok()?, metadata, error })
}

fn metadata_of(object: &Object) -> Option<Value> {
    object.get("metadata")
}

/// A config as a file that only this process and those that it starts can see, and that is gone with them.
fn in_memory(text: &str) -> io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create("config", rustix::fs::MemfdFlags::empty())?);
    file.write_all(text.as_bytes())?;
    Ok(file)
}

/// A config with the same processors that reads standard input and prints what comes of it.
fn between_standard_streams(
    config: &Path,
    is_restricted: bool,
    environment: &Environment,
) -> Result<String, String> {
    let place = |text: String| format!("{}: {text}", printable_path(config));
    let bytes = read_file(config, CONFIG_BYTES_MAX)
        .map_err(|NotRead { step, cause }| format!("{step} {}: {cause}", printable_path(config)))?;
    let read = |is_restricted| Source::read(&bytes, |name| environment.for_config(name, is_restricted));
    let failed = |lints: Vec<Lint>| place(first_of(&lints));
    let mut source = read(is_restricted).map_err(failed)?;
    // What a config says of itself holds here too.
    if source.node.get("restricted").and_then(Node::as_bool) == Some(true) {
        source = read(true).map_err(failed)?;
    }
    lint(config, &source, is_restricted)?;
    let mut root = source.node;
    modules_in_place(&mut root, config.parent().unwrap_or(Path::new("")));
    let at = Pos::new(1, 1);
    let text = |it: &str| Node::new(at, Kind::Scalar { text: it.to_string(), style: Style::Quoted });
    let plain = |it: &str| Node::plain(at, it);
    let map = |pairs: Vec<(&str, Node)>| {
        Node::new(at, Kind::Map(pairs.into_iter().map(|(key, it)| (Node::plain(at, key), it)).collect()))
    };
    let list = |items: Vec<Node>| Node::new(at, Kind::Seq(items));
    let below = |keys: [&str; 2]| keys.into_iter().try_fold(&root, |node, key| node.get(key)).cloned();
    let scanner = map(vec![("lines", map(vec![("max_buffer_size", plain(LINE_BYTES_MAX))]))]);
    let mut input = vec![("stdin", map(vec![("scanner", scanner)]))];
    input.extend(below(["input", "processors"]).map(|it| ("processors", it)));
    let processors = below(["pipeline", "processors"]).unwrap_or_else(|| list(Vec::new()));
    let record = list(vec![map(vec![("mapping", text(RECORD))])]);
    let mut pairs = vec![
        ("http", map(vec![("enabled", plain("false"))])),
        ("logger", map(vec![("level", plain("ERROR"))])),
        ("input", map(input)),
        ("pipeline", map(vec![("threads", plain("1")), ("processors", processors)])),
        ("output", map(vec![("stdout", map(Vec::new())), ("processors", record)])),
    ];
    const KEPT: [&str; 4] = ["restricted", "processor_resources", "cache_resources", "rate_limit_resources"];
    pairs.extend(KEPT.into_iter().filter_map(|key| Some((key, root.get(key)?.clone()))));
    Ok(without_variables(&map(pairs).to_string()))
}

/// The file of the messages.
fn messages(path: &Path) -> Result<File, String> {
    let failed = |err: io::Error| format!("reading {}: {}", printable_path(path), cause(&err));
    let file = File::open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    refuse_device(path, &about)?;
    match about.is_file() && about.len() == 0 {
        true => Err(format!("there is no message to compare: {} is empty", printable_path(path))),
        false => Ok(file),
    }
}

/// Refuses a config that is wrong anywhere, since of its parts that do not run nobody else would say so. An input or an
/// output that is not there does not matter.
fn lint(config: &Path, source: &Source, is_restricted: bool) -> Result<(), String> {
    let table = table::registry();
    let restricted = Restricted(&table);
    let registry: &dyn Registry = if is_restricted { &restricted } else { &table };
    let is_wrong = |it: &Lint| it.is_error() && it.rule != Rule::ComponentNotFound;
    let lints = source.stream(registry, LintOptions::default()).lints.into_iter().filter(is_wrong);
    let told: Vec<String> = lints
        .map(|it| {
            let hint = it.hint.as_ref().map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
            format!("{}{hint}", it.line(&printable_path(config)))
        })
        .collect();
    if told.is_empty() { Ok(()) } else { Err(told.join("\n")) }
}

fn first_of(lints: &[Lint]) -> String {
    let first = lints.iter().find(|it| it.is_error());
    first.map_or_else(|| "no sense can be made of it".to_string(), ToString::to_string)
}

/// Modules are beside the config that names them, which the config that is run is not.
fn modules_in_place(node: &mut Node, dir: &Path) {
    match &mut node.kind {
        Kind::Seq(items) => items.iter_mut().for_each(|it| modules_in_place(it, dir)),
        Kind::Map(pairs) => {
            for (key, value) in pairs {
                let path = value.as_str().filter(|_| key.as_key() == "module_path");
                let beside = path.filter(|it| !Path::new(it).exists()).map(|it| dir.join(it));
                let absolute = beside.and_then(|it| fs::canonicalize(it).ok());
                match absolute.as_deref().and_then(Path::to_str) {
                    Some(path) => {
                        let text = path.to_string();
                        *value = Node::new(value.pos, Kind::Scalar { text, style: Style::Quoted });
                    }
                    None => modules_in_place(value, dir),
                }
            }
        }
        _ => (),
    }
}

/// The same text, in which what looks like an environment variable is none any more: all of them were put in.
fn without_variables(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        out.push_str(&rest[..at]);
        rest = &rest[at + 2..];
        let is_name = rest.starts_with(|it: char| it.is_ascii_alphanumeric() || it == '_' || it == '.');
        match rest.find('}').filter(|_| is_name) {
            Some(end) => {
                out.push_str(&format!("${{{{{}}}}}", &rest[..end]));
                rest = &rest[end + 1..];
            }
            None => out.push_str("${"),
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_stay_texts() {
        let text = "a: ${! json() } ${A} ${B:x} ${} ${";
        assert_eq!(without_variables(text), "a: ${! json() } ${{A}} ${{B:x}} ${} ${");
        let replaced = wappa_spec::env::replace(&without_variables(text), |_| Some("no".to_string()));
        assert_eq!((replaced.text.as_str(), replaced.missing.len()), (text, 0));
    }
}
