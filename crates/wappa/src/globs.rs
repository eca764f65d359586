//! Paths with wildcards, as Bento's flags take them.

use std::{
    fs,
    path::{Path, PathBuf},
};
use wappa_spec::printable_path;

/// The files that the patterns mean, in the order of the patterns and sorted within each.
///
/// A pattern without wildcards stays as it is, so that a missing file is reported; one with wildcards that matches
/// nothing vanishes.
pub(crate) fn expand(patterns: &[String]) -> Result<Vec<PathBuf>, String> {
    let mut paths = Vec::new();
    for pattern in patterns.iter().filter(|it| !it.is_empty()) {
        if !pattern.contains(['*', '?', '[']) {
            paths.push(PathBuf::from(pattern));
            continue;
        }
        let matches = glob::glob(pattern).map_err(|err| format!("the pattern `{pattern}`: {err}"))?;
        // A directory that cannot be read has nothing that could be read either.
        paths.extend(matches.flatten());
    }
    Ok(paths)
}

/// The same, where a path that ends with `...` means all configs below it.
pub(crate) fn expand_deep(patterns: &[String]) -> Result<Vec<PathBuf>, String> {
    let mut paths = Vec::new();
    for pattern in patterns {
        let Some(root) = pattern.strip_suffix("...") else {
            paths.extend(expand(std::slice::from_ref(pattern))?);
            continue;
        };
        let root = if root.is_empty() { Path::new(".") } else { Path::new(root) };
        walk(root, &mut paths)?;
    }
    Ok(paths)
}

fn walk(dir: &Path, paths: &mut Vec<PathBuf>) -> Result<(), String> {
    let failed = |err| format!("reading `{}`: {err}", printable_path(dir));
    let entries = fs::read_dir(dir).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(failed)?;
    let mut below: Vec<PathBuf> = entries.iter().map(|it| it.path()).collect();
    below.sort();
    for path in below {
        // A link to a directory is not followed, so that no loop is walked.
        if path.is_dir() && !path.is_symlink() {
            walk(&path, paths)?;
        } else if path.extension().is_some_and(|it| it == "yaml" || it == "yml") && path.is_file() {
            paths.push(path.strip_prefix("./").map(Path::to_path_buf).unwrap_or(path));
        }
    }
    Ok(())
}
