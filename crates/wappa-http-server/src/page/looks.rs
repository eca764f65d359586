//! What streams did between two looks, made once for all who look.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use wappa_component::{Histogram, Sample, Series};

use super::{
    json::{self, Object, array},
    view::{Picture, StreamState, StreamView, View},
};
use crate::metrics::process;

/// A look is for all who come within this time.
const FRESH: Duration = Duration::from_millis(900);

/// What was seen longer ago says nothing of now.
const STALE: Duration = Duration::from_secs(10);

/// No more components are told of, as no picture has more.
const COMPONENTS_MAX: usize = 500;

/// What there is to be seen.
pub(super) struct Look {
    /// For everybody.
    pub(super) public: String,
    /// For whoever is trusted.
    pub(super) all: String,
    /// The streams with their pictures.
    pub(super) pictures: Vec<(String, Arc<Picture>)>,
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
        let streams = (self.view.streams)();
        let object = Object::new()
            .text("version", self.view.version)
            .number("debug", self.view.has_debug)
            .measured("memory", measured.get("process_resident_memory_bytes").copied())
            .measured("cpu", cpu_share)
            .json("streams", array(streams.iter().map(stream)))
            .json("parts", between.components())
            .json("modules", array(between.modules()));
        let failures = self.view.taps.failures().all();
        let seen_by = |is_trusted: bool| {
            let now = SystemTime::now();
            let failures = array(failures.iter().map(|it| json::failure(it, now, is_trusted)));
            object.clone().number("trusted", is_trusted).json("failures", failures).end()
        };
        let look = Arc::new(Look {
            all: seen_by(true),
            public: seen_by(false),
            pictures: streams.into_iter().map(|it| (it.name, it.picture)).collect(),
        });
        *last = Some(Taken { at: now, samples, cpu, look: Arc::clone(&look) });
        look
    }
}

fn stream(stream: &StreamView) -> String {
    let state = match stream.state {
        StreamState::Starting => "starting",
        StreamState::Running => "running",
        StreamState::Ended => "ended",
    };
    let object = Object::new().text("name", &stream.name).text("state", state);
    let object = object.number("threads", stream.threads);
    let object = match &stream.oldest {
        Some((path, age)) => {
            object.json("oldest", Object::new().text("path", path).number("seconds", age.as_secs()).end())
        }
        None => object,
    };
    let down = stream.connections.iter().filter(|it| !it.1).take(COMPONENTS_MAX);
    object.json("down", array(down.map(|(path, _)| json::quoted(path)))).end()
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

    /// An object of all components by their streams and paths.
    fn components(&self) -> String {
        let mut parts = Object::new();
        let all = KINDS.iter().flat_map(|kind| self.of(kind.received).map(move |labels| (kind, labels)));
        for (kind, labels) in all.take(COMPONENTS_MAX) {
            let label = |name: &str| labels.iter().find(|it| it.0 == name).map_or("", |it| it.1.as_str());
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
            let key = format!("{}\n{}", label("stream"), json::place(label("path"), label("label")));
            parts = parts.json(&key, object.end());
        }
        parts.end()
    }

    /// The modules that are at work.
    fn modules(&self) -> Vec<String> {
        let module = |labels: &Labels| {
            let of: Labels = labels.iter().filter(|it| it.0 != "sha256").cloned().collect();
            let label = |name: &str| labels.iter().find(|it| it.0 == name).map_or("", |it| it.1.as_str());
            let timing = self.timing("wasm_latency_ns", &of);
            let of_timing = |fraction: f64| timing.as_ref().map(|it| it.quantile_ns(fraction) as f64);
            let total = |name: &str| match self.sample(name, &of) {
                Some(Sample::Timing(it)) => Some(it.sum().as_nanos() as f64).filter(|it| 0.0 < *it),
                _ => None,
            };
            Object::new()
                .text("stream", label("stream"))
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
        self.of("wasm_module").take(COMPONENTS_MAX).map(module).collect()
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
