//! The exporter `prometheus`.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt::{self, Write},
    fs,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use wappa_component::{
    BuildError, BuildExporter, Component, Exporter, Histogram, Logger, Metrics, Page, Sample, Series, fault,
};
use wappa_spec::{Config, Node, Reader, Rule, Secret};

use super::{
    process,
    push::{Gateway, Target},
};

pub(crate) const COMPONENT: Component = Component::metrics::<PrometheusConfig>("prometheus");

/// Shows metrics to Prometheus, at the paths `/metrics` and `/stats` of the program's [HTTP service](../config.md).
///
/// Counters and gauges have the names and labels that they have everywhere. Timings are summaries, in nanoseconds; or
/// histograms, in seconds.
///
/// # Examples
///
/// ### Histograms, and what the system says of the process
///
/// ```yaml
/// input:
///   stdin: {}
/// output:
///   stdout: {}
/// metrics:
///   prometheus:
///     use_histogram_timing: true
///     histogram_buckets: [0.001, 0.01, 0.1, 1]
///     add_process_metrics: true
/// ```
///
/// # Delivery
///
/// A series is there, with 0, as soon as its component is built. Quantiles are of what came in the last ten minutes.
///
/// # Performance
///
/// Nothing is done until somebody asks. Timings are kept in buckets that are an eighth of a power of two wide, whatever
/// is shown of them: quantiles and the bounds of histograms are exact to an eighth.
///
/// # Pitfalls
///
/// Series whose name Prometheus does not know, which a `mapping` or a `metric` may make, are left out, which the log says
/// once for each. So are those of one name that are of several kinds, but for the first.
#[derive(Config, Debug)]
#[config(lint = lint)]
#[expect(dead_code, reason = "fields that have no effect are described only")]
struct PrometheusConfig {
    /// Whether timings are shown as histograms, in seconds, and not as summaries, in nanoseconds.
    #[config(default = "false", advanced)]
    use_histogram_timing: bool,

    /// The upper bounds of the buckets of histograms, in seconds. Without any they are those that Prometheus' clients have,
    /// from 5 milliseconds to 10 seconds.
    #[config(default = "[]", advanced)]
    histogram_buckets: Vec<f64>,

    /// The quantiles of summaries.
    #[config(
        default = "[{quantile: 0.5, error: 0.05}, {quantile: 0.9, error: 0.01}, {quantile: 0.99, error: 0.001}]",
        advanced
    )]
    summary_quantiles_objectives: Vec<QuantileConfig>,

    /// Whether the processor time, memory and descriptors of the process are shown.
    #[config(default = "false", advanced)]
    add_process_metrics: bool,

    /// Has no effect: there is no runtime of Go of which anything could be told.
    #[config(default = "false", advanced)]
    add_go_metrics: bool,

    /// Where metrics are pushed to: the address of a gateway for Prometheus, to which `/metrics/job/` and the name of the job
    /// are added. A user and a password may stand in it.
    #[config(optional, advanced)]
    push_url: Option<Secret<String>>,

    /// How often they are pushed; without it once, when the program ends.
    #[config(optional, advanced)]
    push_interval: Option<Duration>,

    /// The name of the job under which they are pushed.
    #[config(default = "bento_push", advanced)]
    push_job_name: String,

    /// Who pushes them, where the gateway asks for that.
    #[config(advanced)]
    push_basic_auth: PushAuthConfig,

    /// A file that the metrics are written to when the program ends.
    #[config(default = "\"\"", advanced)]
    file_output_path: String,

    /// Has no effect: there is one set of metrics in a process.
    #[config(default = "false", advanced)]
    use_default_registry: bool,
}

/// A quantile of a summary.
#[derive(Config, Debug)]
#[expect(dead_code, reason = "fields that have no effect are described only")]
struct QuantileConfig {
    /// Which part of all is at most that long: 0.5 for the median.
    #[config(default = "0", advanced)]
    quantile: f64,

    /// How far off it may be. All are exact to an eighth of their value, whatever is given here.
    #[config(default = "0", advanced)]
    error: f64,
}

/// Who pushes metrics.
#[derive(Config, Debug)]
struct PushAuthConfig {
    /// The user.
    #[config(default = "\"\"", advanced)]
    username: String,

    /// The password.
    #[config(default = "\"\"", advanced)]
    password: Secret<String>,
}

