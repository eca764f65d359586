//! The input and the processors of a simulated stream, with the faults that its plan names.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use wappa_component::{
    Ack, Batches, BuildError, BuildInput, Component, ConnectError, Context, Failure, Group, Input, InputBell,
    Order, Parcel, Part, Processor, ReadError, Slices, Step, Taps, Waits, as_singles, in_chunks,
    run_children,
};
use wappa_message::{Mark, Message};
use wappa_spec::Config;

use super::{
    model::{Sequence, Sim, id, name},
    plan::{Gives, OrderPlan, ProcessorKind, ProcessorPlan, Reading, RemotePlan},
    random::{mix, mix_text},
};
use crate::{
    observe::ObservedProcessor,
    strict::{Strictness, Unfailed},
    world::Scheduler,
};

/// The input `source`, for the config of a plan's input: which of its inputs it is.
pub(super) const SOURCE: Component = Component::input::<SourceConfig>("source");

/// Gives what the plan says.
#[derive(Config)]
struct SourceConfig(String);

impl BuildInput for SourceConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        let sim = ctx.services().get::<Sim>().expect("a simulation has one");
        Ok(Box::new(Source::new(sim, self.0.parse().expect("it is a number"), ctx.input_bell())))
    }
}

struct Source {
    sim: Arc<Sim>,
    idx: usize,
    next: usize,
    n_connects: u64,
    is_connected: bool,
    /// When the attempt to connect is through.
    connects_at: Option<Duration>,
    /// When the next reading is there.
    ready_at: Option<Duration>,
    /// After a fault it is to be left alone until then.
    not_before: Duration,
    is_stopped: bool,
    has_ended: bool,
    groups: Vec<Group>,
    bell: InputBell,
}

impl Source {
    fn new(sim: Arc<Sim>, idx: usize, bell: InputBell) -> Source {
        let n_groups = match sim.plan.inputs[idx].order {
            OrderPlan::Groups(n) => n,
            OrderPlan::Stream | OrderPlan::None => 0,
        };
        Source {
            sim,
            groups: (0..n_groups).map(|_| Group::new()).collect(),
            idx,
            bell,
            next: 0,
            n_connects: 0,
            is_connected: false,
            connects_at: None,
            ready_at: None,
            not_before: Duration::ZERO,
            is_stopped: false,
            has_ended: false,
        }
    }

    fn parcel(&self, sizes: &[usize], are_singles: bool, are_slices: bool) -> Parcel {
        let order = self.order();
        self.parcel_of(sizes, are_singles, are_slices, order).with_order(order)
    }

    fn parcel_of(&self, sizes: &[usize], are_singles: bool, are_slices: bool, order: Order) -> Parcel {
        let (parcel, first) = self.sim.model().hand_over(sizes, order);
        let n: usize = sizes.iter().sum();
        let idx = self.idx;
        if self.sim.plan.inputs[idx].has_leases {
            self.sim.model().leased.insert(parcel);
        }
        self.sim.token.note(|| format!("source {idx}: parcel {parcel} of {n} messages from {first}"));
        let sim = Arc::clone(&self.sim);
        let ack = match self.sim.plan.inputs[idx].has_leases {
            true => Ack::leased(n as u32, move |origins: &[u32], failures: Vec<Failure>| {
                sim.answered_some(parcel, origins, &failures);
            }),
            false => Ack::new(n as u32, move |failures: Vec<Failure>| sim.answered(parcel, &failures)),
        };
        let names = (first..first + n).map(|it| it.to_string());
        if are_slices {
            let mut buffer = Vec::new();
            let ranges = names.map(|name| {
                let start = buffer.len() as u32;
                buffer.extend(name.as_bytes());
                (start, buffer.len() as u32)
            });
            let ranges = ranges.collect();
            return Parcel::of_slices(
                Slices { buffer: Bytes::from(buffer), ranges, ..Slices::default() },
                ack,
            );
        }
        let batches = match are_singles {
            true => Batches::Singles,
            false => Batches::Ends(
                sizes
                    .iter()
                    .scan(0, |end, size| {
                        *end += *size as u32;
                        Some(*end)
                    })
                    .collect(),
            ),
        };
        Parcel::of_messages(names.map(Message::new).collect(), batches, ack)
    }

