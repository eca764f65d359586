//! The rules by which threads choose, without threads.

use std::sync::Weak;

use wappa_component::{Ack, Batches, ConnectError, Delivery, Landing, Parcel, ReadError, Step};
use wappa_message::Message;

use super::*;

struct Nothing;

impl Input for Nothing {
    fn read(&mut self, _: &mut Waits, _: &mut Step<'_>) -> Result<Parcel, ReadError> {
        Err(ReadError::NotReady)
    }
}

impl Output for Nothing {
    fn connect(&mut self) -> Result<(), ConnectError> {
        Ok(())
    }
    fn write(&mut self, delivery: Delivery, _: &mut Step<'_>) {
        delivery.answer(Ok(()));
    }
}

struct Nobody;

impl Landing for Nobody {
    fn closed(&self) {}
    fn landed(&self, _: u64) {}
}

const READY: OutputState = OutputState { has_room: true, due: None };

fn next(schedule: &mut Schedule) -> Task {
    schedule.next_task(|| Duration::ZERO)
}

fn more(schedule: &Schedule) -> bool {
    schedule.has_more(|| Duration::ZERO)
}

const WIDE: Window = Window { parts_max: 100, bytes_max: 1 << 20 };

/// A schedule whose output is connected.
fn schedule(is_ordered: bool, window: Window) -> Schedule {
    let mut schedule = Schedule::new(Box::new(Nothing), Box::new(Nothing), is_ordered, true, window);
    let Task::Connect(output) = next(&mut schedule) else { panic!("first the output is connected") };
    schedule.return_output(output, READY);
    schedule
}

/// The input is read and gives batches of these sizes; returns what the reader works on.
fn read(schedule: &mut Schedule, batches: Batches, n_messages: usize) -> Job {
    let Task::Read(source) = next(schedule) else { panic!("there is nothing to do but read") };
    let messages = vec![Message::new("x"); n_messages];
    let parcel = Parcel::of_messages(messages, batches, Ack::new(n_messages as u32, |_| ()));
    let job = Job::of_parcel(schedule.number_parcel(parcel.order()), parcel.open());
    let job = schedule.start_numbered(job);
    schedule.return_input(source, Asked::More, false);
    job
}

fn read_singles(schedule: &mut Schedule, n_messages: usize) -> Job {
    read(schedule, Batches::Singles, n_messages)
}

fn finish(schedule: &mut Schedule, job: Job) {
    let bytes = job.part.size();
    schedule.put_done(job, bytes, 0);
}

/// What comes next, as text: the place of the job and its number of messages.
fn text(task: &Task) -> String {
    let of = |job: &Job| format!("{}.{} ({})", job.place().0, job.place().1, job.part.n_messages());
    match task {
        Task::Connect(_) => "connect".to_string(),
        Task::Write(_, outgoing) => format!("write {}", of(&outgoing.job)),
        Task::Resume(_) => "resume".to_string(),
        Task::Flush(_) => "flush".to_string(),
        Task::Work(job) => format!("work {}", of(job)),
        Task::Read(_) => "read".to_string(),
        Task::Await(_, until) => format!("await until {until:?}"),
        Task::Wait => "wait".to_string(),
        Task::Finish => "finish".to_string(),
    }
}

fn work(schedule: &mut Schedule) -> Job {
    match next(schedule) {
        Task::Work(job) => job,
        task => panic!("{}", text(&task)),
    }
}

/// A delivery that the output keeps; in this test its landing is told to the schedule by hand.
fn hand_over(
    schedule: &mut Schedule,
    output: Box<dyn Output>,
    outgoing: Outgoing,
    state: OutputState,
) -> Delivery {
    let Outgoing { job, bytes, number, .. } = outgoing;
    schedule.passed(job.stretch());
    let mut flight = Flight::new(Weak::<Nobody>::new());
    let (part, ack) = job.into_delivery();
    let delivery = flight.load(number, part, ack);
    schedule.wrote(number, bytes, flight, state.has_room);
    schedule.return_output(output, state);
    delivery
}

/// The next task is to write; it is done, and its place returned.
fn write(schedule: &mut Schedule) -> String {
    let task = next(schedule);
    let text = text(&task);
    if let Task::Write(output, outgoing) = task {
        let number = outgoing.number;
        hand_over(schedule, output, outgoing, READY).answer(Ok(()));
        schedule.landed(number);
    }
    text
}

