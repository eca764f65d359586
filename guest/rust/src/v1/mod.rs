//! Guest interface v1: functions of import module `wappa`, no allocator, one call for many messages.

mod imports;

use std::cell::{Cell, UnsafeCell};

use crate::{
    export::{self, Slot},
    Level, Processor, Value,
};

/// The config is asked for key by key.
#[derive(Clone, Debug)]
pub(crate) struct Config;

impl Config {
    pub(crate) fn get(&self, key: &str) -> Option<String> {
        imports::config(key).map(lossy)
    }
}

pub(crate) fn log(level: Level, text: &str) {
    imports::log(level as u32, text);
}

pub(crate) fn count(name: &str, delta: u64) {
    imports::count(name, delta);
}

/// What the buffer of a message has to do with its content.
#[derive(Clone, Copy, PartialEq)]
enum Buffer {
    /// Nothing: left over from an earlier content.
    Stale,
    /// It is the content.
    Read,
    /// It is the content, and the host does not know it yet.
    Edited,
}

/// The one message that the host's functions are about.
pub(crate) struct Message {
    /// Used again for each message. It changes in `content` only where `state` says that nobody can have borrowed it,
    /// and elsewhere behind `&mut self`.
    buffer: UnsafeCell<Vec<u8>>,
    state: Cell<Buffer>,
    /// Whether an edit of the content no longer matters.
    discarded: bool,
}

impl Message {
    const fn new() -> Message {
        Message { buffer: UnsafeCell::new(Vec::new()), state: Cell::new(Buffer::Stale), discarded: false }
    }

    /// The next message is the current one.
    fn begin(&mut self) {
        self.state.set(Buffer::Stale);
        self.discarded = false;
    }

    /// The host gets what it does not know yet.
    fn finish(&mut self) {
        if !self.discarded {
            self.write_back();
        }
    }

    fn write_back(&mut self) {
        if self.state.get() == Buffer::Edited {
            imports::write_content(self.buffer.get_mut());
            self.state.set(Buffer::Read);
        }
    }

    pub(crate) fn content(&self) -> &[u8] {
        if self.state.get() == Buffer::Stale {
            // SAFETY: a reference into the buffer is handed out by this function and `content_mut` only, and the state
            // is another one from then on until it is changed through `&mut self`, when the reference is gone.
            imports::read_content(unsafe { &mut *self.buffer.get() });
            self.state.set(Buffer::Read);
        }
        // SAFETY: nothing changes the buffer while `self` is borrowed, see above.
        unsafe { &*self.buffer.get() }
    }

    pub(crate) fn content_mut(&mut self) -> &mut Vec<u8> {
        self.content();
        self.state.set(Buffer::Edited);
        self.buffer.get_mut()
    }

    pub(crate) fn set_content(&mut self, content: &[u8]) {
        imports::write_content(content);
        self.state.set(Buffer::Stale);
    }

    pub(crate) fn metadata(&self, key: &str) -> Option<Value<'static>> {
        let json = lossy(imports::metadata_json(key)?);
        // Text is asked for a second time: as JSON, bytes that are not UTF-8 are no longer there.
        if json.starts_with('"') {
            return imports::metadata(key).map(Value::of_bytes);
        }
        Some(Value::Json(json.into()))
    }

    pub(crate) fn metadata_text(&self, key: &str) -> Option<String> {
        imports::metadata(key).map(lossy)
    }

    pub(crate) fn metadata_keys(&self) -> Vec<String> {
        let list = imports::metadata_keys();
        let mut rest = list.as_slice();
        let mut keys = Vec::new();
        while let Some((bytes, after)) = rest.split_first_chunk() {
            let (key, after) = after.split_at(u32::from_le_bytes(*bytes) as usize);
            if let Ok(key) = std::str::from_utf8(key) {
                keys.push(key.to_string());
            }
            rest = after;
        }
        keys
    }

    pub(crate) fn metadata_pairs(&self) -> Vec<(String, Value<'static>)> {
        let pair = |key: String| self.metadata(&key).map(|value| (key, value));
        self.metadata_keys().into_iter().filter_map(pair).collect()
    }

    pub(crate) fn set_metadata(&mut self, key: &str, value: &Value<'_>) {
        match value {
            Value::Json(json) => imports::set_metadata_json(key, json),
            text => imports::set_metadata(key, text.as_bytes()),
        }
    }

    pub(crate) fn delete_metadata(&mut self, key: &str) -> bool {
        imports::delete_metadata(key)
    }

    pub(crate) fn error(&self) -> Option<String> {
        imports::error().map(lossy)
    }

    pub(crate) fn clear_error(&mut self) {
        imports::clear_error();
    }

    pub(crate) fn emit(&mut self) {
        self.write_back();
        imports::emit();
    }

    pub(crate) fn filter(&mut self) {
        self.discarded = true;
        imports::filter();
    }

    pub(crate) fn fail(&mut self, reason: &str) {
        self.discarded = true;
        imports::fail(reason);
    }

    pub(crate) fn position(&self) -> (usize, usize) {
        imports::position()
    }
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|err| String::from_utf8_lossy(err.as_bytes()).into_owned())
}

pub mod entry {
    //! What the exported functions do.

    use super::*;

    /// The message with its buffer, which outlive the call.
    static MESSAGE: Slot<crate::Message> = Slot::new();

    /// Makes the processor. 0 when that worked.
    pub fn init<P: Processor>(slot: &Slot<P>) -> i32 {
        export::install_panic_hook();
        match export::configure(crate::Config(Config)) {
            Ok(processor) => {
                // SAFETY: the host enters an instance once at a time, and the references end with this function.
                let (slot, message) = unsafe { (slot.get(), MESSAGE.get()) };
                *slot = Some(processor);
                *message = Some(crate::Message { host: Message::new() });
                0
            }
            Err(reason) => {
                log(Level::Error, &reason);
                1
            }
        }
    }

    /// Works on the messages that are ready.
    pub fn process<P: Processor>(slot: &Slot<P>) {
        // SAFETY: the host enters an instance once at a time, and the references end with this function.
        let (slot, message) = unsafe { (slot.get(), MESSAGE.get()) };
        let (Some(processor), Some(message)) = (slot, message) else {
            panic!("`wappa_init` has to be called before `process`, and its result has to be 0");
        };
        loop {
            message.host.begin();
            export::process(processor, message);
            message.host.finish();
            if !imports::next() {
                break;
            }
        }
    }

    /// Drops the processor.
    pub fn close<P: Processor>(slot: &Slot<P>) {
        // SAFETY: the host enters an instance once at a time, and the reference ends with this function.
        drop(unsafe { slot.get() }.take());
    }
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($processor:ty) => {
        const _: () = {
            static PROCESSOR: $crate::__private::Slot<$processor> = $crate::__private::Slot::new();

            #[unsafe(no_mangle)]
            extern "C" fn wappa_init() -> i32 {
                $crate::__private::entry::init(&PROCESSOR)
            }

            #[unsafe(no_mangle)]
            extern "C" fn process() {
                $crate::__private::entry::process(&PROCESSOR)
            }

            #[unsafe(no_mangle)]
            extern "C" fn wappa_close() {
                $crate::__private::entry::close(&PROCESSOR)
            }
        };
    };
}
