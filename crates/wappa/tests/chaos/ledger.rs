//! What is in the topics, written down by somebody whom nobody disturbs.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    thread,
    time::{Duration, Instant},
};

use wappa_servers::{Server, wait_until};

use super::{brokers::Broker, guest, member};

/// A process that writes down each record of the topics.
pub(crate) struct Audit(Server);

impl Audit {
    pub(crate) fn start(broker: &Broker, address: &str) -> Audit {
        let input = broker.auditor.replace("ADDRESS", address);
        let config = format!(
            "input:\n  {input}\npipeline: {{threads: 1, processors: [{{mapping: 'root = {} + \" \" + content().string()'}}]}}\n\
             output: {{file: {{path: ./audit, codec: lines}}}}\n",
            broker.record
        );
        Audit(member::start("the auditor", &config))
    }

    fn read(&self) -> Ledger {
        Ledger::read(&self.0.dir().read("audit"))
    }

    /// Waits until a number has been written.
    pub(crate) fn wait_for_first(&self) {
        wait_until("a number", || !self.read().records.is_empty());
    }

    /// Waits until each number has arrived somewhere, or until nothing has come for so long.
    pub(crate) fn wait_for_all(&self, n_messages: usize, quiet_max: Duration) {
        let (mut n_seen, mut last) = (0, Instant::now());
        while n_seen < n_messages && last.elapsed() < quiet_max {
            thread::sleep(Duration::from_millis(500));
            let n = self.read().n_arrived();
            if n_seen < n {
                (n_seen, last) = (n, Instant::now());
            }
        }
        // What comes twice may come late.
        thread::sleep(Duration::from_secs(2));
    }

    /// All that was written down.
    pub(crate) fn end(mut self) -> Ledger {
        self.0.stop();
        self.read()
    }
}

/// A record, once, however often it was read.
struct Record {
    number: u32,
    first: char,
    /// Milliseconds.
    time: i64,
}

/// All records, by the topic and by what is in order there, in that order.
#[derive(Default)]
pub(crate) struct Ledger {
    records: BTreeMap<(String, String), BTreeMap<Vec<u64>, Record>>,
    /// When a number came to a topic.
    times: HashMap<(String, u32), Vec<i64>>,
}

impl Ledger {
    /// Reads what the auditor has written.
    pub(crate) fn read(text: &str) -> Ledger {
        let mut ledger = Ledger::default();
        // Of the last line there may be a part.
        let whole = text.rfind('\n').map_or("", |it| &text[..it]);
        for line in whole.lines() {
            ledger.add(line).unwrap_or_else(|| panic!("no record: {line}"));
        }
        for ((topic, _), records) in &ledger.records {
            for record in records.values() {
                ledger.times.entry((topic.clone(), record.number)).or_default().push(record.time);
            }
        }
        ledger.times.values_mut().for_each(|it| it.sort_unstable());
        ledger
    }

    fn add(&mut self, line: &str) -> Option<()> {
        let fields: Vec<&str> = line.split(' ').collect();
        let [topic, lane, place, time, content] = fields[..] else { return None };
        let place = place.split('-').map(|it| it.parse().ok()).collect::<Option<Vec<u64>>>()?;
        let record = Record {
            number: content.get(1..)?.parse().ok()?,
            first: content.chars().next()?,
            time: time.parse().ok()?,
        };
        self.records.entry((topic.to_string(), lane.to_string())).or_default().insert(place, record);
        Some(())
    }

    fn n_arrived(&self) -> usize {
        let arrived = self.times.keys().filter(|(topic, _)| topic != "numbers");
        arrived.map(|it| it.1).collect::<BTreeSet<u32>>().len()
    }

    /// When a number came to a topic, in order.
    pub(crate) fn times(&self, topic: &str, number: u32) -> &[i64] {
        self.times.get(&(topic.to_string(), number)).map_or(&[], Vec::as_slice)
    }

    /// When the last of those numbers came to the topic that is theirs that were written until then. Later than any, where one
    /// is lost.
    pub(crate) fn caught_up(&self, until: i64, expected: impl Fn(u32) -> &'static str) -> i64 {
        let written = self.times.iter().filter(|((topic, _), times)| topic == "numbers" && times[0] <= until);
        let came = written.map(|((_, number), _)| self.times(expected(*number), *number).first());
        came.map(|it| it.copied().unwrap_or(i64::MAX / 2)).max().unwrap_or_default()
    }

    /// How many messages came to `out` behind one of the same key that was written later. Of those that came more than once,
    /// the first counts; the key is what is behind the hundreds.
    pub(crate) fn n_out_of_order(&self) -> usize {
        let mut seen = BTreeSet::new();
        let mut last: HashMap<u32, u32> = HashMap::new();
        let mut n_out_of_order = 0;
        for ((_, _), records) in self.records.iter().filter(|it| it.0.0 == "out") {
            for record in records.values().filter(|it| seen.insert(it.number)) {
                let last = last.entry(record.number % 100).or_insert(record.number);
                n_out_of_order += usize::from(record.number < *last);
                *last = record.number.max(*last);
            }
        }
        n_out_of_order
    }

    /// Which versions of the module were at work.
    pub(crate) fn versions(&self) -> Vec<char> {
        let of_out = self.records.iter().filter(|it| it.0.0 == "out").flat_map(|it| it.1.values());
        let versions: BTreeSet<char> = of_out.map(|it| it.first).collect();
        assert!(versions.iter().all(|it| guest::VERSIONS.contains(it)), "{versions:?}");
        versions.into_iter().collect()
    }
}
