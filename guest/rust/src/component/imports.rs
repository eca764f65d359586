//! The host's functions, and what the canonical ABI makes of the types of `processor.wit`.
//!
//! Written by hand rather than generated, so that a call costs no allocation per message, and building a guest no
//! generator of bindings. When a module is wrapped as a component, its signatures are checked against `world.rs`; what
//! is in memory is described here and nowhere else.

use std::mem::MaybeUninit;

use super::arena::ARENA;
use crate::Value;

/// A string, or a list of bytes or of something else: where it is, and how many.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Slice {
    pub(super) start: *const u8,
    pub(super) len: usize,
}

impl Slice {
    pub(super) fn of(text: &[u8]) -> Slice {
        Slice { start: text.as_ptr(), len: text.len() }
    }

    /// # Safety
    ///
    /// The bytes are there for as long as the result is used.
    pub(super) unsafe fn bytes<'a>(self) -> &'a [u8] {
        // SAFETY: as this function demands.
        unsafe { self.list() }
    }

    /// # Safety
    ///
    /// It is a list of these, and there for as long as the result is used.
    pub(super) unsafe fn list<'a, T>(self) -> &'a [T] {
        if self.len == 0 {
            // The pointer of an empty list may be anything.
            return &[];
        }
        // SAFETY: as this function demands.
        unsafe { std::slice::from_raw_parts(self.start.cast(), self.len) }
    }
}

/// `variant value`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct RawValue {
    kind: u8,
    pub(super) data: Slice,
}

impl RawValue {
    const TEXT: u8 = 0;
    const BYTES: u8 = 1;
    const JSON: u8 = 2;

    pub(super) fn of(value: &Value<'_>) -> RawValue {
        let kind = match value {
            Value::Text(_) => RawValue::TEXT,
            Value::Bytes(_) => RawValue::BYTES,
            Value::Json(_) => RawValue::JSON,
        };
        RawValue { kind, data: Slice::of(value.as_bytes()) }
    }

    /// Text, whether it is UTF-8 or not.
    pub(super) fn of_bytes(text: &[u8]) -> RawValue {
        RawValue { kind: RawValue::BYTES, data: Slice::of(text) }
    }

    /// The same kind of value, with its data elsewhere.
    pub(super) fn map(self, place: impl FnOnce(Slice) -> Slice) -> RawValue {
        RawValue { kind: self.kind, data: place(self.data) }
    }

    pub(super) fn is_json(self) -> bool {
        self.kind == RawValue::JSON
    }

    /// # Safety
    ///
    /// The data are there.
    pub(super) unsafe fn to_value(self) -> Value<'static> {
        // SAFETY: as this function demands.
        self.with(unsafe { self.data.bytes() })
    }

    /// A value of this kind with these data.
    pub(super) fn with(self, data: &[u8]) -> Value<'static> {
        match self.kind {
            RawValue::JSON => Value::Json(String::from_utf8_lossy(data).into_owned().into()),
            _ => Value::of_bytes(data.to_vec()),
        }
    }
}

/// `tuple<string, value>`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Pair {
    pub(super) key: Slice,
    pub(super) value: RawValue,
}

/// `record message`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Sent {
    pub(super) content: Slice,
    pub(super) metadata: Slice,
}

/// `variant disposition`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Disposition {
    kind: u8,
    payload: Slice,
}

impl Disposition {
    pub(super) const KEEP: Disposition = Disposition::of(0, Slice { start: std::ptr::null(), len: 0 });
    pub(super) const FILTER: Disposition = Disposition::of(1, Slice { start: std::ptr::null(), len: 0 });

    pub(super) const fn content(content: Slice) -> Disposition {
        Disposition::of(2, content)
    }

    pub(super) const fn send(messages: Slice) -> Disposition {
        Disposition::of(3, messages)
    }

    pub(super) const fn fail(reason: Slice) -> Disposition {
        Disposition::of(4, reason)
    }

    const fn of(kind: u8, payload: Slice) -> Disposition {
        Disposition { kind, payload }
    }
}

