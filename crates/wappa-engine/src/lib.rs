//! The machine: threads, order, acks, replays, observation and shutdown of a stream.
//!
//! It knows the traits of `wappa-component` and never a component's name.

mod activity;
mod ages;
mod attendant;
mod build;
mod filler;
mod intake;
mod job;
#[cfg(test)]
mod jumping;
mod line;
mod niceness;
mod observe;
mod of_process;
mod one_by_one;
mod panics;
mod quiet;
mod reached;
mod recall;
mod replay;
mod resources;
mod rows;
mod schedule;
mod series;
mod shared;
#[cfg(test)]
mod simulation;
mod spans;
mod stop;
mod stream;
mod strict;
mod ticker;
mod under;
mod worker;
mod world;

pub use crate::{
    activity::Activity,
    build::{
        Around, BuildRequest, Instead, OutputInstead, build, build_between, build_instead, build_shared,
        threads,
    },
    observe::{Tally, Totals},
    of_process::{ComponentsOfProcess, SharedResources},
    panics::is_reported,
    reached::Reached,
    series::SERIES,
    stop::Stop,
    stream::{Assembly, Report, Setting, Stream},
    world::{Scheduler, World},
};
