//! The processor `metric`.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use wappa_component::{
    BuildError, BuildProcessor, Component, Context, Counter, Gauge, Logger, Metrics, Part, Processor, Step, Timing,
};
use wappa_message::Message;
use wappa_spec::{Config, Interpolated, Map, Node, Reader, Rule};

pub(super) const COMPONENT: Component = Component::processor::<MetricConfig>("metric").categories(&["Utility"]);

/// Counts or measures something of each message, in a metric of its own.
///
/// # Examples
///
/// ### How many messages there are of which kind
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - metric:
///         type: counter
///         name: messages_by_kind
///         labels:
///           kind: ${! json("kind").catch("none") }
/// output:
///   stdout: {}
/// metrics:
///   logger: {}
/// ```
///
/// # Types
///
/// - `counter`: one more for each message. `value` is not looked at.
/// - `counter_by`: more by `value`, which is not negative.
/// - `gauge`: what `value` is.
/// - `timing`: a duration of as many nanoseconds as `value` says, a whole number.
///
/// Counters and gauges are whole numbers: what follows the point is cut off.
///
/// # Errors
///
/// What cannot be counted is logged, and the message goes on as it is.
///
/// # Limits
///
/// There are at most 10,000 series of one metric, with labels of 16MiB together, so that labels from outside do not fill the memory: messages that would
/// make more are not counted, and the log says so.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct MetricConfig {
    /// What it is.
    #[config(name = "type", options("counter", "counter_by", "gauge", "timing"))]
    kind: String,

    /// Its name. What the program itself counts has names of its own, and two metrics of one name are of one type.
    name: String,

    /// Labels, beside `label` and `path` of the processor.
    labels: Option<Map<Interpolated>>,

    /// The number.
    #[config(default = "\"\"")]
    value: Interpolated,
}

fn lint(config: &MetricConfig, node: &Node, reader: &mut Reader<'_>) {
    if config.name.is_empty() {
        reader.error(Rule::InvalidValue, node.get("name").unwrap_or(node), NO_NAME);
    }
}

const NO_NAME: &str = "metric name must not be empty";

impl BuildProcessor for MetricConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        let kind = match self.kind.as_str() {
            "counter" => Kind::Counter,
            "counter_by" => Kind::CounterBy,
            "gauge" => Kind::Gauge,
            "timing" => Kind::Timing,
            kind => return Err(BuildError::new(format!("metric type unrecognised: {kind}"))),
        };
        if self.name.is_empty() {
            return Err(BuildError::new(NO_NAME));
        }
        let names = ctx.services().get_or_default::<Names>();
        if let Some(other) = names.take(&self.name, kind.what()) {
            let text = format!("the metric `{}` is {other} elsewhere, and cannot be {} as well", self.name, kind.what());
            return Err(BuildError::new(text));
        }
        let labels = self.labels.unwrap_or_default().0;
        let own = [("label", ctx.label()), ("path", ctx.path())];
        let is_given = |name: &str| labels.iter().any(|(it, _)| it == name);
        let own = own.into_iter().filter(|(name, _)| !is_given(name));
        Ok(Box::new(Metric {
            kind,
            own: own.map(|(name, value)| (name.to_string(), value.to_string())).collect(),
            name: self.name,
            labels,
            value: self.value,
            metrics: ctx.metrics().clone(),
            series: Mutex::default(),
            is_full: AtomicBool::new(false),
            logger: ctx.logger(),
        }))
    }
}

