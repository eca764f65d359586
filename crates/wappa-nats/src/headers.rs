//! Headers of NATS, which are metadata here.

use std::borrow::Cow;

use async_nats::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use wappa_message::{Message, Value};
use wappa_net::MetadataFilter;
use wappa_spec::{Interpolated, Map};

/// What headers a message goes with: Bento's fields `headers` and `metadata`.
#[derive(Debug)]
pub(crate) struct Headers {
    explicit: Vec<(String, Interpolated)>,
    filter: MetadataFilter,
}

impl Headers {
    pub(crate) fn new(explicit: Map<Interpolated>, filter: MetadataFilter) -> Headers {
        Headers { explicit: explicit.0, filter }
    }

    /// Those of one message; the error names the header whose query failed.
    pub(crate) fn of(&self, batch: &mut [Message], place: usize) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.explicit {
            let value = value.evaluate(batch, place);
            let value = value.map_err(|err| format!("header {name} interpolation error: {err}"))?;
            append(&mut headers, name.as_bytes(), &value);
        }
        if self.filter.is_set() {
            append_metadata(&mut headers, &batch[place], |key| self.filter.takes(key));
        }
        Ok(headers)
    }
}

/// All metadata of a message, as headers.
pub(crate) fn of_metadata(message: &Message) -> HeaderMap {
    let mut headers = HeaderMap::new();
    append_metadata(&mut headers, message, |_| true);
    headers
}

fn append_metadata(headers: &mut HeaderMap, message: &Message, takes: impl Fn(&[u8]) -> bool) {
    for (key, value) in message.metadata().iter().filter(|(key, _)| takes(key)) {
        append(headers, key, &value.to_text());
    }
}

/// As Go does it: what cannot be the name of a header is left out, and the end of a line in a value is a blank.
fn append(headers: &mut HeaderMap, name: &[u8], value: &[u8]) {
    let name = std::str::from_utf8(name).ok().filter(|it| !it.is_empty());
    let Some(name) = name.and_then(|it| HeaderName::try_from(it).ok()) else { return };
    let text = String::from_utf8_lossy(value);
    let text = match text.contains(['\r', '\n']) {
        true => Cow::Owned(text.replace(['\r', '\n'], " ")),
        false => text,
    };
    if let Ok(value) = text.trim().parse::<HeaderValue>() {
        headers.append(name, value);
    }
}

/// The first value of each header, as metadata.
pub(crate) fn pairs(headers: Option<&HeaderMap>) -> impl Iterator<Item = (Bytes, Value)> {
    let all = headers.into_iter().flat_map(HeaderMap::iter);
    all.filter_map(|(name, values)| {
        let name: &str = name.as_ref();
        Some((Bytes::copy_from_slice(name.as_bytes()), Value::text(values.first()?.as_str())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_header_is_left_out_or_mended() {
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("a", "one"), ("a", "two"), ("a b", "x"), ("", "x"), ("c:", "x"), ("d", " x\r\ny ")]
        {
            append(&mut headers, name.as_bytes(), value.as_bytes());
        }
        append(&mut headers, b"\xff", b"x");
        let mut read: Vec<_> = pairs(Some(&headers)).map(|(key, value)| (key, value.to_text())).collect();
        read.sort();
        assert_eq!(read, [("a".into(), "one".into()), ("d".into(), "x  y".into())]);
    }
}
