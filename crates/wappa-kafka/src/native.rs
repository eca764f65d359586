//! What the client library can do and its binding cannot, or not without panicking on what strangers send.
#![expect(unsafe_code, reason = "the library is written in C, and its binding lacks these calls")]

use std::{
    ffi::{CStr, CString},
    ptr, slice,
};

use rdkafka::{
    bindings::{
        rd_kafka_get_watermark_offsets, rd_kafka_header_get_all, rd_kafka_headers_t,
        rd_kafka_message_headers, rd_kafka_resp_err_t,
    },
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    message::BorrowedMessage,
};

/// Shows each header of a message: its name, which may be any bytes but NUL, and its value, if it has one.
///
/// The binding's own way panics where a name is not UTF-8.
pub(crate) fn each_header(message: &BorrowedMessage<'_>, mut see: impl FnMut(&[u8], Option<&[u8]>)) {
    let mut headers: *mut rd_kafka_headers_t = ptr::null_mut();
    // SAFETY: the message is alive, and the headers are its own and live as long.
    if unsafe { rd_kafka_message_headers(message.ptr(), &mut headers) } != NO_ERROR || headers.is_null() {
        return;
    }
    for idx in 0.. {
        let (mut name, mut value, mut n_bytes) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the headers are alive; behind the last one the call says that there is none.
        let result = unsafe { rd_kafka_header_get_all(headers, idx, &mut name, &mut value, &mut n_bytes) };
        if result != NO_ERROR {
            return;
        }
        // SAFETY: the name ends with a NUL, and both live as long as the message.
        let name = unsafe { CStr::from_ptr(name) }.to_bytes();
        let value = (!value.is_null()).then(|| {
            // SAFETY: it has so many bytes.
            unsafe { slice::from_raw_parts(value.cast::<u8>(), n_bytes) }
        });
        see(name, value);
    }
}

const NO_ERROR: rd_kafka_resp_err_t = rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;

/// The offset behind the last message that the broker has of a partition, as the last answer said; nothing where there was
/// none yet.
pub(crate) fn end_of<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partition: i32,
) -> Option<i64> {
    let topic = CString::new(topic).ok()?;
    let (mut low, mut high) = (0, 0);
    // SAFETY: the client is alive, and the call looks at what it has kept only.
    let result = unsafe {
        rd_kafka_get_watermark_offsets(
            consumer.client().native_ptr(),
            topic.as_ptr(),
            partition,
            &mut low,
            &mut high,
        )
    };
    (result == NO_ERROR && 0 <= high).then_some(high)
}
