//! Evaluating a mapping on one message of a batch.
//!
//! What is evaluated shares with what it came from; only what an assignment changes is copied. Everything is bounded:
//! steps, what is made, maps that call each other, and the machine's own stack.

mod arithmetic;
mod assign;
mod budget;
mod charge;
mod context;
mod query;
mod slice;

use bytes::Bytes;
use wappa_message::{Binary, Measured, Message, Metadata, Value};

pub(crate) use arithmetic::operate;
pub(crate) use context::Context;

use crate::{
    error::{Error, MAP_DEPTH_MAX, Result},
    program::{Program, Statement, StatementKind},
    value::{Evaluated, types::Type},
};
pub use budget::Spent;
pub(crate) use budget::{Budget, Meter, steps_since, thread_nanos};

/// Evaluates a program for one message.
pub(crate) struct Machine<'a> {
    program: Option<&'a Program>,
    batch: &'a mut [Message],
    /// The message that is mapped.
    index: usize,
    document: Document,
    /// What the document takes, in bytes, where it was read for this evaluation alone and the message has it as bytes only;
    /// else 0.
    document_size: usize,
    /// The message becomes what is made of it, so that nobody needs its document any more.
    is_replaced: bool,
    /// What is made: of the message, or of the map that is called.
    root: Evaluated,
    /// The document is what is made, as long as nothing else took its place.
    is_in_place: bool,
    /// The metadata, once one was changed.
    metadata: Option<Metadata>,
    /// The variables of the statements, or of the map that is called.
    variables: Vec<Option<Evaluated>>,
    /// The tally of the innermost `fold`, where its query finds it here.
    lent: Option<Value>,
    map_depth: usize,
    depth: usize,
    budget: Budget,
    /// A mapping is executed on a value, and there is no message.
    is_inner: bool,
}

/// The document of the message, read when somebody asks.
enum Document {
    Unread,
    Read(Evaluated),
    /// There is none, for this reason.
    None(String),
}

/// What a mapping made of a message.
#[derive(Debug)]
pub struct Mapped {
    content: Content,
    metadata: Option<Metadata>,
    spent: Spent,
    /// What the document takes that it was made of, in bytes, where the message has it as bytes only.
    document_size: usize,
}

#[derive(Debug)]
enum Content {
    Unchanged,
    Deleted,
    Bytes(Bytes),
    Value(Value),
}

impl Mapped {
    /// Whether the message is filtered.
    pub fn is_deleted(&self) -> bool {
        matches!(self.content, Content::Deleted)
    }

    /// Whether the mapping assigned nothing to the root, so that the content stays.
    pub fn keeps_content(&self) -> bool {
        matches!(self.content, Content::Unchanged)
    }

    /// The metadata of the message, were it mapped, where the mapping assigned any.
    pub fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_ref()
    }

    /// The document of the message, were it mapped; none where it is filtered.
    pub(crate) fn into_value(
        self,
        message: Option<&mut Message>,
    ) -> std::result::Result<Option<Value>, Failure> {
        let read = |message: &mut Message| match message.content().is_empty() {
            true => Err(Failure::new(NO_MESSAGE.to_string())),
            false => message.value().cloned().map(Some).map_err(|err| Failure::new(err.to_string())),
        };
        match self.content {
            Content::Deleted => Ok(None),
            Content::Value(value) => Ok(Some(value)),
            Content::Bytes(bytes) => read(&mut Message::new(bytes)),
            Content::Unchanged => read(message.unwrap_or(&mut Message::new(""))),
        }
    }

    /// What making it took.
    pub fn spent(&self) -> Spent {
        self.spent
    }

    /// By how many bytes the message would be larger, as [`Message::size`] counts. Metadata that others share stay theirs,
    /// and the message has all of its own.
    pub fn growth(&self, message: &Message) -> usize {
        let before = message.content_size().max(self.document_size);
        let content = match &self.content {
            Content::Unchanged | Content::Deleted => 0,
            Content::Bytes(bytes) => bytes.len().saturating_sub(before),
            Content::Value(value) => taken_by(value).saturating_sub(before),
        };
        let before = if message.metadata().is_shared() { 0 } else { message.metadata().size() };
        let metadata = self.metadata.as_ref().map_or(0, |it| it.size().saturating_sub(before));
        content.saturating_add(metadata)
    }

    /// Makes the message what the mapping made of it, and says whether it stays.
    pub fn apply(self, message: &mut Message) -> bool {
        if let Some(metadata) = self.metadata {
            *message.metadata_mut() = metadata;
        }
        match self.content {
            Content::Unchanged => true,
            Content::Deleted => false,
            Content::Bytes(bytes) => {
                message.set_content(bytes);
                true
            }
            Content::Value(value) => {
                message.set_value(value);
                true
            }
        }
    }
}

