//! The components that are nothing but a choice in the config and need no code of their own.

use wappa_spec_macros::Config;

use crate::spec::{ComponentKind, Spec};

/// Hands messages from the input to the pipeline as they come.
#[derive(Config, Clone, Copy, Debug)]
pub struct NoBuffer;

/// Sends no traces.
#[derive(Config, Clone, Copy, Debug)]
pub struct NoTracer;

const SPECS: &[&Spec] = &[
    &Spec::new::<NoBuffer>(ComponentKind::Buffer, "none"),
    &Spec::new::<NoTracer>(ComponentKind::Tracer, "none"),
];

pub(crate) fn spec(kind: ComponentKind, name: &str) -> Option<&'static Spec> {
    SPECS.iter().copied().find(|it| it.kind == kind && it.name == name)
}

pub(crate) fn names(kind: ComponentKind) -> impl Iterator<Item = &'static str> {
    SPECS.iter().filter(move |it| it.kind == kind).map(|it| it.name)
}
