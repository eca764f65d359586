//! Counters, gauges and timings, with Bento's names and labels. Components add; exporters read and reset nothing, so
//! there may be several of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

/// All series of a process, and of which of its streams those are that are registered here. Cloning shares.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    all: Arc<Mutex<All>>,
    /// None: of the process, or of the one stream that it has.
    scope: Option<Arc<Scope>>,
}

/// A stream among several, or one version of it: what it registers has one label more, and goes with it.
#[derive(Debug)]
struct Scope {
    stream: String,
    number: u64,
}

#[derive(Default)]
struct All {
    series: BTreeMap<Series, Kept>,
    rename: Option<Rename>,
    /// How many scopes there were, and which of them are there.
    n_scopes: u64,
    scopes: BTreeSet<u64>,
}

/// What a series is shown as; nothing where it is not shown.
type Rename = Box<dyn Fn(&Series) -> Option<Series> + Send + Sync>;

impl fmt::Debug for All {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.series.fmt(f)
    }
}

#[derive(Clone, Debug)]
struct Kept {
    value: Value,
    /// The scope that registered it last; 0: none.
    scope: u64,
    /// What it is shown as, where it is renamed.
    shown: Option<Option<Series>>,
}

/// One name with one set of labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    /// For example `processor_received`.
    pub name: String,
    /// Ordered by name.
    pub labels: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
enum Value {
    Counter(Counter),
    Gauge(Gauge),
    Timing(Timing),
}

/// What a series holds now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sample {
    /// How often, since the stream began.
    Counter(u64),
    /// How much there is.
    Gauge(i64),
    /// How long, since the stream began.
    Timing(Histogram),
}

/// A name under which a stream counts or measures, and what it means: a line of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesSpec {
    /// For example `processor_received`.
    pub name: &'static str,
    /// `counter`, `gauge` or `timing`.
    pub kind: &'static str,
    /// What tells its series apart, beside `label` and `path`.
    pub labels: &'static [&'static str],
    /// What it means, in a sentence.
    pub doc: &'static str,
}

/// Declares series, and the list of them, so that neither can miss one.
///
/// A line is `NAME: counter "name", [labels], "What it means.";`, or with `gauge` or `timing`.
#[macro_export]
macro_rules! series {
    (@kind counter) => { "counter" };
    (@kind gauge) => { "gauge" };
    (@kind timing) => { "timing" };
    ($($constant:ident: $kind:ident $name:literal, [$($label:literal),*], $doc:literal;)*) => {
        $(
            #[doc = $doc]
            pub(crate) const $constant: $crate::SeriesSpec = $crate::SeriesSpec {
                name: $name,
                kind: $crate::series!(@kind $kind),
                labels: &[$($label),*],
                doc: $doc,
            };
        )*
        /// All of them, for the reference.
        pub const SERIES: &[$crate::SeriesSpec] = &[$($constant),*];
    };
}

impl Metrics {
    /// The label that says of which stream a series is.
    pub const STREAM: &'static str = "stream";

    /// The same series for a stream among several: what is registered through it has the label `stream`, and is there until
    /// [`Metrics::retire`] is called. A stream that takes the place of one with its name takes over its counts.
    #[must_use]
    pub fn of_stream(&self, stream: &str) -> Metrics {
        let mut all = self.lock();
        all.n_scopes += 1;
        let number = all.n_scopes;
        all.scopes.insert(number);
        let scope = Some(Arc::new(Scope { stream: stream.to_string(), number }));
        Metrics { all: Arc::clone(&self.all), scope }
    }

