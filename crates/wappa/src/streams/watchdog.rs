//! Ends a process that does not end by itself.

use std::{process, sync::Arc, thread, time::Duration};

use wappa_component::Level;

use super::{
    one::{Running, still_at_work},
    set::Streams,
};
use crate::run::tell_at;

/// What comes after a shutdown that does not end: Bento's second of grace.
const GRACE: Duration = Duration::from_secs(1);

/// Ends the process, whatever hangs, a while after the time of a stop is over.
pub(super) fn watch_over(streams: &Arc<Streams>, budget: Duration) {
    let streams = Arc::clone(streams);
    let watch = move || {
        thread::sleep(budget.saturating_add(2 * GRACE));
        let say = move || {
            let active: Vec<Arc<Running>> = streams.all().into_iter().filter(|it| it.is_active()).collect();
            let text = "Service failed to close cleanly within allocated time. Exiting forcefully";
            let text = format!("{text}. Still at work: {}", still_at_work(&active));
            tell_at(Level::Warn, &streams.around().logger, &text);
        };
        // The log itself may be what hangs.
        let said = thread::Builder::new().spawn(say);
        if said.is_ok() {
            thread::sleep(GRACE / 5);
        }
        process::exit(1);
    };
    // A process that can start no thread ends without a guard.
    let _ = thread::Builder::new().name("watchdog".to_string()).spawn(watch);
}
