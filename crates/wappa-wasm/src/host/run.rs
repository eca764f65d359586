//! Runs: messages that are given to a guest together, and what became of each.
//!
//! Most messages go on changed or unchanged and cost nothing here; only what is filtered, multiplied or failed has an
//! entry.

use wappa_component::{Account, Charge};
use wappa_message::Message;
use wappa_spec::Size;

use crate::{host::error::CallError, host::pace::Pace};

/// Messages on their way through a guest, batch by batch.
///
/// [`Instance::run`](crate::Instance::run) takes leading ones through the guest, as many as one round serves;
/// [`Run::finish`] says what became of them.
#[derive(Debug, Default)]
pub struct Run {
    pub(crate) messages: Vec<Message>,
    /// The end of each batch; `None`: every message is a batch of its own.
    pub(crate) ends: Option<Vec<u32>>,
    /// The first message that was not taken through the guest yet.
    pub(crate) next: usize,
    /// No message behind this one is given to the guest in this round.
    pub(crate) limit: usize,
    /// When a round should end, by the guest's [`Ticks`](crate::Ticks): after the batch under way.
    pub(crate) due: Option<u64>,
    pub(crate) pace: Pace,
    pub(crate) growth: Growth,
    dispositions: Vec<(usize, Disposition)>,
}

/// What the messages of a run have grown by, and may grow by.
#[derive(Debug)]
pub(crate) struct Growth {
    /// What those that are finished have grown by, in bytes.
    pub(crate) grown: usize,
    /// What all of them may grow by.
    max: usize,
    /// The limit that `max` is what is left of.
    limit: usize,
    /// What they may grow by before anybody is asked.
    granted: usize,
    /// What of that is not charged.
    free: usize,
    /// Who pays for more; absent before a guest had one of them.
    account: Option<Account>,
    charge: Option<Charge>,
}

impl Default for Growth {
    fn default() -> Growth {
        let free = wappa_component::Growth::default().free();
        Growth {
            grown: 0,
            max: usize::MAX,
            limit: usize::MAX,
            granted: free,
            free,
            account: None,
            charge: None,
        }
    }
}

/// Charges are that coarse, where there is room for it.
const CHARGE_BYTES: usize = 1 << 20;

/// A round ends, where it may, once its messages have grown by so much: what is finished goes on before more is made.
const ROUND_BYTES: usize = 16 << 20;

impl Growth {
    /// Whether one message may grow by so much.
    #[inline]
    pub(crate) fn check(&mut self, bytes: usize) -> Result<(), String> {
        if self.granted.saturating_sub(self.grown) < bytes { self.ask(bytes) } else { Ok(()) }
    }

    #[cold]
    fn ask(&mut self, bytes: usize) -> Result<(), String> {
        let wanted = self.grown.saturating_add(bytes);
        if self.max < wanted {
            return Err(self.refusal());
        }
        let Some(account) = &self.account else { return Ok(()) };
        let charge = match &mut self.charge {
            Some(charge) => charge,
            None => self.charge.insert(account.charge(0).map_err(|it| it.to_string())?),
        };
        let needed = wanted.saturating_sub(self.free + charge.bytes());
        charge
            .grow_by_one_of(needed.next_multiple_of(CHARGE_BYTES), needed)
            .map_err(|refused| format!("the messages of its part would grow, and {refused}"))?;
        self.granted = self.free.saturating_add(charge.bytes()).min(self.max);
        Ok(())
    }

    /// Says who pays for what is not free.
    #[inline]
    pub(crate) fn charge_to(&mut self, account: &Account) {
        if self.account.is_none() {
            self.account = Some(account.clone());
        }
    }

    /// What was charged for what it has grown by.
    pub(crate) fn take_charge(&mut self) -> Option<Charge> {
        let mut charge = self.charge.take()?;
        charge.shrink_to(self.grown);
        Some(charge)
    }

