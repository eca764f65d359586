//! A story in lines: what was done to the directory, whether a load compiled, what the cache said.

use std::{
    fmt::Write as _,
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use expect_test::Expect;
use wappa_wasm::{
    CACHE_BYTES_MAX, CodeCache, Compile, CompileError, Engine, EngineConfig, Module, precompile,
};

/// Counts what is compiled.
#[derive(Debug, Default)]
pub(crate) struct Counting(pub(crate) AtomicU64);

impl Compile for Counting {
    fn compile(&self, wasm: &[u8]) -> Result<Vec<u8>, CompileError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        precompile(wasm)
    }
}

/// A directory for one test, and what happened so far. Gone when the test is.
pub(crate) struct Story {
    pub(crate) dir: PathBuf,
    pub(crate) bytes_max: u64,
    pub(crate) lines: String,
}

impl Story {
    pub(crate) fn new(name: &str) -> Story {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cache-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).expect("a directory can be made");
        Story {
            dir: dir.canonicalize().expect("it is there"),
            bytes_max: CACHE_BYTES_MAX,
            lines: String::new(),
        }
    }

    pub(crate) fn cache_dir(&self) -> PathBuf {
        self.dir.join("wappa")
    }

    /// Loads the module with this name in a new engine, as a new process would.
    pub(crate) fn load(&mut self, name: &str) -> &mut Story {
        self.load_in(&self.cache_dir(), name)
    }

    pub(crate) fn load_in(&mut self, dir: &Path, name: &str) -> &mut Story {
        let counting = Arc::new(Counting::default());
        let notes = Arc::new(Mutex::new(Vec::new()));
        let cache = CodeCache::new(dir, self.bytes_max);
        let of_log = Arc::clone(&notes);
        cache.log_to(move |level, text| {
            of_log.lock().expect("nobody panics").push(format!("{level:?}: {text}"));
        });
        let engine = engine(Some(cache), Arc::clone(&counting) as Arc<dyn Compile>);
        let module = Module::new(&engine, &module(name)).expect("it is a module");
        let n = counting.0.load(Ordering::Relaxed);
        let what = match (n, module.is_from_cache()) {
            (1, false) => "compiled",
            (0, true) => "from the cache",
            _ => "neither",
        };
        self.say(&format!("load {name}: {what}"));
        for note in notes.lock().expect("nobody panics").iter() {
            self.say(&format!("  {}", self.without_names(note)));
        }
        self
    }

    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.lines, "{line}").expect("writing to a string cannot fail");
    }

    /// Digests and directories differ from machine to machine.
    pub(crate) fn without_names(&self, text: &str) -> String {
        let text = text.replace(&self.dir.display().to_string(), "DIR");
        match text.split_once(".code`") {
            Some((before, after)) => {
                let before = &before[..before.rfind('/').expect("the directory is named")];
                format!("{before}/ENTRY.code`{after}")
            }
            None => text,
        }
    }

    /// The files, oldest name first.
    pub(crate) fn entries(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.cache_dir()).expect("the directory is there");
        let mut entries: Vec<PathBuf> = entries.map(|it| it.expect("it can be read").path()).collect();
        entries.sort();
        entries
    }

    /// The only file.
    pub(crate) fn entry(&self) -> PathBuf {
        let entries = self.entries();
        assert_eq!(entries.len(), 1, "{entries:?}");
        entries[0].clone()
    }

    /// Does something to the only file.
    pub(crate) fn change(&mut self, what: &str, change: impl FnOnce(&Path)) -> &mut Story {
        change(&self.entry());
        self.say(what);
        self
    }

    pub(crate) fn change_bytes(&mut self, what: &str, change: impl FnOnce(&mut Vec<u8>)) -> &mut Story {
        self.change(what, |path| {
            let mut bytes = fs::read(path).expect("it can be read");
            change(&mut bytes);
            fs::write(path, bytes).expect("it can be written");
        })
    }

    pub(crate) fn check(&self, expected: Expect) {
        expected.assert_eq(&self.lines);
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

pub(crate) fn engine(cache: Option<CodeCache>, compiler: Arc<dyn Compile>) -> Engine {
    let mut config = EngineConfig::default();
    config.instances = 1;
    config.compiler = compiler;
    config.cache = cache.map(Arc::new);
    Engine::new(config).expect("an engine can be made")
}

/// A component that is empty: nothing but the header.
pub(crate) const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// A module that differs from others by its name; or the component of that name.
pub(crate) fn module(name: &str) -> Vec<u8> {
    match name {
        "component" => COMPONENT.to_vec(),
        _ => {
            format!("(module (memory 1) (func (export \"process\")) (func (export \"{name}\")))").into_bytes()
        }
    }
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("the mode can be set");
}

pub(crate) fn mode(path: &Path) -> String {
    format!("{:o}", fs::metadata(path).expect("it is there").permissions().mode() & 0o7777)
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Makes a file look as if it was last used so many seconds ago.
pub(crate) fn age(path: &Path, seconds: u64) {
    let time = SystemTime::now() - Duration::from_secs(seconds);
    File::options().write(true).open(path).and_then(|it| it.set_modified(time)).expect("the time can be set");
}

impl Story {
    /// Some file of the cache, which another thread may remove.
    pub(crate) fn entry_if_any(&self) -> PathBuf {
        let files = fs::read_dir(self.cache_dir()).into_iter().flatten().flatten().map(|it| it.path());
        files.filter(|it| it.extension().is_some_and(|it| it == "code")).last().unwrap_or_default()
    }
}
