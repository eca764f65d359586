//! Texts with queries in them, evaluated for a message.

use std::{fmt, sync::Arc};

use bytes::{Bytes, BytesMut};
use wappa_message::{Message, Value};

use crate::{
    evaluate::{Failure, Machine},
    program::{Expr, Kept},
    value::Evaluated,
};

/// A text with queries in it, `${! … }`, read and checked: what is evaluated for each message. Cloning shares.
///
/// ```
/// use wappa_bloblang::{Environment, Interpolated};
/// use wappa_message::Message;
///
/// let path = Interpolated::parse(r#"out/${! this.user.uppercase() }-${! batch_index() }"#, &Environment::default())?;
/// let mut batch = [Message::new(r#"{"user":"ada"}"#), Message::new("no document")];
/// assert_eq!(path.evaluate(&mut batch, 0)?, "out/ADA-0");
/// let failure = path.evaluate(&mut batch, 1).expect_err("there is no `this`");
/// assert_eq!(failure.as_str(), "context was undefined, unable to reference `user`");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Interpolated(Option<Arc<Inner>>);

struct Inner {
    source: Box<str>,
    segments: Vec<Segment>,
    reads_batch: bool,
    kept: Vec<Kept>,
}

/// A piece of a text. What most texts hold is told apart, since it needs no evaluation.
#[derive(Debug)]
pub(crate) enum Segment {
    Literal(Box<str>),
    /// `content()`
    Content,
    /// `error()`
    Error,
    /// `@key`, `metadata("key")`
    Metadata(Bytes),
    /// `meta("key")`, where an empty text counts as none.
    MetadataText(Bytes),
    Query(Box<Expr>),
}

/// What stands for something that is not there, as in Bento.
const ABSENT: &str = "null";

impl Segment {
    pub(crate) fn of(query: Expr) -> Segment {
        match &query {
            Expr::Literal(literal) => {
                if let Ok(text) = std::str::from_utf8(&text_of(&literal.value)) {
                    return Segment::Literal(text.into());
                }
            }
            Expr::Metadata(Some(key)) => return Segment::Metadata(key.clone()),
            Expr::Function(call) => {
                // A key that is no UTF-8 is looked up as any query.
                let key = call.args.fixed_text(0).filter(|it| !it.is_empty() && !it.contains('\u{fffd}'));
                match (call.function.name, key) {
                    ("content", _) => return Segment::Content,
                    ("error", _) => return Segment::Error,
                    ("metadata", Some(key)) => return Segment::Metadata(key.into_owned().into()),
                    ("meta", Some(key)) => return Segment::MetadataText(key.into_owned().into()),
                    _ => (),
                }
            }
            _ => (),
        }
        Segment::Query(Box::new(query))
    }
}

fn text_of(evaluated: &Evaluated) -> Bytes {
    match evaluated {
        Evaluated::Value(value) => value.to_text(),
        Evaluated::Deleted | Evaluated::Nothing => Bytes::from_static(ABSENT.as_bytes()),
    }
}

impl Interpolated {
    pub(crate) fn new(
        source: &str,
        segments: Vec<Segment>,
        reads_batch: bool,
        kept: Vec<Kept>,
    ) -> Interpolated {
        match segments.is_empty() {
            true => Interpolated(None),
            false => {
                Interpolated(Some(Arc::new(Inner { source: source.into(), segments, reads_batch, kept })))
            }
        }
    }

    fn segments(&self) -> &[Segment] {
        self.0.as_ref().map_or(&[], |it| &it.segments)
    }

