//! What a call of a method costs, charged in one place for all of them: what is gone through before the call, and what was
//! made behind it.
//!
//! What forgets to say how far it reaches is charged for all that is in its target and its arguments. What a body makes for
//! each element, or beside the value that it gives, it charges itself before it makes it: `tests/charges.rs` compares what
//! every method allocates with what it charges.

use std::ops::Range;

use wappa_message::Value;

use super::Budget;
use crate::{
    error::Result,
    registry::{Reach, args::Given},
};

/// Charges a method for what it goes through, before it is called. The arguments are those that were not prepared.
pub(super) fn before(
    budget: &mut Budget,
    reach: Reach,
    target: &Value,
    args: Option<Given<'_>>,
) -> Result<()> {
    budget.open(target)?;
    let bytes = |value: &Value| match reach {
        Reach::Places => 0,
        Reach::Elements => value.own().total(),
        Reach::All => value.size(),
    };
    match (reach, args) {
        (Reach::Places, _) => Ok(()),
        (_, None) => budget.walk(bytes(target)),
        (_, Some(args)) => budget.walk(args.given().map(bytes).fold(bytes(target), usize::saturating_add)),
    }
}

/// Where a target stood that was given away, and how large it was.
pub(super) struct Before {
    addresses: Range<usize>,
    allocated: usize,
    /// What could still be made then: what the method itself charges since is not charged again.
    bytes_left: u64,
}

impl Before {
    pub(super) fn of(target: &Value, budget: &Budget) -> Before {
        let bytes_left = budget.bytes_left();
        Before { addresses: target.addresses(), allocated: target.own().allocated, bytes_left }
    }

    /// Charges a method for the value that it gave, unless that is a part of the target. Where the target is gone and
    /// something else stands in its place, that has taken no more memory than it gave back.
    pub(super) fn behind(self, budget: &mut Budget, result: &Value) -> Result<()> {
        let allocated = result.own().allocated;
        if allocated == 0 {
            return Ok(());
        }
        let at = result.addresses();
        let is_part = self.addresses.start <= at.start && at.end <= self.addresses.end;
        let made = if is_part { allocated.saturating_sub(self.allocated) } else { allocated };
        let charged = self.bytes_left.saturating_sub(budget.bytes_left()) as usize;
        budget.bytes(made.saturating_sub(charged))
    }
}
