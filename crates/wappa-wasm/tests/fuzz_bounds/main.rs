//! Hostile guests against the ledgers: whatever they make the host do, it spends no more than what the limits say.
//!
//! `fuzz_bounds` takes batches of messages through one or several guests that do what their messages say: rows of host
//! calls without a loop, typed metadata of many shapes, files, messages that multiply. Now and then it is a module that is
//! dear before it runs or when it traps: debug sections and names, components of components. Each turn is measured from
//! outside, and fails when a bound is passed by more than twice itself and a constant. The same variables of the
//! environment as for `fuzz_v0`.
#![cfg(target_os = "linux")]

#[path = "../support/debug_sections.rs"]
mod debug;
mod json;
#[path = "../support/lab.rs"]
mod lab;
#[path = "../support/ledger.rs"]
mod ledger;
mod machine;
mod modules;
mod mounts;
#[path = "../support/random.rs"]
mod random;
mod script;
mod transfers;
mod turns;
#[path = "../support/world.rs"]
mod world;
