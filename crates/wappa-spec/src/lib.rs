//! Config.
extern crate self as wappa_spec;

pub mod bento;
pub mod builtin;
mod component;
pub mod docs;
mod duration;
pub mod env;
mod interpolation;
mod lint;
mod reader;
mod root;
mod set;
mod size;
mod source;
mod spec;
mod suggest;
mod value;
pub mod yaml;

pub use component::{ComponentNode, is_label};
pub use duration::parse_duration;
pub use interpolation::{Interpolated, NotUnderstood, Segment};
pub use lint::{Level, Lint, Rule};
pub use reader::{Deprecated, Fields, LintOptions, Options, Reader};
pub use root::{LogFileConfig, LoggerConfig, PipelineConfig, Resources, StreamConfig};
pub use size::Size;
pub use source::{Linted, Source};
pub use spec::{ComponentKind, Config, Field, Registry, Spec, Status, Type, Value};
pub use value::{Map, Mapping, SCRUBBED, Secret};
pub use wappa_spec_macros::Config;
pub use yaml::{Node, Pos};
