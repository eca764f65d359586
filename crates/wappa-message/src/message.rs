//! One message, and the mark that says it failed.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use crate::{Context, JsonError, Metadata, Value, content::Content};

/// The origin of a message that descends from no single input message: it stands for its whole batch.
pub const ORIGIN_NONE: u32 = u32::MAX;

/// One message. Cloning is cheap: content, metadata and mark are shared until one side writes.
///
/// The content is bytes or a structure. Whoever asks for the other form has it made, at most once for all copies that
/// share it; whoever sets one drops the other.
#[derive(Clone, Debug)]
pub struct Message {
    content: Content,
    metadata: Metadata,
    /// One pointer for all that most messages do not have.
    seldom: Option<Arc<Seldom>>,
    origin: u32,
}

/// What few messages have.
#[derive(Clone, Debug, Default)]
struct Seldom {
    error: Option<Mark>,
    context: Option<Arc<Context>>,
}

impl Message {
    /// A message without metadata and without an error mark, with [`ORIGIN_NONE`]: whoever makes one of another
    /// message says so with [`Message::set_origin`].
    pub fn new(content: impl Into<Bytes>) -> Message {
        Message::of_input(content.into(), Metadata::default(), ORIGIN_NONE)
    }

    /// A message that shares `metadata` with others; the origin is its index among the messages of its parcel.
    pub fn of_input(content: Bytes, metadata: Metadata, origin: u32) -> Message {
        Message { content: Content::Bytes(content), metadata, seldom: None, origin }
    }

    /// The content as bytes. A structure is printed as JSON by the first who asks.
    #[inline]
    pub fn content(&self) -> &Bytes {
        self.content.bytes()
    }

    /// Keeps nothing alive but itself any more, for whoever keeps a message for long: its content and its metadata may be
    /// small pieces of what was read together.
    pub fn detach(&mut self) {
        let copy = Bytes::copy_from_slice(self.content());
        self.set_content(copy);
        self.metadata.detach();
    }

    /// Replaces the content.
    #[inline]
    pub fn set_content(&mut self, content: Bytes) {
        self.content = Content::Bytes(content);
    }

    /// The content as a value. Bytes are read as one document of JSON by the first who asks, and kept: they stay the
    /// content as bytes, white space included, until somebody changes the value.
    pub fn value(&mut self) -> Result<&Value, JsonError> {
        self.content.value()
    }

    /// The value of content that is bytes only, for who is about to replace it: the content stays bytes. Also what
    /// [`Message::content_size`] would be if they had become the structure, in bytes. Nothing where the content is a
    /// structure.
    pub fn read(&self) -> Option<Result<(Value, usize), JsonError>> {
        self.content.read()
    }

    /// Has bytes become the structure that [`Message::read`] gave, as [`Message::value`] does.
    pub fn keep(&mut self, value: Value) {
        self.content.keep(value);
    }

    /// The content as a value that may be changed. Nothing is copied before something is written.
    pub fn value_mut(&mut self) -> Result<&mut Value, JsonError> {
        self.content.value_mut()
    }

    /// Replaces the content by a structure.
    pub fn set_value(&mut self, value: Value) {
        self.content = Content::of_value(value);
    }

    /// The content as bytes where it is there as bytes, else the value that [`Message::content`] would print.
    #[inline]
    pub fn printed(&self) -> Result<&Bytes, &Value> {
        self.content.printed()
    }

    /// Writes the content as bytes behind what is in `out`: a structure that nobody else holds and nobody has printed so
    /// far is printed there only.
    pub fn write_content(&self, out: &mut Vec<u8>) {
        self.content.write(out);
    }