fn lint(config: &PrometheusConfig, node: &Node, reader: &mut Reader<'_>) {
    if let Some(Err(why)) = config.target() {
        reader.error(Rule::InvalidValue, node.get("push_url").unwrap_or(node), format!("push_url: {why}"));
    }
    if config.add_go_metrics
        && let Some(value) = node.get("add_go_metrics")
    {
        reader.warn(
            Rule::NotInWappa,
            value,
            "field add_go_metrics has no effect: Wappa is not written in Go",
        );
    }
    if !config.file_output_path.is_empty() {
        reader.refuse_if_restricted("field file_output_path", node.get("file_output_path").unwrap_or(node));
    }
    for (quantile, idx) in config.summary_quantiles_objectives.iter().zip(0..) {
        if !(0.0..=1.0).contains(&quantile.quantile) {
            let at = node.get("summary_quantiles_objectives").unwrap_or(node);
            reader.error(
                Rule::InvalidValue,
                at,
                format!("quantile {} (number {idx}) must be from 0 to 1", quantile.quantile),
            );
        }
    }
}

/// The bounds of histograms that Prometheus' clients have, in seconds.
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The quantiles of summaries where none are named.
const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];

/// Quantiles are of so many of these times, and the one that has begun.
const WINDOWS: usize = 5;
const WINDOW: Duration = Duration::from_secs(120);

pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

impl PrometheusConfig {
    /// Where metrics are pushed to, if anywhere.
    fn target(&self) -> Option<Result<Target, String>> {
        let url = self.push_url.as_ref().map(|it| it.reveal().as_str()).filter(|it| !it.is_empty())?;
        let PushAuthConfig { username, password } = &self.push_basic_auth;
        Some(Target::new(url, &self.push_job_name, username, password.reveal()))
    }
}

impl BuildExporter for PrometheusConfig {
    fn build(self, logger: Logger) -> Result<Box<dyn Exporter>, BuildError> {
        let target = self.target().transpose().map_err(|why| BuildError::new(format!("push_url: {why}")))?;
        let mut buckets =
            if self.histogram_buckets.is_empty() { BUCKETS.to_vec() } else { self.histogram_buckets };
        if buckets.iter().any(|it| it.is_nan()) {
            return Err(BuildError::new("histogram_buckets: one of them is no number"));
        }
        buckets.sort_by(f64::total_cmp);
        buckets.dedup();
        buckets.retain(|it| it.is_finite());
        let mut quantiles: Vec<f64> = match self.summary_quantiles_objectives.as_slice() {
            [] => QUANTILES.to_vec(),
            given => given.iter().map(|it| it.quantile).collect(),
        };
        quantiles.sort_by(f64::total_cmp);
        quantiles.dedup();
        let show = Show {
            timings: match self.use_histogram_timing {
                true => Timings::Histograms(buckets),
                false => Timings::Summaries(quantiles),
            },
            shows_process: self.add_process_metrics,
            logger: logger.clone(),
            seen: Mutex::new(Seen { since: Instant::now(), windows: VecDeque::new() }),
            left_out: Mutex::default(),
        };
        let show = Arc::new(show);
        let gateway = target.map(|target| {
            let (interval, of_push) = (self.push_interval.filter(|it| !it.is_zero()), Arc::clone(&show));
            let render = Box::new(move |metrics: &Metrics| of_push.render(metrics));
            Gateway::new(target, interval, render, logger.clone()).map_err(BuildError::new)
        });
        Ok(Box::new(Prometheus {
            show,
            gateway: gateway.transpose()?,
            file_output_path: self.file_output_path,
            logger,
        }))
    }
}

struct Prometheus {
    show: Arc<Show>,
    gateway: Option<Gateway>,
    file_output_path: String,
    logger: Logger,
}

/// What makes pages.
struct Show {
    timings: Timings,
    shows_process: bool,
    logger: Logger,
    seen: Mutex<Seen>,
    /// Names that were said to be left out.
    left_out: Mutex<BTreeSet<String>>,
}

enum Timings {
    Summaries(Vec<f64>),
    Histograms(Vec<f64>),
}

/// What the timings held when a window began, the oldest first.
struct Seen {
    since: Instant,
    windows: VecDeque<BTreeMap<Series, Sample>>,
}

impl Exporter for Prometheus {
    fn interval(&self) -> Option<Duration> {
        let window = match self.show.timings {
            Timings::Summaries(_) => Some(WINDOW),
            Timings::Histograms(_) => None,
        };
        let push = self.gateway.as_ref().and_then(|it| it.interval);
        [window, push].into_iter().flatten().min()
    }

