//! Time, locks and waits: real ones, or those of a simulation.
//!
//! All blocking of the engine goes through this file, so that a seeded scheduler can take its place:
//! in a simulation each thread runs only while it holds the scheduler's token, every lock and every wait
//! passes it on, and time is virtual.

use std::{
    fmt,
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll},
    io::Errno,
};
use wappa_component::{Clock, InputBell, Waits};

use crate::ticker::Ticker;

/// What decides, in a simulation, which thread runs and what time it is.
pub trait Scheduler: Send + Sync {
    /// Time since the beginning.
    fn now(&self) -> Duration;
    /// The calling thread begins; returns when it may run. `thread` counts from 0.
    fn enter(&self, thread: usize);
    /// The calling thread ends.
    fn leave(&self);
    /// Another thread may run now.
    fn pass(&self);
    /// The calling thread waits until `key` is woken or until `until`.
    fn block(&self, key: usize, until: Option<Duration>);
    /// One of the threads that wait for `key`, if there are any, may run.
    fn wake_one(&self, key: usize);
    /// All threads that wait for `key` may run.
    fn wake_all(&self, key: usize);
}

/// Where the engine gets time and waits from. Cloning shares.
#[derive(Clone)]
pub struct World(Kind);

#[derive(Clone)]
enum Kind {
    Real { began: Instant, ticker: Arc<Ticker> },
    Simulated(Arc<dyn Scheduler>),
}

impl World {
    /// The real one.
    pub fn real() -> std::io::Result<World> {
        Ok(World(Kind::Real { began: Instant::now(), ticker: Ticker::start()? }))
    }

    /// One in which `scheduler` decides.
    pub fn simulated(scheduler: Arc<dyn Scheduler>) -> World {
        World(Kind::Simulated(scheduler))
    }

    /// Whether all threads there may be have to begin with the stream.
    pub(crate) fn starts_all_threads(&self) -> bool {
        matches!(&self.0, Kind::Simulated(_))
    }

    /// A counter that goes up about once a millisecond while somebody works.
    pub(crate) fn ticks(&self) -> u64 {
        match &self.0 {
            Kind::Real { ticker, .. } => ticker.ticks(),
            Kind::Simulated(it) => it.now().as_millis() as u64,
        }
    }

    /// The ticks are needed until the guard is dropped.
    pub(crate) fn work(&self) -> Working<'_> {
        if let Kind::Real { ticker, .. } = &self.0 {
            ticker.begin();
        }
        Working(self)
    }

    /// The calling thread begins.
    pub(crate) fn enter(&self, thread: usize) {
        if let Kind::Simulated(it) = &self.0 {
            it.enter(thread);
        }
    }

    /// The calling thread ends.
    pub(crate) fn leave(&self) {
        if let Kind::Simulated(it) = &self.0 {
            it.leave();
        }
    }
}

impl Clock for World {
    fn now(&self) -> Duration {
        match &self.0 {
            Kind::Real { began, .. } => began.elapsed(),
            Kind::Simulated(it) => it.now(),
        }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::Real { .. } => "World(real)",
            Kind::Simulated(_) => "World(simulated)",
        })
    }
}

/// Somebody works.
pub(crate) struct Working<'a>(&'a World);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        if let Kind::Real { ticker, .. } = &self.0.0 {
            ticker.end();
        }
    }
}

static NEXT_KEY: AtomicUsize = AtomicUsize::new(0);

fn next_key() -> usize {
    NEXT_KEY.fetch_add(1, Ordering::Relaxed)
}

/// Data under a lock, and a way to wait for them to change.
///
/// A panic while the lock is held does not poison it: the engine catches panics of components, and its own
/// state is changed in steps that each leave it whole.
pub(crate) struct Monitor<T> {
    world: World,
    key: usize,
    data: Mutex<T>,
    changed: Condvar,
}

