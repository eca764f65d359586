//! Counters and timings, with Bento's names and labels. Exporters read them; components only add.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// All series of a stream. Cloning shares.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Mutex<BTreeMap<Series, Value>>>);

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
    Timing(Timing),
}

/// What a series holds now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// How often.
    Counter(u64),
    /// How long.
    Timing(TimingSnapshot),
}

/// A name under which a stream counts or measures, and what it means: a line of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesSpec {
    /// For example `processor_received`.
    pub name: &'static str,
    /// Whether it is a timing, and not a counter.
    pub is_timing: bool,
    /// What tells its series apart, beside `label` and `path`.
    pub labels: &'static [&'static str],
    /// What it means, in a sentence.
    pub doc: &'static str,
}

/// Declares series, and the list of them, so that neither can miss one.
///
/// A line is `NAME: counter "name", [labels], "What it means.";`, or with `timing`.
#[macro_export]
macro_rules! series {
    (@is_timing counter) => { false };
    (@is_timing timing) => { true };
    ($($constant:ident: $kind:ident $name:literal, [$($label:literal),*], $doc:literal;)*) => {
        $(
            #[doc = $doc]
            pub(crate) const $constant: $crate::SeriesSpec = $crate::SeriesSpec {
                name: $name,
                is_timing: $crate::series!(@is_timing $kind),
                labels: &[$($label),*],
                doc: $doc,
            };
        )*
        /// All of them, for the reference.
        pub const SERIES: &[$crate::SeriesSpec] = &[$($constant),*];
    };
}

impl Metrics {
    /// The counter with this name and these labels; it exists, with 0, from here on.
    pub fn counter(&self, name: &str, labels: &[(&str, &str)]) -> Counter {
        let new = Value::Counter(Counter::default());
        match self.series(name, labels, new) {
            Value::Counter(it) => it,
            Value::Timing(_) => panic!("`{name}` is a timing, not a counter"),
        }
    }

    /// The timing with this name and these labels.
    pub fn timing(&self, name: &str, labels: &[(&str, &str)]) -> Timing {
        let new = Value::Timing(Timing::default());
        match self.series(name, labels, new) {
            Value::Timing(it) => it,
            Value::Counter(_) => panic!("`{name}` is a counter, not a timing"),
        }
    }

    /// All series, ordered by name and labels, each with what it holds.
    pub fn samples(&self) -> Vec<(Series, Sample)> {
        self.sampled(Counter::get, Timing::snapshot)
    }

    /// The same, and all start from zero again.
    pub fn take_samples(&self) -> Vec<(Series, Sample)> {
        self.sampled(Counter::take, Timing::take)
    }

    fn sampled(
        &self,
        counter: fn(&Counter) -> u64,
        timing: fn(&Timing) -> TimingSnapshot,
    ) -> Vec<(Series, Sample)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let sample = |(series, value): (Series, Value)| {
            let sample = match &value {
                Value::Counter(it) => Sample::Counter(counter(it)),
                Value::Timing(it) => Sample::Timing(timing(it)),
            };
            (series, sample)
        };
        all.into_iter().map(sample).collect()
    }

    fn series(&self, name: &str, labels: &[(&str, &str)], new: Value) -> Value {
        let mut labels: Vec<_> =
            labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        labels.sort();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(Series { name: name.to_string(), labels }).or_insert(new).clone()
    }
}

/// A number that only grows. Cloning shares.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds.
    pub fn add(&self, n: u64) {
        if 0 < n {
            self.0.fetch_add(n, Ordering::Relaxed);
        }
    }

    /// How much was added.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// The same, and it starts from zero again.
    pub fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
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

/// The quantiles of a timing, in nanoseconds; exact to an eighth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimingSnapshot {
    /// How many durations were recorded.
    pub count: u64,
    /// Their sum.
    pub sum_ns: u64,
    /// Half of them were not longer.
    pub p50_ns: u64,
    /// Nine tenths of them were not longer.
    pub p90_ns: u64,
    /// All but a hundredth of them were not longer.
    pub p99_ns: u64,
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

    /// What was recorded.
    pub fn snapshot(&self) -> TimingSnapshot {
        self.read(|it| it.load(Ordering::Relaxed))
    }

    /// The same, and it starts from zero again.
    pub fn take(&self) -> TimingSnapshot {
        self.read(|it| it.swap(0, Ordering::Relaxed))
    }

    fn read(&self, read: fn(&AtomicU64) -> u64) -> TimingSnapshot {
        let counts: Vec<u64> = self.0.counts.iter().map(read).collect();
        let count: u64 = counts.iter().sum();
        let quantile = |of_hundred: u64| {
            let rank = (count * of_hundred).div_ceil(100);
            let mut seen = 0;
            let reached = |n: &u64| {
                seen += n;
                rank <= seen
            };
            if count == 0 { 0 } else { upper_bound(counts.iter().position(reached).unwrap_or(N_BUCKETS - 1)) }
        };
        TimingSnapshot {
            count,
            sum_ns: read(&self.0.sum_ns),
            p50_ns: quantile(50),
            p90_ns: quantile(90),
            p99_ns: quantile(99),
        }
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
    fn a_series_is_made_once() {
        let metrics = Metrics::default();
        metrics.counter("n", &[("path", "p"), ("label", "")]).add(2);
        metrics.counter("n", &[("label", ""), ("path", "p")]).add(3);
        let samples = metrics.samples();
        assert_eq!(samples.len(), 1);
        assert_eq!(samples[0].1, Sample::Counter(5));
    }

    #[test]
    fn quantiles_are_exact_to_an_eighth() {
        let timing = Timing::default();
        for us in 1..=1000 {
            timing.record(Duration::from_micros(us));
        }
        let snapshot = timing.snapshot();
        assert_eq!(snapshot.count, 1000);
        for (expected, got) in
            [(500_000, snapshot.p50_ns), (900_000, snapshot.p90_ns), (990_000, snapshot.p99_ns)]
        {
            assert!((expected..=expected + expected / 8).contains(&got), "{expected} {got}");
        }
        timing.record(Duration::MAX);
        timing.record(Duration::ZERO);
        assert_eq!(timing.snapshot().count, 1002);
    }
}
