//! By how much processors may make messages larger.

use wappa_bloblang::Mapped;
use wappa_component::Step;
use wappa_message::{Message, Value, pair_bytes};

/// How much the messages that are worked on together may grow by, through all processors: what `part_limit` of guests
/// is by default.
pub(super) const PART_LIMIT: usize = 512 << 20;

/// What is said of a message that would be larger.
pub(super) const TOO_LARGE: &str = "the messages worked on together would grow by more than 512MiB";

/// A processor is about to make the messages larger by so many bytes; the error is why it may not.
pub(super) fn grow(step: &mut Step<'_>, bytes: usize) -> Result<(), &'static str> {
    if step.growth().left(PART_LIMIT) < bytes {
        return Err(TOO_LARGE);
    }
    step.grow(bytes);
    Ok(())
}

/// Makes a message what a mapping made of it, and says whether it stays; the error is why it may not become that.
pub(super) fn apply(
    mapped: Mapped,
    message: &mut Message,
    step: &mut Step<'_>,
) -> Result<bool, &'static str> {
    grow(step, mapped.growth(message))?;
    Ok(mapped.apply(message))
}

/// Sets a key of a message's metadata; the error is why it may not be set. Metadata that messages share are copied for the
/// one that changes them, which many messages with many keys in common make much of.
pub(super) fn set_metadata(
    step: &mut Step<'_>,
    message: &mut Message,
    key: &'static str,
    value: Value,
) -> Result<(), &'static str> {
    let metadata = message.metadata();
    let copied = if metadata.is_shared() { metadata.size() } else { 0 };
    grow(step, copied + pair_bytes(key.len(), &value))?;
    message.metadata_mut().set(key, value);
    Ok(())
}

/// What is made of one message is charged as it is made; as many bytes as the message's content has take its place.
pub(super) struct Charged<'a, 'b> {
    step: &'a mut Step<'b>,
    n_free: usize,
}

impl<'a, 'b> Charged<'a, 'b> {
    pub(super) fn new(step: &'a mut Step<'b>, message: &Message) -> Charged<'a, 'b> {
        Charged { step, n_free: message.content_size() }
    }

    /// So many bytes are about to be made; the error is why they may not.
    pub(super) fn charge(&mut self, bytes: usize) -> Result<(), String> {
        let n_free = self.n_free.min(bytes);
        self.n_free -= n_free;
        grow(self.step, bytes - n_free).map_err(str::to_string)
    }
}

/// Of a part that may become so many bytes larger.
#[cfg(test)]
pub(super) fn growth_that_leaves(bytes: usize) -> wappa_component::Growth {
    let mut growth = wappa_component::Growth::default();
    growth.add(PART_LIMIT - bytes);
    growth
}
