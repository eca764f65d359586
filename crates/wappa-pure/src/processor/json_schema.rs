//! The processor `json_schema`.

use std::path::Path;

use wappa_bloblang::Schema;
use wappa_component::{BuildError, BuildProcessor, Component, Context, Part, Processor, Step, read_file};
use wappa_message::{Mark, Message};
use wappa_spec::{Config, Node, Reader, Rule};

use super::{document::document, each::each_message};

pub(super) const COMPONENT: Component = Component::processor::<JsonSchemaConfig>("json_schema").categories(&["Mapping"]);

/// Compares the document of each message with a JSON Schema, and marks the message if it does not fit.
///
/// Drafts 4, 6 and 7 are understood. References lead to places in the schema itself; nothing is fetched.
///
/// # Examples
///
/// ### What does not fit goes to another file
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - json_schema:
///         schema: |
///           {
///             "type": "object",
///             "properties": { "id": { "type": "integer" } },
///             "required": ["id"]
///           }
/// output:
///   fallback:
///     - reject_errored:
///         stdout: {}
///     - file:
///         path: ./unfit.jsonl
/// ```
///
/// # Errors
///
/// A message that does not fit, or is no document, goes on as it was, marked; the mark has a line for each thing that does not
/// fit.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct JsonSchemaConfig {
    /// The schema. Either this or `schema_path` is needed.
    #[config(optional)]
    schema: Option<String>,

    /// The path of a file with the schema, behind `file://`. It leads from the working directory.
    #[config(optional, example = "file://./schema.json")]
    schema_path: Option<String>,
}

/// Files are read when the stream starts, not when its config is linted.
fn lint(config: &JsonSchemaConfig, node: &Node, reader: &mut Reader<'_>) {
    let path = config.schema_path.as_ref().filter(|it| !it.is_empty());
    if path.is_some()
        && reader.refuse_if_restricted("field schema_path", node.get("schema_path").unwrap_or(node))
    {
        return;
    }
    if let Err((field, why)) = config.inline() {
        reader.error(Rule::InvalidValue, node.get(field).unwrap_or(node), why);
    }
}

/// The largest file that is read as a schema.
const FILE_BYTES_MAX: u64 = 16 << 20;

impl JsonSchemaConfig {
    /// The schema, if it stands in the config; the error has its field and Bento's text.
    fn inline(&self) -> Result<Option<Schema>, (&'static str, String)> {
        // As in Bento, a path counts more.
        match (&self.schema_path, &self.schema) {
            (Some(path), _) if !path.is_empty() => match path.strip_prefix("file://") {
                Some(_) => Ok(None),
                None if path.starts_with("http://") => {
                    Err(("schema_path", "Wappa fetches no schemas: save it to a file".to_string()))
                }
                None => {
                    let text = "invalid schema_path provided, must start with file:// or http://";
                    Err(("schema_path", text.to_string()))
                }
            },
            (_, Some(schema)) if !schema.is_empty() => {
                let parsed = Schema::parse(schema.as_bytes());
                parsed.map(Some).map_err(|why| ("schema", format!("failed to load JSON schema definition: {why}")))
            }
            _ => Err(("", "either schema or schema_path must be provided".to_string())),
        }
    }

    fn load(&self) -> Result<Schema, String> {
        if let Some(schema) = self.inline().map_err(|(_, why)| why)? {
            return Ok(schema);
        }
        let path = self.schema_path.as_deref().and_then(|it| it.strip_prefix("file://")).unwrap_or_default();
        let failed = |why: String| format!("failed to load JSON schema definition: {why}");
        let text = read_file(Path::new(path), FILE_BYTES_MAX)
            .map_err(|err| failed(format!("{} {path}: {}", err.step, err.cause)))?;
        Schema::parse(&text).map_err(failed)
    }
}

impl BuildProcessor for JsonSchemaConfig {
    fn build(self, _: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        Ok(Box::new(JsonSchema(self.load().map_err(BuildError::new)?)))
    }
}

struct JsonSchema(Schema);

impl JsonSchema {
    fn check(&self, message: &mut Message) -> Result<(), String> {
        let value = document(message)?;
        let problems = self.0.problems(value).map_err(|failure| failure.to_string())?;
        match problems.is_empty() {
            true => Ok(()),
            false => Err(told(&problems)),
        }
    }
}

/// How long what is said of a message is at most, in bytes.
const TOLD_BYTES_MAX: usize = 4096;

/// The problems, each a line, as far as anybody reads them.
fn told(problems: &[String]) -> String {
    let mut text = String::new();
    for problem in problems {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(problem);
        if TOLD_BYTES_MAX < text.len() {
            text.truncate(text.floor_char_boundary(TOLD_BYTES_MAX));
            text.push('…');
            break;
        }
    }
    text
}

impl Processor for JsonSchema {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        each_message(part, step, |message, step| {
            if let Err(why) = self.check(message) {
                step.mark(message, Mark::new(why));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::test::{Harness, TempDir, check_lint};

    const SCHEMA: &str = r#"{"type":"object","properties":{"a":{"type":"number"}},"required":["B"]}"#;

    /// What comes out, with quotes as they are.
    fn check(config: &str, inputs: &[&str], expected: &str) {
        let output = Harness::default().process(&format!("json_schema: {{{config}}}"), inputs);
        assert_eq!(output.replace("\\\"", "\""), expected);
    }

    #[test]
    fn what_does_not_fit_is_marked() {
        check(
            &format!("schema: '{SCHEMA}'"),
            &[r#"{"a":1,"B":0}|{"a":1}"#, r#"{"a":"x"}"#, "nope", "\"x\"", ""],
            "{\"a\":1,\"B\":0}|{\"a\":1}[(root) B is required]\n\
             {\"a\":\"x\"}[(root) B is required\na invalid type. expected: number, given: string]\n\
             nope[invalid character 'o' in literal null (expecting 'u')]\n\
             \"x\"[(root) invalid type. expected: object, given: string]\n\
             \"\"[target message part does not exist]\n",
        );
    }

    #[test]
    fn a_schema_may_be_in_a_file() {
        let dir = TempDir::new();
        let path = dir.path().join("schema.json");
        std::fs::write(&path, SCHEMA).expect("it can be written");
        check(&format!("schema_path: 'file://{}'", path.display()), &["{}"], "{}[(root) B is required]\n");
        let missing = format!("json_schema: {{schema_path: 'file://{}'}}", dir.path().join("none").display());
        let err = Harness::default().processor(&missing).map(drop).expect_err("there is none").to_string();
        assert!(err.contains("failed to load JSON schema definition: open "), "{err}");
        assert!(err.ends_with("none: no such file or directory"), "{err}");
    }

    #[test]
    fn lints() {
        let lint = |body: &str, expected: &str| {
            check_lint(&format!("pipeline:\n  processors:\n    - json_schema:\n        {body}\n"), expected);
        };
        lint("schema: '{}'", "");
        lint("schema_path: file://./nowhere.json", "");
        lint("{}", "(4,1) either schema or schema_path must be provided\n");
        lint("schema_path: ./s.json", "(4,1) invalid schema_path provided, must start with file:// or http://\n");
        lint("schema_path: http://a/s.json", "(4,1) Wappa fetches no schemas: save it to a file\n");
        lint(
            "schema: '{\"type\":5}'",
            "(4,1) failed to load JSON schema definition: Invalid type. Expected: string/array of strings, given: type\n",
        );
    }
}
