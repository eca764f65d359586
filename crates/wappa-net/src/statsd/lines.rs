//! The lines that StatsD reads, in datagrams.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use wappa_component::{Histogram, Logger, Sample, Series};

/// What arrives over most networks in one piece.
const PACKET_BYTES: usize = 1_432;

/// The longest line that is sent, in a datagram of its own.
const LINE_BYTES_MAX: usize = 8_192;

/// Where labels stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tags {
    /// `name,label=value:1|c`
    BehindName,
    /// `name:1|c|#label:value`
    BehindValue,
}

/// Makes lines of what has changed.
pub(super) struct Lines {
    tags: Tags,
    logger: Logger,
    /// What was sent of each series.
    sent: BTreeMap<Series, Sample>,
    /// Series whose lines are too long.
    left_out: BTreeSet<String>,
}

impl Lines {
    pub(super) fn new(tags: Tags, logger: Logger) -> Lines {
        Lines { tags, logger, sent: BTreeMap::new(), left_out: BTreeSet::new() }
    }

    /// What is to be sent so that a server knows of these samples what it was not told yet.
    pub(super) fn packets(&mut self, samples: Vec<(Series, Sample)>) -> Vec<Vec<u8>> {
        let mut packets: Vec<Vec<u8>> = Vec::new();
        for (series, sample) in samples {
            let earlier = self.sent.insert(series.clone(), sample.clone());
            let lines = match (&sample, &earlier) {
                (Sample::Gauge(now), Some(Sample::Gauge(before))) if now == before => continue,
                // A sign would have the server add to what it has.
                (Sample::Gauge(now), _) if *now < 0 => vec!["0|g".to_string(), format!("{now}|g")],
                (Sample::Gauge(now), _) => vec![format!("{now}|g")],
                _ => {
                    let new = match &earlier {
                        Some(earlier) => sample.since(earlier),
                        None => sample,
                    };
                    match new {
                        Sample::Counter(0) | Sample::Gauge(_) => Vec::new(),
                        Sample::Counter(n) => vec![format!("{n}|c")],
                        Sample::Timing(histogram) => timings(&histogram),
                    }
                }
            };
            for value in lines {
                self.add(&mut packets, &series, &value);
            }
        }
        packets
    }

    fn add(&mut self, packets: &mut Vec<Vec<u8>>, series: &Series, value: &str) {
        let line = self.line(series, value);
        if LINE_BYTES_MAX < line.len() {
            let name: String = series.name.chars().take(100).collect();
            if self.left_out.insert(name.clone()) {
                self.logger.warn(&format!(
                    "Metric '{name}' is not sent to statsd: its line has {} bytes, of {LINE_BYTES_MAX} at most",
                    line.len()
                ));
            }
            return;
        }
        match packets.last_mut() {
            Some(packet) if packet.len() + 1 + line.len() <= PACKET_BYTES => {
                packet.push(b'\n');
                packet.extend_from_slice(line.as_bytes());
            }
            _ => packets.push(line.into_bytes()),
        }
    }

    fn line(&self, series: &Series, value: &str) -> String {
        let mut line = sound(&series.name, ",:|@#=");
        match self.tags {
            Tags::BehindName => {
                for (name, value) in &series.labels {
                    let _ = write!(line, ",{}={}", sound(name, ",:|@#="), sound(value, ",:|@#="));
                }
                let _ = write!(line, ":{value}");
            }
            Tags::BehindValue => {
                let _ = write!(line, ":{value}");
                for ((name, value), idx) in series.labels.iter().zip(0..) {
                    let begin = if idx == 0 { "|#" } else { "," };
                    // A value may have colons, a URL say.
                    let _ = write!(line, "{begin}{}:{}", sound(name, ",:|@#"), sound(value, ",|@#"));
                }
            }
        }
        line
    }
}

/// A line for all durations of about one length.
fn timings(histogram: &Histogram) -> Vec<String> {
    let line = |(ns, n): (u64, u64)| match n {
        1 => format!("{ns}|ms"),
        n => format!("{ns}|ms|@{}", 1.0 / n as f64),
    };
    histogram.lengths().map(line).collect()
}

