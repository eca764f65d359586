//! What holds for every input that reads from somebody else, whatever that does when: run at random, by seed, with answers
//! that come late, out of order, as failures, or never, with an other end that goes away and comes back, and with a stop at
//! any moment.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use wappa_component::{Ack, Component, ConnectError, Input, ReadError, Unpacked, Waits};

use crate::{Harness, PATIENCE, Random, Upstream, above_inputs::answer_one};

/// How many random runs there are.
const SEEDS: u64 = 6;

/// How many things happen in one, before everything is brought to its end.
const STEPS: usize = 60;

/// An input that nobody answers may wait for that; after so long it is answered.
const UNANSWERED_MAX: Duration = Duration::from_millis(50);

struct Run<U> {
    text: String,
    harness: Harness,
    input: Box<dyn Input>,
    upstream: U,
    random: Random,
    is_up: bool,
    is_there: bool,
    n_sent: usize,
    /// What has to come, since nothing was lost on its way.
    awaited: BTreeSet<String>,
    read: Vec<String>,
    acks: Vec<Ack>,
    /// Whether something may come more than once.
    comes_again: bool,
    last_read: Instant,
}

/// What became of a look for messages.
#[derive(PartialEq)]
enum Look {
    Read,
    Nothing,
    End,
}

impl<U: Upstream> Run<U> {
    /// Connects if that is to be done, and reads once, as the engine does.
    fn look(&mut self, is_stopped: bool) -> Look {
        let mut waits = Waits::default();
        if !self.is_up {
            // Whoever is told to stop is not connected again.
            if is_stopped {
                return Look::End;
            }
            match self.input.connect(&mut waits) {
                Ok(()) => self.is_up = true,
                Err(ConnectError::NotReady) => self.harness.wait(&waits),
                Err(ConnectError::BackOff(_)) => self.harness.wait(&Waits::default()),
                Err(err) => panic!("{}: {err:?}", self.text),
            }
            return Look::Nothing;
        }
        match self.harness.read_parcel(self.input.as_mut(), &mut waits) {
            Ok(parcel) => {
                let Unpacked { part, ack, .. } = parcel.open();
                assert_eq!(ack.origins().len(), part.n_messages(), "{}: each is answered for", self.text);
                for message in part.messages() {
                    let name = String::from_utf8_lossy(message.content()).into_owned();
                    self.awaited.remove(&name);
                    self.read.push(name);
                }
                self.acks.push(ack);
                self.last_read = Instant::now();
                Look::Read
            }
            Err(ReadError::EndOfInput) => Look::End,
            Err(ReadError::NotConnected) => {
                self.is_up = false;
                Look::Nothing
            }
            Err(ReadError::NotReady | ReadError::BackOff(_)) => {
                self.harness.wait(&waits);
                Look::Nothing
            }
            Err(ReadError::SourceFailed(text)) => panic!("{}: {text}", self.text),
        }
    }

    fn send(&mut self) {
        let n_messages = 1 + self.random.below(20) as usize;
        let messages: Vec<String> = (0..n_messages).map(|it| format!("m{}", self.n_sent + it)).collect();
        if self.upstream.send(&messages) {
            self.n_sent += n_messages;
            self.awaited.extend(messages);
        }
    }

    fn answer(&mut self) {
        // Where the engine gives again what failed, the input hears of that only when it has arrived.
        let may_fail = !self.input.auto_replay_nacks();
        let takes_back = self.input.takes_back() || self.upstream.sends_again();
        self.comes_again |= takes_back && may_fail && !self.acks.is_empty();
        answer_one(&mut self.acks, &mut self.random, may_fail);
    }

    fn go(&mut self) {
        self.upstream.go();
        self.is_there = false;
        self.comes_again = true;
        if !self.upstream.keeps() {
            self.awaited.clear();
        }
    }

    fn come_back(&mut self) {
        self.upstream.come_back();
        self.is_there = true;
    }

    /// Reads until nothing is awaited any more.
    fn read_all(&mut self) {
        let began = Instant::now();
        while !self.awaited.is_empty() {
            let missing = self.awaited.first();
            assert!(began.elapsed() < PATIENCE, "{}: {missing:?} is not read", self.text);
            assert!(self.look(false) != Look::End, "{}: it ends by itself", self.text);
            if UNANSWERED_MAX < self.last_read.elapsed() {
                std::mem::take(&mut self.acks).into_iter().for_each(Ack::delivered);
            }
        }
    }

