//! Asking a database for a thread of the pipeline, which waits for the answer.

/// Asks over a connection of the pool. What is prepared there and no longer what it was is prepared once more.
///
/// A macro, since a closure that gives a future of what it borrows cannot be said to be sent to another thread.
macro_rules! ask {
    ($pool:expr, $connection:ident => $asked:expr) => {
        async {
            let mut lease = $pool.acquire().await?;
            let mut is_prepared_anew = false;
            let result = loop {
                let result: Result<_, $crate::failed::Failed> = async {
                    let $connection: &mut $crate::connection::Connection = &mut lease;
                    $asked
                }
                .await;
                match result {
                    Err(err) if err.kind == $crate::failed::Kind::Stale && !is_prepared_anew => {
                        is_prepared_anew = true;
                        lease.forget().await?;
                    }
                    result => break result,
                }
            };
            lease.settle(&result);
            result
        }
        .await
    };
}
pub(crate) use ask;
