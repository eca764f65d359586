//! Inputs without a foreign client, one file each.

mod codec;
mod deletion;
mod policy;

components! {
    stdin,
    file,
    batched,
    resource,
}
