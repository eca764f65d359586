//! The config half of Wappa: what a config may say, what it does say, and what is wrong with it.
//!
//! A component is described once, by a struct with doc comments. From that description come parsing, defaults, lints
//! with line and column, the `list` command and the reference pages. The dialect is Bento's; where tools match Bento's
//! texts, the texts are Bento's.
//!
//! Everything here is a pure function of its arguments and gives an answer for any text at all: no I/O, no panic, no
//! unbounded recursion or copying. Problems are [`Lint`]s, all of them, in file order; which of them are fatal is for
//! the caller to decide. The way of a file is [`Source::read`] (environment, YAML), [`Source::set`] (overrides) and
//! [`Source::stream`] (a typed [`StreamConfig`], and lints). The way of a component is [`Config::from_body`].
//!
//! ```
//! use wappa_spec::{ComponentKind, Config, LintOptions, Size, Source, Spec};
//!
//! /// Cuts the contents of a message down to a maximum size.
//! #[derive(Config)]
//! struct Truncate {
//!     /// The largest size that passes unchanged.
//!     max_bytes: Size,
//!     /// What to put at the end of a message that was cut.
//!     #[config(default = "...", advanced)]
//!     ellipsis: String,
//! }
//!
//! const TRUNCATE: Spec = Spec::new::<Truncate>(ComponentKind::Processor, "truncate").categories(&["Utility"]);
//! # /// Reads.
//! # #[derive(Config)]
//! # struct Stdin;
//! # const STDIN: Spec = Spec::new::<Stdin>(ComponentKind::Input, "stdin");
//! # /// Writes.
//! # #[derive(Config)]
//! # struct Stdout;
//! # const STDOUT: Spec = Spec::new::<Stdout>(ComponentKind::Output, "stdout");
//! # /// Sends nothing.
//! # #[derive(Config)]
//! # struct NoMetrics;
//! # const NO_METRICS: Spec = Spec::new::<NoMetrics>(ComponentKind::Metrics, "none");
//!
//! let registry = vec![&TRUNCATE, &STDIN, &STDOUT, &NO_METRICS];
//! let text = "pipeline:\n  processors:\n    - truncate: {max_byte: 4}\n";
//! let source = Source::read(text.as_bytes(), |_| None).expect("it is YAML");
//! let lints = source.stream(&registry, LintOptions::default()).lints;
//! let lines: Vec<String> = lints.iter().map(|it| it.line("a.yaml")).collect();
//! assert_eq!(lines, ["a.yaml(3,1) field max_byte not recognised"]);
//! assert_eq!(lints[0].hint.as_deref(), Some("did you mean `max_bytes`?"));
//!
//! let body = wappa_spec::yaml::parse("max_bytes: 4KiB").expect("it is YAML").node;
//! let config = Truncate::from_body(&body, &registry).expect("it is sound");
//! assert_eq!((config.max_bytes.bytes(), config.ellipsis.as_str()), (4096, "..."));
//! ```

// The derive writes paths that begin with the crate's name; it is used inside the crate as well.
extern crate self as wappa_spec;

pub mod bento;
pub mod builtin;
mod component;
mod config_test;
mod defaults;
pub mod docs;
mod duration;
pub mod env;
pub mod http;
mod labels;
mod lint;
mod mapping;
mod object;
mod pointer;
mod printable;
mod reader;
mod root;
mod scrub;
mod set;
mod size;
mod source;
mod spec;
mod suggest;
mod unquoted;
mod value;
pub mod yaml;

pub use component::{ComponentNode, is_label};
pub use config_test::{TestConfig, TestInputConfig, TestOutputConfig};
pub use defaults::with_defaults;
pub use duration::{duration_hint, parse_duration};
pub use http::{BasicAuthConfig, CorsConfig, HttpConfig};
pub use labels::Labels;
pub use lint::{Level, Lint, Rule};
pub use mapping::{Mapping, imported_files, mapping_hint};
pub use object::{Object, read_linted, read_object};
pub use pointer::{Pointer, labelled, mock};
pub use printable::{is_printable, printable, printable_json, printable_lines, printable_path};
pub use reader::{Deprecated, Fields, LintOptions, Options, Reader};
pub use root::{
    ErrorHandlingConfig, ErrorLogConfig, LOG_LEVELS, LogFileConfig, LoggerConfig, PipelineConfig, Resources,
    StreamConfig, StreamPart, THREADS_MAX,
};
pub use scrub::{hides, scrub, without_credentials};
pub use size::Size;
pub use source::{Linted, Source};
pub use spec::{ComponentKind, Config, Field, Registry, Restricted, Spec, Status, Type, Value};
pub use suggest::nearest;
pub use value::{Map, SCRUBBED, Secret};
pub use wappa_bloblang::{CacheCall, Interpolated, Kept, Watch, take_interrupted, watch, watched};
pub use wappa_spec_macros::Config;
pub use yaml::{Node, Pos};