    #[cold]
    fn refusal(&self) -> String {
        format!(
            "the messages of its part would grow by more than the limit of {} together (`part_limit`)",
            Size(self.limit as u64)
        )
    }

    /// Why a message failed stays with it, and counts. Where there is no more room, it is told in short.
    #[cold]
    fn add_failure(&mut self, err: &mut CallError) {
        if self.check(err.bytes()).is_err() {
            err.shorten();
        }
        self.grown = self.grown.saturating_add(err.bytes());
    }

    /// Whether what is finished should go on before more is made.
    #[inline]
    pub(crate) fn is_much(&self) -> bool {
        ROUND_BYTES <= self.grown
    }
}

/// What became of a message that did not just go on.
#[derive(Debug, Default)]
pub(crate) struct Disposition {
    /// What was sent before it.
    pub(crate) emitted: Vec<Message>,
    /// Whether it is not sent itself.
    pub(crate) is_replaced: bool,
    /// Why it failed.
    pub(crate) failed: Option<CallError>,
}

/// What became of a message.
#[derive(Debug)]
pub enum Outcome {
    /// It goes on, changed or not, marked by the caller if there is an error.
    Kept(Message, Option<CallError>),
    /// These go on in its place, in this order. None: it was filtered. The caller marks the last one if there is an
    /// error.
    Sent(Vec<Message>, Option<CallError>),
}

impl Run {
    /// A run in which each message is a batch of its own.
    pub fn singles(messages: Vec<Message>) -> Run {
        let limit = messages.len();
        Run { messages, limit, ..Run::default() }
    }

    /// A run of whole batches: the end of each, as an index into the messages. A batch may be empty.
    pub fn batches(messages: Vec<Message>, ends: Vec<u32>) -> Run {
        assert_eq!(
            ends.last().map_or(0, |it| *it as usize),
            messages.len(),
            "the last batch ends at the end"
        );
        let limit = messages.len();
        Run { messages, limit, ends: Some(ends), ..Run::default() }
    }

    /// A round ends with the batch under way once the guest's [`Ticks`](crate::Ticks) have come this far.
    pub fn due_at(&mut self, ticks: u64) {
        self.due = Some(ticks);
    }

    /// The messages of this run may grow by so many bytes together, which are what is left of a limit of so many
    /// (`part_limit` in texts for people). Past it a message fails as [`Kind::Output`](crate::Kind::Output). Without
    /// this each may become what [`Limits::output`](crate::Limits::output) allows.
    pub fn grow_by(&mut self, left: usize, limit: usize) {
        self.growth.max = self.growth.grown.saturating_add(left);
        self.growth.limit = limit;
        self.growth.granted = self.growth.granted.min(self.growth.max);
    }

    /// So much of what the messages grow by is not charged.
    pub(crate) fn is_free(&mut self, bytes: usize) {
        self.growth.free = bytes;
        self.growth.granted = bytes.min(self.growth.max);
    }

    /// How many bytes the messages that are finished have grown by.
    pub fn grown(&self) -> usize {
        self.growth.grown
    }

