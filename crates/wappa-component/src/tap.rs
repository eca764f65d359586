//! Taps: a look at the messages of a component while its stream runs.
//!
//! Whoever runs a component has a [`TapPoint`], and asks it once for each part whether anybody looks, which is one load.
//! Whoever looks has a [`Tap`]: a queue of copies that is bounded in number and bytes. What does not fit, or is more than was
//! asked for in a second, is counted and not copied, so that a look never holds up a stream.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;
use wappa_message::{Message, Value};

use crate::{FailureNotes, Failures};

/// How many may look at once.
const TAPS_MAX: usize = 16;

/// How many messages wait for the one who looks, and how many bytes they may have together.
const WAITING_MAX: usize = 256;
const WAITING_BYTES_MAX: usize = 4 << 20;

/// So much of a content is copied. A structure is printed for it, so one that is far larger is not shown at all.
const CONTENT_BYTES_MAX: usize = 64 << 10;
const PRINTED_BYTES_MAX: usize = 1 << 20;

/// So much of the names and values of metadata is copied.
const METADATA_BYTES_MAX: usize = 16 << 10;

/// The components of a process that can be looked at, who looks at them, and what failed last. Cloning shares.
#[derive(Clone)]
pub struct Taps {
    all: Arc<Mutex<All>>,
    failures: Failures,
    /// The stream whose points are made with it; empty where there is one only.
    stream: Arc<str>,
}

impl Default for Taps {
    fn default() -> Taps {
        Taps { all: Arc::default(), failures: Failures::default(), stream: "".into() }
    }
}

#[derive(Default)]
struct All {
    /// By number, so that one that goes is found among many.
    points: BTreeMap<u64, Arc<Point>>,
    n_points: u64,
    taps: Vec<Arc<Tapped>>,
}

/// A component that can be looked at, until this is dropped.
pub struct TapPoint {
    number: u64,
    point: Arc<Point>,
    taps: Taps,
}

struct Point {
    stream: Arc<str>,
    path: Arc<str>,
    label: Arc<str>,
    is_tapped: AtomicBool,
    taps: Mutex<Vec<Arc<Tapped>>>,
}

/// A look at a component, until this is dropped.
pub struct Tap {
    tapped: Arc<Tapped>,
    taps: Taps,
}

/// Which messages are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapRequest {
    /// The stream that the component is of; empty: of whichever there are.
    pub stream: String,
    /// The path of the component, with or without `root.`, or its label.
    pub component: String,
    /// Of so many messages one.
    pub every: u64,
    /// No more than so many in a second.
    pub rate: u64,
}

/// A copy of a message, as it left an input or a processor, or as it came to an output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The stream that the component is of; empty where there is one only.
    pub stream: Arc<str>,
    /// The path of the component.
    pub path: Arc<str>,
    /// The component's label; empty where it has none.
    pub label: Arc<str>,
    /// The content, or its beginning; empty where it is a structure that is too large to be printed.
    pub content: Vec<u8>,
    /// How large the content is; about, where it was not printed.
    pub content_bytes: usize,
    /// The metadata, or their beginning.
    pub metadata: Vec<(Bytes, Bytes)>,
    /// How many metadata there are beside these.
    pub n_metadata_left_out: usize,
    /// Why the message has failed, if it has.
    pub error: Option<String>,
    /// How many messages before this one were wanted and are not shown.
    pub n_dropped: u64,
}