    /// With what the next parcel keeps its order.
    fn order(&self) -> Order {
        match self.sim.plan.inputs[self.idx].order {
            OrderPlan::Stream => Order::Stream,
            OrderPlan::Groups(_) => {
                let row = mix(&[self.sim.plan.output.salt, self.next as u64]) as usize % self.groups.len();
                Order::Group(self.groups[row])
            }
            OrderPlan::None => Order::None,
        }
    }

    fn give(&mut self, gives: &Gives) -> Result<Parcel, ReadError> {
        let sim = Arc::clone(&self.sim);
        match gives {
            Gives::Batches(sizes) => Ok(self.parcel(sizes, false, false)),
            Gives::Singles { n, are_slices } => Ok(self.parcel(&vec![1; *n], true, *are_slices)),
            Gives::Nothing => Ok(Parcel::of_messages(Vec::new(), Batches::Singles, Ack::new(0, |_| ()))),
            Gives::NotConnected => {
                self.is_connected = false;
                self.n_connects = 0;
                Err(ReadError::NotConnected)
            }
            Gives::SourceFailed => {
                sim.model().n_failed_sources += 1;
                Err(ReadError::SourceFailed("the source is torn".to_string()))
            }
            Gives::BackOff => {
                self.back_off();
                Err(ReadError::BackOff("a passing cloud".to_string()))
            }
            Gives::Panic => sim.panic(&sim.plan.path_of(self.idx)),
            Gives::FatalConnect => {
                self.is_connected = false;
                self.n_connects = u64::MAX;
                Err(ReadError::NotConnected)
            }
        }
    }

    fn end(&mut self) -> Result<Parcel, ReadError> {
        self.sim.token.note(|| "source: ends".to_string());
        self.has_ended = true;
        Err(ReadError::EndOfInput)
    }

    fn back_off(&mut self) {
        self.not_before = self.sim.token.now() + Duration::from_millis(100);
    }

    fn check_patience(&self) {
        // One that is stopped is asked whether it has ended.
        let is_wanted = !self.is_stopped && !self.sim.stop.is_draining();
        if self.sim.token.now() < self.not_before && is_wanted {
            self.sim.token.fail("the input is asked again before its back-off is over");
        }
    }

    /// How many deliveries the output may have.
    fn in_flight_max(&self) -> usize {
        let plan = &self.sim.plan;
        // No message is empty.
        let by_bytes = plan.window.bytes_max.saturating_add(plan.threads);
        match &plan.output.remote {
            // The second stream has what the pipe and its own window hold.
            _ if plan.chain.is_some() => by_bytes,
            None => 0,
            Some(RemotePlan { collects: None, max_in_flight, .. }) => by_bytes.min(max_in_flight + 1),
            Some(_) => by_bytes,
        }
    }