/// The names of all metrics of processors, and what they are.
#[derive(Default)]
struct Names(Mutex<HashMap<String, &'static str>>);

impl Names {
    /// A metric has this name; what another one of it is, if that is something else.
    fn take(&self, name: &str, what: &'static str) -> Option<&'static str> {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *names.entry(name.to_string()).or_insert(what);
        Some(before).filter(|it| *it != what)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    CounterBy,
    Gauge,
    Timing,
}

impl Kind {
    fn what(self) -> &'static str {
        match self {
            Kind::Counter | Kind::CounterBy => "a counter",
            Kind::Gauge => "a gauge",
            Kind::Timing => "a timing",
        }
    }
}

/// How many series one metric may have.
const SERIES_MAX: usize = 10_000;

/// How long the values of the labels of all series of a processor may be together. They come from messages.
const SERIES_BYTES_MAX: usize = 16 << 20;

struct Metric {
    kind: Kind,
    name: String,
    /// The labels that say which processor it is.
    own: Vec<(String, String)>,
    labels: Vec<(String, Interpolated)>,
    value: Interpolated,
    metrics: Metrics,
    /// By the values of the labels.
    series: Mutex<AllSeries>,
    is_full: AtomicBool,
    logger: Logger,
}

#[derive(Default)]
struct AllSeries {
    by_values: HashMap<Vec<String>, Series>,
    /// How long the values are together.
    bytes: usize,
}

#[derive(Clone)]
enum Series {
    Counter(Counter),
    Gauge(Gauge),
    Timing(Timing),
}

/// Bento's words for a failure behind the evaluation of the value.
fn handler(why: String) -> String {
    format!("Handler error: {why}")
}

impl Metric {
    /// Counts one message. The error is what the log says.
    fn count(&self, batch: &mut [Message], place: usize) -> Result<(), String> {
        let mut values = Vec::with_capacity(self.labels.len());
        for (_, label) in &self.labels {
            let value = label.evaluate_text(batch, place);
            values.push(value.map_err(|err| handler(format!("label interpolation error: {err}")))?);
        }
        let number = match self.kind {
            Kind::Counter => Number::Int(1),
            _ => {
                let text = self.value.evaluate_text(batch, place);
                let text = text.map_err(|err| format!("Value interpolation error: {err}"))?;
                Number::parse(&text, self.kind != Kind::Timing).map_err(handler)?
            }
        };
        if self.kind == Kind::CounterBy && number.is_negative() {
            return Err(handler(format!("value {number} is negative")));
        }
        let Some(series) = self.series(values).map_err(handler)? else { return Ok(()) };
        match series {
            Series::Counter(it) => it.add(number.to_int().unsigned_abs()),
            Series::Gauge(it) => it.set(number.to_int()),
            Series::Timing(it) => it.record(Duration::from_nanos(number.to_int().try_into().unwrap_or(0))),
        }
        Ok(())
    }

    /// The series with these values of the labels; none where there are too many.
    fn series(&self, values: Vec<String>) -> Result<Option<Series>, String> {
        let mut all = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(series) = all.by_values.get(&values) {
            return Ok(Some(series.clone()));
        }
        if let Some(other) = self.metrics.kind_of(&self.name).filter(|it| *it != self.kind.what()) {
            return Err(format!("`{}` is {other} of the program", self.name));
        }
        let bytes = all.bytes.saturating_add(values.iter().map(String::len).sum());
        if SERIES_MAX <= all.by_values.len() || SERIES_BYTES_MAX < bytes {
            if !self.is_full.swap(true, Ordering::Relaxed) {
                let (name, n_series) = (&self.name, all.by_values.len());
                let has = if n_series < SERIES_MAX { "16MiB of labels in " } else { "" };
                self.logger.error(&format!("`{name}` has {has}{n_series} series: with other labels nothing is counted"));
            }
            return Ok(None);
        }
        let own = self.own.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let given = self.labels.iter().zip(&values).map(|((name, _), value)| (name.as_str(), value.as_str()));
        let labels: Vec<(&str, &str)> = own.chain(given).collect();
        let series = match self.kind {
            Kind::Counter | Kind::CounterBy => Series::Counter(self.metrics.counter(&self.name, &labels)),
            Kind::Gauge => Series::Gauge(self.metrics.gauge(&self.name, &labels)),
            Kind::Timing => Series::Timing(self.metrics.timing(&self.name, &labels)),
        };
        all.bytes = bytes;
        all.by_values.insert(values, series.clone());
        Ok(Some(series))
    }
}

/// A number as it was written.
#[derive(Clone, Copy, Debug)]
enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    /// The error has Go's words.
    fn parse(text: &str, may_be_float: bool) -> Result<Number, String> {
        if let Ok(it) = text.parse() {
            return Ok(Number::Int(it));
        }
        if may_be_float && let Ok(it) = text.parse() {
            return Ok(Number::Float(it));
        }
        let function = if may_be_float { "ParseFloat" } else { "ParseInt" };
        Err(format!("strconv.{function}: parsing {text:?}: invalid syntax"))
    }

    fn is_negative(self) -> bool {
        match self {
            Number::Int(it) => it < 0,
            Number::Float(it) => it < 0.0,
        }
    }

    /// Without what follows the point; what no integer can hold is the nearest one.
    fn to_int(self) -> i64 {
        match self {
            Number::Int(it) => it,
            Number::Float(it) => it as i64,
        }
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Number::Int(it) => write!(f, "{it}"),
            Number::Float(it) => write!(f, "{it}"),
        }
    }
}

