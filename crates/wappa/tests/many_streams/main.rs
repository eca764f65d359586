//! `streams`: many streams in one process, asked and changed over HTTP while others run.

#[path = "../support/mod.rs"]
mod support;

mod api;
mod churn;

mod files;
mod program;
mod security;
mod shares;
