//! What holds for every output that writes to somebody else, whatever that does when: run at random, by seed, with an other end
//! that says nothing for a while, goes away and comes back, and with an end at any moment.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use wappa_component::{Component, ConnectError, Delivery, Desk, Output, Part, Pulse, Step, WriteError};

use crate::{Downstream, Harness, PATIENCE, Random, Said, batches};

/// How many random runs there are.
const SEEDS: u64 = 6;

/// How many things happen in one, before everything is brought to its end.
const STEPS: usize = 60;

/// Where what was given out comes back to, as in the engine.
#[derive(Default)]
struct Given(Mutex<State>);

#[derive(Default)]
struct State {
    n_out: usize,
    lost: BTreeMap<(u64, u32), Delivery>,
    is_lost: bool,
}

impl Given {
    fn state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Desk for Given {
    fn divided(&self) {
        self.state(|it| it.n_out += 1);
    }

    fn answered(&self, _: &Part, _: Duration, _: &Result<(), WriteError>) {
        self.state(|it| it.n_out -= 1);
    }

    fn lost(&self, delivery: Delivery, place: (u64, u32)) {
        self.state(|it| {
            it.n_out -= 1;
            it.is_lost = true;
            it.lost.insert(place, delivery);
        });
    }
}

struct Run<D> {
    text: String,
    harness: Harness,
    output: Box<dyn Output>,
    downstream: D,
    random: Random,
    given: Arc<Given>,
    is_up: bool,
    is_to_be_connected_twice: bool,
    is_there: bool,
    n_given: u64,
    /// By message: what was answered for its delivery, and its index there.
    said: Vec<(Said, usize)>,
    /// What was said to be delivered, and may have been lost with its connection.
    forgiven: BTreeSet<usize>,
    comes_again: bool,
}

impl<D: Downstream> Run<D> {
    /// Connects if that is to be done, gives what came back, and calls the output, as the engine does.
    fn look(&mut self) {
        let (n_out, is_lost) = self.given.state(|it| (it.n_out, it.is_lost));
        self.is_up &= !is_lost;
        if !self.is_up && n_out == 0 {
            match self.output.connect() {
                // In every other run it is connected twice.
                Ok(()) if std::mem::take(&mut self.is_to_be_connected_twice) => (),
                Ok(()) => {
                    self.is_up = true;
                    self.given.state(|it| it.is_lost = false);
                }
                Err(ConnectError::NotReady | ConnectError::BackOff(_)) => self.harness.wait_for_output(),
                Err(err) => panic!("{}: {err:?}", self.text),
            }
        }
        while self.is_up
            && self.output.has_room()
            && let Some((place, delivery)) = self.given.state(|it| match it.is_lost {
                true => None,
                false => it.lost.pop_first(),
            })
        {
            self.write(place, delivery);
        }
        self.harness.resume(&mut self.output);
    }

    fn write(&mut self, place: (u64, u32), mut delivery: Delivery) {
        self.given.state(|it| it.n_out += 1);
        let began = self.harness.time.now();
        delivery.stamp(Arc::clone(&self.given) as Arc<dyn Desk>, began, place);
        self.output.write(delivery, &mut Step::new(2, self.harness.time.as_ref()));
    }

    /// Gives a few batches, behind everything that came back.
    fn give(&mut self) {
        if !self.is_up || !self.output.has_room() || self.given.state(|it| it.is_lost || !it.lost.is_empty())
        {
            return;
        }
        let mut names: Vec<String> = Vec::new();
        let mut given: Vec<String> = Vec::new();
        for _ in 0..1 + self.random.below(4) {
            let size = 1 + self.random.below(3) as usize;
            let of_batch: Vec<String> =
                (0..size).map(|it| format!("m{}", self.said.len() + names.len() + it)).collect();
            given.push(of_batch.join("|"));
            names.extend(of_batch);
        }
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        let (delivery, said) = Said::to(batches(&given));
        self.said.extend((0..names.len()).map(|idx| (said.clone(), idx)));
        let place = (self.n_given, 0);
        self.n_given += 1;
        self.write(place, delivery);
    }

    fn n_open(&self) -> usize {
        self.said.iter().filter(|(said, _)| said.take() == "nothing").count()
    }

    /// What has not come need not come, where that may be so.
    fn forgive(&mut self) {
        if self.downstream.may_lose() {
            let received: BTreeSet<String> = self.downstream.received().into_iter().collect();
            let is_missing = |it: &usize| !received.contains(&format!("m{it}"));
            self.forgiven.extend((0..self.said.len()).filter(is_missing));
        }
    }

    fn go(&mut self) {
        self.forgive();
        self.downstream.go();
        self.is_there = false;
        self.comes_again = true;
    }

    fn come_back(&mut self) {
        // What was written before the loss was noticed.
        self.forgive();
        self.downstream.come_back();
        self.is_there = true;
    }

    /// Until everything is answered.
    fn finish(&mut self) {
        let began = Instant::now();
        while 0 < self.n_open() {
            assert!(began.elapsed() < PATIENCE, "{}: {} are never answered", self.text, self.n_open());
            self.look();
            if self.is_up {
                self.harness.flush(&mut self.output);
            }
            self.harness.wait_for_output();
        }
    }

