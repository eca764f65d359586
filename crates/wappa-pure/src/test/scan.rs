//! Scanners, given their data in pieces of several sizes.

use bytes::Bytes;
use wappa_component::{Decoding, Opened, Ranges, Slices};
use wappa_message::Message;

use super::Harness;

/// Checks what a scanner finds, however the data come; an error is one more item, `error at 3: …`. Behind a message stand
/// its mark and its metadata, if it has any: `a[why] key=value`.
#[track_caller]
pub(crate) fn check_scan(config: &str, data: &[u8], expected: &[&[u8]]) {
    let factory = Harness::default().scanner(config);
    for n_bytes in [1, 2, 3, 7, 10_007, data.len().max(1)] {
        // Data of any length, but not one byte at a time through megabytes.
        if n_bytes < 10_007 && 10_000 < data.len() {
            continue;
        }
        let found = match factory.open("") {
            Ok(opened) => scan(opened, data, n_bytes),
            Err(text) => vec![text.into_bytes()],
        };
        let show = |it: &[u8]| String::from_utf8_lossy(&it[..it.len().min(200)]).into_owned();
        let found: Vec<String> = found.iter().map(|it| show(it)).collect();
        let expected: Vec<String> = expected.iter().map(|it| show(it)).collect();
        assert_eq!(found, expected, "{config}, {n_bytes} bytes at a time");
    }
}

fn scan(opened: Opened, data: &[u8], n_bytes: usize) -> Vec<Vec<u8>> {
    let Opened { decoders, mut scanner } = opened;
    let mut found = Vec::new();
    let mut decoding = Decoding::new(decoders);
    // What comes to the scanner.
    let mut buffer = Vec::new();
    let (mut start, mut end) = (0, 0);
    loop {
        let at_end = match &mut decoding {
            None => {
                buffer.extend_from_slice(&data[buffer.len()..end]);
                end == data.len()
            }
            Some(decoding) => {
                loop {
                    buffer.reserve(n_bytes.max(1000));
                    match decoding.run(&mut buffer) {
                        Ok(false) if decoding.is_over() => break,
                        Ok(false) => (),
                        Ok(true) => break,
                        Err(text) => {
                            found.push(format!("error: {text}").into_bytes());
                            return found;
                        }
                    }
                }
                decoding.is_over()
            }
        };
        loop {
            let mut ranges = Ranges::with_capacity(8);
            let window = &buffer[start..];
            let consumed = match scanner.scan(window, at_end, &mut ranges) {
                Ok(consumed) => consumed,
                Err(err) => {
                    found.push(format!("error at {}: {}", start + err.offset, err.text).into_bytes());
                    let Some(goes_on_at) = err.goes_on_at else { return found };
                    start += goes_on_at;
                    continue;
                }
            };
            let is_over = ranges.is_empty() && consumed == 0;
            let form = ranges.take_form();
            let ranges = ranges.into_vec();
            if !ranges.is_empty() {
                let slices =
                    Slices { buffer: Bytes::copy_from_slice(window), ranges, form, ..Slices::default() };
                found.extend(slices.messages().iter().map(text));
            }
            start += consumed;
            if is_over || start == buffer.len() {
                break;
            }
        }
        if at_end {
            return found;
        }
        let next = (end + n_bytes).min(data.len());
        if let Some(decoding) = &mut decoding {
            match next == end {
                true => decoding.end(),
                false => decoding.room().extend_from_slice(&data[end..next]),
            }
        }
        end = next;
    }
}

fn text(message: &Message) -> Vec<u8> {
    let mut out = message.content().to_vec();
    if let Some(mark) = message.error() {
        out.extend_from_slice(format!("[{mark}]").as_bytes());
    }
    for (key, value) in message.metadata().iter() {
        out.extend_from_slice(format!(" {}={}", String::from_utf8_lossy(key), value.to_json()).as_bytes());
    }
    out
}