    fn push(&mut self, metrics: &Metrics) {
        let tick = self.interval().unwrap_or(WINDOW);
        if let Some(gateway) = &mut self.gateway {
            gateway.push_if_due(metrics, tick);
        }
        let is_over = WINDOW <= tick || WINDOW <= self.show.seen().since.elapsed();
        if is_over {
            self.show.turn(metrics.samples());
        }
    }

    fn finish(&mut self, metrics: &Metrics) {
        if let Some(gateway) = &mut self.gateway {
            gateway.finish(metrics);
        }
        if self.file_output_path.is_empty() {
            return;
        }
        if let Err(err) = fs::write(&self.file_output_path, self.show.render(metrics)) {
            let text = fault::failed("open", &self.file_output_path, err);
            self.logger.error(&format!("Failed to write metrics to a file: {text}"));
        }
    }

    fn page(&self) -> Option<Page> {
        let show = Arc::clone(&self.show);
        Some(Page {
            content_type: CONTENT_TYPE,
            render: Arc::new(move |metrics| show.render(metrics).into_bytes()),
        })
    }
}

impl Show {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins another window.
    fn turn(&self, samples: Vec<(Series, Sample)>) {
        let mut seen = self.seen();
        let timings = samples.into_iter().filter(|(_, sample)| matches!(sample, Sample::Timing(_)));
        seen.windows.push_back(timings.collect());
        if WINDOWS < seen.windows.len() {
            seen.windows.pop_front();
        }
        seen.since = Instant::now();
    }

    fn render(&self, metrics: &Metrics) -> String {
        let mut out = String::new();
        let mut last: Option<(String, &'static str)> = None;
        for (series, sample) in metrics.samples() {
            let kind = match (&sample, &self.timings) {
                (Sample::Counter(_), _) => "counter",
                (Sample::Gauge(_), _) => "gauge",
                (Sample::Timing(_), Timings::Summaries(_)) => "summary",
                (Sample::Timing(_), Timings::Histograms(_)) => "histogram",
            };
            if !is_name(&series.name) {
                self.leave_out(&series.name, || {
                    format!("Ignoring metric '{}' due to invalid name", series.name)
                });
                continue;
            }
            match &last {
                Some((name, shown)) if *name == series.name && *shown != kind => {
                    let text =
                        || format!("Ignoring metric '{}' as a {kind}: it is a {shown} already", series.name);
                    self.leave_out(&format!("{} {kind}", series.name), text);
                    continue;
                }
                Some((name, _)) if *name == series.name => (),
                _ => {
                    let what = match sample {
                        Sample::Counter(_) => "Counter",
                        Sample::Gauge(_) => "Gauge",
                        Sample::Timing(_) => "Timing",
                    };
                    let name = &series.name;
                    let _ = write!(out, "# HELP {name} Wappa {what} metric\n# TYPE {name} {kind}\n");
                    last = Some((series.name.clone(), kind));
                }
            }
            self.write(&mut out, &series, sample);
        }
        if self.shows_process {
            for (name, kind, doc, value) in process::measure() {
                let _ = write!(out, "# HELP {name} {doc}\n# TYPE {name} {kind}\n{name} {value}\n");
            }
        }
        out
    }

    fn write(&self, out: &mut String, series: &Series, sample: Sample) {
        let name = &series.name;
        let labels = labels(&series.labels);
        let histogram = match sample {
            Sample::Counter(value) => return line(out, name, "", &labels, None, value),
            Sample::Gauge(value) => return line(out, name, "", &labels, None, value),
            Sample::Timing(histogram) => histogram,
        };
        match &self.timings {
            Timings::Summaries(quantiles) => {
                let recent = self.recent(series, &histogram);
                for quantile in quantiles {
                    let value = match recent.count() {
                        0 => f64::NAN,
                        _ => recent.quantile_ns(*quantile) as f64,
                    };
                    line(out, name, "", &labels, Some(("quantile", *quantile)), Number(value));
                }
                line(out, name, "_sum", &labels, None, histogram.sum().as_nanos());
            }
            Timings::Histograms(buckets) => {
                for bound in buckets {
                    let up_to = Duration::try_from_secs_f64(bound.max(0.0)).unwrap_or(Duration::MAX);
                    line(out, name, "_bucket", &labels, Some(("le", *bound)), histogram.n_up_to(up_to));
                }
                line(out, name, "_bucket", &labels, Some(("le", f64::INFINITY)), histogram.count());
                line(out, name, "_sum", &labels, None, Number(histogram.sum().as_secs_f64()));
            }
        }
        line(out, name, "_count", &labels, None, histogram.count());
    }

    /// What came in the windows.
    fn recent(&self, series: &Series, all: &Histogram) -> Histogram {
        let seen = self.seen();
        let earlier = match seen.windows.front() {
            Some(first) if WINDOWS <= seen.windows.len() => first.get(series),
            _ => None,
        };
        match earlier.map(|it| Sample::Timing(all.clone()).since(it)) {
            Some(Sample::Timing(recent)) => recent,
            _ => all.clone(),
        }
    }

    fn leave_out(&self, what: &str, text: impl FnOnce() -> String) {
        if self.left_out.lock().unwrap_or_else(PoisonError::into_inner).insert(what.to_string()) {
            self.logger.error(&text());
        }
    }
}

/// A number as Prometheus' clients write it: with an exponent from a million on and below a ten-thousandth. Bounds and
/// quantiles are labels, so they have to be the same text.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            it if it.is_nan() => f.write_str("NaN"),
            f64::INFINITY => f.write_str("+Inf"),
            f64::NEG_INFINITY => f.write_str("-Inf"),
            0.0 => f.write_str("0"),
            it => {
                let text = format!("{it:e}");
                let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
                match exponent.parse().unwrap_or(0) {
                    -4..=5 => write!(f, "{it}"),
                    exponent => write!(f, "{digits}e{exponent:+03}"),
                }
            }
        }
    }
}

