//! `--watcher`: tells when files that a stream was made of are others.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use wappa_component::{Counter, Metrics, series};

use crate::globs;

series! {
    CONFIG_RELOADED: counter "config_reloaded", [], "Configs that took over from the one before, with `--watcher`.";
    CONFIG_RELOAD_FAILED: counter "config_reload_failed", [], "Changes of the config that were refused, with `--watcher`: the one before goes on.";
}

/// Counts what became of changes. Both series are there from the beginning.
#[derive(Clone, Debug)]
pub(crate) struct Reloads {
    pub(crate) taken: Counter,
    pub(crate) refused: Counter,
}

impl Reloads {
    pub(crate) fn new(metrics: &Metrics) -> Reloads {
        let counter = |name: &str| metrics.counter(name, &[]);
        Reloads { taken: counter(CONFIG_RELOADED.name), refused: counter(CONFIG_RELOAD_FAILED.name) }
    }
}

/// How often files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// Patterns, which may go through many directories, are looked through once for so many looks at files.
const LOOKS_PER_SEARCH: usize = 5;

/// Files have to be the same for so long before a change of them counts, so that nobody reads what is half written; Bento's
/// second.
const REST: Duration = Duration::from_secs(1);

/// What a file is known by: its device and number, its size, and when it was written, to the nanosecond.
type Stamp = (u64, u64, u64, i64, i64);

/// Files as they are seen from outside. One that is missing is not there.
type Look = BTreeMap<PathBuf, Stamp>;

fn look<'p>(paths: impl IntoIterator<Item = &'p PathBuf>) -> Look {
    let stamp = |path: &PathBuf| {
        let it = fs::metadata(path).ok()?;
        Some((path.clone(), (it.dev(), it.ino(), it.size(), it.mtime(), it.mtime_nsec())))
    };
    paths.into_iter().filter_map(stamp).collect()
}

/// Whether files are others. One that is missing is none that has changed: it may be about to come back.
fn differs(before: &Look, now: &Look) -> bool {
    now.iter().any(|(path, stamp)| before.get(path) != Some(stamp))
}

/// Which files a stream is made of, and how they were when they were read. Cloning shares.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watched(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    paths: Vec<PathBuf>,
    look: Look,
    /// Patterns whose files count, also those that are new.
    patterns: Vec<String>,
    /// What was found for them last.
    found: Vec<PathBuf>,
}

impl Known {
    fn tidy(&mut self) {
        self.paths.sort();
        self.paths.dedup();
    }

    fn search(&mut self) {
        // A pattern that cannot be looked through says nothing new.
        self.found = globs::expand(&self.patterns).unwrap_or_default();
    }

    fn look(&self) -> Look {
        look(self.paths.iter().chain(&self.found))
    }
}

impl Watched {
    /// Before anything is read: these files, those that the patterns mean, and all that were read before.
    pub(crate) fn begin(&self, path: Option<&Path>, patterns: &[String]) {
        let mut known = self.lock();
        known.patterns = patterns.to_vec();
        known.paths.extend(path.map(Path::to_path_buf));
        known.tidy();
        known.search();
        known.look = known.look();
    }

    /// These files were read as well.
    pub(crate) fn add(&self, paths: Vec<PathBuf>) {
        let mut known = self.lock();
        for (path, stamp) in look(&paths) {
            known.look.entry(path).or_insert(stamp);
        }
        known.paths.extend(paths);
        known.tidy();
    }

    /// Calls whenever files have changed, and have been the same for a while since.
    pub(crate) fn call_on_change(&self, call: impl Fn() + Send + 'static) -> io::Result<()> {
        let watched = self.clone();
        let watch = move || {
            let mut at_rest: Option<(Look, Instant)> = None;
            for n_looks in 0usize.. {
                thread::sleep(LOOK_INTERVAL);
                let Some(now) = watched.changed(n_looks.is_multiple_of(LOOKS_PER_SEARCH)) else {
                    at_rest = None;
                    continue;
                };
                match &at_rest {
                    Some((before, since)) if *before == now => {
                        if REST <= since.elapsed() {
                            watched.accept(now);
                            at_rest = None;
                            call();
                        }
                    }
                    _ => at_rest = Some((now, Instant::now())),
                }
            }
        };
        thread::Builder::new().name("watcher".to_string()).spawn(watch).map(drop)
    }

    /// How files are now, if they have changed.
    fn changed(&self, searches: bool) -> Option<Look> {
        let mut known = self.lock();
        if searches {
            known.search();
        }
        let now = known.look();
        differs(&known.look, &now).then_some(now)
    }

    /// That change was told.
    fn accept(&self, now: Look) {
        self.lock().look.extend(now);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