/// A text without characters that mean something to the server, and without white space.
fn sound(text: &str, meaning: &str) -> String {
    let is_bad = |it: char| it.is_whitespace() || it.is_control() || meaning.contains(it);
    text.replace(is_bad, "_")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use expect_test::{Expect, expect};
    use wappa_component::Metrics;

    use super::*;

    fn check(tags: Tags, expected: Expect) {
        let (metrics, mut lines) = (Metrics::default(), Lines::new(tags, Logger::silent()));
        let labels = [("label", ""), ("path", "root.input")];
        let counter = metrics.counter("input_received", &labels);
        let gauge = metrics.gauge("a b:|@#,=\n", &[("url", "http://a/b?c=d|e#f,g h")]);
        let timing = metrics.timing("input_latency_ns", &labels);
        let mut text = String::new();
        let mut step = || {
            for packet in lines.packets(metrics.samples()) {
                text += &format!("{}\n", String::from_utf8_lossy(&packet));
            }
            text += "--\n";
        };
        step();
        counter.add(3);
        gauge.set(-2);
        timing.record(Duration::from_nanos(5));
        (0..4).for_each(|_| timing.record(Duration::from_nanos(1_000_000)));
        step();
        step();
        counter.add(1);
        gauge.set(7);
        step();
        expected.assert_eq(&text);
    }

    #[test]
    fn labels_behind_the_name() {
        check(
            Tags::BehindName,
            expect![[r#"
                a_b_______,url=http_//a/b?c_d_e_f_g_h:0|g
                --
                a_b_______,url=http_//a/b?c_d_e_f_g_h:0|g
                a_b_______,url=http_//a/b?c_d_e_f_g_h:-2|g
                input_latency_ns,label=,path=root.input:5|ms
                input_latency_ns,label=,path=root.input:1015807|ms|@0.25
                input_received,label=,path=root.input:3|c
                --
                --
                a_b_______,url=http_//a/b?c_d_e_f_g_h:7|g
                input_received,label=,path=root.input:1|c
                --
            "#]],
        );
    }

    #[test]
    fn labels_behind_the_value() {
        check(
            Tags::BehindValue,
            expect![[r#"
                a_b_______:0|g|#url:http://a/b?c=d_e_f_g_h
                --
                a_b_______:0|g|#url:http://a/b?c=d_e_f_g_h
                a_b_______:-2|g|#url:http://a/b?c=d_e_f_g_h
                input_latency_ns:5|ms|#label:,path:root.input
                input_latency_ns:1015807|ms|@0.25|#label:,path:root.input
                input_received:3|c|#label:,path:root.input
                --
                --
                a_b_______:7|g|#url:http://a/b?c=d_e_f_g_h
                input_received:1|c|#label:,path:root.input
                --
            "#]],
        );
    }

    #[test]
    fn datagrams_are_filled_and_what_is_too_long_is_left_out() {
        let (metrics, mut lines) = (Metrics::default(), Lines::new(Tags::BehindName, Logger::silent()));
        for idx in 0..100 {
            metrics.counter(&format!("counter_{idx:03}"), &[("path", "root.pipeline.processors.0")]).add(1);
        }
        metrics.counter("long", &[("path", &"x".repeat(3_000))]).add(1);
        metrics.counter("longer", &[("path", &"x".repeat(LINE_BYTES_MAX))]).add(1);
        let packets = lines.packets(metrics.samples());
        let lens: Vec<usize> = packets.iter().map(Vec::len).collect();
        assert!(
            lens.iter().all(|it| *it <= PACKET_BYTES || *it == "long,path=:1|c".len() + 3_000),
            "{lens:?}"
        );
        let text = packets.concat();
        let n = String::from_utf8_lossy(&text).matches(":1|c").count();
        assert_eq!((n, packets.len() < 8), (101, true));
    }
}
