//! The scanner `csv`, which the input `csv` shares.

use std::sync::Arc;

use bytes::Bytes;
use wappa_bloblang::csv::{BYTE_ORDER_MARK, Found, Record, Syntax, record, unquoted};
use wappa_component::{
    BuildError, BuildScanner, Component, Context, Form, Opened, Ranges, ScanError, Scanner, ScannerFactory,
};
use wappa_message::{Mark, Message, Text, Value};
use wappa_spec::{Config, Node, Reader, Rule};

pub(super) const COMPONENT: Component = Component::scanner::<CsvConfig>("csv");

/// Makes a message of each row of comma-separated values.
///
/// With a header row a message is an object of its names, else it is a list; all values are texts.
/// A row may go on over several lines, where a value in quotes has line feeds in it; empty lines are no rows.
/// All rows must have as many values as the first one.
///
/// Messages get the metadata `csv_row`: which row of its source it is, counted from 0, without the header.
///
/// # Examples
///
/// ### Rows from standard input
///
/// ```yaml
/// input:
///   stdin:
///     scanner:
///       csv: {}
/// output:
///   stdout: {}
/// ```
///
/// ### Lists, separated by semicolons
///
/// ```yaml
/// input:
///   stdin:
///     scanner:
///       csv:
///         custom_delimiter: ;
///         parse_header_row: false
///         continue_on_error: true
/// output:
///   stdout: {}
/// ```
///
/// # Errors
///
/// A row that is none, or has another number of values, ends its source with an error that says in which line it is.
/// With `continue_on_error` it becomes a message that is marked as failed, with the values it has, or none.
///
/// # Performance
///
/// Rows are found where the source is read; their values are taken apart by whoever has the messages, on any thread.
///
/// # Pitfalls
///
/// A quote that is never closed makes a row of everything behind it: a row has at most 64MiB.
/// A byte order mark of UTF-8 is no part of the first name; what is in UTF-16 has to be converted before.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct CsvConfig {
    /// The character between two values, in place of a comma.
    #[config(optional, example = ";")]
    custom_delimiter: Option<String>,

    /// Whether the first row has the names of the values.
    #[config(default = "true")]
    parse_header_row: bool,

    /// Whether a quote may stand within a value that is not quoted, and alone within one that is.
    #[config(default = "false")]
    lazy_quotes: bool,

    /// Whether what is wrong with a row only marks its message.
    #[config(default = "false")]
    continue_on_error: bool,

    /// The names that the header row must have.
    #[config(optional, example = "[ first_name, last_name, age ]")]
    expected_headers: Option<Vec<String>>,

    /// How many values a row must have.
    #[config(optional)]
    expected_number_of_fields: Option<i64>,
}

impl CsvConfig {
    fn rows(&self) -> Result<Csv, String> {
        let syntax = syntax(self.custom_delimiter.as_deref().unwrap_or_default(), self.lazy_quotes)?;
        let on_error = if self.continue_on_error { OnError::Mark } else { OnError::End };
        let n_fields = self.expected_number_of_fields.map_or(Width::AsFirst, Width::of);
        Ok(Csv {
            syntax,
            has_header: self.parse_header_row,
            expected_headers: self.expected_headers.clone(),
            width: n_fields,
            on_error,
            note: Note::Row,
        })
    }
}

fn lint(config: &CsvConfig, node: &Node, reader: &mut Reader<'_>) {
    lint_rows(config.parse_header_row, config.expected_headers.is_some(), config.expected_number_of_fields, node, reader);
    if let Err(text) = config.rows() {
        reader.error(Rule::InvalidValue, node.get("custom_delimiter").unwrap_or(node), text);
    }
}

/// What is wrong with the fields that the input has too.
pub(crate) fn lint_rows(
    has_header: bool,
    expects_headers: bool,
    n_fields: Option<i64>,
    node: &Node,
    reader: &mut Reader<'_>,
) {
    if expects_headers && !has_header {
        reader.error(Rule::Custom, node, "expected_headers is set but parse_header_row is false");
    }
    if n_fields.is_some_and(|it| it < 1) {
        let at = node.get("expected_number_of_fields").unwrap_or(node);
        reader.error(Rule::InvalidValue, at, "expected_number_of_fields must be at least 1");
    }
}

/// How rows are written. Of a longer text the first character separates, as in Bento; an empty one is a comma.
pub(crate) fn syntax(delimiter: &str, is_lazy: bool) -> Result<Syntax, String> {
    let comma = delimiter.chars().next().unwrap_or(',');
    Syntax::new(comma, is_lazy).ok_or_else(|| "csv: invalid field or comment delimiter".to_string())
}

