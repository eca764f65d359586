//! The output of a simulated stream, which answers within the write or has somebody at its other end who answers later.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use wappa_component::{ConnectError, Delivery, Output, OutputBell, Part, Step, WriteError};
use wappa_message::{Mark, Message};

use super::{
    model::{Claim, Sequence, Sim, has_no_origin, id, name},
    plan::RemotePlan,
    random::{mix, mix_text},
};
use crate::world::{Monitor, Scheduler};

const OUTPUT: &str = "root.output";

/// A connection is lost no more often than this.
const BREAKS_MAX: u64 = 12;

pub(super) struct Sink {
    sim: Arc<Sim>,
    remote: Option<Arc<Remote>>,
    n_connects: u64,
    n_calls: u64,
    n_breaks: u64,
    is_connected: bool,
    is_busy: AtomicBool,
    sequence: Sequence,
    /// When what is collected is sent.
    due: Option<Duration>,
}

impl Sink {
    pub(super) fn new(sim: Arc<Sim>, remote: Option<Arc<Remote>>) -> Sink {
        Sink {
            sim,
            remote,
            n_connects: 0,
            n_calls: 0,
            n_breaks: 0,
            is_connected: false,
            is_busy: AtomicBool::new(false),
            sequence: Sequence::default(),
            due: None,
        }
    }

    fn check(&mut self, part: &Part) {
        let sim = Arc::clone(&self.sim);
        sim.check_batches(part);
        let is_news = |it: &Message| !self.sequence.has_seen(it) && !sim.model().lost.contains(&name(it));
        let has_news = part.messages().iter().any(is_news);
        if sim.plan.keeps_order() {
            sim.check(self.sequence.check(part, OUTPUT, |it| sim.order_of(it)));
            let mut model = sim.model();
            if has_news && !model.lost.is_empty() {
                let lost = model.lost.clone();
                drop(model);
                sim.token.fail(&format!("something new is written before what was lost: {lost:?}"));
            } else {
                part.messages().iter().for_each(|it| _ = model.lost.remove(&name(it)));
            }
        }
        if sim.model().was_closed {
            sim.token.fail("the output is written to although nobody reads it");
        }
        if sim.model().faults.iter().any(|it| it == OUTPUT) {
            sim.token.fail("the output is written to although it panicked");
        }
        if !self.is_connected {
            sim.token.fail("the output is written to without a connection");
        }
        if sim.plan.is_strict && part.messages().iter().any(|it| it.error().is_some()) {
            sim.token.fail("the output is given a message that has failed");
        }
        if sim.plan.is_strict && !sim.plan.divides() && !sim.plan.is_batched() {
            let model = sim.model();
            let beside = part.messages().iter().map(id).find(|it| model.has_marked_beside(*it, &sim.plan));
            drop(model);
            if let Some(id) = beside {
                sim.token
                    .fail(&format!("the output is given message {id}, and another of its batch has failed"));
            }
        }
        if part.n_messages() == 0 {
            sim.token.fail("the output gets nothing to write");
        }
    }

    fn loses_connection(&mut self, one_in: u64) -> bool {
        // One that is lost before everything in flight was answered, again and again, never gets anywhere.
        let is_lost = self.n_breaks < BREAKS_MAX
            && 0 < one_in
            && mix(&[self.sim.plan.output.salt, 3, self.n_calls]).is_multiple_of(one_in);
        if is_lost {
            self.n_breaks += 1;
            self.is_connected = false;
            self.n_connects = 0;
        }
        is_lost
    }
}

