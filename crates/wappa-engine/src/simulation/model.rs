//! What must be true of a stream whatever happens in it, checked while it runs and at the end.
//!
//! A message's name is the number of its input message, behind which each copy adds a suffix.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use wappa_component::{Failure, Logger, Metrics, Order, Part, Pulse};
use wappa_message::{Message, ORIGIN_NONE};

use super::{
    outside::Outside,
    plan::Plan,
    token::{Checks, Token},
};
use crate::{observe::Observed, schedule::Schedule, stop::Stop, stream::Setting, worker::Shared};

/// One simulated world, as the test's components see it.
pub(super) struct Sim {
    pub(super) plan: Plan,
    pub(super) token: Arc<Token>,
    pub(super) stop: Stop,
    pub(super) setting: Setting,
    /// Of the stream that has the output: a second one, where there are two.
    pub(super) last: Setting,
    pub(super) outside: Outside,
    pub(super) metrics: Metrics,
    /// Deliveries that the other end of the output has and will answer; and those that it never will.
    pub(super) n_held: AtomicUsize,
    pub(super) n_mute: AtomicUsize,
    /// By stream: its state, and what those wait for who wait for its input.
    streams: Mutex<Vec<(Weak<Shared>, usize)>>,
    model: Mutex<Model>,
}

/// What happened.
#[derive(Default)]
pub(super) struct Model {
    /// By parcel: its messages.
    parcels: Vec<std::ops::Range<usize>>,
    /// By parcel: the messages of it that are answered.
    answers: Vec<BTreeSet<usize>>,
    /// The parcels whose messages are answered one by one.
    pub(super) leased: BTreeSet<usize>,
    /// By parcel: with what it keeps its order.
    orders: Vec<Order>,
    /// By message: its batch.
    pub(super) batch_of: Vec<usize>,
    batches: Vec<std::ops::Range<usize>>,
    n_answered: usize,
    pub(super) n_failed: usize,
    /// The sources that have given all they have.
    pub(super) exhausted: BTreeSet<usize>,
    /// When the next reading of a source is there.
    pub(super) ready_at: BTreeMap<usize, Duration>,
    pub(super) drain_asked: bool,
    pub(super) n_failed_sources: u64,
    pub(super) was_closed: bool,
    /// Where components failed for good.
    pub(super) faults: Vec<String>,
    /// By name: what the output said last, and how often it said something.
    claims: BTreeMap<String, (Claim, u64)>,
    /// By message: how often the first processor saw it.
    sights: BTreeMap<usize, u64>,
    /// The messages that went through the whole pipeline.
    finished: BTreeSet<usize>,
    /// The messages that were marked as failed.
    pub(super) marked: BTreeSet<usize>,
    pub(super) n_delivered: u64,
    /// What came back for want of a connection and was not written again.
    pub(super) lost: BTreeSet<String>,
    pub(super) output_is_up: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Claim {
    Delivered,
    Failed,
}

pub(super) fn name(message: &Message) -> String {
    String::from_utf8_lossy(message.content()).into_owned()
}

pub(super) fn id(message: &Message) -> usize {
    id_of(&name(message))
}

fn id_of(name: &str) -> usize {
    let digits = name.split('.').next().expect("a split gives at least one piece");
    digits.parse().expect("names begin with a number")
}

impl Sim {
    pub(super) fn new(plan: Plan, token: Arc<Token>, setting: Setting, last: Setting) -> Sim {
        let (stop, metrics) = (setting.stop.clone(), Metrics::default());
        let outside = Outside::new(&token, &setting.world, plan.output.salt);
        Sim {
            plan,
            token,
            stop,
            setting,
            last,
            outside,
            metrics,
            n_held: AtomicUsize::new(0),
            n_mute: AtomicUsize::new(0),
            streams: Mutex::default(),
            model: Mutex::new(Model::default()),
        }
    }

