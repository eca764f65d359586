//! Who is at work, and what went wrong: for what is said of a stream, above all of one that does not end.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
};

/// What a stream's components are doing. Cloning shares.
#[derive(Clone, Default)]
pub struct Activity(Arc<State>);

#[derive(Default)]
struct State {
    fault: Mutex<Option<String>>,
    n_failed_sources: AtomicU64,
    components: Mutex<Vec<Entry>>,
    connections: Mutex<Vec<(End, Connection)>>,
}

/// At which end of a stream a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Input,
    Output,
}

/// Whether an input or output has the connection that it wants; whoever has come to its end wants none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connection(Arc<AtomicBool>);

impl Connection {
    pub(crate) fn set(&self, is_there: bool) {
        self.0.store(is_there, Ordering::Relaxed);
    }

    pub(crate) fn is_there(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

struct Entry {
    label: String,
    path: String,
    n_calls: Arc<AtomicU32>,
}

/// One component's calls.
#[derive(Clone, Debug)]
pub(crate) struct Calls(Arc<AtomicU32>);

/// A call under way.
pub(crate) struct Call<'a>(&'a AtomicU32);

impl Calls {
    pub(crate) fn begin(&self) -> Call<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Call(&self.0)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Activity {
    /// Why the stream cannot go on; the first reason.
    pub fn fault(&self) -> Option<String> {
        self.0.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The components that were called and have not returned, by path and label. Of one within another the inner one.
    pub fn at_work(&self) -> Vec<String> {
        let components = self.0.components.lock().unwrap_or_else(PoisonError::into_inner);
        let called: Vec<&Entry> =
            components.iter().filter(|it| 0 < it.n_calls.load(Ordering::Relaxed)).collect();
        let is_within = |outer: &Entry, inner: &Entry| {
            inner.path.strip_prefix(&outer.path).is_some_and(|it| it.starts_with('.'))
        };
        let mut names: Vec<String> = called
            .iter()
            .filter(|outer| !called.iter().any(|inner| is_within(outer, inner)))
            .map(|it| match it.label.as_str() {
                "" => it.path.clone(),
                label => format!("{} (label `{label}`)", it.path),
            })
            .collect();
        names.sort();
        names
    }

    /// Whether all inputs, and all outputs, have the connections that they want, however deep they are in others.
    pub fn are_connected(&self) -> (bool, bool) {
        let connections = self.0.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let are = |end| connections.iter().filter(|it| it.0 == end).all(|it| it.1.is_there());
        (are(End::Input), are(End::Output))
    }

    pub(crate) fn connection(&self, end: End) -> Connection {
        let connection = Connection::default();
        self.0.connections.lock().unwrap_or_else(PoisonError::into_inner).push((end, connection.clone()));
        connection
    }

    pub(crate) fn component(&self, label: &str, path: &str) -> Calls {
        let n_calls = Arc::new(AtomicU32::new(0));
        let entry = Entry { label: label.to_string(), path: path.to_string(), n_calls: Arc::clone(&n_calls) };
        self.0.components.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
        Calls(n_calls)
    }

    /// A source was given up, and others go on.
    pub(crate) fn source_failed(&self) {
        self.0.n_failed_sources.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn n_failed_sources(&self) -> u64 {
        self.0.n_failed_sources.load(Ordering::Relaxed)
    }

    pub(crate) fn fail(&self, text: String) {
        self.0.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text);
    }
}

impl fmt::Debug for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Activity").field("at_work", &self.at_work()).field("fault", &self.fault()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_connected_when_all_of_it_are() {
        let activity = Activity::default();
        assert_eq!(activity.are_connected(), (true, true));
        let (one, two) = (activity.connection(End::Input), activity.connection(End::Input));
        let output = activity.connection(End::Output);
        one.set(true);
        assert_eq!(activity.are_connected(), (false, false));
        two.set(true);
        assert_eq!(activity.are_connected(), (true, false));
        output.set(true);
        one.set(false);
        assert_eq!(activity.are_connected(), (false, true));
    }

    #[test]
    fn the_innermost_of_those_that_have_not_returned() {
        let activity = Activity::default();
        let of = |label, path| activity.component(label, path);
        let outer = of("", "root.pipeline.processors.1");
        let inner = of("slow", "root.pipeline.processors.1.try.0");
        let like = of("", "root.pipeline.processors.10");
        let output = of("", "root.output");
        assert_eq!(activity.at_work(), [""; 0]);
        let (_outer, _like, _output) = (outer.begin(), like.begin(), output.begin());
        let others = ["root.output", "root.pipeline.processors.1", "root.pipeline.processors.10"];
        assert_eq!(activity.at_work(), others);
        let (one, two) = (inner.begin(), inner.begin());
        drop(one);
        let slow = "root.pipeline.processors.1.try.0 (label `slow`)";
        assert_eq!(activity.at_work(), ["root.output", slow, "root.pipeline.processors.10"]);
        drop(two);
        assert_eq!(activity.at_work(), others);
    }
}
