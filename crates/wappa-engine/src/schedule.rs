//! Who does what next: the state shared by the threads of a pipeline, and the rules for it.
//!
//! No thread waits here and no component is called; everything is decided under one lock that is taken a few
//! times per part. Invariants: whoever took the input or the output is the only one who has it; an ordered
//! stream hands jobs to the output in the order of their places, group by group; what is finished and not yet due for the
//! output, and what the output has and did not answer, is bounded, and that bound never holds up a job that is due
//! next in its group; where nothing can go on before something is answered, the output is told to let go of what it collects.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use wappa_component::{Flight, Input, Order, Output, Waits};

use crate::{
    attendant::Attendance,
    job::{Job, Place, Stretch},
    recall::Recall,
    rows::Rows,
};

/// How much may be finished and wait for its turn at the output, or be in flight, before only the part that is due next is
/// worked on. What is at work when a bound is reached is finished, so it is passed by at most a part a thread. What is in
/// flight counts in bytes and not in parts, so that an output can collect large batches of small parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) parts_max: usize,
    pub(crate) bytes_max: usize,
}

impl Default for Window {
    fn default() -> Window {
        Window { parts_max: 256, bytes_max: 64 * 1024 * 1024 }
    }
}

/// How much dearer one part can make messages look. A thread that lost its core for ten milliseconds must not make the
/// parts of cheap messages small; messages that really are slow get there in a few parts, which end early anyhow.
const COST_RISE_MAX: u64 = 8;

/// A part is cut so that it takes about this long.
const PART_NS: u64 = 1_000_000;

/// The state.
pub(crate) struct Schedule {
    inlet: Inlet,
    output: Option<Box<dyn Output>>,
    output_is_connected: bool,
    /// What the output said last; it is asked again when it was called.
    output_state: OutputState,
    /// Whether the output was told that nothing more may come, since something last did.
    output_is_flushed: bool,
    /// Nothing new will come of the input, as it said last.
    input_is_exhausted: bool,
    /// The output is wanted.
    pub(crate) recall: Recall,
    pub(crate) has_processors: bool,
    window: Window,
    ready: BTreeMap<Place, Job>,
    rows: Rows,
    done_bytes: usize,
    /// What the output has and did not answer within the write, by number.
    in_flight: BTreeMap<u64, InFlight>,
    /// Of everything that was given to the output and is not answered.
    in_flight_bytes: usize,
    next_flight: u64,
    /// One that is over, to be used again.
    spare_flight: Option<Arc<Flight>>,
    next_parcel: u64,
    n_at_work: usize,
    /// What one message costs in the pipeline, in nanoseconds: rises fast, falls slowly.
    cost_ns: Option<u64>,
    is_broken: bool,
    /// Threads that wait for something to do.
    pub(crate) n_idle: usize,
    /// Until when they wait, the longest of them; nothing for without end.
    idle_until: Option<Duration>,
    /// What who has the output's turn does where the threads of the pipeline cannot.
    pub(crate) attendance: Attendance,
}

/// The input, where no thread has it.
enum Inlet {
    /// It may have something.
    Free(Source),
    /// It has nothing before one of these comes.
    Waits(Source, Waits),
    /// A thread waits for that, until then at most.
    Awaited(Source, Option<Duration>),
    /// A thread has it.
    Taken,
    /// Nothing is read any more. Whoever closes it takes it.
    Over(Option<Source>),
}

/// The input, and what whoever has its turn knows of it.
pub(crate) struct Source {
    pub(crate) input: Box<dyn Input>,
    /// It was told that nothing more will be asked for.
    pub(crate) is_stopped: bool,
}

/// What came of asking the input.
pub(crate) enum Asked {
    /// It has given something, or may have something now.
    More,
    /// It has nothing before one of these comes.
    Waits(Waits),
    /// There will be no more.
    Over,
}

/// What an output says of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutputState {
    pub(crate) has_room: bool,
    pub(crate) due: Option<Duration>,
}

impl OutputState {
    pub(crate) fn of(output: &dyn Output) -> OutputState {
        OutputState { has_room: output.has_room(), due: output.due() }
    }
}

/// A delivery that the output has.
struct InFlight {
    flight: Arc<Flight>,
    bytes: usize,
}