fn line(
    out: &mut String,
    name: &str,
    suffix: &str,
    labels: &str,
    own: Option<(&str, f64)>,
    value: impl fmt::Display,
) {
    let _ = write!(out, "{name}{suffix}");
    let own = own.map(|(name, value)| format!("{name}=\"{}\"", Number(value))).unwrap_or_default();
    match (labels, own.as_str()) {
        ("", "") => (),
        (labels, "") => _ = write!(out, "{{{labels}}}"),
        ("", own) => _ = write!(out, "{{{own}}}"),
        (labels, own) => _ = write!(out, "{{{labels},{own}}}"),
    }
    let _ = writeln!(out, " {value}");
}

/// Labels as they stand between braces; those whose name Prometheus does not know are left out.
fn labels(labels: &[(String, String)]) -> String {
    let mut out = String::new();
    for (name, value) in labels.iter().filter(|(name, _)| is_label(name)) {
        if !out.is_empty() {
            out.push(',');
        }
        let _ = write!(out, "{name}=\"");
        for letter in value.chars() {
            match letter {
                '\\' => out.push_str("\\\\"),
                '"' => out.push_str("\\\""),
                '\n' => out.push_str("\\n"),
                other => out.push(other),
            }
        }
        out.push('"');
    }
    out
}

fn is_label(name: &str) -> bool {
    is_name(name) && !name.contains(':') && !name.starts_with("__")
}

