//! Asking the library: what it panics on is a connection that is lost.
//!
//! It takes the server for one that means well: a message that is shorter than it says makes it panic.

use std::task::Poll;

use futures_util::{
    StreamExt,
    stream::{self, BoxStream, Stream},
};
use wappa_net::{foreign, foreign_future};

use super::relay::Relay;
use crate::{
    driver::Driver,
    failed::{Failed, Kind},
};

/// What the library panics on, in its words.
fn panicked(text: String) -> Failed {
    Failed::new(Kind::Lost, text)
}

/// What would be too much for the library.
pub(super) fn not_understood(text: &str) -> Failed {
    Failed::new(Kind::Lost, wappa_net::not_understood(text))
}

/// What comes of asking.
pub(super) async fn sound<T>(
    driver: Driver,
    asked: impl Future<Output = sqlx::Result<T>>,
) -> Result<T, Failed> {
    match foreign_future(asked).await {
        Ok(answer) => answer.map_err(|err| Failed::of(driver, err)),
        Err(text) => Err(panicked(text)),
    }
}

/// Rows as they come, as they are read, with how many bytes of the server each was. There are none behind one that cannot be
/// understood, or that is too large.
pub(super) fn sound_rows<'c, R: 'c, T: 'c>(
    driver: Driver,
    relay: &'c mut Relay,
    mut rows: BoxStream<'c, sqlx::Result<R>>,
    read: impl Fn(&R) -> Result<(T, usize), Failed> + Send + 'c,
) -> impl Stream<Item = Result<T, Failed>> + Send + 'c {
    let mut is_over = false;
    relay.begin();
    stream::poll_fn(move |ctx| {
        if is_over {
            return Poll::Ready(None);
        }
        match foreign(|| rows.poll_next_unpin(ctx)) {
            Ok(Poll::Ready(None)) => Poll::Ready(None),
            Ok(Poll::Ready(Some(Err(err)))) => Poll::Ready(Some(Err(Failed::of(driver, err)))),
            Ok(Poll::Ready(Some(Ok(row)))) => {
                let row = foreign(|| read(&row)).unwrap_or_else(|text| Err(panicked(text)));
                Poll::Ready(Some(row.map(|(row, n_bytes)| {
                    relay.row_came(n_bytes);
                    row
                })))
            }
            Ok(Poll::Pending) => relay.poll(driver, ctx).map(|err| {
                is_over = true;
                Some(Err(err))
            }),
            Err(text) => {
                is_over = true;
                Poll::Ready(Some(Err(panicked(text))))
            }
        }
    })
}
