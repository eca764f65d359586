//! Which metadata go along: Bento's fields `include_prefixes` and `include_patterns`.

use regex::bytes::Regex;
use wappa_bloblang::go_regex;
use wappa_spec::{Config, Node, Reader, Rule};

/// Which keys are taken; none where nothing is given.
#[derive(Config, Debug, Clone, Default)]
#[config(lint = lint)]
pub struct MetadataFilterConfig {
    /// What keys may begin with.
    #[config(default = "[]", example = "- foo_\n- bar_", example = "- kafka_", example = "- content-")]
    include_prefixes: Vec<String>,

    /// Regular expressions that a piece of a key may match.
    #[config(default = "[]", example = "- .*", example = "- _timestamp_unix$")]
    include_patterns: Vec<String>,
}

fn lint(config: &MetadataFilterConfig, node: &Node, reader: &mut Reader<'_>) {
    if let Err(text) = config.filter() {
        reader.error(Rule::InvalidValue, node.get("include_patterns").unwrap_or(node), text);
    }
}

impl MetadataFilterConfig {
    /// What tells which keys are taken; the error is of a pattern that cannot be read.
    pub fn filter(&self) -> Result<MetadataFilter, String> {
        let compile =
            |it: &String| go_regex(it).map_err(|err| format!("failed to compile regexp {it:?}: {err}"));
        let patterns = self.include_patterns.iter().map(compile).collect::<Result<_, _>>()?;
        Ok(MetadataFilter { prefixes: self.include_prefixes.clone(), patterns })
    }
}

/// Tells which keys are taken.
#[derive(Debug, Clone, Default)]
pub struct MetadataFilter {
    prefixes: Vec<String>,
    patterns: Vec<Regex>,
}

impl MetadataFilter {
    /// Whether there is a rule at all, so that any key may be taken.
    pub fn is_set(&self) -> bool {
        !(self.prefixes.is_empty() && self.patterns.is_empty())
    }

    /// Whether this key is taken.
    pub fn takes(&self, key: &[u8]) -> bool {
        self.prefixes.iter().any(|it| key.starts_with(it.as_bytes()))
            || self.patterns.iter().any(|it| it.is_match(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(prefixes: &[&str], patterns: &[&str]) -> Result<MetadataFilter, String> {
        let texts = |all: &[&str]| all.iter().map(|it| it.to_string()).collect();
        MetadataFilterConfig { include_prefixes: texts(prefixes), include_patterns: texts(patterns) }.filter()
    }

    #[test]
    fn what_begins_or_matches_is_taken() {
        let none = filter(&[], &[]).expect("it is empty");
        assert!(!none.is_set() && !none.takes(b"a"));
        let some = filter(&["foo_", "b"], &["_unix$", "^x.z"]).expect("they can be read");
        let taken = |key: &str| some.takes(key.as_bytes());
        assert!(some.is_set());
        assert_eq!(
            ["foo_1", "foo", "bar", "at_unix", "at_unix_", "xyz", "axyz"].map(taken),
            [true, false, true, true, false, true, false]
        );
        assert!(some.takes(b"b\xff"));
    }

    #[test]
    fn a_pattern_that_cannot_be_read_is_named() {
        let err = filter(&[], &["(a"]).expect_err("it is not closed");
        assert_eq!(err, r#"failed to compile regexp "(a": error parsing regexp: missing closing ): `(a`"#);
    }
}
