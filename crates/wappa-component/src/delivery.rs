//! Deliveries: a part on its way to an output, with the duty to answer for it.
//!
//! Invariant: every delivery is answered exactly once, now or later, by whoever has it; one that is dropped has
//! failed. However a delivery is divided, copied or sent elsewhere, failures are named here and nowhere else: by the
//! origins of its messages, which belong to whoever made the delivery.

mod flight;
mod pieces;

use std::{fmt, sync::Arc, time::Duration};

use wappa_message::{Mark, Message, ORIGIN_NONE};

use self::flight::Receipt;
pub use self::flight::{Flight, Landing};
use crate::{Ack, Charges, Failure, Part, Processor, Step, WriteError, run_one};

/// Messages that an output is to deliver, and the duty to say what became of them.
///
/// It may be answered at once or later, from any thread. Dropping it answers that nothing of it arrived.
#[must_use = "a delivery that is dropped has failed"]
pub struct Delivery {
    part: Part,
    /// How many messages it had when it was made or divided.
    n_messages: usize,
    receipt: Receipt,
    stamp: Option<Stamp>,
}

/// What became of a delivery, for whoever can try elsewhere or again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The messages that did not arrive, by index and in order, each once.
    pub failures: Vec<(usize, Mark)>,
    /// Some of them because nobody reads any more.
    pub is_closed: bool,
}

/// Who gives out deliveries that may come back for want of a connection, and counts them. The engine's.
pub trait Desk: Send + Sync {
    /// A delivery that was given out was divided: there is one more.
    fn divided(&self);

    /// A delivery, or a piece of one, was answered. `began`: when it was given out.
    fn answered(&self, part: &Part, began: Duration, result: &Result<(), WriteError>);

    /// There is no connection: the messages come back. `place` orders what comes back.
    fn lost(&self, delivery: Delivery, place: (u64, u32));
}

/// Where a delivery, or a piece of one, was given out.
struct Stamp {
    desk: Arc<dyn Desk>,
    began: Duration,
    place: (u64, u32),
}

/// Reason for messages whose output nobody reads.
const CLOSED: &str = "broken pipe";

impl Delivery {
    /// A delivery of these messages. `then` is told what became of them, once, on whichever thread answers last: it
    /// must not wait.
    pub fn new(mut part: Part, then: impl FnOnce(Answer) + Send + 'static) -> Delivery {
        part.number();
        let n_messages = part.n_messages();
        let then = move |failures, is_closed| then(Answer::of(failures, n_messages, is_closed));
        Delivery::of(part, Receipt::of(Arc::new(Flight::telling(then))), None)
    }

    fn of(mut part: Part, receipt: Receipt, stamp: Option<Stamp>) -> Delivery {
        part.forget_places();
        Delivery { n_messages: part.n_messages(), part, receipt, stamp }
    }

    /// The messages, in their batches.
    pub fn part(&self) -> &Part {
        &self.part
    }

    /// The messages, for whoever changes what is delivered. What is filtered needs no delivery; what is added has the
    /// origin of what it is made of.
    pub fn part_mut(&mut self) -> &mut Part {
        &mut self.part
    }

    /// The messages of all batches, one batch after the other.
    pub fn messages(&self) -> &[Message] {
        self.part.messages()
    }

    /// Says what became of the messages. Those that a partial failure does not name have arrived.
    pub fn answer(mut self, result: Result<(), WriteError>) {
        self.settle(result);
    }

    /// Whether the input is told of each message as soon as it is answered, and not of all at once.
    pub fn is_leased(&self) -> bool {
        self.receipt.flight.as_ref().is_some_and(|it| it.is_leased())
    }

    /// A delivery of the same messages to somebody else, as one of several or as an attempt.
    ///
    /// `then` gets this one back, not answered, with what was answered to the other. It is called once, on whichever thread
    /// answers last: it must not wait. Where the input is told of each message, what arrived in the attempt is answered as it
    /// does, and what comes back are the messages that failed, and nothing where none did.
    pub fn via(self, then: impl FnOnce(Delivery, Answer) + Send + 'static) -> Delivery {
        let (part, has_way_out) = (self.part.clone(), self.has_way_out());
        let delivery = match self.is_leased() && 0 < part.n_messages() {
            true => pieces::attempt(self, part, then),
            false => Delivery::new(part, move |answer| then(self, answer)),
        };
        if has_way_out { delivery.with_way_out() } else { delivery }
    }

    /// The same, for one whose failures are tried elsewhere, or forgotten: whoever has it does not try for ever by himself.
    pub fn with_way_out(self) -> Delivery {
        self.receipt.flight.iter().for_each(|it| it.set_way_out());
        self
    }

