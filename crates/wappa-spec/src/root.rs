//! The root of a config file: a stream and what is around it.

use std::time::Duration;

use wappa_spec_macros::Config;

use crate::component::ComponentNode;
use crate::config_test::TestConfig;
use crate::http::HttpConfig;
use crate::lint::{Lint, Rule};
use crate::reader::Reader;
use crate::scrub::scrub;
use crate::spec::{ComponentKind, Config, Field, Registry};
use crate::value::Map;
use crate::yaml::{Kind, Node};

/// Everything a config file says, read and typed.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    /// The HTTP service of the program.
    pub http: HttpConfig,
    /// Whether the config says anything of the HTTP service.
    pub names_http: bool,
    /// The config as it may be printed: what the HTTP service shows of it, to whoever may see it.
    pub shown: Option<Node>,
    /// Where messages come from.
    pub input: ComponentNode,
    /// What holds them before the pipeline; `none` is nothing.
    pub buffer: ComponentNode,
    /// What is done to them.
    pub pipeline: PipelineConfig,
    /// Where they go.
    pub output: ComponentNode,
    /// Components that are found by their label.
    pub resources: Resources,
    /// How the program logs.
    pub logger: LoggerConfig,
    /// Where metrics are sent.
    pub metrics: ComponentNode,
    /// Where traces are sent.
    pub tracer: ComponentNode,
    /// How long to wait before the stop, for metrics to be fetched.
    pub shutdown_delay: Duration,
    /// How long a stop may take.
    pub shutdown_timeout: Duration,
    /// Whether it is not trusted: see [`Registry::is_restricted`].
    pub is_restricted: bool,
    /// What happens to messages on which a processor failed, wherever that is.
    pub error_handling: ErrorHandlingConfig,
}

/// Components that are found by their label, by kind, in file order.
#[derive(Config, Clone, Debug, Default)]
pub struct Resources {
    /// Inputs that are found by their label.
    #[config(name = "input_resources", child = "input", resource, advanced)]
    pub inputs: Vec<ComponentNode>,

    /// Processors that are found by their label.
    #[config(name = "processor_resources", child = "processor", resource, advanced)]
    pub processors: Vec<ComponentNode>,

    /// Outputs that are found by their label.
    #[config(name = "output_resources", child = "output", resource, advanced)]
    pub outputs: Vec<ComponentNode>,

    /// Caches that are found by their label.
    #[config(name = "cache_resources", child = "cache", resource, advanced)]
    pub caches: Vec<ComponentNode>,

    /// Rate limits that are found by their label.
    #[config(name = "rate_limit_resources", child = "rate_limit", resource, advanced)]
    pub rate_limits: Vec<ComponentNode>,
}

impl Resources {
    /// Adds those of another file behind these.
    pub fn append(&mut self, other: Resources) {
        self.inputs.extend(other.inputs);
        self.processors.extend(other.processors);
        self.outputs.extend(other.outputs);
        self.caches.extend(other.caches);
        self.rate_limits.extend(other.rate_limits);
    }
}

/// The most threads that a pipeline has. Each is one of the operating system's and keeps a stack and an instance of
/// every guest, so thousands of them help nobody; a machine's own limits are often lower.
pub const THREADS_MAX: usize = 4096;

/// The levels of a log, from nothing to everything, and another word for nothing.
pub const LOG_LEVELS: [&str; 9] = ["OFF", "FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE", "ALL", "NONE"];

/// What is done to the messages between input and output, and by how many threads.
#[derive(Config, Clone, Debug)]
#[config(lint = lint_pipeline)]
pub struct PipelineConfig {
    /// How many threads work on messages at once, at most 4,096; below 1: as many as the machine has.
    #[config(default = "-1")]
    pub threads: i64,

    /// Whether messages reach the output in the order in which they were read, also with several threads.
    #[config(default = "true", bento = false)]
    pub ordered: bool,

    /// The processors, in the order in which they are applied.
    #[config(child = "processor")]
    pub processors: Vec<ComponentNode>,
}

