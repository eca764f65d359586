//! The documents.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use crate::Result;

/// Writes so many documents of about this size, each on a line, and says how many bytes they are.
pub(crate) fn write(path: &Path, size: usize, count: u64) -> Result<u64> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut line = document(size);
    line.push('\n');
    for _ in 0..count {
        file.write_all(line.as_bytes())?;
    }
    file.flush()?;
    Ok(line.len() as u64 * count)
}

/// A document of about this size, as encoders that sort print it.
fn document(size: usize) -> String {
    let line = "10.0.0.7 - - [10/Oct/2026:13:55:36 +0000] \\\"GET /index.html HTTP/1.1\\\". 200 2326";
    let mut pairs = vec![
        format!("\"line\":\"{line}\""),
        "\"tags\":[\"new\",\"old\",\"sale\"]".to_string(),
        "\"type\":\"order\"".to_string(),
    ];
    if 200 < size {
        pairs.push("\"message\":\"a text of some length\"".to_string());
    }
    // The largest has a hundred fields.
    let long = if size < 10_000 { String::new() } else { "x".repeat(60) };
    let mut idx = 0;
    while pairs.iter().map(|it| it.len() + 1).sum::<usize>() < size {
        pairs.push(match idx % 4 {
            0 => format!("\"field_{idx:03}\":\"value of field {idx}{long}\""),
            1 => format!("\"field_{idx:03}\":{}", 1_000_000 + idx * 7919),
            2 => format!("\"field_{idx:03}\":{{\"count\":3,\"name\":\"{long}{long}\",\"price\":12.25,\"sku\":\"A-{idx}\"}}"),
            _ => format!("\"field_{idx:03}\":[\"{long}\",true]"),
        });
        idx += 1;
    }
    pairs.sort();
    format!("{{{}}}", pairs.join(","))
}