    /// A component of a stream.
    pub(super) fn observed(&self, path: &str) -> Observed {
        let setting = if path.starts_with("root.output") { &self.last } else { &self.setting };
        Observed {
            name: "test".to_string(),
            label: String::new(),
            path: path.to_string(),
            logger: Logger::silent(),
            metrics: self.metrics.clone(),
            world: setting.world.clone(),
            stop: setting.stop.clone(),
            calls: setting.activity.component("", path),
            tracer: wappa_component::Tracer::default(),
        }
    }

    pub(super) fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the run when something is not as it should be.
    pub(super) fn check(&self, result: Result<(), String>) {
        if let Err(text) = result {
            self.token.fail(&text);
        }
    }

    /// A component fails for good: the report must name this path.
    pub(super) fn fault(&self, path: &str, what: &str) {
        self.token.note(|| format!("{path}: {what}"));
        self.model().faults.push(path.to_string());
    }

    /// A component panics, as it would with a bug, without the noise.
    pub(super) fn panic(&self, path: &str) -> ! {
        self.fault(path, "panics");
        std::panic::resume_unwind(Box::new("on purpose"))
    }

    /// Batches are in order, and each holds messages of one batch of the input. Returns which.
    /// Where the input makes batches of its own they hold messages of several.
    pub(super) fn check_batches(&self, part: &Part) -> Vec<Vec<usize>> {
        let batches: Vec<Vec<usize>> = (0..part.n_batches())
            .map(|idx| part.messages()[part.batch(idx)].iter().map(id).collect())
            .collect();
        if !self.plan.is_batched() {
            let result = self.model().check_batches(&batches, self.plan.divides());
            self.check(result);
        }
        batches
    }

    /// The first processor of all is finished with these batches.
    pub(super) fn saw(&self, batches: &[Vec<usize>]) {
        let mut model = self.model();
        let result = batches.iter().try_for_each(|ids| model.see(ids, &self.plan));
        drop(model);
        self.check(result);
    }

    /// The last processor of the pipeline is finished with these batches.
    pub(super) fn finished(&self, batches: &[Vec<usize>]) {
        self.model().finished.extend(batches.iter().flatten());
    }

    pub(super) fn claim(&self, message: &Message, claim: Claim) {
        let mut model = self.model();
        let entry = model.claims.entry(name(message)).or_insert((claim, 0));
        *entry = (claim, entry.1 + 1);
        model.n_delivered += u64::from(claim == Claim::Delivered);
    }

    /// How often the output said something of this message.
    pub(super) fn n_claims(&self, name: &str) -> u64 {
        self.model().claims.get(name).map_or(0, |it| it.1)
    }

    pub(super) fn answered(&self, parcel: usize, failures: &[Failure]) {
        self.token.note(|| format!("source: parcel {parcel} is answered, {} failed", failures.len()));
        let result = self.model().answer(parcel, failures, self);
        self.check(result);
    }

    pub(super) fn answered_some(&self, parcel: usize, origins: &[u32], failures: &[Failure]) {
        self.token.note(|| {
            format!("source: of parcel {parcel} {origins:?} are answered, {} failed", failures.len())
        });
        let result = self.model().answer_some(parcel, origins, failures, self);
        self.check(result);
    }

    /// The output is told that nothing more may come before something is answered; it has these.
    pub(super) fn check_flush(&self, in_hand: &BTreeSet<String>) -> Result<(), String> {
        if !self.plan.shows_early_flushes() || self.stop.is_draining() {
            return Ok(());
        }
        match self.model().under_way(&self.plan, in_hand) {
            Some(name) => Err(format!("the output is flushed while `{name}` is under way")),
            None => Ok(()),
        }
    }

    /// With what a message keeps its order on the way to the output; `None`: with nothing.
    pub(super) fn order_of(&self, id: usize) -> Option<Order> {
        let model = self.model();
        let of = |parcel: usize| model.orders[parcel];
        let order = of(model.parcels.partition_point(|ids| ids.end <= id));
        if self.plan.is_batched() {
            let is_none = model.orders.iter().all(|it| *it == Order::None);
            // What is put together of several is in the order it was put together.
            return (!is_none).then_some(Order::Stream).filter(|_| order != Order::None);
        }
        (order != Order::None).then_some(order)
    }

