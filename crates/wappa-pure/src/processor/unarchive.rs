//! The processor `unarchive`.

use bytes::Bytes;
use wappa_bloblang::{CsvReader, read_xml};
use wappa_component::{BuildError, BuildProcessor, Component, Context, Logger, Part, Processor, Step};
use wappa_message::{Mark, Message, Text, Value};
use wappa_spec::{Config, Node, Reader, Rule};

use super::{document::document, limit::Charged};
use crate::formats::{Member, binary, tar, zip};

pub(super) const COMPONENT: Component =
    Component::processor::<UnarchiveConfig>("unarchive").categories(&["Parsing", "Utility"]);

/// Makes several messages of one that is an archive, in its place.
///
/// They have its metadata, and are in its batch; [`split`](split.md) divides that.
///
/// # Examples
///
/// ### Each element of an array is a message
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - unarchive:
///         format: json_array
///     - split: {}
/// output:
///   stdout: {}
/// ```
///
/// # Formats
///
/// - `binary`: what [`archive`](archive.md) makes with this format.
/// - `csv`: each line behind the first one becomes a document, with the names in the first one. `csv:x` takes `x`, one
///   character, instead of a comma: `"csv:\t"`, `csv:|`.
/// - `json_array`: each element.
/// - `json_documents`: documents one after the other, with or without white space between them.
/// - `json_map`: the value of each field, in the order of the names; the metadata `archive_key` has the name.
/// - `lines`: each line, without its line break.
/// - `xml_documents_to_json`: each document, as the processor [`xml`](xml.md) makes an object of it;
///   `xml_documents_to_json:cast` makes numbers and booleans of what looks like one.
/// - `tar`, `zip`: each file; the metadata `archive_filename` has its name, if it has one. Directories are empty messages.
///
/// # Errors
///
/// A message that is no such archive stays as it was and is marked. One that is an empty archive is filtered.
///
/// # Limits
///
/// The messages that are worked on together grow by 512MiB at most, whatever an archive claims to hold.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct UnarchiveConfig {
    /// The format.
    #[config(
        example = "binary",
        example = "csv",
        example = "csv:|",
        example = "json_array",
        example = "json_documents",
        example = "json_map",
        example = "lines",
        example = "tar",
        example = "xml_documents_to_json",
        example = "zip"
    )]
    format: String,
}

/// Bento knows its formats when it starts, not when it lints.
fn lint(config: &UnarchiveConfig, node: &Node, reader: &mut Reader<'_>) {
    let at = node.get("format").unwrap_or(node);
    if let Err(why) = Format::find(&config.format) {
        reader.error(Rule::InvalidValue, at, why);
    }
}

impl BuildProcessor for UnarchiveConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        let format = Format::find(&self.format).map_err(BuildError::new)?;
        Ok(Box::new(Unarchive { format, logger: ctx.logger() }))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Binary,
    Csv(char),
    JsonArray,
    JsonDocuments,
    JsonMap,
    Lines,
    Tar,
    Xml { is_cast: bool },
    Zip,
}

impl Format {
    /// The format with this name; the error is Bento's.
    fn find(name: &str) -> Result<Format, String> {
        Ok(match name {
            "binary" => Format::Binary,
            "csv" => Format::Csv(','),
            "json_array" => Format::JsonArray,
            "json_documents" => Format::JsonDocuments,
            "json_map" => Format::JsonMap,
            "lines" => Format::Lines,
            "tar" => Format::Tar,
            "xml_documents_to_json" => Format::Xml { is_cast: false },
            "xml_documents_to_json:cast" => Format::Xml { is_cast: true },
            "zip" => Format::Zip,
            other => {
                let comma = other.strip_prefix("csv:").ok_or_else(|| format!("archive format not recognised: {other}"))?;
                let mut chars = comma.chars();
                match (chars.next(), chars.next()) {
                    (Some(comma), None) => {
                        CsvReader::new(b"", comma, false)?;
                        Format::Csv(comma)
                    }
                    _ => return Err("csv format requires a single character delimiter".to_string()),
                }
            }
        })
    }

