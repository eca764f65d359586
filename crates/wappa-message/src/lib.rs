//! Messages: what flows through a stream.
//!
//! A [`Message`] is content, metadata and an optional error mark.
//! Messages are values: cloning shares, writing copies first, so no holder ever sees another's edit.
//! This crate knows nothing of configs, components or threads.
//!
//! ```
//! use wappa_message::{Message, Value};
//!
//! let mut first = Message::new("hello");
//! let second = first.clone();
//! first.metadata_mut().set("topic", Value::text("greetings"));
//! assert_eq!(first.metadata().text("topic"), "greetings");
//! assert!(second.metadata().is_empty());
//! ```

mod content;
mod context;
mod json;
mod message;
mod metadata;
mod on_demand;
mod span;
mod value;

pub use crate::context::{Began, Context, Reply};
pub use crate::json::{JsonError, end_of_document};
pub use crate::message::{Mark, Message, ORIGIN_NONE, Source};
pub use crate::metadata::{Metadata, pair_bytes};
pub use crate::on_demand::{MetadataSource, OnDemand};
pub use crate::span::Span;
pub use crate::value::{Array, Binary, DEPTH_MAX, Measured, Number, Object, Own, Text, Time, TooDeep, Value};
