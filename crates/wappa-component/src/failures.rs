//! What went wrong last: for each component and kind of failure its last reason, for whoever looks at a running stream.
//!
//! Invariant: however many messages fail, and whatever their reasons say, this keeps a bounded number of bounded texts, and
//! takes a bounded share of time.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

/// How many kinds of failures are kept, of all components together; the one that was longest ago goes first.
const KEPT_MAX: usize = 128;

/// So much of a reason is kept.
const REASON_CHARS_MAX: usize = 400;

/// Reasons that come sooner after each other are counted only.
const PAUSE: Duration = Duration::from_millis(10);

/// What stands in front of a reason of the `wasm` processor, with a colon.
const KINDS: [&str; 8] = ["trap", "timeout", "memory", "output", "exit", "host_call", "instance", "fail"];

/// The last failures of a process. Cloning shares.
#[derive(Clone, Default)]
pub struct Failures(Arc<Mutex<ByKind>>);

/// By the stream, the path of the component and the kind.
type ByKind = HashMap<(Arc<str>, Arc<str>, &'static str), Failed>;

/// Failures of one kind at one component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The stream of the component; empty where there is one only.
    pub stream: Arc<str>,
    /// The path of the component.
    pub path: Arc<str>,
    /// The component's label; empty where it has none.
    pub label: Arc<str>,
    /// What a guest failed with (`trap`, `timeout`, and so on); `connection`; `read`; or `failed`.
    pub kind: &'static str,
    /// How often; about, where they come in dense rows.
    pub n: u64,
    /// When it was last told.
    pub at: SystemTime,
    /// The last reason, or its beginning.
    pub reason: String,
}

/// Where a component tells its failures.
pub struct FailureNotes {
    failures: Failures,
    stream: Arc<str>,
    path: Arc<str>,
    label: Arc<str>,
    began: Instant,
    /// When a reason was kept last, in milliseconds since then.
    last: AtomicU64,
    n_counted: AtomicU64,
}

impl Failures {
    /// All of them, the last first.
    pub fn all(&self) -> Vec<Failed> {
        let mut all: Vec<Failed> = self.lock().values().cloned().collect();
        all.sort_by(|one, other| (other.at, &one.path).cmp(&(one.at, &other.path)));
        all
    }

    /// Where the component of this stream, with this path and label, tells its own.
    pub fn notes(&self, [stream, path, label]: [&Arc<str>; 3]) -> FailureNotes {
        FailureNotes {
            failures: self.clone(),
            stream: Arc::clone(stream),
            path: Arc::clone(path),
            label: Arc::clone(label),
            began: Instant::now(),
            last: AtomicU64::new(0),
            n_counted: AtomicU64::new(0),
        }
    }

    /// A stream is gone, and its failures with it.
    pub fn forget(&self, stream: &str) {
        self.lock().retain(|(of, ..), _| &**of != stream);
    }

    fn lock(&self) -> MutexGuard<'_, ByKind> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FailureNotes {
    /// So many messages failed, the last for this reason.
    pub fn messages(&self, n: usize, reason: &dyn fmt::Display) {
        self.tell(None, n, reason);
    }

    /// There was no connection.
    pub fn connection(&self, reason: &dyn fmt::Display) {
        self.tell(Some("connection"), 1, reason);
    }

    /// Something could not be read.
    pub fn read(&self, reason: &dyn fmt::Display) {
        self.tell(Some("read"), 1, reason);
    }