    fn check(&self) {
        let text = &self.text;
        let numbers: Vec<usize> = self
            .read
            .iter()
            .map(|it| it.strip_prefix('m').and_then(|it| it.parse().ok()).expect("a message that was sent"))
            .collect();
        assert!(numbers.iter().all(|it| *it < self.n_sent), "{text}: what was read was sent");
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        numbers.iter().for_each(|it| *counts.entry(*it).or_insert(0) += 1);
        let may_repeat = self.comes_again
            && (self.upstream.keeps() || self.upstream.sends_again() || self.input.takes_back());
        let twice = counts.iter().find(|(_, n)| 1 < **n && !may_repeat);
        assert_eq!(twice, None, "{text}: it comes more than once");
        if self.upstream.is_ordered() && !may_repeat {
            assert!(numbers.is_sorted(), "{text}: out of order: {numbers:?}");
        }
    }
}

/// Checks an input over other ends of this kind, one for each run.
pub fn check_input_from<U: Upstream>(components: &[&'static Component], mut make: impl FnMut() -> U) {
    for seed in 0..SEEDS {
        let upstream = make();
        let config = upstream.config();
        let mut harness = Harness::live(components);
        for (kind, resource) in upstream.resources() {
            harness.resource(kind, &resource);
        }
        let input = harness.try_input(&config).expect("it can be built");
        let mut run = Run {
            text: format!("{config}, seed {seed}"),
            harness,
            input,
            upstream,
            random: Random::new(seed),
            is_up: false,
            is_there: true,
            n_sent: 0,
            awaited: BTreeSet::new(),
            read: Vec::new(),
            acks: Vec::new(),
            comes_again: false,
            last_read: Instant::now(),
        };
        // In some runs nothing goes wrong, so that order and number can be told.
        let goes_away = 2 <= seed;
        let stops_early = seed == 1 || seed == 4;
        let n_steps = if stops_early { run.random.below(STEPS as u64) as usize } else { STEPS };
        let mut is_connected_twice = false;
        for _ in 0..n_steps {
            match run.random.below(12) {
                0..=2 if run.is_there => run.send(),
                3 if goes_away && run.is_there => run.go(),
                4 if !run.is_there => run.come_back(),
                5 | 6 => run.answer(),
                7 if run.is_up && !std::mem::replace(&mut is_connected_twice, true) => {
                    // Connecting once more changes nothing.
                    let connected = run.input.connect(&mut Waits::default());
                    assert!(connected.is_ok(), "{}: {connected:?}", run.text);
                }
                8 if run.random.one_in(4) && run.upstream.hold(true) => {
                    (0..5).for_each(|_| _ = run.look(false));
                    run.upstream.hold(false);
                }
                _ => assert!(run.look(false) != Look::End, "{}: it ends by itself", run.text),
            }
        }
        if !stops_early {
            if !run.is_there {
                run.come_back();
            }
            // Something comes over the last connection, whatever became of those before.
            let n_sent = run.n_sent;
            let began = Instant::now();
            while run.n_sent == n_sent {
                assert!(began.elapsed() < PATIENCE, "{}: it is never connected again", run.text);
                run.send();
                run.look(false);
            }
            run.read_all();
        }
        run.input.stop();
        // Saying it once more changes nothing.
        run.input.stop();
        let began = Instant::now();
        while run.look(true) != Look::End {
            assert!(began.elapsed() < PATIENCE, "{}: it does not end", run.text);
            if UNANSWERED_MAX < run.last_read.elapsed() {
                std::mem::take(&mut run.acks).into_iter().for_each(Ack::delivered);
            }
        }
        run.check();
        // Some is answered only now, and some never.
        run.answer();
        let text = &run.text;
        // Whoever finds no way to say what he was answered, since a connection was lost, may say so.
        let closed = run.input.close();
        assert!(closed.is_ok() || goes_away, "{text}: {closed:?}");
        assert_eq!(run.input.close(), Ok(()), "{text}");
        run.answer();
        drop(run.input);
        run.acks.into_iter().take(3).for_each(Ack::delivered);
    }
}
