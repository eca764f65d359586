//! What a mapping may spend on one message, and who looks whether it may go on.

use std::{collections::HashMap, time::Duration};

use rustix::time::{ClockId, clock_gettime};
use wappa_message::Value;

use crate::{
    error::{Error, Result},
    watch,
};

/// How many steps a mapping may take for one message: some seconds of work.
const STEPS_MAX: u64 = 100_000_000;

/// How many bytes a mapping may make for one message, what is dropped again counted as well.
const BYTES_MAX: u64 = 1 << 30;

/// How many steps are taken between two looks at the stop and the time: about a millisecond of work.
const STEPS_UNSEEN: u64 = 1 << 16;

/// How long a mapping may take for one message: as long as a guest by default. Steps end sooner, unless there are some
/// that take much longer than others.
const TIME_MAX: Duration = Duration::from_secs(10);

/// How many bytes are made, copied or gone through in the time of a step.
pub(super) const BYTES_PER_STEP: u64 = 64;

/// What a list or an object has allocated beside its places: who shares it, what is known of it.
const CONTAINER_BYTES: usize = 192;

/// What a name and its value take in an object; more than the place in a list.
const PLACE_BYTES: usize = 64;

/// What a mapping has spent on one message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Steps: queries that were evaluated, elements and bytes that were gone through.
    pub steps: u64,
    /// What was made, in bytes, what was dropped again counted as well.
    pub bytes: u64,
}

/// Why a mapping may not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Halt {
    Steps,
    Time,
    Interrupted,
}

/// What is left.
pub(crate) struct Budget {
    /// Steps until somebody looks.
    near: u64,
    /// Steps beyond these.
    far: u64,
    bytes: u64,
    /// Whether more was to be made than there is left.
    is_spent: bool,
    /// When the first look was.
    began: Option<Duration>,
    halt: Option<Halt>,
    /// What was read of documents and looked into, by the place of its text.
    opened: HashMap<(usize, usize), Value>,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget {
            near: STEPS_UNSEEN,
            far: STEPS_MAX - STEPS_UNSEEN,
            bytes: BYTES_MAX,
            is_spent: false,
            began: None,
            halt: None,
            opened: HashMap::new(),
        }
    }
}

impl Budget {
    /// What was spent.
    pub(crate) fn spent(&self) -> Spent {
        Spent { steps: STEPS_MAX - self.near - self.far, bytes: BYTES_MAX - self.bytes }
    }

    /// Whether something was refused, so that an error may say that and nothing of the data.
    pub(crate) fn has_refused(&self) -> bool {
        self.is_spent || self.halt.is_some()
    }

    /// Takes one step.
    #[inline]
    pub(crate) fn step(&mut self) -> Result<()> {
        self.steps(1)
    }

    /// Takes steps: elements that are gone through, say.
    #[inline]
    pub(crate) fn steps(&mut self, n: u64) -> Result<()> {
        match self.near.checked_sub(n) {
            Some(near) => {
                self.near = near;
                Ok(())
            }
            None => self.far_steps(n),
        }
    }

    /// Refuses at once to begin with what takes more steps than there are left; those of it that are taken are charged.
    pub(crate) fn check_steps(&mut self, n: u64) -> Result<()> {
        match n <= self.near + self.far {
            true => Ok(()),
            false => self.far_steps(n),
        }
    }

    /// Takes steps after a look at the stop and the time.
    #[cold]
    fn far_steps(&mut self, n: u64) -> Result<()> {
        if self.halt.is_none() {
            match (self.near + self.far).checked_sub(n) {
                None => self.halt = Some(Halt::Steps),
                Some(left) => {
                    self.halt = self.look();
                    if self.halt.is_none() {
                        self.near = left.min(STEPS_UNSEEN);
                        self.far = left - self.near;
                        return Ok(());
                    }
                }
            }
        }
        // Whoever makes something else of the error gets no further.
        (self.near, self.far) = (0, 0);
        Err(match self.halt {
            Some(Halt::Interrupted) => Error::new("the mapping was interrupted"),
            Some(Halt::Time) => {
                let seconds = TIME_MAX.as_secs();
                Error::new(format!("the mapping takes longer than {seconds}s for one message"))
            }
            _ => Error::new(format!("the mapping takes more than {STEPS_MAX} steps for one message")),
        })
    }

    fn look(&mut self) -> Option<Halt> {
        let watch = watch::watched()?;
        if watch.is_interrupted() {
            watch::set_interrupted();
            return Some(Halt::Interrupted);
        }
        let now = watch.now();
        let began = *self.began.get_or_insert(now);
        (TIME_MAX < now.saturating_sub(began)).then_some(Halt::Time)
    }

