//! Hostile guests against the v0 interface: the host lives, the bounds hold, and a failure costs one message.
//!
//! `fuzz_call_sequences` runs one module, an interpreter whose programs are the messages; what has a model is compared
//! with it to the byte. `fuzz_modules` runs random modules. `WAPPA_FUZZ_SECONDS=60` runs for that long,
//! `WAPPA_FUZZ_CASES=…` so many cases, `WAPPA_FUZZ_SEED=…` starts elsewhere; a failure prints the command that repeats
//! its case.

#[path = "../support/lab.rs"]
mod lab;
#[path = "../support/ledger.rs"]
mod ledger;
mod machine;
mod model;
mod modules;
mod program;
#[path = "../support/random.rs"]
mod random;
