//! What holds for every input, whoever answers when: run at random, by seed, with answers that come late, out of order, as
//! failures, or never, and with a stop at any moment. A new input joins with one line.

use std::collections::BTreeMap;

use wappa_component::{Ack, Failure, Input, Output, Waits};
use wappa_message::Mark;

use super::{Harness, Said, TempDir, conformance::Random};

/// How many random runs there are of each.
const SEEDS: u64 = 12;

/// An input that has nothing to say for so many reads never ends.
const READS_MAX: usize = 2_000;

/// What is at the other end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    /// Two files, `a` and `b`, that are read so many times.
    Files(usize),
    /// An output in the process, which the test writes to. Such an input ends only when it is stopped.
    Process,
}

struct Run {
    harness: Harness,
    input: Box<dyn Input>,
    /// Where the messages come from, if that is within the process.
    output: Option<Box<dyn Output>>,
    random: Random,
    /// How often each message was read, and in which order.
    read: Vec<String>,
    acks: Vec<Ack>,
    given: Vec<(String, Said)>,
}

impl Run {
    /// Reads once. `false`: the input has ended.
    fn read(&mut self) -> bool {
        match self.harness.read_part(self.input.as_mut()) {
            Ok((part, ack)) => {
                assert_eq!(ack.origins().len(), part.n_messages(), "each message is answered for");
                let text = |it: &wappa_message::Message| String::from_utf8_lossy(it.content()).into_owned();
                self.read.extend(part.messages().iter().map(text));
                self.acks.push(ack);
                true
            }
            Err(text) => {
                assert!(text == "not ready\n" || text == "end\n", "{text}");
                text != "end\n"
            }
        }
    }

    /// Answers something, in any order and in pieces.
    fn answer(&mut self) {
        if self.acks.is_empty() {
            return;
        }
        let idx = self.random.below(self.acks.len() as u64) as usize;
        let mut ack = self.acks.swap_remove(idx);
        let range = ack.origins();
        if 1 < range.len() && self.random.below(2) == 0 {
            let at = range.start + self.random.below(range.len() as u64) as u32;
            self.acks.push(ack.split_off(at));
        }
        match self.random.below(4) {
            0 => drop(ack),
            1 => {
                let failed = ack.origins().filter(|_| self.random.below(2) == 0);
                let failure = |origin| Failure { origin, reason: Mark::new("full") };
                let failures = failed.map(failure).collect();
                ack.answer(failures);
            }
            _ => ack.delivered(),
        }
    }

    fn write(&mut self) {
        let name = format!("p{}", self.given.len());
        if let Some(output) = &mut self.output {
            let said = self.harness.give(output, &[&name]);
            self.given.push((name, said));
        }
    }
}