    /// A stream's own state, for checks.
    pub(super) fn add_stream(&self, shared: &Arc<Shared>, setting: &Setting) {
        self.streams().push((Arc::downgrade(shared), setting.bell.key()));
    }

    fn streams(&self) -> MutexGuard<'_, Vec<(Weak<Shared>, usize)>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No thread of this stream waits for longer than it may, or does nothing while there is something to do. Whether one
    /// waits for input.
    fn check_threads(
        &self,
        shared: &Shared,
        bell: usize,
        waits: &[(usize, Option<Duration>)],
        now: Duration,
    ) -> Result<bool, String> {
        let look = |schedule: &Schedule| {
            (
                schedule.has_more(|| now) || schedule.has_ready(),
                schedule.n_idle,
                schedule.due(),
                schedule.awaits_input(),
                schedule.output_waits(|| now),
            )
        };
        let Some((has_more, n_idle, due, awaits_input, is_forgotten)) = shared.schedule.peek(look) else {
            return Err("a thread waits and has the lock of all".to_string());
        };
        let is_free = |key: usize| key == bell || key == shared.schedule.key();
        let is_late = |until: Option<Duration>| due.is_some_and(|due| until.is_none_or(|until| due < until));
        if waits.iter().any(|(key, until)| is_free(*key) && is_late(*until)) {
            return Err(format!("the output is due at {due:?}, and a thread waits for longer"));
        }
        let is_awake_by =
            |due: Duration| waits.iter().any(|(_, until)| until.is_some_and(|until| until <= due));
        if is_forgotten || due.is_some_and(|due| !is_awake_by(due)) {
            return Err("there is something to do for the output, or will be, and all wait".to_string());
        }
        if has_more && 0 < n_idle {
            return Err("a thread is idle although there is something to do".to_string());
        }
        if has_more && waits.iter().any(|(key, _)| *key == bell) {
            return Err("a thread waits for input although there is something to do".to_string());
        }
        Ok(awaits_input)
    }
}

impl Checks for Sim {
    fn check_quiet(&self) -> Result<(), String> {
        if 0 < self.n_mute.load(Ordering::SeqCst) {
            // It waits for what never comes, as it must.
            return Ok(());
        }
        let model = self.model();
        if self.stop.is_draining() {
            return Err("the stream was stopped and does not end".to_string());
        }
        if self.plan.input_ends() {
            return Err("nothing happens any more and the stream does not end".to_string());
        }
        if model.exhausted.len() < self.plan.n_inputs_read() {
            return Err("nothing happens any more and there is more to read".to_string());
        }
        match model.n_unanswered() {
            0 if self.plan.buffer.is_none() || self.plan.collects_for_ever() => Ok(()),
            0 if self.setting.tally.undelivered() == 0 => Ok(()),
            0 => Err("nothing happens any more and there are messages in the buffer".to_string()),
            // A batch waits for messages for as long as some may come.
            _ if self.plan.collects_for_ever() => Ok(()),
            n => Err(format!("nothing happens any more and {n} parcels are not answered")),
        }
    }

    fn check_patience(&self, waits: &[(usize, Option<Duration>)], now: Duration) -> Result<(), String> {
        let n_held = self.n_held.load(Ordering::SeqCst) + self.n_mute.load(Ordering::SeqCst);
        if self.last.stop.is_interrupted() && n_held == 0 {
            return Err("the stream was given up and all wait for a time to come".to_string());
        }
        let streams: Vec<_> = self.streams().iter().map(|(shared, bell)| (shared.upgrade(), *bell)).collect();
        self.model().check_leases(self)?;
        let mut awaits_input = false;
        for (idx, (shared, bell)) in streams.into_iter().enumerate() {
            // One of two streams may have ended.
            let Some(shared) = shared else { continue };
            let awaits = self.check_threads(&shared, bell, waits, now)?;
            awaits_input |= idx == 0 && awaits;
        }
        // Where too much waits to be replayed nothing new is wanted.
        let bound = self.plan.replay_bound;
        let wants_new = !self.plan.replays || (1024 <= bound.messages_max && 1 << 20 <= bound.bytes_max);
        let is_direct = self.plan.idle_ms.is_none() && self.plan.buffer.is_none();
        if wants_new && awaits_input && !self.stop.is_draining() && is_direct {
            let model = self.model();
            if let Some((idx, at)) = model.ready_at.iter().find(|(_, at)| **at <= now) {
                return Err(format!("source {idx} has something since {at:?}, and all wait"));
            }
        }
        Ok(())
    }