    /// The messages that take the place of one, with its content alone left to be seen.
    fn open(self, message: &mut Message, charged: &mut Charged<'_, '_>) -> Result<Vec<Message>, String> {
        let charge = &mut |n: usize| charged.charge(n);
        match self {
            Format::Binary => {
                let contents = binary::read(message.content(), charge)?;
                each(message, contents, charge, |it, content| it.set_content(content))
            }
            Format::Lines => lines(message, charge),
            Format::Tar => {
                let members = tar::read(message.content(), charge)?;
                each(message, members, charge, set_member)
            }
            Format::Zip => {
                let members = zip::read(message.content(), charge)?;
                each(message, members, charge, set_member)
            }
            Format::Csv(comma) => csv(message, comma, charge),
            Format::JsonDocuments => documents(message, charge),
            Format::Xml { is_cast } => elements(message, is_cast, charge),
            Format::JsonArray => {
                let failed = |why: String| format!("failed to parse message into JSON array: {why}");
                let Value::Array(array) = document(message).map_err(failed)?.clone() else {
                    return Err(failed(no_such_type(message)));
                };
                charge(array.len().saturating_mul(size_of::<Value>()))?;
                each(message, array.iter(), charge, Message::set_value)
            }
            Format::JsonMap => {
                let failed = |why: String| format!("failed to parse message into JSON map: {why}");
                let Value::Object(object) = document(message).map_err(failed)?.clone() else {
                    return Err(failed(no_such_type(message)));
                };
                each(message, object.iter(), charge, |it, (key, value)| {
                    it.metadata_mut().set("archive_key", Value::Text(key));
                    it.set_value(value);
                })
            }
        }
    }
}

/// A message for each of these, as `set` makes it of a copy.
fn each<T>(
    message: &Message,
    contents: impl IntoIterator<Item = T>,
    charge: &mut dyn FnMut(usize) -> Result<(), String>,
    mut set: impl FnMut(&mut Message, T),
) -> Result<Vec<Message>, String> {
    let mut of = message.clone();
    // What is set takes its place, and the copies do not keep it alive.
    of.set_content(Bytes::new());
    let mut messages = Vec::new();
    for content in contents {
        charge(size_of::<Message>())?;
        let mut copy = of.clone();
        set(&mut copy, content);
        // Those of all are copied for each that has one more.
        if !copy.metadata().is_shared_with(of.metadata()) {
            charge(copy.metadata().size())?;
        }
        messages.push(copy);
    }
    Ok(messages)
}

fn set_member(message: &mut Message, member: Member) {
    match member.name.is_empty() {
        true => drop(message.metadata_mut().delete("archive_filename")),
        false => message.metadata_mut().set("archive_filename", Value::Text(member.name.into())),
    }
    message.set_content(member.content);
}

fn lines(
    message: &Message,
    charge: &mut dyn FnMut(usize) -> Result<(), String>,
) -> Result<Vec<Message>, String> {
    let content = message.content().clone();
    let lines = content.split(|it| *it == b'\n').map(|line| content.slice_ref(line));
    each(message, lines, charge, Message::set_content)
}

fn csv(
    message: &Message,
    comma: char,
    charge: &mut dyn FnMut(usize) -> Result<(), String>,
) -> Result<Vec<Message>, String> {
    let failed = |why: String| format!("failed to parse message as csv: {why}");
    let content = message.content().clone();
    let mut records = CsvReader::new(&content, comma, false).map_err(failed)?;
    let Some(header) = records.next() else { return Ok(Vec::new()) };
    let names: Vec<Text> = header.map_err(failed)?.into_iter().map(Text::from).collect();
    charge(names.len().saturating_mul(size_of::<Text>()))?;
    let mut rows = Vec::new();
    for record in records {
        let fields = record.map_err(failed)?.into_iter().map(|it| Value::Text(Text::from(it)));
        let row = Value::object(names.iter().cloned().zip(fields)).map_err(|err| err.to_string())?;
        charge(row.size())?;
        rows.push(row);
    }
    each(message, rows, charge, Message::set_value)
}

