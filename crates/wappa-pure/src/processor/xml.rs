//! The processor `xml`.

use wappa_bloblang::read_xml;
use wappa_component::{BuildError, BuildProcessor, Component, Context, Level, Logger, Part, Processor, Step};
use wappa_message::{Mark, Message, Value};
use wappa_spec::{Config, Node, Reader, Rule};

use super::{each::each_message, limit::Charged};

pub(super) const COMPONENT: Component = Component::processor::<XmlConfig>("xml").categories(&["Parsing"]);

/// Makes an object of a document of XML.
///
/// Elements are names, attributes are names with `-` before them, text beside either is `#text`, and what comes several times
/// is an array. Comments, instructions and declarations are left out, and so are prefixes of names. A mapping does the same
/// with [`parse_xml`](../bloblang/methods.md#parse_xml).
///
/// # Examples
///
/// ### A document of XML for each message
///
/// ```yaml
/// input:
///   file:
///     paths: [ ./orders/*.xml ]
///     scanner:
///       to_the_end: {}
/// pipeline:
///   processors:
///     - xml:
///         operator: to_json
///         cast: true
/// output:
///   stdout: {}
/// ```
///
/// # Errors
///
/// A message that is no XML stays as it was and is marked with why, and in which line.
///
/// # Limits
///
/// The messages that are worked on together grow by 512MiB at most.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct XmlConfig {
    /// What is done; there is `to_json`.
    #[config(default = "", example = "to_json")]
    operator: String,

    /// Whether what looks like a number or a boolean is one; else all values are texts.
    #[config(default = "false")]
    cast: bool,
}

/// Bento says so when it starts.
fn lint(config: &XmlConfig, node: &Node, reader: &mut Reader<'_>) {
    if let Err(why) = config.check() {
        reader.error(Rule::InvalidValue, node.get("operator").unwrap_or(node), why);
    }
}

impl XmlConfig {
    fn check(&self) -> Result<(), String> {
        match self.operator.as_str() {
            "to_json" => Ok(()),
            other => Err(format!("operator not recognised: {other}")),
        }
    }
}

impl BuildProcessor for XmlConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        self.check().map_err(BuildError::new)?;
        Ok(Box::new(Xml { is_cast: self.cast, logger: ctx.logger() }))
    }
}

struct Xml {
    is_cast: bool,
    logger: Logger,
}

impl Xml {
    fn read(&self, message: &Message, charged: &mut Charged<'_, '_>) -> Result<Value, String> {
        let content = message.content().clone();
        charged.charge(content.len())?;
        match read_xml(&content, self.is_cast, &mut |n| charged.charge(n))? {
            Some((value, _)) => Ok(value),
            None => Err("EOF".to_string()),
        }
    }
}

impl Processor for Xml {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        each_message(part, step, |message, step| {
            let read = self.read(message, &mut Charged::new(step, message));
            match read {
                Ok(value) => message.set_value(value),
                Err(why) => {
                    self.logger.seldom(Level::Debug, &format!("Failed to parse part as XML: {why}"));
                    step.mark(message, Mark::new(why));
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use wappa_component::{Part, Step};
    use wappa_message::Message;

    use super::super::limit;
    use crate::test::{Harness, check_lint};

    fn check(config: &str, input: &str, expected: &str) {
        let output = Harness::default().process(&format!("xml: {config}"), &[input]);
        assert_eq!(output.replace("\\\"", "\""), format!("{expected}\n"), "{input}");
    }

    #[test]
    fn documents_are_objects() {
        let plain = "{operator: to_json}";
        check(plain, "<a b='1'>x<c/><c>2</c></a>", r##"{"a":{"#text":"x","-b":"1","c":["","2"]}}"##);
        check("{operator: to_json, cast: true}", "<a b='1'>true</a>", r##"{"a":{"#text":true,"-b":1}}"##);
        // What follows the document is nothing to it.
        check(plain, "<a/><b/>", r#"{"a":""}"#);
        check(plain, "<?xml version='1.0' encoding='latin1'?><a\u{e9}>x</a\u{e9}>", r#"{"a\xc3\x83\xc2\xa9":"x"}"#);
    }

    #[test]
    fn what_is_no_document_stays_and_is_marked() {
        let plain = "{operator: to_json}";
        check(plain, "", "\"\"[EOF]");
        check(plain, "no", "no[EOF]");
        check(plain, "<a>", "<a>[xml.Decoder.Token() - XML syntax error on line 1: unexpected EOF]");
    }

    #[test]
    fn what_it_grows_by_is_bounded() {
        let mut harness = Harness::default();
        let processor = harness.processor("xml: {operator: to_json}").expect("it can be built");
        let content = format!("<a>{}</a>", "<b/>".repeat(4_000));
        // Each element is charged before it is made.
        for (n_left, is_refused) in [(2 << 20, false), (1 << 19, true)] {
            let mut part = Part::singles(vec![Message::new(content.clone())]);
            let mut step = Step::new(0, harness.time.as_ref());
            step.begin_part(limit::growth_that_leaves(n_left));
            processor.process(&mut part, &mut step);
            let mark = part.messages()[0].error().map(|it| it.to_string());
            assert_eq!(mark.as_deref(), Some(limit::TOO_LARGE).filter(|_| is_refused));
        }
    }

    #[test]
    fn lints() {
        let lint = |operator: &str, expected: &str| {
            let config = format!("pipeline:\n  processors:\n    - xml:\n        operator: {operator}\n");
            check_lint(&config, expected);
        };
        lint("to_json", "");
        lint("from_json", "(4,1) operator not recognised: from_json\n");
        lint("''", "(4,1) operator not recognised: \n");
    }
}
