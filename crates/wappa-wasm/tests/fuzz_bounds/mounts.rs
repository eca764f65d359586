//! Directories for guests: one that they read, with everything in it that is dear or never answers, and one that they
//! may write to, which is made anew after each of them.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use wappa_wasm::Mount;

/// So many files are in the directory of many.
const MANY: usize = 3000;

/// A large file is so large, and takes no room.
const BIG_BYTES: u64 = 1 << 30;

pub(crate) struct Mounts {
    dir: PathBuf,
    read: PathBuf,
    write: PathBuf,
}

impl Mounts {
    pub(crate) fn new() -> Mounts {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-bounds-{}", std::process::id()));
        let mounts = Mounts { read: dir.join("read"), write: dir.join("write"), dir };
        fs::create_dir_all(mounts.read.join("many")).expect("a directory can be made");
        for n in 0..MANY {
            File::create(mounts.read.join(format!("many/{n}"))).expect("a file can be made");
        }
        furnish(&mounts.read);
        mounts.renew();
        mounts
    }

    pub(crate) fn all(&self) -> Vec<Mount> {
        [(&self.read, "/read", false), (&self.write, "/write", true)]
            .map(|(host, guest, writable)| Mount { host: host.clone(), guest: guest.into(), writable })
            .into()
    }

    /// What can only be read.
    pub(crate) fn read(&self) -> Vec<Mount> {
        self.all()[..1].to_vec()
    }

    /// What was written is gone. The directory itself stays: guests have it open.
    pub(crate) fn renew(&self) {
        fs::create_dir_all(&self.write).expect("a directory can be made");
        for entry in fs::read_dir(&self.write).expect("a directory can be read") {
            let path = entry.expect("an entry can be read").path();
            let removed = match fs::symlink_metadata(&path) {
                Ok(it) if it.is_dir() => fs::remove_dir_all(path),
                _ => fs::remove_file(path),
            };
            // A call that was given up may still be at it.
            let _ = removed;
        }
        furnish(&self.write);
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        // What stays behind is in the directory for temporary files.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// One of each kind. What is there already is of a call that was given up.
fn furnish(dir: &Path) {
    let _ = fs::write(dir.join("a"), "text\n".repeat(1000));
    let _ = File::create(dir.join("big")).and_then(|it| it.set_len(BIG_BYTES));
    let _ = fs::create_dir(dir.join("below"));
    let _ = mknodat(CWD, dir.join("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0);
    let _ = symlink("loop", dir.join("loop"));
    let _ = symlink("a", dir.join("link"));
}