fn documents(
    message: &Message,
    charge: &mut dyn FnMut(usize) -> Result<(), String>,
) -> Result<Vec<Message>, String> {
    let mut rest = message.content().clone();
    let mut documents = Vec::new();
    loop {
        let n_blank = rest.iter().take_while(|it| matches!(it, b' ' | b'\t' | b'\r' | b'\n')).count();
        rest = rest.slice(n_blank..);
        if rest.is_empty() {
            break;
        }
        let (document, end) = Value::from_json_next(&rest).map_err(|err| err.to_string())?;
        charge(size_of::<Value>())?;
        documents.push(document);
        rest = rest.slice(end..);
    }
    each(message, documents, charge, Message::set_value)
}

fn elements(
    message: &Message,
    is_cast: bool,
    charge: &mut dyn FnMut(usize) -> Result<(), String>,
) -> Result<Vec<Message>, String> {
    let content = message.content().clone();
    charge(content.len())?;
    let mut elements = Vec::new();
    let mut at = 0;
    while let Some((element, end)) = read_xml(&content[at..], is_cast, charge)? {
        elements.push(element);
        at += end;
    }
    each(message, elements, charge, Message::set_value)
}

/// What a document is instead of what it should be, in Go's words.
fn no_such_type(message: &mut Message) -> String {
    let name = match message.value() {
        Ok(Value::Object(_)) => "map[string]interface {}",
        Ok(Value::Array(_)) => "[]interface {}",
        Ok(Value::Text(_)) => "string",
        Ok(Value::Bool(_)) => "bool",
        Ok(Value::Null) | Err(_) => "<nil>",
        Ok(_) => "json.Number",
    };
    format!("invalid type '{name}'")
}

struct Unarchive {
    format: Format,
    logger: Logger,
}

impl Processor for Unarchive {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        part.replace_each(|mut message, out| {
            let mut charged = Charged::new(step, &message);
            match self.format.open(&mut message, &mut charged) {
                Ok(messages) => out.extend(messages),
                Err(why) => {
                    self.logger.failed(&format!("Failed to unarchive message part: {why}"));
                    step.mark(&mut message, Mark::new(why));
                    out.push(message);
                }
            }
        });
        part.n_batches()
    }
}

#[cfg(test)]
mod tests {
    use wappa_component::Step;

    use super::super::limit;
    use crate::test::{Harness, batches, check_lint, text};

    /// What comes out, with quotes as they are.
    fn check(format: &str, inputs: &[&str], expected: &str) {
        let output = Harness::default().process(&format!("unarchive: {{format: {format}}}"), inputs);
        assert_eq!(output.replace("\\\"", "\""), expected, "{format}");
    }

    #[test]
    fn messages_are_made_of_archives() {
        check("lines", &["a\nb|c\r\n", ""], "a|b|c\\r|\"\"\n\"\"\n");
        check("json_array", &["[1, {\"z\":1,\"a\":[ 2 ]}]|[\"x\"]", "[]"], "1|{\"a\":[2],\"z\":1}|\"x\"\n-\n");
        check("json_documents", &["{\"a\": 1}[2] 3\n\"x\" |4", ""], "{\"a\":1}|[2]|3|\"x\"|4\n-\n");
        check("json_map", &["{\"b\":{\"c\": 1},\"a\":2}", "{}"], "2|{\"c\":1}\n-\n");
        check("csv", &["a,b\n1,\"x y\"\n\n2,\n", "a,b", ""], "{\"a\":\"1\",\"b\":\"x y\"}|{\"a\":\"2\",\"b\":\"\"}\n-\n-\n");
        check("'csv:;'", &["a;b\n1;2"], "{\"a\":\"1\",\"b\":\"2\"}\n");
        check("\"csv:\\t\"", &["a\tb\n1\t2"], "{\"a\":\"1\",\"b\":\"2\"}\n");
        let xml = ["<?xml version='1.0'?><a b='1'>x</a> <c>2</c>", "", "<a>"];
        let unclosed = "xml.Decoder.Token() - XML syntax error on line 1: unexpected EOF";
        let expected = format!("{{\"a\":{{\"#text\":\"x\",\"-b\":\"1\"}}}}|{{\"c\":\"2\"}}\n-\n<a>[{unclosed}]\n");
        check("xml_documents_to_json", &xml, &expected);
        check("xml_documents_to_json:cast", &["<a>1</a><a>true</a>"], "{\"a\":1}|{\"a\":true}\n");
        check("csv", &["a,b,a\n1,2,3"], "{\"a\":\"3\",\"b\":\"2\"}\n");
    }