/// How the program logs.
#[derive(Config, Clone, Debug)]
#[config(lint = lint_logger)]
pub struct LoggerConfig {
    /// The least severe level that is written: `OFF`, `FATAL`, `ERROR`, `WARN`, `INFO`, `DEBUG`, `TRACE` or `ALL`.
    #[config(default = "INFO")]
    pub level: String,

    /// The form of a line. When it is not set, lines on a terminal are for a person, with colors, and all others are
    /// `logfmt`.
    #[config(options("json", "logfmt"))]
    pub format: Option<String>,

    /// Whether each line has the time.
    #[config(default = "false")]
    pub add_timestamp: bool,

    /// The name of the level in a `json` line.
    #[config(default = "level")]
    pub level_name: String,

    /// The name of the time in a `json` line.
    #[config(default = "time")]
    pub timestamp_name: String,

    /// The name of the message in a `json` line.
    #[config(default = "msg")]
    pub message_name: String,

    /// Fields of every line.
    #[config(default = "{'@service': wappa}")]
    pub static_fields: Map<String>,

    /// A file that the log is written to.
    pub file: LogFileConfig,

    /// Whether every line that has an error is written at level `ERROR`. It has no effect yet.
    #[config(default = "false", advanced)]
    pub log_all_errors: bool,
}

/// A file that the log is written to.
#[derive(Config, Clone, Debug)]
#[config(lint = lint_log_file)]
pub struct LogFileConfig {
    /// The path of the file; when empty the log goes to the terminal.
    #[config(default = "\"\"")]
    pub path: String,

    /// Whether a full file is put aside. It has no effect yet.
    #[config(default = "false")]
    pub rotate: bool,

    /// For how many days files are kept that were put aside. It has no effect yet.
    #[config(default = "0")]
    pub rotate_max_age_days: i64,
}

/// What happens to failed messages everywhere.
#[derive(Config, Clone, Debug)]
pub struct ErrorHandlingConfig {
    /// What becomes of messages on which a processor failed: with `none` they go on, marked; with `reject` the batches that
    /// they are in are turned away, so that an input that replays delivers them again; with `retry` they are delivered again
    /// whatever the input does, with a wait that grows from half a second to five minutes.
    #[config(default = "none", options("none", "reject", "retry"))]
    pub strategy: String,

    /// Whether and how they are logged.
    pub log: ErrorLogConfig,
}

impl ErrorHandlingConfig {
    /// The strategy of messages that go on.
    pub const NONE: &'static str = "none";

    /// The strategy of messages that are delivered again whatever the input does.
    pub const RETRY: &'static str = "retry";
}

/// How messages are logged on which a processor failed.
#[derive(Config, Clone, Debug)]
#[config(lint = lint_error_log)]
pub struct ErrorLogConfig {
    /// Whether they are.
    #[config(default = "false")]
    pub enabled: bool,

    /// Whether the line has the content of the message too.
    #[config(default = "false")]
    pub add_payload: bool,

    /// Which part of them is logged, from 0 to 1.
    #[config(default = "1")]
    pub sampling_ratio: f64,
}

/// A stream alone: the root of the config of one among several.
#[derive(Config)]
struct StreamRoot {
    /// Where messages come from.
    #[config(child = "input", default = "stdin: {}")]
    input: ComponentNode,

    /// What holds messages between input and pipeline.
    #[config(child = "buffer", default = "none: {}")]
    buffer: ComponentNode,

    /// What is done to messages.
    pipeline: PipelineConfig,

    /// Where messages go.
    #[config(child = "output", default = "stdout: {}")]
    output: ComponentNode,
}

/// What a process has around its streams.
#[derive(Config)]
struct ProcessRoot {
    /// How the program logs.
    logger: LoggerConfig,

    /// Where metrics are sent.
    #[config(child = "metrics", default = "prometheus: {}")]
    metrics: ComponentNode,

    /// Where traces are sent.
    #[config(child = "tracer", default = "none: {}")]
    tracer: ComponentNode,

    /// How long to wait before the stop, for metrics to be fetched.
    #[config(default = "0s")]
    shutdown_delay: Option<Duration>,

    /// How long a stop may take; what has not arrived by then is given up and counted.
    #[config(default = "20s")]
    shutdown_timeout: Option<Duration>,

