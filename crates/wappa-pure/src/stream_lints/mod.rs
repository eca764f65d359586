//! Lints over a whole stream: what no component can see by itself.

mod hidden_metrics;
mod own_input;
mod way_out;

use wappa_spec::{Lint, Registry, StreamConfig};

/// What is to be said of a stream, as far as its config can be read.
pub fn lint_stream(config: &StreamConfig, registry: &dyn Registry) -> Vec<Lint> {
    let mut lints: Vec<Lint> = way_out::lint(config, registry).into_iter().collect();
    lints.extend(own_input::lint(config));
    lints.extend(hidden_metrics::lint(config));
    lints
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