/// What a value takes, or will take as text, whichever is more.
fn taken_by(value: &Value) -> usize {
    let size = value.size();
    if size < MEASURED_BYTES_MIN {
        return size;
    }
    let Measured { held, text } = value.measured();
    size.min(held.max(text))
}

/// What seems to be as large as this is measured: much of it may be the same in many places, as the document of which all
/// parts that were made of it are ranges.
const MEASURED_BYTES_MIN: usize = 16 << 20;

/// Why a mapping failed on a message: one line, in Bento's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(String);

/// The longest failure, in bytes: what it quotes may be as long as a message.
const FAILURE_BYTES_MAX: usize = 4096;

impl Failure {
    pub(crate) fn new(mut text: String) -> Failure {
        if FAILURE_BYTES_MAX < text.len() {
            text.truncate(text.floor_char_boundary(FAILURE_BYTES_MAX));
            text.push('…');
            text.shrink_to_fit();
        }
        Failure(text)
    }

    /// What is no boolean, where one was asked for.
    #[cold]
    pub(crate) fn no_truth(value: &Value) -> Failure {
        let err = Error::of_type(value, &[Type::Bool]).of_query(|| "mapping".to_string());
        Failure::new(err.to_string())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl<'a> Machine<'a> {
    pub(crate) fn new(program: Option<&'a Program>, batch: &'a mut [Message], index: usize) -> Machine<'a> {
        Machine {
            program,
            batch,
            index,
            document: Document::Unread,
            document_size: 0,
            is_replaced: false,
            root: Evaluated::Nothing,
            is_in_place: false,
            metadata: None,
            variables: Vec::new(),
            lent: None,
            map_depth: 0,
            depth: 0,
            budget: Budget::default(),
            is_inner: false,
        }
    }

    /// Executes another mapping on a value, at the expense of this one, and gives what it makes.
    pub(crate) fn run_inner(&mut self, program: &Program, value: Evaluated) -> Result<Evaluated> {
        if MAP_DEPTH_MAX <= self.map_depth {
            return Err(Error::stacks("a mapping"));
        }
        let mut inner = Machine::new(Some(program), &mut [], 0);
        inner.document = Document::Read(value);
        inner.is_inner = true;
        (inner.map_depth, inner.depth) = (self.map_depth + 1, self.depth);
        inner.budget = std::mem::take(&mut self.budget);
        inner.variables.resize(program.n_variables, None);
        let ctx = inner.context();
        let result = program.statements.iter().try_for_each(|it| inner.statement(it, ctx, false));
        self.budget = inner.budget;
        result.map(|()| inner.root)
    }

    /// What is made begins as this message.
    pub(crate) fn onto(mut self, message: &mut Message) -> Machine<'a> {
        self.metadata = Some(message.metadata().clone());
        if !message.content().is_empty()
            && let Ok(value) = message.value()
        {
            self.root = Evaluated::Value(value.clone());
        }
        self
    }

