//! Processors without a foreign client, one file each.

components! {
    noop,
}
