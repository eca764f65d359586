//! Outputs without a foreign client, one file each.

components! {
    stdout,
    file,
    drop,
}
