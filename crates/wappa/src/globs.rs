//! Paths with wildcards, as Bento's flags take them.

use std::{
    fs,
    path::{Path, PathBuf},
};
use wappa_spec::printable_path;

use wappa_pure::{PathPattern, Search, Searched};

/// The files that the patterns mean, in the order of the patterns and sorted within each.
///
/// A pattern without wildcards stays as it is, so that a missing file is reported; one with wildcards that matches
/// nothing vanishes.
pub(crate) fn expand(patterns: &[String]) -> Result<Vec<PathBuf>, String> {
    let patterns: Result<_, String> =
        patterns.iter().filter(|it| !it.is_empty()).map(|it| PathPattern::parse(it)).collect();
    let mut search = Search::new(patterns?);
    let mut paths = Vec::new();
    loop {
        match search.step() {
            Searched::Found(path) => paths.push(path),
            Searched::Failed(text) => return Err(text),
            Searched::Nothing | Searched::Unmatched(_) => (),
            Searched::Over => return Ok(paths),
        }
    }
}

/// The same, where a path that ends with `...` means all configs below it, and a pattern that finds nothing is an error.
pub(crate) fn expand_deep(patterns: &[String]) -> Result<Vec<PathBuf>, String> {
    let mut paths = Vec::new();
    for pattern in patterns {
        let n_before = paths.len();
        match pattern.strip_suffix("...") {
            Some("") => walk(Path::new("."), &mut paths)?,
            Some(root) => walk(Path::new(root), &mut paths)?,
            None => paths.extend(expand(std::slice::from_ref(pattern))?),
        }
        if paths.len() == n_before {
            let what = if pattern.ends_with("...") { "no `.yaml` or `.yml` file" } else { "no file" };
            return Err(format!("`{pattern}` finds {what}"));
        }
    }
    Ok(paths)
}

/// All configs below a directory, in the order of their paths.
pub(crate) fn walk(dir: &Path, paths: &mut Vec<PathBuf>) -> Result<(), String> {
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