    fn check_leave(&self) -> Result<(), String> {
        match self.model().n_unanswered() {
            n if 0 < n && !self.stop.is_interrupted() => Err(format!("a thread ends before {n} parcels do")),
            _ => Ok(()),
        }
    }
}

impl Model {
    /// The source hands over a parcel; returns its number and that of its first message.
    pub(super) fn hand_over(&mut self, batch_sizes: &[usize], order: Order) -> (usize, usize) {
        let first = self.batch_of.len();
        for size in batch_sizes {
            let start = self.batch_of.len();
            self.batches.push(start..start + size);
            self.batch_of.extend(std::iter::repeat_n(self.batches.len() - 1, *size));
        }
        self.parcels.push(first..self.batch_of.len());
        self.answers.push(BTreeSet::new());
        self.orders.push(order);
        (self.parcels.len() - 1, first)
    }

    /// Messages that were read and whose parcel is not answered.
    pub(super) fn n_outstanding(&self) -> usize {
        self.parcels.iter().zip(&self.answers).map(|(ids, answers)| ids.len() - answers.len()).sum()
    }

    pub(super) fn n_parcels(&self) -> usize {
        self.parcels.len()
    }

    pub(super) fn n_unanswered(&self) -> usize {
        self.parcels.len() - self.n_answered
    }

    fn check_batches(&self, batches: &[Vec<usize>], divides: bool) -> Result<(), String> {
        let mut last = None;
        for ids in batches {
            let Some(first) = ids.first() else { continue };
            let batch = self.batch_of[*first];
            if ids.iter().any(|it| self.batch_of[*it] != batch) {
                return Err(format!("a batch holds messages of several: {ids:?}"));
            }
            if !ids.is_sorted() {
                return Err(format!("a batch is out of order: {ids:?}"));
            }
            if last.is_some_and(|last| batch < last || (batch == last && !divides)) {
                return Err(format!("batch {batch} comes twice or late in a part"));
            }
            last = Some(batch);
        }
        Ok(())
    }

    fn see(&mut self, ids: &[usize], plan: &Plan) -> Result<(), String> {
        let batch = self.batch_of[ids[0]];
        let is_replay = self.sights.contains_key(&ids[0]);
        if !is_replay && !plan.is_batched() && ids != self.batches[batch].clone().collect::<Vec<_>>() {
            return Err(format!("a batch was divided: {ids:?}"));
        }
        for it in ids {
            let n_before = *self.sights.get(it).unwrap_or(&0);
            if 0 < n_before && !plan.replays {
                return Err(format!("message {it} is replayed, which nobody asked for"));
            }
            for name in plan.results(*it) {
                let n_claims = self.claims.get(&name).map_or(0, |it| it.1);
                // Before a panic is caught, what it unwinds is answered.
                if n_claims != n_before && self.faults.is_empty() {
                    return Err(format!(
                        "message {it} comes for the {}th time, and `{name}` was answered {n_claims} times",
                        n_before + 1
                    ));
                }
            }
            if 0 < n_before && !plan.loses_origins() {
                let names = plan.results(*it);
                if names.iter().all(|it| self.claims[it].0 == Claim::Delivered) {
                    return Err(format!("message {it} is replayed although it arrived"));
                }
            }
            self.sights.insert(*it, n_before + 1);
        }
        Ok(())
    }

    fn answer(&mut self, parcel: usize, failures: &[Failure], sim: &Sim) -> Result<(), String> {
        let all: Vec<u32> = (0..self.parcels[parcel].len() as u32).collect();
        self.answer_some(parcel, &all, failures, sim)
    }