/// A job on its way to the output.
pub(crate) struct Outgoing {
    pub(crate) job: Job,
    pub(crate) bytes: usize,
    pub(crate) number: u64,
    /// One that is over, if there is any.
    pub(crate) flight: Option<Arc<Flight>>,
}

/// What a thread does next.
pub(crate) enum Task {
    /// Make the output ready.
    Connect(Box<dyn Output>),
    /// Write a job, the next in order.
    Write(Box<dyn Output>, Outgoing),
    /// Let the output go on with what it has.
    Resume(Box<dyn Output>),
    /// Nothing more comes to the output until something is answered.
    Flush(Box<dyn Output>),
    /// Run a job through the processors it has not seen.
    Work(Job),
    /// Ask the input for more.
    Read(Source),
    /// Wait for what the input waits for, until then at most.
    Await(Waits, Option<Duration>),
    /// Nothing now.
    Wait,
    /// Nothing ever again.
    Finish,
}

impl Schedule {
    pub(crate) fn new(
        input: Box<dyn Input>,
        output: Box<dyn Output>,
        is_ordered: bool,
        has_processors: bool,
        window: Window,
    ) -> Schedule {
        Schedule {
            inlet: Inlet::Free(Source { input, is_stopped: false }),
            output: Some(output),
            output_is_connected: false,
            output_state: OutputState { has_room: true, due: None },
            output_is_flushed: true,
            input_is_exhausted: false,
            recall: Recall::default(),
            has_processors,
            window,
            ready: BTreeMap::new(),
            rows: Rows::new(is_ordered),
            done_bytes: 0,
            in_flight: BTreeMap::new(),
            in_flight_bytes: 0,
            next_flight: 0,
            spare_flight: None,
            next_parcel: 0,
            n_at_work: 0,
            cost_ns: None,
            is_broken: false,
            n_idle: 0,
            idle_until: None,
            attendance: Attendance::default(),
        }
    }

    /// What the calling thread does next. Output first, so that what is finished leaves; then the
    /// lowest-numbered part; then the input. `now` is only asked for when something has its time.
    pub(crate) fn next_task(&mut self, now: impl FnOnce() -> Duration) -> Task {
        if self.is_broken {
            return Task::Finish;
        }
        if let Some(task) = self.take_output_task(now) {
            return task;
        }
        if let Some(job) = self.take_ready() {
            return Task::Work(job);
        }
        if self.wants_flush()
            && let Some(output) = self.output.take()
        {
            self.output_is_flushed = true;
            return Task::Flush(output);
        }
        if let Some(task) = self.take_input() {
            return task;
        }
        if self.is_over() { Task::Finish } else { Task::Wait }
    }

    /// What is to be done with the output, if anything.
    fn take_output_task(&mut self, now: impl FnOnce() -> Duration) -> Option<Task> {
        let output = self.output.take()?;
        if !self.output_is_connected {
            return Some(Task::Connect(output));
        }
        if self.is_recalled(now) {
            return Some(self.resume(output));
        }
        match self.take_due() {
            Some(outgoing) => Some(Task::Write(output, outgoing)),
            None => {
                self.output = Some(output);
                None
            }
        }
    }

    fn resume(&mut self, output: Box<dyn Output>) -> Task {
        self.recall.take();
        self.output_state.due = None;
        self.output_is_flushed = self.in_flight.is_empty();
        Task::Resume(output)
    }

    /// What the attendant does next. Where the threads of the pipeline do not all wait it does only what is due: they come to
    /// the rest sooner.
    pub(crate) fn task_of_attendant(&mut self, all_wait: bool, now: impl Fn() -> Duration) -> Option<Task> {
        if all_wait {
            return self.take_output_task(now);
        }
        let is_due = self.output_is_connected && self.output_state.due.is_some_and(|due| due <= now());
        let output = self.output.take_if(|_| is_due)?;
        Some(self.resume(output))
    }

    /// The attendant has nothing to do. Returns until when it sleeps.
    pub(crate) fn attendant_sleeps(&mut self) -> Option<Duration> {
        // Whoever is free wakes by itself.
        let until = self.due().filter(|_| !self.is_anybody_free());
        self.attendance = Attendance::Asleep(until);
        until
    }

    /// Whether a thread waits for something to do, or for input.
    fn is_anybody_free(&self) -> bool {
        0 < self.n_idle || self.awaits_input()
    }

