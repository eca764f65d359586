//! Inputs without a foreign client, one file each.

mod codec;
mod deletion;
mod sharded_join;

components! {
    stdin,
    file,
    csv,
    batched,
    broker,
    sequence,
    subprocess,
    read_until,
    inproc,
    generate,
    resource,
}

pub(crate) use batched::batched;
