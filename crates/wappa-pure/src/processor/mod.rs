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
    while_,
    retry,
    group_by,
    group_by_value,
    archive,
    unarchive,
    compress,
    decompress,
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