impl<T> Monitor<T> {
    pub(crate) fn new(world: &World, data: T) -> Monitor<T> {
        Monitor { world: world.clone(), key: next_key(), data: Mutex::new(data), changed: Condvar::new() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        let Kind::Simulated(scheduler) = &self.world.0 else {
            return self.data.lock().unwrap_or_else(PoisonError::into_inner);
        };
        // Whoever holds the lock may have passed the token on; it is never waited for outside the scheduler.
        loop {
            scheduler.pass();
            match self.data.try_lock() {
                Ok(guard) => return guard,
                Err(TryLockError::Poisoned(guard)) => return guard.into_inner(),
                Err(TryLockError::WouldBlock) => (),
            }
        }
    }

    /// What waits for it are told by.
    #[cfg(test)]
    pub(crate) fn key(&self) -> usize {
        self.key
    }

    /// Looks at the data when nobody has the lock. For checks while all threads stand still.
    #[cfg(test)]
    pub(crate) fn peek<R>(&self, f: impl FnOnce(&T) -> R) -> Option<R> {
        self.data.try_lock().ok().map(|guard| f(&guard))
    }

    /// Gives the lock up and waits for a notification, or until `until`.
    pub(crate) fn wait<'a>(&'a self, guard: MutexGuard<'a, T>, until: Option<Duration>) -> MutexGuard<'a, T> {
        match (&self.world.0, until) {
            (Kind::Simulated(scheduler), until) => {
                drop(guard);
                scheduler.block(self.key, until);
                self.lock()
            }
            (Kind::Real { .. }, None) => self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner),
            (Kind::Real { began, .. }, Some(until)) => {
                let left = until.saturating_sub(began.elapsed());
                self.changed.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    pub(crate) fn notify_one(&self) {
        match &self.world.0 {
            Kind::Real { .. } => self.changed.notify_one(),
            Kind::Simulated(it) => it.wake_one(self.key),
        }
    }

    pub(crate) fn notify_all(&self) {
        match &self.world.0 {
            Kind::Real { .. } => self.changed.notify_all(),
            Kind::Simulated(it) => it.wake_all(self.key),
        }
    }
}

/// The wait for what the input waits for, and the way to call whoever waits back from there. Cloning shares.
#[derive(Clone)]
pub(crate) struct Bell(Arc<BellState>);

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// A descriptor has data, or its other end is closed.
    Ready,
    /// The given time has come.
    Due,
    /// Somebody has something else to do.
    Called,
}

struct BellState {
    world: World,
    key: usize,
    rung: AtomicBool,
    descriptor: OwnedFd,
}

impl Bell {
    pub(crate) fn new(world: &World) -> std::io::Result<Bell> {
        let descriptor = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Bell(Arc::new(BellState {
            world: world.clone(),
            key: next_key(),
            rung: AtomicBool::new(false),
            descriptor,
        })))
    }

    /// What waits for it are told by.
    #[cfg(test)]
    pub(crate) fn key(&self) -> usize {
        self.0.key
    }

    /// Ends the wait that is under way, or else the next one.
    pub(crate) fn ring(&self) {
        if let Kind::Simulated(scheduler) = &self.0.world.0 {
            scheduler.pass();
        }
        if self.0.rung.swap(true, Ordering::SeqCst) {
            return;
        }
        match &self.0.world.0 {
            // A full counter is rung already; nothing else can go wrong with a descriptor of our own.
            Kind::Real { .. } => {
                let _ = rustix::io::write(&self.0.descriptor, &1u64.to_ne_bytes());
            }
            Kind::Simulated(it) => it.wake_all(self.0.key),
        }
    }

    /// Whether the bell was rung since it was last taken.
    ///
    /// First the descriptor is emptied: whoever rings between the two sees that it was rung already, and
    /// that is true until the swap; whoever rings behind it writes again.
    fn take(&self) -> bool {
        if let Kind::Real { .. } = &self.0.world.0 {
            let _ = rustix::io::read(&self.0.descriptor, &mut [0u8; 8]);
        }
        self.0.rung.swap(false, Ordering::SeqCst)
    }

    /// The bell, for components.
    pub(crate) fn for_input(&self) -> InputBell {
        let bell = self.clone();
        InputBell::new(move || bell.ring())
    }

    /// Waits for the first of what is waited for, until `until` at the longest, or until somebody calls. A call that came
    /// before the wait ends it at once.
    pub(crate) fn wait(&self, waits: &Waits, until: Option<Duration>) -> Woken {
        if let Kind::Simulated(scheduler) = &self.0.world.0 {
            scheduler.pass();
            if self.take() {
                return Woken::Called;
            }
            scheduler.block(self.0.key, until);
            return if self.take() { Woken::Called } else { Woken::Due };
        }
        self.poll(waits, until)
    }

    fn poll(&self, waits: &Waits, until: Option<Duration>) -> Woken {
        let all =
            std::iter::once(self.0.descriptor.as_fd()).chain(waits.descriptors().iter().map(|it| it.as_fd()));
        let mut polled: Vec<PollFd<'_>> = all.map(|it| PollFd::from_borrowed_fd(it, PollFlags::IN)).collect();
        loop {
            let left = until.map(|until| until.saturating_sub(self.0.world.now()));
            let left = left.map(|it| Timespec {
                tv_sec: i64::try_from(it.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: it.subsec_nanos().into(),
            });
            match poll(&mut polled, left.as_ref()) {
                Ok(0) => return Woken::Due,
                Ok(_) => {
                    // What is left of a ring whose first half an earlier wait took is no call.
                    if !polled[0].revents().is_empty() && self.take() {
                        return Woken::Called;
                    }
                    if polled[1..].iter().any(|it| !it.revents().is_empty()) {
                        return Woken::Ready;
                    }
                }
                Err(Errno::INTR) => (),
                // A descriptor that cannot be polled: reading it says what is wrong.
                Err(_) => return Woken::Ready,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bell_ends_the_wait_under_way_or_the_next_one() {
        let world = World::real().expect("a thread can be started");
        let bell = Bell::new(&world).expect("a descriptor can be had");
        let pipes = [(); 10].map(|()| rustix::pipe::pipe().expect("a pipe can be had"));
        let (readers, writers): (Vec<_>, Vec<_>) =
            pipes.into_iter().map(|(it, other)| (Arc::new(it), other)).unzip();
        let mut waits = Waits::default();
        assert!(readers.iter().all(|it| !waits.is_readable(it)));
        bell.ring();
        bell.ring();
        assert_eq!(bell.wait(&waits, None), Woken::Called);
        let soon = Some(world.now() + Duration::from_millis(1));
        assert_eq!(bell.wait(&waits, soon), Woken::Due);
        rustix::io::write(&writers[7], b"x").expect("the pipe has room");
        assert_eq!(bell.wait(&waits, None), Woken::Ready);
        let readable: Vec<bool> = readers.iter().map(|it| Waits::default().is_readable(it)).collect();
        assert_eq!(readable.iter().position(|it| *it), Some(7));
        let other = bell.clone();
        let thread = std::thread::spawn(move || other.wait(&Waits::default(), None));
        bell.ring();
        assert_eq!(thread.join().expect("no panic"), Woken::Called);
    }

    #[test]
    fn no_ring_is_lost() {
        const RINGS: usize = 20_000;
        let world = World::real().expect("a thread can be started");
        let bell = Bell::new(&world).expect("a descriptor can be had");
        let asked = Arc::new(AtomicUsize::new(0));
        let seen = Arc::new(AtomicUsize::new(0));
        let ringer = {
            let (bell, asked, seen) = (bell.clone(), Arc::clone(&asked), Arc::clone(&seen));
            std::thread::spawn(move || {
                for n in 1..=RINGS {
                    asked.store(n, Ordering::SeqCst);
                    bell.ring();
                    // Now and then without waiting, so that rings meet.
                    while n % 3 == 0 && seen.load(Ordering::SeqCst) < n {
                        std::hint::spin_loop();
                    }
                }
            })
        };
        // Only a bell that has gone deaf lets this long pass.
        while seen.load(Ordering::SeqCst) < RINGS {
            let until = world.now() + Duration::from_secs(20);
            assert_ne!(bell.wait(&Waits::default(), Some(until)), Woken::Due, "a ring was lost");
            seen.store(asked.load(Ordering::SeqCst), Ordering::SeqCst);
        }
        ringer.join().expect("no panic");
    }
}
