//! Caches without a foreign client, one file each.

mod recency;

components! {
    memory,
    lru,
    ttlru,
    file,
    multilevel,
    noop,
}
