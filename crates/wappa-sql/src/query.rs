//! A statement as a config gives it, with the arguments of each message.

use std::sync::Arc;

use wappa_bloblang::{Environment, Interpolated};
use wappa_component::{BuildError, Context};
use wappa_message::{Message, Value};
use wappa_spec::{Mapping, Node, Reader};

use crate::args::Args;

/// What is to be asked for one message.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) sql: Arc<str>,
    pub(crate) args: Vec<Value>,
}

/// A statement, and what gives its arguments.
pub(crate) struct Query {
    sql: Arc<str>,
    /// The same, where it is another one for each message.
    dynamic: Option<Interpolated>,
    args: Option<Args>,
}

impl Query {
    pub(crate) fn new(sql: Arc<str>, args: Option<Mapping>, ctx: &mut Context<'_>) -> Query {
        Query { sql, dynamic: None, args: args.map(|it| Args::new(it, ctx)) }
    }

    /// A statement whose text may hold queries.
    pub(crate) fn dynamic(
        sql: &str,
        args: Option<Mapping>,
        ctx: &mut Context<'_>,
    ) -> Result<Query, BuildError> {
        let environment =
            if ctx.registry().is_restricted() { Environment::restricted() } else { Environment::default() };
        let dynamic =
            Interpolated::parse(sql, &environment).map_err(|err| BuildError::new(err.to_string()))?;
        Ok(Query { dynamic: Some(dynamic), ..Query::new(sql.into(), args, ctx) })
    }

    /// Reports what is wrong with the queries in a statement.
    pub(crate) fn lint_dynamic(node: &Node, reader: &mut Reader<'_>) {
        if let Some(query) = node.get("query") {
            <Interpolated as wappa_spec::Value>::read(query, reader);
        }
    }

    /// What is to be asked for the message at this place of a batch; the error is the text of its mark.
    pub(crate) fn of(&self, batch: &mut [Message], place: usize) -> Result<Asked, String> {
        let args = match &self.args {
            Some(args) => args.of(batch, place)?,
            None => Vec::new(),
        };
        let sql = match &self.dynamic {
            Some(dynamic) => {
                let text = dynamic.evaluate_text(batch, place);
                text.map_err(|err| format!("query interpolation error: {err}"))?.into()
            }
            None => Arc::clone(&self.sql),
        };
        Ok(Asked { sql, args })
    }

    /// The same on a thread of the runtime.
    pub(crate) fn on_runtime<T>(&self, evaluate: impl FnOnce(&Query) -> T) -> T {
        match &self.args {
            Some(args) => args.on_runtime(|_| evaluate(self)),
            None => evaluate(self),
        }
    }
}
