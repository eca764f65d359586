//! Names of headers, as Go writes them: each word begins with a capital.

use bytes::Bytes;
use hyper::header::HeaderName;

/// The headers that most requests have, as they are written.
const COMMON: [&str; 20] = [
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Authorization",
    "Cache-Control",
    "Connection",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "Cookie",
    "Date",
    "Expect",
    "Forwarded",
    "Origin",
    "Referer",
    "Traceparent",
    "User-Agent",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Request-Id",
];

/// The name of a header as Go writes it.
pub(crate) fn canonical(name: &HeaderName) -> Bytes {
    let name = name.as_str();
    if let Some(common) = COMMON.iter().find(|it| it.eq_ignore_ascii_case(name)) {
        return Bytes::from_static(common.as_bytes());
    }
    let mut begins = true;
    let letters = name.bytes().map(|it| {
        let letter = if begins { it.to_ascii_uppercase() } else { it };
        begins = it == b'-';
        letter
    });
    letters.collect::<Vec<u8>>().into()
}
