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
mod methods;
mod parse;
mod program;
mod registry;
mod schema;
#[cfg(test)]
mod tests;
mod time;
mod value;

use wappa_message::Message;

pub use crate::{
    environment::Environment,
    evaluate::{Failure, Mapped},
    parse::ParseError,
    program::Program,
    registry::{Category, Constant, Example, Function, Method, Param, Params, Status, functions, methods},
    value::types::Type,
};
use evaluate::Machine;

impl Program {
    /// Evaluates the mapping for the message at this place of a batch. The messages stay what they are; that one of them
    /// is read as a document is no change.
    pub fn map(&self, batch: &mut [Message], index: usize) -> Result<Mapped, Failure> {
        Machine::new(Some(self), batch, index).run(false)
    }

    /// The same, where the document is what the mapping begins with and changes.
    pub fn mutate(&self, batch: &mut [Message], index: usize) -> Result<Mapped, Failure> {
        Machine::new(Some(self), batch, index).run(true)
    }

    /// Whether the mapping looks at other messages of the batch than the one it is evaluated for, so that they must be
    /// as they came.
    pub fn reads_batch(&self) -> bool {
        self.reads_batch
    }
}
