//! The threads of a pipeline: each takes what is ready, works it through all processors, and writes it.

use std::sync::{Arc, Weak};

use wappa_component::{
    Caches, Clock, ConnectError, Flight, Landing, Logger, Output, Processor, ReadError, Step, Waits,
    WriteError, stopped, watch_mappings,
};
use wappa_message::Mark;

use crate::{
    activity::Activity,
    attendant::{self, Attendant},
    filler::Filler,
    job::Job,
    observe::Tally,
    panics::{self, Caught},
    schedule::{Asked, Outgoing, OutputState, Schedule, Source, Task},
    stop::Stop,
    stream::Report,
    world::{Bell, Monitor, World},
};

pub(crate) const INPUT_PATH: &str = "root.input";
pub(crate) const OUTPUT_PATH: &str = "root.output";

type Guard<'a> = std::sync::MutexGuard<'a, Schedule>;

/// A processor of the pipeline and its path, for the report of a panic.
pub(crate) struct Stage {
    pub(crate) path: String,
    pub(crate) processor: Box<dyn Processor>,
}

/// What the threads of one pipeline share.
pub(crate) struct Shared {
    pub(crate) weak: Weak<Shared>,
    pub(crate) world: World,
    pub(crate) schedule: Monitor<Schedule>,
    pub(crate) stages: Vec<Stage>,
    pub(crate) stop: Stop,
    pub(crate) bell: Bell,
    pub(crate) attendant: Attendant,
    pub(crate) report: Monitor<Report>,
    pub(crate) logger: Logger,
    pub(crate) activity: Activity,
    pub(crate) tally: Tally,
    pub(crate) n_threads: usize,
    /// By how much each thread is nicer than the process.
    pub(crate) niceness: i32,
    /// What mappings may ask.
    pub(crate) caches: Caches,
    pub(crate) input_takes_back: bool,
    pub(crate) has_filler: bool,
    /// Until its thread takes it.
    pub(crate) filler: Monitor<Option<Filler>>,
}

impl Shared {
    fn input_lane(&self) -> usize {
        self.n_threads
    }

    fn output_lane(&self) -> usize {
        self.n_threads + 1
    }

    /// The number of the attendant's thread: behind those of the pipeline and the buffer.
    pub(crate) fn attendant_number(&self) -> usize {
        self.n_threads + usize::from(self.has_filler)
    }

    /// Whether all threads of the pipeline sleep, or wait for a future. Those that help them, or fill the buffer, count as
    /// well, so that this may be said too soon, and never too late.
    pub(crate) fn all_wait(&self) -> bool {
        self.n_threads <= self.stop.n_waiting()
    }

    /// Of what fills the buffer.
    pub(crate) fn filler_lane(&self) -> usize {
        self.n_threads + 2
    }
}

/// Runs one thread until the stream is over.
///
/// Panics of components are caught where they are called; one that arrives here is the engine's own.
pub(crate) fn run_guarded(shared: &Shared, thread: usize) {
    shared.world.enter(thread);
    watch_mappings(Some((Arc::new(shared.stop.clone()), shared.caches.clone())));
    if guarded(shared, "engine", || run(shared, thread)).is_none() {
        break_off(shared);
    }
    watch_mappings(None);
    shared.world.leave();
}

/// A thread died of a bug of the engine.
pub(crate) fn break_off(shared: &Shared) {
    shared.schedule.lock().break_off();
    shared.schedule.notify_all();
    shared.attendant.bell.ring();
}

fn run(shared: &Shared, thread: usize) {
    let mut carried: Option<Task> = None;
    loop {
        let task = match carried.take() {
            Some(task) => task,
            None => next_task(shared),
        };
        match task {
            Task::Connect(_) | Task::Write(..) | Task::Resume(_) | Task::Flush(_) => perform(shared, task),
            Task::Work(job) => work(shared, thread, job),
            Task::Read(source) => carried = read(shared, source),
            Task::Await(waits, until) => {
                shared.bell.wait(&waits, until);
                shared.schedule.lock().awaited();
            }
            Task::Wait => unreachable!("waiting is done where tasks are taken"),
            Task::Finish => break,
        }
    }
}

