//! The scanner `json_documents`.

use wappa_component::{
    BuildError, BuildScanner, Component, Context, Form, Opened, Ranges, ScanError, Scanner, ScannerFactory,
};
use wappa_message::{Message, Value, end_of_document};
use wappa_spec::Config;

pub(super) const COMPONENT: Component = Component::scanner::<JsonDocumentsConfig>("json_documents");

/// Makes a message of each document of JSON.
///
/// White space between documents, and what there is of it within them, is not part of a message; documents may also follow
/// each other directly.
///
/// # Examples
///
/// ### Documents, however they are laid out
///
/// ```yaml
/// input:
///   file:
///     paths: [ ./documents/*.json ]
///     scanner:
///       json_documents: {}
/// output:
///   stdout: {}
/// ```
///
/// # Errors
///
/// What is no JSON ends its source with an error that says where it is, and so does a document that never ends.
/// The documents before it are delivered.
///
/// # Performance
///
/// A document is checked where the source is read; what is in it is read when somebody asks.
///
/// # Pitfalls
///
/// Numbers stay as they were written, in Bento they become floating-point numbers.
#[derive(Config, Debug)]
struct JsonDocumentsConfig;

impl BuildScanner for JsonDocumentsConfig {
    fn build(self, _: &mut Context<'_>) -> Result<Box<dyn ScannerFactory>, BuildError> {
        Ok(Box::new(JsonDocuments))
    }
}

/// Makes a scanner for each source.
#[derive(Clone, Copy, Debug)]
struct JsonDocuments;

impl ScannerFactory for JsonDocuments {
    fn open(&self, _: &str) -> Result<Opened, String> {
        Ok(Opened::new(*self))
    }
}

impl Scanner for JsonDocuments {
    fn scan(&mut self, data: &[u8], at_end: bool, ranges: &mut Ranges) -> Result<usize, ScanError> {
        let mut at = 0;
        while !ranges.is_full() {
            at += data[at..].iter().take_while(|it| matches!(it, b' ' | b'\n' | b'\r' | b'\t')).count();
            if at == data.len() {
                break;
            }
            match end_of_document(&data[at..]) {
                // What ends with the data may go on behind them.
                Ok(Some(end)) if at + end < data.len() || at_end || matches!(data[at], b'{' | b'[' | b'"') => {
                    ranges.push(at, at + end);
                    at += end;
                }
                Ok(_) if !at_end => break,
                // The documents before it come first.
                _ if !ranges.is_empty() => break,
                Ok(_) => return Err(ScanError::new(at, "unexpected EOF")),
                Err(err) => return Err(ScanError::new(at + err.offset(), err.to_string())),
            }
        }
        if !ranges.is_empty() {
            ranges.set_form(Document);
        }
        Ok(at)
    }
}

#[derive(Debug)]
struct Document;

impl Form for Document {
    fn shape(&self, _: usize, message: &mut Message) {
        if let Ok(value) = Value::from_json_unread(message.content()) {
            message.set_value(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::test::check_scan;

    #[test]
    fn documents() {
        let check = |text: &str, expected: &[&str]| {
            let expected: Vec<&[u8]> = expected.iter().map(|it| it.as_bytes()).collect();
            check_scan("json_documents: {}", text.as_bytes(), &expected);
        };
        check("", &[]);
        check(" \r\n\t", &[]);
        check("{\"b\": 1,\n \"a\": [1.0, 2]}[1, 2]\"s\"\n3 null", &["{\"a\":[1.0,2],\"b\":1}", "[1,2]", "\"s\"", "3", "null"]);
        check("-12.5e3\n\n0", &["-12.5e3", "0"]);
        check("{\"a\":\"}\\\"{\"}{}", &["{\"a\":\"}\\\"{\"}", "{}"]);
        check("{\"a\":1} x {}", &["{\"a\":1}", "error at 8: invalid character 'x' looking for beginning of value"]);
        check("[1]\n{\"b\":", &["[1]", "error at 4: unexpected EOF"]);
        check("nul", &["error at 0: unexpected EOF"]);
        check("\0", &["error at 0: invalid character '\\x00' looking for beginning of value"]);
        check(&"[".repeat(2000), &["error at 1000: invalid character '[' exceeded max depth"]);
    }
}