impl BuildScanner for CsvConfig {
    fn build(self, _: &mut Context<'_>) -> Result<Box<dyn ScannerFactory>, BuildError> {
        Ok(Box::new(self.rows().map_err(BuildError::new)?))
    }
}

/// How many values a row has to have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Width {
    Any,
    AsFirst,
    Exactly(usize),
}

impl Width {
    pub(crate) fn of(n_fields: i64) -> Width {
        Width::Exactly(usize::try_from(n_fields).unwrap_or(usize::MAX))
    }
}

/// What becomes of a row that is wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum OnError {
    /// The source ends.
    End,
    /// It is left out, and the source goes on.
    Skip,
    /// It becomes a message that is marked.
    Mark,
}

/// Makes a scanner of rows for each source.
#[derive(Clone, Debug)]
pub(crate) struct Csv {
    pub(crate) syntax: Syntax,
    pub(crate) has_header: bool,
    pub(crate) expected_headers: Option<Vec<String>>,
    pub(crate) width: Width,
    pub(crate) on_error: OnError,
    pub(crate) note: Note,
}

/// What messages get as metadata.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Note {
    /// The number of their row.
    Row,
    /// The names in the header of their source.
    Header,
    /// The number of their row, with the header counted from 1, whether it is empty, and what is wrong with it: the rows of
    /// the deprecated codec that goes on.
    Safe,
    None,
}

impl Csv {
    /// The rows of the deprecated codec.
    pub(crate) fn of_codec(delimiter: &str) -> Result<Csv, String> {
        let syntax = syntax(delimiter, false)?;
        let (width, on_error, note) = (Width::AsFirst, OnError::End, Note::None);
        Ok(Csv { syntax, has_header: true, expected_headers: None, width, on_error, note })
    }
}

impl Csv {
    /// The rows of the deprecated codec that goes on: one that is wrong is an empty object.
    pub(crate) fn of_safe_codec(delimiter: &str) -> Result<Csv, String> {
        Ok(Csv { on_error: OnError::Mark, note: Note::Safe, ..Csv::of_codec(delimiter)? })
    }
}

/// A row is at most so long: behind a quote that is never closed all is one row.
const ROW_BYTES_MAX: usize = 64 << 20;

impl ScannerFactory for Csv {
    fn open(&self, _: &str) -> Result<Opened, String> {
        let rows = Arc::new(Rows { syntax: self.syntax.clone(), header: None, note: self.note });
        let width = self.width;
        Ok(Opened::new(CsvScanner { config: self.clone(), rows, width, n_lines: 0, n_rows: 0, is_mark_passed: false, has_begun: false }))
    }
}

struct CsvScanner {
    config: Csv,
    rows: Arc<Rows>,
    width: Width,
    /// How many lines were scanned.
    n_lines: u64,
    /// How many rows were found, the header not included.
    n_rows: u64,
    /// It is known whether the source begins with a byte order mark.
    is_mark_passed: bool,
    /// The header was read, if there is one.
    has_begun: bool,
}

/// What the rows of a source have in common.
#[derive(Debug)]
struct Rows {
    syntax: Syntax,
    header: Option<Header>,
    note: Note,
}

#[derive(Debug)]
struct Header {
    names: Vec<Text>,
    value: Value,
}

/// Rows that were found together.
#[derive(Debug)]
struct FoundRows {
    rows: Arc<Rows>,
    first: u64,
    /// What is wrong with which, in order.
    marks: Vec<(usize, Mark)>,
}