    /// Whether what is due comes before the attendant wakes, and nobody else may be there.
    pub(crate) fn is_late_for_attendant(&self) -> bool {
        let is_late = |due| match self.attendance {
            Attendance::Absent => true,
            Attendance::Asleep(until) => until.is_none_or(|until| due < until),
            Attendance::Awake | Attendance::Impossible => false,
        };
        !self.is_anybody_free() && self.due().is_some_and(is_late)
    }

    /// Whether there is something to do for the attendant, where all threads wait.
    pub(crate) fn is_for_attendant(&self, now: impl FnOnce() -> Duration) -> bool {
        !self.is_anybody_free() && self.output_waits(now)
    }

    /// Whether nothing will be done any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.is_broken || self.is_over()
    }

    /// Whether there is something to be done with the output, and nobody has it.
    pub(crate) fn output_waits(&self, now: impl FnOnce() -> Duration) -> bool {
        self.output.is_some() && (!self.output_is_connected || self.is_due() || self.is_recalled(now))
    }

    /// Whether another thread than the calling one would find something to do.
    pub(crate) fn has_more(&self, now: impl FnOnce() -> Duration) -> bool {
        let output_waits = self.output_waits(now) || (self.output.is_some() && self.wants_flush());
        let input_waits = matches!(self.inlet, Inlet::Free(_) | Inlet::Waits(..)) && self.has_room();
        output_waits || input_waits || self.may_start_ready() || self.is_over()
    }

    /// Whether everything that came in is answered and nothing will come any more.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.inlet, Inlet::Over(_))
            && self.n_at_work == 0
            && self.ready.is_empty()
            && self.rows.len() == 0
            && self.in_flight.is_empty()
            && self.output.is_some()
    }

    /// When something is to be done, if nothing happens before. Of an output that is called just now it is not known.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.output_state.due.filter(|_| self.output.is_some())
    }

    /// The calling thread has nothing to do. Returns until when it is to wait.
    pub(crate) fn idle(&mut self) -> Option<Duration> {
        let until = self.due();
        self.idle_until = match (self.n_idle, self.idle_until, until) {
            (0, _, until) => until,
            (_, Some(others), Some(until)) => Some(until.max(others)),
            _ => None,
        };
        self.n_idle += 1;
        until
    }

    /// Whether the threads that have nothing to do would be late for what is due; and the one that waits for input.
    pub(crate) fn wait_too_long(&self) -> (bool, bool) {
        let Some(due) = self.due() else { return (false, false) };
        let is_late = |until: Option<Duration>| until.is_none_or(|until| due < until);
        let awaits_too_long = match &self.inlet {
            Inlet::Awaited(_, until) => is_late(*until),
            _ => false,
        };
        (0 < self.n_idle && is_late(self.idle_until), awaits_too_long)
    }

    /// Whether a thread waits for input.
    pub(crate) fn awaits_input(&self) -> bool {
        matches!(self.inlet, Inlet::Awaited(..))
    }

    /// The number that the next parcel gets, of messages in this order; it is at work from here on. Called by whoever has the input, for a parcel that
    /// has batches: a number that is never written would hold up all others.
    pub(crate) fn number_parcel(&mut self, order: Order) -> u64 {
        self.n_at_work += 1;
        self.rows.enter(order, self.next_parcel);
        self.next_parcel += 1;
        self.next_parcel - 1
    }

    /// Gives the input back, with what came of asking it.
    pub(crate) fn return_input(&mut self, source: Source, asked: Asked, is_exhausted: bool) {
        self.input_is_exhausted = is_exhausted;
        // What is given up meanwhile is ended by whoever looks next, before anything is read of it.
        self.inlet = match asked {
            Asked::More => Inlet::Free(source),
            Asked::Waits(waits) => Inlet::Waits(source, waits),
            Asked::Over => Inlet::Over(Some(source)),
        };
    }

    /// What the input waits for has come, or there is something else to do.
    pub(crate) fn awaited(&mut self) {
        self.inlet = match std::mem::replace(&mut self.inlet, Inlet::Taken) {
            Inlet::Awaited(source, _) => Inlet::Free(source),
            other => other,
        };
    }

    /// Nothing is read any more.
    fn end_input(&mut self) {
        self.inlet = match std::mem::replace(&mut self.inlet, Inlet::Over(None)) {
            Inlet::Free(it) | Inlet::Waits(it, _) | Inlet::Awaited(it, _) => Inlet::Over(Some(it)),
            Inlet::Taken => Inlet::Over(None),
            Inlet::Over(it) => Inlet::Over(it),
        };
    }

    /// The input, at the end.
    pub(crate) fn take_source(&mut self) -> Option<Source> {
        self.end_input();
        match &mut self.inlet {
            Inlet::Over(source) => source.take(),
            _ => None,
        }
    }

    /// Gives the output back.
    pub(crate) fn return_output(&mut self, output: Box<dyn Output>, state: OutputState) {
        self.output_state = state;
        self.output_is_connected = true;
        self.output = Some(output);
    }

    /// A delivery was given to the output, which may have answered it by now, and said then whether it has room.
    pub(crate) fn wrote(&mut self, number: u64, bytes: usize, flight: Arc<Flight>, has_room: bool) {
        if flight.has_landed() {
            self.in_flight_bytes -= bytes;
            self.spare_flight = Some(flight);
            if !has_room {
                // It may have been answered behind that.
                self.recall.set();
            }
            return;
        }
        self.in_flight.insert(number, InFlight { flight: Arc::clone(&flight), bytes });
        if !flight.hand_over() {
            self.landed(number);
        }
    }

    /// What the output had under this number is answered.
    pub(crate) fn landed(&mut self, number: u64) {
        if let Some(InFlight { bytes, .. }) = self.in_flight.remove(&number) {
            self.in_flight_bytes -= bytes;
            // Of one that is called just now it is not known what it will say.
            if self.output.is_none() || !self.output_state.has_room {
                self.recall.set();
            }
        }
    }

    /// What the output has, to be answered by others.
    pub(crate) fn take_in_flight(&mut self) -> Vec<Arc<Flight>> {
        let all = std::mem::take(&mut self.in_flight);
        self.in_flight_bytes -= all.values().map(|it| it.bytes).sum::<usize>();
        all.into_values().map(|it| it.flight).collect()
    }

    /// A thread died of a bug of the engine: nobody waits for what it had.
    pub(crate) fn break_off(&mut self) {
        self.is_broken = true;
    }

    /// The output, at the end.
    pub(crate) fn take_output(&mut self) -> Option<Box<dyn Output>> {
        self.output.take()
    }

    /// The job was written, or nothing of it is left to write.
    pub(crate) fn passed(&mut self, stretch: Stretch) {
        self.rows.pass(stretch);
    }

    /// The job of a parcel that was numbered; see [`Schedule::start`].
    pub(crate) fn start_numbered(&mut self, job: Job) -> Job {
        self.n_at_work -= 1;
        self.start(job)
    }

    /// A new job, or what is left of one: cuts off as much as one step should take, to be worked on by the
    /// calling thread, and keeps the rest ready for others.
    pub(crate) fn start(&mut self, mut job: Job) -> Job {
        let n_batches = self.batches_per_turn(&job);
        if n_batches < job.part.n_places() {
            let rest = job.split_off(n_batches);
            self.ready.insert(rest.place(), rest);
        }
        self.n_at_work += 1;
        job
    }

    /// What a processor left of a job for later.
    pub(crate) fn put_ready(&mut self, job: Job) {
        self.ready.insert(job.place(), job);
    }

    /// A job went through all processors. `bytes`: what it holds; `elapsed_ns`: how long the calling thread
    /// took for it.
    pub(crate) fn put_done(&mut self, job: Job, bytes: usize, elapsed_ns: u64) {
        self.n_at_work -= 1;
        // By what came in: a part of which everything was filtered took its time as well.
        let sample = elapsed_ns / (job.n_origins().max(1) as u64);
        self.cost_ns = Some(match self.cost_ns {
            Some(cost) if sample < cost => cost - (cost - sample).div_ceil(4),
            Some(cost) => sample.min(cost.max(1) * COST_RISE_MAX),
            None => sample,
        });
        self.done_bytes += bytes;
        self.rows.put(job, bytes);
    }

    /// A job that was at work will not be finished.
    pub(crate) fn give_up(&mut self, stretch: Stretch) {
        self.n_at_work -= 1;
        self.give_back(stretch);
    }

    /// Nothing will come of what is in this place: what is behind it does not wait for it.
    pub(crate) fn give_back(&mut self, stretch: Stretch) {
        self.rows.give_back(stretch);
    }

    /// The jobs that no processor has seen yet, to be given back to the input.
    pub(crate) fn take_not_begun(&mut self) -> Vec<Job> {
        self.take_ready_if(|job| !job.is_begun)
    }

    /// The jobs that are neither finished nor at work, at the end of the stream; nothing is read any more.
    pub(crate) fn take_not_finished(&mut self) -> Vec<Job> {
        self.end_input();
        self.take_ready_if(|_| true)
    }

    /// As [`Schedule::take_not_finished`], and the jobs that are finished.
    pub(crate) fn take_all(&mut self) -> Vec<Job> {
        let mut jobs = self.take_not_finished();
        self.done_bytes = 0;
        jobs.extend(self.rows.take_all());
        jobs
    }

    fn take_ready_if(&mut self, is_wanted: impl Fn(&Job) -> bool) -> Vec<Job> {
        let jobs: Vec<Job> = self.ready.extract_if(.., |_, job| is_wanted(job)).map(|(_, job)| job).collect();
        jobs.iter().for_each(|job| self.give_back(job.stretch()));
        jobs
    }

    fn take_due(&mut self) -> Option<Outgoing> {
        if !self.is_due() {
            return None;
        }
        let (job, bytes) = self.rows.pop_due()?;
        self.done_bytes -= bytes;
        self.in_flight_bytes += bytes;
        self.output_is_flushed = false;
        let number = self.next_flight;
        self.next_flight += 1;
        Some(Outgoing { job, bytes, number, flight: self.spare_flight.take() })
    }

    fn is_due(&self) -> bool {
        self.output_state.has_room && self.rows.has_due()
    }

    fn is_recalled(&self, now: impl FnOnce() -> Duration) -> bool {
        self.recall.is_set() || self.output_state.due.is_some_and(|due| due <= now())
    }

    /// Whether nothing can go on before the output answers something that it has.
    fn wants_flush(&self) -> bool {
        !self.output_is_flushed
            && !self.in_flight.is_empty()
            && self.n_at_work == 0
            && !self.may_start_ready()
            && !self.is_due()
            && (matches!(self.inlet, Inlet::Over(_)) || self.input_is_exhausted || !self.has_room())
    }

    /// What is to be done with the input, if anything.
    fn take_input(&mut self) -> Option<Task> {
        if !self.has_room() {
            return None;
        }
        let due = self.due();
        match std::mem::replace(&mut self.inlet, Inlet::Taken) {
            Inlet::Free(source) => Some(Task::Read(source)),
            Inlet::Waits(source, waits) => {
                let until = waits.time().into_iter().chain(due).min();
                self.inlet = Inlet::Awaited(source, until);
                Some(Task::Await(waits, until))
            }
            other => {
                self.inlet = other;
                None
            }
        }
    }

    fn take_ready(&mut self) -> Option<Job> {
        let place = self.next_ready()?;
        let job = self.ready.remove(&place)?;
        Some(self.start(job))
    }

    fn may_start_ready(&self) -> bool {
        self.next_ready().is_some()
    }

    /// Whether a job is ready that a thread without anything to do should take.
    #[cfg(test)]
    pub(crate) fn has_ready(&self) -> bool {
        self.may_start_ready()
    }

    /// The job to be worked on next: the lowest, or where there is no room the lowest of those for which others wait.
    fn next_ready(&self) -> Option<Place> {
        match self.has_room() {
            true => self.ready.first_key_value().map(|(place, _)| *place),
            false => self.ready.iter().find(|(_, job)| self.rows.is_first(job)).map(|(place, _)| *place),
        }
    }

    fn has_room(&self) -> bool {
        self.rows.len() < self.window.parts_max
            && self.done_bytes + self.in_flight_bytes < self.window.bytes_max
    }

    fn batches_per_turn(&self, job: &Job) -> usize {
        if !self.has_processors {
            return job.part.n_places();
        }
        // Nothing is known of the first message: others may wait for a thread while it takes long.
        let n_messages = self.cost_ns.map_or(1, |cost| (PART_NS / cost.max(1)).max(1));
        let n_messages = usize::try_from(n_messages).unwrap_or(usize::MAX);
        if job.part.n_messages() <= n_messages {
            return job.part.n_places();
        }
        job.part.places_within(n_messages).max(1)
    }
}

#[cfg(test)]
mod tests;
