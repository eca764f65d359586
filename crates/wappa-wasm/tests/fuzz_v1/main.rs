//! Hostile guests against the v1 interface: every message is finished once, as the model says, and the host lives.
//!
//! `fuzz_v1_sequences` runs one module, whose programs are the messages, over runs of many batches; several messages
//! share a call when their programs ask for the next one. The same variables of the environment as for `fuzz_v0`.

mod machine;
mod model;
mod program;

#[path = "../support/lab.rs"]
mod lab;
#[path = "../support/ledger.rs"]
mod ledger;
#[path = "../support/random.rs"]
mod random;