impl Output for Sink {
    fn connect(&mut self) -> Result<(), ConnectError> {
        self.sim.token.pass();
        if self.is_connected {
            self.sim.token.fail("the output is connected while it is");
        }
        if let Some(remote) = &self.remote {
            remote.reset();
        }
        self.n_connects += 1;
        if self.sim.plan.output.connect_is_fatal {
            self.sim.fault(OUTPUT, "cannot be connected");
            return Err(ConnectError::Fatal("no such place".to_string()));
        }
        if self.n_connects <= self.sim.plan.output.failing_connects {
            return Err(ConnectError::BackOff("nobody there".to_string()));
        }
        self.is_connected = true;
        self.sim.model().output_is_up = true;
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.remote.as_ref().is_none_or(|it| it.has_room())
    }

    fn write(&mut self, delivery: Delivery, step: &mut Step<'_>) {
        self.n_calls += 1;
        let sim = Arc::clone(&self.sim);
        let plan = &sim.plan.output;
        sim.token.note(|| {
            let names: Vec<String> = delivery.messages().iter().map(name).collect();
            format!("{OUTPUT}: {}", names.join(" "))
        });
        if self.is_busy.swap(true, Ordering::SeqCst) {
            sim.token.fail("two writes at once");
        }
        if let Some(remote) = &self.remote
            && remote.is_broken()
        {
            // Nobody has noticed yet.
            self.is_connected = false;
            self.is_busy.store(false, Ordering::SeqCst);
            return sim.lose(delivery);
        }
        self.check(delivery.part());
        if self.remote.is_none() {
            let first =
                delivery.messages().first().map_or(0, |it| if has_no_origin(it) { 0 } else { id(it) });
            let ms = mix(&[plan.salt, first as u64]) % (plan.ms_max + 1);
            let _ = step.sleep(Duration::from_millis(ms));
        }
        sim.token.pass();
        self.is_busy.store(false, Ordering::SeqCst);
        if plan.panics_in_call == Some(self.n_calls) {
            sim.claim_all(&delivery, Claim::Failed);
            sim.panic(OUTPUT);
        }
        if plan.closed_in_call == Some(self.n_calls) {
            sim.claim_all(&delivery, Claim::Failed);
            sim.model().was_closed = true;
            return delivery.answer(Err(WriteError::Closed));
        }
        if self.loses_connection(plan.not_connected_once_in) {
            if let Some(remote) = &self.remote {
                remote.break_off();
            }
            return sim.lose(delivery);
        }
        let Some(remote) = self.remote.clone() else { return sim.answer(delivery) };
        if let Some((_, Some(period_ms))) = remote.plan.collects
            && self.due.is_none()
        {
            self.due = Some(sim.token.now() + Duration::from_millis(period_ms));
        }
        if remote.take(delivery) {
            self.due = None;
        }
        if self.loses_connection(remote.plan.breaks_once_in) {
            remote.break_off();
        }
    }

    fn resume(&mut self, _: &mut Step<'_>) {
        if self.due.is_some_and(|due| due <= self.sim.token.now())
            && let Some(remote) = &self.remote
        {
            self.due = None;
            remote.send();
        }
    }

    fn due(&self) -> Option<Duration> {
        self.due
    }

    fn flush(&mut self, _: &mut Step<'_>) {
        self.due = None;
        if let Some(remote) = &self.remote {
            self.sim.check(self.sim.check_flush(&remote.names()));
            remote.send();
        }
    }

    fn close(&mut self) -> Result<(), String> {
        if self.sim.plan.output.panics_in_close {
            self.sim.panic(OUTPUT);
        }
        Ok(())
    }
}

impl Sim {
    fn fails(&self, message: &Message) -> bool {
        let plan = &self.plan.output;
        let name = name(message);
        let of = |salt: u64, one_in: u64| {
            0 < one_in && mix_text(mix(&[plan.salt, salt]), &name).is_multiple_of(one_in)
        };
        let n_fails = 1 + mix_text(plan.salt, &name) % 4;
        of(1, plan.poison_one_in) || (of(2, plan.fails_one_in) && self.n_claims(&name) < n_fails)
    }

    fn claim_all(&self, delivery: &Delivery, claim: Claim) {
        delivery.messages().iter().for_each(|it| self.claim(it, claim));
    }