    /// The message becomes what is made of it.
    pub(crate) fn replacing(mut self) -> Machine<'a> {
        self.is_replaced = true;
        self
    }

    /// The document is the content itself.
    pub(crate) fn raw(mut self) -> Machine<'a> {
        if let Some(message) = self.batch.get(self.index) {
            let content = Value::Bytes(Binary::from(message.content().clone()));
            self.document = Document::Read(Evaluated::Value(content));
        }
        self
    }

    /// The context of a query by itself.
    pub(crate) fn context(&self) -> Context<'static> {
        Context::new(self.index as i64)
    }

    /// Runs all statements; in place: the document is what is made.
    pub(crate) fn run(mut self, is_in_place: bool) -> std::result::Result<Mapped, Failure> {
        let Some(program) = self.program else { return Err(Failure::new("there is no mapping".to_string())) };
        if 0 < program.n_variables {
            self.variables.resize(program.n_variables, None);
        }
        if is_in_place && self.read_document() {
            self.is_in_place = true;
            if let Document::Read(document) = &mut self.document {
                self.root = std::mem::replace(document, Evaluated::Nothing);
            }
            // What is changed in place is no longer what the message has.
            self.is_replaced = false;
        }
        let ctx = self.context();
        for statement in &program.statements {
            if let Err(err) = self.statement(statement, ctx, true) {
                self.give_back();
                let no_document = match &self.document {
                    Document::None(why) => Some(why.as_str()),
                    _ => None,
                };
                return Err(Failure::new(err.in_mapping(statement.line, no_document).to_string()));
            }
        }
        if matches!(self.root, Evaluated::Nothing) {
            self.give_back();
        }
        let content = match self.root {
            Evaluated::Nothing => Content::Unchanged,
            Evaluated::Deleted => Content::Deleted,
            Evaluated::Value(Value::Text(text)) => Content::Bytes(text.to_bytes()),
            Evaluated::Value(Value::Bytes(bytes)) => Content::Bytes(bytes.to_bytes()),
            Evaluated::Value(value) => Content::Value(value),
        };
        let (metadata, spent) = (self.metadata, self.budget.spent());
        Ok(Mapped { content, metadata, spent, document_size: self.document_size })
    }

    fn statement(&mut self, statement: &Statement, ctx: Context<'_>, has_metadata: bool) -> Result<()> {
        match &statement.kind {
            StatementKind::Assign(target, query) => match self.evaluate(query, ctx)? {
                Evaluated::Nothing => Ok(()),
                value => self.assign(target, value, has_metadata, query.is_of_document()),
            },
            StatementKind::If(branches) => {
                for (idx, (condition, statements)) in branches.iter().enumerate() {
                    if let Some(condition) = condition {
                        let value = self
                            .evaluate(condition, ctx)
                            .map_err(|err| err.within(format!("failed to check if condition {}", idx + 1)))?;
                        match value {
                            Evaluated::Value(Value::Bool(true)) => (),
                            Evaluated::Value(Value::Bool(false)) => continue,
                            other => return Err(query::not_a_truth(condition, &other)),
                        }
                    }
                    for statement in statements {
                        self.statement(statement, ctx, has_metadata)?;
                    }
                    return Ok(());
                }
                Ok(())
            }
        }
    }

    /// Reads the document of the message, and says whether there is one.
    fn read_document(&mut self) -> bool {
        if let Document::Unread = self.document {
            self.document = match self.batch.get_mut(self.index).map(|it| document_of(it, self.is_replaced)) {
                Some(Ok((value, size))) => {
                    self.document_size = size;
                    Document::Read(Evaluated::Value(value))
                }
                Some(Err(why)) => Document::None(why),
                None => Document::None(EMPTY.to_string()),
            };
        }
        matches!(self.document, Document::Read(_))
    }

    /// Whether the message does not have the document that was read.
    fn is_apart(&self) -> bool {
        self.is_replaced && 0 < self.document_size
    }

    /// The message keeps the document that was read for this evaluation, since it stays what it is.
    fn give_back(&mut self) {
        if self.is_apart()
            && let Document::Read(Evaluated::Value(value)) = &self.document
            && let Some(message) = self.batch.get_mut(self.index)
        {
            message.keep(value.clone());
        }
    }

    /// The document for who looks at it last.
    fn take_document(&mut self) -> Option<Evaluated> {
        if !self.read_document() {
            return None;
        }
        match std::mem::replace(&mut self.document, Document::Unread) {
            Document::Read(document) => Some(document),
            _ => None,
        }
    }

    /// The context of queries outside of all methods: the document, if there is one.
    fn document(&mut self) -> Option<&Evaluated> {
        if self.is_in_place {
            return Some(&self.root);
        }
        if !self.read_document() {
            return None;
        }
        match &self.document {
            Document::Read(document) => Some(document),
            _ => None,
        }
    }

    /// The messages of the batch.
    pub(crate) fn n_messages(&self) -> usize {
        self.batch.len()
    }

    /// The message that functions look at, if there is one: places behind the last count from the end.
    pub(crate) fn message(&mut self, ctx: Context<'_>) -> Option<&mut Message> {
        let len = self.batch.len() as i64;
        let index = if ctx.index < 0 { ctx.index.checked_add(len)? } else { ctx.index };
        self.batch.get_mut(usize::try_from(index).ok()?)
    }

    /// The document of the message that functions look at.
    pub(crate) fn json(&mut self, ctx: Context<'_>) -> Result<Value> {
        if self.is_in_place && ctx.index == self.index as i64 {
            return Ok(self.root.clone().into_value());
        }
        if self.is_apart()
            && ctx.index == self.index as i64
            && let Document::Read(Evaluated::Value(document)) = &self.document
        {
            return Ok(document.clone());
        }
        let message = self.message(ctx).ok_or_else(|| Error::new(NO_MESSAGE))?;
        if message.content().is_empty() {
            return Err(Error::new(NO_MESSAGE));
        }
        message.value().cloned().map_err(|err| Error::new(err.to_string()))
    }

    /// The metadata that are being made.
    pub(crate) fn metadata(&self) -> &Metadata {
        match &self.metadata {
            Some(metadata) => metadata,
            None => self.own_metadata(),
        }
    }

    /// The same, to be changed.
    fn metadata_mut(&mut self) -> &mut Metadata {
        if self.metadata.is_none() {
            self.metadata = Some(self.own_metadata().clone());
        }
        self.metadata.as_mut().expect("it was just made")
    }

    /// The metadata that the message has; none where a mapping is evaluated for a message that is yet to be made.
    fn own_metadata(&self) -> &Metadata {
        static NONE: Metadata = Metadata::EMPTY;
        self.batch.get(self.index).map_or(&NONE, Message::metadata)
    }

    /// Lends a value, or takes back what was lent; gives what was there.
    pub(crate) fn lend(&mut self, value: Option<Value>) -> Option<Value> {
        std::mem::replace(&mut self.lent, value)
    }

    pub(crate) fn budget(&mut self) -> &mut Budget {
        &mut self.budget
    }
}

/// Why there is nothing to look at where there is no message, or one without content; Bento's text.
pub const NO_MESSAGE: &str = "target message part does not exist";

/// Why there is no document where there is no content.
const EMPTY: &str = "message is empty";

/// The document of a message; and what it takes, in bytes, where the message has it as bytes only, since it `is_replaced`.
fn document_of(message: &mut Message, is_replaced: bool) -> std::result::Result<(Value, usize), String> {
    if message.content().is_empty() {
        return Err(EMPTY.to_string());
    }
    let apart = if is_replaced { message.read() } else { None };
    let read = apart.unwrap_or_else(|| message.value().cloned().map(|it| (it, 0)));
    read.map_err(|err| format!("parse as json: {err}"))
}
