//! Headers: which metadata go with a message, and what goes with all of them.

use rdkafka::message::{Header, OwnedHeaders};
use regex::Regex;
use wappa_message::Message;

/// What is a header.
#[derive(Default)]
pub(crate) struct Headers {
    pub(crate) of_metadata: Choice,
    /// The same for all messages.
    pub(crate) fixed: Vec<(String, String)>,
}

/// Which metadata are headers.
#[derive(Default)]
pub(crate) enum Choice {
    #[default]
    None,
    /// All that do not begin with one of these.
    But(Vec<String>),
    /// Those that begin with one of these, or that a pattern matches.
    These { prefixes: Vec<String>, patterns: Vec<Regex> },
}

impl Choice {
    fn has(&self, key: &[u8]) -> bool {
        let begins = |prefixes: &[String]| prefixes.iter().any(|it| key.starts_with(it.as_bytes()));
        match self {
            Choice::None => false,
            Choice::But(prefixes) => !begins(prefixes),
            Choice::These { prefixes, patterns } => {
                let matches = |it: &Regex| it.is_match(&String::from_utf8_lossy(key));
                begins(prefixes) || patterns.iter().any(matches)
            }
        }
    }
}

impl Headers {
    /// The headers of a message; none where it has none.
    pub(crate) fn of(&self, message: &Message) -> Option<OwnedHeaders> {
        let metadata = message.metadata();
        let n = match self.of_metadata {
            Choice::None => 0,
            _ => metadata.iter().filter(|(key, _)| self.of_metadata.has(key)).count(),
        };
        if n + self.fixed.len() == 0 {
            return None;
        }
        let mut headers = OwnedHeaders::new_with_capacity(n + self.fixed.len());
        for (key, value) in metadata.iter().filter(|(key, _)| 0 < n && self.of_metadata.has(key)) {
            let value = value.to_text();
            headers =
                headers.insert(Header { key: &String::from_utf8_lossy(key), value: Some(value.as_ref()) });
        }
        for (key, value) in &self.fixed {
            headers = headers.insert(Header { key, value: Some(value.as_bytes()) });
        }
        Some(headers)
    }
}