    fn lose(&self, delivery: Delivery) {
        self.token.note(|| format!("{OUTPUT}: loses {:?}", delivery.messages().first().map(name)));
        let mut model = self.model();
        model.output_is_up = false;
        model.lost.extend(delivery.messages().iter().map(name));
        drop(model);
        delivery.answer(Err(WriteError::NotConnected));
    }

    /// Answers as the plan says.
    fn answer(&self, delivery: Delivery) {
        let plan = &self.plan.output;
        let fails: Vec<bool> = delivery.messages().iter().map(|it| self.fails(it)).collect();
        if !fails.contains(&true) {
            self.claim_all(&delivery, Claim::Delivered);
            return delivery.answer(Ok(()));
        }
        let reason = Mark::new("the disk is full");
        if !plan.names_failures {
            self.claim_all(&delivery, Claim::Failed);
            return delivery.answer(Err(WriteError::Failed(reason)));
        }
        let mut failures = Vec::new();
        for (idx, message) in delivery.messages().iter().enumerate() {
            self.claim(message, if fails[idx] { Claim::Failed } else { Claim::Delivered });
            if fails[idx] {
                failures.push((idx, reason.clone()));
            }
        }
        let error = if plan.rejects { WriteError::Rejected } else { WriteError::Partial };
        delivery.answer(Err(error(failures)));
    }
}

/// What is at the other end: it holds deliveries, and answers when their time has come, in any order.
pub(super) struct Remote {
    sim: Arc<Sim>,
    bell: OutputBell,
    pub(super) plan: RemotePlan,
    state: Monitor<State>,
}

#[derive(Default)]
struct State {
    /// What is not sent yet.
    collected: Vec<Delivery>,
    held: Vec<Held>,
    n_taken: u64,
    is_broken: bool,
}

struct Held {
    delivery: Delivery,
    number: u64,
    /// When it is answered; never, if there is no such time.
    at: Option<Duration>,
}

impl Remote {
    pub(super) fn new(sim: Arc<Sim>) -> Remote {
        let plan = sim.plan.output.remote.clone().expect("whoever makes it has looked");
        let bell = sim.last.output_bell.bell();
        Remote { state: Monitor::new(&sim.last.world, State::default()), bell, plan, sim }
    }

    fn has_room(&self) -> bool {
        let state = self.state.lock();
        state.held.len() < self.plan.max_in_flight
    }

    fn is_broken(&self) -> bool {
        self.state.lock().is_broken
    }

    /// The output is connected.
    fn reset(&self) {
        let mut state = self.state.lock();
        state.is_broken = false;
        if !state.held.is_empty() || !state.collected.is_empty() {
            drop(state);
            self.sim.token.fail("the output is connected before all that it had is answered");
        }
    }

    /// Takes a delivery. Whether it was sent, with all that was collected.
    fn take(&self, delivery: Delivery) -> bool {
        let mut state = self.state.lock();
        state.collected.push(delivery);
        let n_messages: usize = state.collected.iter().map(|it| it.part().n_messages()).sum();
        let is_complete = self.plan.collects.is_none_or(|(count, _)| count <= n_messages);
        drop(state);
        if is_complete {
            self.send();
        }
        is_complete
    }

    /// What it has.
    fn names(&self) -> BTreeSet<String> {
        let state = self.state.lock();
        let all = state.collected.iter().chain(state.held.iter().map(|it| &it.delivery));
        all.flat_map(|it| it.messages().iter().map(name)).collect()
    }

