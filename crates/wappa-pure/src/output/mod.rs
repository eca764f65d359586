//! Outputs without a foreign client, one file each.

mod subset;

components! {
    stdout,
    file,
    drop,
    reject_errored,
    fallback,
    resource,
}
