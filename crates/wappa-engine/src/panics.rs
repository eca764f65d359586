//! What is known of a panic that the engine catches: which component it came out of, and where in the code it was.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind},
};

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
    static COMPONENT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// For the panic hook of a program: whether the engine catches this panic and reports it, so that nothing need be said
/// of it here.
pub fn is_reported(info: &PanicHookInfo<'_>) -> bool {
    let is_guarded = IS_GUARDED.get();
    if is_guarded {
        PLACE.set(info.location().map(ToString::to_string));
    }
    is_guarded
}

/// What came of a call of a component.
pub(crate) enum Caught<R> {
    Returned(R),
    /// It returned, and caught a panic of its own before, of which nobody has heard.
    Recovered(R, String),
    /// It panicked; the text says where and why.
    Panicked(String),
}

/// Calls `f`. `path` is the component that is called; a component within it is named by its [`Witness`].
pub(crate) fn catch<R>(path: &str, f: impl FnOnce() -> R) -> Caught<R> {
    // Whatever a component caught by itself is over.
    PLACE.take();
    COMPONENT.take();
    let was_guarded = IS_GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(f));
    IS_GUARDED.set(was_guarded);
    let (place, component) = (PLACE.take(), COMPONENT.take());
    match result {
        Ok(result) => match place {
            None => Caught::Returned(result),
            Some(place) => Caught::Recovered(result, format!("`{path}` went on after a panic at {place}")),
        },
        Err(panic) => {
            let path = component.as_deref().unwrap_or(path);
            let place = place.map_or(String::new(), |it| format!(" at {it}"));
            Caught::Panicked(format!("`{path}` panicked{place}: {}", text(panic.as_ref())))
        }
    }
}

fn text(panic: &(dyn Any + Send)) -> &str {
    match panic.downcast_ref::<String>() {
        Some(text) => text,
        None => panic.downcast_ref::<&str>().copied().unwrap_or("without a message"),
    }
}

/// Notes which component a panic came out of, the innermost one.
pub(crate) struct Witness<'a>(pub(crate) &'a str);

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            COMPONENT.with_borrow_mut(|it| _ = it.get_or_insert_with(|| self.0.to_string()));
        }
    }
}