impl Scanner for CsvScanner {
    fn scan(&mut self, data: &[u8], at_end: bool, ranges: &mut Ranges) -> Result<usize, ScanError> {
        let (first, mut marks) = (self.n_rows, Vec::new());
        let mut at = 0;
        if !self.is_mark_passed {
            if BYTE_ORDER_MARK.starts_with(data) && data.len() < BYTE_ORDER_MARK.len() && !at_end {
                return Ok(0);
            }
            self.is_mark_passed = true;
            at = if data.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        }
        while !ranges.is_full() {
            let rest = &data[at..];
            let mut n_fields = 0;
            let (wrong, start, next, n_lines) = match record(rest, at_end, &self.config.syntax, |_, _| n_fields += 1) {
                Found::Incomplete if ROW_BYTES_MAX < rest.len() => {
                    let text = format!("a row is longer than {ROW_BYTES_MAX} bytes: is a quote not closed?");
                    if ranges.is_empty() {
                        return Err(ScanError::new(at, text));
                    }
                    break;
                }
                Found::Incomplete => break,
                Found::Nothing => {
                    at = data.len();
                    break;
                }
                Found::Broken(broken) => {
                    (Some((broken.text(self.n_lines), 0..0)), broken.start, broken.next, broken.n_lines)
                }
                Found::Record(Record { range, next, line, n_lines }) => {
                    let is_wrong = match self.width {
                        Width::Any | Width::AsFirst => false,
                        Width::Exactly(n) => n != n_fields,
                    };
                    let line = self.n_lines + line;
                    let start = range.start;
                    if is_wrong {
                        (Some((format!("record on line {line}: wrong number of fields"), range)), start, next, n_lines)
                    } else {
                        if self.width == Width::AsFirst {
                            self.width = Width::Exactly(n_fields);
                        }
                        if self.config.has_header && !self.has_begun {
                            self.begin(&rest[range]).map_err(|text| ScanError::new(at + start, text))?;
                        } else {
                            ranges.push(at + range.start, at + range.end);
                            self.n_rows += 1;
                        }
                        (None, start, next, n_lines)
                    }
                }
            };
            if let Some((text, range)) = wrong {
                let is_header = self.config.has_header && !self.has_begun;
                let on_error = if is_header { OnError::End } else { self.config.on_error };
                if on_error == OnError::Mark {
                    marks.push((ranges.len(), Mark::new(text)));
                    ranges.push(at + range.start, at + range.end);
                    self.n_rows += 1;
                } else {
                    // What was found before comes first.
                    if !ranges.is_empty() {
                        break;
                    }
                    let goes_on_at = (on_error == OnError::Skip).then_some(at + next);
                    self.n_lines += goes_on_at.map_or(0, |_| n_lines);
                    return Err(ScanError { offset: at + start, text, goes_on_at });
                }
            }
            self.n_lines += n_lines;
            at += next;
        }
        if !ranges.is_empty() {
            ranges.set_form(FoundRows { rows: Arc::clone(&self.rows), first, marks });
        }
        Ok(at)
    }
}

impl CsvScanner {
    /// Reads the header row.
    fn begin(&mut self, row: &[u8]) -> Result<(), String> {
        let names = fields(&Bytes::copy_from_slice(row), &self.config.syntax);
        if let Some(expected) = &self.config.expected_headers
            && !expected.iter().map(String::as_bytes).eq(names.iter().map(Text::as_slice))
        {
            return Err("expected_headers don't match file contents".to_string());
        }
        let value = Value::array(names.iter().cloned().map(Value::Text)).expect("a list of texts is not deep");
        self.rows = Arc::new(Rows {
            syntax: self.config.syntax.clone(),
            header: Some(Header { names, value }),
            note: self.rows.note,
        });
        self.has_begun = true;
        Ok(())
    }
}

/// The values of a row.
fn fields(row: &Bytes, syntax: &Syntax) -> Vec<Text> {
    let mut fields = Vec::new();
    record(row, true, syntax, |range, is_written_otherwise| {
        fields.push(match is_written_otherwise {
            true => Text::from(unquoted(&row[range])),
            false => Text::from(row.slice(range)),
        });
    });
    fields
}

