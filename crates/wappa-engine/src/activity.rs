//! Who is at work, and what went wrong: for what is said of a stream, above all of one that does not end.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use wappa_component::Clock;

use crate::{ages::Ages, world::World};

/// What a stream's components are doing. Cloning shares.
#[derive(Clone, Default)]
pub struct Activity(Arc<State>);

#[derive(Default)]
struct State {
    fault: Mutex<Option<String>>,
    n_failed_sources: AtomicU64,
    components: Mutex<Vec<Entry>>,
    connections: Mutex<Vec<Connected>>,
    inputs: Mutex<Vec<(String, World, Ages)>>,
    n_threads: AtomicU32,
}

/// An input or output with its connection.
struct Connected {
    end: End,
    path: String,
    connection: Connection,
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
        let are = |end| connections.iter().filter(|it| it.end == end).all(|it| it.connection.is_there());
        (are(End::Input), are(End::Output))
    }

    /// How many threads the pipeline has; 0 while it is not built.
    pub fn threads(&self) -> usize {
        self.0.n_threads.load(Ordering::Relaxed) as usize
    }

    pub(crate) fn set_threads(&self, n: usize) {
        self.0.n_threads.store(u32::try_from(n).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// The paths of all inputs and outputs, and whether each has the connection that it wants.
    pub fn connections(&self) -> Vec<(String, bool)> {
        let connections = self.0.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.iter().map(|it| (it.path.clone(), it.connection.is_there())).collect()
    }

    /// The path of the input whose message waits longest for its answer, and how long, to a second.
    pub fn oldest_unanswered(&self) -> Option<(String, Duration)> {
        let inputs = self.0.inputs.lock().unwrap_or_else(PoisonError::into_inner);
        let ages = inputs.iter().filter_map(|(path, world, ages)| Some((path, ages.oldest(world.now())?)));
        ages.max_by_key(|it| it.1).map(|(path, age)| (path.clone(), age))
    }

    pub(crate) fn connection(&self, end: End, path: &str) -> Connection {
        let connection = Connection::default();
        let connected = Connected { end, path: path.to_string(), connection: connection.clone() };
        self.0.connections.lock().unwrap_or_else(PoisonError::into_inner).push(connected);
        connection
    }

    /// When the messages of this input are read and answered.
    pub(crate) fn ages(&self, path: &str, world: &World) -> Ages {
        let ages = Ages::default();
        let input = (path.to_string(), world.clone(), ages.clone());
        self.0.inputs.lock().unwrap_or_else(PoisonError::into_inner).push(input);
        ages
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
        let (one, two) = (activity.connection(End::Input, "a"), activity.connection(End::Input, "b"));
        let output = activity.connection(End::Output, "c");
        one.set(true);
        assert_eq!(activity.are_connected(), (false, false));
        two.set(true);
        assert_eq!(activity.are_connected(), (true, false));
        let connections = [("a", true), ("b", true), ("c", false)].map(|(path, is)| (path.to_string(), is));
        assert_eq!(activity.connections(), connections);
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
