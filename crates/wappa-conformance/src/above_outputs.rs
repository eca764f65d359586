//! What holds for every output that has others below it, whatever answers when: run at random, by seed, with outputs below it
//! that answer late, out of order, in part, or only when everything else has come to rest.

use std::{collections::BTreeMap, time::Duration};

use wappa_component::{Component, Output};

use crate::{Harness, Random, Said};

/// How many random runs there are of each.
const SEEDS: u64 = 25;

/// A delivery that takes longer to be answered than this many rounds never is.
const ROUNDS_MAX: usize = 2_000;

/// How many of the outputs below have to deliver a message before it counts as delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Both.
    All,
    /// Any one.
    One,
    /// It may be forgotten.
    None,
}

/// The output of a config, with late outputs `one` and `two` below it.
struct Run {
    harness: Harness,
    output: Box<dyn Output>,
    random: Random,
    /// By message: what was answered for its delivery, and its index there.
    given: BTreeMap<String, (Said, usize)>,
    /// How often each output delivered, or failed to deliver, each message.
    arrived: BTreeMap<(String, String), u64>,
    failed: BTreeMap<(String, String), u64>,
}

impl Run {
    fn give(&mut self) {
        let n_batches = 1 + self.random.below(4);
        let mut names = Vec::new();
        let mut batches = Vec::new();
        for _ in 0..n_batches {
            let size = 1 + self.random.below(3) as usize;
            let batch: Vec<String> =
                (0..size).map(|it| format!("m{}.", self.given.len() + names.len() + it)).collect();
            batches.push(batch.join("|"));
            names.extend(batch);
        }
        let batches: Vec<&str> = batches.iter().map(String::as_str).collect();
        let said = self.harness.give(&mut self.output, &batches);
        self.given.extend(names.into_iter().enumerate().map(|(idx, name)| (name, (said.clone(), idx))));
    }

    /// One of the outputs below answers something that it has. Some messages fail once or twice.
    fn answer(&mut self) -> bool {
        let names: Vec<&str> =
            ["one", "two"].into_iter().filter(|it| !self.harness.held.of(it).is_empty()).collect();
        if names.is_empty() {
            return false;
        }
        let name = names[self.random.below(names.len() as u64) as usize].to_string();
        let which = self.random.below(3) as usize;
        let random = &mut self.random;
        let (arrived, failed) = (&mut self.arrived, &mut self.failed);
        self.harness.held.answer_each(&name, which, |message| {
            let key = (name.clone(), message.to_string());
            let n_failed = failed.entry(key.clone()).or_insert(0);
            let fails = *n_failed < 2 && random.below(5) == 0;
            *n_failed += u64::from(fails);
            *arrived.entry(key).or_insert(0) += u64::from(!fails);
            fails
        });
        true
    }

    fn n_open(&self) -> usize {
        self.given.values().filter(|(said, _)| said.take() == "nothing").count()
    }

    /// Nothing more is given: everything has to be answered.
    fn finish(&mut self, text: &str) {
        // As the engine does: once, and again only when the output was called since.
        let mut may_flush = true;
        for round in 0.. {
            assert!(round < ROUNDS_MAX, "{text}: {} messages are never answered", self.n_open());
            may_flush |= self.harness.resume(&mut self.output);
            if self.n_open() == 0 {
                return;
            }
            if self.answer() {
                continue;
            }
            if std::mem::take(&mut may_flush) {
                self.harness.flush(&mut self.output);
                continue;
            }
            let due = self.output.due();
            assert!(due.is_some(), "{text}: {} messages wait for what never comes", self.n_open());
            self.harness.advance_to(due);
        }
    }

    /// What is said to have arrived has arrived, and what is said to have failed has failed.
    fn check(&self, needs: Needs, text: &str) {
        for (name, (said, idx)) in &self.given {
            let said = said.take();
            let n_arrived = ["one", "two"]
                .into_iter()
                .filter(|it| self.arrived.get(&(it.to_string(), name.clone())).is_some_and(|n| 0 < *n))
                .count();
            let named = said.strip_prefix("partial: ").unwrap_or_default();
            let is_named = named.split(", ").any(|it| it.starts_with(&format!("{idx}: ")));
            let has_failed = said.starts_with("failed: ") || is_named;
            let n_needed = match needs {
                Needs::All => 2,
                Needs::One => 1,
                Needs::None => 0,
            };
            assert!(has_failed || n_needed <= n_arrived, "{text}: `{name}` did not arrive: {said}");
            let fails = |it: &str| self.failed.get(&(it.to_string(), name.clone())).is_some_and(|n| 0 < *n);
            assert!(!has_failed || fails("one") || fails("two"), "{text}: `{name}` did not fail: {said}");
        }
    }
}

/// `ONE` and `TWO` in the config stand for outputs that answer late.
pub fn check_output_above(components: &[&'static Component], config: &str, needs: Needs) {
    for seed in 0..SEEDS {
        let mut harness = Harness::of(components);
        let rooms = [1, 2, 1000];
        let mut random = Random::new(seed);
        let mut late = |name: &str| {
            let room = rooms[random.below(3) as usize];
            format!("{{late: {{name: {name}, room: {room}}}}}")
        };
        let config = config.replace("ONE", &late("one")).replace("TWO", &late("two"));
        let text = format!("{config}, seed {seed}");
        let output = harness.output(&config);
        let (given, arrived, failed) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut run = Run { harness, output, random, given, arrived, failed };
        // Connecting it again changes nothing.
        run.output.connect().expect("it can be connected");
        for _ in 0..40 {
            match run.random.below(8) {
                0 | 1 if run.output.has_room() => run.give(),
                // Whoever does not ask is served as well.
                2 if run.random.below(8) == 0 => run.give(),
                3 | 4 => _ = run.answer(),
                5 => run.harness.time.advance(Duration::from_millis(run.random.below(1000))),
                6 if run.random.below(8) == 0 => run.harness.flush(&mut run.output),
                _ => _ = run.harness.resume(&mut run.output),
            }
        }
        run.finish(&text);
        run.check(needs, &text);
        assert!(run.output.has_room(), "{text}: all is answered");
        assert_eq!([0; 2].map(|_| run.output.close()), [const { Ok(()) }; 2], "{text}");
        // What it still had at the end would have been dropped, and said so.
        drop(run.output);
    }
}
