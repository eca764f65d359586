//! What the tests of components share: a builder, a clock that tests move, and text in, text out.

mod cache_conformance;
mod components;
mod conformance;
mod conformance_buffer;
mod conformance_input;
mod harness;
mod rate_limit_conformance;
mod scan;
mod temp;

pub(crate) use components::Recorder;
pub(crate) use harness::{
    Harness, Said, Time, answer, batches, check_interrupted, check_lint, check_process, reply_to, specs, text,
};
pub(crate) use scan::check_scan;
pub(crate) use temp::TempDir;

/// The configs in the doc comments are configs.
#[test]
fn examples_have_no_lints() {
    for component in crate::components() {
        let spec = &component.spec;
        let examples = spec.doc.split("```yaml\n").skip(1).filter_map(|it| it.split("```").next());
        let mut n_examples = 0;
        for example in examples {
            check_lint(example, "");
            n_examples += 1;
        }
        let is_page = component.spec.kind != wappa_spec::ComponentKind::Metrics;
        assert!(0 < n_examples || !is_page, "{} `{}` has no example", spec.kind, spec.name);
    }
}
