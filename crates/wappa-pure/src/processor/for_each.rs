//! The processor `for_each`.

use wappa_component::{
    BuildError, BuildProcessor, Component, Context, Part, Processor, Step, as_singles, in_chunks, run_children,
};
use wappa_spec::{ComponentNode, Config};

pub(super) const COMPONENT: Component = Component::processor::<ForEachConfig>("for_each").categories(&["Composition"]);

/// Runs processors on each message as if it were a batch of its own.
///
/// Behind them the batches are what they were: what came of a message takes its place. For processors that work on whole
/// batches where only single messages are wanted.
///
/// # Examples
///
/// ### Batches of ten, worked on one by one
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
///     - for_each:
///         - log:
///             message: ${! content() }
/// output:
///   stdout: {}
/// ```
///
/// # Pitfalls
///
/// Several messages go through the first processor before any of them goes through the second.
#[derive(Config, Debug)]
struct ForEachConfig(#[config(child = "processor")] Vec<ComponentNode>);

impl BuildProcessor for ForEachConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        Ok(Box::new(ForEach { children: ctx.processors("for_each", &self.0)? }))
    }
}

struct ForEach {
    children: Vec<Box<dyn Processor>>,
}

impl Processor for ForEach {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        in_chunks(part, step, |part, step| {
            as_singles(part, step, |_| true, |part, step| run_children(&self.children, part, step))
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::test::{check_interrupted, check_process};

    #[test]
    fn runs_on_every_message_and_keeps_batches() {
        check_process(
            "for_each: [{double: {}}, {fail_on: b}, {append: '1'}, {filter_on: c}]",
            &["a|b!", "c", "d"],
            "a1|a1|b1[failed on b]|b1[failed on b]\n-\nd1|d1\n",
        );
        check_process("for_each: []", &["a|b!"], "a|b[b is bad]\n");
    }

    #[test]
    fn what_is_finished_before_an_interruption_goes_on() {
        check_interrupted("for_each: [{interrupt: b}, {append: '1'}]", &["a|a", "a|b", "a"], "a1|a1\n");
        check_interrupted("for_each: [{interrupt: ''}]", &["a|b"], "");
    }
}