    /// Whether what fails is tried elsewhere, or forgotten.
    pub fn has_way_out(&self) -> bool {
        self.receipt.flight.as_ref().is_some_and(|it| it.has_way_out())
    }

    /// The duty to answer, for whoever reads the messages as an input: of each by itself, where the input that they came from
    /// is told so.
    pub fn into_ack(self) -> Ack {
        pieces::ack_of(self)
    }

    /// What is left to do after an attempt: a delivery of the messages that failed, in the batches they were in. The
    /// others have arrived. `None`: all have, and that is answered.
    pub fn narrow(mut self, answer: &Answer) -> Option<Delivery> {
        if answer.failures.is_empty() {
            self.answer(Ok(()));
            return None;
        }
        if answer.failures.len() < self.part.n_messages() {
            let mut failed = answer.failures.iter().map(|(idx, _)| *idx).peekable();
            self.retain(|idx| failed.next_if_eq(&idx).is_some());
        }
        Some(self)
    }

    /// Answers what an attempt came to: its failures stand.
    pub fn conclude(self, answer: Answer) {
        self.answer(match answer {
            Answer { is_closed: true, .. } => Err(WriteError::Closed),
            Answer { failures, .. } if failures.is_empty() => Ok(()),
            Answer { failures, .. } => Err(WriteError::Partial(failures)),
        });
    }

    /// Keeps the first `n_batches` batches; the result is a delivery of the rest.
    pub fn split_off(&mut self, n_batches: usize) -> Delivery {
        let stamp = self.stamp.as_ref().map(|it| it.share(n_batches as u32));
        let rest = self.part.split_off(n_batches);
        self.share_out(rest, stamp)
    }

    /// Divides the messages among `n` targets; `to` says which is whose. A target's messages stay in the batches they were
    /// in, and one without messages gets nothing.
    pub fn route(mut self, n: usize, mut to: impl FnMut(usize, &Message) -> usize) -> Vec<Option<Delivery>> {
        let targets: Vec<usize> = self.messages().iter().enumerate().map(|(idx, it)| to(idx, it)).collect();
        let mut routed: Vec<Option<Delivery>> = (0..n).map(|_| None).collect();
        let Some(first) = targets.first().copied() else {
            self.answer(Ok(()));
            return routed;
        };
        for (target, slot) in routed.iter_mut().enumerate() {
            if target == first || !targets.contains(&target) {
                continue;
            }
            let mut part = self.part.clone();
            part.retain(|idx| targets[idx] == target);
            let stamp = self.stamp.as_ref().map(|it| it.share(0));
            let receipt = self.receipt.share(&part);
            *slot = Some(Delivery::of(part, receipt, stamp));
        }
        if targets.iter().any(|it| *it != first) {
            self.retain(|idx| targets[idx] == first);
        }
        routed[first] = Some(self);
        routed
    }

    /// Gives the messages to `n` targets, of which a message may be for several, and for none; `is_for` says by index which
    /// is for whom. Each has arrived once all its targets have delivered it, one that is for none at once. A target's messages
    /// stay in the batches they were in, and one without messages gets nothing.
    pub fn spread(mut self, n: usize, is_for: impl Fn(usize, usize) -> bool) -> Vec<Option<Delivery>> {
        let n_messages = self.n_messages;
        let mut routed: Vec<Option<Delivery>> = (0..n).map(|_| None).collect();
        let mut targets: Vec<usize> =
            (0..n).filter(|target| (0..n_messages).any(|idx| is_for(idx, *target))).collect();
        let Some(last) = targets.pop() else {
            self.answer(Ok(()));
            return routed;
        };
        for target in targets {
            let mut part = self.part.clone();
            part.retain(|idx| is_for(idx, target));
            let stamp = self.stamp.as_ref().map(|it| it.share(0));
            let receipt = self.receipt.share(&part);
            routed[target] = Some(Delivery::of(part, receipt, stamp));
        }
        if (0..n_messages).any(|idx| !is_for(idx, last)) {
            self.retain(|idx| is_for(idx, last));
        }
        routed[last] = Some(self);
        routed
    }

    /// One more delivery of the same messages: they have arrived once both have delivered them.
    pub fn copy(&self) -> Delivery {
        let stamp = self.stamp.as_ref().map(|it| it.share(0));
        Delivery::of(self.part.clone(), self.receipt.share(&self.part), stamp)
    }

