//! What a component may use while it works: its lane, the time, and the way to mark a message.

use std::{
    fmt,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use wappa_message::{Mark, Message, Source};

use crate::{Charge, Charges, Growth};

/// The stream's pulse, as far as a component needs it.
pub trait Pulse: Send + Sync {
    /// Time since the stream was made.
    fn now(&self) -> Duration;

    /// A counter that goes up about once a millisecond while a thread works. Costs no more than a load.
    fn ticks(&self) -> u64;

    /// Whether the stream gives up what it is doing: return without finishing.
    fn is_interrupted(&self) -> bool;

    /// Waits. `false`: interrupted.
    fn sleep(&self, duration: Duration) -> bool;

    /// Waits until `is_woken` is set, which whoever sets it says with what [`Pulse::caller`] gives. `false`: interrupted.
    ///
    /// Without anything better it looks every millisecond.
    fn park(&self, is_woken: &AtomicBool) -> bool {
        while !is_woken.load(Ordering::SeqCst) {
            if !self.sleep(Duration::from_millis(1)) {
                return false;
            }
        }
        true
    }

    /// Has all who wait in [`Pulse::park`] look whether they are meant. May be called from any thread.
    fn caller(&self) -> Box<dyn Fn() + Send + Sync> {
        Box::new(|| ())
    }
}

/// About a millisecond of one thread's work on one part.
pub struct Step<'a> {
    lane: usize,
    pulse: &'a dyn Pulse,
    begun_ticks: u64,
    marks: Vec<Mark>,
    /// The component at work.
    source: Option<Arc<Source>>,
    growth: Growth,
    charges: Charges,
}

/// When a millisecond of work began.
#[derive(Clone, Copy, Debug)]
pub struct Begun(u64);

/// A part should be given back after about a millisecond. The counter's first tick may come at once, so two.
const DUE_TICKS: u64 = 2;

impl<'a> Step<'a> {
    /// A step on a lane.
    pub fn new(lane: usize, pulse: &'a dyn Pulse) -> Step<'a> {
        Step {
            lane,
            pulse,
            begun_ticks: pulse.ticks(),
            marks: Vec::new(),
            source: None,
            growth: Growth::default(),
            charges: Charges::default(),
        }
    }

    /// Starts the millisecond again, for a new part or a new processor, and returns when the last one began.
    pub fn begin(&mut self) -> Begun {
        Begun(std::mem::replace(&mut self.begun_ticks, self.pulse.ticks()))
    }

    /// A step on another lane, for a part of what this one works on.
    pub fn fork(&self, lane: usize) -> Step<'a> {
        Step { growth: self.growth, source: self.source.clone(), ..Step::new(lane, self.pulse) }
    }

    /// What was marked and charged in such a step belongs to this one. What grew is for whoever divided the part to say.
    pub fn join(&mut self, mut fork: Step<'a>) {
        self.marks.append(&mut fork.marks);
        self.charges.append(fork.charges);
    }

    /// Goes on with a millisecond that began earlier.
    pub(crate) fn go_on(&mut self, begun: Begun) {
        self.begun_ticks = begun.0;
    }

    /// Another part is worked on, which has grown by so much up to now.
    pub fn begin_part(&mut self, growth: Growth) {
        self.growth = growth;
    }

    /// What the part at work was when it was read, and what it has grown by since. A composite's children work on the
    /// composite's part.
    pub fn growth(&self) -> Growth {
        self.growth
    }

    /// The processor at work has made the part's messages larger by so many bytes.
    pub fn grow(&mut self, bytes: usize) {
        self.growth.add(bytes);
    }

    /// What was charged for that, by who made them larger; it is held until the messages have arrived.
    pub fn hold(&mut self, charge: Charge) {
        self.charges.push(charge);
    }

    /// What was charged since the last call, for whoever has the messages now.
    pub fn take_charges(&mut self) -> Charges {
        std::mem::take(&mut self.charges)
    }

    /// Puts back charges that were taken, for messages that are handed on.
    pub fn put_charges(&mut self, charges: Charges) {
        self.charges.append(charges);
    }

    /// Which of the stream's lanes this is. A lane never runs on two threads at once, so what a processor
    /// keeps for a lane needs no lock that anybody waits for. Below `Context::lanes`.
    pub fn lane(&self) -> usize {
        self.lane
    }

    /// Whether about a millisecond is over: return after this batch.
    pub fn is_due(&self) -> bool {
        self.due_ticks() <= self.pulse.ticks()
    }

    /// When it will be, by the counter of the [`Pulse`].
    pub fn due_ticks(&self) -> u64 {
        self.begun_ticks.saturating_add(DUE_TICKS)
    }

    /// Whether the stream gives up what it is doing. Messages that are not finished are answered as failed.
    pub fn is_interrupted(&self) -> bool {
        self.pulse.is_interrupted()
    }

    /// Time since the stream was made.
    pub fn now(&self) -> Duration {
        self.pulse.now()
    }

    /// Waits. `false`: interrupted.
    #[must_use]
    pub fn sleep(&self, duration: Duration) -> bool {
        self.pulse.sleep(duration)
    }

    /// Waits for what comes of a future. `None`: the stream gives up what it is doing, and the future is dropped.
    ///
    /// The future is looked at on this thread, which does nothing else meanwhile: what is a client of a runtime is spawned
    /// there, and this waits for the end of it. What is finished of a part is better returned first.
    #[must_use]
    pub fn wait<F: Future>(&self, future: F) -> Option<F::Output> {
        let call = Arc::new(Call { is_woken: AtomicBool::new(false), caller: self.pulse.caller() });
        let waker = Waker::from(Arc::clone(&call));
        let mut future = pin!(future);
        loop {
            if self.is_interrupted() {
                return None;
            }
            call.is_woken.store(false, Ordering::SeqCst);
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(output) => return Some(output),
                Poll::Pending => _ = self.pulse.park(&call.is_woken),
            }
        }
    }

    /// This component is at work from now on: marks come from it. Gives the one that was.
    pub fn enter(&mut self, source: Option<Arc<Source>>) -> Option<Arc<Source>> {
        std::mem::replace(&mut self.source, source)
    }

    /// Marks a message as failed; it goes on. Counted as `processor_error` of the processor at work.
    pub fn mark(&mut self, message: &mut Message, mark: Mark) {
        let mark = match &self.source {
            Some(source) => mark.from_source(source),
            None => mark,
        };
        self.marks.push(mark.clone());
        message.set_error(mark);
    }

    /// The marks made since the last call. For the engine's observation of a processor.
    pub fn take_marks(&mut self) -> Vec<Mark> {
        std::mem::take(&mut self.marks)
    }

    /// Puts back marks that were taken, so that a processor's children do not count for it.
    pub fn put_marks(&mut self, marks: Vec<Mark>) {
        self.marks = marks;
    }
}

/// Calls a thread back that waits for a future.
struct Call {
    is_woken: AtomicBool,
    caller: Box<dyn Fn() + Send + Sync>,
}

impl Wake for Call {
    fn wake(self: Arc<Call>) {
        self.is_woken.store(true, Ordering::SeqCst);
        (self.caller)();
    }
}

impl fmt::Debug for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Step(lane {})", self.lane)
    }
}