    /// The metadata.
    #[inline]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The metadata, to be changed. Nothing is copied before something is written.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.metadata
    }

    /// Why a processor failed on this message, if one did.
    pub fn error(&self) -> Option<&Mark> {
        self.seldom.as_ref()?.error.as_ref()
    }

    /// Marks the message as failed. A later mark replaces an earlier one.
    pub fn set_error(&mut self, mark: Mark) {
        self.seldom().error = Some(mark);
    }

    /// Removes the mark and returns it.
    pub fn clear_error(&mut self) -> Option<Mark> {
        self.error()?;
        let mark = self.seldom().error.take();
        self.seldom = self.seldom.take().filter(|it| it.context.is_some());
        mark
    }

    /// What belongs to the message on its way, if anything does.
    pub fn context(&self) -> Option<&Arc<Context>> {
        self.seldom.as_ref()?.context.as_ref()
    }

    /// Says what belongs to the message on its way.
    pub fn set_context(&mut self, context: Arc<Context>) {
        self.seldom().context = Some(context);
    }

    /// The message goes another way than the one that its context belongs to: a reply, say, is none of the request's.
    pub fn clear_context(&mut self) {
        if self.context().is_some() {
            self.seldom().context = None;
            self.seldom = self.seldom.take().filter(|it| it.error.is_some());
        }
    }

    fn seldom(&mut self) -> &mut Seldom {
        Arc::make_mut(self.seldom.get_or_insert_default())
    }

    /// The index, within its parcel, of the input message that this one descends from; or [`ORIGIN_NONE`].
    pub fn origin(&self) -> u32 {
        self.origin
    }

    /// Says which input message this one descends from.
    pub fn set_origin(&mut self, origin: u32) {
        self.origin = origin;
    }

    /// Content and metadata together, in bytes: what the message makes its holder keep. Texts of the metadata, and all of
    /// a structure, count with what is allocated for them.
    #[inline]
    pub fn size(&self) -> usize {
        self.content.size() + self.metadata.size()
    }

    /// The content's part of [`Message::size`]: the length of bytes, and of a structure what is allocated for it in
    /// either form.
    #[inline]
    pub fn content_size(&self) -> usize {
        self.content.size()
    }
}

/// Equal are messages with the same content as bytes, metadata, mark and origin.
impl PartialEq for Message {
    fn eq(&self, other: &Message) -> bool {
        self.content() == other.content()
            && self.metadata == other.metadata
            && self.error() == other.error()
            && self.origin == other.origin
    }
}

impl Default for Message {
    fn default() -> Message {
        Message::new(Bytes::new())
    }
}

/// The text of a failure, one line. Cloning shares it.
///
/// Equal are marks that say the same, whoever made them.
#[derive(Clone, Debug)]
pub struct Mark(Arc<MarkText>);

#[derive(Clone, Debug)]
struct MarkText {
    text: Box<str>,
    kind: Kind,
    source: Option<Arc<Source>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Passing,
    Final,
    Unwanted,
}

/// The component that failed on a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its label, empty where it has none.
    pub label: Box<str>,
    /// Which component it is.
    pub name: Box<str>,
    /// Where it is in the config, such as `pipeline.processors.0`.
    pub path: Box<str>,
}

impl Mark {
    /// A mark with this text.
    pub fn new(text: impl Into<Box<str>>) -> Mark {
        Mark::of_kind(text, Kind::Passing)
    }

    /// One for a message that can never arrive, however often it is delivered again.
    pub fn of_hopeless(text: impl Into<Box<str>>) -> Mark {
        Mark::of_kind(text, Kind::Final)
    }

    /// One for a message that was read and that nobody wants any more: it has not arrived, and has not failed.
    pub fn of_unwanted() -> Mark {
        Mark::of_kind("not wanted any more", Kind::Unwanted)
    }

