//! Replays, one after the other, with a clock that jumps to whatever is waited for.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use wappa_component::{Logger, Metrics, Unpacked};
use wappa_message::Mark;

use super::*;
use crate::{jumping::Jumping, stop::Stop, stream::Setting, world::World};

/// Gives each text as a parcel of one message a letter, then ends.
struct Texts {
    left: VecDeque<&'static str>,
    answers: Arc<Mutex<Vec<String>>>,
}

impl Input for Texts {
    fn read(&mut self, _: &mut Waits, _: &mut Step<'_>) -> Result<Parcel, ReadError> {
        let Some(text) = self.left.pop_front() else { return Err(ReadError::EndOfInput) };
        let answers = Arc::clone(&self.answers);
        let ack = Ack::new(text.len() as u32, move |failures: Vec<Failure>| {
            let failed: Vec<&str> =
                failures.iter().map(|it| &text[it.origin as usize..it.origin as usize + 1]).collect();
            let line = format!("{text}: failed [{}]", failed.concat());
            answers.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        });
        let messages = text.chars().map(|it| Message::new(it.to_string())).collect();
        Ok(Parcel::of_messages(messages, Batches::Singles, ack))
    }
}

struct Bench {
    replay: Replay,
    setting: Setting,
    metrics: Metrics,
    answers: Arc<Mutex<Vec<String>>>,
}