#[test]
fn output_comes_first_then_the_lowest_part_then_the_input() {
    let mut it = schedule(true, WIDE);
    let first = read_singles(&mut it, 3);
    finish(&mut it, first);
    assert_eq!(write(&mut it), "write 0.0 (1)");
    assert_eq!(text(&next(&mut it)), "work 0.1 (2)");
    assert_eq!(text(&next(&mut it)), "read");
    assert_eq!(text(&next(&mut it)), "wait");
}

#[test]
fn an_ordered_stream_writes_in_order() {
    let mut it = schedule(true, WIDE);
    let (one, two) = (read_singles(&mut it, 1), read_singles(&mut it, 1));
    finish(&mut it, two);
    let three = read_singles(&mut it, 1);
    finish(&mut it, one);
    finish(&mut it, three);
    assert_eq!([0; 3].map(|_| write(&mut it)), ["write 0.0 (1)", "write 1.0 (1)", "write 2.0 (1)"]);
}

#[test]
fn an_unordered_stream_writes_what_is_finished() {
    let mut it = schedule(false, WIDE);
    let (one, two) = (read_singles(&mut it, 1), read_singles(&mut it, 1));
    finish(&mut it, two);
    assert_eq!(write(&mut it), "write 1.0 (1)");
    finish(&mut it, one);
    assert_eq!(write(&mut it), "write 0.0 (1)");
}

#[test]
fn the_window_never_holds_up_the_lowest_part() {
    for window in [Window { parts_max: 1, bytes_max: 1 << 20 }, Window { parts_max: 100, bytes_max: 1 }] {
        let mut it = schedule(true, window);
        let mut first = read(&mut it, Batches::Ends(vec![2, 3]), 3);
        assert_eq!((first.place(), first.part.n_batches()), ((0, 0), 1));
        let second = work(&mut it);
        finish(&mut it, second);
        // The window is full: nothing is read, and nothing else begun.
        assert!(!more(&it));
        assert_eq!(text(&next(&mut it)), "wait");
        // A processor gives the rest of the lowest part back: that is worked on.
        let rest = first.split_off(0);
        it.put_ready(rest);
        it.n_at_work -= 1;
        assert!(more(&it));
        let rest = work(&mut it);
        finish(&mut it, rest);
        assert_eq!([0; 2].map(|_| write(&mut it)), ["write 0.0 (2)", "write 0.1 (1)"]);
        assert_eq!(text(&next(&mut it)), "read");
    }
}

#[test]
fn parts_take_about_a_millisecond() {
    let mut it = schedule(true, WIDE);
    let first = read_singles(&mut it, 200);
    assert_eq!(first.part.n_messages(), 1, "nothing is known of the first message");
    it.put_done(first, 1, 100_000);
    write(&mut it);
    let mut sizes = Vec::new();
    for elapsed_us in [1000, 0, 0, 0, 230, 1_000_000] {
        let job = work(&mut it);
        sizes.push(job.part.n_messages());
        let bytes = job.part.size();
        it.put_done(job, bytes, elapsed_us * 1000);
        write(&mut it);
    }
    sizes.push(work(&mut it).part.n_messages());
    assert_eq!(sizes, [10, 10, 13, 17, 23, 29, 3], "the cost rises by eight at most and falls slowly");
}

#[test]
fn batches_are_not_divided() {
    let mut it = schedule(true, WIDE);
    let first = read(&mut it, Batches::Ends(vec![5, 7, 8, 14, 15]), 15);
    assert_eq!(first.part.n_batches(), 1, "a batch is more than one message");
    it.put_done(first, 5, 5 * 250_000);
    write(&mut it);
    let next = work(&mut it);
    assert_eq!((next.part.n_batches(), next.part.n_messages()), (2, 3), "four messages are a millisecond");
}

#[test]
fn a_part_of_which_all_was_filtered_is_not_taken_for_slow() {
    let mut it = schedule(true, WIDE);
    let first = read_singles(&mut it, 1);
    it.put_done(first, 1, 1000);
    write(&mut it);
    let mut all = read_singles(&mut it, 256);
    assert_eq!(all.part.n_messages(), 256);
    all.part.replace_each(|_, _| ());
    it.put_done(all, 0, 256_000);
    write(&mut it);
    assert_eq!(read_singles(&mut it, 256).part.n_messages(), 256);
}

#[test]
fn what_is_given_back_holds_up_nothing() {
    let mut it = schedule(true, WIDE);
    let mut first = read_singles(&mut it, 4);
    first.is_begun = true;
    let given_back = it.take_not_begun();
    assert_eq!(given_back.iter().map(Job::place).collect::<Vec<_>>(), [(0, 1)]);
    let next = read_singles(&mut it, 1);
    finish(&mut it, next);
    finish(&mut it, first);
    assert_eq!([0; 2].map(|_| write(&mut it)), ["write 0.0 (1)", "write 1.0 (1)"]);
    assert!(!it.is_over());
    it.end_input();
    assert!(it.is_over());
}

