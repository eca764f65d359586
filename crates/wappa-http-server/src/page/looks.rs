//! What streams did between two looks, made once for all who look.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use wappa_component::{Failed, Histogram, Metrics, Sample, Series};

use super::{
    json::{self, Object, array},
    view::{Picture, StreamState, StreamView, View, ViewOf},
};
use crate::metrics::process;

/// A look is for all who come within this time.
const FRESH: Duration = Duration::from_millis(900);

/// What was seen longer ago says nothing of now.
const STALE: Duration = Duration::from_secs(10);

/// No more components of a stream are told of, as no picture has more.
const COMPONENTS_MAX: usize = 500;

/// No more streams are told of: each viewer is told of all of them each second.
const STREAMS_MAX: usize = 1_000;

/// Of all streams together no more failures are told of.
const FAILURES_MAX: usize = 20;

/// What there is to be seen.
pub(super) struct Look {
    /// Of the process and of all streams.
    of_all: Object,
    /// Of each stream alone.
    of_each: BTreeMap<String, OfStream>,
    /// What failed last of all streams.
    failures: Vec<Failed>,
}

/// What there is to be seen of a stream.
struct OfStream {
    /// Its components and modules.
    object: Object,
    failures: Vec<Failed>,
    picture: Arc<Picture>,
    /// It wants a connection that it has not.
    is_in_trouble: bool,
}

impl Look {
    /// The stream that somebody sees who has chosen this one, and has seen that one until now. Empty: the list of all, or the
    /// only one of a process that has no more.
    pub(super) fn stream<'a>(&'a self, chosen: Option<&'a str>, seen: Option<&'a str>) -> &'a str {
        let n_streams = self.of_each.len();
        let is_there = |it: &&str| self.of_each.contains_key(*it);
        let chosen = chosen.filter(|it| it.is_empty() || is_there(it));
        let stays = |it: &&str| is_there(it) || (it.is_empty() && 1 < n_streams);
        chosen.or_else(|| seen.filter(stays)).unwrap_or_else(|| {
            let first = self.of_each.iter().find(|it| n_streams == 1 || it.1.is_in_trouble);
            first.map_or("", |it| it.0.as_str())
        })
    }

    /// The picture of a stream.
    pub(super) fn picture(&self, stream: &str) -> Option<&Arc<Picture>> {
        self.of_each.get(stream).map(|it| &it.picture)
    }

    /// All streams, and of one of them everything.
    pub(super) fn told(&self, stream: &str, is_trusted: bool) -> String {
        let now = SystemTime::now();
        let object = self.of_all.clone().text("stream", stream).number("trusted", is_trusted);
        match self.of_each.get(stream) {
            Some(of) => {
                let failures = of.failures.iter().map(|it| json::failure(it, now, is_trusted));
                object.and(&of.object).json("failures", array(failures)).end()
            }
            None => {
                let failures = self.failures.iter().map(|it| json::failure(it, now, is_trusted));
                object.json("parts", "{}").json("modules", "[]").json("failures", array(failures)).end()
            }
        }
    }
}

pub(super) struct Looks {
    view: View,
    last: Mutex<Option<Taken>>,
}

/// A look, and what the next one is compared with.
struct Taken {
    at: Instant,
    samples: BTreeMap<Series, Sample>,
    cpu: Option<f64>,
    look: Arc<Look>,
}

/// What the series of a kind of components are called.
struct Kind {
    name: &'static str,
    received: &'static str,
    sent: &'static str,
    failed: &'static str,
    latency: &'static str,
}

const KINDS: [Kind; 4] = [
    Kind {
        name: "input",
        received: "input_received",
        sent: "input_received",
        failed: "input_replayed",
        latency: "input_latency_ns",
    },
    Kind {
        name: "buffer",
        received: "buffer_received",
        sent: "buffer_sent",
        failed: "buffer_spillover",
        latency: "buffer_latency_ns",
    },
    Kind {
        name: "processor",
        received: "processor_received",
        sent: "processor_sent",
        failed: "processor_error",
        latency: "processor_latency_ns",
    },
    Kind {
        name: "output",
        received: "output_sent",
        sent: "output_sent",
        failed: "output_error",
        latency: "output_latency_ns",
    },
];

