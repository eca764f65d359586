//! Some messages of a part as a part of their own, and the way back to their indices.

use wappa_component::Part;
use wappa_message::Mark;

/// Messages picked from a part, in the batches they were in; batches without any of them are left out.
#[derive(Debug)]
pub(super) struct Subset {
    pub(super) part: Part,
    /// Where each message was.
    indices: Vec<usize>,
}

impl Subset {
    /// Copies the messages with these indices, which are in order.
    pub(super) fn of(part: &Part, indices: Vec<usize>) -> Subset {
        let mut rest = indices.iter().copied().peekable();
        let mut picked = Part::singles(Vec::new());
        for batch in 0..part.n_batches() {
            let range = part.batch(batch);
            let mut messages = Vec::new();
            while let Some(idx) = rest.next_if(|it| *it < range.end) {
                messages.push(part.messages()[idx].clone());
            }
            match messages.len() {
                0 => (),
                // Not one batch of one: where all are single that costs nothing to keep track of.
                1 => picked.append(Part::singles(messages)),
                _ => picked.append(Part::one_batch(messages)),
            }
        }
        Subset { part: picked, indices }
    }

    /// Names failures by where the messages were.
    pub(super) fn original(&self, failures: Vec<(usize, Mark)>) -> Vec<(usize, Mark)> {
        failures.into_iter().map(|(idx, mark)| (self.indices[idx], mark)).collect()
    }

    /// All messages failed.
    pub(super) fn all_failed(&self, reason: &Mark) -> Vec<(usize, Mark)> {
        self.indices.iter().map(|idx| (*idx, reason.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::{batches, text};

    #[test]
    fn keeps_batches() {
        let part = batches(&["a|b|c", "d", "e|f"]);
        let subset = Subset::of(&part, vec![0, 2, 5]);
        assert_eq!(text(&subset.part), "a|c\nf\n");
        let mark = Mark::new("x");
        assert_eq!(subset.original(vec![(1, mark.clone())]), [(2, mark.clone())]);
        assert_eq!(subset.all_failed(&mark).len(), 3);
    }
}
