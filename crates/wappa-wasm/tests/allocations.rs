//! Counts allocations: in the steady state a message costs none beyond its content, and contents of a part share one
//! buffer.

#![allow(
    unsafe_code,
    reason = "a global allocator is unsafe by its signature; this one counts and passes on"
)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    time::{Duration, Instant},
};

use bytes::Bytes;
use wappa_message::{Message, Value};
use wappa_wasm::{Engine, EngineConfig, Guest, GuestConfig, Module, spawn_thread};

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of this thread while `parts` parts of `messages` messages each go through an upper-casing guest.
fn count(parts: usize, messages: usize, content: &'static [u8], metadata: bool) -> u64 {
    let run = move || {
        let engine = Engine::new(EngineConfig::default()).expect("an engine");
        let module = Module::new(&engine, include_bytes!("guests/upper.wat")).expect("a module");
        let guest = Guest::new(&engine, &module, GuestConfig::default()).expect("a guest");
        let mut instance = guest.instantiate(Instant::now() + Duration::from_secs(30)).expect("an instance");
        let mut inputs = Vec::with_capacity(messages);
        let mut template = Message::new(Bytes::from_static(content));
        if metadata {
            template.metadata_mut().set("path", Value::text("a"));
        }
        let mut part = |instance: &mut wappa_wasm::Instance| {
            let ctx = engine.enter().expect("a large stack");
            inputs.extend((0..messages).map(|_| template.clone()));
            for message in &mut inputs {
                instance.call(message, &ctx).expect("it does not fail");
            }
            inputs.clear();
        };
        // The first parts find out how large a part is.
        part(&mut instance);
        part(&mut instance);
        let before = COUNT.get();
        for _ in 0..parts {
            part(&mut instance);
        }
        COUNT.get() - before
    };
    spawn_thread("guest", run).expect("a thread").join().expect("no panic")
}

#[test]
fn a_message_allocates_nothing() {
    let line = b"the quick brown fox jumps over the lazy dog, and again, and again, until it is a hundred bytes long.";
    for metadata in [false, true] {
        // Contents are dropped with their part, so even the part's buffer is used again.
        assert_eq!(count(10, 256, line, metadata), 0, "metadata: {metadata}");
        assert_eq!(count(100, 1, line, metadata), 0, "metadata: {metadata}");
    }
}

#[test]
fn a_large_content_allocates_itself() {
    static LARGE: [u8; 20_000] = [b'x'; 20_000];
    // The bytes, and what counts who holds them.
    let allocations = count(10, 16, &LARGE, false);
    assert!(allocations <= 2 * 160, "{allocations}");
}