    fn of_kind(text: impl Into<Box<str>>, kind: Kind) -> Mark {
        Mark(Arc::new(MarkText { text: text.into(), kind, source: None }))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Whether it is the other one, or a copy of it, and not only another one with the same text.
    pub fn is_same_as(&self, other: &Mark) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether delivering the message again is of no use.
    pub fn is_final(&self) -> bool {
        self.0.kind != Kind::Passing
    }

    /// Whether nobody wanted the message, so that it counts as one that was never read.
    pub fn is_unwanted(&self) -> bool {
        self.0.kind == Kind::Unwanted
    }

    /// The same mark, made by this component.
    pub fn from_source(mut self, source: &Arc<Source>) -> Mark {
        Arc::make_mut(&mut self.0).source = Some(Arc::clone(source));
        self
    }

    /// Who made it, where that is known.
    pub fn source(&self) -> Option<&Source> {
        self.0.source.as_deref()
    }
}

impl PartialEq for Mark {
    fn eq(&self, other: &Mark) -> bool {
        (self.as_str(), self.0.kind) == (other.as_str(), other.0.kind)
    }
}

impl Eq for Mark {}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Reply, Span};

    #[test]
    fn a_clone_does_not_see_edits() {
        let mut one = Message::new("a");
        one.metadata_mut().set("k", Value::text("1"));
        let two = one.clone();
        one.metadata_mut().set("k", Value::text("2"));
        one.set_content(Bytes::from("b"));
        one.set_error(Mark::new("late"));
        assert_eq!((two.content().as_ref(), two.metadata().text("k").as_ref()), (&b"a"[..], &b"1"[..]));
        assert!(two.error().is_none());
        assert_eq!(one.clear_error().map(|it| it.to_string()).as_deref(), Some("late"));
    }

    /// Where the bytes of a content are.
    fn place(message: &Message) -> *const u8 {
        message.content().as_ptr()
    }

    #[test]
    fn each_form_is_made_once_for_all_who_share_it() {
        let mut one = Message::new(r#" {"b": 1,"a":2} "#);
        let before = place(&one);
        assert_eq!(one.value().map(|it| it.to_json()), Ok(r#"{"a":2,"b":1}"#.to_string()));
        assert_eq!(place(&one), before, "what was only read keeps its bytes");
        one.value_mut().expect("it is JSON").clone_from(&Value::array([Value::Int(1)]).expect("flat"));
        let mut two = one.clone();
        assert_eq!((one.content().as_ref(), place(&one)), (&b"[1]"[..], place(&two)));
        two.set_value(Value::Null);
        assert_eq!((one.content().as_ref(), two.content().as_ref()), (&b"[1]"[..], &b"null"[..]));
        two.set_content(Bytes::from("no JSON"));
        let err = two.value().map(drop).expect_err("that is no JSON");
        assert_eq!(err.to_string(), "invalid character 'o' in literal null (expecting 'u')");
        assert_eq!(two.content(), "no JSON");
    }

    #[test]
    fn nobody_else_sees_a_change_of_a_value() {
        let mut one = Message::new(r#"{"a":{"b":1},"c":"x"}"#);
        one.value().expect("it is JSON");
        let two = one.clone();
        let Ok(Value::Object(object)) = one.value_mut() else { panic!("an object") };
        object.insert("d", Value::Bool(true)).expect("flat");
        let inner = object.update("a", |it| *it = Value::Null);
        assert_eq!(inner, Ok(Some(())));
        assert_eq!(one.content(), r#"{"a":null,"c":"x","d":true}"#);
        assert_eq!(two.content(), r#"{"a":{"b":1},"c":"x"}"#);
    }

    #[test]
    fn a_structure_counts_with_what_is_allocated() {
        let text = format!("[{}0]", "0,".repeat(9_999));
        let mut message = Message::new(text.clone());
        assert_eq!(message.size(), text.len());
        let Ok(Value::Array(array)) = message.value() else { panic!("an array") };
        assert_eq!(array.get(9_999), Some(Value::Int(0)));
        assert!((240_000 + text.len()..480_000).contains(&message.size()), "{}", message.size());
        // Printed anew it is kept twice.
        let Ok(Value::Array(array)) = message.value_mut() else { panic!("an array") };
        array.push(Value::Null).expect("flat");
        let before = message.size();
        assert_eq!(message.content().len(), text.len() + 5);
        assert_eq!(message.size(), before + text.len() + 5);
    }

    #[test]
    fn copies_share_a_context() {
        let mut one = Message::new("a");
        assert!(one.context().is_none());
        let reply = Arc::new(Reply::default());
        let span = Span { trace_id: 1, span_id: 2, is_sampled: true, state: None };
        let context =
            Context { span: Some(span.clone()), reply: Some(Arc::clone(&reply)), ..Context::default() };
        one.set_context(Arc::new(context));
        let two = one.clone();
        let context = two.context().expect("it was set");
        assert_eq!(context.span, Some(span));
        context.reply.as_ref().expect("it was set").put(vec![two.clone()]);
        assert_eq!(reply.take(), [[one]]);
        assert!(reply.take().is_empty());
        // A mark and a context come and go without each other.
        let mut three = two.clone();
        three.set_error(Mark::new("why"));
        assert!(two.error().is_none() && three.context().is_some());
        assert_eq!(three.clear_error(), Some(Mark::new("why")));
        assert!(three.clear_error().is_none() && three.context().is_some());
        three.clear_context();
        assert!(three.context().is_none() && two.context().is_some());
    }

    #[test]
    fn a_message_that_is_made_has_no_origin_until_somebody_says_so() {
        let mut made = [Message::new("a"), Message::default()];
        assert_eq!([0, 1].map(|it| made[it].origin()), [ORIGIN_NONE; 2]);
        made[0].set_origin(3);
        assert_eq!(made[0].clone().origin(), 3);
    }

    #[test]
    fn messages_stay_small() {
        assert_eq!((size_of::<Content>(), size_of::<Bytes>()), (32, 32));
        assert!(size_of::<Message>() <= 64, "{}", size_of::<Message>());
    }
}
