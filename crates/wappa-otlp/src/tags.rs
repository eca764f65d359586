//! What is said of the process that spans come from.

use wappa_spec::Map;

/// The tags of a config, and the name of the service where they do not say it.
#[derive(Clone, Debug)]
pub(crate) struct Tags(Vec<(String, String)>);

const NAME: &str = "service.name";
const VERSION: &str = "service.version";

impl Tags {
    pub(crate) fn new(tags: &Map<String>) -> Tags {
        let mut all: Vec<(String, String)> =
            tags.iter().map(|(key, value)| (key.to_string(), value.clone())).collect();
        let has = |all: &[(String, String)], name: &str| all.iter().any(|(key, _)| key == name);
        if !has(&all, NAME) {
            all.push((NAME.to_string(), "wappa".to_string()));
            // A service with a name of its own has a version of its own.
            if !has(&all, VERSION) {
                all.push((VERSION.to_string(), env!("CARGO_PKG_VERSION").to_string()));
            }
        }
        Tags(all)
    }

    /// Key and value of each.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}
