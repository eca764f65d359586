//! Asking the library: what it panics on is a connection that is lost.
//!
//! It takes the server for one that means well: a message that is shorter than it says makes it panic.

use std::task::Poll;

use futures_util::{
    StreamExt,
    stream::{self, BoxStream, Stream},
};
use wappa_net::{foreign, foreign_future};

use crate::{
    driver::Driver,
    failed::{Failed, Kind},
};

fn not_understood(text: String) -> Failed {
    Failed::new(Kind::Lost, text)
}

/// What comes of asking.
pub(super) async fn sound<T>(
    driver: Driver,
    asked: impl Future<Output = sqlx::Result<T>>,
) -> Result<T, Failed> {
    match foreign_future(asked).await {
        Ok(answer) => answer.map_err(|err| Failed::of(driver, err)),
        Err(text) => Err(not_understood(text)),
    }
}

/// Rows as they come. There are none behind one that cannot be understood.
pub(super) fn sound_rows<'c, R: 'c>(
    driver: Driver,
    mut rows: BoxStream<'c, sqlx::Result<R>>,
) -> impl Stream<Item = Result<R, Failed>> + Send + 'c {
    let mut is_over = false;
    stream::poll_fn(move |ctx| {
        if is_over {
            return Poll::Ready(None);
        }
        match foreign(|| rows.poll_next_unpin(ctx)) {
            Ok(polled) => polled.map(|row| Some(row?.map_err(|err| Failed::of(driver, err)))),
            Err(text) => {
                is_over = true;
                Poll::Ready(Some(Err(not_understood(text))))
            }
        }
    })
}

/// What is read of a row.
pub(super) fn sound_row<T>(read: impl FnOnce() -> Result<T, Failed>) -> Result<T, Failed> {
    foreign(read).unwrap_or_else(|text| Err(not_understood(text)))
}
