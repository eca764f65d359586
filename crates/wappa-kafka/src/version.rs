//! Versions of Kafka, as the field `target_version` names them.

use rdkafka::ClientConfig;
use wappa_spec::{Node, Reader, Rule};

/// What brokers are known to understand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Version {
    number: (u32, u32),
}

/// What Bento's client takes brokers for where nothing is said.
const DEFAULT: Version = Version { number: (2, 1) };

impl Version {
    pub(crate) fn of(text: Option<&str>) -> Result<Version, String> {
        let Some(text) = text.filter(|it| !it.is_empty()) else { return Ok(DEFAULT) };
        let numbers: Option<Vec<u32>> = text.split('.').map(|it| it.parse().ok()).collect();
        match numbers.as_deref() {
            // Up to 0.11 versions had four numbers.
            Some([0, minor, _, _] | [0, minor, _]) => Ok(Version { number: (0, *minor) }),
            Some([major, minor, _] | [major, minor]) if 0 < *major => {
                Ok(Version { number: (*major, *minor) })
            }
            _ => Err(format!("invalid version `{text}`: a version is written like `2.1.0`")),
        }
    }

    /// Whether messages have headers.
    pub(crate) fn has_headers(self) -> bool {
        (0, 11) <= self.number
    }

    /// Tells a client what brokers cannot say themselves.
    pub(crate) fn apply(self, config: &mut ClientConfig) {
        if self.number < (0, 10) {
            config
                .set("api.version.request", "false")
                .set("broker.version.fallback", format!("0.{}.0", self.number.1));
        }
    }
}

pub(crate) fn lint_version(text: Option<&str>, node: &Node, reader: &mut Reader<'_>) {
    if let Err(text) = Version::of(text) {
        reader.error(Rule::InvalidValue, node.get("target_version").unwrap_or(node), text);
    }
}
