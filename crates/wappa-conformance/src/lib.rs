//! What holds for every component of a kind, whoever wrote it: for the tests of the crates that have some.
//!
//! A component joins with one line in a test of its crate, which names all components that its config needs:
//!
//! | it is | the line |
//! | --- | --- |
//! | an input of this process, or above others | [`check_input_above`] |
//! | an input that reads from somebody else | [`check_input_from`], with an [`Upstream`] |
//! | an output that has others below it | [`check_output_above`] |
//! | an output that writes to somebody else | [`check_output_to`], with a [`Downstream`] |
//! | a buffer | [`check_buffer`], or [`check_buffer_at`] |
//! | a cache, of this process or on a server | [`check_cache`], or [`check_cache_at`] with a [`CacheServer`] |
//! | a rate limit, of this process or on a server | [`check_rate_limit`], or [`check_rate_limit_at`] with a [`RateLimitServer`] |
//!
//! Each run is at random, by seed: connecting twice, answers that come late, out of order, in pieces, as failures or never, an
//! other end that says nothing, goes away and comes back, the end of the input, a stop at any step, closing twice. What is
//! checked is what the trait's page promises: each message is answered once; what is said to have arrived has; what was sent is
//! read; order where that is promised; nothing waits for what never comes.
//!
//! A crate whose components need others, such as scanners, takes `wappa_pure::components()` as well. Nothing here knows the
//! engine: the checks do what it does, call by call, and so see what it would hide.
//!
//! [`Harness`] is what the checks run in, and what tests of single components use.

mod above_inputs;
mod above_outputs;
mod buffer;
mod cache;
mod downstream;
mod harness;
mod late;
mod peer;
mod random;
mod rate_limit;
mod temp;
mod upstream;

pub use self::{
    above_inputs::{Filled, check_input_above},
    above_outputs::{Needs, check_output_above},
    buffer::{check_buffer, check_buffer_at},
    cache::{Stay, check_cache, check_cache_at},
    downstream::check_output_to,
    harness::{Harness, Log, Recorder, Said, Time, answer, batches, reply_to, text},
    late::Held,
    peer::{CacheServer, Downstream, Keys, PATIENCE, Peer, RateLimitServer, Upstream, wait_until},
    random::Random,
    rate_limit::{check_rate_limit, check_rate_limit_at},
    temp::TempDir,
    upstream::check_input_from,
};