    #[test]
    fn names_are_metadata() {
        let config = "processors: [{unarchive: {format: json_map}}, {mutation: 'root = [@archive_key, this]'}]";
        let output = Harness::default().process(config, &[r#"{"b":1,"a":2}"#]);
        assert_eq!(output.replace("\\\"", "\""), "[\"a\",2]|[\"b\",1]\n");
    }

    #[test]
    fn what_is_no_archive_stays_and_is_marked() {
        let null = "invalid character 'o' in literal null (expecting 'u')";
        check("json_documents", &["1 no"], &format!("1 no[{null}]\n"));
        let empty = "target message part does not exist";
        check("json_array", &[""], &format!("\"\"[failed to parse message into JSON array: {empty}]\n"));
        check("json_map", &[""], &format!("\"\"[failed to parse message into JSON map: {empty}]\n"));
        check("json_array", &["no"], &format!("no[failed to parse message into JSON array: {null}]\n"));
        for (document, name) in [("{}", "map[string]interface {}"), ("5", "json.Number"), ("null", "<nil>")] {
            let why = format!("failed to parse message into JSON array: invalid type '{name}'");
            check("json_array", &[document], &format!("{document}[{why}]\n"));
        }
        check("json_map", &["[]"], "[][failed to parse message into JSON map: invalid type '[]interface {}']\n");
        check("csv", &["a,b\n1"], "a,b\\n1[failed to parse message as csv: record on line 2: wrong number of fields]\n");
        check("tar", &["no"], "no[unexpected EOF]\n");
        check("zip", &["no"], "no[zip: not a valid zip file]\n");
        check("binary", &["no"], "no[serialised message bytes were in unexpected format]\n");
        let mut harness = Harness::default();
        harness.process("unarchive: {format: zip}", &["no"]);
        assert_eq!(
            harness.log.take(),
            "Error Failed to unarchive message part: zip: not a valid zip file label= path=root.pipeline.processors.0\n"
        );
    }

    #[test]
    fn messages_descend_from_their_archive() {
        let mut harness = Harness::default();
        let processor = harness.processor("unarchive: {format: lines}").expect("it can be built");
        let mut part = batches(&["a\nb!|c", "d\ne"]);
        assert_eq!(processor.process(&mut part, &mut Step::new(0, harness.time.as_ref())), 2);
        let origins: Vec<u32> = part.messages().iter().map(|it| it.origin()).collect();
        assert_eq!(origins, [0, 0, 1, 2, 2]);
        assert_eq!(text(&part), "a[a\nb is bad]|b[a\nb is bad]|c\nd|e\n");
    }

    /// A few kilobytes that would become more than is left.
    #[test]
    fn what_grows_too_much_is_refused() {
        let member = crate::formats::Member { name: "a".into(), content: vec![0; 2 << 20].into() };
        let archive = crate::formats::zip::write(&[member], Default::default()).expect("it is small enough");
        let mut harness = Harness::default();
        let processor = harness.processor("unarchive: {format: zip}").expect("it can be built");
        for (n_left, is_refused) in [(3 << 20, false), (1 << 20, true)] {
            let mut part = wappa_component::Part::singles(vec![wappa_message::Message::new(archive.clone())]);
            let mut step = Step::new(0, harness.time.as_ref());
            step.begin_part(limit::growth_that_leaves(n_left));
            processor.process(&mut part, &mut step);
            let mark = part.messages()[0].error().map(|it| it.to_string());
            assert_eq!(mark.as_deref(), Some(limit::TOO_LARGE).filter(|_| is_refused));
        }
    }

    #[test]
    fn lints() {
        let lint = |format: &str, expected: &str| {
            check_lint(&format!("pipeline:\n  processors:\n    - unarchive:\n        format: {format}\n"), expected);
        };
        for format in ["lines", "csv", "'csv:|'", "\"csv:\\t\""] {
            lint(format, "");
        }
        lint("nope", "(4,1) archive format not recognised: nope\n");
        lint("csv:ab", "(4,1) csv format requires a single character delimiter\n");
    }
}