fn conform(config: &str, source: Source) {
    for seed in 0..SEEDS {
        let mut random = Random::new(seed);
        let dir = TempDir::new();
        let mut expected: Vec<String> = Vec::new();
        for file in ["a", "b"] {
            let lines: Vec<String> = (0..random.below(600)).map(|it| format!("{file}{it}")).collect();
            dir.write(file, lines.join("\n"));
            expected.extend(lines);
        }
        let text = format!("{config}, seed {seed}");
        let mut harness = Harness::default();
        let input = harness.input(&config.replace("DIR", &dir.path().display().to_string()));
        let output = (source == Source::Process).then(|| harness.output("inproc: it"));
        let (read, acks, given) = (Vec::new(), Vec::new(), Vec::new());
        let mut run = Run { harness, input, output, random, read, acks, given };
        run.input.connect(&mut Waits::default()).expect("it can be connected once more");
        let stops = source == Source::Process || run.random.below(3) == 0;
        let stop_at = run.random.below(30);
        let mut n_reads = 0;
        let mut has_ended = false;
        while !has_ended {
            assert!(n_reads < READS_MAX, "{text}: it does not end");
            match run.random.below(4) {
                0 => run.answer(),
                1 => run.write(),
                _ => {
                    has_ended = !run.read();
                    n_reads += 1;
                }
            }
            if stops && stop_at <= n_reads as u64 {
                run.input.stop();
                // Saying it once more changes nothing.
                run.input.stop();
            }
            // What waits for answers gets them in the end.
            if READS_MAX / 2 < n_reads {
                run.answer();
            }
        }
        assert!(!run.read(), "{text}: it has ended");
        // Each message comes as often as it should, and those of one file in order.
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        run.read.iter().for_each(|it| *counts.entry(it).or_insert(0) += 1);
        let most = match source {
            Source::Files(n) => n,
            Source::Process => 1,
        };
        assert!(counts.values().all(|it| *it <= most), "{text}: a message comes too often");
        if let Source::Files(n) = source
            && !stops
        {
            let missing = expected.iter().find(|it| counts.get(it.as_str()) != Some(&n));
            assert_eq!(missing, None, "{text}: it is not read");
        }
        if most == 1 {
            for file in ["a", "b", "p"] {
                let numbers: Vec<usize> =
                    run.read.iter().filter_map(|it| it.strip_prefix(file)?.parse().ok()).collect();
                assert!(numbers.is_sorted(), "{text}: `{file}` is out of order");
            }
        }
        assert_eq!([0; 2].map(|_| run.input.close()), [const { Ok(()) }; 2], "{text}");
        // What was read, and is answered only now, is answered all the same.
        let is_again = source != Source::Process && !stops && run.random.below(2) == 0;
        if is_again && run.input.restart() {
            run.read.clear();
            while run.read() {
                run.answer();
            }
            assert_eq!(run.read.len(), expected.len() * most, "{text}: it begins again");
        }
        drop(run.input);
        run.acks.into_iter().for_each(Ack::delivered);
        drop(run.output);
        for (name, said) in run.given {
            assert_ne!(said.take(), "nothing", "{text}: `{name}` is never answered");
        }
    }
}

#[test]
fn every_input() {
    let files = "file: {paths: [DIR/a, DIR/b]}";
    let each = "[file: {paths: [DIR/a]}, file: {paths: [DIR/b]}]";
    let rows = "csv: {paths: [DIR/a, DIR/b], parse_header_row: false, batch_count: 7}";
    let first = "mapping: 'root = this.index(0)'";
    for (config, source) in [
        (files, Source::Files(1)),
        (&format!("batched: {{child: {{{files}}}, policy: {{count: 7}}}}"), Source::Files(1)),
        (
            &format!("batched: {{child: {{{files}}}, policy: {{byte_size: 100, period: 1s}}}}"),
            Source::Files(1),
        ),
        (
            &format!("batched: {{child: {{{files}}}, policy: {{count: 3, processors: [noop: {{}}]}}}}"),
            Source::Files(1),
        ),
        ("file: {paths: [DIR/a, DIR/b], scanner: {skip_bom: {into: {lines: {}}}}}", Source::Files(1)),
        (
            &format!("batched: {{child: {{{rows}}}, policy: {{count: 1, processors: [{first}]}}}}"),
            Source::Files(1),
        ),
        (&format!("broker: {{inputs: {each}}}"), Source::Files(1)),
        (&format!("broker: {{copies: 3, inputs: {each}, batching: {{count: 10}}}}"), Source::Files(3)),
        (&format!("sequence: {{inputs: {each}}}"), Source::Files(1)),
        (
            &format!("batched: {{child: {{sequence: {{inputs: {each}}}}}, policy: {{count: 1000}}}}"),
            Source::Files(1),
        ),
        (&format!("read_until: {{idle_timeout: 1s, input: {{{files}}}}}"), Source::Files(1)),
        (&format!("read_until: {{check: 'content() == \"no\"', input: {{{files}}}}}"), Source::Files(1)),
        (
            &format!(
                "read_until: {{check: 'content() == \"no\"', input: {{batched: {{child: {{{files}}}, policy: {{count: 7}}}}}}}}"
            ),
            Source::Files(1),
        ),
        (
            &format!(
                "sequence: {{inputs: [broker: {{inputs: {each}}}, read_until: {{idle_timeout: 0s, input: {{{files}}}}}]}}"
            ),
            Source::Files(2),
        ),
        ("inproc: it", Source::Process),
        ("broker: {inputs: [inproc: it, inproc: it, inproc: other]}", Source::Process),
        ("batched: {child: {inproc: it}, policy: {count: 2}}", Source::Process),
    ] {
        conform(config, source);
    }
}