    /// The stream is over: its series are gone, but for those that one of its name has registered since. What is registered
    /// later is counted and not shown. Of a process it does nothing.
    pub fn retire(&self) {
        let Some(scope) = &self.scope else { return };
        let mut all = self.lock();
        all.scopes.remove(&scope.number);
        all.series.retain(|_, kept| kept.scope != scope.number);
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A series with these labels and those of the scope.
    fn named(&self, name: &str, labels: &[(&str, &str)]) -> Series {
        match &self.scope {
            None => Series::new(name, labels),
            Some(scope) => {
                let of_stream = [(Metrics::STREAM, scope.stream.as_str())];
                let others = labels.iter().filter(|it| it.0 != Metrics::STREAM);
                Series::new(name, &others.chain(&of_stream).copied().collect::<Vec<_>>())
            }
        }
    }

    fn scope_number(&self) -> u64 {
        self.scope.as_ref().map_or(0, |it| it.number)
    }

    /// The counter with this name and these labels; it exists, with 0, from here on.
    pub fn counter(&self, name: &str, labels: &[(&str, &str)]) -> Counter {
        match self.series(name, labels, || Value::Counter(Counter::default())) {
            Value::Counter(it) => it,
            other => panic!("`{name}` is {}, not a counter", other.what()),
        }
    }

    /// The gauge with this name and these labels; it exists, with 0, from here on.
    pub fn gauge(&self, name: &str, labels: &[(&str, &str)]) -> Gauge {
        match self.series(name, labels, || Value::Gauge(Gauge::default())) {
            Value::Gauge(it) => it,
            other => panic!("`{name}` is {}, not a gauge", other.what()),
        }
    }

    /// The timing with this name and these labels.
    pub fn timing(&self, name: &str, labels: &[(&str, &str)]) -> Timing {
        match self.series(name, labels, || Value::Timing(Timing::default())) {
            Value::Timing(it) => it,
            other => panic!("`{name}` is {}, not a timing", other.what()),
        }
    }

    /// All series, ordered by name and labels, each with what it holds. Nothing is reset: who wants to know what came
    /// since he last looked keeps what he saw, see [`Sample::since`].
    ///
    /// Where series are renamed, these are the names that they are shown under; what several have in common is one.
    pub fn samples(&self) -> Vec<(Series, Sample)> {
        // Nothing is counted while the lock is held.
        let all = self.lock().series.clone();
        let mut is_renamed = false;
        let mut samples: Vec<(Series, Sample)> = Vec::with_capacity(all.len());
        for (series, Kept { value, shown, .. }) in all {
            is_renamed |= shown.is_some();
            if let Some(series) = shown.unwrap_or(Some(series)) {
                samples.push((series, value.sample()));
            }
        }
        if is_renamed {
            samples.sort_by(|(one, sample), (other, of_other)| {
                (one, sample.rank()).cmp(&(other, of_other.rank()))
            });
            samples.dedup_by(|(series, sample), (kept, sum)| kept == series && sum.add(sample));
        }
        samples
    }

    /// All series under the names that they are recorded under, whatever they are shown as; ordered by name and labels.
    pub fn recorded(&self) -> BTreeMap<Series, Sample> {
        let all = self.lock().series.clone();
        all.into_iter().map(|(series, kept)| (series, kept.value.sample())).collect()
    }

    /// Says what series are shown as. Each is asked about once, when it is made, so this comes first.
    pub fn rename(&self, rename: impl Fn(&Series) -> Option<Series> + Send + Sync + 'static) {
        self.lock().rename = Some(Box::new(rename));
    }

    /// What the series of this name are, if there are any: `a counter`, `a gauge` or `a timing`.
    pub fn kind_of(&self, name: &str) -> Option<&'static str> {
        let first = Series { name: name.to_string(), labels: Vec::new() };
        let all = self.lock();
        let (series, kept) = all.series.range(first..).next()?;
        (series.name == name).then(|| kept.value.what())
    }

    /// Shows that something is there, until what is returned is dropped: a gauge that says how many have asked for it, and
    /// that is gone with the last of them. For what labels tell, a version say, so that what is over leaves no series behind.
    pub fn present(&self, name: &str, labels: &[(&str, &str)]) -> Present {
        let series = self.named(name, labels);
        let mut all = self.lock();
        let new = || Value::Gauge(Gauge::default());
        let Value::Gauge(gauge) = all.value(series.clone(), self.scope_number(), new) else {
            panic!("`{name}` is no gauge");
        };
        gauge.add(1);
        drop(all);
        Present { metrics: self.clone(), series, gauge }
    }

    fn series(&self, name: &str, labels: &[(&str, &str)], new: impl FnOnce() -> Value) -> Value {
        let series = self.named(name, labels);
        self.lock().value(series, self.scope_number(), new)
    }
}

