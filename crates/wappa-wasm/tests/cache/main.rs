//! The cache of compiled code: what is found, what is not used and why, and what is kept.

mod directories;
mod files;
mod keeping;
mod story;
