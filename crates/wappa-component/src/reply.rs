//! Replies: messages that go back to whoever waits for what becomes of others.

use std::sync::Arc;

use wappa_message::{Message, Reply};

/// Puts the messages of a batch into the slots for replies that they came with: those of each slot as one batch, in order.
/// Where nobody waits for one, nothing is put. Whether somebody waited for all of them.
pub fn put(batch: &[Message]) -> bool {
    let mut replies: Vec<(&Arc<Reply>, Vec<Message>)> = Vec::new();
    let mut all_are_waited_for = true;
    for message in batch {
        let Some(slot) = message.context().and_then(|it| it.reply.as_ref()) else {
            all_are_waited_for = false;
            continue;
        };
        let mut copy = message.clone();
        // It would hold the slot that holds it.
        copy.clear_context();
        match replies.iter_mut().find(|(it, _)| Arc::ptr_eq(it, slot)) {
            Some((_, messages)) => messages.push(copy),
            None => replies.push((slot, vec![copy])),
        }
    }
    replies.into_iter().for_each(|(slot, messages)| slot.put(messages));
    all_are_waited_for
}
