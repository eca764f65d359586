//! What the process was started with: its arguments and environment. No other file asks for them.

use std::{collections::HashMap, env, ffi::OsString, io, path::PathBuf};

/// The environment variables, with those of dotenv files before the process's own.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    from_files: HashMap<String, String>,
}

impl Environment {
    /// The value of a variable; one that is no text is taken with what can be read of it.
    pub(crate) fn var(&self, name: &str) -> Option<String> {
        let of_process = || env::var_os(name).map(|it| it.to_string_lossy().into_owned());
        self.from_files.get(name).cloned().or_else(of_process)
    }

    /// What a config sees under a name: one that is not trusted sees what files of variables give it, and no more.
    pub(crate) fn for_config(&self, name: &str, is_restricted: bool) -> Option<String> {
        match is_restricted {
            true => self.from_files.get(name).cloned(),
            false => self.var(name),
        }
    }

    /// Sets a variable, for this program only.
    pub(crate) fn set(&mut self, name: String, value: String) {
        self.from_files.insert(name, value);
    }
}

/// The arguments, with the program's name before them.
pub(crate) fn arguments() -> Vec<OsString> {
    env::args_os().collect()
}

/// The file of this program.
pub(crate) fn program() -> io::Result<PathBuf> {
    env::current_exe()
}
