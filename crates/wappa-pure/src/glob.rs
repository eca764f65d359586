//! Files that a pattern finds, in Go's syntax of patterns.
//!
//! The matching is our own, since no crate has Go's meaning of a pattern on names of any bytes. Each directory is read
//! once however many ways lead to it, and `**` never goes through a symbolic link, so the work is bounded by what there
//! is below the pattern's beginning.

mod pattern;
mod walk;

use std::{
    collections::HashSet,
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use self::{pattern::Glob, walk::Walk};
use crate::path::clean;

/// A path, or a pattern of paths.
#[derive(Clone, Debug)]
pub struct PathPattern(Kind);

#[derive(Clone, Debug)]
enum Kind {
    /// One path, taken as it is.
    Plain(PathBuf),
    /// What a pattern finds.
    Glob(Glob),
}

impl PathPattern {
    /// Understands Go's syntax: `*`, `?`, `[a-z]`, `[^a-z]`, `\` before a character; and `**` for any number of
    /// directories, by itself or behind a name.
    pub fn parse(text: &str) -> Result<PathPattern, String> {
        if !text.contains(['*', '?', '[', '\\']) {
            return Ok(PathPattern(Kind::Plain(PathBuf::from(text))));
        }
        let glob =
            Glob::parse(text).map_err(|err| format!("the pattern `{text}` is not understood: {err}"))?;
        Ok(PathPattern(Kind::Glob(glob)))
    }

    /// Whether it means this path, which is the shortest of its meaning. Nothing is looked up: where links lead is not
    /// known here.
    pub(crate) fn fits(&self, path: &Path) -> bool {
        match &self.0 {
            Kind::Plain(plain) => cleaned(plain) == path,
            Kind::Glob(glob) => glob.fits(path),
        }
    }
}

/// What one step of a search came to.
#[derive(Debug)]
pub enum Searched {
    /// A file. Plain paths are found whether or not they are there: opening one says what is wrong.
    Found(PathBuf),
    /// Something could not be looked into.
    Failed(String),
    /// This pattern has found nothing at all, and nothing has kept it from looking.
    Unmatched(String),
    /// Nothing, yet.
    Nothing,
    /// There is no more.
    Over,
}

/// Looks for the files of several patterns, a step at a time, so that whoever searches can stop in between.
#[derive(Debug, Default)]
pub struct Search {
    /// What is still to be looked for, the last one first.
    patterns: Vec<PathPattern>,
    walk: Option<Walk>,
    /// What was found, where several patterns may find the same.
    found: Option<HashSet<PathBuf>>,
}

impl Search {
    /// For what these patterns find: in their order, and within each in the order of names. Nothing is found twice.
    pub fn new(mut patterns: Vec<PathPattern>) -> Search {
        let found = (1 < patterns.len()).then(HashSet::new);
        patterns.reverse();
        Search { patterns, walk: None, found }
    }

    /// Looks at one more name or directory.
    pub fn step(&mut self) -> Searched {
        let Some(walk) = &mut self.walk else {
            return match self.patterns.pop() {
                None => Searched::Over,
                Some(PathPattern(Kind::Plain(path))) => self.add(path),
                Some(PathPattern(Kind::Glob(glob))) => {
                    self.walk = Some(Walk::new(glob));
                    Searched::Nothing
                }
            };
        };
        match walk.step() {
            Searched::Over => {
                let over = self.walk.take().filter(|it| !it.has_told);
                over.map_or(Searched::Nothing, |it| Searched::Unmatched(it.glob.text))
            }
            Searched::Found(path) => {
                walk.has_told = true;
                self.add(cleaned(&path))
            }
            Searched::Failed(text) => {
                walk.has_told = true;
                Searched::Failed(text)
            }
            other => other,
        }
    }

    fn add(&mut self, path: PathBuf) -> Searched {
        let is_new = self.found.as_mut().is_none_or(|it| it.insert(path.clone()));
        if is_new { Searched::Found(path) } else { Searched::Nothing }
    }
}

fn cleaned(path: &Path) -> PathBuf {
    PathBuf::from(OsString::from_vec(clean(path.as_os_str().as_bytes())))
}

#[cfg(test)]
mod tests {
    use std::{
        ffi::OsStr,
        fs::{self, File, Permissions},
        os::unix::fs::{PermissionsExt, symlink},
        time::Duration,
    };

    use rustix::time::{ClockId, clock_gettime};

    use super::*;
    use crate::test::TempDir;

    /// What patterns find below a directory, one behind the other; what cannot be looked into stands in brackets.
    fn find(dir: &TempDir, patterns: &[&str]) -> String {
        let root = dir.path().display().to_string();
        let parse = |it: &&str| PathPattern::parse(&format!("{root}/{it}")).expect(it);
        let mut search = Search::new(patterns.iter().map(parse).collect());
        let mut found = Vec::new();
        for _ in 0..10_000 {
            match search.step() {
                Searched::Found(path) => {
                    let path = path.strip_prefix(dir.path()).expect("it is below").as_os_str().as_bytes();
                    found.push(path.escape_ascii().to_string());
                }
                Searched::Failed(text) => found.push(format!("[{}]", text.replace(&root, "DIR"))),
                Searched::Nothing | Searched::Unmatched(_) => (),
                Searched::Over => return found.join(" "),
            }
        }
        panic!("{patterns:?} do not come to an end");
    }

    fn tree(names: &[&str]) -> TempDir {
        let dir = TempDir::new();
        names.iter().for_each(|it| _ = dir.write(it, ""));
        dir
    }

    #[test]
    fn finds_files_in_order_once() {
        let dir = tree(&["b.txt", "a.txt", "sub/deep/c.txt", "sub/d.txt", ".hidden.txt", "x[1].txt"]);
        for (patterns, expected) in [
            (&["*.txt"][..], ".hidden.txt a.txt b.txt x[1].txt"),
            (&["b.*", "[^b].txt", "?.txt"], "b.txt a.txt"),
            (&["**/*.txt"], ".hidden.txt a.txt b.txt sub/d.txt sub/deep/c.txt x[1].txt"),
            (&["sub/**"], "sub/d.txt sub/deep/c.txt"),
            (&["sub/*"], "sub/d.txt"),
            (&[r"x\[1\].txt", "missing.txt", "missing.*"], "x[1].txt missing.txt"),
            (&["*/d.txt", "*/*/c.txt", "s*/../b.txt"], "sub/d.txt sub/deep/c.txt b.txt"),
        ] {
            assert_eq!(find(&dir, patterns), expected, "{patterns:?}");
        }
    }

    /// What was found is not gone through for each name: sixteen times as many take about sixteen times as long, and
    /// not two hundred times.
    #[test]
    fn any_number_of_files_costs_the_same_each() {
        let cost = |n_files: usize| {
            let once =
                || (0..n_files).map(|it| PathPattern::parse(&format!("logs/{it:06}.log")).expect("a path"));
            let patterns: Vec<PathPattern> = once().chain(once()).collect();
            let now = || clock_gettime(ClockId::ThreadCPUTime);
            let took = |_| {
                let mut search = Search::new(patterns.clone());
                let (began, mut n_found) = (now(), 0);
                loop {
                    match search.step() {
                        Searched::Over => break,
                        Searched::Found(_) => n_found += 1,
                        _ => (),
                    }
                }
                assert_eq!(n_found, n_files);
                Duration::try_from(now() - began).expect("time goes on")
            };
            (0..3).map(took).min().expect("there are three")
        };
        let (few, many) = (cost(250), cost(4000));
        assert!(many < 64 * few, "{few:?} {many:?}");
    }

    #[test]
    fn two_stars() {
        let dir = tree(&["d/a", "d/x/b.log", "d/x/y/c.log", "d/b.log/z", "dd", "e/d/q"]);
        for (pattern, expected) in [
            ("d**", "d/a d/b.log/z d/x/b.log d/x/y/c.log"),
            ("d**/", "d/a d/b.log/z d/x/b.log d/x/y/c.log"),
            ("d/**", "d/a d/b.log/z d/x/b.log d/x/y/c.log"),
            ("d/**/", "d/a d/b.log/z d/x/b.log d/x/y/c.log"),
            ("dd**", "dd"),
            ("dd**/", ""),
            ("dd/**", ""),
            ("**/d/", "d/a d/b.log/z d/x/b.log d/x/y/c.log e/d/q"),
            ("**/d", "d/a d/b.log/z d/x/b.log d/x/y/c.log e/d/q"),
            // As in Bento, a directory that is found by `**` stands for all that is below it.
            ("d/**/*.log", "d/b.log/z d/x/b.log d/x/y/c.log"),
            ("d**/c.log", "d/x/y/c.log"),
            ("d/**/**/y/*", "d/x/y/c.log"),
            ("**/x/**/*.log", "d/x/b.log d/x/y/c.log"),
            ("?**/[cq]*", "d/x/y/c.log e/d/q"),
            ("d/*/", ""),
        ] {
            assert_eq!(find(&dir, &[pattern]), expected, "{pattern}");
        }
    }

    #[test]
    fn links_are_followed_where_they_are_named_and_nowhere_else() {
        let dir = tree(&["d/a.log", "d/s/b.log", "e/c.log"]);
        let link = |to: &str, name: &str| symlink(to, dir.at(name)).expect("a link can be made");
        link(".", "d/self");
        link("..", "d/s/up");
        link("../e", "d/e");
        link("../e/c.log", "d/file.log");
        link("nowhere", "d/gone.log");
        link("loop", "d/loop");
        link("d", "l");
        for (pattern, expected) in [
            ("d/**/*.log", "d/a.log d/file.log d/gone.log d/s/b.log"),
            ("d/**", "d/a.log d/file.log d/gone.log d/loop d/s/b.log"),
            ("l/**/*.log", "l/a.log l/file.log l/gone.log l/s/b.log"),
            ("*/**/b.log", "d/s/b.log l/s/b.log"),
            ("d/*/*.log", "d/e/c.log d/s/b.log d/self/a.log d/self/file.log d/self/gone.log"),
            ("**/e/*", "d/e/c.log e/c.log"),
            ("d/loop/*", ""),
        ] {
            assert_eq!(find(&dir, &[pattern]), expected, "{pattern}");
        }
    }

    #[test]
    fn names_of_any_bytes() {
        let dir = TempDir::new();
        for name in [&b"\xff.log"[..], b"\xc3\xa9.log", b"a.log"] {
            File::create(dir.path().join(OsStr::from_bytes(name))).expect("a file can be made");
        }
        for (pattern, expected) in [
            ("*.log", r"a.log \xc3\xa9.log \xff.log"),
            ("?.log", r"a.log \xc3\xa9.log \xff.log"),
            ("[^a].log", r"\xc3\xa9.log \xff.log"),
            ("[à-ü].log", r"\xc3\xa9.log"),
        ] {
            assert_eq!(find(&dir, &[pattern]), expected, "{pattern}");
        }
    }

    #[test]
    fn what_cannot_be_looked_into_is_told() {
        let dir = tree(&["open/a", "shut/b"]);
        let shut = dir.path().join("shut");
        let set = |mode| fs::set_permissions(&shut, Permissions::from_mode(mode)).expect("it is ours");
        set(0o000);
        // Whoever runs as root may look everywhere.
        if fs::read_dir(&shut).is_err() {
            assert_eq!(find(&dir, &["**/?"]), "open/a [open DIR/shut: permission denied]");
            assert_eq!(find(&dir, &["s*/b"]), "[open DIR/shut/b: permission denied]");
        }
        set(0o700);
        let long = format!("{}/*", "x".repeat(300));
        assert_eq!(find(&dir, &[&long]), format!("[open DIR/{}: file name too long]", "x".repeat(300)));
    }

    #[test]
    fn says_what_is_wrong_with_a_pattern() {
        for pattern in ["a[", "a**b", "***", "*a**b/c", r"a\", "[]a]", "[a-]", "[^]", "[a/b]"] {
            let err = PathPattern::parse(pattern).expect_err(pattern);
            assert!(err.starts_with(&format!("the pattern `{pattern}` is not understood: ")), "{err}");
        }
    }
}
