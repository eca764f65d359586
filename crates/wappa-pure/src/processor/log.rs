//! The processor `log`.

use std::borrow::Cow;

use wappa_component::{
    BuildError, BuildProcessor, Component, Context, Level, Logger, Part, Processor, Step,
};
use wappa_message::{Message, Value};
use wappa_spec::{Config, Interpolated, Map, Mapping};

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
/// Nothing is evaluated while the level is not logged, unless a query asks a cache or counts by name. A line costs much more than a message otherwise does.
#[derive(Config, Debug)]
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
        let (message, fields) = (self.message, self.fields.unwrap_or_default().0);
        let fields_mapping = self.fields_mapping.unwrap_or_default();
        let texts = fields.iter().map(|it| &it.1).chain([&message]);
        let has_effect = texts.flat_map(|it| it.kept()).next().is_some()
            || fields_mapping.program().is_some_and(|it| !it.kept().is_empty());
        Ok(Box::new(Log { logger: ctx.logger(), level, message, fields, fields_mapping, has_effect }))
    }
}

struct Log {
    logger: Logger,
    level: Level,
    message: Interpolated,
    fields: Vec<(String, Interpolated)>,
    fields_mapping: Mapping,
    /// Whether others see that something was evaluated, though nothing is logged.
    has_effect: bool,
}

impl Processor for Log {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let n_batches = part.n_batches();
        if !self.has_effect && !self.logger.enabled(self.level) {
            return n_batches;
        }
        for idx in 0..n_batches {
            let range = part.batch(idx);
            let batch = &mut part.messages_mut()[range];
            for place in 0..batch.len() {
                if let Err(why) = self.log(batch, place) {
                    self.logger.failed(&why);
                }
            }
            if step.is_due() {
                return idx + 1;
            }
        }
        n_batches
    }
}

impl Log {
    /// Writes the line of one message; the error is why there is none.
    fn log(&self, batch: &mut [Message], place: usize) -> Result<(), String> {
        let mut fields: Vec<(Cow<'_, str>, String)> = Vec::new();
        for (name, value) in &self.fields {
            let value = value
                .evaluate_text(batch, place)
                .map_err(|err| format!("Field {name} interpolation error: {err}"))?;
            fields.push((Cow::Borrowed(name), value));
        }
        fields.extend(self.mapped_fields(batch, place)?);
        let text = self
            .message
            .evaluate_text(batch, place)
            .map_err(|err| format!("Message interpolation error: {err}"))?;
        let fields: Vec<(&str, Cow<'_, str>)> =
            fields.iter().map(|(name, value)| (name.as_ref(), Cow::Borrowed(value.as_str()))).collect();
        self.logger.log_with(self.level, &text, &fields);
        Ok(())
    }

    /// The fields that the mapping makes of a message.
    fn mapped_fields(
        &self,
        batch: &mut [Message],
        place: usize,
    ) -> Result<Vec<(Cow<'static, str>, String)>, String> {
        let Some(program) = self.fields_mapping.program() else { return Ok(Vec::new()) };
        let value = program
            .value(batch, place)
            .map_err(|err| format!("Failed to execute fields mapping: {err}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match value {
            // Who deletes all of it wants no fields.
            None => Ok(Vec::new()),
            Some(Value::Object(object)) => {
                Ok(object.iter().map(|(name, value)| (text(&name).into(), text(&value.to_text()))).collect())
            }
            Some(other) => Err(format!("Fields mapping yielded a non-object result: {}", shown(&other))),
        }
    }
}

/// What a mapping gave instead of an object.
fn shown(value: &Value) -> String {
    let text: String = value.to_json().chars().take(100).collect();
    format!("`{text}`")
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
    fn fields_are_what_the_mapping_makes() {
        let place = "label= path=root.pipeline.processors.0";
        check_log(
            "log: {message: hi, fields_mapping: \"root.b = this.a\\nroot.n = batch_index()\\nroot.o = [1.5, null]\"}",
            &[r#"{"a":"x"}|{"a":"y"}"#],
            &format!("Info hi b=x n=0 o=[1.5,null] {place}\nInfo hi b=y n=1 o=[1.5,null] {place}\n"),
        );
        check_log("log: {message: hi, fields_mapping: 'root = deleted()'}", &["a"], &format!("Info hi {place}\n"));
        for (fields, why) in [
            ("message: '${! this.a }'", "Message interpolation error: context was undefined, unable to reference `a`"),
            ("fields_mapping: 'root = throw(\"no\")'", "Failed to execute fields mapping: failed assignment (line 1): no"),
            ("fields_mapping: 'root = 5'", "Fields mapping yielded a non-object result: `5`"),
        ] {
            check_log(&format!("log: {{{fields}}}"), &["x"], &format!("Error {why} {place}\n"));
        }
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
