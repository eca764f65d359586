//! Who does what next: the state shared by the threads of a pipeline, and the rules for it.
//!
//! No thread waits here and no component is called; everything is decided under one lock that is taken a few
//! times per part. Invariants: whoever took the input or the output is the only one who has it; an ordered
//! stream hands jobs to the output in the order of their places; what is finished and not yet due for the
//! output is bounded, and that bound never holds up the job that is due next.

use std::collections::BTreeMap;

use wappa_component::{Input, Output};

use crate::job::{Job, Place};

/// How much may be finished and wait for its turn at the output before only the part that is due next is
/// worked on. What is at work when a bound is reached is finished, so it is passed by at most a part a thread.
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
    input: Option<Box<dyn Input>>,
    output: Option<Box<dyn Output>>,
    output_is_connected: bool,
    input_is_over: bool,
    is_ordered: bool,
    has_processors: bool,
    window: Window,
    ready: BTreeMap<Place, Job>,
    done: BTreeMap<Place, Finished>,
    done_bytes: usize,
    due_next: Place,
    next_parcel: u64,
    n_at_work: usize,
    /// What one message costs in the pipeline, in nanoseconds: rises fast, falls slowly.
    cost_ns: Option<u64>,
    is_broken: bool,
    /// Threads that wait for something to do.
    pub(crate) n_idle: usize,
    /// A thread waits inside the input.
    pub(crate) is_reading: bool,
}

/// What waits for its turn at the output.
enum Finished {
    /// A job that went through all processors; its bytes.
    Job(Job, usize),
    /// A job that was given back to the input; the place behind it.
    GivenBack(Place),
}