    /// What arrived in an attempt, and what did not.
    pub fn divide(self, answer: &Answer) -> (Option<Delivery>, Option<Delivery>) {
        let mut failed = answer.failures.iter().map(|(idx, _)| *idx).peekable();
        let mut routed = self.route(2, |idx, _| usize::from(failed.next_if_eq(&idx).is_some())).into_iter();
        (routed.next().flatten(), routed.next().flatten())
    }

    /// Answers that nothing of what an attempt left arrived; see [`Delivery::narrow`].
    pub fn give_up(self, answer: Answer) {
        let failures = answer.failures.into_iter().enumerate().map(|(idx, (_, reason))| (idx, reason));
        self.conclude(Answer { failures: failures.collect(), is_closed: answer.is_closed });
    }

    /// Keeps what was charged for the messages until all of them are answered.
    pub fn hold(&mut self, charges: Charges) {
        if let Some(flight) = self.receipt.flight.as_ref().filter(|_| !charges.is_empty()) {
            flight.hold(charges);
        }
    }

    /// Runs the messages through processors, as the pipeline does: what is finished after about a millisecond goes on to the
    /// next, and what all have finished is handed to `hand`. What they do not finish, since the stream is given up, is
    /// answered as failed; of what was filtered nothing is left to be delivered, and that is answered.
    ///
    /// One batch stays one: what is left of it is handed over once.
    pub fn through(
        self,
        processors: &[Box<dyn Processor>],
        step: &mut Step<'_>,
        mut hand: impl FnMut(Delivery, &mut Step<'_>),
    ) {
        // Several deliveries may have this turn, and none grows for another.
        let growth_of_turn = step.growth();
        let mut pending = vec![(self, 0, growth_of_turn)];
        while let Some((mut delivery, next, mut growth)) = pending.pop() {
            let Some(processor) = processors.get(next) else {
                delivery.part.forget_places();
                step.begin_part(growth_of_turn);
                hand(delivery, step);
                continue;
            };
            step.begin_part(growth);
            let rest = delivery.advance(processor.as_ref(), step);
            growth = step.growth();
            if let Some(rest) = rest {
                let n_all = delivery.part.n_places() + rest.part.n_places();
                let growth_of_rest = growth.split_off(delivery.part.n_places(), n_all);
                pending.push((rest, next, growth_of_rest));
            }
            match delivery.n_messages {
                // What was filtered here needs no delivery.
                0 => delivery.answer(Ok(())),
                _ => pending.push((delivery, next + 1, growth)),
            }
        }
        step.begin_part(growth_of_turn);
    }

    /// Runs the messages through a processor until its time is over; returns what it left.
    fn advance(&mut self, processor: &dyn Processor, step: &mut Step<'_>) -> Option<Delivery> {
        let origins = self.part.origins();
        let begin_of = |n_places: usize| self.part.messages_of(self.part.batches_of(n_places));
        let begins: Vec<usize> = (0..self.part.n_places()).map(begin_of).collect();
        step.begin();
        let done = run_one(processor, &mut self.part, step);
        self.hold(step.take_charges());
        self.receipt.claim(&self.part);
        let rest = (done < self.part.n_places()).then(|| {
            let mut rest = self.split_off(done);
            if step.is_interrupted() {
                // It is not known how far it has come, but what it was made of.
                rest.part = placeholders(&origins[begins[done]..]);
            }
            rest
        });
        self.n_messages = self.part.n_messages();
        match rest {
            Some(rest) if step.is_interrupted() => {
                rest.answer(Err(WriteError::Failed(stopped())));
                None
            }
            rest => rest,
        }
    }

    /// Keeps the first `n_messages` messages, which may be a part of a batch; the result is a delivery of the rest.
    pub fn cut(&mut self, n_messages: usize) -> Delivery {
        let stamp = self.stamp.as_ref().map(|it| it.share(0));
        let rest = self.part.cut(n_messages);
        self.share_out(rest, stamp)
    }

    /// A delivery of what was taken out of the part.
    fn share_out(&mut self, rest: Part, stamp: Option<Stamp>) -> Delivery {
        self.n_messages = self.part.n_messages();
        let receipt = self.receipt.share(&rest);
        self.receipt.hand_on(&self.part);
        Delivery::of(rest, receipt, stamp)
    }

    /// One delivery of one batch, with the messages of all of these.
    pub fn merge(deliveries: Vec<Delivery>) -> Delivery {
        let has_way_out = deliveries.iter().all(Delivery::has_way_out);
        let merged = Delivery::merged(deliveries);
        if has_way_out { merged.with_way_out() } else { merged }
    }

    fn merged(deliveries: Vec<Delivery>) -> Delivery {
        let mut messages = Vec::with_capacity(deliveries.iter().map(|it| it.part.n_messages()).sum());
        let mut sources = Vec::with_capacity(deliveries.len());
        for mut delivery in deliveries {
            let origins = delivery.part.origins();
            let part = std::mem::replace(&mut delivery.part, placeholders(&origins));
            messages.extend(part.into_messages());
            sources.push(delivery);
        }
        if sources.iter().any(Delivery::is_leased) {
            return pieces::of_several(sources, Part::one_batch(messages));
        }
        Delivery::new(Part::one_batch(messages), move |answer| {
            let mut failures = answer.failures.into_iter().peekable();
            let mut begin = 0;
            for source in sources {
                let end = begin + source.part.n_messages();
                let mut own = Vec::new();
                while let Some((idx, reason)) = failures.next_if(|(idx, _)| *idx < end) {
                    own.push((idx - begin, reason));
                }
                source.conclude(Answer { is_closed: answer.is_closed && !own.is_empty(), failures: own });
                begin = end;
            }
        })
    }

    /// A delivery of these messages alone, which are to be answered now.
    fn take_out(&mut self, is_taken: impl Fn(usize) -> bool) -> Delivery {
        let messages = self.messages().iter().enumerate();
        let taken = messages.filter(|(idx, _)| is_taken(*idx)).map(|(_, it)| it.clone()).collect();
        let part = Part::singles(taken);
        let stamp = self.stamp.as_ref().map(|it| it.share(0));
        let receipt = self.receipt.share(&part);
        self.retain(|idx| !is_taken(idx));
        Delivery::of(part, receipt, stamp)
    }

    /// Notes where the delivery was given out. For the engine's connections.
    pub fn stamp(&mut self, desk: Arc<dyn Desk>, began: Duration, place: (u64, u32)) {
        self.stamp = Some(Stamp { desk, began, place });
    }

    fn retain(&mut self, is_kept: impl FnMut(usize) -> bool) {
        self.part.retain(is_kept);
        self.n_messages = self.part.n_messages();
        self.receipt.hand_on(&self.part);
    }

    fn settle(&mut self, result: Result<(), WriteError>) {
        let stamp = self.stamp.take();
        let result = match (result, &stamp) {
            // Of batches of which everything was filtered there is nothing to deliver.
            _ if self.part.n_messages() == 0 => Ok(()),
            (Err(WriteError::NotConnected), Some(stamp)) => {
                let part = std::mem::replace(&mut self.part, Part::singles(Vec::new()));
                let receipt = std::mem::replace(&mut self.receipt, Receipt::answered());
                return stamp.desk.lost(Delivery::of(part, receipt, None), stamp.place);
            }
            // Whoever wrote it has nobody who connects.
            (Err(WriteError::NotConnected), None) => Err(WriteError::Failed(Mark::new("not connected"))),
            (result, _) => result,
        };
        if let Some(Stamp { desk, began, .. }) = &stamp {
            desk.answered(&self.part, *began, &result);
        }
        let part = &self.part;
        let all = |reason: Mark| {
            let of = |origin| Failure { origin, reason: reason.clone() };
            part.origins().into_iter().map(of).collect()
        };
        let is_closed = matches!(result, Err(WriteError::Closed));
        let failures = match result {
            Ok(()) => Vec::new(),
            Err(WriteError::Partial(failures) | WriteError::Rejected(failures)) => failures
                .into_iter()
                .map(|(idx, reason)| Failure { origin: part.origin(idx), reason })
                .collect(),
            Err(WriteError::Failed(reason)) => all(reason),
            Err(WriteError::Closed) => all(Mark::new(CLOSED)),
            Err(WriteError::NotConnected) => unreachable!("that is dealt with above"),
        };
        self.receipt.answer(failures, is_closed);
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if self.receipt.flight.is_none() {
            return;
        }
        let reason = Mark::new(DROPPED);
        if std::thread::panicking() || self.part.n_messages() < self.n_messages {
            // Of what is left nobody knows how much it is.
            let mut whole = Message::default();
            whole.set_origin(ORIGIN_NONE);
            self.part.append(Part::singles(vec![whole]));
        }
        self.settle(Err(WriteError::Failed(reason)));
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("part", &self.part).finish_non_exhaustive()
    }
}

/// Messages that are nothing but what they descend from.
fn placeholders(origins: &[u32]) -> Part {
    let of = |origin: &u32| {
        let mut message = Message::default();
        message.set_origin(*origin);
        message
    };
    Part::singles(origins.iter().map(of).collect())
}

/// Why messages failed that an output let go of, as one does that is closed.
const DROPPED: &str = "dropped before delivery";

/// Why messages failed that were not delivered before the stream was given up.
pub fn stopped() -> Mark {
    Mark::new("the stream was stopped")
}

/// Whether messages failed for that reason.
pub fn is_stopped(reason: &Mark) -> bool {
    reason.as_str() == stopped().as_str()
}

/// Whether messages failed only because nobody went on with them, at a stop say: another run may deliver them.
pub fn is_unfinished(reason: &Mark) -> bool {
    is_stopped(reason) || reason.as_str() == DROPPED
}

impl Answer {
    fn of(failures: Vec<Failure>, n_messages: usize, is_closed: bool) -> Answer {
        // Of a failure without an origin nobody knows what it took with it.
        if let Some(whole) = failures.iter().find(|it| n_messages <= it.origin as usize) {
            let failures = (0..n_messages).map(|idx| (idx, whole.reason.clone())).collect();
            return Answer { failures, is_closed };
        }
        let mut failures: Vec<(usize, Mark)> =
            failures.into_iter().map(|it| (it.origin as usize, it.reason)).collect();
        // What one of its descendants may still achieve counts more than what another never will.
        failures.sort_by_key(|(idx, reason)| (*idx, reason.is_final()));
        failures.dedup_by_key(|(idx, _)| *idx);
        Answer { failures, is_closed }
    }