    /// Whether the config is not trusted, as with the flag of the same name: what reaches files, programs or environment
    /// variables of the machine is refused.
    #[config(default = "false", bento = false, advanced)]
    restricted: bool,

    /// What happens to failed messages everywhere.
    error_handling: ErrorHandlingConfig,
}

/// What stands beside the config of a stream, and has no effect on it.
#[derive(Config)]
#[expect(dead_code, reason = "it is described only")]
struct Beside {
    /// Tests of the config, which `wappa test` runs. A stream has no use for them.
    #[config(advanced)]
    tests: Vec<TestConfig>,
}

/// The root of a config file.
#[derive(Config)]
#[config(lint = lint_root)]
struct Root {
    /// The HTTP service of the program.
    http: HttpConfig,
    #[config(flatten)]
    stream: StreamRoot,
    #[config(flatten)]
    resources: Resources,
    #[config(flatten)]
    process: ProcessRoot,
    #[config(flatten)]
    beside: Beside,
}

/// The root of a file of resources.
#[derive(Config)]
struct ResourceRoot {
    #[config(flatten)]
    resources: Resources,
    #[config(flatten)]
    beside: Beside,
}

/// The root of a config that several streams have around them: all but the stream itself.
#[derive(Config)]
#[config(lint = lint_around)]
struct AroundRoot {
    /// The HTTP service of the program.
    http: HttpConfig,
    #[config(flatten)]
    resources: Resources,
    #[config(flatten)]
    process: ProcessRoot,
    #[config(flatten)]
    beside: Beside,
}

/// The root of a file with the config of a stream among several.
#[derive(Config)]
struct StreamFileRoot {
    #[config(flatten)]
    stream: StreamRoot,
    #[config(flatten)]
    beside: Beside,
}

/// A stream among several: what its own config says.
#[derive(Clone, Debug)]
pub struct StreamPart {
    /// Where messages come from.
    pub input: ComponentNode,
    /// What holds them before the pipeline.
    pub buffer: ComponentNode,
    /// What is done to them.
    pub pipeline: PipelineConfig,
    /// Where they go.
    pub output: ComponentNode,
    /// Whether it is not trusted: see [`Registry::is_restricted`].
    pub is_restricted: bool,
}

impl StreamPart {
    /// Its fields.
    pub const FIELDS: &'static [Field] = StreamRoot::FIELDS;

    /// Reads the config of a stream alone.
    pub fn read(node: &Node, reader: &mut Reader<'_>) -> Option<StreamPart> {
        let root: Option<StreamRoot> = read_root(node, reader);
        hint_elsewhere(node, AroundRoot::FIELDS, OF_ALL_STREAMS, reader);
        root.map(|root| StreamPart::new(root, reader))
    }

    /// Reads a file with the config of a stream.
    pub fn read_file(node: &Node, reader: &mut Reader<'_>) -> Option<StreamPart> {
        let root: Option<StreamFileRoot> = read_root(node, reader);
        hint_elsewhere(node, AroundRoot::FIELDS, OF_ALL_STREAMS, reader);
        root.map(|root| StreamPart::new(root.stream, reader))
    }

    fn new(root: StreamRoot, reader: &Reader<'_>) -> StreamPart {
        let StreamRoot { input, buffer, pipeline, output } = root;
        StreamPart { input, buffer, pipeline, output, is_restricted: reader.is_restricted() }
    }
}

impl StreamConfig {
    /// The fields of the root of a config file, in the order of Bento's.
    pub const FIELDS: &'static [Field] = Root::FIELDS;

    /// Reads a config file. The lints go to the reader; nothing is given when no config can be made of the file.
    pub fn read(node: &Node, reader: &mut Reader<'_>) -> Option<StreamConfig> {
        let Root { http, stream, resources, process, .. } = read_with_metrics(node, reader)?;
        let shown = http.enabled.then(|| scrub(node, StreamConfig::FIELDS, reader.registry()));
        Some(StreamConfig::new(StreamPart::new(stream, reader), http, resources, process, node, shown))
    }