impl All {
    fn value(&mut self, series: Series, scope: u64, new: impl FnOnce() -> Value) -> Value {
        if scope != 0 && !self.scopes.contains(&scope) {
            return new();
        }
        if let Some(kept) = self.series.get_mut(&series) {
            let is_of_before = kept.scope < scope;
            kept.scope = kept.scope.max(scope);
            // What the version before counted under this name may be something else.
            if is_of_before {
                let value = new();
                if kept.value.what() != value.what() {
                    kept.value = value;
                }
            }
            return kept.value.clone();
        }
        let shown = self.rename.as_ref().map(|rename| rename(&series));
        let value = new();
        self.series.insert(series, Kept { value: value.clone(), scope, shown });
        value
    }
}

impl Series {
    fn new(name: &str, labels: &[(&str, &str)]) -> Series {
        let mut labels: Vec<_> =
            labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        labels.sort();
        Series { name: name.to_string(), labels }
    }
}

/// Something is there, and a gauge shows it, see [`Metrics::present`].
#[derive(Debug)]
pub struct Present {
    metrics: Metrics,
    series: Series,
    gauge: Gauge,
}

impl Drop for Present {
    fn drop(&mut self) {
        let mut all = self.metrics.lock();
        self.gauge.add(-1);
        if self.gauge.get() <= 0 {
            all.series.remove(&self.series);
        }
    }
}

impl Value {
    fn what(&self) -> &'static str {
        match self {
            Value::Counter(_) => "a counter",
            Value::Gauge(_) => "a gauge",
            Value::Timing(_) => "a timing",
        }
    }

    fn sample(&self) -> Sample {
        match self {
            Value::Counter(it) => Sample::Counter(it.get()),
            Value::Gauge(it) => Sample::Gauge(it.get()),
            Value::Timing(it) => Sample::Timing(it.histogram()),
        }
    }
}

impl Sample {
    fn rank(&self) -> u8 {
        match self {
            Sample::Counter(_) => 0,
            Sample::Gauge(_) => 1,
            Sample::Timing(_) => 2,
        }
    }

    /// Adds what another one of the same kind holds, and says whether it is of that kind.
    fn add(&mut self, other: &Sample) -> bool {
        match (self, other) {
            (Sample::Counter(it), Sample::Counter(other)) => *it = it.saturating_add(*other),
            (Sample::Gauge(it), Sample::Gauge(other)) => *it = it.wrapping_add(*other),
            (Sample::Timing(it), Sample::Timing(other)) => it.add(other),
            _ => return false,
        }
        true
    }

    /// What came after `earlier`, a sample of the same series. What a gauge holds is not counted and stays.
    pub fn since(self, earlier: &Sample) -> Sample {
        match (self, earlier) {
            (Sample::Counter(it), Sample::Counter(earlier)) => Sample::Counter(it.saturating_sub(*earlier)),
            (Sample::Timing(it), Sample::Timing(earlier)) => Sample::Timing(it.since(earlier)),
            (it, _) => it,
        }
    }
}

/// A number that only grows. Cloning shares.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds. Ends at 2⁶³ for whoever adds that much; small numbers do not get there.
    pub fn add(&self, n: u64) {
        match n {
            0 => (),
            1..=0xffff_ffff => {
                self.0.fetch_add(n, Ordering::Relaxed);
            }
            _ => {
                let add = |it: u64| Some(it.saturating_add(n).min(1 << 63).max(it));
                let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
            }
        }
    }

    /// How much was added.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down. Cloning shares.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicI64>);

