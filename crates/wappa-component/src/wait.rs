//! Waiting: what an input that has nothing to give waits for. Whoever has its turn waits, once, for all of it.

use std::{fmt, os::fd::AsFd, sync::Arc, time::Duration};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Where the time comes from. In a simulation it is virtual.
pub trait Clock: Send + Sync {
    /// Time since the stream was made. Never goes back.
    fn now(&self) -> Duration;
}

/// A descriptor that can be waited for while its owner goes on with other things.
pub type Descriptor = Arc<dyn AsFd + Send + Sync>;

/// What is waited for: the first of all this that comes ends the wait. The [`InputBell`] does too, unasked.
#[derive(Clone, Default)]
pub struct Waits {
    descriptors: Vec<Descriptor>,
    until: Option<Duration>,
}

impl Waits {
    /// Whether there is something to read, or the other end is gone. If there is not, it is waited for.
    ///
    /// Nobody reads without having asked: what is shared with other programs, such as standard input, cannot be told to
    /// never block.
    pub fn is_readable<D: AsFd + Send + Sync + 'static>(&mut self, descriptor: &Arc<D>) -> bool {
        let mut polled = [PollFd::from_borrowed_fd(descriptor.as_fd(), PollFlags::IN)];
        match poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
            Ok(0) => {
                self.readable(descriptor);
                false
            }
            // One that cannot be polled: reading it says what is wrong.
            Ok(_) | Err(_) => true,
        }
    }

    /// Waits until there is something to read.
    pub fn readable<D: AsFd + Send + Sync + 'static>(&mut self, descriptor: &Arc<D>) {
        self.descriptors.push(Arc::clone(descriptor) as Descriptor);
    }

    /// Waits until this time at the longest, a time of [`Step::now`](crate::Step::now).
    pub fn until(&mut self, time: Duration) {
        self.until = Some(self.until.map_or(time, |it| it.min(time)));
    }

    /// Waits for nothing: there may be more to do at once, when others had their turn.
    pub fn again(&mut self) {
        self.until = Some(Duration::ZERO);
    }

    /// The descriptors.
    pub fn descriptors(&self) -> &[Descriptor] {
        &self.descriptors
    }

    /// Until when to wait; `None`: without end.
    pub fn time(&self) -> Option<Duration> {
        self.until
    }
}

impl fmt::Debug for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n_descriptors = self.descriptors.len();
        f.debug_struct("Waits").field("n_descriptors", &n_descriptors).field("until", &self.until).finish()
    }
}

/// Has the input asked again. May be rung from any thread, and does not wait. Cloning shares.
#[derive(Clone)]
pub struct InputBell(Arc<dyn Fn() + Send + Sync>);

impl InputBell {
    /// A bell that does this.
    pub fn new(ring: impl Fn() + Send + Sync + 'static) -> InputBell {
        InputBell(Arc::new(ring))
    }

    /// The wait for the input that is under way ends, or else the next one.
    pub fn ring(&self) {
        (self.0)();
    }
}

impl fmt::Debug for InputBell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InputBell")
    }
}
