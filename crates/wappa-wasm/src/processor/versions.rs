//! The versions of a guest: which one is current, and the watch over its file that brings a new one.

use std::{
    collections::VecDeque,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use wappa_component::{Logger, Present};

use super::counted::Counted;
use crate::{guest::Guest, host::stack::spawn_thread};

/// How often the file is looked at. It must look the same twice, so that one that is half written is left alone.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// A file that was changed so long ago looks different after another change.
const SETTLED_AGE: Duration = Duration::from_millis(100);

/// The current version of a guest.
#[derive(Debug)]
pub(super) struct Versions {
    number: AtomicU64,
    current: Mutex<(Guest, Present)>,
    /// The digests of the last versions.
    digests: Mutex<VecDeque<(u64, Arc<str>)>>,
}

/// Of so many versions the digest is known. Instances of older ones are gone.
const DIGESTS_MAX: usize = 16;

impl Versions {
    /// The first version, and what shows that it is at work.
    pub(super) fn new(guest: Guest, shown: Present, digest: &str) -> Versions {
        let digests = Mutex::new(VecDeque::from([(0, digest.into())]));
        Versions { number: AtomicU64::new(0), current: Mutex::new((guest, shown)), digests }
    }

    /// The number of the current version. Costs a load.
    pub(super) fn number(&self) -> u64 {
        self.number.load(Ordering::Acquire)
    }

    /// The current version and its number.
    pub(super) fn current(&self) -> (Guest, u64) {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        (current.0.clone(), self.number())
    }

    /// The digest of a version.
    pub(super) fn digest(&self, number: u64) -> Arc<str> {
        let digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        let found = digests.iter().find(|(it, _)| *it == number);
        found.map_or_else(|| "".into(), |(_, digest)| Arc::clone(digest))
    }

    fn replace(&self, guest: Guest, shown: Present, digest: &str) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        *current = (guest, shown);
        let mut digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        digests.push_back((self.number() + 1, digest.into()));
        if DIGESTS_MAX < digests.len() {
            digests.pop_front();
        }
        drop(digests);
        self.number.fetch_add(1, Ordering::Release);
    }
}

/// Loads what is in the file now: the guest and the digest of its file. `None`: it is what the digest says already.
pub(super) type Load = Box<dyn Fn(&str) -> Result<Option<(Guest, String)>, String> + Send>;

/// What a watch needs.
pub(super) struct Watched {
    pub(super) file: PathBuf,
    pub(super) digest: String,
    pub(super) load: Load,
    pub(super) versions: Arc<Versions>,
    pub(super) logger: Logger,
    pub(super) counted: Arc<Counted>,
}

/// A watch over a module's file, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Watch(Arc<Ended>);

#[derive(Debug, Default)]
struct Ended {
    is_ended: Mutex<bool>,
    changed: Condvar,
}

impl Drop for Watch {
    fn drop(&mut self) {
        *self.0.is_ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.changed.notify_all();
    }
}

impl Ended {
    /// Waits for one look at the file; `true`: the watch is over.
    fn wait(&self) -> bool {
        let ended = self.is_ended.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = self.changed.wait_timeout_while(ended, LOOK_INTERVAL, |it| !*it);
        *wait.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Watch {
    /// Begins to watch. What the file looked like is taken before it is loaded, so that no change is missed.
    pub(super) fn begin(watched: Watched, seen: Look) -> io::Result<Watch> {
        let ended = Arc::new(Ended::default());
        let shared = Arc::clone(&ended);
        // The first instance of each version is closed there, and its guest may want to be told.
        spawn_thread("wasm-reload", move || watched.run(&shared, seen))?;
        Ok(Watch(ended))
    }
}

/// What a file looks like from outside; `None`: it is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look(Option<(u64, u64, u64, [i64; 4])>);

impl Look {
    /// Looks at a file, through symbolic links.
    pub(super) fn at(file: &Path) -> Look {
        let seen = fs::metadata(file).ok();
        let times = |it: &fs::Metadata| [it.mtime(), it.mtime_nsec(), it.ctime(), it.ctime_nsec()];
        Look(seen.map(|it| (it.dev(), it.ino(), it.size(), times(&it))))
    }

    /// Whether the file was changed so long ago that another change will look different: clocks of file systems are coarse.
    pub(super) fn is_settled(&self) -> bool {
        let Some((.., [_, _, seconds, nanos])) = self.0 else { return false };
        let changed = Duration::new(u64::try_from(seconds).unwrap_or(0), u32::try_from(nanos).unwrap_or(0));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        changed + SETTLED_AGE < now
    }
}

impl Watched {
    fn run(mut self, ended: &Ended, mut loaded: Look) {
        let mut before = loaded;
        while !ended.wait() {
            let now = Look::at(&self.file);
            let is_settled = now == before;
            before = now;
            if now == loaded || !is_settled || now.0.is_none() {
                continue;
            }
            let result = (self.load)(&self.digest);
            if Look::at(&self.file) != now {
                // It was being written while it was read.
                continue;
            }
            loaded = now;
            self.take(result);
        }
    }

    fn take(&mut self, result: Result<Option<(Guest, String)>, String>) {
        let file = self.file.display();
        match result {
            Ok(Some((guest, digest))) => {
                self.versions.replace(guest, self.counted.version(&digest), &digest);
                self.counted.reloaded(true);
                self.logger.info(&format!("`{file}` was replaced: the new version takes over ({digest})"));
                self.digest = digest;
            }
            Ok(None) => (),
            Err(why) => {
                self.counted.reloaded(false);
                let text = format!(
                    "`{file}` was replaced, and the new version does not load: {why}; the old one goes on"
                );
                self.logger.error(&text);
            }
        }
    }
}