struct Tapped {
    request: TapRequest,
    /// How many messages came by.
    n_seen: AtomicU64,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Seen>,
    bytes: usize,
    n_dropped: u64,
    /// When the second began, and how many messages it had.
    second: Option<Instant>,
    n_in_second: u64,
    waker: Option<Waker>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Taps {
    /// The same, for the components of a stream among several.
    #[must_use]
    pub fn of_stream(&self, stream: &str) -> Taps {
        Taps { stream: stream.into(), ..self.clone() }
    }

    /// A component that can be looked at from here on.
    pub fn point(&self, path: &str, label: &str) -> TapPoint {
        let point = Point {
            stream: Arc::clone(&self.stream),
            path: path.into(),
            label: label.into(),
            is_tapped: AtomicBool::new(false),
            taps: Mutex::default(),
        };
        let mut all = lock(&self.all);
        all.taps.iter().filter(|it| it.is_of(&point)).for_each(|it| point.add(it));
        let point = Arc::new(point);
        let number = all.n_points;
        all.n_points += 1;
        all.points.insert(number, Arc::clone(&point));
        TapPoint { number, point, taps: self.clone() }
    }

    /// Looks at a component. One that comes later under the same path or label is looked at as well. The error says why not.
    pub fn tap(&self, request: TapRequest) -> Result<Tap, String> {
        let tapped = Arc::new(Tapped { request, n_seen: AtomicU64::new(0), queue: Mutex::default() });
        let mut all = lock(&self.all);
        if TAPS_MAX <= all.taps.len() {
            return Err(format!("{TAPS_MAX} taps are open, and no more can be: close one"));
        }
        all.points.values().filter(|it| tapped.is_of(it)).for_each(|it| it.add(&tapped));
        all.taps.push(Arc::clone(&tapped));
        Ok(Tap { tapped, taps: self.clone() })
    }

    /// What failed last, at any of them.
    pub fn failures(&self) -> &Failures {
        &self.failures
    }

    /// The streams, paths and labels of all components that can be looked at, in order.
    pub fn components(&self) -> Vec<[Arc<str>; 3]> {
        let all = lock(&self.all);
        let of = |it: &Point| [&it.stream, &it.path, &it.label].map(Arc::clone);
        let mut components: Vec<_> = all.points.values().map(|it| of(it)).collect();
        components.sort();
        components.dedup();
        components
    }
}

impl TapPoint {
    /// Whether anybody looks. Costs a load.
    #[inline]
    pub fn is_tapped(&self) -> bool {
        self.point.is_tapped.load(Ordering::Relaxed)
    }

    /// Where the component tells what fails.
    pub fn failures(&self) -> FailureNotes {
        self.taps.failures.notes([&self.point.stream, &self.point.path, &self.point.label])
    }

    /// Shows messages to whoever looks.
    #[cold]
    pub fn show(&self, messages: &[Message]) {
        for tapped in &*lock(&self.point.taps) {
            tapped.see(&self.point, messages);
        }
    }
}

impl Point {
    fn add(&self, tapped: &Arc<Tapped>) {
        lock(&self.taps).push(Arc::clone(tapped));
        self.is_tapped.store(true, Ordering::Relaxed);
    }

    fn remove(&self, tapped: &Arc<Tapped>) {
        let mut taps = lock(&self.taps);
        taps.retain(|it| !Arc::ptr_eq(it, tapped));
        self.is_tapped.store(!taps.is_empty(), Ordering::Relaxed);
    }
}

impl Drop for TapPoint {
    fn drop(&mut self) {
        lock(&self.taps.all).points.remove(&self.number);
    }
}

impl Tapped {
    fn is_of(&self, point: &Point) -> bool {
        let stream = self.request.stream.as_str();
        if !stream.is_empty() && stream != &*point.stream {
            return false;
        }
        let (name, path) = (self.request.component.as_str(), &*point.path);
        name == path
            || path.strip_prefix("root.") == Some(name)
            || (!name.is_empty() && name == &*point.label)
    }

