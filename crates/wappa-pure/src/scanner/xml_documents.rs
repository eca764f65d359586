//! The scanner `xml_documents`.

use wappa_bloblang::{read_begun_xml, read_xml};
use wappa_component::{
    BuildError, BuildScanner, Component, Context, Form, Opened, Ranges, ScanError, Scanner, ScannerFactory,
};
use wappa_message::Message;
use wappa_spec::{Config, Node, Reader, Rule};

pub(super) const COMPONENT: Component = Component::scanner::<XmlDocumentsConfig>("xml_documents");

/// How much a document may take as an object, in bytes.
const DOCUMENT_BYTES_MAX: usize = 512 << 20;

/// Makes a message of each document of XML: an object.
///
/// Elements are names, attributes are names with `-` before them, text beside either is `#text`, and what comes several times
/// is an array, as in the processor [`xml`](../processors/xml.md). A document ends with its outermost element; what stands
/// between documents is passed over.
///
/// # Examples
///
/// ### Elements, however they are laid out
///
/// ```yaml
/// input:
///   file:
///     paths: [ ./orders/*.xml ]
///     scanner:
///       xml_documents:
///         operator: to_json
/// output:
///   stdout: {}
/// ```
///
/// # Errors
///
/// What is no XML ends its source with an error that says where it is, and so does an element that never ends.
/// The documents before it are delivered.
///
/// # Performance
///
/// A document is read where its source is, to find its end, and once more when a message is made of it.
///
/// # Limits
///
/// A document that would take more than 512MiB as an object ends its source with an error.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct XmlDocumentsConfig {
    /// What is done; there is `to_json`.
    #[config(default = "", example = "to_json")]
    operator: String,

    /// Whether what looks like a number or a boolean is one; else all values are texts.
    #[config(default = "false")]
    cast: bool,
}

/// Bento says so when it starts.
fn lint(config: &XmlDocumentsConfig, node: &Node, reader: &mut Reader<'_>) {
    if let Err(why) = config.check() {
        reader.error(Rule::InvalidValue, node.get("operator").unwrap_or(node), why);
    }
}

impl XmlDocumentsConfig {
    fn check(&self) -> Result<(), String> {
        match self.operator.as_str() {
            "to_json" => Ok(()),
            "" => Err("operator not recognised: ".to_string()),
            other => Err(format!("value {other} is not a valid option for this field")),
        }
    }
}

impl BuildScanner for XmlDocumentsConfig {
    fn build(self, _: &mut Context<'_>) -> Result<Box<dyn ScannerFactory>, BuildError> {
        self.check().map_err(BuildError::new)?;
        Ok(Box::new(XmlDocuments { is_cast: self.cast }))
    }
}

/// Makes a scanner for each source; finds the documents of one, and makes objects of them.
#[derive(Clone, Copy, Debug)]
struct XmlDocuments {
    is_cast: bool,
}

impl ScannerFactory for XmlDocuments {
    fn open(&self, _: &str) -> Result<Opened, String> {
        Ok(Opened::new(*self))
    }
}

impl Scanner for XmlDocuments {
    fn scan(&mut self, data: &[u8], at_end: bool, ranges: &mut Ranges) -> Result<usize, ScanError> {
        let mut at = 0;
        while !ranges.is_full() {
            // An instruction before the next element may say how it is written.
            at += data[at..].iter().position(|it| *it == b'<').unwrap_or(data.len() - at);
            if at == data.len() {
                break;
            }
            let mut n_left = DOCUMENT_BYTES_MAX;
            let read = read_begun_xml(&data[at..], self.is_cast, &mut |n| {
                n_left = n_left.checked_sub(n).ok_or("a document would take more than 512MiB")?;
                Ok(())
            });
            match read {
                (Ok(Some((_, n))), _) => {
                    ranges.push(at, at + n);
                    at += n;
                }
                (Ok(None), _) if at_end => at = data.len(),
                (Ok(None), _) | (Err(_), true) if !at_end => break,
                // The documents before it come first.
                _ if !ranges.is_empty() => break,
                (Ok(None), _) => break,
                (Err(why), _) => return Err(ScanError::new(at, why)),
            }
        }
        if !ranges.is_empty() {
            ranges.set_form(*self);
        }
        Ok(at)
    }
}

impl Form for XmlDocuments {
    fn shape(&self, _: usize, message: &mut Message) {
        if let Ok(Some((value, _))) = read_xml(message.content(), self.is_cast, &mut |_| Ok(())) {
            message.set_value(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::test::{check_lint, check_scan};

    fn check(config: &str, text: &str, expected: &[&str]) {
        let expected: Vec<&[u8]> = expected.iter().map(|it| it.as_bytes()).collect();
        check_scan(&format!("xml_documents: {config}"), text.as_bytes(), &expected);
    }

    #[test]
    fn documents() {
        let plain = "{operator: to_json}";
        check(plain, "", &[]);
        check(plain, " nothing ", &[]);
        check(plain, "<?xml version='1.0'?> <!-- no element -->", &[]);
        check(
            plain,
            "<?xml version='1.0'?>\n<a x='1'>\n\tt<b/>\n</a>no <!-- <c> --><a><![CDATA[</a>]]></a>\n<a/>\n",
            &[r##"{"a":{"#text":"t","-x":"1","b":""}}"##, r#"{"a":"</a>"}"#, r#"{"a":""}"#],
        );
        check("{operator: to_json, cast: true}", "<a>1</a><a>true</a>", &["{\"a\":1}", "{\"a\":true}"]);
    }

    #[test]
    fn what_is_no_document_ends_the_source() {
        let plain = "{operator: to_json}";
        let error = |at: usize, why: &str| format!("error at {at}: xml.Decoder.Token() - XML syntax error on line 1: {why}");
        check(plain, "<a>1</a><a>", &["{\"a\":\"1\"}", &error(8, "unexpected EOF")]);
        check(plain, "</a><b/>", &[&error(0, "unexpected end element </a>")]);
    }

    #[test]
    fn another_operator_is_a_lint() {
        check_lint(
            "input: { stdin: { scanner: { xml_documents: { operator: x } } } }",
            "(1,1) value x is not a valid option for this field\n",
        );
    }
}
