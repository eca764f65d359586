//! Outputs without a foreign client, one file each.

mod subset;
pub(crate) mod way_out;

components! {
    stdout,
    file,
    drop,
    reject_errored,
    fallback,
    resource,
}