    fn answer_some(
        &mut self,
        parcel: usize,
        answered: &[u32],
        failures: &[Failure],
        sim: &Sim,
    ) -> Result<(), String> {
        let first = self.parcels[parcel].start;
        let ids: Vec<usize> = answered.iter().map(|it| first + *it as usize).collect();
        if !ids.is_sorted_by(|a, b| a < b) {
            return Err(format!("answers are not in order, or twice: {ids:?}"));
        }
        for id in &ids {
            if !self.answers[parcel].insert(*id) {
                return Err(format!("message {id} is answered twice"));
            }
        }
        self.n_answered += usize::from(self.answers[parcel].len() == self.parcels[parcel].len());
        let origins: Vec<u32> = failures.iter().map(|it| it.origin).collect();
        if !origins.is_sorted_by(|a, b| a < b) {
            return Err(format!("failures are not in order, or twice: {origins:?}"));
        }
        let given_back: BTreeSet<u32> =
            failures.iter().filter(|it| it.reason.is_unwanted()).map(|it| it.origin).collect();
        self.n_failed += origins.len() - given_back.len();
        let failed: BTreeSet<u32> = origins.into_iter().collect();
        for (origin, id) in answered.iter().zip(ids) {
            self.check_answer(id, failed.contains(origin), given_back.contains(origin), sim)?;
        }
        Ok(())
    }

    /// Whether the source knows of each message with a lease of which everything arrived.
    fn check_leases(&self, sim: &Sim) -> Result<(), String> {
        if sim.stop.is_interrupted() || !self.faults.is_empty() || sim.plan.loses_origins() {
            return Ok(());
        }
        for (parcel, ids) in self.parcels.iter().enumerate().filter(|(it, _)| self.leased.contains(it)) {
            for id in ids.clone().filter(|id| !self.answers[parcel].contains(id)) {
                let n_seen = self.sights.get(&id).copied().unwrap_or(u64::from(!sim.plan.replays));
                let names = sim.plan.results(id);
                // What was filtered before the output is told of with what it was handed over.
                let is_filtered = sim.plan.results_before_output(id).is_empty();
                let is_passed = || (id + 1..ids.end).any(|it| self.is_offered(it, sim));
                if is_filtered && sim.plan.keeps_order() && !sim.plan.is_batched() && is_passed() {
                    return Err(format!("message {id} was filtered, and nobody tells its source"));
                }
                let has_arrived = |it: &String| self.claims.get(it) == Some(&(Claim::Delivered, n_seen));
                if 0 < n_seen && !names.is_empty() && names.iter().all(has_arrived) {
                    return Err(format!("message {id} has arrived, and nobody tells its source"));
                }
            }
        }
        Ok(())
    }

    /// Whether the output said something of a message.
    fn is_offered(&self, id: usize, sim: &Sim) -> bool {
        sim.plan.results(id).iter().any(|it| self.claims.contains_key(it))
    }

    /// What has gone on from the first processor and neither came to the output, which has these, nor was answered.
    fn under_way(&self, plan: &Plan, in_hand: &BTreeSet<String>) -> Option<String> {
        let is_under_way = |name: &String, n_seen: u64| {
            self.claims.get(name).map_or(0, |it| it.1) < n_seen && !in_hand.contains(name)
        };
        let of =
            |(id, n_seen): (&usize, &u64)| plan.results(*id).into_iter().find(|it| is_under_way(it, *n_seen));
        self.sights.iter().find_map(of)
    }

    /// Whether everything that was read has arrived.
    pub(super) fn all_have_arrived(&self, plan: &Plan) -> bool {
        let has_arrived = |name: String| self.claims.get(&name).is_some_and(|it| it.0 == Claim::Delivered);
        (0..self.batch_of.len()).all(|id| plan.results(id).into_iter().all(has_arrived))
    }