    /// Whether everything arrived.
    pub fn is_delivered(&self) -> bool {
        self.failures.is_empty()
    }
}

impl Stamp {
    fn share(&self, n_batches: u32) -> Stamp {
        self.desk.divided();
        let (number, batch) = self.place;
        Stamp { desk: Arc::clone(&self.desk), began: self.began, place: (number, batch + n_batches) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, sync_channel},
    };

    use super::*;
    use crate::Batches;

    /// A part of these batches, each a word; each message is a letter.
    fn part(words: &str) -> Part {
        let mut part = Part::singles(Vec::new());
        for word in words.split(' ') {
            part.append(Part::one_batch(word.chars().map(|it| Message::new(it.to_string())).collect()));
        }
        part
    }

    fn text(delivery: &Delivery) -> String {
        let part = delivery.part();
        let content = |it: &Message| String::from_utf8_lossy(it.content()).into_owned();
        let batch = |idx| part.messages()[part.batch(idx)].iter().map(content).collect::<String>();
        (0..part.n_batches()).map(batch).collect::<Vec<_>>().join(" ")
    }

    fn answer_text(answer: &Answer) -> String {
        let failures = answer.failures.iter().map(|(idx, mark)| format!("{idx}: {mark}"));
        failures.collect::<Vec<_>>().join(", ")
    }