type Labels = Vec<(String, String)>;

/// Two looks at the same series.
struct Between<'a> {
    now: &'a BTreeMap<Series, Sample>,
    before: Option<&'a BTreeMap<Series, Sample>>,
    seconds: f64,
}

impl Looks {
    pub(super) fn new(view: View) -> Looks {
        Looks { view, last: Mutex::new(None) }
    }

    /// What there is to be seen now.
    pub(super) fn look(&self) -> Arc<Look> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let age = |it: &Taken| now.saturating_duration_since(it.at);
        if let Some(taken) = &*last
            && age(taken) < FRESH
        {
            return Arc::clone(&taken.look);
        }
        let before = last.take().filter(|it| age(it) < STALE);
        let samples = self.view.metrics.recorded();
        let measured: HashMap<_, _> =
            process::measure().into_iter().map(|(name, _, _, value)| (name, value)).collect();
        let cpu = measured.get("process_cpu_seconds_total").copied();
        let seconds = before.as_ref().map_or(0.0, |it| age(it).as_secs_f64());
        let cpu_share = before.as_ref().and_then(|it| Some((cpu? - it.cpu?) / seconds));
        let between = Between { now: &samples, before: before.as_ref().map(|it| &it.samples), seconds };
        let mut streams = (self.view.streams)();
        streams.truncate(STREAMS_MAX);
        let mut totals = between.totals();
        let all = streams.iter().map(|it| stream(it, &totals.remove(&it.name).unwrap_or_default()));
        let of_all = Object::new()
            .text("version", self.view.version)
            .number("debug", self.view.has_debug)
            .number("many", self.view.of != ViewOf::One)
            .number("api", self.view.of == ViewOf::Many { has_api: true })
            .measured("memory", measured.get("process_resident_memory_bytes").copied())
            .measured("cpu", cpu_share)
            .json("streams", array(all.collect::<Vec<_>>()));
        let (mut parts, mut modules) = (between.components(), between.modules());
        let mut failures: HashMap<Arc<str>, Vec<Failed>> = HashMap::new();
        let mut failures_of_all = self.view.taps.failures().all();
        for failed in failures_of_all.iter().cloned() {
            failures.entry(Arc::clone(&failed.stream)).or_default().push(failed);
        }
        failures_of_all.truncate(FAILURES_MAX);
        let of_stream = |it: StreamView| {
            let parts = parts.remove(&it.name).unwrap_or_else(Object::new).end();
            let modules = modules.remove(&it.name).unwrap_or_default();
            let object = Object::new().json("parts", parts).json("modules", array(modules));
            let failures = failures.remove(it.name.as_str()).unwrap_or_default();
            let is_in_trouble = is_in_trouble(&it);
            (it.name, OfStream { object, failures, picture: it.picture, is_in_trouble })
        };
        let of_each = streams.into_iter().map(of_stream).collect();
        let look = Arc::new(Look { of_all, of_each, failures: failures_of_all });
        *last = Some(Taken { at: now, samples, cpu, look: Arc::clone(&look) });
        look
    }
}

/// Whether a stream wants a connection that it has not.
fn is_in_trouble(stream: &StreamView) -> bool {
    stream.state == StreamState::Running && stream.connections.iter().any(|it| !it.1)
}

/// What a stream does altogether.
#[derive(Default)]
struct Totals {
    read: Ends,
    written: Ends,
    failed: u64,
    failing: Option<f64>,
    unanswered: i64,
}

/// What all inputs, or all outputs, of a stream have done: the outermost alone where that is counted, else all of them.
#[derive(Default)]
struct Ends {
    outermost: Option<Option<f64>>,
    all: Option<f64>,
}

impl Ends {
    fn add(&mut self, is_outermost: bool, rate: Option<f64>) {
        if is_outermost {
            self.outermost = Some(rate);
        }
        self.all = sum(self.all, rate);
    }

    fn rate(&self) -> Option<f64> {
        self.outermost.unwrap_or(self.all)
    }
}

fn sum(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one + other),
        (one, other) => one.or(other),
    }
}