    fn see(&self, point: &Point, messages: &[Message]) {
        let first = self.n_seen.fetch_add(messages.len() as u64, Ordering::Relaxed);
        let every = self.request.every.max(1);
        // The first that is one of so many.
        let skipped = (every - first % every) % every;
        let (Ok(skipped), step) = (usize::try_from(skipped), usize::try_from(every).unwrap_or(usize::MAX))
        else {
            return;
        };
        let mut wanted = messages.iter().skip(skipped).step_by(step).peekable();
        if wanted.peek().is_none() {
            return;
        }
        let mut queue = lock(&self.queue);
        let now = Instant::now();
        if queue.second.is_none_or(|it| Duration::from_secs(1) <= now.saturating_duration_since(it)) {
            (queue.second, queue.n_in_second) = (Some(now), 0);
        }
        for message in wanted {
            let has_room = queue.waiting.len() < WAITING_MAX && queue.bytes < WAITING_BYTES_MAX;
            if !has_room || self.request.rate <= queue.n_in_second {
                queue.n_dropped += 1;
                continue;
            }
            queue.n_in_second += 1;
            let seen = Seen { n_dropped: std::mem::take(&mut queue.n_dropped), ..Seen::of(point, message) };
            queue.bytes += seen.size();
            queue.waiting.push_back(seen);
        }
        let waker = if queue.waiting.is_empty() { None } else { queue.waker.take() };
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Seen {
    fn of(point: &Point, message: &Message) -> Seen {
        let mut content = Vec::new();
        let content_bytes = match message.printed() {
            Ok(bytes) => {
                content.extend_from_slice(&bytes[..bytes.len().min(CONTENT_BYTES_MAX)]);
                bytes.len()
            }
            Err(_) if PRINTED_BYTES_MAX < message.content_size() => message.content_size(),
            Err(_) => {
                message.write_content(&mut content);
                let bytes = content.len();
                content.truncate(CONTENT_BYTES_MAX);
                content.shrink_to_fit();
                bytes
            }
        };
        let (mut metadata, mut bytes) = (Vec::new(), 0);
        for (name, value) in message.metadata().iter() {
            let size = match value {
                Value::Array(_) | Value::Object(_) => name.len() + value.size(),
                value => name.len() + value.text_len(),
            };
            if METADATA_BYTES_MAX < bytes + size {
                break;
            }
            bytes += size;
            // Not a part of something larger that it would keep alive.
            let copy = |it: &[u8]| Bytes::copy_from_slice(it);
            metadata.push((copy(name), copy(&value.to_text())));
        }
        Seen {
            stream: Arc::clone(&point.stream),
            path: Arc::clone(&point.path),
            label: Arc::clone(&point.label),
            content,
            content_bytes,
            n_metadata_left_out: message.metadata().len() - metadata.len(),
            metadata,
            error: message.error().map(|it| it.as_str().chars().take(1024).collect()),
            n_dropped: 0,
        }
    }

    fn size(&self) -> usize {
        let of_metadata: usize = self.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.content.len() + of_metadata + self.error.as_ref().map_or(0, String::len) + size_of::<Seen>()
    }
}

impl Tap {
    /// The next message, once there is one.
    pub fn poll_next(&mut self, ctx: &mut Context<'_>) -> Poll<Seen> {
        let mut queue = lock(&self.tapped.queue);
        match queue.waiting.pop_front() {
            Some(seen) => {
                queue.bytes -= seen.size();
                Poll::Ready(seen)
            }
            None => {
                queue.waker = Some(ctx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let mut all = lock(&self.taps.all);
        all.taps.retain(|it| !Arc::ptr_eq(it, &self.tapped));
        all.points.values().for_each(|it| it.remove(&self.tapped));
    }
}

impl fmt::Debug for Taps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n_taps = lock(&self.all).taps.len();
        f.debug_struct("Taps").field("n_taps", &n_taps).finish_non_exhaustive()
    }
}

impl fmt::Debug for TapPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TapPoint({})", self.point.path)
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tap").field(&self.tapped.request).finish()
    }
}

#[cfg(test)]
mod tests {
    use wappa_message::Mark;

    use super::*;

    fn request(component: &str, every: u64, rate: u64) -> TapRequest {
        TapRequest { stream: String::new(), component: component.to_string(), every, rate }
    }

    fn messages(n: usize) -> Vec<Message> {
        (0..n).map(|it| Message::new(it.to_string())).collect()
    }

    /// All that waits: contents, and before each how many were dropped, if any.
    fn take(tap: &mut Tap) -> Vec<String> {
        let mut ctx = Context::from_waker(Waker::noop());
        let mut taken = Vec::new();
        while let Poll::Ready(seen) = tap.poll_next(&mut ctx) {
            let content = String::from_utf8_lossy(&seen.content).into_owned();
            taken.push(if 0 < seen.n_dropped { format!("({}) {content}", seen.n_dropped) } else { content });
        }
        taken
    }

    #[test]
    fn nobody_is_shown_anything_unless_he_looks() {
        let taps = Taps::default();
        let (point, other) = (taps.point("root.input", ""), taps.point("root.output", "out"));
        assert!(!point.is_tapped());
        let mut by_path = taps.tap(request("root.output", 1, 100)).expect("there is room");
        let mut by_label = taps.tap(request("out", 1, 100)).expect("there is room");
        let mut short = taps.tap(request("output", 1, 100)).expect("there is room");
        assert_eq!((point.is_tapped(), other.is_tapped()), (false, true));
        other.show(&messages(2));
        assert_eq!([&mut by_path, &mut by_label, &mut short].map(take), [["0", "1"]; 3]);
        drop((by_path, by_label));
        assert!(other.is_tapped());
        drop(short);
        assert!(!other.is_tapped());
    }

