//! A processor's work on one message after the other.

use wappa_component::{Part, Step};
use wappa_message::Message;

/// Works on each message, in order, until the step is due between two batches; tells how many batches are finished.
pub(super) fn each_message(
    part: &mut Part,
    step: &mut Step<'_>,
    mut work: impl FnMut(&mut Message, &mut Step<'_>),
) -> usize {
    let n_batches = part.n_batches();
    for idx in 0..n_batches {
        let range = part.batch(idx);
        for message in &mut part.messages_mut()[range] {
            work(message, step);
        }
        if step.is_due() {
            return idx + 1;
        }
    }
    n_batches
}