fn stream(stream: &StreamView, totals: &Totals) -> String {
    let state = match stream.state {
        StreamState::Starting => "starting",
        StreamState::Running => "running",
        StreamState::Ended => "ended",
    };
    let object = Object::new().text("name", &stream.name).text("state", state);
    let object = object
        .number("threads", stream.threads)
        .measured("read", totals.read.rate())
        .measured("written", totals.written.rate())
        .number("failed", totals.failed)
        .measured("failing", totals.failing)
        .number("unanswered", totals.unanswered);
    let object = match &stream.oldest {
        Some((path, age)) => {
            object.json("oldest", Object::new().text("path", path).number("seconds", age.as_secs()).end())
        }
        None => object,
    };
    let down = stream.connections.iter().filter(|it| !it.1).take(COMPONENTS_MAX);
    object.json("down", array(down.map(|(path, _)| json::quoted(path)))).end()
}

fn label_of<'a>(labels: &'a Labels, name: &str) -> &'a str {
    labels.iter().find(|it| it.0 == name).map_or("", |it| it.1.as_str())
}

impl Between<'_> {
    fn counter(&self, name: &str, labels: &Labels) -> u64 {
        match self.sample(name, labels) {
            Some(Sample::Counter(it)) => *it,
            _ => 0,
        }
    }

    fn gauge(&self, name: &str, labels: &Labels) -> Option<i64> {
        match self.sample(name, labels) {
            Some(Sample::Gauge(it)) => Some(*it),
            _ => None,
        }
    }

    fn sample(&self, name: &str, labels: &Labels) -> Option<&Sample> {
        self.now.get(&Series { name: name.to_string(), labels: labels.clone() })
    }

    /// How often in a second; none at the first look.
    fn rate(&self, name: &str, labels: &Labels) -> Option<f64> {
        let series = Series { name: name.to_string(), labels: labels.clone() };
        let (before, now) = (self.before?, self.now.get(&series)?);
        let earlier = match before.get(&series) {
            Some(Sample::Counter(it)) => *it,
            _ => 0,
        };
        match now {
            Sample::Counter(it) => Some(it.saturating_sub(earlier) as f64 / self.seconds),
            _ => None,
        }
    }

    /// The durations of between; those of ever at the first look.
    fn timing(&self, name: &str, labels: &Labels) -> Option<Histogram> {
        let series = Series { name: name.to_string(), labels: labels.clone() };
        let now = self.now.get(&series)?.clone();
        let now = match self.before.and_then(|it| it.get(&series)) {
            Some(before) => now.since(before),
            None => now,
        };
        match now {
            Sample::Timing(it) if 0 < it.count() => Some(it),
            _ => None,
        }
    }

    /// All of one name, by their labels.
    fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Labels> {
        let first = Series { name: name.to_string(), labels: Labels::new() };
        self.now.range(first..).take_while(move |it| it.0.name == name).map(|it| &it.0.labels)
    }

    /// All components, each with what its kind is called.
    fn all(&self) -> impl Iterator<Item = (&'static Kind, &Labels)> {
        KINDS.iter().flat_map(|kind| self.of(kind.received).map(move |labels| (kind, labels)))
    }

    /// What each stream does altogether.
    fn totals(&self) -> HashMap<String, Totals> {
        let mut all: HashMap<String, Totals> = HashMap::new();
        for (kind, labels) in self.all() {
            let (stream, path) = (label_of(labels, Metrics::STREAM), label_of(labels, "path"));
            let totals = match all.get_mut(stream) {
                Some(it) => it,
                None => all.entry(stream.to_string()).or_default(),
            };
            match kind.name {
                "input" => {
                    totals.read.add(path == "root.input", self.rate(kind.received, labels));
                    totals.unanswered += self.gauge("input_unanswered", labels).unwrap_or_default();
                }
                "output" => totals.written.add(path == "root.output", self.rate(kind.sent, labels)),
                _ => (),
            }
            if kind.name != "input" {
                totals.failed += self.counter(kind.failed, labels);
                totals.failing = sum(totals.failing, self.rate(kind.failed, labels));
            }
        }
        all
    }

    /// An object of the components of each stream, by their paths.
    fn components(&self) -> HashMap<String, Object> {
        let mut streams: HashMap<String, (Object, usize)> = HashMap::new();
        for (kind, labels) in self.all() {
            let label = |name: &str| label_of(labels, name);
            let (parts, n) =
                streams.entry(label(Metrics::STREAM).to_string()).or_insert_with(|| (Object::new(), 0));
            if COMPONENTS_MAX <= *n {
                continue;
            }
            *n += 1;
            let timing = self.timing(kind.latency, labels);
            let of_timing = |of: f64| timing.as_ref().map(|it| it.quantile_ns(of) as f64);
            // What an input measures is the time of all that is behind it.
            let busy = timing.as_ref().filter(|_| kind.name != "input" && self.before.is_some());
            let object = Object::new()
                .text("kind", kind.name)
                .text("label", label("label"))
                .number("n", self.counter(kind.received, labels))
                .measured("in", self.rate(kind.received, labels))
                .measured("out", self.rate(kind.sent, labels))
                .number("failed", self.counter(kind.failed, labels))
                .measured("failing", self.rate(kind.failed, labels))
                .measured("p50", of_timing(0.5))
                .measured("p99", of_timing(0.99))
                .measured("busy", busy.map(|it| it.sum().as_secs_f64() / self.seconds));
            let gauge = |name: &str, of: &str| self.gauge(name, labels).filter(|_| kind.name == of);
            let object = match (gauge("input_unanswered", "input"), gauge("buffer_active", "buffer")) {
                (Some(n), _) => object.number("unanswered", n),
                (_, Some(bytes)) => object.number("held", bytes),
                _ => object,
            };
            let key = json::place(label("path"), label("label"));
            *parts = std::mem::replace(parts, Object::new()).json(&key, object.end());
        }
        streams.into_iter().map(|(stream, (parts, _))| (stream, parts)).collect()
    }

    /// The modules that are at work, by stream.
    fn modules(&self) -> HashMap<String, Vec<String>> {
        let module = |labels: &Labels| {
            let of: Labels = labels.iter().filter(|it| it.0 != "sha256").cloned().collect();
            let label = |name: &str| label_of(labels, name);
            let timing = self.timing("wasm_latency_ns", &of);
            let of_timing = |fraction: f64| timing.as_ref().map(|it| it.quantile_ns(fraction) as f64);
            let total = |name: &str| match self.sample(name, &of) {
                Some(Sample::Timing(it)) => Some(it.sum().as_nanos() as f64).filter(|it| 0.0 < *it),
                _ => None,
            };
            Object::new()
                .text("path", label("path"))
                .text("label", label("label"))
                .text("sha256", label("sha256"))
                .number("instances", self.gauge("wasm_instances", &of).unwrap_or_default())
                .measured("calls", self.rate("wasm_calls", &of))
                .measured("p50", of_timing(0.5))
                .measured("p99", of_timing(0.99))
                .number("memory", self.gauge("wasm_memory_bytes_max", &of).unwrap_or_default())
                .number("made", self.counter("wasm_instances_made", &of))
                .number("lost", self.counter("wasm_state_lost", &of))
                .number("reloaded", self.counter("wasm_reloaded", &of))
                .number("reload_failed", self.counter("wasm_reload_failed", &of))
                .measured("compiled", total("wasm_compile_latency_ns"))
                .json("failed", self.counts("wasm_failed", "kind", &of))
                .json("recycled", self.counts("wasm_recycled", "reason", &of))
                .end()
        };
        let mut streams: HashMap<String, Vec<String>> = HashMap::new();
        for labels in self.of("wasm_module") {
            let modules = streams.entry(label_of(labels, Metrics::STREAM).to_string()).or_default();
            if modules.len() < COMPONENTS_MAX {
                modules.push(module(labels));
            }
        }
        streams
    }

    /// What is not 0 of counters that have these labels and one more, by that.
    fn counts(&self, name: &str, by: &str, of: &Labels) -> String {
        let mut counts = Object::new();
        for labels in self.of(name).filter(|labels| of.iter().all(|it| labels.contains(it))) {
            let n = self.counter(name, labels);
            if let Some((_, kind)) = labels.iter().find(|it| it.0 == by)
                && 0 < n
            {
                counts = counts.number(kind, n);
            }
        }
        counts.end()
    }
}
