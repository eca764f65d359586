//! What the registry is asked: schemas by their number, by their subject, and those that they refer to.

use std::{collections::HashMap, fmt};

use bytes::Bytes;
use wappa_http_client::{Access, Document, Documents};
use wappa_message::Value;

/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// How many schemas one may refer to, all of theirs included, and how large all of them may be.
const REFERENCES_MAX: usize = 500;
const ALL_BYTES_MAX: usize = 8 << 20;

/// How often a question is asked when there is no answer.
const ATTEMPTS: usize = 3;

/// What a registry says it sends.
const ACCEPT: &str = "application/vnd.schemaregistry.v1+json";

/// The format of a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Avro,
    Json,
    Protobuf,
}

/// A schema of the registry.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) id: u32,
    pub(crate) format: Format,
    pub(crate) text: String,
    references: Vec<Named>,
}

/// A schema that another one refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    name: String,
    subject: String,
    version: i64,
}

/// A schema with all that it refers to.
#[derive(Clone, Debug)]
pub(crate) struct Whole {
    pub(crate) root: Stored,
    /// Each by the name by which it is referred to.
    pub(crate) references: Vec<(String, Stored)>,
}

impl Whole {
    /// How long all of its texts are.
    pub(crate) fn size(&self) -> usize {
        self.root.text.len() + self.references.iter().map(|it| it.0.len() + it.1.text.len()).sum::<usize>()
    }
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Asked {
    Id(u32),
    /// The latest schema of a subject.
    Latest(String),
    Version(String, i64),
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Asked::Id(id) => write!(f, "schema '{id}'"),
            Asked::Latest(subject) | Asked::Version(subject, _) => {
                write!(f, "schema subject '{}'", shortened(subject))
            }
        }
    }
}

fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(256)]
}

/// A registry.
#[derive(Debug)]
pub(crate) struct Registry(Documents);

impl Registry {
    /// The error says which field is wrong, or which file.
    pub(crate) fn new(access: &Access) -> Result<Registry, String> {
        Documents::new(access).map(Registry)
    }

    /// A schema with all that it refers to. The errors are Bento's texts where it has some.
    pub(crate) async fn whole(&self, asked: &Asked) -> Result<Whole, String> {
        let root = self.get(asked).await?;
        let mut whole = Whole { root, references: Vec::new() };
        let mut size = whole.root.text.len();
        let mut seen: HashMap<String, i64> = HashMap::new();
        let mut waiting: Vec<Named> = whole.root.references.iter().rev().cloned().collect();
        while let Some(Named { name, subject, version }) = waiting.pop() {
            match seen.get(&name) {
                Some(other) if *other != version => {
                    return Err(format!(
                        "duplicate reference '{}' version mismatch of {other} and {version}, aborting in order to avoid invalid state",
                        shortened(&name)
                    ));
                }
                Some(_) => continue,
                None => (),
            }
            let stored = self.get(&Asked::Version(subject, version)).await?;
            size += stored.text.len() + name.len();
            if REFERENCES_MAX == seen.len() || ALL_BYTES_MAX < size {
                return Err(format!(
                    "{asked} refers to more than {REFERENCES_MAX} others, or they have more than {ALL_BYTES_MAX} bytes"
                ));
            }
            waiting.extend(stored.references.iter().rev().cloned());
            seen.insert(name.clone(), version);
            whole.references.push((name, stored));
        }
        Ok(whole)
    }

    async fn get(&self, asked: &Asked) -> Result<Stored, String> {
        let numbers;
        let path: [&str; 4] = match asked {
            Asked::Id(id) => {
                numbers = id.to_string();
                ["schemas", "ids", &numbers, ""]
            }
            Asked::Latest(subject) => ["subjects", subject, "versions", "latest"],
            Asked::Version(subject, version) => {
                numbers = version.to_string();
                ["subjects", subject, "versions", &numbers]
            }
        };
        let path = path.strip_suffix(&[""]).unwrap_or(&path);
        let failed = |why: String| format!("request failed for {asked}: {why}");
        let mut attempts = 1;
        let document = loop {
            match self.0.get(path, ACCEPT, ANSWER_BYTES_MAX).await {
                Ok(document) => break document,
                Err(why) if attempts == ATTEMPTS => return Err(failed(why)),
                Err(_) => attempts += 1,
            }
        };
        match document {
            Document { code: 404, .. } => Err(format!("{asked} not found by registry")),
            Document { code: 200, body } if body.is_empty() => {
                Err("schema request returned an empty body".to_string())
            }
            Document { code: 200, body } => {
                read(&body).map_err(|why| format!("failed to parse response for {asked}: {why}"))
            }
            Document { code, body } if body.is_empty() => Err(failed(format!("status code {code}"))),
            Document { code, body } => {
                Err(failed(format!("status code {code}: {}", String::from_utf8_lossy(&body))))
            }
        }
    }
}

