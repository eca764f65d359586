//! Processors without a foreign client, one file each.

mod document;
mod each;
#[cfg(test)]
mod hostile;
mod limit;

components! {
    noop,
    mapping,
    mutation,
    bloblang,
    log,
    metric,
    sleep,
    try_,
    catch,
    for_each,
    parallel,
    processors,
    switch,
    branch,
    workflow,
    while_,
    retry,
    group_by,
    group_by_value,
    archive,
    unarchive,
    xml,
    compress,
    decompress,
    json_schema,
    command,
    subprocess,
    sync_response,
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