fn bench(texts: &[&'static str]) -> Bench {
    let world = World::simulated(Arc::new(Jumping::default()));
    let setting = Setting::new(&world).expect("a descriptor can be had");
    let (metrics, answers) = (Metrics::default(), Arc::default());
    let of = Observed {
        name: "texts".to_string(),
        label: String::new(),
        path: "root.input".to_string(),
        logger: Logger::silent(),
        metrics: metrics.clone(),
        world,
        stop: setting.stop.clone(),
        calls: setting.activity.component("", "root.input"),
        tracer: wappa_component::Tracer::default(),
    };
    let texts = Texts { left: texts.iter().copied().collect(), answers: Arc::clone(&answers) };
    let replay = Replay::new(Box::new(texts), &setting.bell, of, Tally::default(), Pace::OF_INPUTS);
    Bench { replay, setting, metrics, answers }
}

impl Bench {
    /// One read: the messages, or why there are none; and the ack.
    fn read(&mut self) -> (String, Option<Ack>) {
        let stop: Stop = self.setting.stop.clone();
        let mut waits = Waits::default();
        match self.replay.read(&mut waits, &mut Step::new(0, &stop)) {
            Ok(parcel) => {
                let Unpacked { part, ack, .. } = parcel.open();
                let text = part.messages().iter().map(|it| String::from_utf8_lossy(it.content()));
                (text.collect(), Some(ack))
            }
            Err(err) => {
                if matches!(err, ReadError::NotReady) {
                    self.setting.bell.wait(&waits, waits.time());
                }
                (format!("{err:?}"), None)
            }
        }
    }

    /// One read of messages, of which those with these indices fail.
    fn deliver(&mut self, failed: &[u32]) -> String {
        let (text, ack) = self.read();
        let failure = |origin: &u32| Failure { origin: *origin, reason: Mark::new("full") };
        ack.expect("there are messages").answer(failed.iter().map(failure).collect());
        text
    }

    /// Reads until there is something, and lets it fail.
    fn fail_next(&mut self) {
        loop {
            if let (_, Some(ack)) = self.read() {
                return ack.failed(Mark::new("full"));
            }
        }
    }

    fn now_us(&self) -> u128 {
        self.setting.world.now().as_micros()
    }

    fn answers(&self) -> Vec<String> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn n_replayed(&self) -> u64 {
        self.metrics.counter("input_replayed", &[("label", ""), ("path", "root.input")]).get()
    }
}

#[test]
fn waits_grow_to_a_second() {
    let waits = [1, 2, 3, 4, 30, 75, 1000].map(|it| Pace::OF_INPUTS.wait_before(it));
    assert_eq!(waits[..3], [Duration::ZERO, Duration::ZERO, Duration::from_millis(10)]);
    assert!(waits.is_sorted() && waits[6] == Pace::OF_INPUTS.longest, "{waits:?}");
}

#[test]
fn a_replay_comes_before_anything_new_and_only_with_what_failed() {
    let mut it = bench(&["abcd", "ef"]);
    assert_eq!(it.deliver(&[1, 3]), "abcd");
    assert_eq!(it.deliver(&[1]), "bd");
    assert_eq!(it.deliver(&[]), "d");
    assert_eq!(it.answers(), ["abcd: failed []"]);
    assert_eq!(it.deliver(&[]), "ef");
    assert_eq!(it.n_replayed(), 3);
}

#[test]
fn the_first_attempts_are_made_at_once_and_the_others_wait() {
    let mut it = bench(&["a"]);
    let mut times = Vec::new();
    for _ in 0..6 {
        it.fail_next();
        times.push(it.now_us());
    }
    assert_eq!(times, [0, 0, 0, 10_000, 30_000, 70_000]);
    assert_eq!(it.n_replayed(), 6);
}

#[test]
fn new_messages_come_while_a_replay_waits_its_time() {
    let mut it = bench(&["a", "b"]);
    assert_eq!([0; 3].map(|_| it.deliver(&[0])), ["a", "a", "a"]);
    assert_eq!((it.deliver(&[]).as_str(), it.now_us()), ("b", 0));
}

#[test]
fn nothing_new_is_read_while_too_much_waits() {
    for bound in [Bound { messages_max: 2, bytes_max: 100 }, Bound { messages_max: 100, bytes_max: 2 }] {
        let mut it = bench(&["abc", "d"]);
        it.replay.bound = bound;
        assert_eq!([0; 3].map(|_| it.deliver(&[0, 1])), ["abc", "ab", "ab"]);
        // The first wait is ended by the failures' call, the second by the time.
        assert_eq!([it.read().0, it.read().0], ["NotReady", "NotReady"]);
        assert_eq!(it.now_us(), 10_000, "it waited for the replay that is due next");
        assert_eq!([0; 2].map(|_| it.deliver(&[])), ["ab", "d"]);
    }
}

#[test]
fn the_end_waits_for_the_last_answer() {
    let mut it = bench(&["a", "b"]);
    let (_, first) = it.read();
    it.deliver(&[]);
    assert_eq!([it.read().0, it.read().0], ["NotReady", "NotReady"]);
    first.expect("there are messages").failed(Mark::new("full"));
    assert_eq!(it.deliver(&[]), "a");
    assert_eq!(it.read().0, "EndOfInput");
}

#[test]
fn what_fails_when_the_stream_is_given_up_is_told_to_the_source() {
    let mut it = bench(&["abcd", "efg"]);
    it.deliver(&[0, 2, 3]);
    let (text, again) = it.read();
    assert_eq!(text, "acd");
    assert_eq!(it.deliver(&[1]), "efg");
    it.setting.stop.abandon();
    let failure = |origin| Failure { origin, reason: Mark::new("the stream was stopped") };
    again.expect("there are messages").answer(vec![failure(0), failure(2)]);
    assert_eq!(it.answers(), ["abcd: failed [ad]"]);
    // What still waits to be replayed is told when the input goes.
    drop(it.replay);
    let answers = it.answers.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(*answers, ["abcd: failed [ad]", "efg: failed [f]"]);
}

#[test]
fn what_can_never_arrive_is_not_tried_again() {
    let mut it = bench(&["abcd"]);
    let hopeless = |origin| Failure { origin, reason: Mark::of_hopeless("there is no such place") };
    let failed = |origin| Failure { origin, reason: Mark::new("not this time") };
    it.read().1.expect("there are messages").answer(vec![failed(1), hopeless(2), failed(3)]);
    assert_eq!(it.answers(), [""; 0]);
    let (text, again) = it.read();
    assert_eq!(text, "bd");
    again.expect("there are messages").answer(vec![hopeless(1)]);
    assert_eq!(it.answers(), ["abcd: failed [cd]"]);
    assert_eq!(it.read().0, "EndOfInput");
}