#[test]
fn what_the_input_waits_for_is_waited_for_by_one_thread_and_only_when_nothing_else_is_to_be_done() {
    let mut it = schedule(true, WIDE);
    let Task::Read(source) = next(&mut it) else { panic!("there is nothing to do but read") };
    assert!(!more(&it), "a thread has the input");
    let mut waits = Waits::default();
    waits.until(Duration::from_secs(5));
    it.return_input(source, Asked::Waits(waits), false);
    assert!(more(&it));
    assert_eq!(text(&next(&mut it)), "await until Some(5s)");
    assert_eq!((more(&it), text(&next(&mut it)).as_str()), (false, "wait"));
    // What the output asks for comes before that.
    let Some(output) = it.take_output() else { panic!("nobody has it") };
    it.return_output(output, OutputState { has_room: true, due: Some(Duration::from_secs(2)) });
    assert_eq!(it.wait_too_long(), (false, true));
    it.awaited();
    let Task::Read(source) = next(&mut it) else { panic!("it is asked again") };
    it.return_input(source, Asked::Waits(Waits::default()), false);
    assert_eq!(text(&next(&mut it)), "await until Some(2s)");
    it.take_not_finished();
    it.awaited();
    assert_eq!(text(&next(&mut it)), "finish");
}

#[test]
fn what_is_in_flight_counts_in_bytes_and_not_in_parts() {
    let mut it = schedule(true, Window { parts_max: 1, bytes_max: 3 });
    let mut in_flight = Vec::new();
    for n in 0..3 {
        let job = read_singles(&mut it, 1);
        finish(&mut it, job);
        let Task::Write(output, outgoing) = next(&mut it) else { panic!("{n}: nothing is in the way") };
        in_flight.push((outgoing.number, hand_over(&mut it, output, outgoing, READY)));
    }
    // Nothing more is read, so whatever waits for more to send it together waits in vain.
    assert_eq!(text(&next(&mut it)), "flush");
    it.return_output(Box::new(Nothing), READY);
    assert_eq!(text(&next(&mut it)), "wait");
    let (number, delivery) = in_flight.pop().expect("there are three");
    delivery.answer(Ok(()));
    it.landed(number);
    assert_eq!(text(&next(&mut it)), "read");
    it.end_input();
    assert!(!it.is_over(), "two are not answered");
}

#[test]
fn nothing_is_flushed_while_somebody_works_on_what_could_be_sent_with_it() {
    let mut it = schedule(true, WIDE);
    let (one, two) = (read_singles(&mut it, 1), read_singles(&mut it, 1));
    let Task::Read(source) = next(&mut it) else { panic!("there is nothing to do but read") };
    it.return_input(source, Asked::Over, true);
    finish(&mut it, one);
    let mut in_flight = Vec::new();
    let mut hand_over_next = |it: &mut Schedule| {
        let Task::Write(output, outgoing) = next(it) else { panic!("nothing is in the way") };
        in_flight.push(hand_over(it, output, outgoing, READY));
    };
    hand_over_next(&mut it);
    assert_eq!((more(&it), text(&next(&mut it)).as_str()), (false, "wait"));
    finish(&mut it, two);
    hand_over_next(&mut it);
    assert_eq!((more(&it), text(&next(&mut it)).as_str()), (true, "flush"));
}

#[test]
fn an_output_without_room_gets_nothing_until_something_lands() {
    let mut it = schedule(true, WIDE);
    let (one, two) = (read_singles(&mut it, 1), read_singles(&mut it, 1));
    finish(&mut it, one);
    finish(&mut it, two);
    let Task::Write(output, outgoing) = next(&mut it) else { panic!("the first is due") };
    let number = outgoing.number;
    let full = OutputState { has_room: false, due: Some(Duration::from_secs(1)) };
    let delivery = hand_over(&mut it, output, outgoing, full);
    assert_eq!(text(&next(&mut it)), "read");
    delivery.answer(Ok(()));
    it.landed(number);
    let Task::Resume(output) = next(&mut it) else { panic!("it is asked whether it has room now") };
    it.return_output(output, READY);
    let Task::Write(output, outgoing) = next(&mut it) else { panic!("the second is due") };
    let number = outgoing.number;
    let delivery = hand_over(&mut it, output, outgoing, READY);
    // What lands while the output says that it has no room is not missed.
    it.recall.set();
    let Task::Resume(output) = next(&mut it) else { panic!("somebody rang") };
    delivery.answer(Ok(()));
    it.landed(number);
    it.return_output(output, full);
    let Task::Resume(output) = next(&mut it) else { panic!("it is asked again") };
    it.return_output(output, full);
    assert!(!more(&it), "its time has not come");
    assert!(matches!(it.next_task(|| Duration::from_secs(1)), Task::Resume(_)));
}

