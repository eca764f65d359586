//! The processor `log`.

use std::borrow::Cow;

use wappa_component::{
    BuildError, BuildProcessor, Component, Context, Level, Logger, Part, Processor, Step, interpolate,
};
use wappa_message::Message;
use wappa_spec::{Config, Interpolated, Map, Mapping, Node, Reader, Rule};

pub(super) const COMPONENT: Component = Component::processor::<LogConfig>("log").categories(&["Utility"]);

/// Writes a line to the log for each message, and leaves the message as it is.
///
/// # Examples
///
/// ### Say what failed, and why
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - catch:
///         - log:
///             level: ERROR
///             message: 'failed with ${! error() }: ${! content() }'
/// output:
///   stdout: {}
/// ```
///
/// # Performance
///
/// Nothing is evaluated while the level is not logged. A line costs much more than a message otherwise does.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct LogConfig {
    /// How much the line matters: TRACE, DEBUG, INFO, WARN or ERROR.
    #[config(default = "INFO", options("FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE", "ALL"))]
    level: String,

    /// A mapping whose result is added to the line as fields.
    #[config(optional)]
    fields_mapping: Option<Mapping>,

    /// The text of the line.
    #[config(default = "\"\"")]
    message: Interpolated,

    /// Fields of the line.
    #[config(deprecated)]
    fields: Option<Map<Interpolated>>,
}

fn lint(config: &LogConfig, node: &Node, reader: &mut Reader<'_>) {
    if config.fields_mapping.as_ref().is_some_and(|it| it.program().is_some()) {
        let at = node.get("fields_mapping").unwrap_or(node);
        reader.error(Rule::NotInWappa, at, "Wappa does not evaluate `fields_mapping` of `log` yet");
    }
}

impl BuildProcessor for LogConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        let level = match self.level.as_str() {
            "TRACE" => Level::Trace,
            "DEBUG" => Level::Debug,
            "INFO" => Level::Info,
            "WARN" => Level::Warn,
            "ERROR" => Level::Error,
            // Bento's options have more than its processor knows.
            level => return Err(BuildError::new(format!("log level not recognised: {level}"))),
        };
        let fields = self.fields.unwrap_or_default().0;
        Ok(Box::new(Log { logger: ctx.logger(), level, message: self.message, fields }))
    }
}

struct Log {
    logger: Logger,
    level: Level,
    message: Interpolated,
    fields: Vec<(String, Interpolated)>,
}

impl Processor for Log {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let n_batches = part.n_batches();
        if !self.logger.enabled(self.level) {
            return n_batches;
        }
        for idx in 0..n_batches {
            part.messages()[part.batch(idx)].iter().for_each(|it| self.log(it));
            if step.is_due() {
                return idx + 1;
            }
        }
        n_batches
    }
}

impl Log {
    fn log(&self, message: &Message) {
        let values: Vec<_> = self.fields.iter().map(|(_, value)| interpolate(value, message)).collect();
        let fields: Vec<(&str, Cow<'_, str>)> = self
            .fields
            .iter()
            .zip(&values)
            .map(|((name, _), value)| (name.as_str(), String::from_utf8_lossy(value)))
            .collect();
        let text = interpolate(&self.message, message);
        self.logger.log_with(self.level, &String::from_utf8_lossy(&text), &fields);
    }
}

#[cfg(test)]
mod tests {
    use crate::test::{Harness, check_lint};

    fn check_log(config: &str, inputs: &[&str], expected: &str) {
        let mut harness = Harness::default();
        assert_eq!(harness.process(config, inputs), crate::test::text(&crate::test::batches(inputs)));
        assert_eq!(harness.log.take(), expected);
    }

    #[test]
    fn a_line_for_each_message() {
        let place = "label= path=root.pipeline.processors.0";
        check_log(
            "log: {message: 'm=${! content() } ${! error() }', level: warn}",
            &["a|b!"],
            &format!("Warn m=a null {place}\nWarn m=b b is bad {place}\n"),
        );
        check_log("log: {}", &["a"], &format!("Info  {place}\n"));
        check_log("log: {level: DEBUG, message: x}", &["a"], "");
        check_log(
            "log: {message: hi, fields: {zeta: z, sp ace: '${! content() }'}}",
            &["q w"],
            &format!("Info hi zeta=z sp ace=q w {place}\n"),
        );
    }

    #[test]
    fn bento_lists_levels_that_it_does_not_know() {
        let result = Harness::default().processor("log: {level: fatal}");
        let text = "failed to init processor <no label> path root.pipeline.processors.0: log level not recognised: FATAL";
        assert_eq!(result.err().map(|it| it.to_string()).as_deref(), Some(text));
    }

    #[test]
    fn lints() {
        let lint = |body: &str, expected: &str| {
            check_lint(&format!("pipeline:\n  processors:\n    - log: {body}\n"), expected);
        };
        lint("{level: info, message: a}", "");
        lint("{fields: {a: b}}", "(3,1) field fields is deprecated\n");
        lint("{level: LOUD}", "(3,1) value LOUD is not a valid option for this field\n");
    }
}
