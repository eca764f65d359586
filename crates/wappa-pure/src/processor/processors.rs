//! The processor `processors`.

use wappa_component::{
    BuildError, BuildProcessor, Component, Context, Part, Processor, Step, in_chunks, run_children,
};
use wappa_spec::{ComponentNode, Config};

pub(super) const COMPONENT: Component =
    Component::processor::<ProcessorsConfig>("processors").categories(&["Composition"]);

/// Runs processors one after the other on whole batches, as a pipeline does.
///
/// It makes one processor of several, for a place or a resource that takes only one.
///
/// # Examples
///
/// ### Steps that several streams share
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - resource: steps
/// output:
///   stdout: {}
/// processor_resources:
///   - label: steps
///     processors:
///       - log:
///           message: first
///       - log:
///           message: second
/// ```
#[derive(Config, Debug)]
struct ProcessorsConfig(#[config(child = "processor")] Vec<ComponentNode>);

impl BuildProcessor for ProcessorsConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        Ok(Box::new(Processors { children: ctx.processors("processors", &self.0)? }))
    }
}

struct Processors {
    children: Vec<Box<dyn Processor>>,
}

impl Processor for Processors {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        in_chunks(part, step, |part, step| run_children(&self.children, part, step))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use wappa_component::Step;

    use crate::test::{Harness, batches, check_interrupted, check_process, text};

    #[test]
    fn runs_on_whole_batches() {
        check_process(
            "processors: [{fail_on: b}, {append: '1'}, {filter_on: c}]",
            &["a|b", "c"],
            "a1|b1[failed on b]\n-\n",
        );
        check_process("processors: []", &["a|b!"], "a|b[b is bad]\n");
    }

    #[test]
    fn what_is_finished_before_an_interruption_goes_on() {
        let config = "processors: [{append: '1'}, {interrupt: b}, {append: '2'}, {interrupt: c}]";
        check_interrupted(config, &["a|a", "a", "c", "b"], "a12|a12\na12\n");
    }

    #[test]
    fn hands_on_what_is_done_when_it_is_due() {
        let inputs: Vec<String> = (0..100).map(|it| it.to_string()).collect();
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let mut harness = Harness::default();
        let processor = harness.processor("processors: [{append: x}]").expect("it can be built");
        let mut part = batches(&inputs);
        harness.time.ticks_per_look.store(1, Ordering::Relaxed);
        let n_done = processor.process(&mut part, &mut Step::new(0, harness.time.as_ref()));
        assert!(0 < n_done && n_done < 100, "{n_done}");
        let expected: String = inputs
            .iter()
            .enumerate()
            .map(|(idx, it)| if idx < n_done { format!("{it}x\n") } else { format!("{it}\n") })
            .collect();
        assert_eq!(text(&part), expected);
    }
}
