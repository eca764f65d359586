//! Inputs without a foreign client, one file each.

mod codec;
mod deletion;

components! {
    stdin,
    file,
    csv,
    batched,
    broker,
    sequence,
    read_until,
    inproc,
    generate,
    resource,
}
