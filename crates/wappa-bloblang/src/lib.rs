//! Bloblang: the language of mappings.
//!
//! A [`Program`] is read once, checked, and evaluated for each message of a batch. It says of a message what becomes of
//! its content and its metadata, or why it failed; it changes nothing itself.
//!
//! Meaning, texts of errors and their places are Bento's, observed by running it. Whatever a mapping or a document says,
//! reading and evaluating it ends, with bounds on time, memory and depth.
//!
//! ```
//! use wappa_bloblang::{Environment, Program};
//! use wappa_message::Message;
//!
//! let program = Program::parse("root.name = this.user.name.uppercase()", &Environment::default())?;
//! let mut batch = [Message::new(r#"{"user":{"name":"ada"}}"#)];
//! let mapped = program.map(&mut batch, 0)?;
//! assert!(mapped.apply(&mut batch[0]));
//! assert_eq!(batch[0].content(), r#"{"name":"ADA"}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod environment;
mod error;
mod evaluate;
mod formats;
mod functions;
mod interpolated;
mod json_path;
mod lending;
mod methods;
mod of_metadata;
mod parse;
mod program;
mod registry;
mod schema;
mod targets;
#[cfg(test)]
mod tests;
mod time;
mod value;
mod watch;

use wappa_message::{Message, Value};

pub use crate::{
    environment::Environment,
    evaluate::{Failure, Mapped, NO_MESSAGE, Spent},
    formats::{
        compression::Algorithm,
        csv,
        csv::Reader as CsvReader,
        msgpack::{read as read_msgpack, write as write_msgpack},
        xml::{read_begun_xml, read_xml},
    },
    interpolated::Interpolated,
    parse::ParseError,
    program::{Kept, Program},
    registry::{Category, Constant, Example, Function, Method, Param, Params, Status, functions, methods},
    schema::Schema,
    targets::Place,
    value::{regexp::go_regex, types::Type},
    watch::{CacheCall, Watch, take_interrupted, watch, watched},
};
use evaluate::Machine;

impl Program {
    /// Evaluates the mapping for the message at this place of a batch. The messages stay what they are; that one of them
    /// is read as a document is no change.
    pub fn map(&self, batch: &mut [Message], index: usize) -> Result<Mapped, Failure> {
        Machine::new(Some(self), batch, index).run(false)
    }

    /// The same, for a message that becomes what is made of it: it keeps no document beside its bytes, unless the content
    /// stays or the mapping fails.
    pub fn map_over(&self, batch: &mut [Message], index: usize) -> Result<Mapped, Failure> {
        Machine::new(Some(self), batch, index).replacing().run(false)
    }

    /// The same, where the document is what the mapping begins with and changes.
    pub fn mutate(&self, batch: &mut [Message], index: usize) -> Result<Mapped, Failure> {
        Machine::new(Some(self), batch, index).replacing().run(true)
    }

    /// The same, where what the mapping begins with and changes is another message, content and metadata: `this`, and what
    /// functions look at, is the message of the batch. So a `branch` puts a result into the message it came from.
    pub fn map_onto(
        &self,
        batch: &mut [Message],
        index: usize,
        onto: &mut Message,
    ) -> Result<Mapped, Failure> {
        Machine::new(Some(self), batch, index).onto(onto).run(false)
    }

    /// The same as [`Program::map`], where `this` is the content as it is, as bytes, and no document.
    pub fn map_raw(&self, batch: &mut [Message], index: usize) -> Result<Mapped, Failure> {
        Machine::new(Some(self), batch, index).raw().run(false)
    }

    /// Whether the mapping is true of the message: what a `check` asks. Anything else than a boolean is a failure.
    pub fn test(&self, batch: &mut [Message], index: usize) -> Result<bool, Failure> {
        match self.value(batch, index)? {
            Some(Value::Bool(it)) => Ok(it),
            Some(other) => Err(Failure::no_truth(&other)),
            None => {
                let text = "query mapping resulted in deleted message, expected a boolean value";
                Err(Failure::new(text.to_string()))
            }
        }
    }

    /// The document that the mapping makes of the message; none where it deletes it. A mapping that assigns nothing to the
    /// root gives the message's own document, and one that makes a text what is written in it.
    pub fn value(&self, batch: &mut [Message], index: usize) -> Result<Option<Value>, Failure> {
        let mapped = self.map(batch, index)?;
        mapped.into_value(batch.get_mut(index))
    }

    /// What queries reach that is kept from message to message, each once.
    pub fn kept(&self) -> &[Kept] {
        &self.kept
    }

    /// Whether the mapping looks at other messages of the batch than the one it is evaluated for, so that they must be
    /// as they came.
    pub fn reads_batch(&self) -> bool {
        self.reads_batch
    }

    /// Whether the mapping leaves the content as it is, and what it makes of the metadata depends on these alone: messages
    /// with the same metadata get the same.
    pub fn is_of_metadata(&self) -> bool {
        self.is_of_metadata
    }
}