impl Processor for Metric {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let n_batches = part.n_batches();
        for idx in 0..n_batches {
            let range = part.batch(idx);
            let batch = &mut part.messages_mut()[range];
            for place in 0..batch.len() {
                if let Err(why) = self.count(batch, place) {
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

#[cfg(test)]
mod tests {
    use wappa_component::Sample;

    use crate::test::{Harness, check_lint};

    fn run(harness: &mut Harness, config: &str, inputs: &[&str]) -> String {
        harness.process(&format!("metric: {{{config}}}"), inputs);
        harness.log.take().replace(" label= path=root.pipeline.processors.0", "")
    }

    #[test]
    fn messages_are_counted() {
        let mut harness = Harness::default();
        assert_eq!(run(&mut harness, "type: counter, name: n", &["a|b", "c"]), "");
        assert_eq!(harness.counters("n"), "label=,path=root.pipeline.processors.0 3\n");
        let labels = "labels: {kind: '${! content() }', path: here}";
        assert_eq!(run(&mut harness, &format!("type: counter, name: k, {labels}"), &["a|b", "a"]), "");
        assert_eq!(harness.counters("k"), "kind=a,label=,path=here 2\nkind=b,label=,path=here 1\n");
    }

    #[test]
    fn numbers_are_added_and_set() {
        let mut harness = Harness::default();
        let inputs = ["2|1.9", "x", "-3", "9223372036854775807", ""];
        let log = run(&mut harness, "type: counter_by, name: n, value: '${! content() }'", &inputs);
        assert_eq!(
            log,
            "Error Handler error: strconv.ParseFloat: parsing \"x\": invalid syntax\n\
             Error Handler error: value -3 is negative\n\
             Error Handler error: strconv.ParseFloat: parsing \"\": invalid syntax\n"
        );
        assert_eq!(harness.counters("n"), "label=,path=root.pipeline.processors.0 9223372036854775808\n");
        assert_eq!(run(&mut harness, "type: gauge, name: g, value: '${! content() }'", &["2", "-1.5"]), "");
        let log = run(&mut harness, "type: timing, name: t, value: '${! content() }'", &["1500", "2.5"]);
        assert_eq!(log, "Error Handler error: strconv.ParseInt: parsing \"2.5\": invalid syntax\n");
        let samples = harness.samples();
        let of = |name: &str| samples.iter().find(|it| it.0.name == name).map(|it| it.1.clone());
        assert_eq!(of("g"), Some(Sample::Gauge(-1)));
        let Some(Sample::Timing(timing)) = of("t") else { panic!("it was measured") };
        assert_eq!((timing.count(), timing.sum().as_nanos()), (1, 1500));
    }

    #[test]
    fn a_query_that_fails_is_logged() {
        let log = run(&mut Harness::default(), "type: counter, name: n, labels: {a: '${! this.a }'}", &["x"]);
        assert!(log.starts_with("Error Handler error: label interpolation error: "), "{log}");
        let log = run(&mut Harness::default(), "type: gauge, name: n, value: '${! this.a }'", &["x"]);
        assert!(log.starts_with("Error Value interpolation error: "), "{log}");
    }

    #[test]
    fn a_name_is_of_one_type() {
        let mut harness = Harness::default();
        harness.processor("metric: {type: counter, name: n}").expect("it can be built");
        harness.processor("metric: {type: counter_by, name: n, value: '1'}").expect("it can be built");
        let err = harness.processor("metric: {type: gauge, name: n, value: '1'}").map(drop);
        let err = err.expect_err("it is a counter").to_string();
        assert!(err.ends_with("the metric `n` is a counter elsewhere, and cannot be a gauge as well"), "{err}");
        harness.process("metric: {type: counter, name: n}", &["a"]);
        // What the program counts itself.
        harness.metrics().timing("of_the_program", &[]);
        let log = run(&mut harness, "type: counter, name: of_the_program", &["a"]);
        assert_eq!(log, "Error Handler error: `of_the_program` is a timing of the program\n");
    }

    #[test]
    fn labels_from_outside_do_not_fill_the_memory() {
        let mut harness = Harness::default();
        let inputs: Vec<String> = (0..10_010).map(|it| it.to_string()).collect();
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let log = run(&mut harness, "type: counter, name: n, labels: {a: '${! content() }'}", &inputs);
        assert_eq!(log, "Error `n` has 10000 series: with other labels nothing is counted\n");
        assert_eq!(harness.counters("n").lines().count(), 10_000);
    }

    #[test]
    fn lints() {
        let lint = |body: &str, expected: &str| {
            check_lint(&format!("pipeline:\n  processors:\n    - metric:\n        {body}\n"), expected);
        };
        lint("{type: counter, name: n}", "");
        lint("{type: nope, name: n}", "(4,1) value nope is not a valid option for this field\n");
        lint("{type: counter, name: ''}", "(4,1) metric name must not be empty\n");
    }
}