    fn delivery(words: &str) -> (Delivery, Receiver<String>) {
        let (tx, rx) = sync_channel(2);
        let then = move |answer: Answer| tx.send(answer_text(&answer)).expect("the test listens");
        (Delivery::new(part(words), then), rx)
    }

    fn failed(reason: &str) -> Result<(), WriteError> {
        Err(WriteError::Failed(Mark::new(reason)))
    }

    /// A delivery of these batches to an input that is told of each message.
    fn leased(words: &str) -> (Delivery, Receiver<String>) {
        let (tx, rx) = sync_channel(8);
        let part = part(words);
        let n = part.n_messages() as u32;
        let ack = Ack::leased(n, move |origins: &[u32], failures: Vec<Failure>| {
            let failed: Vec<u32> = failures.iter().map(|it| it.origin).collect();
            tx.send(format!("{origins:?} {failed:?}")).expect("the test listens");
        });
        let mut messages = part.into_parts().0;
        messages.iter_mut().enumerate().for_each(|(idx, it)| it.set_origin(idx as u32));
        let mut flight = Flight::new(Weak::<Silent>::new());
        (flight.load(0, Part::singles(messages), ack), rx)
    }

    struct Silent;

    impl Landing for Silent {
        fn closed(&self) {}
        fn landed(&self, _: u64) {}
    }

