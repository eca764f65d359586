//! What clients take: compressed answers.

use std::io::Write;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use hyper::{
    HeaderMap,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue, VARY},
};
use tokio::task::spawn_blocking;

use crate::answer::{Answer, Content};

/// Less than that is sent as it is: compressing it saves no packet.
const BYTES_MIN: usize = 1024;

/// More than that keeps other connections waiting, and is compressed beside them.
const AT_ONCE_MAX: usize = 64 * 1024;

/// Whether a client takes what is compressed with gzip.
pub(crate) fn gzip(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT_ENCODING).iter().any(|value| {
        let value = value.to_str().unwrap_or_default();
        value.split(',').any(|it| {
            let (name, weight) = it.split_once(';').unwrap_or((it, ""));
            let is_refused = weight.trim().strip_prefix("q=").is_some_and(|it| it.parse() == Ok(0.0));
            name.trim().eq_ignore_ascii_case("gzip") && !is_refused
        })
    })
}

/// The same answer, compressed where that is worth while.
pub(crate) async fn compressed(mut answer: Answer) -> Answer {
    let Content::Whole(bytes) = answer.body() else { return answer };
    if bytes.len() < BYTES_MIN || answer.headers().contains_key(CONTENT_ENCODING) {
        return answer;
    }
    let bytes = bytes.clone();
    let compressed = match bytes.len() <= AT_ONCE_MAX {
        true => compress(&bytes),
        false => match spawn_blocking(move || compress(&bytes)).await {
            Ok(compressed) => compressed,
            Err(_) => return answer,
        },
    };
    *answer.body_mut() = Content::Whole(compressed);
    answer.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    answer.headers_mut().append(VARY, HeaderValue::from_static("Accept-Encoding"));
    answer
}

fn compress(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::default());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes everything").into()
}