    /// Reads the config that several streams have around them. Its own stream is the one of an empty config.
    pub fn read_around(node: &Node, reader: &mut Reader<'_>) -> Option<StreamConfig> {
        let root = read_with_metrics(node, reader);
        hint_elsewhere(node, StreamRoot::FIELDS, OF_ONE_STREAM, reader);
        let AroundRoot { http, resources, process, .. } = root?;
        let shown = http.enabled.then(|| scrub(node, AroundRoot::FIELDS, reader.registry()));
        let nothing = Node::empty_map(crate::Pos::new(1, 1));
        let mut of_nothing = Reader::for_building(reader.registry());
        let part = StreamPart::read(&nothing, &mut of_nothing)?;
        let is_restricted = reader.is_restricted();
        let part = StreamPart { is_restricted, ..part };
        Some(StreamConfig::new(part, http, resources, process, node, shown))
    }

    fn new(
        stream: StreamPart,
        http: HttpConfig,
        resources: Resources,
        process: ProcessRoot,
        node: &Node,
        shown: Option<Node>,
    ) -> StreamConfig {
        StreamConfig {
            http,
            names_http: value_at(node, "http").is_some(),
            shown,
            input: stream.input,
            buffer: stream.buffer,
            pipeline: stream.pipeline,
            output: stream.output,
            resources,
            logger: process.logger,
            metrics: process.metrics,
            tracer: process.tracer,
            // The empty text is no time, as in Bento.
            shutdown_delay: process.shutdown_delay.unwrap_or_default(),
            shutdown_timeout: process.shutdown_timeout.unwrap_or_default(),
            is_restricted: process.restricted || stream.is_restricted,
            error_handling: process.error_handling,
        }
    }

    /// The config of a stream that has this one around it.
    #[must_use]
    pub fn around(&self, part: StreamPart) -> StreamConfig {
        let StreamPart { input, buffer, pipeline, output, is_restricted } = part;
        let is_restricted = is_restricted || self.is_restricted;
        StreamConfig { input, buffer, pipeline, output, is_restricted, shown: None, ..self.clone() }
    }

    /// What runs when there is no config at all: from stdin to stdout.
    pub fn empty(registry: &dyn Registry) -> Result<StreamConfig, Vec<Lint>> {
        let mut reader = Reader::for_building(registry);
        let node = Node::empty_map(crate::Pos::new(1, 1));
        StreamConfig::read(&node, &mut reader).ok_or_else(|| reader.into_lints())
    }
}

impl Resources {
    /// Reads a file that holds resources only.
    pub fn read_file(node: &Node, reader: &mut Reader<'_>) -> Option<Resources> {
        let root: ResourceRoot = read_root(node, reader)?;
        Some(root.resources)
    }
}

/// Where what is for all streams belongs, and not into the config of one.
const OF_ALL_STREAMS: &str =
    "it is for all streams: it stands in the main config (`-c`), and a resource may stand in a file of `-r`";

/// Where a stream belongs, and not into what all streams have around them.
const OF_ONE_STREAM: &str =
    "each stream has a config of its own, which `streams` is given by its file or folder";

/// Says of fields that are none here where they belong.
fn hint_elsewhere(node: &Node, elsewhere: &[Field], hint: &str, reader: &mut Reader<'_>) {
    for (key, _) in node.as_map().unwrap_or_default() {
        if elsewhere.iter().any(|it| it.name == key.as_key()) {
            reader.hint_unknown(key, hint);
        }
    }
}

/// Reads a root that says where metrics are sent: nowhere, in a build that has nothing of the default.
fn read_with_metrics<C: Config>(node: &Node, reader: &mut Reader<'_>) -> Option<C> {
    match reader.spec(ComponentKind::Metrics, "prometheus") {
        Some(_) => read_root(node, reader),
        None => read_root(&without_metrics(node), reader),
    }
}

/// Reads a root, where null is not the empty object: an empty file is a mistake.
fn read_root<C: Config>(node: &Node, reader: &mut Reader<'_>) -> Option<C> {
    if node.is_null() {
        let text = "expected object value, got !!null";
        let hint = "the file says nothing: `{}` is a config in which everything is as if it were not given";
        reader.push(Lint::error(Rule::ExpectedObject, node.pos, text).on(node).hint(hint));
        return None;
    }
    C::read(node, reader)
}

