//! How much all streams may take together, and what they can be called.

use std::{fs::File, io};

use wappa_component::cause;

use super::{Refusal, Streams, Submitted};

/// How long the name of a stream may be, in bytes: it stands in paths, labels and lines of the log.
const ID_BYTES_MAX: usize = 128;

/// The first pieces of the program's own paths, which no stream can have.
const IDS_OF_PROGRAM: [&str; 10] =
    ["-", "debug", "endpoints", "metrics", "ping", "ready", "resources", "stats", "streams", "version"];

/// How much memory the configs of all streams may take together, in bytes, each as the tree that is kept so that a part of
/// it can be changed.
const CONFIG_BYTES_MAX: usize = 128 << 20;

/// How many files the process can still open when a stream is made: what takes connections needs some, so that streams can be
/// deleted whatever they hold.
const SPARE_FILES: usize = 16;

/// What streams may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// How many there may be.
    pub(crate) streams_max: usize,
    /// How many threads the pipeline of each has at most.
    pub(crate) threads_max: usize,
    /// Whether the paths of a stream are below its name.
    pub(crate) has_prefix: bool,
    /// Whether configs that come by requests are not trusted.
    pub(crate) is_api_restricted: bool,
}

pub(crate) fn check_config_bytes(n_bytes: usize) -> Result<(), Refusal> {
    if n_bytes <= CONFIG_BYTES_MAX {
        return Ok(());
    }
    let max = CONFIG_BYTES_MAX >> 20;
    Err(Refusal::Mistake(format!(
        "the configs of all streams would take more than {max} MiB of memory together"
    )))
}

/// Whether the process can open as many files as are to be left.
pub(crate) fn check_spare_files() -> Result<(), String> {
    let spare: io::Result<Vec<File>> = (0..SPARE_FILES).map(|_| File::open("/dev/null")).collect();
    spare.map(drop).map_err(|err| {
        format!("no more than {SPARE_FILES} files would be left for all else: {}", cause(&err))
    })
}

/// Whether a stream can be called so.
pub(crate) fn check_id(id: &str) -> Result<(), String> {
    let is_letter = |it: char| !it.is_control() && !matches!(it, '/' | '\\' | '?' | '#' | '%');
    if id.is_empty() || ID_BYTES_MAX < id.len() {
        return Err(format!("a stream id has from 1 to {ID_BYTES_MAX} bytes, not {}", id.len()));
    }
    if [".", ".."].contains(&id) || !id.chars().all(is_letter) || wappa_spec::printable(id) != id {
        return Err(format!(
            "stream id `{}` cannot be part of a path: letters, digits, `-`, `_` and `.` always can",
            wappa_spec::printable(id)
        ));
    }
    Ok(())
}

impl Streams {
    /// Whether a stream can be called so here, where the program has paths as well.
    pub(super) fn check_name(&self, id: &str) -> Result<(), String> {
        check_id(id)?;
        let is_of_program = IDS_OF_PROGRAM.contains(&id) || id == self.lent.root_path();
        match is_of_program && self.around.bounds.has_prefix {
            true => Err(format!("no stream can have the id `{id}`: its paths would be those of the program")),
            false => Ok(()),
        }
    }

    pub(crate) fn check_room(&self, n_more: usize) -> Result<(), Refusal> {
        let state = self.lock();
        // Those that others are about to make count as well.
        let n_coming = state.busy.iter().filter(|it| !state.all.contains_key(*it)).count().max(n_more);
        let n = state.all.len() + n_coming;
        drop(state);
        self.check_number(n)
    }

    /// Whether there may be so many streams.
    pub(crate) fn check_number(&self, n: usize) -> Result<(), Refusal> {
        if self.around.bounds.streams_max < n { Err(self.too_many(n)) } else { Ok(()) }
    }

    /// Whether this config finds room beside those of all other streams.
    pub(crate) fn check_configs(&self, id: &str, submitted: &Submitted) -> Result<(), Refusal> {
        let others: usize = self.lock().all.values().filter(|it| it.of.id != id).map(|it| it.n_bytes).sum();
        check_config_bytes(others + submitted.source.node.n_bytes())
    }

    fn too_many(&self, n: usize) -> Refusal {
        let max = self.around.bounds.streams_max;
        Refusal::Mistake(format!("there would be {n} streams, and at most {max} may be (`--max-streams`)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_part_of_a_path() {
        let long = "a".repeat(ID_BYTES_MAX);
        for id in ["a", "A-b_c.d", "eins zwei", "é", ".hid", "...", &long] {
            assert_eq!(check_id(id), Ok(()), "{id}");
        }
        let longer = format!("{long}a");
        for id in ["", ".", "..", "a/b", "a\\b", "a?b", "a#b", "a%b", "a\0b", "a\nb", "a\u{202e}b", &longer] {
            assert!(check_id(id).is_err(), "{id:?}");
        }
    }
}