fn is_name(name: &str) -> bool {
    let is_first = |it: char| it.is_ascii_alphabetic() || it == '_' || it == ':';
    name.chars().next().is_some_and(is_first) && name.chars().all(|it| is_first(it) || it.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn config(use_histogram_timing: bool) -> PrometheusConfig {
        PrometheusConfig {
            use_histogram_timing,
            histogram_buckets: if use_histogram_timing { vec![1e-6, 0.001] } else { Vec::new() },
            summary_quantiles_objectives: Vec::new(),
            add_process_metrics: false,
            add_go_metrics: false,
            push_url: None,
            push_interval: None,
            push_job_name: String::new(),
            push_basic_auth: PushAuthConfig { username: String::new(), password: Secret::default() },
            file_output_path: String::new(),
            use_default_registry: false,
        }
    }

    fn check(use_histogram_timing: bool, expected: Expect) {
        let metrics = Metrics::default();
        metrics.counter("input_received", &[("label", ""), ("path", "root.input")]).add(3);
        metrics.counter("input_received", &[("label", "a\"\\\nb"), ("path", "root.input.broker.inputs.0")]);
        metrics.gauge("a_gauge", &[]).set(-2);
        metrics.counter("no name", &[]).add(1);
        metrics.counter("odd", &[("no label", "x"), ("le", "y")]).add(1);
        let timing = metrics.timing("b_latency_ns", &[("path", "p")]);
        [500, 1_000, 2_000_000].into_iter().for_each(|it| timing.record(Duration::from_nanos(it)));
        metrics.timing("c_latency_ns", &[]);
        let exporter =
            config(use_histogram_timing).build(Logger::silent()).expect("nothing is wrong with it");
        let page = exporter.page().expect("there is one");
        expected.assert_eq(&String::from_utf8((page.render)(&metrics)).expect("it is a text"));
    }

    #[test]
    fn timings_are_summaries() {
        check(
            false,
            expect![[r#"
            # HELP a_gauge Wappa Gauge metric
            # TYPE a_gauge gauge
            a_gauge -2
            # HELP b_latency_ns Wappa Timing metric
            # TYPE b_latency_ns summary
            b_latency_ns{path="p",quantile="0.5"} 1023
            b_latency_ns{path="p",quantile="0.9"} 2.097151e+06
            b_latency_ns{path="p",quantile="0.99"} 2.097151e+06
            b_latency_ns_sum{path="p"} 2001500
            b_latency_ns_count{path="p"} 3
            # HELP c_latency_ns Wappa Timing metric
            # TYPE c_latency_ns summary
            c_latency_ns{quantile="0.5"} NaN
            c_latency_ns{quantile="0.9"} NaN
            c_latency_ns{quantile="0.99"} NaN
            c_latency_ns_sum 0
            c_latency_ns_count 0
            # HELP input_received Wappa Counter metric
            # TYPE input_received counter
            input_received{label="",path="root.input"} 3
            input_received{label="a\"\\\nb",path="root.input.broker.inputs.0"} 0
            # HELP odd Wappa Counter metric
            # TYPE odd counter
            odd{le="y"} 1
        "#]],
        );
    }

    #[test]
    fn timings_are_histograms() {
        check(
            true,
            expect![[r#"
            # HELP a_gauge Wappa Gauge metric
            # TYPE a_gauge gauge
            a_gauge -2
            # HELP b_latency_ns Wappa Timing metric
            # TYPE b_latency_ns histogram
            b_latency_ns_bucket{path="p",le="1e-06"} 1
            b_latency_ns_bucket{path="p",le="0.001"} 2
            b_latency_ns_bucket{path="p",le="+Inf"} 3
            b_latency_ns_sum{path="p"} 0.0020015
            b_latency_ns_count{path="p"} 3
            # HELP c_latency_ns Wappa Timing metric
            # TYPE c_latency_ns histogram
            c_latency_ns_bucket{le="1e-06"} 0
            c_latency_ns_bucket{le="0.001"} 0
            c_latency_ns_bucket{le="+Inf"} 0
            c_latency_ns_sum 0
            c_latency_ns_count 0
            # HELP input_received Wappa Counter metric
            # TYPE input_received counter
            input_received{label="",path="root.input"} 3
            input_received{label="a\"\\\nb",path="root.input.broker.inputs.0"} 0
            # HELP odd Wappa Counter metric
            # TYPE odd counter
            odd{le="y"} 1
        "#]],
        );
    }

    #[test]
    fn numbers_are_those_of_prometheus() {
        let text = |number: f64| Number(number).to_string();
        let numbers =
            [0.0, 1.0, 0.5, -2.0, 0.0001, 0.00001, 1.5e-7, 100_000.0, 999_999.5, 1e6, 17_174_723.0, 1e100];
        let expected = [
            "0",
            "1",
            "0.5",
            "-2",
            "0.0001",
            "1e-05",
            "1.5e-07",
            "100000",
            "999999.5",
            "1e+06",
            "1.7174723e+07",
            "1e+100",
        ];
        assert_eq!(numbers.map(text), expected);
        assert_eq!([f64::INFINITY, f64::NEG_INFINITY, f64::NAN].map(text), ["+Inf", "-Inf", "NaN"]);
    }

    /// What is long ago says nothing of how it is now.
    #[test]
    fn quantiles_are_of_the_last_windows() {
        let metrics = Metrics::default();
        let timing = metrics.timing("a", &[]);
        let mut exporter = config(false).build(Logger::silent()).expect("nothing is wrong with it");
        let page = exporter.page().expect("there is one");
        let median = || {
            let text = String::from_utf8((page.render)(&metrics)).expect("it is a text");
            let line = text.lines().find(|it| it.contains("0.5")).expect("there is a median");
            line.rsplit_once(' ').expect("there is a value").1.to_string()
        };
        timing.record(Duration::from_nanos(4));
        assert_eq!(median(), "4");
        (0..WINDOWS).for_each(|_| exporter.push(&metrics));
        assert_eq!(median(), "NaN");
        timing.record(Duration::from_nanos(7));
        assert_eq!(median(), "7");
    }
}