/// What is to be done with the output.
pub(crate) fn perform(shared: &Shared, task: Task) {
    match task {
        Task::Connect(output) => connect_output(shared, output),
        Task::Write(output, outgoing) => write(shared, output, outgoing),
        Task::Resume(output) => turn(shared, output, |output, step| output.resume(step)),
        Task::Flush(output) => turn(shared, output, |output, step| output.flush(step)),
        _ => unreachable!("that is for threads of the pipeline"),
    }
}

fn next_task(shared: &Shared) -> Task {
    let mut schedule = shared.schedule.lock();
    loop {
        if shared.stop.is_draining() {
            schedule = answer_what_stays(shared, schedule);
        }
        match schedule.next_task(|| shared.world.now()) {
            Task::Wait => {
                let until = schedule.idle();
                schedule = shared.schedule.wait(schedule, until);
                schedule.n_idle -= 1;
            }
            Task::Finish => {
                shared.schedule.notify_all();
                shared.attendant.bell.ring();
                return Task::Finish;
            }
            task => {
                call_others(shared, &mut schedule);
                if let Task::Work(_) = task {
                    attendant::work_begins(shared, &mut schedule);
                }
                return task;
            }
        }
    }
}

/// Calls another thread when there is something to do for it: an idle one, or the one that waits for input.
fn call_others(shared: &Shared, schedule: &mut Schedule) {
    let has_more = schedule.has_more(|| shared.world.now());
    let (idle_too_long, awaits_too_long) = schedule.wait_too_long();
    if idle_too_long {
        shared.schedule.notify_all();
    } else if has_more && 0 < schedule.n_idle {
        shared.schedule.notify_one();
    }
    if awaits_too_long || (has_more && schedule.n_idle == 0 && schedule.awaits_input()) {
        shared.bell.ring();
    }
    attendant::all_may_wait(shared, schedule);
}

/// Has a thread look for something to do.
pub(crate) fn call(shared: &Shared) {
    let mut schedule = shared.schedule.lock();
    call_others(shared, &mut schedule);
}

/// At a stop: what no processor has seen goes back to an input that can take it; what is not finished when the stream
/// is given up; all of it, and what is in flight, when nothing can be written any more.
fn answer_what_stays<'a>(shared: &'a Shared, mut schedule: Guard<'a>) -> Guard<'a> {
    let (jobs, flights, reason) = if shared.stop.is_cut() {
        (schedule.take_all(), schedule.take_in_flight(), stopped())
    } else if shared.stop.is_abandoned() {
        (schedule.take_not_finished(), Vec::new(), stopped())
    } else if shared.input_takes_back {
        // As if it had never been read.
        (schedule.take_not_begun(), Vec::new(), Mark::of_unwanted())
    } else {
        return schedule;
    };
    if jobs.is_empty() && flights.is_empty() {
        return schedule;
    }
    // Whoever is told may have something for the stream.
    drop(schedule);
    flights.into_iter().for_each(|flight| flight.revoke(reason.clone()));
    jobs.into_iter().for_each(|job| job.failed(&reason));
    shared.schedule.lock()
}

/// Makes the output ready. Where that is impossible nothing is ever written.
fn connect_output(shared: &Shared, mut output: Box<dyn Output>) {
    match guarded(shared, OUTPUT_PATH, || output.connect()) {
        // Another attempt is made by whoever takes care of the connection.
        Some(Ok(()) | Err(ConnectError::NotReady | ConnectError::BackOff(_))) => (),
        Some(Err(ConnectError::Fatal(text))) => {
            fail(shared, format!("{OUTPUT_PATH}: {text}"));
            shared.stop.cut();
        }
        Some(Err(ConnectError::Interrupted)) | None => shared.stop.cut(),
    }
    turn(shared, output, |_, _| ());
}

