//! Threads that are large enough for a guest.
//!
//! A guest may use [`GUEST_STACK_BYTES`] of the stack of the thread that calls it. On a thread with less, a recursion
//! would end the process instead of the guest, so every thread is checked once, when it first enters an engine.

use std::{
    cell::Cell,
    fs, io,
    thread::{self, JoinHandle, Scope, ScopedJoinHandle},
};

use crate::compile::settings::GUEST_STACK_BYTES;

/// The stack of a thread that calls guests: the guest's, and as much again for the host around it.
pub const THREAD_STACK_BYTES: usize = 8 << 20;

/// What must be left when a thread enters: the guest's stack and room for host functions at its end.
const NEEDED_BYTES: usize = GUEST_STACK_BYTES + (512 << 10);

thread_local! {
    static LARGE_ENOUGH: Cell<bool> = const { Cell::new(false) };
}

/// The thread cannot call guests: its stack is too small.
#[derive(Debug, thiserror::Error)]
#[error(
    "entering the wasm engine: this thread has {left} bytes of stack left and a guest needs {NEEDED_BYTES}; \
     start it with `wappa_wasm::spawn_thread` or with `THREAD_STACK_BYTES` of stack"
)]
pub struct StackError {
    left: usize,
}

/// Starts a thread whose stack is large enough for guests.
pub fn spawn_thread<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    thread::Builder::new().name(name.into()).stack_size(THREAD_STACK_BYTES).spawn(move || {
        LARGE_ENOUGH.set(true);
        body()
    })
}

/// The same for a thread that borrows.
pub(crate) fn spawn_scoped_thread<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    body: impl FnOnce() -> T + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, T>> {
    thread::Builder::new().stack_size(THREAD_STACK_BYTES).spawn_scoped(scope, move || {
        // To ask the system costs as much as there are mappings, of which each instance makes some.
        LARGE_ENOUGH.set(true);
        body()
    })
}

/// Checks the calling thread, once.
pub(crate) fn check_thread() -> Result<(), StackError> {
    if LARGE_ENOUGH.get() {
        return Ok(());
    }
    match stack_left() {
        Some(left) if left < NEEDED_BYTES => Err(StackError { left }),
        // Where the system does not say, the caller was told by the documentation.
        _ => {
            LARGE_ENOUGH.set(true);
            Ok(())
        }
    }
}

/// How much stack is left below this function, as far as the system tells.
fn stack_left() -> Option<usize> {
    let marker = 0_u8;
    let here = (&raw const marker).addr();
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(|line| range(line).is_some_and(|(from, to)| (from..to).contains(&here)))?;
    let (from, to) = range(line)?;
    if line.ends_with("[stack]") {
        // The main thread's stack grows on demand, up to the limit of the process.
        let limit = rustix::process::getrlimit(rustix::process::Resource::Stack).current;
        let limit = limit.map_or(usize::MAX, |it| usize::try_from(it).unwrap_or(usize::MAX));
        return Some(limit.saturating_sub(to - here));
    }
    Some(here - from)
}

fn range(line: &str) -> Option<(usize, usize)> {
    let (from, to) = line.split_whitespace().next()?.split_once('-')?;
    Some((usize::from_str_radix(from, 16).ok()?, usize::from_str_radix(to, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_threads_are_refused_and_ours_are_not() {
        let on = |bytes: usize| {
            let thread = thread::Builder::new().stack_size(bytes).spawn(check_thread).expect("a thread");
            thread.join().expect("no panic").map_err(|err| err.to_string())
        };
        let text = on(2 << 20).expect_err("2 MiB are too little");
        assert!(text.starts_with("entering the wasm engine: this thread has "), "{text}");
        assert_eq!(on(THREAD_STACK_BYTES), Ok(()));
        let ours = spawn_thread("ours", || check_thread().is_ok()).expect("a thread");
        assert!(ours.join().expect("no panic"));
    }
}
