//! Where programs of servers are, and what becomes of a test without them.

use std::{
    env, fmt,
    path::{Path, PathBuf},
};

/// What a test needs and the machine does not have.
#[derive(Clone, Debug)]
pub struct Missing(String);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not installed: `.ci/servers DIR` does it, and `WAPPA_SERVERS_DIR` names DIR",
            self.0
        )
    }
}

/// The program of this name.
pub fn find(program: &str) -> Result<PathBuf, Missing> {
    find_in(&[], program)
}

/// The same, which may be in one of these directories as well.
pub(crate) fn find_in(more: &[PathBuf], program: &str) -> Result<PathBuf, Missing> {
    let path = env::var_os("PATH").unwrap_or_default();
    let installed = installed();
    let own = ["", "bin", "venv/bin"].map(|it| installed.join(it));
    let found = env::split_paths(&path)
        .chain(own)
        .chain(more.iter().cloned())
        .map(|dir| dir.join(program))
        .find(|it| is_program(it));
    found.ok_or_else(|| Missing(program.to_string()))
}

/// A file or directory among what `.ci/servers` has installed, by its path there.
pub fn find_file(path: &str) -> Result<PathBuf, Missing> {
    let file = installed().join(path);
    if file.exists() { Ok(file) } else { Err(Missing(path.to_string())) }
}

/// What was found. `None` where something is missing, after the test has said what: it is skipped. With
/// `WAPPA_SERVERS=required` the test fails instead.
pub fn or_skip<T>(found: Result<T, Missing>) -> Option<T> {
    match found {
        Ok(it) => Some(it),
        Err(missing) if env::var_os("WAPPA_SERVERS").is_some_and(|it| it == "required") => {
            panic!("{missing}; it is required")
        }
        Err(missing) => {
            eprintln!("skipped: {missing}");
            None
        }
    }
}

/// The directory that `.ci/servers` was given.
fn installed() -> PathBuf {
    let of_workspace = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/servers");
    env::var_os("WAPPA_SERVERS_DIR").map_or_else(of_workspace, PathBuf::from)
}

fn is_program(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && path.is_file()
}
