//! A directory that is gone when the test is over.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

/// A directory of its own.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// A new one, with nothing in it.
    #[expect(clippy::new_without_default, reason = "each call makes another one")]
    pub fn new() -> TempDir {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("wappa-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a directory can be made");
        TempDir(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of an entry, whether it is there or not.
    pub fn at(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// Writes a file, and makes the directories above it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("it is below")).expect("a directory can be made");
        fs::write(&path, content).expect("a file can be written");
        path.display().to_string()
    }

    /// The text of a file.
    pub fn read(&self, name: &str) -> String {
        let content = fs::read(self.0.join(name)).expect("the file is there");
        String::from_utf8_lossy(&content).into_owned()
    }

    /// What a file has up to now, which is nothing where it is not there yet.
    pub fn read_so_far(&self, name: &str) -> String {
        let content = fs::read(self.0.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&content).into_owned()
    }

    /// Whether there is such an entry.
    pub fn has(&self, name: &str) -> bool {
        self.0.join(name).exists()
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).expect("a directory of our own can be removed");
    }
}