/// Calls the output, unless nothing more is written, and says what it can do then. When it panics, nothing more is
/// written to it.
fn with_output(
    shared: &Shared,
    output: &mut dyn Output,
    f: impl FnOnce(&mut dyn Output, &mut Step<'_>),
) -> OutputState {
    let mut step = Step::new(shared.output_lane(), &shared.stop);
    let called = || {
        f(output, &mut step);
        OutputState::of(output)
    };
    let state = if shared.stop.is_cut() { None } else { guarded(shared, OUTPUT_PATH, called) };
    state.unwrap_or_else(|| {
        // Nobody knows what state it is in.
        shared.stop.cut();
        OutputState { has_room: true, due: None }
    })
}

/// A turn of the output in which nothing new is given to it.
fn turn(shared: &Shared, mut output: Box<dyn Output>, f: impl FnOnce(&mut dyn Output, &mut Step<'_>)) {
    let state = with_output(shared, output.as_mut(), f);
    let mut schedule = shared.schedule.lock();
    return_locked(shared, &mut schedule, output, state);
}

fn return_locked(shared: &Shared, schedule: &mut Schedule, output: Box<dyn Output>, state: OutputState) {
    schedule.return_output(output, state);
    call_others(shared, schedule);
}

/// Asks the input for more. What it has goes straight to the calling thread.
fn read(shared: &Shared, mut source: Source) -> Option<Task> {
    let mut step = Step::new(shared.input_lane(), &shared.stop);
    let mut waits = Waits::default();
    let read = guarded(shared, INPUT_PATH, || {
        if shared.stop.is_draining() && !std::mem::replace(&mut source.is_stopped, true) {
            source.input.stop();
        }
        let result = source.input.read(&mut waits, &mut step);
        let is_exhausted = matches!(result, Err(ReadError::EndOfInput)) || source.input.is_exhausted();
        (result, is_exhausted)
    });
    let (result, is_exhausted) = read.unwrap_or((Err(ReadError::EndOfInput), true));
    let (asked, parcel) = match result {
        Ok(parcel) => (Asked::More, Some(parcel).filter(|it| 0 < it.n_origins())),
        Err(ReadError::NotReady) => (Asked::Waits(waits), None),
        Err(ReadError::EndOfInput) => (Asked::Over, None),
        // Whoever takes care of the connections has reacted.
        Err(ReadError::NotConnected | ReadError::SourceFailed(_) | ReadError::BackOff(_)) => {
            (Asked::More, None)
        }
    };
    let Some(parcel) = parcel else {
        let mut schedule = shared.schedule.lock();
        schedule.return_input(source, asked, is_exhausted);
        call_others(shared, &mut schedule);
        return None;
    };
    // Others may read while it is opened, which may take longer than the lock.
    let number = {
        let mut schedule = shared.schedule.lock();
        let number = schedule.number_parcel(parcel.order());
        schedule.return_input(source, asked, is_exhausted);
        call_others(shared, &mut schedule);
        number
    };
    let mut job = Job::of_parcel(number, parcel.open());
    // Processors under the input have made something of it already.
    job.charges = step.take_charges();
    let mut schedule = shared.schedule.lock();
    let job = schedule.start_numbered(job);
    call_others(shared, &mut schedule);
    attendant::work_begins(shared, &mut schedule);
    Some(Task::Work(job))
}

/// Runs a job through the processors it has not seen.
fn work(shared: &Shared, thread: usize, mut job: Job) {
    let working = shared.world.work();
    let began = shared.world.now();
    let mut step = Step::new(thread, &shared.stop);
    if !shared.stages.is_empty() {
        // Here, so that it is not taken for a part of the first processor's work.
        job.part.messages_mut();
    }
    while let Some(stage) = shared.stages.get(job.next) {
        // Of what is left after a panic nobody knows how much it is.
        let stretch = job.stretch();
        let n_places = job.part.n_places();
        let done = guarded(shared, &stage.path, || job.run(stage.processor.as_ref(), &mut step)).unwrap_or(0);
        if done == 0 && 0 < n_places {
            drop(working);
            shared.schedule.lock().give_up(stretch);
            // Neither marked nor sent: the input is told that it did not arrive.
            job.failed_within(stopped());
            return;
        }
        if let Some(rest) = job.finish(done, &mut step) {
            let mut schedule = shared.schedule.lock();
            if shared.stop.is_abandoned() {
                // What is finished goes on without what is not.
                schedule.give_back(rest.stretch());
                drop(schedule);
                rest.failed_within(stopped());
            } else {
                schedule.put_ready(rest);
                call_others(shared, &mut schedule);
            }
        }
    }
    drop(working);
    let elapsed = shared.world.now().saturating_sub(began);
    job.census = job.part.census();
    let bytes = job.census.bytes;
    shared.schedule.lock().put_done(job, bytes, elapsed.as_nanos() as u64);
}

/// Gives a job to the output.
fn write(shared: &Shared, mut output: Box<dyn Output>, outgoing: Outgoing) {
    let Outgoing { mut job, bytes, number, flight } = outgoing;
    let stretch = job.stretch();
    let (growth, charges) = (job.growth, std::mem::take(&mut job.charges));
    let mut flight = flight.unwrap_or_else(|| Flight::new(shared.weak.clone()));
    shared.tally.hand_over(job.part.n_messages(), job.census, job.n_origins());
    let (part, ack) = job.into_delivery();
    let n_messages = part.n_messages();
    let mut delivery = flight.load(number, part, ack);
    delivery.hold(charges);
    let delivery = if n_messages == 0 {
        delivery.answer(Ok(()));
        None
    } else if shared.stop.is_cut() {
        delivery.answer(Err(WriteError::Failed(stopped())));
        None
    } else {
        Some(delivery)
    };
    let state = with_output(shared, output.as_mut(), |output, step| {
        if let Some(delivery) = delivery {
            step.begin_part(growth);
            output.write(delivery, step);
        }
    });
    let mut schedule = shared.schedule.lock();
    schedule.passed(stretch);
    schedule.wrote(number, bytes, flight, state.has_room);
    return_locked(shared, &mut schedule, output, state);
}

impl Landing for Shared {
    fn closed(&self) {
        self.report.lock().output_was_closed = true;
        // Before the answer, so that it is not taken for something to replay.
        self.stop.cut();
    }

    fn landed(&self, number: u64) {
        let mut schedule = self.schedule.lock();
        schedule.landed(number);
        call_others(self, &mut schedule);
    }
}

/// Closes the output and the input, at the end.
pub(crate) fn close(shared: &Shared) {
    let (output, source) = {
        let mut schedule = shared.schedule.lock();
        (schedule.take_output(), schedule.take_source())
    };
    let note = |path: &str, result: Option<Result<(), String>>| {
        if let Some(Err(text)) = result {
            shared.activity.fail(format!("{path}: {text}"));
        }
    };
    if let Some(mut output) = output {
        note(OUTPUT_PATH, guarded(shared, OUTPUT_PATH, || output.close()));
    }
    if let Some(mut source) = source {
        note(INPUT_PATH, guarded(shared, INPUT_PATH, || source.input.close()));
    }
}

/// Runs a component's code. A panic is reported with the component's path and ends the stream.
///
/// `path` is where it is called; a component within it knows its own.
pub(crate) fn guarded<R>(shared: &Shared, path: &str, f: impl FnOnce() -> R) -> Option<R> {
    match panics::catch(path, f) {
        Caught::Returned(result) => Some(result),
        Caught::Recovered(result, text) => {
            shared.logger.error(&text);
            Some(result)
        }
        Caught::Panicked(text) => {
            fail(shared, text);
            None
        }
    }
}

/// Records why the stream cannot go on, and gives it up. It is for whoever runs the stream to say so.
fn fail(shared: &Shared, text: String) {
    shared.activity.fail(text);
    shared.stop.abandon();
}