/// `option<T>`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Optional<T: Copy> {
    is_some: u8,
    it: MaybeUninit<T>,
}

impl<T: Copy> Optional<T> {
    pub(super) fn of(it: Option<T>) -> Optional<T> {
        Optional { is_some: u8::from(it.is_some()), it: it.map_or(MaybeUninit::uninit(), MaybeUninit::new) }
    }

    pub(super) fn get(self) -> Option<T> {
        // SAFETY: who made it has written what is there.
        (self.is_some != 0).then(|| unsafe { self.it.assume_init() })
    }
}

/// `tuple<u32, string, option<value>>`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Change {
    pub(super) index: u32,
    pub(super) key: Slice,
    pub(super) value: Optional<RawValue>,
}

// As the canonical ABI counts them.
const _: () = assert!(size_of::<RawValue>() == 12 && size_of::<Pair>() == 20 && size_of::<Sent>() == 16);
const _: () = assert!(size_of::<Disposition>() == 12 && size_of::<Optional<RawValue>>() == 16);
const _: () = assert!(size_of::<Change>() == 28);

mod types {
    use super::{Change, Optional, RawValue, Slice};

    #[link(wasm_import_module = "wappa:processor/types@1.0.0")]
    unsafe extern "C" {
        #[link_name = "[method]batch.len"]
        pub(super) safe fn len(batch: u32) -> u32;
        #[link_name = "[method]batch.content"]
        pub(super) fn content(batch: u32, index: u32, result: *mut Slice);
        #[link_name = "[method]batch.contents"]
        pub(super) fn contents(batch: u32, result: *mut [Slice; 2]);
        #[link_name = "[method]batch.get-metadata"]
        pub(super) fn get_metadata(
            batch: u32,
            index: u32,
            key: *const u8,
            key_len: usize,
            result: *mut Optional<RawValue>,
        );
        #[link_name = "[method]batch.metadata"]
        pub(super) fn metadata(batch: u32, index: u32, result: *mut Slice);
        #[link_name = "[method]batch.metadata-keys"]
        pub(super) fn metadata_keys(batch: u32, index: u32, result: *mut Slice);
        #[link_name = "[method]batch.metadata-values"]
        pub(super) fn metadata_values(
            batch: u32,
            first: u32,
            count: u32,
            keys: *const Slice,
            keys_len: usize,
            result: *mut Slice,
        );
        #[link_name = "[method]batch.change-metadata"]
        pub(super) fn change_metadata(batch: u32, changes: *const Change, len: usize);
        #[link_name = "[method]batch.set-metadata-texts"]
        pub(super) fn set_metadata_texts(
            batch: u32,
            key: *const u8,
            key_len: usize,
            indexes: *const u32,
            indexes_len: usize,
            texts: *const u8,
            texts_len: usize,
            ends: *const u32,
            ends_len: usize,
        );
        #[link_name = "[method]batch.error"]
        pub(super) fn error(batch: u32, index: u32, result: *mut Optional<Slice>);
        #[link_name = "[method]batch.clear-error"]
        pub(super) safe fn clear_error(batch: u32, index: u32);
        #[link_name = "[method]batch.position"]
        pub(super) fn position(batch: u32, index: u32, result: *mut [u32; 2]);
        #[link_name = "[resource-drop]batch"]
        pub(super) safe fn drop(batch: u32);
    }
}

mod log {
    #[link(wasm_import_module = "wappa:processor/log@1.0.0")]
    unsafe extern "C" {
        pub(super) fn log(level: u32, text: *const u8, len: usize);
    }
}

mod metrics {
    #[link(wasm_import_module = "wappa:processor/metrics@1.0.0")]
    unsafe extern "C" {
        #[link_name = "counter-add"]
        pub(super) fn counter_add(name: *const u8, len: usize, delta: u64);
    }
}

pub(super) fn log(level: u32, text: &str) {
    // SAFETY: pointer and length are those of a text.
    unsafe { log::log(level, text.as_ptr(), text.len()) }
}

pub(super) fn count(name: &str, delta: u64) {
    // SAFETY: pointer and length are those of a text.
    unsafe { metrics::counter_add(name.as_ptr(), name.len(), delta) }
}