    /// Sends what is collected.
    fn send(&self) {
        let mut state = self.state.lock();
        let now = self.sim.token.now();
        for mut delivery in std::mem::take(&mut state.collected) {
            loop {
                let rest =
                    (self.plan.divides && 1 < delivery.part().n_batches()).then(|| delivery.split_off(1));
                state.n_taken += 1;
                let number = state.n_taken;
                let random = mix(&[self.sim.plan.output.salt, 7, number]);
                let is_mute = 0 < self.plan.mute_one_in && random.is_multiple_of(self.plan.mute_one_in);
                let at = now + Duration::from_millis((random >> 8) % (self.plan.ms_max + 1));
                let count = if is_mute { &self.sim.n_mute } else { &self.sim.n_held };
                count.fetch_add(1, Ordering::SeqCst);
                state.held.push(Held { delivery, number, at: Some(at).filter(|_| !is_mute) });
                match rest {
                    Some(rest) => delivery = rest,
                    None => break,
                }
            }
        }
        drop(state);
        self.state.notify_all();
    }

    /// The connection breaks: nothing of what is in flight arrived.
    fn break_off(&self) {
        let mut state = self.state.lock();
        state.is_broken = true;
        let now = self.sim.token.now();
        let collected = std::mem::take(&mut state.collected);
        for delivery in collected {
            self.sim.n_held.fetch_add(1, Ordering::SeqCst);
            state.held.push(Held { delivery, number: 0, at: Some(now) });
        }
        for held in &mut state.held {
            if held.at.is_none() {
                self.sim.n_mute.fetch_sub(1, Ordering::SeqCst);
                self.sim.n_held.fetch_add(1, Ordering::SeqCst);
            }
            held.at = Some(now);
        }
        drop(state);
        self.state.notify_all();
    }

    /// Answers until the stream is over.
    pub(super) fn run(&self) {
        self.sim.token.enter(self.sim.plan.n_threads().iter().sum());
        let mut n_answers = 0;
        loop {
            let mut state = self.state.lock();
            if self.sim.token.pipeline_is_gone() {
                let sim = &self.sim;
                let n_unanswered = sim.model().n_unanswered();
                // What is held in front of the pipeline is answered when the input is closed.
                let is_held =
                    sim.plan.is_batched() || !sim.plan.under_input.is_empty() || sim.plan.chain.is_some();
                let is_sound = sim.model().faults.is_empty() && !sim.plan.replays && !is_held;
                if is_sound && sim.stop.is_cut() && 0 < n_unanswered {
                    drop(state);
                    sim.token.fail(&format!("at a cut {n_unanswered} parcels are not answered"));
                    return;
                }
                // Nobody waits for an answer, and what it says must not matter.
                let held = std::mem::take(&mut state.held);
                let collected = std::mem::take(&mut state.collected);
                drop(state);
                held.into_iter()
                    .for_each(|it| it.delivery.answer(Err(WriteError::Failed(Mark::new("late")))));
                drop(collected);
                break;
            }
            let now = self.sim.token.now();
            let is_due = |it: &Held| it.at.is_some_and(|at| at <= now);
            let due: Vec<usize> = (0..state.held.len()).filter(|idx| is_due(&state.held[*idx])).collect();
            if due.is_empty() {
                let until = state.held.iter().filter_map(|it| it.at).min();
                drop(self.state.wait(state, until));
                continue;
            }
            n_answers += 1;
            let random = mix(&[self.sim.plan.output.salt, 11, n_answers]) as usize;
            let was_full = self.plan.max_in_flight <= state.held.len();
            let Held { delivery, number, .. } = state.held.swap_remove(due[random % due.len()]);
            self.sim.n_held.fetch_sub(1, Ordering::SeqCst);
            let is_broken = state.is_broken;
            drop(state);
            self.sim.token.note(|| format!("{OUTPUT}: answers no. {number}"));
            // Some answers were on their way when the connection broke.
            match is_broken && !(random >> 8).is_multiple_of(3) {
                true => self.sim.lose(delivery),
                false => self.sim.answer(delivery),
            }
            // Where a whole delivery is answered the engine looks by itself.
            if was_full && (self.plan.divides || !self.sim.plan.under_output.is_empty()) {
                self.bell.ring();
            }
        }
        self.sim.token.leave();
    }
}