/// Reads the answer of a registry.
fn read(body: &Bytes) -> Result<Stored, String> {
    let value = Value::from_json(body).map_err(|err| err.to_string())?;
    let Value::Object(object) = value else { return Err("it is no object".to_string()) };
    let text = |key: &str| match object.get(key) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::Text(it)) => Ok(String::from_utf8_lossy(&it).into_owned()),
        Some(_) => Err(format!("`{key}` is no text")),
    };
    let format = match text("schemaType")?.as_str() {
        "" | "AVRO" => Format::Avro,
        "JSON" => Format::Json,
        "PROTOBUF" => Format::Protobuf,
        other => return Err(format!("schema type {} not supported", shortened(other))),
    };
    let id = match object.get("id") {
        None | Some(Value::Null) => 0,
        Some(it) => {
            whole_number(&it).and_then(|it| u32::try_from(it).ok()).ok_or("`id` is no number of a schema")?
        }
    };
    let mut references = Vec::new();
    match object.get("references") {
        None | Some(Value::Null) => (),
        Some(Value::Array(list)) if list.len() <= REFERENCES_MAX => {
            for it in list.iter() {
                references.push(reference(&it).ok_or("a reference is not a name, a subject and a version")?);
            }
        }
        Some(_) => {
            return Err(format!("`references` is no list, or has more than {REFERENCES_MAX} elements"));
        }
    }
    Ok(Stored { id, format, text: text("schema")?, references })
}

fn reference(value: &Value) -> Option<Named> {
    let Value::Object(object) = value else { return None };
    let text = |key: &str| match object.get(key) {
        Some(Value::Text(it)) => Some(String::from_utf8_lossy(&it).into_owned()),
        _ => None,
    };
    Some(Named {
        name: text("name")?,
        subject: text("subject")?,
        version: whole_number(&object.get("version")?)?,
    })
}

fn whole_number(value: &Value) -> Option<i64> {
    match value {
        Value::Int(_) | Value::Uint(_) | Value::Float(_) | Value::Number(_) => {
            String::from_utf8_lossy(&value.to_text()).parse().ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str) -> Result<Stored, String> {
        read(&Bytes::copy_from_slice(body.as_bytes()))
    }

    #[test]
    fn answers_are_read() {
        let stored =
            check(r#"{"schema":"\"int\"","id":7,"references":[{"name":"a","subject":"b","version":2}]}"#);
        let stored = stored.expect("it is an answer");
        assert_eq!((stored.id, stored.format, stored.text.as_str()), (7, Format::Avro, "\"int\""));
        let named = Named { name: "a".to_string(), subject: "b".to_string(), version: 2 };
        assert_eq!(stored.references, [named]);
        assert_eq!(check(r#"{"schemaType":"PROTOBUF","schema":""}"#).expect("one").format, Format::Protobuf);
    }

    #[test]
    fn nonsense_is_told() {
        for (body, expected) in [
            ("[]", "it is no object"),
            ("<html>", "invalid character '<' looking for beginning of value"),
            (r#"{"schema":5}"#, "`schema` is no text"),
            (r#"{"schema":"","id":-1}"#, "`id` is no number of a schema"),
            (r#"{"schema":"","id":4294967296}"#, "`id` is no number of a schema"),
            (r#"{"schemaType":"XML"}"#, "schema type XML not supported"),
            (r#"{"references":[5]}"#, "a reference is not a name, a subject and a version"),
            (r#"{"references":5}"#, "`references` is no list, or has more than 500 elements"),
        ] {
            assert_eq!(check(body).map(drop), Err(expected.to_string()), "{body}");
        }
    }
}
