//! Where inputs and outputs are: on memory where there is room.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
};

use crate::{Result, cases::Places, options::Options};

const MEMORY: &str = "/dev/shm";
/// The guests, converted to binary modules so that Bento reads them as well.
const GUESTS: [(&str, &str); 11] = [
    ("upper.wasm", include_str!("guests/upper.wat")),
    ("spin.wasm", include_str!("guests/spin.wat")),
    ("events.wasm", include_str!("guests/events.wat")),
    ("identity.wasm", include_str!("../../wappa-wasm/benches/guests/identity.wat")),
    ("identity.v1.wasm", include_str!("../../wappa-wasm/benches/guests/identity.v1.wat")),
    ("upper.v1.wasm", include_str!("../../wappa-wasm/benches/guests/upper.v1.wat")),
    ("keep.v1.wasm", include_str!("../../wappa-wasm/benches/guests/keep.v1.wat")),
    ("filter.v1.wasm", include_str!("../../wappa-wasm/benches/guests/filter.v1.wat")),
    ("upper.component.wasm", include_str!("../../wappa-wasm/benches/guests/upper.component.wat")),
    ("upper-each.component.wasm", include_str!("../../wappa-wasm/benches/guests/upper-each.component.wat")),
    ("keep.component.wasm", include_str!("../../wappa-wasm/benches/guests/keep.component.wat")),
];

/// A directory of one benchmark, gone with it.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) places: Places,
    pub(crate) file_system: String,
}

impl Place {
    pub(crate) fn new(options: &Options) -> Result<Place> {
        // Input and output at their largest, and as much again for all others.
        let needed = 4 * options.input_bytes_max();
        let has_room = |dir: &Path| {
            rustix::fs::statvfs(dir).is_ok_and(|it| needed <= it.f_bavail.saturating_mul(it.f_frsize))
        };
        let parent = match &options.dir {
            Some(dir) => fs::canonicalize(dir)?,
            None if has_room(Path::new(MEMORY)) => PathBuf::from(MEMORY),
            None => env::temp_dir(),
        };
        let dir = parent.join(format!("wappa-throughput-{}", process::id()));
        fs::create_dir(&dir)?;
        let absolute = |path: &Option<PathBuf>| path.as_ref().map(fs::canonicalize).transpose();
        let places = Places { dir, bento: absolute(&options.bento)?, against: absolute(&options.against)? };
        let place = Place { file_system: file_system(&places.dir), places };
        for (name, text) in GUESTS {
            fs::write(place.places.guest(name), wat::parse_str(text)?)?;
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Nothing is to be done where the directory is gone already.
        let _ = fs::remove_dir_all(&self.places.dir);
    }
}

/// The name of the file system that a directory is on: that of the longest mount point above it.
fn file_system(dir: &Path) -> String {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let above = fields.filter(|it| 2 < it.len() && dir.starts_with(it[1]));
    above.max_by_key(|it| it[1].len()).map_or_else(|| String::from("unknown"), |it| it[2].to_string())
}