    /// Says how many bytes are about to be made.
    #[inline]
    pub(crate) fn bytes(&mut self, n: usize) -> Result<()> {
        match self.bytes.checked_sub(n as u64) {
            Some(bytes) => {
                self.bytes = bytes;
                self.walk(n)
            }
            None => {
                self.is_spent = true;
                Err(too_many_bytes())
            }
        }
    }

    /// Says how many bytes are about to be gone through.
    #[inline]
    pub(crate) fn walk(&mut self, n: usize) -> Result<()> {
        self.steps(n as u64 / BYTES_PER_STEP)
    }

    /// Says that somebody looks into a value: whoever is the first to do so in what was read goes through all of it, and
    /// places are made for what is in it.
    #[inline]
    pub(crate) fn open(&mut self, value: &Value) -> Result<()> {
        match value.unopened() {
            None => Ok(()),
            Some(text) => {
                self.walk(text.len())?;
                self.bytes(value.own().allocated)
            }
        }
    }

    /// Says how many values a list is about to have.
    pub(crate) fn values(&mut self, n: usize) -> Result<()> {
        self.bytes(n.saturating_mul(size_of::<Value>()))?;
        self.steps(n as u64)
    }

    /// Says how many lists or objects are about to be made, each with so many values.
    pub(crate) fn containers(&mut self, n: usize, n_values: usize) -> Result<()> {
        let one = n_values.saturating_mul(PLACE_BYTES).saturating_add(CONTAINER_BYTES);
        self.bytes(n.saturating_mul(one))?;
        self.steps(n as u64)
    }

    /// How many bytes may still be made.
    pub(crate) fn bytes_left(&self) -> u64 {
        self.bytes
    }

    /// So many of the bytes that were made are gone.
    pub(crate) fn give_back(&mut self, n: u64) {
        self.bytes = (self.bytes + n).min(BYTES_MAX);
    }

    /// The same list or object of a document, where it is long and nobody has looked into it: the one that was given the
    /// last time. So a document is gone through once, however often a mapping asks for what is deep in it.
    #[inline]
    pub(crate) fn opened(&mut self, value: Value) -> Value {
        match value.unopened() {
            Some(text) if OPENED_BYTES_MIN <= text.len() => {
                let place = (text.as_ptr().addr(), text.len());
                self.opened.entry(place).or_insert(value).clone()
            }
            _ => value,
        }
    }
}

/// How long the text of a list or an object is, at least, for which it is kept that somebody looked into it.
const OPENED_BYTES_MIN: usize = 4096;

/// Charges for the processor's time where nobody can tell beforehand how much work something is.
pub(crate) struct Meter(Option<u64>);

impl Meter {
    /// One that charges what is spent from its first look on.
    pub(crate) fn new() -> Meter {
        Meter(None)
    }

    /// One that charges what is spent from now on.
    pub(crate) fn started() -> Meter {
        Meter(Some(thread_nanos()))
    }

    /// Charges what was spent since the last look.
    pub(crate) fn look(&mut self, budget: &mut Budget) -> Result<()> {
        let now = thread_nanos();
        let since = self.0.replace(now).unwrap_or(now);
        budget.steps(now.saturating_sub(since) / NANOS_PER_STEP)
    }
}

/// How many steps the time of this thread since then is.
pub(crate) fn steps_since(nanos: u64) -> u64 {
    thread_nanos().saturating_sub(nanos) / NANOS_PER_STEP
}

/// The processor time of this thread: what other threads do meanwhile costs nothing.
pub(crate) fn thread_nanos() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// How long a step takes, roughly.
const NANOS_PER_STEP: u64 = 50;

#[cold]
fn too_many_bytes() -> Error {
    Error::new(format!("the mapping makes more than {}GiB for one message", BYTES_MAX >> 30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_bytes_end() {
        let mut budget = Budget::default();
        budget.steps(STEPS_MAX).expect("as many as there are");
        let err = budget.step().expect_err("one more");
        assert_eq!(err.to_string(), format!("the mapping takes more than {STEPS_MAX} steps for one message"));
        let mut budget = Budget::default();
        budget.bytes(BYTES_MAX as usize).expect("as many as there are");
        assert!(budget.bytes(1).is_err() && budget.has_refused() && budget.step().is_ok());
        budget.give_back(u64::MAX / 2);
        assert_eq!(budget.bytes_left(), BYTES_MAX);
    }
}
