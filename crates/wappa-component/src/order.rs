//! Order: what keeps its order with what on the way to the output.

use std::sync::atomic::{AtomicU64, Ordering};

/// With what the messages of a parcel keep their order: what was read first of it is handed to the output first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// With all that says nothing else: lines of files and pipes.
    #[default]
    Stream,
    /// With those of the same group, such as a partition: one that is slow holds up nobody else's.
    Group(Group),
    /// With nothing: requests of many clients, none of whom waits for another.
    None,
}

/// A group of messages that keep their order among themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group(u64);

impl Group {
    /// A group like no other in this process.
    #[expect(clippy::new_without_default, reason = "each call makes another one")]
    pub fn new() -> Group {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Group(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Order {
    /// The order of what is put together of both.
    ///
    /// What holds messages of several groups keeps its order with all else that is put together like this: it would have to
    /// keep it with each of them.
    #[must_use]
    pub fn with(self, other: Order) -> Order {
        match (self, other) {
            (Order::None, Order::None) => Order::None,
            _ => Order::Stream,
        }
    }
}