    #[test]
    fn each_lease_is_told_when_the_last_piece_that_has_it_is_answered() {
        let (mut one, rx) = leased("a b c d e");
        let two = one.split_off(3);
        let copy = one.copy();
        two.answer(Err(WriteError::Partial(vec![(1, Mark::new("full"))])));
        assert_eq!(rx.try_recv().expect("two are answered"), "[3, 4] [4]");
        one.answer(Ok(()));
        assert!(rx.try_recv().is_err(), "the copy has them as well");
        let routed = copy.route(2, |idx, _| usize::from(idx == 1));
        let [Some(rest), Some(second)] = <[_; 2]>::try_from(routed).expect("two targets") else {
            panic!("both have something")
        };
        drop(second);
        assert_eq!(rx.try_recv().expect("one is answered"), "[1] [1]");
        rest.answer(Ok(()));
        assert_eq!(rx.try_recv().expect("two are answered"), "[0, 2] []");
    }

    #[test]
    fn what_arrives_in_an_attempt_is_told_before_the_rest_of_it_is_known() {
        let (one, rx) = leased("a b c d");
        let (tx, returns) = sync_channel(1);
        let mut other =
            one.via(move |delivery, answer| tx.send((delivery, answer)).expect("the test listens"));
        let tail = other.split_off(2);
        other.answer(Err(WriteError::Partial(vec![(0, Mark::new("full"))])));
        assert_eq!(rx.try_recv().expect("one has arrived"), "[1] []");
        assert!(returns.try_recv().is_err());
        tail.answer(Err(WriteError::Closed));
        let (back, answer) = returns.try_recv().expect("the attempt is over");
        assert_eq!(text(&back), "a c d");
        assert_eq!(
            (answer_text(&answer).as_str(), answer.is_closed),
            ("0: full, 1: broken pipe, 2: broken pipe", true)
        );
        let mut left = back.narrow(&answer).expect("something failed");
        // Once more, and elsewhere.
        let (tx, returns) = sync_channel(1);
        let rest = left.split_off(1);
        let again = rest.via(move |delivery, answer| tx.send((delivery, answer)).expect("the test listens"));
        again.answer(Ok(()));
        assert_eq!(rx.try_recv().expect("two have arrived"), "[2, 3] []");
        let (back, answer) = returns.try_recv().expect("the attempt is over");
        assert!(back.messages().is_empty() && answer.is_delivered() && back.narrow(&answer).is_none());
        left.give_up(Answer { failures: vec![(0, Mark::new("full"))], is_closed: false });
        assert_eq!(rx.try_recv().expect("one has failed"), "[0] [0]");
        assert!(rx.try_recv().is_err());
    }

    #[test]
    fn of_one_batch_of_several_each_message_is_told() {
        let ((one, rx_one), (two, rx_two)) = (leased("a b"), delivery("c d"));
        let mut merged = Delivery::merge(vec![one, two]);
        assert_eq!(text(&merged), "abcd");
        let tail = merged.cut(1);
        merged.answer(Ok(()));
        assert_eq!((rx_one.try_recv().as_deref(), rx_two.try_recv().is_err()), (Ok("[0] []"), true));
        tail.answer(Err(WriteError::Partial(vec![(0, Mark::new("x")), (2, Mark::new("y"))])));
        assert_eq!((rx_one.try_recv().as_deref(), rx_two.try_recv().as_deref()), (Ok("[1] [1]"), Ok("1: y")));
    }

    #[test]
    fn who_reads_a_delivery_answers_as_its_input_is_told() {
        let (one, rx) = leased("a b c");
        let mut ack = one.into_ack();
        assert!(ack.is_leased());
        let failure = Failure { origin: 2, reason: Mark::new("full") };
        ack.settle(&[0, 2], vec![failure]).tell();
        let mut told = [(); 2].map(|()| rx.try_recv().expect("two are answered"));
        told.sort();
        assert_eq!(told, ["[0] []", "[2] [2]"]);
        drop(ack);
        assert_eq!(rx.try_recv().expect("the last is"), "[1] [1]");
        let (one, rx) = delivery("a b");
        let ack = one.into_ack();
        assert!(!ack.is_leased());
        ack.answer(vec![Failure { origin: 1, reason: Mark::new("full") }]);
        assert_eq!(rx.recv().as_deref(), Ok("1: full"));
    }

    #[test]
    fn what_descends_from_nobody_knows_what_holds_up_all_leases() {
        let (mut one, rx) = leased("a b c");
        one.part_mut().messages_mut()[2].set_origin(ORIGIN_NONE);
        let two = one.split_off(2);
        one.answer(Ok(()));
        assert!(rx.try_recv().is_err());
        two.answer(failed("full"));
        assert_eq!(rx.try_recv().expect("all are answered"), "[0, 1, 2] [0, 1, 2]");
    }

