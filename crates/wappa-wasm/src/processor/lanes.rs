//! Which instance works for which lane of a stream.
//!
//! Where there may be as many instances as lanes, each lane keeps its own and nothing is shared. Where there may be
//! fewer they are lent per part, and a lane waits until one is given back. A processor that is a resource is used in
//! several lanes, and a pipeline with one thread has all of them on it: one instance is all that it has use for, and
//! what the guest keeps in globals is the same wherever the resource is used.
//!
//! A lane that can have no instance of its own, as there is no memory for one more, takes its turn on another lane's:
//! what all can work on with fewer instances does not fail.

use std::{
    ops::{Deref, DerefMut},
    sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError},
    thread,
    time::Duration,
};

use wappa_component::Step;

use super::{
    counted::{Counted, CountedInstance},
    recycle::{Growth, Spare},
};
use crate::{guest::instance::Instance, host::pace::Pace};

/// A lane that waits for an instance looks this often whether the stream is given up.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// A lane that waits for the instance of another one, whose lock is no queue, looks this often whether it is free.
const TURN_INTERVAL: Duration = Duration::from_millis(1);

/// An instance and what is known of it.
pub(super) struct Alive {
    pub(super) instance: Instance,
    /// The version of the guest that it is of.
    pub(super) version: u64,
    /// Messages that it has worked on.
    pub(super) n_messages: u64,
    pub(super) growth: Growth,
    _counted: CountedInstance,
}

impl Alive {
    pub(super) fn new(instance: Instance, version: u64, counted: &Counted) -> Alive {
        let of_instance = counted.instance(&instance);
        Alive { instance, version, n_messages: 0, growth: Growth::default(), _counted: of_instance }
    }
}

/// An instance, or the place for one, and what happened there.
#[derive(Default)]
pub(super) struct Seat {
    pub(super) alive: Option<Alive>,
    /// The next instance, if it is being made already.
    pub(super) spare: Option<Spare>,
    /// How many messages a call of a component gets.
    pub(super) pace: Pace,
    /// How long the last wait after a failed attempt to make an instance was.
    pub(super) back_off: Duration,
    /// No attempt to make an instance before this time.
    pub(super) not_before: Duration,
    /// Why the last one failed.
    pub(super) why_not: String,
    /// Nothing is logged of lost state before this time.
    pub(super) quiet_until: Duration,
}

/// The seats of one processor.
pub(super) enum Lanes {
    /// One for each lane. A lane never runs on two threads at once, so nobody waits for these locks but who can have no
    /// instance of its own.
    Own(Box<[Mutex<Seat>]>),
    /// Fewer than there are lanes: `n` together.
    Lent { free: Mutex<Free>, returned: Condvar, n: usize },
}

/// The seats that nobody uses, and who waits for one.
#[expect(clippy::vec_box, reason = "a seat is large, and is lent and given back for each part")]
pub(super) struct Free {
    seats: Vec<Box<Seat>>,
    /// Waking somebody is a system call, also where nobody sleeps.
    n_waiting: usize,
}

/// What comes of asking for another seat.
pub(super) enum Exchanged {
    /// The seat has an instance.
    Instance,
    /// No seat has one.
    Nowhere,
    /// The stream is given up; the seat is nobody's.
    Interrupted,
}

impl Lanes {
    /// `max_instances` is the user's bound; zero for none. `first` is the instance that was made when the processor was
    /// built.
    pub(super) fn new(n_lanes: usize, max_instances: usize, n_threads: usize, first: Alive) -> Lanes {
        let seat = Seat { alive: Some(first), ..Seat::default() };
        let n_seats = match (max_instances, n_threads) {
            (_, 1) => 1,
            (0, _) => n_lanes,
            (max, _) => max,
        };
        if n_seats < n_lanes {
            let mut seats: Vec<Box<Seat>> = (1..n_seats).map(|_| Box::default()).collect();
            seats.push(Box::new(seat));
            let free = Free { seats, n_waiting: 0 };
            return Lanes::Lent { free: Mutex::new(free), returned: Condvar::new(), n: n_seats };
        }
        let mut seats: Vec<Seat> = (0..n_lanes).map(|_| Seat::default()).collect();
        seats[0] = seat;
        Lanes::Own(seats.into_iter().map(Mutex::new).collect())
    }

    /// Takes all instances out that nobody uses.
    pub(super) fn drain(&self) -> Vec<Instance> {
        let mut instances = Vec::new();
        let mut take = |seat: &mut Seat| instances.extend(seat.alive.take().map(|it| it.instance));
        match self {
            Lanes::Own(seats) => seats.iter().for_each(|it| take(&mut lock(it))),
            Lanes::Lent { free, .. } => lock(free).seats.iter_mut().for_each(|it| take(it)),
        }
        instances
    }

