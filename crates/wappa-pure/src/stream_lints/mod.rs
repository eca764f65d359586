//! Lints over a whole stream: what no component can see by itself.

mod hidden_metrics;
mod no_service;
mod own_input;
mod way_out;

use wappa_spec::{ComponentNode, Lint, Node, Registry, StreamConfig};

/// What is to be said of a stream, as far as its config can be read.
pub fn lint_stream(config: &StreamConfig, registry: &dyn Registry) -> Vec<Lint> {
    let mut lints: Vec<Lint> = way_out::lint(config, registry).into_iter().collect();
    lints.extend(own_input::lint(config));
    lints.extend(hidden_metrics::lint(config));
    lints.extend(no_service::lint(config));
    lints
}

/// Shows the bodies of all components with these names at or below one.
fn bodies_of(component: &ComponentNode, names: &[&str], see: &mut dyn FnMut(&Node)) {
    match names.contains(&component.name.as_str()) {
        true => see(&component.body),
        false => search(&component.body, names, see),
    }
}

fn search(node: &Node, names: &[&str], see: &mut dyn FnMut(&Node)) {
    node.as_seq().into_iter().flatten().for_each(|it| search(it, names, see));
    for (key, value) in node.as_map().into_iter().flatten() {
        match key.as_key() {
            name if names.contains(&name) => see(value),
            "type" if value.as_str().is_some_and(|it| names.contains(&it)) => {
                see(node.get("plugin").unwrap_or(value));
            }
            _ => search(value, names, see),
        }
    }
}

#[cfg(test)]
mod tests {
    use wappa_spec::{LintOptions, Source};

    use super::*;
    use crate::test::specs;

    /// Lints the stream as a whole, and nothing in it.
    pub(super) fn check(config: &str, expected: &str) {
        let source = Source::read(config.as_bytes(), |_| None).expect("the test's YAML is sound");
        let linted = source.stream(&specs(), LintOptions::default());
        let config_read = linted.as_far_as_read().expect("there is something to lint");
        let lints = lint_stream(config_read, &specs());
        let lines: Vec<String> = lints.iter().map(|it| format!("{it}\n")).collect();
        assert_eq!(lines.concat(), expected, "{config}");
    }
}