fn lint_root(root: &Root, node: &Node, reader: &mut Reader<'_>) {
    lint_service(&root.http, node, reader);
}

fn lint_around(root: &AroundRoot, node: &Node, reader: &mut Reader<'_>) {
    lint_service(&root.http, node, reader);
}

fn lint_service(config: &HttpConfig, node: &Node, reader: &mut Reader<'_>) {
    if let Some(http) = value_at(node, "http")
        && config.enabled
        && !has_http(reader)
    {
        reader.warn(Rule::NotInWappa, http, "this build of Wappa has no HTTP service: `http` has no effect");
    }
}

/// The same root, and where it says nothing of metrics, that there are none: as in a build of Bento without Prometheus.
fn without_metrics(node: &Node) -> Node {
    let mut node = node.clone();
    if value_at(&node, "metrics").is_none()
        && let Kind::Map(pairs) = &mut node.kind
    {
        let pos = node.pos;
        let none = Node::new(pos, Kind::Map(vec![(Node::plain(pos, "none"), Node::empty_map(pos))]));
        pairs.retain(|(key, _)| key.as_key() != "metrics");
        pairs.push((Node::plain(pos, "metrics"), none));
    }
    node
}

/// Whether there is an HTTP service: it comes with the components that are served by it.
fn has_http(reader: &Reader<'_>) -> bool {
    reader.spec(ComponentKind::Input, "http_server").is_some()
}

/// A value that is there and not null.
fn value_at<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    node.get(key).filter(|it| !it.is_null())
}

fn lint_pipeline(pipeline: &PipelineConfig, node: &Node, reader: &mut Reader<'_>) {
    if let Some(value) = value_at(node, "threads")
        && usize::try_from(pipeline.threads).is_ok_and(|it| THREADS_MAX < it)
    {
        let message = format!("a pipeline has at most {THREADS_MAX} threads, not {}", pipeline.threads);
        let lint = Lint::error(Rule::InvalidValue, value.pos, message).on(value);
        reader
            .push(lint.hint("more threads than the machine has processors seldom help: leave the field out"));
    }
}

fn lint_logger(logger: &LoggerConfig, node: &Node, reader: &mut Reader<'_>) {
    if let Some(level) = value_at(node, "level")
        && !LOG_LEVELS.iter().any(|it| it.eq_ignore_ascii_case(&logger.level))
    {
        // Bento lets any text pass here, so it is no error.
        let message = format!("log level {} is not known, INFO is used", logger.level);
        let lint = Lint::warning(Rule::InvalidOption, level.pos, message).on(level);
        reader.push(lint.hint(format!("one of: {}", LOG_LEVELS.join(", "))));
    }
    if logger.log_all_errors
        && let Some(value) = value_at(node, "log_all_errors")
    {
        warn_no_effect("log_all_errors", value, reader);
    }
}

fn lint_log_file(file: &LogFileConfig, node: &Node, reader: &mut Reader<'_>) {
    if !file.path.is_empty() {
        reader.refuse_if_restricted("field file.path", node.get("path").unwrap_or(node));
    }
    if file.rotate
        && let Some(value) = value_at(node, "rotate")
    {
        warn_no_effect("rotate", value, reader);
    }
    if file.rotate_max_age_days != 0
        && let Some(value) = value_at(node, "rotate_max_age_days")
    {
        warn_no_effect("rotate_max_age_days", value, reader);
    }
}

fn warn_no_effect(field: &str, value: &Node, reader: &mut Reader<'_>) {
    reader.warn(Rule::NotInWappa, value, format!("Wappa does not have field {field} yet: it has no effect"));
}

fn lint_error_log(config: &ErrorLogConfig, node: &Node, reader: &mut Reader<'_>) {
    if !(0.0..=1.0).contains(&config.sampling_ratio)
        && let Some(value) = value_at(node, "sampling_ratio")
    {
        reader.error(Rule::Custom, value, "sampling_ratio must be from 0 to 1");
    }
}