    /// A seat for one part. `None`: interrupted while waiting for one.
    pub(super) fn borrow(&self, step: &Step<'_>) -> Option<Borrowed<'_>> {
        match self {
            Lanes::Own(seats) => Some(Borrowed(Kind::Own(lock(&seats[step.lane()])))),
            Lanes::Lent { free, returned, .. } => {
                let mut list = lock(free);
                loop {
                    if let Some(seat) = list.seats.pop() {
                        return Some(Borrowed(Kind::Lent { seat: Some(seat), free, returned }));
                    }
                    if step.is_interrupted() {
                        return None;
                    }
                    list = wait(list, returned);
                }
            }
        }
    }

    /// Gives a seat back that has no instance and can have none now, and waits for one that has.
    ///
    /// Whoever waits here holds no seat. So it waits only for those that work, and ends where nobody does.
    pub(super) fn exchange<'a>(&'a self, borrowed: &mut Borrowed<'a>, step: &Step<'_>) -> Exchanged {
        *borrowed = Borrowed(Kind::Nobodys(Box::default()));
        loop {
            if step.is_interrupted() {
                return Exchanged::Interrupted;
            }
            let found = match self {
                Lanes::Own(seats) => another_of(seats, step.lane()).map(Kind::Own),
                Lanes::Lent { free, returned, n } => {
                    let mut list = lock(free);
                    let seat = match list.seats.last() {
                        Some(last) if last.alive.is_some() || list.seats.len() == *n => list.seats.pop(),
                        _ => {
                            drop(wait(list, returned));
                            None
                        }
                    };
                    seat.map(|seat| Kind::Lent { seat: Some(seat), free, returned })
                }
            };
            if let Some(found) = found {
                *borrowed = Borrowed(found);
                return if borrowed.alive.is_some() { Exchanged::Instance } else { Exchanged::Nowhere };
            }
            if matches!(self, Lanes::Own(_)) {
                thread::sleep(TURN_INTERVAL);
            }
        }
    }
}

/// A seat with an instance; where no seat is in use, that of the lane. `None`: all that have one are in use.
fn another_of(seats: &[Mutex<Seat>], lane: usize) -> Option<MutexGuard<'_, Seat>> {
    let mut is_in_use = false;
    for seat in seats {
        match seat.try_lock() {
            Ok(seat) if seat.alive.is_some() => return Some(seat),
            Ok(_) => (),
            Err(TryLockError::Poisoned(_)) => (),
            Err(TryLockError::WouldBlock) => is_in_use = true,
        }
    }
    (!is_in_use).then(|| lock(&seats[lane]))
}

/// Waits until a seat is given back, or it is time to look whether the stream is given up.
fn wait<'a>(mut free: MutexGuard<'a, Free>, returned: &Condvar) -> MutexGuard<'a, Free> {
    free.n_waiting += 1;
    let waited = returned.wait_timeout(free, LOOK_INTERVAL);
    let mut free = waited.unwrap_or_else(PoisonError::into_inner).0;
    free.n_waiting -= 1;
    free
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A seat for the time of one part.
pub(super) struct Borrowed<'a>(Kind<'a>);

enum Kind<'a> {
    /// While another one is looked for.
    Nobodys(Box<Seat>),
    Own(MutexGuard<'a, Seat>),
    Lent {
        seat: Option<Box<Seat>>,
        free: &'a Mutex<Free>,
        returned: &'a Condvar,
    },
}

const PRESENT: &str = "a seat is there until it is given back";

impl Deref for Borrowed<'_> {
    type Target = Seat;

    fn deref(&self) -> &Seat {
        match &self.0 {
            Kind::Own(seat) => seat,
            Kind::Nobodys(seat) => seat,
            Kind::Lent { seat, .. } => seat.as_ref().expect(PRESENT),
        }
    }
}

impl DerefMut for Borrowed<'_> {
    fn deref_mut(&mut self) -> &mut Seat {
        match &mut self.0 {
            Kind::Own(seat) => seat,
            Kind::Nobodys(seat) => seat,
            Kind::Lent { seat, .. } => seat.as_mut().expect(PRESENT),
        }
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        if let Kind::Lent { seat, free, returned } = &mut self.0
            && let Some(seat) = seat.take()
        {
            let mut list = lock(free);
            // Those that have an instance are taken first.
            let at = if seat.alive.is_some() { list.seats.len() } else { 0 };
            list.seats.insert(at, seat);
            let is_awaited = 0 < list.n_waiting;
            drop(list);
            if is_awaited {
                returned.notify_one();
            }
        }
    }
}
