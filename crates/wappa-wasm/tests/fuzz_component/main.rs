//! Components under random scripts: what becomes of a message is the same however many share its call.
//!
//! `fuzz_component_scripts` runs the guest of letters over runs of many messages, of which some trap, are failed or make
//! their call return too little. The same variables of the environment as for `fuzz_v0`.

mod model;
mod scripts;

#[path = "../support/lab.rs"]
mod lab;
#[path = "../support/ledger.rs"]
mod ledger;
#[path = "../support/random.rs"]
mod random;
#[path = "../support/world.rs"]
mod world;
