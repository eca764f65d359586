//! Guests in the text format, the messages they are given, and what becomes of those.

mod component;
mod composed;
#[path = "../support/debug_sections.rs"]
mod debug;
mod debug_sections;
mod engine;
mod files;
mod garbage;
mod harness;
mod hostile;
mod hostile_component;
mod hostile_time;
mod hostile_v1;
mod output;
mod parts;
mod semantics;
mod start;
mod structures;
mod together;
mod v1;
mod wasi2;
#[path = "../support/world.rs"]
mod world;