impl Gauge {
    /// Says how much there is.
    pub fn set(&self, n: i64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// Adds, or takes away what is negative.
    pub fn add(&self, n: i64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Says that there is so much, unless there was more before.
    pub fn raise_to(&self, n: i64) {
        self.0.fetch_max(n, Ordering::Relaxed);
    }

    /// How much there is.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Durations, kept as counts in buckets that are an eighth of a power of two wide. Cloning shares.
#[derive(Clone, Debug)]
pub struct Timing(Arc<Buckets>);

#[derive(Debug)]
struct Buckets {
    counts: Vec<AtomicU64>,
    sum_ns: AtomicU64,
}

/// How many durations there were of which length, exact to an eighth of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    counts: Vec<u64>,
    sum_ns: u64,
}

const BUCKETS_PER_POWER_BITS: u32 = 3;
const N_BUCKETS: usize = 64 << BUCKETS_PER_POWER_BITS;

impl Default for Timing {
    fn default() -> Timing {
        let counts = (0..N_BUCKETS).map(|_| AtomicU64::new(0)).collect();
        Timing(Arc::new(Buckets { counts, sum_ns: AtomicU64::new(0) }))
    }
}

impl Timing {
    /// Records one duration.
    pub fn record(&self, duration: Duration) {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.0.counts[bucket_of(ns)].fetch_add(1, Ordering::Relaxed);
        self.0.sum_ns.fetch_add(ns, Ordering::Relaxed);
    }

    /// Records what so many have taken together, as often as they are, each as its share.
    pub fn record_shares(&self, all: Duration, n: u64) {
        let ns = u64::try_from(all.as_nanos()).unwrap_or(u64::MAX);
        if let Some(share) = ns.checked_div(n) {
            self.0.counts[bucket_of(share)].fetch_add(n, Ordering::Relaxed);
            self.0.sum_ns.fetch_add(ns, Ordering::Relaxed);
        }
    }

    /// What was recorded.
    pub fn histogram(&self) -> Histogram {
        let counts = self.0.counts.iter().map(|it| it.load(Ordering::Relaxed)).collect();
        Histogram { counts, sum_ns: self.0.sum_ns.load(Ordering::Relaxed) }
    }
}

impl Histogram {
    /// How many durations were recorded.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their sum.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_ns)
    }

    /// How long those were at most, in nanoseconds, that are the shortest `fraction` of all, 0.5 for half of them; 0
    /// where there is none.
    pub fn quantile_ns(&self, fraction: f64) -> u64 {
        let count = self.count();
        let rank = ((count as f64 * fraction).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        let reached = |n: &u64| {
            seen += n;
            rank <= seen
        };
        self.counts.iter().position(reached).map_or(0, upper_bound)
    }

    /// How many durations were no longer than this one.
    pub fn n_up_to(&self, bound: Duration) -> u64 {
        let ns = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        // A bucket counts where it lies below the bound entirely.
        let n_below = bucket_of(ns) + usize::from(upper_bound(bucket_of(ns)) == ns);
        self.counts[..n_below].iter().sum()
    }

    /// The durations in groups of about the same length (to an eighth), the shortest first: a length in nanoseconds that is
    /// typical of the group, and how many there are.
    pub fn lengths(&self) -> impl Iterator<Item = (u64, u64)> {
        let group = |(bucket, n): (usize, &u64)| {
            let (longest, power) = (upper_bound(bucket), bucket >> BUCKETS_PER_POWER_BITS);
            let width = 1 << (power as u32).saturating_sub(BUCKETS_PER_POWER_BITS);
            (0 < *n).then_some((longest - width / 2, *n))
        };
        self.counts.iter().enumerate().filter_map(group)
    }

    fn add(&mut self, other: &Histogram) {
        for (count, other) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.wrapping_add(*other);
        }
        self.sum_ns = self.sum_ns.wrapping_add(other.sum_ns);
    }

    fn since(mut self, earlier: &Histogram) -> Histogram {
        for (count, earlier) in self.counts.iter_mut().zip(&earlier.counts) {
            *count = count.saturating_sub(*earlier);
        }
        self.sum_ns = self.sum_ns.wrapping_sub(earlier.sum_ns);
        self
    }
}

fn bucket_of(ns: u64) -> usize {
    let power = 63 - (ns | 1).leading_zeros();
    if power < BUCKETS_PER_POWER_BITS {
        return ns as usize;
    }
    let within = (ns >> (power - BUCKETS_PER_POWER_BITS)) & ((1 << BUCKETS_PER_POWER_BITS) - 1);
    ((power << BUCKETS_PER_POWER_BITS) as usize) + within as usize
}

fn upper_bound(bucket: usize) -> u64 {
    let power = (bucket >> BUCKETS_PER_POWER_BITS) as u32;
    if power < BUCKETS_PER_POWER_BITS {
        return bucket as u64;
    }
    let within = (bucket & ((1 << BUCKETS_PER_POWER_BITS) - 1)) as u64;
    let width = 1u64 << (power - BUCKETS_PER_POWER_BITS);
    ((1u64 << power) + within * width).saturating_add(width - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_of_streams_come_and_go() {
        let metrics = Metrics::default();
        metrics.counter("c", &[]).add(1);
        let (one, other) = (metrics.of_stream("one"), metrics.of_stream("other"));
        one.counter("c", &[("path", "p"), ("stream", "a lie")]).add(2);
        one.counter("gone", &[]).add(2);
        other.counter("c", &[("path", "p")]).add(3);
        let shown = |metrics: &Metrics| -> Vec<String> {
            let line = |(series, sample): (Series, Sample)| {
                format!("{} {:?} {sample:?}", series.name, series.labels)
            };
            metrics.samples().into_iter().map(line).collect()
        };
        let of = |path: &str, stream: &str| format!(r#"c [("path", "{path}"), ("stream", "{stream}")]"#);
        let all = [
            "c [] Counter(1)".to_string(),
            format!("{} Counter(2)", of("p", "one")),
            format!("{} Counter(3)", of("p", "other")),
            r#"gone [("stream", "one")] Counter(2)"#.to_string(),
        ];
        assert_eq!(shown(&metrics), all);
        // The next version goes on counting, and what is of another kind begins anew.
        let next = metrics.of_stream("one");
        next.counter("c", &[("path", "p")]).add(5);
        next.gauge("gone", &[]).set(7);
        one.retire();
        assert_eq!(shown(&metrics)[1], format!("{} Counter(7)", of("p", "one")));
        assert_eq!(shown(&metrics)[3], r#"gone [("stream", "one")] Gauge(7)"#);
        one.counter("late", &[]).add(1);
        next.retire();
        other.retire();
        assert_eq!(shown(&metrics), all[..1]);
        metrics.retire();
        assert_eq!(shown(&metrics), all[..1]);
    }

    #[test]
    fn a_counter_never_goes_back() {
        let counter = Counter::default();
        counter.add(u64::MAX >> 1);
        counter.add(u64::MAX);
        assert_eq!(counter.get(), 1 << 63);
        counter.add(5);
        counter.add(u64::MAX);
        assert_eq!(counter.get(), (1 << 63) + 5);
    }

    #[test]
    fn a_series_is_made_once() {
        let metrics = Metrics::default();
        metrics.counter("n", &[("path", "p"), ("label", "")]).add(2);
        metrics.counter("n", &[("label", ""), ("path", "p")]).add(3);
        metrics.gauge("m", &[]).set(7);
        metrics.gauge("m", &[]).add(-9);
        let samples = metrics.samples();
        let names: Vec<&str> = samples.iter().map(|it| it.0.name.as_str()).collect();
        assert_eq!(names, ["m", "n"]);
        assert_eq!((&samples[0].1, &samples[1].1), (&Sample::Gauge(-2), &Sample::Counter(5)));
    }

    #[test]
    fn what_is_there_is_shown_until_the_last_has_gone() {
        let metrics = Metrics::default();
        let (one, other) = (metrics.present("m", &[("v", "1")]), metrics.present("m", &[("v", "1")]));
        let newer = metrics.present("m", &[("v", "2")]);
        let shown = || {
            let samples = metrics.samples().into_iter();
            samples.map(|(series, sample)| format!("{}={sample:?}", series.labels[0].1)).collect::<Vec<_>>()
        };
        assert_eq!(shown(), ["1=Gauge(2)", "2=Gauge(1)"]);
        drop(one);
        assert_eq!(shown(), ["1=Gauge(1)", "2=Gauge(1)"]);
        drop((other, newer));
        assert_eq!(shown(), [""; 0]);
        // Another one is a new one.
        let again = metrics.present("m", &[("v", "1")]);
        assert_eq!(shown(), ["1=Gauge(1)"]);
        drop(again);
    }

    #[test]
    fn shares_are_as_many_as_those_who_had_them() {
        let timing = Timing::default();
        timing.record_shares(Duration::from_nanos(600), 100);
        timing.record_shares(Duration::from_nanos(600), 0);
        timing.record_shares(Duration::from_nanos(7), 1);
        let histogram = timing.histogram();
        assert_eq!((histogram.count(), histogram.sum().as_nanos()), (101, 607));
        assert_eq!(histogram.n_up_to(Duration::from_nanos(6)), 100);
    }

    #[test]
    fn what_is_shown_under_one_name_is_one() {
        let metrics = Metrics::default();
        metrics.rename(|series| match series.name.as_str() {
            "hidden" => None,
            _ => Some(Series { name: series.name[..1].to_string(), labels: Vec::new() }),
        });
        metrics.counter("a1", &[("path", "p")]).add(2);
        metrics.counter("a2", &[]).add(3);
        metrics.counter("hidden", &[]).add(3);
        metrics.timing("a3", &[]).record(Duration::from_nanos(3));
        metrics.timing("a4", &[]).record(Duration::from_nanos(5));
        metrics.gauge("a5", &[]).set(7);
        metrics.counter("a1", &[("path", "p")]).add(2);
        let samples = metrics.samples();
        assert!(samples.iter().all(|it| it.0.name == "a"));
        let [(_, Sample::Counter(7)), (_, Sample::Gauge(7)), (_, Sample::Timing(timing))] =
            samples.as_slice()
        else {
            panic!("{samples:?}")
        };
        assert_eq!((timing.count(), timing.sum()), (2, Duration::from_nanos(8)));
    }

    #[test]
    fn thousands_of_series_are_found_in_no_time() {
        let metrics = Metrics::default();
        for _ in 0..2 {
            for idx in 0..20_000 {
                metrics.counter("n", &[("path", &idx.to_string())]).add(1);
            }
        }
        assert!(metrics.samples().iter().all(|it| it.1 == Sample::Counter(2)));
    }

    #[test]
    fn quantiles_are_exact_to_an_eighth() {
        let timing = Timing::default();
        assert_eq!(timing.histogram().quantile_ns(0.5), 0);
        for us in 1..=1000 {
            timing.record(Duration::from_micros(us));
        }
        let histogram = timing.histogram();
        assert_eq!((histogram.count(), histogram.sum()), (1000, Duration::from_micros(500_500)));
        for (fraction, expected) in [(0.5, 500_000), (0.9, 900_000), (0.99, 990_000), (1.0, 1_000_000)] {
            let got = histogram.quantile_ns(fraction);
            assert!((expected..=expected + expected / 8).contains(&got), "{expected} {got}");
        }
        for (us, least) in [(1, 0), (8, 7), (500, 440), (1000, 880), (2000, 1000)] {
            let n = histogram.n_up_to(Duration::from_micros(us));
            assert!((least..=us.min(1000)).contains(&n), "{us} {n}");
        }
        timing.record(Duration::MAX);
        timing.record(Duration::ZERO);
        assert_eq!(timing.histogram().count(), 1002);
        assert_eq!(timing.histogram().n_up_to(Duration::MAX), 1002);
    }

    #[test]
    fn two_who_read_see_all_of_it_each() {
        let metrics = Metrics::default();
        let (counter, timing) = (metrics.counter("c", &[]), metrics.timing("t", &[]));
        counter.add(2);
        timing.record(Duration::from_nanos(3));
        let earlier = metrics.samples();
        counter.add(5);
        timing.record(Duration::from_nanos(5));
        timing.record(Duration::from_nanos(5));
        for _ in 0..2 {
            let now = metrics.samples();
            assert_eq!(now[0].1, Sample::Counter(7));
            let [count, time] = [0, 1].map(|idx| now[idx].1.clone().since(&earlier[idx].1));
            assert_eq!(count, Sample::Counter(5));
            let Sample::Timing(time) = time else { panic!("a timing") };
            assert_eq!((time.count(), time.sum(), time.quantile_ns(0.5)), (2, Duration::from_nanos(10), 5));
        }
    }
}
