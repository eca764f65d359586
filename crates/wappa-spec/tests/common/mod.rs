//! A small set of components, like those of a program, and one function that lints a file with them.
#![allow(dead_code, reason = "configs are described here, not used; not every test uses every helper")]

use std::time::Duration;

use wappa_spec::{
    ComponentKind, ComponentNode, Config, Interpolated, Lint, LintOptions, Map, Mapping, Node, Reader, Rule,
    Secret, Size, Source, Spec,
};

/// Reads lines from standard input.
#[derive(Config)]
pub(crate) struct Stdin {
    /// How the stream is cut into messages.
    #[config(child = "scanner", default = "lines: {}")]
    pub(crate) scanner: ComponentNode,
    /// Whether failed messages are read again.
    #[config(default = "true")]
    pub(crate) auto_replay_nacks: bool,
}

/// Prints metrics as log lines, at the end of the stream and, if wanted, at intervals.
#[derive(Config)]
pub(crate) struct LoggerMetrics {
    /// How often the metrics are printed while the stream runs; when empty only at its end.
    pub(crate) push_interval: Option<Duration>,
    /// Whether counters and timings start at zero again each time they were printed.
    #[config(default = "false")]
    pub(crate) flush_metrics: bool,
}

/// Sends no metrics.
#[derive(Config)]
pub(crate) struct NoMetrics;

/// Cuts at line ends.
#[derive(Config)]
pub(crate) struct Lines {
    /// What stands between two messages.
    pub(crate) custom_delimiter: Option<String>,
    /// The longest line.
    #[config(default = "65536")]
    pub(crate) max_buffer_size: u32,
}

/// Writes to standard output.
#[derive(Config)]
pub(crate) struct Stdout {
    /// How messages are set apart.
    #[config(default = "lines")]
    pub(crate) codec: String,
}

/// Drops messages.
#[derive(Config)]
pub(crate) struct Drop;

/// Does nothing.
#[derive(Config)]
pub(crate) struct Noop;

