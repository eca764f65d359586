//! The host's functions, each behind one that cannot be called wrongly.
//!
//! The host reads and writes only during the call, and only what pointer and length say.

use std::mem::MaybeUninit;

mod wappa {
    #[link(wasm_import_module = "wappa")]
    unsafe extern "C" {
        #[link_name = "v1_content_len"]
        pub(super) safe fn content_len() -> u32;
        #[link_name = "v1_content_read"]
        pub(super) fn content_read(offset: u32, buffer: *mut u8, capacity: u32) -> u32;
        #[link_name = "v1_content_write"]
        pub(super) fn content_write(content: *const u8, len: u32);
        #[link_name = "v1_meta_get"]
        pub(super) fn meta_get(key: *const u8, key_len: u32, buffer: *mut u8, capacity: u32) -> i32;
        #[link_name = "v1_meta_get_json"]
        pub(super) fn meta_get_json(key: *const u8, key_len: u32, buffer: *mut u8, capacity: u32) -> i32;
        #[link_name = "v1_meta_set"]
        pub(super) fn meta_set(key: *const u8, key_len: u32, value: *const u8, value_len: u32);
        #[link_name = "v1_meta_set_json"]
        pub(super) fn meta_set_json(key: *const u8, key_len: u32, value: *const u8, value_len: u32);
        #[link_name = "v1_meta_delete"]
        pub(super) fn meta_delete(key: *const u8, key_len: u32) -> i32;
        #[link_name = "v1_meta_keys"]
        pub(super) fn meta_keys(buffer: *mut u8, capacity: u32) -> i32;
        #[link_name = "v1_error_get"]
        pub(super) fn error_get(buffer: *mut u8, capacity: u32) -> i32;
        #[link_name = "v1_error_clear"]
        pub(super) safe fn error_clear();
        #[link_name = "v1_emit"]
        pub(super) safe fn emit();
        #[link_name = "v1_filter"]
        pub(super) safe fn filter();
        #[link_name = "v1_fail"]
        pub(super) fn fail(reason: *const u8, len: u32);
        #[link_name = "v1_next"]
        pub(super) safe fn next() -> i32;
        #[link_name = "v1_batch_index"]
        pub(super) safe fn batch_index() -> u32;
        #[link_name = "v1_batch_len"]
        pub(super) safe fn batch_len() -> u32;
        #[link_name = "v1_config_get"]
        pub(super) fn config_get(key: *const u8, key_len: u32, buffer: *mut u8, capacity: u32) -> i32;
        #[link_name = "v1_log"]
        pub(super) fn log(level: u32, text: *const u8, len: u32);
        #[link_name = "v1_counter_add"]
        pub(super) fn counter_add(name: *const u8, len: u32, delta: u64);
    }
}

/// Makes `buffer` the content.
pub(super) fn read_content(buffer: &mut Vec<u8>) {
    let len = wappa::content_len();
    buffer.clear();
    if buffer.capacity() < len as usize {
        // Not `reserve`, which would copy what is no longer wanted.
        *buffer = Vec::with_capacity(len as usize);
    }
    // SAFETY: the buffer has room for `len` bytes, and as many as the host says it has copied are initialised.
    unsafe {
        let copied = wappa::content_read(0, buffer.as_mut_ptr(), len);
        buffer.set_len(copied.min(len) as usize);
    }
}

pub(super) fn write_content(content: &[u8]) {
    // SAFETY: pointer and length are those of a slice.
    unsafe { wappa::content_write(content.as_ptr(), content.len() as u32) }
}

pub(super) fn metadata(key: &str) -> Option<Vec<u8>> {
    // SAFETY: pointers and lengths are those of a text and of a buffer.
    fetch(|buffer, capacity| unsafe { wappa::meta_get(key.as_ptr(), key.len() as u32, buffer, capacity) })
}

pub(super) fn metadata_json(key: &str) -> Option<Vec<u8>> {
    // SAFETY: pointers and lengths are those of a text and of a buffer.
    fetch(|buffer, capacity| unsafe {
        wappa::meta_get_json(key.as_ptr(), key.len() as u32, buffer, capacity)
    })
}

/// All keys, each as its length in four bytes and its bytes.
pub(super) fn metadata_keys() -> Vec<u8> {
    // SAFETY: pointer and capacity are those of a buffer.
    fetch(|buffer, capacity| unsafe { wappa::meta_keys(buffer, capacity) }).unwrap_or_default()
}

pub(super) fn set_metadata(key: &str, value: &[u8]) {
    // SAFETY: pointers and lengths are those of slices.
    unsafe { wappa::meta_set(key.as_ptr(), key.len() as u32, value.as_ptr(), value.len() as u32) }
}

pub(super) fn set_metadata_json(key: &str, json: &str) {
    // SAFETY: pointers and lengths are those of texts.
    unsafe { wappa::meta_set_json(key.as_ptr(), key.len() as u32, json.as_ptr(), json.len() as u32) }
}

pub(super) fn delete_metadata(key: &str) -> bool {
    // SAFETY: pointer and length are those of a text.
    unsafe { wappa::meta_delete(key.as_ptr(), key.len() as u32) == 1 }
}

pub(super) fn error() -> Option<Vec<u8>> {
    // SAFETY: pointer and capacity are those of a buffer.
    fetch(|buffer, capacity| unsafe { wappa::error_get(buffer, capacity) })
}

pub(super) fn clear_error() {
    wappa::error_clear();
}

pub(super) fn emit() {
    wappa::emit();
}

pub(super) fn filter() {
    wappa::filter();
}

pub(super) fn fail(reason: &str) {
    // SAFETY: pointer and length are those of a text.
    unsafe { wappa::fail(reason.as_ptr(), reason.len() as u32) }
}

/// Whether there is a next message, which then is the current one.
pub(super) fn next() -> bool {
    wappa::next() == 1
}

pub(super) fn position() -> (usize, usize) {
    (wappa::batch_index() as usize, wappa::batch_len() as usize)
}

pub(super) fn config(key: &str) -> Option<Vec<u8>> {
    // SAFETY: pointers and lengths are those of a text and of a buffer.
    fetch(|buffer, capacity| unsafe { wappa::config_get(key.as_ptr(), key.len() as u32, buffer, capacity) })
}

pub(super) fn log(level: u32, text: &str) {
    // SAFETY: pointer and length are those of a text.
    unsafe { wappa::log(level, text.as_ptr(), text.len() as u32) }
}

pub(super) fn count(name: &str, delta: u64) {
    // SAFETY: pointer and length are those of a text.
    unsafe { wappa::counter_add(name.as_ptr(), name.len() as u32, delta) }
}

/// Calls a function that fills a buffer, or says how large it has to be, or -1.
///
/// Short values, which most are, take one call and are allocated in their own size.
fn fetch(call: impl Fn(*mut u8, u32) -> i32) -> Option<Vec<u8>> {
    let mut short = [MaybeUninit::<u8>::uninit(); 256];
    let len = call(short.as_mut_ptr().cast(), short.len() as u32);
    if len == -1 {
        return None;
    }
    let len = len as u32 as usize;
    let mut value = Vec::with_capacity(len);
    if len <= short.len() {
        // SAFETY: the host has written this many bytes, and `value` has room for them.
        unsafe { std::ptr::copy_nonoverlapping(short.as_ptr().cast(), value.as_mut_ptr(), len) };
    } else {
        call(value.as_mut_ptr(), len as u32);
    }
    // SAFETY: the bytes up to here were copied, or written by the host: the value cannot have changed in between.
    unsafe { value.set_len(len) };
    Some(value)
}
