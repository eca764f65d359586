//! Scanners, given their data in pieces of several sizes.

use wappa_component::{Ranges, Scanner};

use super::Harness;

/// Checks what a scanner finds, however the data come; an error is one more item, `error at 3: …`.
#[track_caller]
pub(crate) fn check_scan(config: &str, data: &[u8], expected: &[&[u8]]) {
    let factory = Harness::default().scanner(config);
    for n_bytes in [1, 2, 3, 7, data.len().max(1)] {
        // Data of any length, but not one byte at a time through megabytes.
        if n_bytes < 7 && 10_000 < data.len() {
            continue;
        }
        let found = scan(factory.open().as_mut(), data, n_bytes);
        let show = |it: &[u8]| String::from_utf8_lossy(&it[..it.len().min(200)]).into_owned();
        let found: Vec<String> = found.iter().map(|it| show(it)).collect();
        let expected: Vec<String> = expected.iter().map(|it| show(it)).collect();
        assert_eq!(found, expected, "{config}, {n_bytes} bytes at a time");
    }
}

fn scan(scanner: &mut dyn Scanner, data: &[u8], n_bytes: usize) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let (mut start, mut end) = (0, 0);
    loop {
        let at_end = end == data.len();
        loop {
            let mut ranges = Ranges::with_capacity(8);
            let window = &data[start..end];
            let consumed = match scanner.scan(window, at_end, &mut ranges) {
                Ok(consumed) => consumed,
                Err(err) => {
                    let text = format!("error at {}: {}", start + err.offset, err.text);
                    found.push(text.into_bytes());
                    return found;
                }
            };
            let is_over = ranges.is_empty() && consumed == 0;
            found
                .extend(ranges.into_vec().iter().map(|(lo, hi)| window[*lo as usize..*hi as usize].to_vec()));
            start += consumed;
            if is_over || start == end {
                break;
            }
        }
        if at_end {
            return found;
        }
        end = (end + n_bytes).min(data.len());
    }
}
