//! Rate limits without a foreign client, one file each.

components! {
    local,
}