    /// Whether a message, or one that was in a batch with it, was marked as failed.
    pub(super) fn has_marked_beside(&self, id: usize, plan: &Plan) -> bool {
        let is_beside = |other: &usize| plan.is_batched() || self.batch_of[*other] == self.batch_of[id];
        self.marked.iter().any(is_beside)
    }

    fn check_answer(
        &self,
        id: usize,
        has_failed: bool,
        is_given_back: bool,
        sim: &Sim,
    ) -> Result<(), String> {
        // It is in the buffer, and what becomes of it there is seen at the end.
        if !has_failed && sim.plan.buffer.is_some() {
            return Ok(());
        }
        let names = sim.plan.results(id);
        let claim = |name: &String| self.claims.get(name).map(|it| it.0);
        let has_arrived = names.iter().all(|it| claim(it) == Some(Claim::Delivered));
        if !has_failed {
            return match names.iter().find(|it| claim(it) != Some(Claim::Delivered)) {
                Some(name) => Err(format!("message {id} is answered as delivered, and `{name}` is not")),
                None => Ok(()),
            };
        }
        // Before a panic is caught, what it unwinds is answered.
        let was_given_up = sim.stop.is_interrupted() || !self.faults.is_empty();
        if is_given_back && !(self.drain_asked && sim.plan.takes_back()) {
            return Err(format!("message {id} is given back, which nobody has asked for"));
        }
        let has_failed_at_output = names.iter().any(|it| claim(it) == Some(Claim::Failed));
        let was_offered = names.iter().any(|it| claim(it).is_some());
        let may_be_offered = !sim.stop.is_cut()
            && sim.plan.chain.is_none()
            && self.output_is_up
            && self.faults.is_empty()
            && sim.plan.under_output.is_empty();
        let was_turned_away = sim.plan.is_strict && self.has_marked_beside(id, &sim.plan);
        let has_to_be_offered = !was_turned_away && !sim.plan.loses_origins();
        if self.finished.contains(&id) && may_be_offered && !was_offered && has_to_be_offered {
            return Err(format!("message {id} is finished, and answered as failed without being written"));
        }
        if sim.plan.replays && !was_given_up && !is_given_back {
            return Err(format!("message {id} is answered as failed and not replayed"));
        }
        let may_fail = was_given_up
            || is_given_back
            || has_failed_at_output
            || was_turned_away
            || sim.plan.loses_origins();
        if !may_fail {
            return Err(format!("message {id} is answered as failed, and it did not fail"));
        }
        // At a cut nobody waits to hear which of a delivery's batches arrived, or what another stream has made of them.
        let comes_in_pieces =
            sim.plan.output.remote.is_some() || !sim.plan.under_output.is_empty() || sim.plan.chain.is_some();
        let may_be_unknown = sim.stop.is_cut() && comes_in_pieces;
        if has_arrived && !names.is_empty() && !sim.plan.loses_origins() && !may_be_unknown {
            return Err(format!("message {id} is answered as failed, and it arrived"));
        }
        Ok(())
    }
}

/// A run of messages in which each new one must come behind those before with which it keeps its order.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    seen: BTreeSet<usize>,
    /// The last one of each order.
    last: Vec<(Order, usize)>,
}

impl Sequence {
    pub(super) fn has_seen(&self, message: &Message) -> bool {
        self.seen.contains(&id(message))
    }

    pub(super) fn check(
        &mut self,
        part: &Part,
        where_: &str,
        order_of: impl Fn(usize) -> Option<Order>,
    ) -> Result<(), String> {
        for it in part.messages().iter().map(id) {
            if !self.seen.insert(it) {
                continue;
            }
            let Some(order) = order_of(it) else { continue };
            match self.last.iter_mut().find(|(of, _)| *of == order) {
                Some((_, last)) if it < *last => {
                    return Err(format!("{where_} gets message {it} behind {last}"));
                }
                Some((_, last)) => *last = it,
                None => self.last.push((order, it)),
            }
        }
        Ok(())
    }
}

pub(super) fn has_no_origin(message: &Message) -> bool {
    message.origin() == ORIGIN_NONE
}
