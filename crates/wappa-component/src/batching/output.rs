//! Batching in front of an output: messages are collected, and sent as one batch when a policy says so.

use std::time::Duration;

use super::{Collected, Mechanism, Policy, PolicyConfig};
use crate::{BuildError, ConnectError, Context, Delivery, Growth, Output, Processor, Step};

/// An output that gets batches.
struct Batcher {
    child: Box<dyn Output>,
    policy: Policy,
    processors: Vec<Box<dyn Processor>>,
    /// What is collected.
    open: Vec<Delivery>,
    collected: Collected,
    /// When the period is over.
    due: Option<Duration>,
    /// Batches that the output had no room for.
    ready: Vec<Delivery>,
}

const NOTHING: Collected = Collected { n_messages: 0, n_bytes: 0 };

/// Puts batching in front of an output, if the config asks for any.
pub fn batched(
    child: Box<dyn Output>,
    config: &PolicyConfig,
    ctx: &mut Context<'_>,
) -> Result<Box<dyn Output>, BuildError> {
    if config.is_empty() {
        return Ok(child);
    }
    let processors = ctx.processors("batching.processors", config.processors())?;
    let policy = Policy::new(config, ctx).map_err(BuildError::new)?;
    Ok(Box::new(Batcher {
        child,
        policy,
        processors,
        open: Vec::new(),
        collected: NOTHING,
        due: None,
        ready: Vec::new(),
    }))
}

impl Batcher {
    /// How many messages of the delivery the batch takes, and why it is complete then.
    fn room_for(&mut self, delivery: &Delivery) -> (usize, Option<Mechanism>) {
        for (idx, message) in delivery.messages().iter().enumerate() {
            self.collected.n_messages += 1;
            self.collected.n_bytes += message.content().len();
            if let Some(mechanism) = self.policy.limit(self.collected, || message.clone()) {
                return (idx + 1, Some(mechanism));
            }
        }
        (delivery.part().n_messages(), None)
    }

    /// Closes the batch that is collected, if there is anything in it.
    fn complete(&mut self, step: &mut Step<'_>) {
        let open = std::mem::take(&mut self.open);
        (self.collected, self.due) = (NOTHING, None);
        if open.is_empty() {
            return;
        }
        let batch = Delivery::merge(open);
        let growth = step.growth();
        step.begin_part(Growth::of(batch.part().size()));
        batch.through(&self.processors, step, |mut batch, _| {
            // What comes of a batch is one batch.
            batch.part_mut().join();
            self.ready.push(batch);
        });
        step.begin_part(growth);
        self.send(step);
    }

    fn send(&mut self, step: &mut Step<'_>) {
        while !self.ready.is_empty() && self.child.has_room() {
            let batch = self.ready.remove(0);
            self.child.write(batch, step);
        }
    }
}

impl Output for Batcher {
    fn connect(&mut self) -> Result<(), ConnectError> {
        self.child.connect()
    }

    fn has_room(&self) -> bool {
        self.ready.is_empty()
    }

    fn write(&mut self, mut delivery: Delivery, step: &mut Step<'_>) {
        loop {
            if self.open.is_empty() {
                self.due = self.policy.begin().map(|it| step.now().saturating_add(it));
            }
            let (n_messages, mechanism) = self.room_for(&delivery);
            let rest = (n_messages < delivery.part().n_messages()).then(|| delivery.cut(n_messages));
            self.open.push(delivery);
            if let Some(mechanism) = mechanism {
                self.policy.count(mechanism);
                self.complete(step);
            }
            match rest {
                Some(rest) => delivery = rest,
                None => return,
            }
        }
    }

    fn resume(&mut self, step: &mut Step<'_>) {
        self.child.resume(step);
        if self.due.is_some_and(|due| due <= step.now()) {
            self.policy.count(Mechanism::Period);
            self.complete(step);
        }
        self.send(step);
    }

    fn due(&self) -> Option<Duration> {
        self.child.due().into_iter().chain(self.due).min()
    }

    fn flush(&mut self, step: &mut Step<'_>) {
        self.complete(step);
        self.send(step);
        self.child.flush(step);
    }

    fn close(&mut self) -> Result<(), String> {
        self.child.close()
    }
}