    /// The text, when it is the same for every message.
    pub fn as_literal(&self) -> Option<&str> {
        match self.segments() {
            [] => Some(""),
            [Segment::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The text as it was written.
    pub fn source(&self) -> &str {
        self.0.as_ref().map_or("", |it| &it.source)
    }

    /// Whether a query looks at other messages of the batch than the one it is evaluated for, so that they must be as they
    /// came.
    pub fn reads_batch(&self) -> bool {
        self.0.as_ref().is_some_and(|it| it.reads_batch)
    }

    /// What the queries reach that is kept from message to message, each once.
    pub fn kept(&self) -> &[Kept] {
        self.0.as_ref().map_or(&[], |it| &it.kept)
    }

    /// The text for the message at this place of a batch; one that is a single query is the query's result as it is, any
    /// bytes. The messages stay what they are; that one of them is read as a document is no change.
    ///
    /// What the queries of a text may spend together on one message is bounded as it is for a mapping.
    pub fn evaluate(&self, batch: &mut [Message], index: usize) -> Result<Bytes, Failure> {
        let segments = self.segments();
        if let [one] = segments {
            return match one {
                Segment::Query(_) => piece(one, &mut Machine::new(None, batch, index)),
                plain => Ok(plain_piece(plain, &batch[index])),
            };
        }
        let mut out = BytesMut::new();
        if !segments.iter().any(|it| matches!(it, Segment::Query(_))) {
            segments.iter().for_each(|it| out.extend_from_slice(&plain_piece(it, &batch[index])));
            return Ok(out.freeze());
        }
        let mut machine = Machine::new(None, batch, index);
        for segment in segments {
            out.extend_from_slice(&piece(segment, &mut machine)?);
        }
        Ok(out.freeze())
    }

    /// The same as a text; what is not UTF-8 in it is replaced.
    pub fn evaluate_text(&self, batch: &mut [Message], index: usize) -> Result<String, Failure> {
        if let Some(text) = self.as_literal() {
            return Ok(text.to_string());
        }
        let bytes = self.evaluate(batch, index)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// What a piece is for the message of a machine. What is put together is counted before it is made.
fn piece(segment: &Segment, machine: &mut Machine<'_>) -> Result<Bytes, Failure> {
    let fail = |err: crate::error::Error| Failure::new(err.to_string());
    let ctx = machine.context();
    match segment {
        Segment::Query(query) => {
            let evaluated = machine.evaluate(query, ctx).map_err(fail)?;
            if let Evaluated::Value(value) = &evaluated {
                machine.budget().walk(value.size()).map_err(fail)?;
                machine.budget().bytes(value.text_len()).map_err(fail)?;
            }
            Ok(text_of(&evaluated))
        }
        plain => {
            let Some(message) = machine.message(ctx) else { return Ok(Bytes::new()) };
            let bytes = plain_piece(plain, message);
            machine.budget().bytes(bytes.len()).map_err(fail)?;
            Ok(bytes)
        }
    }
}

/// What a piece that is no query is for a message.
fn plain_piece(segment: &Segment, message: &Message) -> Bytes {
    let absent = || Bytes::from_static(ABSENT.as_bytes());
    match segment {
        Segment::Literal(text) => Bytes::copy_from_slice(text.as_bytes()),
        Segment::Content => message.content().clone(),
        Segment::Error => match message.error() {
            Some(mark) => Bytes::copy_from_slice(mark.as_str().as_bytes()),
            None => absent(),
        },
        Segment::Metadata(key) => message.metadata().get(key).map_or_else(absent, Value::to_text),
        Segment::MetadataText(key) => match message.metadata().text(key) {
            text if text.is_empty() => absent(),
            text => text,
        },
        Segment::Query(_) => unreachable!("it is evaluated"),
    }
}

/// Equal are texts that were written alike.
impl PartialEq for Interpolated {
    fn eq(&self, other: &Interpolated) -> bool {
        let source = |it: &Interpolated| it.0.as_ref().map(|it| it.source.clone());
        source(self) == source(other)
    }
}

impl Eq for Interpolated {}

/// As it was written.
impl fmt::Debug for Interpolated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.source(), f)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use wappa_message::Mark;

    use super::*;
    use crate::Environment;

    fn parse(text: &str) -> Interpolated {
        Interpolated::parse(text, &Environment::default()).expect("it can be read")
    }

    /// Each text evaluated for a message of a batch, a line each.
    fn check(texts: &[&str], index: usize, expected: Expect) {
        let mut first = Message::new(r#"{"a":"v","b":"<","n":5}"#);
        first.metadata_mut().set("k", Value::Int(5));
        first.metadata_mut().set("empty", Value::text(""));
        first.metadata_mut().set("list", Value::array([Value::text("<")]).expect("flat"));
        let mut second = Message::new("no document");
        second.set_error(Mark::new("why"));
        let mut batch = [first, second, Message::new("")];
        let mut out = String::new();
        for text in texts {
            let result = match parse(text).evaluate_text(&mut batch, index) {
                Ok(text) => text,
                Err(failure) => format!("Error({failure})"),
            };
            out.push_str(&format!("{text} => {result}\n"));
        }
        expected.assert_eq(&out);
    }

    /// As observed in Bento, but for the objects of `meta`.
    #[test]
    fn any_query_is_evaluated() {
        let texts = [
            "",
            "plain $ ${ ${VAR} ${{! x } }}",
            "$${!5}",
            "${! content() }-${! error() }-${! errored() }",
            r#"${! @k }${! @"k" }${! metadata("k") }${! meta("k") } ${! @none } ${! meta("none") }"#,
            r#"[${! @empty }] ${! meta("empty") } ${! @list }"#,
            "${! this.a }${!json(\"a\")} ${! this.none } ${! this.b } ${! [this.b] }",
            "${! this.n + 1 } ${! 1.50 } ${! null } ${! deleted() } ${! nothing() } ${! {\"a\":{}} }",
            "${! batch_index() } of ${! batch_size() }",
            "${! json(\"a\").from(0) } ${! content().from_all().length() }",
            "${! match this.n { 5 => \"x}\" } } ${! \"a\".(a -> a + \"x\") }",
            "${! this.a.number() }",
            "${! root.a }",
            "${! $x }",
            "${! \"a\".apply(\"m\") }",
            "${! throw(\"no\") } and more",
        ];
        check(
            &texts,
            0,
            expect![[r#"
                 => 
                plain $ ${ ${VAR} ${{! x } }} => plain $ ${ ${VAR} ${! x } }
                $${!5} => $5
                ${! content() }-${! error() }-${! errored() } => {"a":"v","b":"<","n":5}-null-false
                ${! @k }${! @"k" }${! metadata("k") }${! meta("k") } ${! @none } ${! meta("none") } => 5555 null null
                [${! @empty }] ${! meta("empty") } ${! @list } => [] null ["\u003c"]
                ${! this.a }${!json("a")} ${! this.none } ${! this.b } ${! [this.b] } => vv null < ["\u003c"]
                ${! this.n + 1 } ${! 1.50 } ${! null } ${! deleted() } ${! nothing() } ${! {"a":{}} } => 6 1.5 null null null {"a":{}}
                ${! batch_index() } of ${! batch_size() } => 0 of 3
                ${! json("a").from(0) } ${! content().from_all().length() } => v 3
                ${! match this.n { 5 => "x}" } } ${! "a".(a -> a + "x") } => x} ax
                ${! this.a.number() } => Error(field `this.a`: strconv.ParseFloat: parsing "v": invalid syntax)
                ${! root.a } => Error(unable to reference `root` from this context)
                ${! $x } => Error(variables were undefined)
                ${! "a".apply("m") } => Error(no maps were found)
                ${! throw("no") } and more => Error(no)
            "#]],
        );
        check(
            &[
                "${! content() }-${! error() }-${! errored() }",
                "${! this }",
                "${! this.a }",
                "${! json(\"a\") }",
                "${! json(\"a\").from(0) } ${! batch_index() } ${! batch_index().from(0) }",
                "${! json(\"a\") | \"none\" }",
                "${! x -> x }",
                "${! content().uppercase() }",
            ],
            1,
            expect![[r#"
                ${! content() }-${! error() }-${! errored() } => no document-why-true
                ${! this } => Error(context was undefined)
                ${! this.a } => Error(context was undefined, unable to reference `a`)
                ${! json("a") } => Error(invalid character 'o' in literal null (expecting 'u'))
                ${! json("a").from(0) } ${! batch_index() } ${! batch_index().from(0) } => v 1 0
                ${! json("a") | "none" } => none
                ${! x -> x } => Error(failed to capture context x: context was undefined)
                ${! content().uppercase() } => NO DOCUMENT
            "#]],
        );
        check(
            &["[${! content() }]", "${! json(\"a\") }", "${! this.a }", "${! json(\"a\").from(7) }"],
            2,
            expect![[r#"
                [${! content() }] => []
                ${! json("a") } => Error(target message part does not exist)
                ${! this.a } => Error(context was undefined, unable to reference `a`)
                ${! json("a").from(7) } => Error(target message part does not exist)
            "#]],
        );
    }

    #[test]
    fn what_is_wrong_has_its_place() {
        let mut out = String::new();
        for text in [
            "${! let x = 5 }",
            "${! nope() }",
            "abc ${! this.nope() } ${! ",
            "${!",
            "x ${! this.a",
            "${{! x }",
            "a ${! }",
            "${! 5 / 0 }",
            "${!\n content() }",
            "${! 5 # c\n}",
            "é ${! nope }é ${! é }",
            "a\nb ${! nope }\nc ${! \"x }",
            "${! content( }",
        ] {
            let err = Interpolated::parse(text, &Environment::default()).expect_err("it is wrong");
            out.push_str(&format!("{:?} {}:{} {}\n", text, err.line(), err.column(), err.text_with_found()));
        }
        expect![[r#"
            "${! let x = 5 }" 1:9 required: expected end of expression, got: x = 5
            "${! nope() }" 1:11 unrecognised function 'nope':  }
            "abc ${! this.nope() } ${! " 1:20 unrecognised method 'nope':  } ${
            "${!" 1:4 required: expected query, but reached end of input
            "x ${! this.a" 1:13 required: expected end of expression, but reached end of input
            "${{! x }" 1:5 required: expected end of escaped expression, got:  x }
            "a ${! }" 1:7 required: expected query, got: }
            "${! 5 / 0 }" 1:5 number literal: attempted to divide by zero: 5 / 0
            "${!\n content() }" 1:4 required: expected query, got: end of line
            "${! 5 # c\n}" 1:7 required: expected end of expression, got: # c
            "é ${! nope }é ${! é }" 1:19 required: expected query, got: é }
            "a\nb ${! nope }\nc ${! \"x }" 3:11 required: expected end quote, but reached end of input
            "${! content( }" 1:14 required: expected function argument, got: }
        "#]]
        .assert_eq(&out);
    }

    #[test]
    fn what_is_the_same_for_every_message_is_known() {
        for (text, expected) in [
            ("", Some("")),
            ("a", Some("a")),
            ("a${{! b }}", Some("a${! b }")),
            (r#"a${! "b" }${! 1 + 1 }"#, Some("ab2")),
            ("${! content() }", None),
            ("${! now() }", None),
        ] {
            assert_eq!(parse(text).as_literal(), expected, "{text}");
        }
        assert!(parse("${! content().from(0) }").reads_batch());
        assert!(!parse("${! content() }").reads_batch());
    }

    #[test]
    fn bytes_stay_as_they_are() {
        let mut batch = [Message::new(&b"\xff\x00"[..])];
        assert_eq!(parse("${! content() }").evaluate(&mut batch, 0).expect("bytes"), &b"\xff\x00"[..]);
        assert_eq!(parse("a${! \"\\xfe\" }").evaluate(&mut batch, 0).expect("bytes"), &b"a\xfe"[..]);
    }

    #[test]
    fn what_queries_make_together_is_bounded() {
        let twice = "${! \"x\".repeat(600000000) }";
        let failure = parse(twice).evaluate(&mut [Message::new("")], 0).expect_err("it is too much");
        assert_eq!(failure.as_str(), "the mapping makes more than 1GiB for one message");
    }
}
