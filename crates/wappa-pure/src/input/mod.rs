//! Inputs without a foreign client, one file each.

mod codec;

components! {
    stdin,
    file,
}