/// Runs processors one by one.
#[derive(Config)]
pub(crate) struct Try(#[config(child = "processor")] pub(crate) Vec<ComponentNode>);

/// Sends what failed elsewhere.
#[derive(Config)]
pub(crate) struct Fallback(#[config(child = "output")] pub(crate) Vec<ComponentNode>);

/// Sends nothing that failed.
#[derive(Config)]
pub(crate) struct RejectErrored(#[config(child = "output")] pub(crate) ComponentNode);

/// A mapping.
#[derive(Config)]
pub(crate) struct MappingBody(pub(crate) Mapping);

/// A resource.
#[derive(Config)]
pub(crate) struct Resource(pub(crate) String);

/// Fails every message.
#[derive(Config)]
pub(crate) struct Reject(pub(crate) Interpolated);

/// Chooses processors.
#[derive(Config)]
pub(crate) struct Switch(pub(crate) Vec<Case>);

/// One case.
#[derive(Config)]
pub(crate) struct Case {
    /// What decides.
    #[config(default = "\"\"")]
    pub(crate) check: Mapping,
    /// What is done.
    #[config(child = "processor")]
    pub(crate) processors: Vec<ComponentNode>,
}

/// Writes a log line.
#[derive(Config)]
pub(crate) struct Log {
    /// The level.
    #[config(default = "INFO", options("FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"))]
    pub(crate) level: String,
    /// The text.
    #[config(default = "\"\"")]
    pub(crate) message: Interpolated,
    /// The text, of old.
    #[config(deprecated)]
    pub(crate) text: Option<String>,
}

/// Calls a function of a WebAssembly module for each message.
///
/// A paragraph more.
///
/// # Examples
///
/// ### Upper case
///
/// ```yaml
/// pipeline:
///   processors:
///     - wasm:
///         module_path: ./upper.wasm
/// ```
#[derive(Config)]
#[config(lint = lint_wasm)]
pub(crate) struct Wasm {
    /// The path of the module.
    #[config(example = "./a.wasm")]
    pub(crate) module_path: String,
    /// The function.
    #[config(default = "process")]
    pub(crate) function: String,
    /// The longest one message may take.
    #[config(default = "10s", bento = false, since = "0.1.0")]
    pub(crate) timeout: Duration,
    /// The memory of one instance.
    #[config(default = "128MiB", bento = false, advanced)]
    pub(crate) memory_limit: Size,
    /// When an instance is replaced.
    #[config(bento = false, advanced)]
    pub(crate) recycle: Recycle,
    /// What the guest can read.
    #[config(bento = false)]
    pub(crate) config: Secret<Map<String>>,
    /// What the guest can see.
    #[config(bento = false)]
    pub(crate) mounts: Vec<Mount>,
    /// A ratio.
    #[config(default = "1.0", advanced)]
    pub(crate) ratio: f64,
}

/// When an instance is replaced.
#[derive(Config, Debug)]
pub(crate) struct Recycle {
    /// After this many messages; 0: never.
    #[config(default = "0")]
    pub(crate) messages: u64,
    /// When its memory keeps growing.
    #[config(default = "true")]
    pub(crate) growth: bool,
}

/// A directory.
#[derive(Config, Debug)]
pub(crate) struct Mount {
    /// Where it is.
    pub(crate) host: String,
    /// What the guest calls it.
    pub(crate) guest: String,
    /// Whether the guest can write.
    #[config(default = "false")]
    pub(crate) writable: bool,
}

fn lint_wasm(config: &Wasm, node: &Node, reader: &mut Reader<'_>) {
    if config.module_path == "./missing.wasm"
        && let Some(value) = node.get("module_path")
    {
        reader.error(Rule::Custom, value, "reading `./missing.wasm`: no such file");
    }
}

use ComponentKind::{Input, Metrics, Output, Processor, Scanner};

pub(crate) const SPECS: &[&Spec] = &[
    &Spec::new::<Stdin>(Input, "stdin").categories(&["Local"]),
    &Spec::new::<Resource>(Input, "resource"),
    &Spec::new::<Stdout>(Output, "stdout").categories(&["Local"]),
    &Spec::new::<Drop>(Output, "drop"),
    &Spec::new::<Reject>(Output, "reject"),
    &Spec::new::<Fallback>(Output, "fallback"),
    &Spec::new::<RejectErrored>(Output, "reject_errored"),
    &Spec::new::<Resource>(Output, "resource"),
    &Spec::new::<Noop>(Processor, "noop"),
    &Spec::new::<Log>(Processor, "log"),
    &Spec::new::<MappingBody>(Processor, "mapping"),
    &Spec::new::<Resource>(Processor, "resource"),
    &Spec::new::<Switch>(Processor, "switch"),
    &Spec::new::<Try>(Processor, "try"),
    &Spec::new::<Wasm>(Processor, "wasm").status(wappa_spec::Status::Experimental).categories(&["Utility"]),
    &Spec::new::<LoggerMetrics>(Metrics, "logger"),
    &Spec::new::<NoMetrics>(Metrics, "none"),
    &Spec::new::<Lines>(Scanner, "lines"),
];

/// All lints of a file, one line each; with the true column where it is not Bento's.
pub(crate) fn lint(text: &str) -> String {
    lint_with(text, LintOptions::default())
}

pub(crate) fn lint_with(text: &str, options: LintOptions) -> String {
    let lints = match Source::read(text.as_bytes(), |_| None) {
        Ok(source) => source.stream(&SPECS.to_vec(), options).lints,
        Err(lints) => lints,
    };
    print(&lints)
}

pub(crate) fn print(lints: &[Lint]) -> String {
    let mut out = String::new();
    for lint in lints {
        let level = if lint.is_error() { "" } else { "warning " };
        let hint = lint.hint.as_ref().map(|it| format!(" | {it}")).unwrap_or_default();
        let at = format!("@{}+{}", lint.pos.column, lint.len);
        out.push_str(&format!("{level}{lint} {at}{hint}\n"));
    }
    out
}
