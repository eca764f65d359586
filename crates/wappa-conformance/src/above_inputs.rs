//! What holds for every input of this process, whoever answers when: run at random, by seed, with answers that come late, out
//! of order, as failures, or never, and with a stop at any moment.

use std::collections::BTreeMap;

use wappa_component::{Ack, Component, Failure, Input, Output, Waits};
use wappa_message::Mark;

use crate::{Harness, Random, Said, TempDir};

/// How many random runs there are of each.
const SEEDS: u64 = 12;

/// An input that has nothing to say for so many reads never ends.
const READS_MAX: usize = 2_000;

/// Where the messages come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// Two files, `DIR/a` and `DIR/b`, that are read so many times.
    ByFiles(usize),
    /// The output `inproc: it`, which the test writes to. Such an input ends only when it is stopped.
    ByProcess,
}

/// Answers one of these, in any order and in pieces; where they may, some as failed.
pub(crate) fn answer_one(acks: &mut Vec<Ack>, random: &mut Random, may_fail: bool) {
    if acks.is_empty() {
        return;
    }
    let mut ack = acks.swap_remove(random.below(acks.len() as u64) as usize);
    let range = ack.origins();
    if 1 < range.len() && random.one_in(2) {
        let at = range.start + random.below(range.len() as u64) as u32;
        acks.push(ack.split_off(at));
    }
    match random.below(4) {
        0 if may_fail => drop(ack),
        1 if may_fail => {
            let failed = ack.origins().filter(|_| random.one_in(2));
            let failure = |origin| Failure { origin, reason: Mark::new("full") };
            let failures = failed.map(failure).collect();
            ack.answer(failures);
        }
        _ => ack.delivered(),
    }
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
        answer_one(&mut self.acks, &mut self.random, true);
    }

    fn write(&mut self) {
        let name = format!("p{}", self.given.len());
        if let Some(output) = &mut self.output {
            let said = self.harness.give(output, &[&name]);
            self.given.push((name, said));
        }
    }
}

/// `DIR` in the config stands for a directory of its own.
pub fn check_input_above(components: &[&'static Component], config: &str, filled: Filled) {
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
        let mut harness = Harness::of(components);
        let input = harness.input(&config.replace("DIR", &dir.path().display().to_string()));
        let output = (filled == Filled::ByProcess).then(|| harness.output("inproc: it"));
        let (read, acks, given) = (Vec::new(), Vec::new(), Vec::new());
        let mut run = Run { harness, input, output, random, read, acks, given };
        run.input.connect(&mut Waits::default()).expect("it can be connected once more");
        let stops = filled == Filled::ByProcess || run.random.below(3) == 0;
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
        let most = match filled {
            Filled::ByFiles(n) => n,
            Filled::ByProcess => 1,
        };
        assert!(counts.values().all(|it| *it <= most), "{text}: a message comes too often");
        if let Filled::ByFiles(n) = filled
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
        let is_again = filled != Filled::ByProcess && !stops && run.random.below(2) == 0;
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
