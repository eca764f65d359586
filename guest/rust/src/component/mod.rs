//! A component of the world in `processor.wit`: one call for many messages, whose contents are copied all at once and
//! only when one of them is asked for.

mod arena;
mod imports;
mod message;
mod metadata;
mod world;

use std::{cell::UnsafeCell, rc::Rc};

pub(crate) use message::Message;

use crate::{
    export::{self, Slot},
    Level, Processor,
};

/// All of the config, as it came with `configure`.
#[derive(Clone, Debug)]
pub(crate) struct Config(Rc<[(String, String)]>);

impl Config {
    pub(crate) fn get(&self, key: &str) -> Option<String> {
        self.0.iter().find(|(it, _)| it == key).map(|(_, value)| value.clone())
    }
}

pub(crate) fn log(level: Level, text: &str) {
    imports::log(level as u32, text);
}

pub(crate) fn count(name: &str, delta: u64) {
    imports::count(name, delta);
}

pub mod entry {
    //! What the exported functions do.

    pub use super::{arena::realloc, world::WORLD};
    use super::{arena::ARENA, imports::Slice, *};

    /// The message with its buffers, which outlive the call.
    static MESSAGE: Slot<crate::Message> = Slot::new();

    /// What the host reads when an exported function has returned.
    static RESULT: Area = Area(UnsafeCell::new([0; 3]));

    #[repr(C, align(8))]
    struct Area(UnsafeCell<[usize; 3]>);

    // SAFETY: an instance is entered by one thread at a time, and its module has no threads of its own.
    unsafe impl Sync for Area {}

    impl Area {
        fn fill(&self, words: [usize; 3]) -> *const u8 {
            // SAFETY: there are no references to it, and the host reads it after the call only.
            unsafe { self.0.get().write(words) };
            self.0.get().cast()
        }
    }

    /// Makes the processor.
    ///
    /// # Safety
    ///
    /// `config` is a list of pairs of strings as the canonical ABI hands it over: allocated with [`realloc`], and ours.
    pub unsafe fn configure<P: Processor>(slot: &Slot<P>, config: *mut u8, len: usize) -> *const u8 {
        export::install_panic_hook();
        // SAFETY: as this function demands. Each list was allocated in the size that it has.
        let pairs = unsafe { owned::<[Slice; 2]>(config.cast(), len) };
        // SAFETY: the same.
        let text = |it: Slice| match String::from_utf8(unsafe { owned(it.start.cast_mut(), it.len) }) {
            Ok(text) => text,
            Err(err) => String::from_utf8_lossy(err.as_bytes()).into_owned(),
        };
        let config: Rc<_> = pairs.into_iter().map(|[key, value]| (text(key), text(value))).collect();
        match export::configure(crate::Config(Config(config))) {
            Ok(processor) => {
                // SAFETY: the host enters an instance once at a time, and the references end with this function.
                let (slot, message) = unsafe { (slot.get(), MESSAGE.get()) };
                *slot = Some(processor);
                *message = Some(crate::Message { host: Message::new() });
                RESULT.fill([0; 3])
            }
            Err(reason) => {
                let reason = ARENA.take(&mut reason.into_bytes());
                RESULT.fill([1, reason.start as usize, reason.len])
            }
        }
    }

    /// Works on the messages of a batch.
    pub fn process<P: Processor>(slot: &Slot<P>, batch: u32) -> *const u8 {
        // SAFETY: the host enters an instance once at a time, and the references end with this function.
        let (slot, message) = unsafe { (slot.get(), MESSAGE.get()) };
        let (Some(processor), Some(message)) = (slot, message) else {
            panic!("`configure` has to be called before `process`, and its result has to be no error");
        };
        let len = imports::len(batch);
        let list = ARENA.alloc(len as usize * size_of::<imports::Disposition>());
        message.host.enter(batch, len);
        for index in 0..len {
            message.host.begin(index);
            export::process(processor, message);
            let disposition = message.host.finish();
            // SAFETY: the list has room for `len` of them.
            unsafe { list.cast::<imports::Disposition>().add(index as usize).write(disposition) };
        }
        message.host.leave();
        imports::drop(batch);
        RESULT.fill([list as usize, len as usize, 0])
    }

    /// The host has read the result.
    pub fn done() {
        // SAFETY: between two calls nobody uses anything of the arena.
        unsafe { ARENA.reset() }
    }

    /// # Safety
    ///
    /// Pointer and length are a list that was allocated with [`realloc`] in this length and is nobody else's.
    unsafe fn owned<T>(start: *mut T, len: usize) -> Vec<T> {
        if len == 0 {
            return Vec::new();
        }
        // SAFETY: as this function demands; outside of `Arena::receive` it comes from the program's allocator.
        unsafe { Vec::from_raw_parts(start, len, len) }
    }
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($processor:ty) => {
        const _: () = {
            static PROCESSOR: $crate::__private::Slot<$processor> = $crate::__private::Slot::new();

            #[unsafe(export_name = "wappa:processor/transform@1.0.0#configure")]
            unsafe extern "C" fn configure(config: *mut u8, len: usize) -> *const u8 {
                unsafe { $crate::__private::entry::configure(&PROCESSOR, config, len) }
            }

            #[unsafe(export_name = "cabi_post_wappa:processor/transform@1.0.0#configure")]
            extern "C" fn configure_done(_result: *const u8) {
                $crate::__private::entry::done()
            }

            #[unsafe(export_name = "wappa:processor/transform@1.0.0#process")]
            extern "C" fn process(batch: u32) -> *const u8 {
                $crate::__private::entry::process(&PROCESSOR, batch)
            }

            #[unsafe(export_name = "cabi_post_wappa:processor/transform@1.0.0#process")]
            extern "C" fn process_done(_result: *const u8) {
                $crate::__private::entry::done()
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn cabi_realloc(
                old: *mut u8,
                old_len: usize,
                align: usize,
                len: usize,
            ) -> *mut u8 {
                unsafe { $crate::__private::entry::realloc(old, old_len, align, len) }
            }

            // The types of the world, by which the module is known as a component's.
            #[unsafe(link_section = "component-type:wappa:processor@1.0.0:processor:encoded world")]
            static WORLD: [u8; $crate::__private::entry::WORLD.len()] = *$crate::__private::entry::WORLD;
        };
    };
}