    /// What is in flight stays within the bounds of window and replay queue.
    fn check_bounds(&self) -> Result<(), String> {
        let plan = &self.sim.plan;
        let size_of = |reading: &Reading| match &reading.gives {
            Gives::Batches(sizes) => sizes.iter().sum(),
            Gives::Singles { n, .. } => *n,
            _ => 0,
        };
        let size_max = plan.inputs.iter().flat_map(|it| &it.reads).map(size_of).max().unwrap_or(0);
        let size_max = size_max.max(plan.batching.map_or(0, |(count, _)| count as usize));
        let n_parcels = plan.window.parts_max.saturating_add(3 * plan.threads).saturating_add(2);
        let n_parcels = n_parcels.saturating_add(self.in_flight_max());
        let bound = n_parcels.saturating_mul(size_max);
        // Of a parcel of which one message waits to be replayed nothing is answered yet.
        let of_replays = if plan.replays {
            plan.replay_bound.messages_max.saturating_mul(size_max * plan.inputs.len())
        } else {
            0
        };
        if let Some(buffer) = &plan.buffer
            && plan.under_input.is_empty()
        {
            // Each message counts for more than 64 bytes. What was read is on its way into the buffer, which had room.
            let bound = buffer.limit as usize / 64 + 2 * size_max;
            let n_held = self.sim.setting.tally.undelivered() as usize;
            return match n_held <= bound {
                true => Ok(()),
                false => Err(format!("{n_held} messages are in the buffer and behind it")),
            };
        }
        let n_outstanding = self.sim.model().n_outstanding();
        match n_outstanding <= bound.saturating_add(of_replays) {
            true => Ok(()),
            false => Err(format!("{n_outstanding} messages are in flight")),
        }
    }
}

impl Input for Source {
    fn connect(&mut self, waits: &mut Waits) -> Result<(), ConnectError> {
        self.sim.token.pass();
        self.check_patience();
        let plan = self.sim.plan.inputs[self.idx].clone();
        if self.n_connects == u64::MAX {
            self.sim.fault(&self.sim.plan.path_of(self.idx), "cannot be connected");
            return Err(ConnectError::Fatal("no such place".to_string()));
        }
        let now = self.sim.token.now();
        let until = *self.connects_at.get_or_insert(now + Duration::from_millis(plan.connect_ms));
        if now < until {
            waits.until(until);
            return Err(ConnectError::NotReady);
        }
        self.connects_at = None;
        self.n_connects += 1;
        if self.n_connects <= plan.failing_connects {
            self.back_off();
            return Err(ConnectError::BackOff("nobody there".to_string()));
        }
        self.is_connected = true;
        Ok(())
    }

    fn read(&mut self, waits: &mut Waits, step: &mut Step<'_>) -> Result<Parcel, ReadError> {
        self.sim.token.pass();
        self.check_patience();
        let mut wrong = Ok(());
        if !self.is_connected {
            wrong = Err("the input is read without a connection".to_string());
        }
        if self.has_ended {
            wrong = Err("the input is read after its end".to_string());
        }
        self.sim.check(wrong.and_then(|()| self.check_bounds()));
        let sim = Arc::clone(&self.sim);
        let plan = &sim.plan.inputs[self.idx];
        sim.model().ready_at.remove(&self.idx);
        if self.is_stopped {
            self.next = plan.reads.len().max(self.next);
            if plan.flushes && sim.model().n_parcels() % 2 == 1 {
                return Ok(self.parcel(&[2], false, false));
            }
            return self.end();
        }
        let Some(reading) = plan.reads.get(self.next) else {
            sim.model().exhausted.insert(self.idx);
            if plan.ends {
                return self.end();
            }
            return Err(ReadError::NotReady);
        };
        let is_new = self.ready_at.is_none();
        let ready_at = *self.ready_at.get_or_insert(step.now() + Duration::from_millis(reading.wait_ms));
        if step.now() < ready_at {
            match plan.is_fed {
                true if is_new => sim.outside.ring_at(ready_at, self.bell.clone()),
                // The bell is rung.
                true => (),
                false => waits.until(ready_at),
            }
            sim.model().ready_at.insert(self.idx, ready_at);
            return Err(ReadError::NotReady);
        }
        self.ready_at = None;
        self.next += 1;
        self.give(&reading.gives)
    }

    fn stop(&mut self) {
        self.sim.model().ready_at.remove(&self.idx);
        self.sim.token.note(|| "source: stop".to_string());
        self.is_stopped = true;
    }

    fn takes_back(&self) -> bool {
        self.sim.plan.inputs[self.idx].takes_back
    }