    #[test]
    fn is_answered_once_when_all_pieces_are() {
        let (mut one, rx) = delivery("ab c de");
        let mut two = one.split_off(1);
        let three = two.split_off(1);
        assert_eq!([&one, &two, &three].map(text), ["ab", "c", "de"]);
        three.answer(Err(WriteError::Partial(vec![(1, Mark::new("full"))])));
        one.answer(failed("gone"));
        assert!(rx.try_recv().is_err());
        drop(two);
        assert_eq!(rx.recv().as_deref(), Ok("0: gone, 1: gone, 2: dropped before delivery, 4: full"));
    }

    #[test]
    fn what_was_taken_out_of_a_dropped_delivery_has_failed_too() {
        let (mut one, rx) = delivery("ab c");
        let mut tail = one.split_off(1);
        drop(std::mem::replace(tail.part_mut(), Part::singles(Vec::new())));
        drop(tail);
        one.answer(Ok(()));
        let reason = "dropped before delivery";
        assert_eq!(rx.recv(), Ok(format!("0: {reason}, 1: {reason}, 2: {reason}")));
        // Who filters and answers says that it was filtered.
        let (mut one, rx) = delivery("ab");
        one.part_mut().replace_each(|_, _| ());
        one.answer(failed("full"));
        assert_eq!(rx.recv().as_deref(), Ok(""));
    }

    #[test]
    fn who_tries_again_gets_back_what_failed() {
        let (one, rx) = delivery("ab c de");
        let (tx, returns) = sync_channel(1);
        let mut other =
            one.via(move |delivery, answer| tx.send((delivery, answer)).expect("the test listens"));
        // What is done to it on the way does not matter.
        other.part_mut().replace_each(|message, out| {
            if message.content() == "c" {
                out.push(message.clone());
            }
            out.push(message);
        });
        let mark = |text: &str| Mark::new(text);
        other.answer(Err(WriteError::Partial(vec![(0, mark("x")), (3, mark("y")), (2, mark("z"))])));
        let (one, answer) = returns.recv().expect("it is answered");
        assert_eq!((answer_text(&answer), text(&one)), ("0: x, 2: y".to_string(), "ab c de".to_string()));
        let left = one.narrow(&answer).expect("something failed");
        assert_eq!((text(&left), left.part().n_batches()), ("a c".to_string(), 2));
        assert!(rx.try_recv().is_err());
        left.answer(Err(WriteError::Partial(vec![(1, mark("again"))])));
        assert_eq!(rx.recv().as_deref(), Ok("2: again"));
    }

    #[test]
    fn a_message_may_be_for_several_targets_and_for_none() {
        let (one, rx) = delivery("abc cb c");
        let content: Vec<u8> = one.messages().iter().map(|it| it.content()[0]).collect();
        let targets: [&[u8]; 4] = [b"ab", b"x", b"b", b"a"];
        let routed = one.spread(4, |idx, target| targets[target].contains(&content[idx]));
        let texts: Vec<String> = routed.iter().map(|it| it.as_ref().map_or(String::new(), text)).collect();
        assert_eq!(texts, ["ab b", "", "b b", "a"]);
        let mut routed = routed.into_iter().flatten();
        routed.next().expect("one").answer(failed("one"));
        routed.next().expect("two").answer(Err(WriteError::Partial(vec![(1, Mark::new("two"))])));
        assert!(rx.try_recv().is_err());
        routed.next().expect("three").answer(Ok(()));
        assert_eq!(rx.recv().as_deref(), Ok("0: one, 1: one, 4: one"));
        let (one, rx) = delivery("ab");
        assert!(one.spread(2, |_, _| false).iter().all(Option::is_none));
        assert_eq!(rx.recv().as_deref(), Ok(""));
    }

    #[test]
    fn is_divided_among_targets() {
        let (one, rx) = delivery("abc de f");
        let routed = one.route(4, |_, message| usize::from(message.content()[0] - b'a') % 3);
        let texts: Vec<_> = routed.iter().map(|it| it.as_ref().map(text)).collect();
        assert_eq!(texts, [Some("a d"), Some("b e"), Some("c f"), None].map(|it| it.map(String::from)));
        for (idx, delivery) in routed.into_iter().enumerate() {
            if let Some(delivery) = delivery {
                delivery.answer(if idx == 1 { failed("full") } else { Ok(()) });
            }
        }
        assert_eq!(rx.recv().as_deref(), Ok("1: full, 4: full"));
        let (one, rx) = delivery("ab");
        let mut routed = one.route(2, |_, _| 1);
        assert!(routed[0].is_none());
        routed.pop().flatten().expect("all is there").answer(Ok(()));
        assert_eq!(rx.recv().as_deref(), Ok(""));
    }

