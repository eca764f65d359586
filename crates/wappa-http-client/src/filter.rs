//! Which keys are taken of many, with Bento's fields.

use regex::bytes::Regex;
use wappa_spec::{Config, Node, Reader, Rule};

/// Which keys are taken: those with one of the prefixes, and those that one of the patterns matches. Without either, none.
#[derive(Config, Clone, Debug)]
#[config(lint = lint)]
pub(crate) struct FilterConfig {
    /// Keys that begin so are taken.
    #[config(default = "[]", example = "[foo_, bar_]", example = "[kafka_]", example = "[content-]")]
    include_prefixes: Vec<String>,

    /// Keys in which a regular expression is found are taken.
    #[config(default = "[]", example = "['.*']", example = "[_timestamp_unix$]")]
    include_patterns: Vec<String>,
}

fn lint(config: &FilterConfig, node: &Node, reader: &mut Reader<'_>) {
    if let Err(text) = Filter::new(config) {
        reader.error(Rule::InvalidValue, node.get("include_patterns").unwrap_or(node), text);
    }
}

/// A filter, ready to be asked.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    prefixes: Vec<String>,
    patterns: Vec<Regex>,
}

impl Filter {
    /// The error says which pattern is none.
    pub(crate) fn new(config: &FilterConfig) -> Result<Filter, String> {
        let patterns = config.include_patterns.iter().map(|it| {
            Regex::new(it).map_err(|err| {
                let text = err.to_string();
                let why = text.lines().last().unwrap_or_default();
                format!("failed to compile regular expression {it:?}: {}", why.trim_start_matches("error: "))
            })
        });
        let patterns = patterns.collect::<Result<_, _>>()?;
        Ok(Filter { prefixes: config.include_prefixes.clone(), patterns })
    }

    /// Whether nothing is taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.prefixes.is_empty() && self.patterns.is_empty()
    }

    pub(crate) fn takes(&self, key: &[u8]) -> bool {
        self.prefixes.iter().any(|it| key.starts_with(it.as_bytes()))
            || self.patterns.iter().any(|it| it.is_match(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_by_how_they_begin_or_what_is_in_them() {
        let filter = |prefixes: &[&str], patterns: &[&str]| {
            let all = |of: &[&str]| of.iter().map(ToString::to_string).collect();
            Filter::new(&FilterConfig { include_prefixes: all(prefixes), include_patterns: all(patterns) })
        };
        let both = filter(&["a_", "b"], &["_id$"]).expect("patterns");
        let taken: Vec<&str> = ["a_x", "xa_", "b", "user_id", "user_ids"]
            .into_iter()
            .filter(|it| both.takes(it.as_bytes()))
            .collect();
        assert_eq!(taken, ["a_x", "b", "user_id"]);
        assert!(filter(&[], &[]).expect("nothing").is_empty());
        let error = filter(&[], &["("]).expect_err("it is none");
        assert_eq!(error, "failed to compile regular expression \"(\": unclosed group");
    }
}