#[test]
fn nobody_sleeps_while_there_is_something_to_do() {
    for seed in 0..200 {
        random_walk(seed);
    }
}

/// Takes and finishes tasks at random. Whether there is more to do must agree with what comes next.
fn random_walk(seed: u64) {
    let mut state = seed * 2 + 1;
    let mut below = move |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    let (is_ordered, n_threads) = (below(3) != 0, 1 + below(4));
    let window = Window { parts_max: 1 + below(4), bytes_max: 1 + below(8) };
    let mut it = Schedule::new(Box::new(Nothing), Box::new(Nothing), is_ordered, true, window);
    let (mut held, mut to_read, mut n_written): (Vec<Task>, u64, usize) = (Vec::new(), 6, 0);
    let (collects, in_flight_max) = (below(2) == 0, below(4));
    let mut in_flight: Vec<(u64, Delivery)> = Vec::new();
    let mut is_flushed = false;
    let mut last_place = None;
    let state = |in_flight: &[(u64, Delivery)], is_flushed: bool| OutputState {
        has_room: collects && !is_flushed || in_flight.len() <= in_flight_max,
        due: None,
    };
    loop {
        let may_answer = !in_flight.is_empty() && (is_flushed || !collects);
        if may_answer && (below(4) == 0 || held.is_empty() && !more(&it)) {
            let (number, delivery) = in_flight.swap_remove(below(in_flight.len()));
            delivery.answer(Ok(()));
            it.landed(number);
            is_flushed &= !in_flight.is_empty();
            continue;
        }
        if held.len() < n_threads && (held.is_empty() || below(2) == 0) {
            let has_more = more(&it);
            let task = next(&mut it);
            assert_eq!(has_more, !matches!(task, Task::Wait), "seed {seed}: {}", text(&task));
            match task {
                Task::Finish => break,
                Task::Wait => assert!(!held.is_empty(), "seed {seed}: all wait"),
                task => held.push(task),
            }
            continue;
        }
        match held.swap_remove(below(held.len())) {
            Task::Connect(output) => it.return_output(output, READY),
            Task::Resume(output) => it.return_output(output, state(&in_flight, is_flushed)),
            Task::Flush(output) => {
                is_flushed = true;
                it.return_output(output, state(&in_flight, is_flushed));
            }
            Task::Write(output, outgoing) => {
                let place = outgoing.job.place();
                assert!(!is_ordered || last_place < Some(place), "seed {seed}: out of order");
                last_place = Some(place);
                n_written += outgoing.job.part.n_messages();
                let number = outgoing.number;
                let state = state(&in_flight, is_flushed);
                let delivery = hand_over(&mut it, output, outgoing, state);
                in_flight.push((number, delivery));
                let bytes: usize = in_flight.iter().map(|it| it.1.part().size()).sum();
                assert!(
                    bytes < window.bytes_max + 8 * (n_threads + 1),
                    "seed {seed}: {bytes} bytes in flight"
                );
            }
            Task::Work(mut job) => {
                if 1 < job.part.n_batches() && below(2) == 0 {
                    let rest = job.split_off(1 + below(job.part.n_batches() - 1));
                    it.put_ready(rest);
                }
                finish(&mut it, job);
                assert!(it.rows.len() < window.parts_max + n_threads, "seed {seed}: the window is kept");
            }
            Task::Read(source) if to_read == 0 => it.return_input(source, Asked::Over, true),
            Task::Read(source) => {
                to_read -= 1;
                let parcel = Parcel::of_messages(
                    vec![Message::new("x"); 8],
                    Batches::Ends(vec![1, 4, 5, 8]),
                    Ack::new(8, |_| ()),
                );
                let job = Job::of_parcel(it.number_parcel(parcel.order()), parcel.open());
                let job = it.start_numbered(job);
                it.return_input(source, Asked::More, false);
                held.push(Task::Work(job));
            }
            Task::Await(..) | Task::Wait | Task::Finish => unreachable!("they are not held"),
        }
    }
    assert_eq!(n_written, 48, "seed {seed}: all is written, once");
}
