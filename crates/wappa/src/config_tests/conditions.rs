//! What a message is to be: the conditions of a test, each with Bento's words for what is not so.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use wappa_bloblang::go_regex;
use wappa_component::{NotRead, read_file};
use wappa_message::{Message, Value};
use wappa_spec::{Map, Mapping, Node, TestOutputConfig};

use super::{
    json_diff::{self, Match},
    style::{Style, shown},
    values::{are_equal, go_text, html_safe_json, value_of},
};

/// No file of a test is that big.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// The files of a test, whose paths are relative to its directory.
pub(super) fn file_of_test(dir: &Path, path: &str) -> Result<Bytes, String> {
    // As in Bento, an absolute path is one below the directory too.
    let file: PathBuf = dir.join(path.trim_start_matches('/'));
    read_file(&file, FILE_BYTES_MAX)
        .map(Bytes::from)
        .map_err(|NotRead { step, cause }| format!("{step} {}: {cause}", file.display()))
}

/// What looks at messages.
pub(super) struct Looking<'a> {
    /// The directory of the test.
    pub(super) dir: &'a Path,
    pub(super) style: Style,
}

impl Looking<'_> {
    /// What of a message is not as it is to be, in the order of the conditions' names.
    pub(super) fn check(&self, conditions: &TestOutputConfig, message: &Message) -> Vec<String> {
        let found = message.content();
        let file = |path: &String, what| {
            file_of_test(self.dir, path).map_err(|err| format!("failed to read comparison {what}: {err}"))
        };
        let c = conditions;
        let checked = [
            ("bloblang", c.bloblang.as_ref().map(|it| check_mapping(it, message))),
            ("content_equals", c.content_equals.as_ref().map(|it| self.equals(it.as_bytes(), found))),
            ("content_matches", c.content_matches.as_ref().map(|it| self.matches(it, found))),
            (
                "file_equals",
                c.file_equals.as_ref().map(|it| file(it, "file").and_then(|it| self.equals(&it, found))),
            ),
            (
                "file_json_contains",
                c.file_json_contains
                    .as_ref()
                    .map(|it| file(it, "JSON file").and_then(|it| contains(&it, found))),
            ),
            (
                "file_json_equals",
                c.file_json_equals
                    .as_ref()
                    .map(|it| file(it, "JSON file").and_then(|it| json_equals(&it, found))),
            ),
            (
                "json_contains",
                c.json_contains.as_ref().map(|it| json_of(it).and_then(|it| contains(&it, found))),
            ),
            (
                "json_equals",
                c.json_equals.as_ref().map(|it| json_of(it).and_then(|it| json_equals(&it, found))),
            ),
            ("metadata_equals", c.metadata_equals.as_ref().map(|it| self.metadata(it, message))),
        ];
        let failed = checked.into_iter().filter_map(|(name, result)| Some((name, result?.err()?)));
        failed.map(|(name, why)| format!("{name}: {why}")).collect()
    }

    fn equals(&self, expected: &[u8], found: &Bytes) -> Result<(), String> {
        match expected == found.as_ref() {
            true => Ok(()),
            false => Err(format!(
                "content mismatch\n  expected: {}\n  received: {}",
                self.style.blue(&shown(expected)),
                self.style.red(&shown(found))
            )),
        }
    }

    fn matches(&self, pattern: &str, found: &Bytes) -> Result<(), String> {
        match go_regex(pattern)?.is_match(found) {
            true => Ok(()),
            false => Err(format!(
                "pattern mismatch\n   pattern: {}\n  received: {}",
                self.style.blue(&shown(pattern.as_bytes())),
                self.style.red(&shown(found))
            )),
        }
    }

    fn metadata(&self, expected: &Map<Node>, message: &Message) -> Result<(), String> {
        for (key, node) in expected.iter() {
            let expected = value_of(node).map_err(|err| err.to_string())?;
            let Some(found) = message.metadata().get(key) else {
                return Err(format!("metadata key '{}' expected but not found", shown(key.as_bytes())));
            };
            if !are_equal(&expected, found) {
                return Err(format!(
                    "metadata key '{}' mismatch\n  expected: {}\n  received: {}",
                    shown(key.as_bytes()),
                    self.style.blue(&shown(go_text(&expected).as_bytes())),
                    self.style.red(&shown(go_text(found).as_bytes()))
                ));
            }
        }
        Ok(())
    }
}

fn check_mapping(mapping: &Mapping, message: &Message) -> Result<(), String> {
    let mut batch = [message.clone()];
    let result = mapping.program().map_or(Ok(false), |it| it.test(&mut batch, 0));
    match result {
        Ok(true) => Ok(()),
        Ok(false) => Err("bloblang expression was false".to_string()),
        Err(failure) => Err(shown(failure.to_string().as_bytes())),
    }
}

/// The JSON that a condition means: a text is JSON already.
fn json_of(node: &Node) -> Result<Bytes, String> {
    Ok(match value_of(node).map_err(|err| err.to_string())? {
        Value::Text(text) => text.to_bytes(),
        value => Bytes::from(html_safe_json(&value)),
    })
}

fn json_equals(expected: &Bytes, found: &Bytes) -> Result<(), String> {
    match json_diff::compare(found, expected) {
        Ok((Match::Full, _)) => Ok(()),
        Ok((_, text)) => Err(format!("JSON content mismatch\n{text}")),
        Err(text) => Err(format!("JSON content mismatch\n{text}")),
    }
}

fn contains(expected: &Bytes, found: &Bytes) -> Result<(), String> {
    match json_diff::compare(found, expected) {
        Ok((Match::Full | Match::Superset, _)) => Ok(()),
        Ok((_, text)) => Err(format!("JSON superset mismatch\n{text}")),
        Err(text) => Err(format!("JSON superset mismatch\n{text}")),
    }
}
