//! One part's time on one instance: messages in, outcomes and marks out.

use std::time::{Duration, Instant};

use wappa_component::{Batches, Level, Part, Step, tracer::unix_ns};
use wappa_message::{Mark, Message};

use super::{
    Wasm,
    calls::{CallSpans, Traced},
    counted::Recycled,
    lanes::{Alive, Borrowed, Exchanged},
    recycle::{Advice, Spare},
};
use crate::{
    engine::CallContext, host::error::CallError, host::error::Kind, host::log::Author, host::run::Outcome,
    host::run::Run,
};

/// After an instance could not be made the next attempt waits, longer each time.
const INSTANCE_BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Says that state was lost at most once in this time.
const STATE_LOST_INTERVAL: Duration = Duration::from_secs(10);

const PRESENT: &str = "it was just made";

/// A seat for the time of one part.
pub(super) struct Seat<'a> {
    pub(super) wasm: &'a Wasm,
    pub(super) borrowed: Borrowed<'a>,
    pub(super) context: CallContext<'a>,
    /// Those of its messages that are traced.
    pub(super) traced: Traced,
}

impl Seat<'_> {
    /// Takes leading batches of the part through the guest, and returns how many are finished.
    pub(super) fn take(mut self, part: &mut Part, step: &mut Step<'_>) -> usize {
        if self.wasm.calls.is_some() {
            self.traced = CallSpans::of(part);
        }
        let (messages, batches) = std::mem::replace(part, Part::singles(Vec::new())).into_parts();
        let mut run = match batches {
            Batches::Singles => Run::singles(messages),
            Batches::Ends(ends) => Run::batches(messages, ends),
        };
        run.due_at(step.due_ticks());
        run.pace = self.borrowed.pace;
        let limit = self.wasm.part_limit;
        run.grow_by(step.growth().left(limit), limit);
        run.is_free(step.growth().free());
        self.leave_old_version();
        while !run.is_done() && self.go_on(&mut run, step) {
            // A part may be given back between two batches, once there is something to give back.
            if run.is_between_batches() && 0 < run.n_done() && (step.is_due() || run.growth.is_much()) {
                break;
            }
        }
        step.grow(run.grown());
        if let Some(charge) = run.growth.take_charge() {
            step.hold(charge);
        }
        self.borrowed.pace = run.pace;
        self.give_back(run, part, step)
    }

    /// Takes some messages through the guest. `false`: interrupted.
    fn go_on(&mut self, run: &mut Run, step: &Step<'_>) -> bool {
        if let Err(err) = self.have_instance(step) {
            if err.kind() == Kind::Interrupted {
                return false;
            }
            match self.wasm.lanes.exchange(&mut self.borrowed, step) {
                Exchanged::Instance => self.leave_old_version(),
                Exchanged::Nowhere => run.fail_next(err),
                Exchanged::Interrupted => return false,
            }
            return true;
        }
        let alive = self.borrowed.alive.as_mut().expect(PRESENT);
        run.limit_to(self.wasm.recycle.messages_left(alive.n_messages));
        let (before, n_calls, began) = (run.n_done(), alive.instance.n_calls(), Instant::now());
        let began_ns = if self.traced.is_empty() { 0 } else { unix_ns() };
        let ended = alive.instance.run(run, &self.context);
        let n_messages = (run.n_done() - before) as u64;
        alive.n_messages += n_messages;
        self.wasm.counted.took(began.elapsed(), n_messages, alive.instance.n_calls() - n_calls);
        if let Some(calls) = self.wasm.calls.as_ref().filter(|_| !self.traced.is_empty()) {
            let version = (alive.version, || self.wasm.versions.digest(alive.version));
            calls.tell(&self.traced, before..run.n_done(), began_ns, version);
        }
        if alive.instance.is_spent() {
            self.drop_spent(step);
        } else {
            self.look_after(step);
        }
        match ended {
            Ok(()) => true,
            Err(err) if err.kind() == Kind::Interrupted => false,
            Err(err) if err.kind() == Kind::Instance => {
                // It could not be called at all.
                run.fail_next(err);
                true
            }
            Err(err) => {
                let text = format!("the guest failed after its last message was finished: {err}");
                self.wasm.logger.error(&text);
                self.wasm.log_backtrace(&err);
                true
            }
        }
    }

    /// Makes an instance unless there is one.
    fn have_instance(&mut self, step: &Step<'_>) -> Result<(), CallError> {
        if self.borrowed.alive.is_some() {
            return Ok(());
        }
        if step.now() < self.borrowed.not_before {
            let text = format!("none could be made a moment ago: {}", self.borrowed.why_not);
            return Err(CallError::new(Kind::Instance, text));
        }
        let (guest, version) = self.wasm.versions.current();
        if let Some(spare) = self.borrowed.spare.take().filter(|it| it.version == version)
            && let Some(instance) = spare.take()
        {
            self.borrowed.alive = Some(Alive::new(instance, version, &self.wasm.counted));
            return Ok(());
        }
        match guest.instantiate(Instant::now() + guest.limits().timeout) {
            Ok(instance) => {
                self.borrowed.alive = Some(Alive::new(instance, version, &self.wasm.counted));
                self.borrowed.back_off = Duration::ZERO;
                Ok(())
            }
            Err(err) => {
                let (shortest, longest) = INSTANCE_BACK_OFF;
                self.borrowed.back_off = (self.borrowed.back_off * 2).clamp(shortest, longest);
                self.borrowed.not_before = step.now() + self.borrowed.back_off;
                err.reason().clone_into(&mut self.borrowed.why_not);
                Err(err)
            }
        }
    }

    /// An instance of a version that was replaced ends between two messages.
    fn leave_old_version(&mut self) {
        let number = self.wasm.versions.number();
        if self.borrowed.alive.as_ref().is_some_and(|it| it.version != number)
            && let Some(alive) = self.borrowed.alive.take()
        {
            self.borrowed.spare = None;
            // What kept the old version from starting is no matter any more.
            self.borrowed.not_before = Duration::ZERO;
            alive.instance.close();
        }
    }

    /// Looks whether a healthy instance is to be replaced.
    fn look_after(&mut self, step: &Step<'_>) {
        let recycle = self.wasm.recycle;
        let alive = self.borrowed.alive.as_mut().expect(PRESENT);
        let mut advice = recycle.by_messages(alive.n_messages);
        let mut why = (Recycled::Messages, "it has had as many messages as `recycle` allows");
        let has_grown = alive.instance.has_grown();
        if has_grown {
            self.wasm.counted.memory(&alive.instance);
        }
        if has_grown && advice != Advice::Replace {
            let bytes = alive.instance.memory_bytes();
            let by_growth = recycle.by_growth(&mut alive.growth, alive.n_messages, bytes);
            if by_growth != Advice::Keep {
                advice = by_growth;
                let text = "its memory kept growing and nears `memory_limit`: the module leaks";
                why = (Recycled::Growth, text);
            }
        }
        if alive.instance.is_worn() {
            advice = Advice::Replace;
            why = (Recycled::Worn, "it keeps batches that it was to give back");
        }
        match advice {
            Advice::Keep => (),
            Advice::Prepare => {
                let number = self.wasm.versions.number();
                if recycle.prepares && self.borrowed.spare.as_ref().is_none_or(|it| it.version != number) {
                    let (guest, version) = self.wasm.versions.current();
                    self.borrowed.spare = Some(Spare::begin(guest, version));
                }
            }
            Advice::Replace => {
                if let Some(alive) = self.borrowed.alive.take() {
                    alive.instance.close();
                }
                self.wasm.counted.recycled(why.0);
                self.state_lost(step, why.1);
            }
        }
    }

    /// The instance is spent.
    fn drop_spent(&mut self, step: &Step<'_>) {
        let alive = self.borrowed.alive.take().expect(PRESENT);
        if 0 < alive.n_messages {
            self.state_lost(step, "it failed");
        }
    }

    /// What the guest kept in globals is lost, which a guest with state on one thread would miss.
    fn state_lost(&mut self, step: &Step<'_>, why: &str) {
        self.wasm.counted.state_lost();
        let now = step.now();
        if self.borrowed.quiet_until <= now {
            self.borrowed.quiet_until = now + STATE_LOST_INTERVAL;
            let text =
                format!("an instance was replaced, since {why}: what the module kept in globals is lost");
            self.wasm.logger.warn(&text);
        }
    }

    /// Makes a part of the messages again, with marks where they failed.
    fn give_back(&self, mut run: Run, part: &mut Part, step: &mut Step<'_>) -> usize {
        let n_done = run.n_done();
        if run.is_plain() {
            let (messages, ends) = run.into_messages();
            *part = Part::new(messages, batches(ends));
            return part.batches_within(n_done);
        }
        // The outcomes take the places of as many empty messages.
        let places = vec![Message::default(); run.len()];
        *part = Part::new(places, batches(run.take_ends()));
        let n_batches = part.batches_within(n_done);
        let mut outcomes = run.finish();
        part.replace_each(|_, out| match outcomes.next().expect("one outcome for each message") {
            Outcome::Kept(mut message, failed) => {
                if let Some(err) = failed {
                    self.wasm.mark(&mut message, &err, step);
                }
                out.push(message);
            }
            Outcome::Sent(mut messages, failed) => {
                if let (Some(err), Some(last)) = (failed, messages.last_mut()) {
                    self.wasm.mark(last, &err, step);
                }
                out.append(&mut messages);
            }
        });
        n_batches
    }
}

fn batches(ends: Option<Vec<u32>>) -> Batches {
    ends.map_or(Batches::Singles, Batches::Ends)
}

impl Wasm {
    fn mark(&self, message: &mut Message, err: &CallError, step: &mut Step<'_>) {
        let text = format!("{} ({})", err.mark_text(), self.path);
        if err.kind() == Kind::HostCall && err.changes_kept() {
            // The message goes on and may look as if the guest had wanted it so. Bento logs each of these, too.
            self.mistakes.log(Author::Host, crate::interface::Level::Error, &text);
        }
        step.mark(message, Mark::new(text));
        self.failures.count(err.kind());
        self.log_backtrace(err);
    }

    fn log_backtrace(&self, err: &CallError) {
        if self.logger.enabled(Level::Debug)
            && let Some(backtrace) = err.backtrace()
        {
            self.logger.debug(&format!("{}\n{backtrace}", err.mark_text()));
        }
    }
}