    fn auto_replay_nacks(&self) -> bool {
        self.sim.plan.replays
    }
}

/// A processor of the plan.
pub(super) struct Worker {
    sim: Arc<Sim>,
    plan: ProcessorPlan,
    place: Place,
    children: Vec<Box<dyn Processor>>,
    busy: Vec<AtomicBool>,
    n_calls: AtomicU64,
    sequence: Mutex<Sequence>,
}

/// Where a processor is, for what it may expect.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    /// It sees every message, in whole batches, before any other.
    First,
    /// Under an input or output: it sees the messages in order.
    InTurn,
    Pipeline,
    /// Within a composite, which shows it other batches.
    Within,
}

/// A call into a lane.
struct Busy<'a>(&'a AtomicBool);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Worker {
    pub(super) fn observed(sim: &Arc<Sim>, plan: &ProcessorPlan, place: Place) -> Box<dyn Processor> {
        let children = match &plan.kind {
            ProcessorKind::Composite { children, .. } => children.as_slice(),
            _ => &[],
        };
        let children = children.iter().map(|it| Worker::observed(sim, it, Place::Within)).collect();
        let worker = Worker {
            sim: Arc::clone(sim),
            plan: plan.clone(),
            place,
            children,
            busy: (0..sim.plan.threads + 3).map(|_| AtomicBool::new(false)).collect(),
            n_calls: AtomicU64::new(0),
            sequence: Mutex::default(),
        };
        let worker = ObservedProcessor::new(
            Box::new(worker),
            sim.observed(&plan.path),
            Taps::default().point(&plan.path, ""),
            None,
        );
        match sim.plan.is_strict {
            true => Box::new(Unfailed { inner: Box::new(worker), strictness: Strictness::always() }),
            false => Box::new(worker),
        }
    }

    /// Returns the messages of each batch.
    fn check(&self, part: &Part) -> Vec<Vec<usize>> {
        if self.sim.plan.is_strict && part.messages().iter().any(|it| it.error().is_some()) {
            self.sim.token.fail(&format!("{} gets a message that has failed", self.plan.path));
        }
        if self.place == Place::Within {
            return Vec::new();
        }
        let batches = self.sim.check_batches(part);
        if self.place == Place::InTurn || self.plan.path.starts_with("root.input") {
            let mut sequence = self.sequence.lock().unwrap_or_else(PoisonError::into_inner);
            // Under an input all come as they are read.
            let is_read = self.plan.path.starts_with("root.input");
            let result = sequence.check(part, &self.plan.path, |it| match is_read {
                true => Some(Order::Stream),
                false => self.sim.order_of(it),
            });
            drop(sequence);
            self.sim.check(result);
        }
        batches
    }

    fn slow(&self, part: &Part, step: &Step<'_>, ms_max: u64, obeys: bool) -> usize {
        for idx in 0..part.n_batches() {
            if let Some(first) = part.messages()[part.batch(idx)].first() {
                let ms = mix_text(self.plan.salt, &name(first)) % (ms_max + 1);
                if !step.sleep(Duration::from_millis(ms)) {
                    return idx;
                }
            }
            if obeys && step.is_due() {
                return idx + 1;
            }
        }
        part.n_batches()
    }

    fn ask(&self, part: &Part, step: &Step<'_>, ms_max: u64) -> usize {
        for idx in 0..part.n_batches() {
            let ask = |it: &Message| self.sim.outside.ask(mix_text(self.plan.salt, &name(it)) % (ms_max + 1));
            let asked: Vec<_> = part.messages()[part.batch(idx)].iter().map(ask).collect();
            for answered in asked {
                if step.wait(answered).is_none() {
                    return idx;
                }
            }
            // What is finished goes on first.
            if step.is_due() {
                return idx + 1;
            }
        }
        part.n_batches()
    }

