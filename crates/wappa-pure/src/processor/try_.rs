//! The processor `try`.

use std::slice;

use wappa_component::{
    BuildError, BuildProcessor, Component, Context, Part, Processor, Step, as_singles, in_chunks, in_sequence,
    run_children,
};
use wappa_spec::{ComponentNode, Config};

pub(super) const COMPONENT: Component = Component::processor::<TryConfig>("try").categories(&["Composition"]);

/// Runs processors on each message, until one of them fails on it.
///
/// A message that is marked as failed skips the processors that follow, also when it was marked before it came here.
/// The mark stays, so that a [`catch`](catch.md) behind it, or an output, can deal with it.
///
/// # Examples
///
/// ### Steps that need the ones before them
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - try:
///         - log:
///             message: first
///         - sleep:
///             duration: 1ms
///     - catch:
///         - log:
///             message: 'not done: ${! error() }'
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// To its processors each message is a batch of its own; behind them the batches are what they were. The messages of a
/// batch go through the first processor, then those that are left through the second, and so on.
#[derive(Config, Debug)]
struct TryConfig(#[config(child = "processor")] Vec<ComponentNode>);

impl BuildProcessor for TryConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        Ok(Box::new(Try { children: ctx.processors("try", &self.0)? }))
    }
}

struct Try {
    children: Vec<Box<dyn Processor>>,
}

impl Processor for Try {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        in_chunks(part, step, |part, step| {
            let is_good = |it: &wappa_message::Message| it.error().is_none();
            let works = self.children.iter().map(|child| {
                move |part: &mut Part, step: &mut Step<'_>| {
                    as_singles(part, step, is_good, |part, step| {
                        run_children(slice::from_ref(child), part, step)
                    })
                }
            });
            in_sequence(part, step, works)
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::test::{check_interrupted, check_process};

    #[test]
    fn skips_what_failed() {
        check_process(
            "try: [{append: '1'}, {fail_on: b}, {append: '2'}]",
            &["a|b|c!", "d"],
            "a12|b1[failed on b]|c[c is bad]\nd12\n",
        );
        check_process("try: []", &["a|b!"], "a|b[b is bad]\n");
    }

    #[test]
    fn what_is_finished_before_an_interruption_goes_on() {
        let config = "try: [{fail_on: c}, {interrupt: b}, {append: '1'}, {interrupt: 'a1'}, {append: '2'}]";
        check_interrupted(config, &["d|c", "d", "a", "d", "b", "d"], "d12|c[failed on c]\nd12\n");
    }

    #[test]
    fn messages_that_are_added_stay_in_their_batch() {
        check_process(
            "try: [{double: {}}, {filter_on: c}, {append: '1'}]",
            &["a|b!|c", "c", "d"],
            "a1|a1|b[b is bad]\n-\nd1|d1\n",
        );
    }
}
