//! Paths as text, and the files that a glob pattern finds.

use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use crate::fault;

/// The shortest path of the same meaning, found in its text alone; Go's `filepath.Clean`.
pub(crate) fn clean(path: &[u8]) -> Vec<u8> {
    let is_rooted = path.first() == Some(&b'/');
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in path.split(|it| *it == b'/') {
        match segment {
            b"" | b"." => (),
            b".." => match kept.last() {
                Some(last) if *last != b".." => {
                    kept.pop();
                }
                _ if is_rooted => (),
                _ => kept.push(b".."),
            },
            segment => kept.push(segment),
        }
    }
    let joined = kept.join(&b'/');
    match (is_rooted, joined.is_empty()) {
        (true, _) => [b"/", joined.as_slice()].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => joined,
    }
}

/// A path, or a pattern of paths.
#[derive(Debug)]
pub(crate) enum PathPattern {
    /// One path, taken as it is.
    Plain(PathBuf),
    /// A pattern in the syntax of the `glob` crate.
    Glob(String),
}

impl PathPattern {
    /// Understands Go's syntax: `*`, `?`, `[a-z]`, `[^a-z]`, `\` before a character, and `**` for any number of
    /// directories.
    pub(crate) fn parse(text: &str) -> Result<PathPattern, String> {
        if !text.contains(['*', '?', '[', '\\']) {
            return Ok(PathPattern::Plain(PathBuf::from(text)));
        }
        let mut pattern = translated(text).ok_or_else(|| format!("the pattern `{text}` ends in `\\`"))?;
        // To the `glob` crate that is a directory, to Go everything below.
        if pattern.ends_with("**") {
            pattern.push_str("/*");
        }
        match Pattern::new(&pattern) {
            Ok(_) => Ok(PathPattern::Glob(pattern)),
            Err(err) => Err(format!("the pattern `{text}` is not understood: {}", err.msg.to_lowercase())),
        }
    }

    /// Adds what the pattern finds, in order; what could not be looked into is told to `warn`.
    ///
    /// A plain path is added whether or not it is there: opening it says what is wrong.
    pub(crate) fn expand(&self, found: &mut Vec<PathBuf>, mut warn: impl FnMut(String)) {
        let mut add = |path: PathBuf| {
            if !found.contains(&path) {
                found.push(path);
            }
        };
        let pattern = match self {
            PathPattern::Plain(path) => return add(path.clone()),
            PathPattern::Glob(pattern) => pattern,
        };
        let is_deep = pattern.contains("**");
        let options = MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: false,
        };
        let matches =
            glob::glob_with(pattern, options).expect("the pattern was understood when it was parsed");
        for found in matches {
            match found {
                // As in Bento, `**` finds files, and `*` whatever is there.
                Ok(path) if is_deep && path.is_dir() => (),
                Ok(path) => add(cleaned(&path)),
                Err(err) => warn(fault::failed("open", err.path().display(), copy(err.error()))),
            }
        }
    }
}

fn copy(err: &std::io::Error) -> std::io::Error {
    err.raw_os_error().map_or_else(|| err.kind().into(), std::io::Error::from_raw_os_error)
}

fn cleaned(path: &Path) -> PathBuf {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    PathBuf::from(std::ffi::OsString::from_vec(clean(path.as_os_str().as_bytes())))
}

/// Go's pattern in the syntax of the `glob` crate; nothing when it ends in a lone backslash.
fn translated(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(it) = chars.next() {
        match it {
            '\\' => out.push_str(&Pattern::escape(chars.next()?.encode_utf8(&mut [0; 4]))),
            '[' => {
                out.push('[');
                if chars.next_if_eq(&'^').is_some() {
                    out.push('!');
                }
            }
            it => out.push(it),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::TempDir;

    #[test]
    fn cleans_as_go_does() {
        for (path, expected) in [
            ("", "."),
            ("a/b", "a/b"),
            ("./a//b/", "a/b"),
            ("a/../b", "b"),
            ("../a/..", ".."),
            ("/../a/.", "/a"),
            ("/", "/"),
            ("a/b/../../..", ".."),
        ] {
            assert_eq!(clean(path.as_bytes()), expected.as_bytes(), "{path}");
        }
    }

    #[test]
    fn finds_files_in_order_once() {
        let dir = TempDir::new();
        for name in ["b.txt", "a.txt", "sub/deep/c.txt", "sub/d.txt", ".hidden.txt", "x[1].txt"] {
            dir.write(name, "");
        }
        let find = |patterns: &[&str]| {
            let mut found = Vec::new();
            for pattern in patterns {
                let pattern = format!("{}/{pattern}", dir.path().display());
                PathPattern::parse(&pattern).expect("understood").expand(&mut found, |it| panic!("{it}"));
            }
            let relative = |it: PathBuf| it.strip_prefix(dir.path()).expect("below").display().to_string();
            found.into_iter().map(relative).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(find(&["*.txt"]), ".hidden.txt a.txt b.txt x[1].txt");
        assert_eq!(find(&["b.*", "[^b].txt", "?.txt"]), "b.txt a.txt");
        assert_eq!(find(&["**/*.txt"]), ".hidden.txt a.txt b.txt sub/d.txt sub/deep/c.txt x[1].txt");
        assert_eq!(find(&["sub/**"]), "sub/d.txt sub/deep/c.txt");
        assert_eq!(find(&["sub/*"]), "sub/d.txt sub/deep");
        assert_eq!(find(&[r"x\[1\].txt", "missing.txt", "missing.*"]), "x[1].txt missing.txt");
    }

    #[test]
    fn says_what_is_wrong_with_a_pattern() {
        for pattern in ["a[", "a**b", "***", r"a\"] {
            assert!(PathPattern::parse(pattern).expect_err(pattern).contains(pattern), "{pattern}");
        }
    }
}
