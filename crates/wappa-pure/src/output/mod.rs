//! Outputs without a foreign client, one file each.

mod batcher;
mod children;
pub(crate) mod way_out;

components! {
    stdout,
    file,
    drop,
    reject,
    reject_errored,
    fallback,
    broker,
    retry,
    drop_on,
    inproc,
    switch,
    resource,
    cache,
}