    fn filter(&self, part: &mut Part, one_in: u64) {
        part.replace_each(|message, out| {
            if !self.plan.hits(one_in, &name(&message)) {
                out.push(message);
            }
        });
    }

    fn copy(&self, part: &mut Part, one_in: u64, keeps_origin: bool) {
        part.replace_each(|message, out| {
            let is_hit = self.plan.hits(one_in, &name(&message));
            let copy = message.clone();
            out.push(message);
            if is_hit {
                let text = format!("{}.{}", name(&copy), self.plan.salt % 1000);
                let mut new = Message::new(text);
                if keeps_origin {
                    new.set_origin(copy.origin());
                }
                out.push(new);
            }
        });
    }

    fn mark(&self, part: &mut Part, step: &mut Step<'_>, one_in: u64, ms: u64) -> usize {
        for idx in 0..part.n_batches() {
            for at in part.batch(idx) {
                if self.plan.hits(one_in, &name(&part.messages()[at])) {
                    // A guest that loops is interrupted when its time is over, or when the stream is given up.
                    if !step.sleep(Duration::from_millis(ms)) {
                        return idx;
                    }
                    let message = &mut part.messages_mut()[at];
                    self.sim.model().marked.insert(id(message));
                    step.mark(message, Mark::new("wasm trap: unreachable"));
                }
            }
        }
        part.n_batches()
    }

    fn composite(&self, part: &mut Part, step: &mut Step<'_>, all: bool) -> usize {
        in_chunks(part, step, |part, step| {
            as_singles(
                part,
                step,
                |message| self.plan.selects(all, &name(message)),
                |view, step| run_children(&self.children, view, step),
            )
        })
    }
}

impl Processor for Worker {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        let lane = &self.busy[step.lane()];
        if lane.swap(true, Ordering::SeqCst) {
            self.sim.token.fail(&format!("two calls are in lane {} of {}", step.lane(), self.plan.path));
        }
        let _busy = Busy(lane);
        self.sim.token.pass();
        let n_calls = self.n_calls.fetch_add(1, Ordering::SeqCst) + 1;
        let n_batches = part.n_batches();
        self.sim.token.note(|| {
            let first = part.messages().first().map(name);
            format!("{}: {n_batches} batches from {first:?}", self.plan.path)
        });
        let batches = self.check(part);
        if self.plan.panics_in_call == Some(n_calls) {
            self.sim.panic(&self.plan.path);
        }
        let done = match &self.plan.kind {
            ProcessorKind::Pass => n_batches,
            ProcessorKind::Slow { ms_max, obeys } => self.slow(part, step, *ms_max, *obeys),
            ProcessorKind::Asks { ms_max } => self.ask(part, step, *ms_max),
            ProcessorKind::Early if n_batches == 0 => 0,
            ProcessorKind::Early => 1 + (mix(&[self.plan.salt, n_calls]) % n_batches as u64) as usize,
            ProcessorKind::Filter { one_in } => {
                self.filter(part, *one_in);
                n_batches
            }
            ProcessorKind::Copy { one_in, keeps_origin } => {
                self.copy(part, *one_in, *keeps_origin);
                n_batches
            }
            ProcessorKind::Mark { one_in } => self.mark(part, step, *one_in, 0),
            ProcessorKind::Split { size } => {
                part.divide(|messages, ends| {
                    ends.extend((*size..messages.len()).step_by(*size).map(|it| it as u32))
                });
                n_batches
            }
            ProcessorKind::Guest { one_in } => self.mark(part, step, *one_in, 5),
            ProcessorKind::Composite { selects_all, .. } => self.composite(part, step, *selects_all),
        };
        if self.place == Place::First {
            self.sim.saw(&batches[..done]);
        }
        if self.sim.plan.pipeline.last().is_some_and(|it| it.path == self.plan.path) {
            self.sim.finished(&batches[..done]);
        }
        self.sim.token.pass();
        done
    }
}