    #[test]
    fn a_component_that_comes_later_is_looked_at_and_one_that_goes_is_forgotten() {
        let taps = Taps::default();
        let mut tap = taps.tap(request("root.input", 1, 100)).expect("there is room");
        let point = taps.point("root.input", "");
        point.show(&messages(1));
        drop(point);
        assert!(taps.components().is_empty());
        let _again = taps.point("root.input", "a");
        assert_eq!(taps.components(), [["".into(), "root.input".into(), "a".into()]]);
        assert_eq!(take(&mut tap), ["0"]);
    }

    #[test]
    fn of_so_many_messages_one_is_shown_wherever_parts_end() {
        let taps = Taps::default();
        let point = taps.point("p", "");
        let mut tap = taps.tap(request("p", 3, 1000)).expect("there is room");
        let all = messages(10);
        [0..1, 1..2, 2..7, 7..7, 7..10].into_iter().for_each(|it| point.show(&all[it]));
        assert_eq!(take(&mut tap), ["0", "3", "6", "9"]);
    }

    #[test]
    fn what_is_too_much_is_counted() {
        let taps = Taps::default();
        let point = taps.point("p", "");
        let mut rated = taps.tap(request("p", 1, 2)).expect("there is room");
        let mut full = taps.tap(request("p", 1, u64::MAX)).expect("there is room");
        point.show(&messages(1000));
        assert_eq!(take(&mut rated), ["0", "1"]);
        let taken = take(&mut full);
        assert_eq!((taken.len(), taken[255].as_str()), (WAITING_MAX, "255"));
        point.show(&messages(1));
        assert_eq!(take(&mut full), ["(744) 0"]);
        // Bytes count as well.
        let large = Message::new(vec![b'x'; 2 << 20]);
        point.show(&vec![large; 1000]);
        let mut ctx = Context::from_waker(Waker::noop());
        let mut n = 0;
        while let Poll::Ready(seen) = full.poll_next(&mut ctx) {
            assert_eq!((seen.content.len(), seen.content_bytes), (CONTENT_BYTES_MAX, 2 << 20));
            n += 1;
        }
        assert_eq!(n, WAITING_BYTES_MAX / CONTENT_BYTES_MAX);
    }

    #[test]
    fn metadata_errors_and_structures_are_shown_within_bounds() {
        let taps = Taps::default();
        let point = taps.point("p", "");
        let mut tap = taps.tap(request("p", 1, 1000)).expect("there is room");
        let mut message = Message::new("x");
        message.set_error(Mark::new("é".repeat(2000)));
        message.metadata_mut().set("a", Value::text("1"));
        message.metadata_mut().set("b", Value::text("x".repeat(METADATA_BYTES_MAX)));
        let mut structure = Message::new("");
        structure.set_value(Value::text("text"));
        point.show(&[message, structure]);
        let mut ctx = Context::from_waker(Waker::noop());
        let Poll::Ready(first) = tap.poll_next(&mut ctx) else { panic!("it was shown") };
        assert_eq!(first.error.map(|it| it.chars().count()), Some(1024));
        assert_eq!((first.metadata.len(), first.n_metadata_left_out), (1, 1));
        assert_eq!(take(&mut tap), ["\"text\""]);
    }

    #[test]
    fn taps_are_bounded_and_wake_who_waits() {
        use std::sync::atomic::AtomicUsize;
        struct Count(AtomicUsize);
        impl std::task::Wake for Count {
            fn wake(self: Arc<Count>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let taps = Taps::default();
        let point = taps.point("p", "");
        let mut all: Vec<Tap> =
            (0..TAPS_MAX).map(|_| taps.tap(request("p", 1, 1)).expect("there is room")).collect();
        assert_eq!(
            taps.tap(request("p", 1, 1)).err().as_deref(),
            Some("16 taps are open, and no more can be: close one")
        );
        all.pop();
        assert!(taps.tap(request("p", 1, 1)).is_ok());
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&count));
        assert!(all[0].poll_next(&mut Context::from_waker(&waker)).is_pending());
        point.show(&messages(1));
        point.show(&messages(1));
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }
}
