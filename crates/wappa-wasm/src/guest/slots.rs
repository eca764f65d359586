//! The bound on a guest's instances: who wants one more waits until one is given back.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::host::interrupt::Interrupt;

/// A raised interrupt does not wake a wait for a slot by itself; this is how soon it is seen.
const SLICE: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub(crate) struct Slots {
    /// 0: as many as somebody asks for.
    max: usize,
    used: Mutex<usize>,
    freed: Condvar,
}

/// Why there was no slot.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoSlot {
    Deadline,
    Interrupted,
}

impl Slots {
    pub(crate) fn new(max: usize) -> Arc<Slots> {
        Arc::new(Slots { max, used: Mutex::new(0), freed: Condvar::new() })
    }

    /// Waits for a slot, at most until the deadline or the interrupt.
    pub(crate) fn take(self: &Arc<Slots>, deadline: Instant, interrupt: &Interrupt) -> Result<Slot, NoSlot> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if interrupt.is_raised() {
                return Err(NoSlot::Interrupted);
            }
            if self.max == 0 || *used < self.max {
                *used += 1;
                return Ok(Slot(Arc::clone(self)));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(NoSlot::Deadline);
            }
            used = self.freed.wait_timeout(used, left.min(SLICE)).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The right to one instance, given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot(Arc<Slots>);

impl Drop for Slot {
    fn drop(&mut self) {
        *self.0.used.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_at_the_deadline_at_the_interrupt_and_when_a_slot_is_given_back() {
        let slots = Slots::new(1);
        let interrupt = Interrupt::new();
        let soon = || Instant::now() + Duration::from_millis(20);
        let first = slots.take(soon(), &interrupt).expect("a free slot");
        assert_eq!(slots.take(soon(), &interrupt).err(), Some(NoSlot::Deadline));
        let waiting = std::thread::spawn({
            let (slots, interrupt) = (Arc::clone(&slots), interrupt.clone());
            move || slots.take(Instant::now() + Duration::from_secs(60), &interrupt).map(drop)
        });
        drop(first);
        assert_eq!(waiting.join().expect("no panic"), Ok(()));
        interrupt.raise();
        assert_eq!(slots.take(soon(), &interrupt).err(), Some(NoSlot::Interrupted));
    }
}
