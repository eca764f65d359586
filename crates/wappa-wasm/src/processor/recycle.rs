//! When an instance in good health is replaced, and the making of its replacement beside the hot path.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{guest::Guest, guest::instance::Instance, host::stack::spawn_thread};

/// Growth before this many messages may be a guest that builds up its working set.
const SETTLED_MESSAGES: u64 = 1000;

/// A guest that grew so often since it has settled leaks.
const LATE_GROWTHS: u32 = 2;

/// A guest that never comes to settle, since it fills its memory before, leaks when it grew with so many runs.
const EARLY_GROWTHS: u32 = 8;

/// A replacement is worth preparing for an instance that lives for so many messages.
const PREPARED_MESSAGES_MIN: u64 = 64;

/// The rules.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recycle {
    /// 0: never.
    pub(super) messages: u64,
    pub(super) growth: bool,
    /// `memory_limit`.
    pub(super) memory_limit: usize,
    /// Whether there may be one instance more than there are lanes, for a moment.
    pub(super) prepares: bool,
}

/// What is to be done with an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    Keep,
    /// Its replacement should be made.
    Prepare,
    Replace,
}

/// How the memory of an instance grew.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Growth {
    bytes: usize,
    growths: u32,
    late_growths: u32,
}

impl Recycle {
    /// How many messages an instance may still get that has had `n_messages`.
    pub(super) fn messages_left(&self, n_messages: u64) -> usize {
        match self.messages {
            0 => usize::MAX,
            most => usize::try_from(most.saturating_sub(n_messages)).unwrap_or(usize::MAX),
        }
    }

    /// After a run: what the number of messages says.
    pub(super) fn by_messages(&self, n_messages: u64) -> Advice {
        match self.messages {
            0 => Advice::Keep,
            most if most <= n_messages => Advice::Replace,
            most if PREPARED_MESSAGES_MIN <= most && most / 2 <= n_messages => Advice::Prepare,
            _ => Advice::Keep,
        }
    }

    /// After a run in which the memory grew: what that says.
    pub(super) fn by_growth(&self, growth: &mut Growth, n_messages: u64, bytes: usize) -> Advice {
        let step = bytes.saturating_sub(growth.bytes);
        growth.bytes = bytes;
        growth.growths += 1;
        growth.late_growths += u32::from(SETTLED_MESSAGES < n_messages);
        if !self.growth {
            return Advice::Keep;
        }
        let leaks = LATE_GROWTHS <= growth.late_growths || EARLY_GROWTHS <= growth.growths;
        // The next steps may be as large as the last one.
        let room = (2 * step).max(self.memory_limit / 8);
        if leaks && self.memory_limit <= bytes.saturating_add(room) {
            return Advice::Replace;
        }
        let is_half_full = self.memory_limit / 2 <= bytes;
        if leaks && is_half_full { Advice::Prepare } else { Advice::Keep }
    }
}

/// A replacement in the making. Dropping it lets it go.
pub(super) struct Spare {
    /// The version of the guest that it is of.
    pub(super) version: u64,
    made: Arc<Mutex<Option<Instance>>>,
}

impl Spare {
    /// Begins to make one on a thread of its own. What goes wrong there goes wrong again when an instance is made in
    /// its place, and is told then.
    pub(super) fn begin(guest: Guest, version: u64) -> Spare {
        let made = Arc::new(Mutex::new(None));
        let shared = Arc::clone(&made);
        let work = move || {
            let deadline = std::time::Instant::now() + guest.limits().timeout;
            if let Ok(instance) = guest.instantiate(deadline) {
                *shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(instance);
            }
        };
        // Without a thread there is no replacement, and one is made when it is needed.
        let _ = spawn_thread("wasm-spare", work);
        Spare { version, made }
    }

    /// The replacement, if it is there.
    pub(super) fn take(self) -> Option<Instance> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn rules(messages: u64) -> Recycle {
        Recycle { messages, growth: true, memory_limit: 128 * MIB, prepares: true }
    }

    /// Feeds growths, (message, MiB) each, and tells the advice after each.
    fn advice(steps: &[(u64, usize)]) -> String {
        let mut growth = Growth::default();
        let told = steps.iter().map(|(n, mib)| match rules(0).by_growth(&mut growth, *n, mib * MIB) {
            Advice::Keep => "keep",
            Advice::Prepare => "prepare",
            Advice::Replace => "replace",
        });
        told.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_leak_is_told_from_a_large_working_set() {
        // A model that is loaded with the first message.
        assert_eq!(advice(&[(1, 120)]), "keep");
        // A heap that doubles until everything fits.
        assert_eq!(
            advice(&[(1, 2), (2, 4), (5, 8), (20, 16), (90, 32), (400, 64)]),
            "keep keep keep keep keep keep"
        );
        // A slow leak.
        assert_eq!(
            advice(&[(5000, 50), (9000, 70), (15000, 84), (16000, 113)]),
            "keep prepare prepare replace"
        );
        // A fast one, which fills the memory before it has settled.
        let fast: Vec<(u64, usize)> = (1..=13).map(|n| (n, 9 * n as usize)).collect();
        assert_eq!(
            advice(&fast),
            "keep keep keep keep keep keep keep prepare prepare prepare prepare prepare replace"
        );
    }

    #[test]
    fn messages_are_counted() {
        let rules = rules(100);
        assert_eq!((rules.messages_left(0), rules.messages_left(99), rules.messages_left(100)), (100, 1, 0));
        let all = [0, 49, 50, 99, 100].map(|it| rules.by_messages(it));
        assert_eq!(all, [Advice::Keep, Advice::Keep, Advice::Prepare, Advice::Prepare, Advice::Replace]);
        assert_eq!(self::rules(0).by_messages(u64::MAX), Advice::Keep);
        assert_eq!(self::rules(1).by_messages(0), Advice::Keep);
        assert_eq!(self::rules(1).by_messages(1), Advice::Replace);
    }
}
