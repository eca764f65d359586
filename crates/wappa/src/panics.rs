//! A panic is a bug of ours: one line of the log says where it was. One that comes out of a component is caught by
//! the engine, which reports it with the component's path.

use std::{
    borrow::Cow,
    io::Write,
    panic::{self, PanicHookInfo},
    thread,
};

use wappa_component::{Level, Logger};

/// Panics are told on standard error, in one line, until there is a log.
pub(crate) fn tell_on_stderr() {
    panic::set_hook(Box::new(|info| {
        let (message, place) = describe(info);
        let _ = writeln!(std::io::stderr(), "wappa: panicked at {place}: {message}");
    }));
}

/// Panics are told in the log.
pub(crate) fn tell_in_log(logger: Logger) {
    panic::set_hook(Box::new(move |info| {
        // Out of a component: that says more of it than is known here. Or of a client's library over what a server sent: who
        // called it has an error of it.
        if wappa_engine::is_reported(info) || is_foreign() {
            return;
        }
        let (message, place) = describe(info);
        let thread = thread::current().name().unwrap_or("<unnamed>").to_string();
        let fields = [("place", Cow::Owned(place)), ("thread", Cow::Owned(thread))];
        logger.log_with(Level::Error, &format!("Panicked, which is a bug: {message}"), &fields);
    }));
}

#[cfg(feature = "net")]
fn is_foreign() -> bool {
    wappa_net::is_foreign_panic()
}

#[cfg(not(feature = "net"))]
fn is_foreign() -> bool {
    false
}

fn describe(info: &PanicHookInfo<'_>) -> (String, String) {
    let place = info.location().map_or_else(|| "an unknown place".to_string(), ToString::to_string);
    (info.payload_as_str().unwrap_or("no message").to_string(), place)
}
