//! What stands in front of a message: a zero, and the number of its schema.

/// How many bytes that is.
pub(crate) const HEAD_BYTES: usize = 5;

/// The number of a message's schema, and the message behind it.
pub(crate) fn split(message: &[u8]) -> Result<(u32, &[u8]), String> {
    match message {
        [] => Err("message is empty".to_string()),
        [0, a, b, c, d, rest @ ..] => Ok((u32::from_be_bytes([*a, *b, *c, *d]), rest)),
        [0, ..] => Err(format!(
            "the message has {} bytes, and no number of a schema within its first {HEAD_BYTES}",
            message.len()
        )),
        [version, ..] => Err(format!("serialization format version number {version} not supported")),
    }
}

/// What stands in front of a message with this schema.
pub(crate) fn head(id: u32) -> [u8; HEAD_BYTES] {
    let [a, b, c, d] = id.to_be_bytes();
    [0, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_schema_stands_in_front() {
        let message = [&head(0x0102_0304)[..], b"rest"].concat();
        assert_eq!(message, b"\0\x01\x02\x03\x04rest");
        assert_eq!(split(&message), Ok((0x0102_0304, &b"rest"[..])));
        assert_eq!(split(b""), Err("message is empty".to_string()));
        assert_eq!(split(b"{}"), Err("serialization format version number 123 not supported".to_string()));
        let short = "the message has 3 bytes, and no number of a schema within its first 5";
        assert_eq!(split(&[0, 0, 1]), Err(short.to_string()));
    }
}
