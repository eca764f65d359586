//! What a component may use while it works: its lane, the time, and the way to mark a message.

use std::{fmt, time::Duration};

use wappa_message::{Mark, Message};

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
}

/// One turn of work on one part.
pub struct Step<'a> {
    lane: usize,
    pulse: &'a dyn Pulse,
    begun_ticks: u64,
    marks: Vec<Mark>,
    growth: Growth,
    charges: Charges,
}

/// When a millisecond of work began.
#[derive(Clone, Copy, Debug)]
pub struct Begun(u64);

/// A part should be given back after about a millisecond. The counter's first tick may come at once, so two.
const DUE_TICKS: u64 = 2;

impl<'a> Step<'a> {
    /// A turn on a lane.
    pub fn new(lane: usize, pulse: &'a dyn Pulse) -> Step<'a> {
        Step {
            lane,
            pulse,
            begun_ticks: pulse.ticks(),
            marks: Vec::new(),
            growth: Growth::default(),
            charges: Charges::default(),
        }
    }

    /// Starts the millisecond again, for a new part or a new processor, and returns when the last one began.
    pub fn begin(&mut self) -> Begun {
        Begun(std::mem::replace(&mut self.begun_ticks, self.pulse.ticks()))
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

    /// Marks a message as failed; it goes on. Counted as `processor_error` of the processor at work.
    pub fn mark(&mut self, message: &mut Message, mark: Mark) {
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

impl fmt::Debug for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Step(lane {})", self.lane)
    }
}