    #[test]
    fn several_are_delivered_as_one_batch() {
        let ((mut one, rx_one), (two, rx_two)) = (delivery("ab c"), delivery("d"));
        let rest = one.cut(1);
        assert_eq!((text(&one), text(&rest)), ("a".to_string(), "b c".to_string()));
        let merged = Delivery::merge(vec![rest, two]);
        assert_eq!((text(&merged), merged.part().n_batches()), ("bcd".to_string(), 1));
        merged.answer(Err(WriteError::Partial(vec![(1, Mark::new("x")), (2, Mark::new("y"))])));
        assert_eq!((rx_two.recv().as_deref(), rx_one.try_recv().is_err()), (Ok("0: y"), true));
        one.answer(Ok(()));
        assert_eq!(rx_one.recv().as_deref(), Ok("2: x"));
    }

    #[test]
    fn a_copy_has_to_arrive_as_well() {
        let (one, rx) = delivery("ab c");
        let two = one.copy();
        assert_eq!(text(&two), "ab c");
        one.answer(Err(WriteError::Partial(vec![(2, Mark::new("x"))])));
        assert!(rx.try_recv().is_err());
        two.answer(Err(WriteError::Partial(vec![(0, Mark::new("y")), (2, Mark::new("z"))])));
        assert_eq!(rx.recv().as_deref(), Ok("0: y, 2: x"));
    }

    #[test]
    fn what_arrived_and_what_did_not() {
        let (one, rx) = delivery("ab c");
        let failures = vec![(0, Mark::new("x")), (2, Mark::new("y"))];
        let (arrived, failed) = one.divide(&Answer { failures: failures.clone(), is_closed: false });
        let (arrived, failed) = (arrived.expect("one did"), failed.expect("two did not"));
        assert_eq!((text(&arrived), text(&failed)), ("b".to_string(), "a c".to_string()));
        arrived.answer(Ok(()));
        failed.give_up(Answer { failures, is_closed: false });
        assert_eq!(rx.recv().as_deref(), Ok("0: x, 2: y"));
    }

    #[derive(Default)]
    struct Engine {
        n_closed: AtomicUsize,
        landed: AtomicU64,
    }

    impl Landing for Engine {
        fn closed(&self) {
            self.n_closed.fetch_add(1, Ordering::SeqCst);
        }
        fn landed(&self, number: u64) {
            self.landed.store(number, Ordering::SeqCst);
        }
    }

    fn flight() -> (Arc<Engine>, Arc<Flight>) {
        let engine = Arc::new(Engine::default());
        let landing: Arc<dyn Landing> = engine.clone();
        let flight = Flight::new(Arc::downgrade(&landing));
        (engine, flight)
    }

    fn ack() -> (Ack, Receiver<usize>) {
        let (tx, rx) = sync_channel(2);
        let then = move |failures: Vec<Failure>| tx.send(failures.len()).expect("the test listens");
        (Ack::new(2, then), rx)
    }

    fn two() -> Part {
        let messages = (0..2).map(|origin| Message::of_input("x".into(), Default::default(), origin));
        Part::new(messages.collect(), Batches::Singles)
    }

    #[test]
    fn the_engine_is_told_of_what_lands_after_the_write() {
        let (engine, mut flight) = flight();
        let (ack_one, rx) = ack();
        let one = flight.load(7, two(), ack_one);
        one.answer(Ok(()));
        assert!(flight.has_landed() && !flight.hand_over());
        assert_eq!((rx.recv(), engine.landed.load(Ordering::SeqCst)), (Ok(0), 0));
        // The same flight again.
        let before = Arc::as_ptr(&flight);
        let (ack_two, rx) = ack();
        let two = flight.load(8, two(), ack_two);
        assert_eq!(Arc::as_ptr(&flight), before);
        assert!(flight.hand_over());
        two.answer(Err(WriteError::Closed));
        assert_eq!((rx.recv(), engine.landed.load(Ordering::SeqCst)), (Ok(2), 8));
        assert_eq!(engine.n_closed.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn what_is_answered_after_it_was_revoked_changes_nothing() {
        let (engine, mut flight) = flight();
        let (ack, rx) = ack();
        let one = flight.load(3, two(), ack);
        assert!(flight.hand_over());
        flight.revoke(Mark::new("the stream was stopped"));
        assert_eq!(rx.recv(), Ok(2));
        one.answer(Err(WriteError::Closed));
        assert!(rx.try_recv().is_err());
        assert_eq!(engine.n_closed.load(Ordering::SeqCst), 0);
    }
}
