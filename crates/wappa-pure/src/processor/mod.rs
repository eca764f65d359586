//! Processors without a foreign client, one file each.

mod limit;

components! {
    noop,
    mapping,
    mutation,
    bloblang,
    log,
    sleep,
    try_,
    catch,
    for_each,
    processors,
    switch,
    branch,
    select_parts,
    insert_part,
    bounds_check,
    split,
    cache,
    cached,
    dedupe,
    rate_limit,
    resource,
}

pub(crate) use cache::{NoTtl, ttl_for};
