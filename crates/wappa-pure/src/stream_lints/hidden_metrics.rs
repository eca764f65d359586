//! A lint over a whole stream: metrics that are lines of the log, and are not written there.

use wappa_spec::{Lint, Rule, StreamConfig};

/// Warns where metrics go to the log, at the level `INFO`, and the log's level leaves those lines out.
pub(super) fn lint(config: &StreamConfig) -> Option<Lint> {
    let level = config.logger.level.to_ascii_uppercase();
    let is_hidden = ["OFF", "NONE", "FATAL", "ERROR", "WARN"].contains(&level.as_str());
    let text = format!("metrics are lines of the log at INFO, which its level {level} leaves out");
    let lint = Lint::warning(Rule::Custom, config.metrics.pos, text);
    (config.metrics.name == "logger" && is_hidden).then(|| lint.hint("set `logger.level` to INFO"))
}

#[cfg(test)]
mod tests {
    use crate::stream_lints::tests::check;

    #[test]
    fn metrics_that_nobody_sees() {
        let text = "(2,1) metrics are lines of the log at INFO, which its level WARN leaves out\n";
        check("logger: {level: warn}\nmetrics: {logger: {}}\n", text);
        check("logger: {level: debug}\nmetrics: {logger: {}}\n", "");
        check("logger: {level: warn}\nmetrics: {none: {}}\n", "");
    }
}