impl Form for FoundRows {
    fn shape(&self, idx: usize, message: &mut Message) {
        let fields = fields(&message.content().clone(), &self.rows.syntax);
        let mark = self.marks.binary_search_by_key(&idx, |it| it.0).ok().map(|it| &self.marks[it].1);
        // Of a row with more values than there are names the input makes a list.
        let header = self.rows.header.as_ref();
        let header = header.filter(|it| self.rows.note != Note::Header || fields.len() <= it.names.len());
        let first = fields.first().cloned();
        let is_safe = self.rows.note == Note::Safe;
        let value = match header {
            Some(_) if is_safe && mark.is_some() => Value::object::<Text>([]),
            Some(header) => {
                Value::object(header.names.iter().cloned().zip(fields.into_iter().map(Value::Text)))
            }
            None => Value::array(fields.into_iter().map(Value::Text)),
        };
        let is_blank = first.is_none_or(|it| it.as_slice().trim_ascii().is_empty());
        message.set_value(value.expect("texts in a list or an object are not deep"));
        match (self.rows.note, header) {
            (Note::Row, _) => {
                let row = self.first.saturating_add(idx as u64);
                message.metadata_mut().set("csv_row", Value::Int(i64::try_from(row).unwrap_or(i64::MAX)));
            }
            (Note::Safe, _) => {
                let row = self.first.saturating_add(idx as u64).saturating_add(2);
                let metadata = message.metadata_mut();
                metadata.set("row_number", Value::Int(i64::try_from(row).unwrap_or(i64::MAX)));
                metadata.set("row_empty", Value::Bool(is_blank));
                mark.into_iter().for_each(|it| metadata.set("row_parse_error", Value::text(it.as_str())));
            }
            (Note::Header, Some(header)) => message.metadata_mut().set("header", header.value.clone()),
            _ => (),
        }
        if let Some(mark) = mark.filter(|_| !is_safe) {
            message.set_error(mark.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::test::{check_lint, check_scan};

    #[track_caller]
    fn check(config: &str, text: &str, expected: &[&str]) {
        let expected: Vec<&[u8]> = expected.iter().map(|it| it.as_bytes()).collect();
        check_scan(&format!("csv: {config}"), text.as_bytes(), &expected);
    }

    #[test]
    fn rows() {
        let text = "a,b\n1,2\n\n\"x\"\"y\",\"l1\r\nl2\"\r\n";
        check(
            "{}",
            text,
            &[r#"{"a":"1","b":"2"} csv_row=0"#, r#"{"a":"x\"y","b":"l1\nl2"} csv_row=1"#],
        );
        let marked = "\u{feff}\"a\",b\n\u{feff},2\n";
        check("{}", marked, &["{\"a\":\"\u{feff}\",\"b\":\"2\"} csv_row=0"]);
        check("{}", "\u{feff}", &[]);
        check(
            "{parse_header_row: false}",
            text,
            &[r#"["a","b"] csv_row=0"#, r#"["1","2"] csv_row=1"#, r#"["x\"y","l1\nl2"] csv_row=2"#],
        );
        check("{custom_delimiter: ;}", "a;b\n1,2;3", &[r#"{"a":"1,2","b":"3"} csv_row=0"#]);
        check("{}", "a,a\n1,2\n", &[r#"{"a":"2"} csv_row=0"#]);
        check("{}", "", &[]);
        check("{}", "a,b\n", &[]);
        check("{lazy_quotes: true}", "a,b\nx\"y,\"p\"q\"\n", &[r#"{"a":"x\"y","b":"p\"q"} csv_row=0"#]);
        let long = "x".repeat(100);
        check("{parse_header_row: false}", &format!("{long}\n"), &[&format!("[\"{long}\"] csv_row=0")]);
    }

    #[test]
    fn what_is_wrong_ends_the_source_or_marks_the_message() {
        let text = "a,b\n1,2\n3,4,5\n6\n\"q\"z,1\n8,9\n";
        check(
            "{}",
            text,
            &[r#"{"a":"1","b":"2"} csv_row=0"#, "error at 8: record on line 3: wrong number of fields"],
        );
        let quote = "parse error on line 5, column 3: extraneous or missing \" in quoted-field";
        check(
            "{continue_on_error: true}",
            text,
            &[
                r#"{"a":"1","b":"2"} csv_row=0"#,
                r#"{"a":"3","b":"4"}[record on line 3: wrong number of fields] csv_row=1"#,
                r#"{"a":"6"}[record on line 4: wrong number of fields] csv_row=2"#,
                &format!("{{}}[{quote}] csv_row=3"),
                r#"{"a":"8","b":"9"} csv_row=4"#,
            ],
        );
        check(
            "{parse_header_row: false, expected_number_of_fields: 3, continue_on_error: true}",
            "a,b\n\"\n",
            &[
                "[\"a\",\"b\"][record on line 1: wrong number of fields] csv_row=0",
                "[][parse error on line 2, column 3: extraneous or missing \" in quoted-field] csv_row=1",
            ],
        );
        check(
            "{expected_number_of_fields: 3, continue_on_error: true}",
            text,
            &["error at 0: record on line 1: wrong number of fields"],
        );
        check("{expected_headers: [a, c]}", text, &["error at 0: expected_headers don't match file contents"]);
        check("{expected_headers: [a, b]}", "a,b\n", &[]);
        check("{}", "\0,b\n\0,\0\n", &[r#"{"\u0000":"\u0000","b":"\u0000"} csv_row=0"#]);
    }

    #[test]
    fn mistakes() {
        let lint = |fields: &str, expected: &str| {
            check_lint(&format!("input:\n  stdin:\n    scanner:\n      csv: {{{fields}}}\n"), expected);
        };
        lint("custom_delimiter: '\"'", "(4,1) csv: invalid field or comment delimiter\n");
        lint("expected_number_of_fields: 0", "(4,1) expected_number_of_fields must be at least 1\n");
        lint(
            "expected_headers: [a], parse_header_row: false",
            "(4,1) expected_headers is set but parse_header_row is false\n",
        );
    }
}
