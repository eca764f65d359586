//! Outputs without a foreign client, one file each.

mod children;

components! {
    stdout,
    file,
    drop,
    reject,
    reject_errored,
    fallback,
    broker,
    retry,
    drop_on,
    inproc,
    switch,
    subprocess,
    sync_response,
    resource,
    cache,
}