    /// How many messages a call of a component gets; [`Run::pace`] of the run before, so that a guest does not begin
    /// anew with each run.
    pub fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
    }

    /// What the calls of this run have found out.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// How many leading messages were taken through the guest.
    pub fn n_done(&self) -> usize {
        self.next
    }

    /// Whether all messages were taken through the guest.
    pub fn is_done(&self) -> bool {
        self.next == self.messages.len()
    }

    /// Whether the next message begins a batch, or there is none.
    pub fn is_between_batches(&self) -> bool {
        self.begins_batch(self.next)
    }

    /// Gives no more than so many messages to the guest from now on, until this is called again.
    pub(crate) fn limit_to(&mut self, n_messages: usize) {
        self.limit = self.next.saturating_add(n_messages).min(self.messages.len());
    }

    pub(crate) fn begins_batch(&self, idx: usize) -> bool {
        match &self.ends {
            None => true,
            Some(ends) => idx == 0 || ends.binary_search(&(idx as u32)).is_ok(),
        }
    }

    /// The index of a message within its batch, and the length of that batch.
    pub(crate) fn position(&self, idx: usize) -> (u32, u32) {
        let Some(ends) = &self.ends else { return (0, 1) };
        let idx = idx as u32;
        let batch = ends.partition_point(|end| *end <= idx);
        let begin = batch.checked_sub(1).map_or(0, |it| ends[it]);
        (idx - begin, ends[batch] - begin)
    }

    /// The next message fails without having been given to the guest.
    pub fn fail_next(&mut self, err: CallError) {
        self.dispose(self.next, Disposition { failed: Some(err), ..Disposition::default() });
        self.next += 1;
    }

    /// Says what became of a message. At most once for each, in their order.
    pub(crate) fn dispose(&mut self, idx: usize, mut disposition: Disposition) {
        if let Some(err) = &mut disposition.failed {
            self.growth.add_failure(err);
        }
        self.dispositions.push((idx, disposition));
    }

    /// Whether nothing was said of any message.
    pub(crate) fn is_plain(&self) -> bool {
        self.dispositions.is_empty()
    }

    /// Gives the messages back, and the end of each batch. For a run of which nothing was said.
    pub(crate) fn into_messages(self) -> (Vec<Message>, Option<Vec<u32>>) {
        (self.messages, self.ends)
    }

    /// The end of each batch, taken out.
    pub(crate) fn take_ends(&mut self) -> Option<Vec<u32>> {
        self.ends.take()
    }

    /// What became of each message, in their order. One that was not taken through the guest is kept as it is.
    pub fn finish(self) -> impl Iterator<Item = Outcome> {
        let mut dispositions = self.dispositions.into_iter().peekable();
        self.messages.into_iter().enumerate().map(move |(idx, message)| {
            let Some((_, disposition)) = dispositions.next_if(|(it, _)| *it == idx) else {
                return Outcome::Kept(message, None);
            };
            outcome(message, disposition)
        })
    }

    /// Takes the only message of a run out again.
    pub(crate) fn pop(&mut self) -> (Message, Disposition) {
        let message = self.messages.pop().expect("a run of one message");
        let disposition = self.dispositions.pop().map(|(_, it)| it).unwrap_or_default();
        self.next = 0;
        self.growth.grown = 0;
        if self.growth.charge.take().is_some() {
            self.growth.granted = self.growth.free;
        }
        (message, disposition)
    }

    /// Puts a message into an empty run.
    pub(crate) fn push(&mut self, message: Message) {
        self.messages.push(message);
        self.limit = self.messages.len();
    }
}

fn outcome(message: Message, disposition: Disposition) -> Outcome {
    let Disposition { mut emitted, is_replaced, failed } = disposition;
    if emitted.is_empty() && !is_replaced {
        return Outcome::Kept(message, failed);
    }
    if !is_replaced {
        emitted.push(message);
    }
    Outcome::Sent(emitted, failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::error::Kind;

    #[test]
    fn reasons_count_and_are_short_where_there_is_no_room() {
        let mut run = Run::singles(vec![Message::new("x"); 100]);
        run.grow_by(50_000, 50_000);
        for idx in 0..100 {
            let err = CallError::new(Kind::Fail, "é".repeat(2000));
            run.dispose(idx, Disposition { failed: Some(err), ..Disposition::default() });
        }
        let grown = run.grown();
        let lengths: Vec<usize> = run
            .finish()
            .map(|it| match it {
                Outcome::Kept(_, Some(err)) => err.reason().len(),
                other => panic!("it failed: {other:?}"),
            })
            .collect();
        assert_eq!(lengths[..12], [4000; 12]);
        assert!(lengths[13..].iter().all(|it| *it <= 203), "{lengths:?}");
        assert!(lengths.iter().sum::<usize>() <= grown && grown < 100_000, "{grown}");
    }
}