    fn arrived(&self) -> impl Iterator<Item = usize> {
        let has_arrived = |(said, idx): &(Said, usize)| match said.take().as_str() {
            "delivered" => true,
            text => match text.strip_prefix("partial: ") {
                Some(named) => !named.split(", ").any(|it| it.starts_with(&format!("{idx}: "))),
                None => false,
            },
        };
        (0..self.said.len()).filter(move |it| has_arrived(&self.said[*it]))
    }

    fn check(&mut self) {
        let arrived: Vec<usize> = self.arrived().filter(|it| !self.forgiven.contains(it)).collect();
        let began = Instant::now();
        let received = loop {
            let received = self.downstream.received();
            let all: BTreeSet<&str> = received.iter().map(String::as_str).collect();
            let missing = arrived.iter().find(|it| !all.contains(format!("m{it}").as_str()));
            let Some(missing) = missing else { break received };
            assert!(began.elapsed() < PATIENCE, "{}: m{missing} is said to have arrived", self.text);
            std::thread::sleep(Duration::from_millis(5));
        };
        let numbers: Vec<usize> = received
            .iter()
            .map(|it| it.strip_prefix('m').and_then(|it| it.parse().ok()).expect("a message that was given"))
            .collect();
        if !self.comes_again {
            let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
            numbers.iter().for_each(|it| *counts.entry(*it).or_insert(0) += 1);
            assert_eq!(counts.iter().find(|(_, n)| 1 < **n), None, "{}: it comes more than once", self.text);
            if self.downstream.is_ordered() {
                assert!(numbers.is_sorted(), "{}: out of order: {numbers:?}", self.text);
            }
        }
    }
}

/// Checks an output over other ends of this kind, one for each run.
pub fn check_output_to<D: Downstream>(components: &[&'static Component], mut make: impl FnMut() -> D) {
    for seed in 0..SEEDS {
        let downstream = make();
        let config = downstream.config();
        let mut harness = Harness::live(components);
        for (kind, resource) in downstream.resources() {
            harness.resource(kind, &resource);
        }
        let output = harness.try_output(&config).expect("it can be built");
        let mut run = Run {
            text: format!("{config}, seed {seed}"),
            harness,
            output,
            downstream,
            random: Random::new(seed),
            given: Arc::default(),
            is_up: false,
            is_to_be_connected_twice: seed % 2 == 0,
            is_there: true,
            n_given: 0,
            said: Vec::new(),
            forgiven: BTreeSet::new(),
            comes_again: false,
        };
        // In some runs nothing goes wrong, so that order and number can be told.
        let goes_away = 2 <= seed;
        let ends_early = seed == 1 || seed == 4;
        let n_steps = if ends_early { run.random.below(STEPS as u64) as usize } else { STEPS };
        for _ in 0..n_steps {
            match run.random.below(12) {
                0..=3 => run.give(),
                4 if goes_away && run.is_there => run.go(),
                5 if !run.is_there => run.come_back(),
                6 if run.is_up => run.harness.flush(&mut run.output),
                7 if run.random.one_in(4) && run.downstream.hold(true) => {
                    (0..5).for_each(|_| {
                        run.give();
                        run.look();
                    });
                    run.downstream.hold(false);
                }
                8 => run.harness.wait_for_output(),
                _ => run.look(),
            }
        }
        if !ends_early {
            if !run.is_there {
                run.come_back();
            }
            // Something goes over the last connection, whatever became of those before.
            let n_given = run.n_given;
            let began = Instant::now();
            while run.n_given == n_given {
                assert!(began.elapsed() < PATIENCE, "{}: it is never connected again", run.text);
                run.look();
                run.give();
                run.harness.wait_for_output();
            }
            run.finish();
            // Nothing is held any more.
            let began = Instant::now();
            while run.is_up && !run.output.has_room() {
                assert!(began.elapsed() < PATIENCE, "{}: all is answered, and there is no room", run.text);
                run.harness.wait_for_output();
            }
        } else if run.random.one_in(2) && run.downstream.hold(true) {
            // It is closed while nothing is said.
            run.look();
        }
        let text = run.text.clone();
        assert_eq!([0; 2].map(|_| run.output.close()), [const { Ok(()) }; 2], "{text}");
        run.downstream.hold(false);
        // What it still has has failed, and so has what came back.
        let output = std::mem::replace(&mut run.output, Box::new(Nowhere));
        drop(output);
        run.given.state(|it| it.lost.clear());
        let began = Instant::now();
        while 0 < run.n_open() {
            run.given.state(|it| it.lost.clear());
            assert!(began.elapsed() < PATIENCE, "{text}: {} are never answered", run.n_open());
            std::thread::sleep(Duration::from_millis(1));
        }
        if !run.is_there {
            run.come_back();
        }
        run.check();
    }
}

/// In the place of an output that is gone.
struct Nowhere;

impl Output for Nowhere {
    fn connect(&mut self) -> Result<(), ConnectError> {
        Ok(())
    }

    fn write(&mut self, _: Delivery, _: &mut Step<'_>) {}
}
