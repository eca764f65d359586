//! Who looks, while a mapping works, whether it may go on, and has what it asks for: one for all mappings of a thread.
//!
//! A mapping finds who looks by itself, so that no component has to think of it, and none can forget it. Only a mapping that
//! works for a millisecond is looked at.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;

/// The stream that the mappings of a thread work for.
pub trait Watch: Send + Sync {
    /// Time since a point that stays the same.
    fn now(&self) -> Duration;

    /// Whether the stream gives up what it is doing.
    fn is_interrupted(&self) -> bool;

    /// Asks a cache of the stream; gives the value where one is asked for. Texts of errors are Bento's.
    fn cache(&self, label: &str, key: &[u8], call: CacheCall<'_>) -> Result<Option<Bytes>, String> {
        let _ = (key, call);
        Err(format!("unable to locate resource: {label}"))
    }
}

/// What a mapping asks of a cache.
#[derive(Clone, Copy, Debug)]
pub enum CacheCall<'a> {
    /// The value, which has to be there.
    Get,
    /// To set a value.
    Set(&'a [u8]),
    /// To set a value where there is none.
    Add(&'a [u8]),
    /// To remove what is there.
    Delete,
}

thread_local! {
    static WATCH: RefCell<Option<Arc<dyn Watch>>> = const { RefCell::new(None) };
    static WAS_INTERRUPTED: Cell<bool> = const { Cell::new(false) };
}

/// From now on all mappings, and texts with queries, that this thread evaluates are watched by this one; with none they
/// may take as long as their steps do.
pub fn watch(watch: Option<Arc<dyn Watch>>) {
    WATCH.set(watch);
}

/// Whether a mapping on this thread was interrupted since the last call. Whatever became of it, nothing is known of its
/// message.
pub fn take_interrupted() -> bool {
    WAS_INTERRUPTED.take()
}

/// Who watches the mappings of this thread: for whoever starts another one that works for the same stream.
pub fn watched() -> Option<Arc<dyn Watch>> {
    WATCH.with_borrow(Clone::clone)
}

pub(crate) fn set_interrupted() {
    WAS_INTERRUPTED.set(true);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use wappa_message::Message;

    use super::*;
    use crate::{Environment, Program};

    /// A clock on which each look takes a second, and that interrupts at this look.
    #[derive(Default)]
    struct Seconds {
        looks: AtomicU64,
        interrupts_at: u64,
    }

    impl Watch for Seconds {
        fn now(&self) -> Duration {
            Duration::from_secs(self.looks.fetch_add(1, Ordering::Relaxed))
        }

        fn is_interrupted(&self) -> bool {
            self.interrupts_at <= self.looks.load(Ordering::Relaxed)
        }
    }

    /// What becomes of a mapping that is watched, and after how many looks.
    fn watched(mapping: &str, interrupts_at: u64) -> (Result<(), String>, u64) {
        let program = Program::parse(mapping, &Environment::default()).expect("it can be read");
        let seconds = Arc::new(Seconds { interrupts_at, ..Seconds::default() });
        watch(Some(Arc::clone(&seconds) as Arc<dyn Watch>));
        let result = program.map(&mut [Message::new("{}")], 0).map(drop).map_err(|it| it.to_string());
        watch(None);
        (result, seconds.looks.load(Ordering::Relaxed))
    }

    const LONG: &str = "root = range(0, 1000).map_each(a -> range(0, 1000).map_each(b -> a + b).sum()).sum()";

    #[test]
    fn what_takes_long_is_looked_at_and_ends() {
        assert_eq!(watched("root = range(0, 1000).sum()", 0), (Ok(()), 0));
        let (result, looks) = watched(LONG, u64::MAX);
        assert!(result.is_err_and(|it| it.contains("the mapping takes longer than 10s for one message")));
        assert_eq!(looks, 12);
        assert!(!take_interrupted());
    }

    #[test]
    fn what_is_interrupted_cannot_go_on() {
        let long = LONG.trim_start_matches("root = ");
        for mapping in [
            LONG.to_string(),
            format!("root.a = {long}.catch(1)\nroot.b = 1"),
            format!("root.a = [{long}].string().number(1)\nroot.b = {long}.or(5)"),
            format!("map m {{\n  root = {long}\n}}\nroot = \"x\".apply(\"m\").catch(5)"),
            // On a stack of its own.
            format!(
                "map m {{\n  root = if this.n > 0 {{ {{\"n\": this.n - 1}}.apply(\"m\") }} else {{ {long} }}\n}}\n\
                 root = {{\"n\": 200}}.apply(\"m\").catch(5)"
            ),
        ] {
            let (result, looks) = watched(&mapping, 3);
            assert!(result.is_err(), "{mapping}");
            assert_eq!(looks, 3, "{mapping}");
            assert!(take_interrupted() && !take_interrupted(), "{mapping}");
        }
    }
}
