//! The processor `select_parts`.

use wappa_component::{BuildError, BuildProcessor, Component, Context, Part, Processor, Step};
use wappa_message::Message;
use wappa_spec::Config;

pub(super) const COMPONENT: Component =
    Component::processor::<SelectPartsConfig>("select_parts").categories(&["Utility"]);

/// Keeps some messages of each batch, by their place in it.
///
/// The messages come in the order in which their places are named; one that is named twice comes twice. Places that a
/// batch does not have are ignored, and a batch of which nothing is kept is filtered.
///
/// # Examples
///
/// ### The first and the last of ten
///
/// ```yaml
/// input:
///   batched:
///     child:
///       stdin: {}
///     policy:
///       count: 10
/// pipeline:
///   processors:
///     - select_parts:
///         parts: [ 0, -1 ]
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// Messages that are not kept are filtered: the input hears that they are done with.
///
/// # Pitfalls
///
/// Without an input that makes batches each message is a batch of its own, and only the places 0 and -1 have one.
#[derive(Config, Debug)]
struct SelectPartsConfig {
    /// The places, from 0 on; negative ones count from the end, which is -1.
    #[config(default = "[]", example = "[ 0, 2 ]", example = "[ -1 ]")]
    parts: Vec<i64>,
}

impl BuildProcessor for SelectPartsConfig {
    fn build(self, _: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        Ok(Box::new(SelectParts { places: self.parts }))
    }
}

struct SelectParts {
    places: Vec<i64>,
}

impl Processor for SelectParts {
    fn process(&self, part: &mut Part, _: &mut Step<'_>) -> usize {
        part.replace_batches(|batch| {
            let at = |place: &i64| -> Option<Message> {
                let from_start = if *place < 0 { place.checked_add_unsigned(batch.len() as u64)? } else { *place };
                batch.get(usize::try_from(from_start).ok()?).cloned()
            };
            self.places.iter().filter_map(at).collect()
        });
        part.n_batches()
    }
}

#[cfg(test)]
mod tests {
    use crate::test::check_process;

    #[test]
    fn messages_are_picked_by_place() {
        check_process("select_parts: {parts: [0, -1]}", &["a|b|c", "d|e", "f"], "a|c\nd|e\nf|f\n");
        check_process("select_parts: {parts: [1, 1, 0, 7, -7]}", &["a|b!|c", "d"], "b[b is bad]|b[b is bad]|a\nd\n");
        check_process("select_parts: {parts: [5]}", &["a|b", "c"], "-\n-\n");
        check_process("select_parts: {}", &["a|b"], "-\n");
        check_process("select_parts: {parts: [-9223372036854775808, 9223372036854775807]}", &["a"], "-\n");
    }
}