    #[cold]
    fn tell(&self, kind: Option<&'static str>, n: usize, reason: &dyn fmt::Display) {
        self.n_counted.fetch_add(n as u64, Ordering::Relaxed);
        // The first is always more than a pause after nothing.
        let now = u64::try_from((self.began.elapsed() + PAUSE).as_millis()).unwrap_or(u64::MAX);
        if now.saturating_sub(self.last.load(Ordering::Relaxed)) < PAUSE.as_millis() as u64 {
            return;
        }
        self.last.store(now, Ordering::Relaxed);
        // Of several that come here at once one has them all.
        let n = self.n_counted.swap(0, Ordering::Relaxed);
        let mut text = Beginning::default();
        // It ends with an error where there is no more room.
        let _ = fmt::write(&mut text, format_args!("{reason}"));
        let kind = kind.unwrap_or_else(|| kind_of(&text.text));
        let mut all = self.failures.lock();
        let key = (Arc::clone(&self.stream), Arc::clone(&self.path), kind);
        let before = all.get(&key).map_or(0, |it| it.n);
        if before == 0 && KEPT_MAX <= all.len() {
            let oldest = all.iter().min_by_key(|it| it.1.at).map(|it| it.0.clone());
            oldest.map(|it| all.remove(&it));
        }
        let failed = Failed {
            stream: Arc::clone(&self.stream),
            path: Arc::clone(&self.path),
            label: Arc::clone(&self.label),
            kind,
            n: before.saturating_add(n),
            at: SystemTime::now(),
            reason: text.text,
        };
        all.insert(key, failed);
    }
}

fn kind_of(reason: &str) -> &'static str {
    let begins = |kind: &&&str| reason.strip_prefix(**kind).is_some_and(|it| it.starts_with(':'));
    KINDS.iter().find(begins).copied().unwrap_or("failed")
}

/// The beginning of a text.
#[derive(Default)]
struct Beginning {
    text: String,
    n_chars: usize,
}

impl fmt::Write for Beginning {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            if self.n_chars == REASON_CHARS_MAX {
                self.text.push('…');
                return Err(fmt::Error);
            }
            self.text.push(letter);
            self.n_chars += 1;
        }
        Ok(())
    }
}

impl fmt::Debug for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failures({})", self.lock().len())
    }
}

impl fmt::Debug for FailureNotes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FailureNotes({})", self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(failures: &Failures, path: &str) -> FailureNotes {
        failures.notes([&"".into(), &path.into(), &"".into()])
    }

    #[test]
    fn the_last_of_each_kind() {
        let failures = Failures::default();
        let notes = notes(&failures, "root.input");
        notes.messages(2, &"trap: unreachable");
        std::thread::sleep(PAUSE);
        notes.messages(1, &"trap: out of bounds");
        std::thread::sleep(PAUSE);
        notes.connection(&"refused");
        std::thread::sleep(PAUSE);
        notes.messages(1, &"traps are not it");
        let all = failures.all();
        let lines: Vec<_> = all.iter().map(|it| format!("{} {} {}", it.kind, it.n, it.reason)).collect();
        assert_eq!(
            lines,
            ["failed 1 traps are not it", "connection 1 refused", "trap 3 trap: out of bounds"]
        );
    }

    #[test]
    fn however_many_there_are_they_are_bounded() {
        let failures = Failures::default();
        for idx in 0..KEPT_MAX + 5 {
            notes(&failures, &format!("root.input.{idx}")).messages(1, &"é".repeat(100_000));
        }
        let all = failures.all();
        assert_eq!(all.len(), KEPT_MAX);
        assert_eq!(all[0].path.as_ref(), format!("root.input.{}", KEPT_MAX + 4));
        assert!(all.iter().all(|it| it.reason.chars().count() == REASON_CHARS_MAX + 1));
        // Those of a dense row are counted, whether or not their reasons are kept.
        let notes = notes(&failures, "dense");
        (0..1000).for_each(|_| notes.messages(1, &"x"));
        std::thread::sleep(PAUSE);
        notes.messages(1, &"last");
        let last = failures.all().remove(0);
        assert_eq!((last.n, last.reason.as_str()), (1001, "last"));
    }
    #[test]
    fn what_fails_on_several_threads_is_counted_once() {
        let failures = Failures::default();
        let notes = notes(&failures, "root.input");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    // Each of them may be the one whose reason is kept.
                    for _ in 0..20_000 {
                        notes.last.store(0, Ordering::Relaxed);
                        notes.messages(1, &"x");
                    }
                });
            }
        });
        notes.last.store(0, Ordering::Relaxed);
        notes.messages(1, &"last");
        assert_eq!(failures.all().iter().map(|it| it.n).sum::<u64>(), 80_001);
    }
}