/// What a thread does next.
pub(crate) enum Task {
    /// Make the output ready.
    Connect(Box<dyn Output>),
    /// Write a job, the next in order.
    Write(Box<dyn Output>, Job),
    /// Run a job through the processors it has not seen.
    Work(Job),
    /// Ask the input for more.
    Read(Box<dyn Input>),
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
            input: Some(input),
            output: Some(output),
            output_is_connected: false,
            input_is_over: false,
            is_ordered,
            has_processors,
            window,
            ready: BTreeMap::new(),
            done: BTreeMap::new(),
            done_bytes: 0,
            due_next: (0, 0),
            next_parcel: 0,
            n_at_work: 0,
            cost_ns: None,
            is_broken: false,
            n_idle: 0,
            is_reading: false,
        }
    }

    /// What the calling thread does next. Output first, so that what is finished leaves; then the
    /// lowest-numbered part; then the input.
    pub(crate) fn next_task(&mut self) -> Task {
        if self.is_broken {
            return Task::Finish;
        }
        if let Some(output) = self.output.take() {
            if !self.output_is_connected {
                return Task::Connect(output);
            }
            match self.take_due() {
                Some(job) => return Task::Write(output, job),
                None => self.output = Some(output),
            }
        }
        if let Some(job) = self.take_ready() {
            return Task::Work(job);
        }
        if !self.input_is_over
            && self.has_room()
            && let Some(input) = self.input.take()
        {
            self.is_reading = true;
            return Task::Read(input);
        }
        if self.is_over() { Task::Finish } else { Task::Wait }
    }

    /// Whether another thread than the calling one would find something to do.
    pub(crate) fn has_more(&self) -> bool {
        let output_waits = self.output.is_some() && (!self.output_is_connected || self.is_due());
        let input_waits = self.input.is_some() && !self.input_is_over && self.has_room();
        output_waits || input_waits || self.may_start_ready() || self.is_over()
    }

    /// Whether everything that came in is answered and nothing will come any more.
    pub(crate) fn is_over(&self) -> bool {
        self.input_is_over
            && self.n_at_work == 0
            && self.ready.is_empty()
            && self.done.is_empty()
            && self.output.is_some()
    }

    /// The number that the next parcel gets. Called by whoever has the input, for a parcel that has batches:
    /// a number that is never written would hold up all others.
    pub(crate) fn number_parcel(&mut self) -> u64 {
        self.next_parcel += 1;
        self.next_parcel - 1
    }

    /// Gives the input back.
    pub(crate) fn return_input(&mut self, input: Box<dyn Input>) {
        self.is_reading = false;
        self.input = Some(input);
    }

    /// There will be no more input.
    pub(crate) fn end_input(&mut self) {
        self.is_reading = false;
        self.input_is_over = true;
    }

    /// Gives the output back.
    pub(crate) fn return_output(&mut self, output: Box<dyn Output>) {
        self.output_is_connected = true;
        self.output = Some(output);
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
    pub(crate) fn passed(&mut self, place_behind: Place) {
        self.due_next = place_behind;
    }

    /// A new job, or what is left of one: cuts off as much as one turn should take, to be worked on by the
    /// calling thread, and keeps the rest ready for others.
    pub(crate) fn start(&mut self, mut job: Job) -> Job {
        let n_batches = self.batches_per_turn(&job);
        if n_batches < job.part.n_batches() {
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
        self.done.insert(job.place(), Finished::Job(job, bytes));
    }

    /// A job that was at work will not be finished.
    pub(crate) fn give_up(&mut self, place: Place, place_behind: Place) {
        self.n_at_work -= 1;
        self.give_back(place, place_behind);
    }

    /// Nothing will come of what is in this place: what is behind it does not wait for it.
    pub(crate) fn give_back(&mut self, place: Place, place_behind: Place) {
        self.done.insert(place, Finished::GivenBack(place_behind));
    }

    /// The jobs that no processor has seen yet, to be given back to the input.
    pub(crate) fn take_not_begun(&mut self) -> Vec<Job> {
        self.take_ready_if(|job| !job.is_begun)
    }

    /// The jobs that are neither finished nor at work, at the end of the stream; nothing is read any more.
    pub(crate) fn take_not_finished(&mut self) -> Vec<Job> {
        self.input_is_over = true;
        self.take_ready_if(|_| true)
    }

    /// As [`Schedule::take_not_finished`], and the jobs that are finished.
    pub(crate) fn take_all(&mut self) -> Vec<Job> {
        let mut jobs = self.take_not_finished();
        self.done_bytes = 0;
        jobs.extend(std::mem::take(&mut self.done).into_values().filter_map(|it| match it {
            Finished::Job(job, _) => Some(job),
            Finished::GivenBack(_) => None,
        }));
        jobs
    }

    fn take_ready_if(&mut self, is_wanted: impl Fn(&Job) -> bool) -> Vec<Job> {
        let jobs: Vec<Job> = self.ready.extract_if(.., |_, job| is_wanted(job)).map(|(_, job)| job).collect();
        jobs.iter().for_each(|job| self.give_back(job.place(), job.place_behind()));
        jobs
    }

    fn take_due(&mut self) -> Option<Job> {
        while self.is_due() {
            match self.done.pop_first()?.1 {
                Finished::Job(job, bytes) => {
                    self.done_bytes -= bytes;
                    return Some(job);
                }
                Finished::GivenBack(place_behind) => self.due_next = place_behind,
            }
        }
        None
    }

    fn is_due(&self) -> bool {
        match self.done.first_key_value() {
            Some((place, _)) => !self.is_ordered || *place == self.due_next,
            None => false,
        }
    }

    fn take_ready(&mut self) -> Option<Job> {
        if !self.may_start_ready() {
            return None;
        }
        let (_, job) = self.ready.pop_first()?;
        Some(self.start(job))
    }

    fn may_start_ready(&self) -> bool {
        match self.ready.first_key_value() {
            Some((place, _)) => self.has_room() || (self.is_ordered && *place == self.due_next),
            None => false,
        }
    }

    fn has_room(&self) -> bool {
        self.done.len() < self.window.parts_max && self.done_bytes < self.window.bytes_max
    }

    fn batches_per_turn(&self, job: &Job) -> usize {
        if !self.has_processors {
            return job.part.n_batches();
        }
        // Nothing is known of the first message: others may wait for a thread while it takes long.
        let n_messages = self.cost_ns.map_or(1, |cost| (PART_NS / cost.max(1)).max(1));
        let n_messages = usize::try_from(n_messages).unwrap_or(usize::MAX);
        if job.part.n_messages() <= n_messages {
            return job.part.n_batches();
        }
        job.part.batches_within(n_messages).max(1)
    }
}

#[cfg(test)]
mod tests;
