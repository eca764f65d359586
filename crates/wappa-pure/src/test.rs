//! What the tests of components share: a harness with all of them, and text in, text out.

mod components;
mod conformance;
mod scan;

use std::{
    ops::{Deref, DerefMut},
    sync::{LazyLock, atomic::Ordering},
};

use wappa_component::Component;
pub(crate) use wappa_conformance::{Said, TempDir, Time, answer, batches, reply_to, text};
use wappa_spec::{LintOptions, Source, Spec};

pub(crate) use self::scan::check_scan;

/// The harness with the components of this crate and those of its tests.
pub(crate) struct Harness(wappa_conformance::Harness);

/// Those components.
fn table() -> &'static [&'static Component] {
    static TABLE: LazyLock<Vec<&'static Component>> =
        LazyLock::new(|| [&crate::components(), components::COMPONENTS].concat());
    &TABLE
}

impl Default for Harness {
    fn default() -> Harness {
        Harness(wappa_conformance::Harness::of(table()))
    }
}

impl Deref for Harness {
    type Target = wappa_conformance::Harness;

    fn deref(&self) -> &wappa_conformance::Harness {
        &self.0
    }
}

impl DerefMut for Harness {
    fn deref_mut(&mut self) -> &mut wappa_conformance::Harness {
        &mut self.0
    }
}

pub(crate) fn specs() -> Vec<&'static Spec> {
    table().iter().map(|it| &it.spec).collect()
}

/// Checks what a processor makes of batches.
#[track_caller]
pub(crate) fn check_process(config: &str, inputs: &[&str], expected: &str) {
    assert_eq!(Harness::default().process(config, inputs), expected, "{config}");
}

/// Checks what of a run that is interrupted goes on.
#[track_caller]
pub(crate) fn check_interrupted(config: &str, inputs: &[&str], expected: &str) {
    let mut harness = Harness::default();
    harness.time.is_interrupted.store(true, Ordering::Relaxed);
    assert_eq!(harness.process(config, inputs), expected, "{config}");
}

/// Checks the lints of a whole config.
#[track_caller]
pub(crate) fn check_lint(config: &str, expected: &str) {
    let source = Source::read(config.as_bytes(), |_| None).expect("the test's YAML is sound");
    let lints = source.stream(&specs(), LintOptions::default()).lints;
    let lines: Vec<String> = lints.iter().map(|it| format!("{it}\n")).collect();
    assert_eq!(lines.concat(), expected, "{config}");
}

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