pub(super) fn len(batch: u32) -> u32 {
    types::len(batch)
}

pub(super) fn drop(batch: u32) {
    types::drop(batch);
}

/// One content, in the arena.
pub(super) fn content(batch: u32, index: u32) -> Slice {
    // SAFETY: the place is one for what the host writes.
    ARENA.receive(|| returned(|place| unsafe { types::content(batch, index, place) }))
}

/// All contents, and where each of them ends, in the arena.
pub(super) fn contents(batch: u32) -> [Slice; 2] {
    // SAFETY: the place is one for what the host writes.
    ARENA.receive(|| returned(|place| unsafe { types::contents(batch, place) }))
}

/// All pairs in order, in the arena.
pub(super) fn metadata(batch: u32, index: u32) -> Slice {
    // SAFETY: the place is one for what the host writes.
    ARENA.receive(|| returned(|place| unsafe { types::metadata(batch, index, place) }))
}

/// All keys in order, in the arena.
pub(super) fn metadata_keys(batch: u32, index: u32) -> Slice {
    // SAFETY: the place is one for what the host writes.
    ARENA.receive(|| returned(|place| unsafe { types::metadata_keys(batch, index, place) }))
}

/// The value of a key, in the arena.
pub(super) fn get_metadata(batch: u32, index: u32, key: &str) -> Option<RawValue> {
    let value: Optional<RawValue> = ARENA.receive(|| {
        // SAFETY: pointer and length are those of a text, and the place is one for what the host writes.
        returned(|place| unsafe { types::get_metadata(batch, index, key.as_ptr(), key.len(), place) })
    });
    value.get()
}

/// The values of a key for several messages, in the arena.
pub(super) fn metadata_values(batch: u32, first: u32, count: u32, key: &str) -> Slice {
    let keys = Slice::of(key.as_bytes());
    ARENA.receive(|| {
        // SAFETY: it is a list of one text, and the place is one for what the host writes.
        returned(|place| unsafe { types::metadata_values(batch, first, count, &keys, 1, place) })
    })
}

pub(super) fn change_metadata(batch: u32, changes: &[Change]) {
    // SAFETY: pointer and length are those of the list, and its texts are there.
    unsafe { types::change_metadata(batch, changes.as_ptr(), changes.len()) }
}

/// Sets a key of several messages to texts, one after the other, of which each ends where it is said.
pub(super) fn set_metadata_texts(batch: u32, key: &str, indexes: &[u32], texts: &[u8], ends: &[u32]) {
    // SAFETY: pointers and lengths are those of a text and of lists.
    unsafe {
        types::set_metadata_texts(
            batch,
            key.as_ptr(),
            key.len(),
            indexes.as_ptr(),
            indexes.len(),
            texts.as_ptr(),
            texts.len(),
            ends.as_ptr(),
            ends.len(),
        );
    }
}

pub(super) fn error(batch: u32, index: u32) -> Option<String> {
    let mark = ARENA.mark();
    // SAFETY: the place is one for what the host writes.
    let error: Optional<Slice> =
        ARENA.receive(|| returned(|place| unsafe { types::error(batch, index, place) }));
    // SAFETY: the text is in the arena until it is released.
    let error = error.get().map(|it| String::from_utf8_lossy(unsafe { it.bytes() }).into_owned());
    // SAFETY: what was received is copied.
    unsafe { ARENA.release(mark) };
    error
}

pub(super) fn clear_error(batch: u32, index: u32) {
    types::clear_error(batch, index);
}

pub(super) fn position(batch: u32, index: u32) -> (usize, usize) {
    // SAFETY: the place is one for what the host writes.
    let [index, len] = returned(|place| unsafe { types::position(batch, index, place) });
    (index as usize, len as usize)
}

/// What a function of the host writes to a place that it is given.
fn returned<T>(call: impl FnOnce(*mut T)) -> T {
    let mut place = MaybeUninit::uninit();
    call(place.as_mut_ptr());
    // SAFETY: the host has written all of it, or the call has not come back.
    unsafe { place.assume_init() }
}
