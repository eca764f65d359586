//! Files that a pattern finds, in Go's syntax of patterns.
//!
//! The matching is our own, since no crate has Go's meaning of a pattern on names of any bytes. Each directory is read
//! once however many ways lead to it, and `**` never goes through a symbolic link, so the work is bounded by what there
//! is below the pattern's beginning.

use std::{
    collections::{BTreeMap, HashSet},
    ffi::{OsStr, OsString},
    fs::{self, FileType},
    io,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Component, Path, PathBuf},
    vec,
};

use rustix::io::Errno;

use crate::{fault, path::clean};

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

/// A pattern of paths, cut at its slashes.
#[derive(Clone, Debug)]
struct Glob {
    /// As it was written.
    text: String,
    is_rooted: bool,
    segments: Vec<Segment>,
    /// How many of the segments the pattern itself has. With `**` in it two more follow, which stand for everything
    /// below a directory that it finds.
    n_own: usize,
}

#[derive(Clone, Debug)]
enum Segment {
    /// One name.
    Literal(OsString),
    /// Names that fit.
    Names(Vec<Token>),
    /// Any number of directories.
    Deep,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Char(char),
    /// Any one character.
    One,
    /// Any number of characters.
    Many,
    /// One of some characters, or none of them.
    Set {
        is_negated: bool,
        ranges: Vec<(char, char)>,
    },
}

/// What stands for directories.
const TWO_STARS: [Token; 2] = [Token::Many, Token::Many];

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

impl Glob {
    fn parse(text: &str) -> Result<Glob, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let mut segments = Vec::new();
        let mut is_deep = false;
        for (idx, part) in parts.iter().enumerate() {
            let is_last = idx + 1 == parts.len();
            let mut name = tokens(part)?;
            let is_deep_here = name.ends_with(&TWO_STARS);
            if is_deep_here {
                name.truncate(name.len() - TWO_STARS.len());
            }
            let is_odd = name.windows(2).any(|it| it == TWO_STARS);
            if is_odd || is_deep_here && name.last() == Some(&Token::Many) {
                return Err("behind `**`, which stands for directories, comes a `/` or nothing".to_string());
            }
            is_deep |= is_deep_here;
            match (name.is_empty(), is_deep_here) {
                // A slash at the end: what is below the directories that are found, or else a name of no characters.
                (true, false) if is_last && is_deep => segments.push(Segment::Deep),
                (true, false) if is_last => segments.push(Segment::Names(name)),
                (true, false) => (),
                (true, true) => segments.push(Segment::Deep),
                (false, false) => segments.push(segment(name)),
                // `d**` at the end finds `d`, and with it what is below.
                (false, true) if is_last => segments.push(segment(name)),
                (false, true) => segments.extend([segment(name), Segment::Deep]),
            }
        }
        segments.dedup_by(|one, other| matches!((one, other), (Segment::Deep, Segment::Deep)));
        if let Some(Segment::Deep) = segments.last() {
            segments.push(any_name());
        }
        let n_own = segments.len();
        if is_deep {
            segments.extend([Segment::Deep, any_name()]);
        }
        Ok(Glob { text: text.to_string(), is_rooted: text.starts_with('/'), segments, n_own })
    }

    fn fits(&self, path: &Path) -> bool {
        let names = path.components().filter_map(|it| match it {
            Component::Normal(name) => Some(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
            Component::ParentDir => Some(it.as_os_str()),
        });
        // A name `.` in a pattern stays where it is.
        let here = |it: &Segment| matches!(it, Segment::Literal(name) if name == ".");
        let start = self.segments.iter().take_while(|it| here(it)).count();
        let mut at = vec![start];
        for name in names {
            let (mut named, deep) = self.behind(name, &self.reachable(&at));
            named.extend(deep);
            at = named;
        }
        path.is_absolute() == self.is_rooted && self.reachable(&at).into_iter().any(|it| self.is_complete(it))
    }

    /// How far in the pattern one is behind a name: where it stands for itself, and where `**` takes it.
    fn behind(&self, name: &OsStr, reachable: &[usize]) -> (Vec<usize>, Vec<usize>) {
        let (mut named, mut deep) = (Vec::new(), Vec::new());
        for &pos in reachable {
            match self.segments.get(pos) {
                Some(Segment::Deep) => deep.push(pos),
                Some(Segment::Literal(literal)) if literal == name => named.push(pos + 1),
                Some(Segment::Names(tokens)) if fits(tokens, name.as_bytes()) => named.push(pos + 1),
                _ => (),
            }
        }
        (named, deep)
    }

    /// Whether what was found so far is all that the pattern asks for.
    fn is_complete(&self, at: usize) -> bool {
        at == self.n_own || at == self.segments.len()
    }

    /// `at`, and where one can be besides when `**` stands for no directory.
    fn reachable(&self, at: &[usize]) -> Vec<usize> {
        let mut all = Vec::with_capacity(at.len() + 1);
        for &start in at {
            all.push(start);
            let mut pos = start;
            while let Some(Segment::Deep) = self.segments.get(pos) {
                pos += 1;
                all.push(pos);
            }
        }
        all.sort_unstable();
        all.dedup();
        all
    }
}

fn any_name() -> Segment {
    Segment::Names(vec![Token::Many])
}

fn segment(tokens: Vec<Token>) -> Segment {
    let chars = tokens.iter().map(|it| match it {
        Token::Char(it) => Some(*it),
        _ => None,
    });
    let literal: Option<String> = chars.collect();
    literal.map_or(Segment::Names(tokens), |it| Segment::Literal(it.into()))
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut chars = text.chars();
    while let Some(it) = chars.next() {
        tokens.push(match it {
            '*' => Token::Many,
            '?' => Token::One,
            '\\' => Token::Char(chars.next().ok_or("it ends in `\\`")?),
            '[' => set(&mut chars)?,
            it => Token::Char(it),
        });
    }
    Ok(tokens)
}

/// What follows a `[`. As in Go only `^` negates, and `]` and `-` stand for themselves behind a backslash only.
fn set(chars: &mut std::str::Chars<'_>) -> Result<Token, String> {
    let unclosed = || "a `[` without its `]`".to_string();
    let is_negated = chars.as_str().starts_with('^');
    if is_negated {
        chars.next();
    }
    let mut ranges = Vec::new();
    loop {
        if chars.as_str().starts_with(']') && !ranges.is_empty() {
            chars.next();
            return Ok(Token::Set { is_negated, ranges });
        }
        let bound = |chars: &mut std::str::Chars<'_>| match chars.next() {
            None => Err(unclosed()),
            Some('\\') => chars.next().ok_or_else(unclosed),
            Some(it @ ('-' | ']')) => {
                Err(format!("`{it}` stands between `[` and `]` without a backslash before it"))
            }
            Some(it) => Ok(it),
        };
        let first = bound(chars)?;
        let mut last = first;
        if chars.as_str().starts_with('-') {
            chars.next();
            last = bound(chars)?;
        }
        ranges.push((first, last));
    }
}

/// Whether a name fits. Where it comes to a dead end it goes back to the last `*` alone, which is enough.
fn fits(tokens: &[Token], name: &[u8]) -> bool {
    let (mut token, mut at) = (0, 0);
    // Behind the last `*`, and where in the name what follows it is tried next.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        match tokens.get(token) {
            Some(Token::Many) => {
                token += 1;
                retry = Some((token, at));
                continue;
            }
            None if at == name.len() => return true,
            Some(it) if at < name.len() => {
                let (char, size) = first_char(&name[at..]);
                if it.is_fit(char) {
                    token += 1;
                    at += size;
                    continue;
                }
            }
            _ => (),
        }
        match &mut retry {
            Some((behind, next)) if *next < name.len() => {
                *next += first_char(&name[*next..]).1;
                (token, at) = (*behind, *next);
            }
            _ => return false,
        }
    }
}

impl Token {
    /// Whether it stands for this character; for a byte that belongs to none, where there is none.
    fn is_fit(&self, char: Option<char>) -> bool {
        match self {
            Token::Char(it) => char == Some(*it),
            Token::One | Token::Many => true,
            Token::Set { is_negated, ranges } => {
                let is_in = |it: char| ranges.iter().any(|(first, last)| (*first..=*last).contains(&it));
                char.is_some_and(is_in) != *is_negated
            }
        }
    }
}

/// The first character and its size; a byte that begins none is one of its own.
fn first_char(name: &[u8]) -> (Option<char>, usize) {
    let valid = match str::from_utf8(&name[..name.len().min(4)]) {
        Ok(text) => text,
        Err(err) => str::from_utf8(&name[..err.valid_up_to()]).unwrap_or_default(),
    };
    match valid.chars().next() {
        Some(it) => (Some(it), it.len_utf8()),
        None => (None, 1),
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

/// The search for one pattern: directories that are begun, the innermost last.
#[derive(Debug)]
struct Walk {
    glob: Glob,
    begun: Vec<Directory>,
    failures: Vec<String>,
    /// Whether anything was found, or could not be looked into.
    has_told: bool,
}

#[derive(Debug)]
struct Directory {
    path: PathBuf,
    entries: vec::IntoIter<Entry>,
}

#[derive(Debug)]
struct Entry {
    name: OsString,
    /// Nothing for a name that was not read but is known.
    kind: Option<FileType>,
    /// How far in the pattern one is behind it, where it stands for itself.
    named: Vec<usize>,
    /// The same, where it is one of the directories that `**` stands for.
    deep: Vec<usize>,
}

impl Walk {
    fn new(glob: Glob) -> Walk {
        let path = PathBuf::from(if glob.is_rooted { "/" } else { "" });
        let mut walk = Walk { glob, begun: Vec::new(), failures: Vec::new(), has_told: false };
        walk.enter(path, &[0]);
        walk
    }

    fn step(&mut self) -> Searched {
        if let Some(text) = self.failures.pop() {
            return Searched::Failed(text);
        }
        let Some(directory) = self.begun.last_mut() else { return Searched::Over };
        let Some(entry) = directory.entries.next() else {
            self.begun.pop();
            return Searched::Nothing;
        };
        let path = directory.path.join(&entry.name);
        let is_link = entry.kind.is_some_and(|it| it.is_symlink());
        let kind = match entry.kind {
            Some(kind) if !is_link => Some(kind),
            // What a link leads to; and whether a known name is there.
            _ => match fs::metadata(&path) {
                Ok(it) => Some(it.file_type()),
                Err(_) if is_link => None,
                Err(err) => {
                    // A link that leads nowhere is there all the same: opening it says so.
                    return match fs::symlink_metadata(&path) {
                        Ok(_) if self.is_complete(&entry.named) => Searched::Found(path),
                        _ => self.failed(&path, err),
                    };
                }
            },
        };
        if !kind.is_some_and(|it| it.is_dir()) {
            return if self.is_complete(&entry.named) { Searched::Found(path) } else { Searched::Nothing };
        }
        let mut below = entry.named;
        if is_link {
            // It is gone through only where the pattern goes on behind its name.
            below.retain(|it| *it < self.glob.n_own);
        } else {
            below.extend(entry.deep);
        }
        below.retain(|it| *it < self.glob.segments.len());
        if !below.is_empty() {
            self.enter(path, &below);
        }
        Searched::Nothing
    }

    fn is_complete(&self, named: &[usize]) -> bool {
        named.iter().any(|it| self.glob.is_complete(*it))
    }

    /// Begins a directory, from where one may be anywhere of `at` in the pattern.
    fn enter(&mut self, path: PathBuf, at: &[usize]) {
        let reachable = self.glob.reachable(at);
        let mut known: BTreeMap<&OsString, Vec<usize>> = BTreeMap::new();
        for &pos in &reachable {
            if let Some(Segment::Literal(name)) = self.glob.segments.get(pos) {
                known.entry(name).or_default().push(pos + 1);
            }
        }
        let n_known: usize = known.values().map(Vec::len).sum();
        let entries: Vec<Entry> = if n_known == reachable.len() {
            // Names that are known need not be looked for.
            let entry = |(name, named): (&OsString, _)| Entry {
                name: name.clone(),
                kind: None,
                named,
                deep: Vec::new(),
            };
            known.into_iter().map(entry).collect()
        } else {
            match self.read(&path, &reachable) {
                Ok(entries) => entries,
                Err(err) => {
                    if let Searched::Failed(text) = self.failed(&path, err) {
                        self.failures.push(text);
                    }
                    return;
                }
            }
        };
        self.begun.push(Directory { path, entries: entries.into_iter() });
    }

    /// The entries of a directory that the pattern asks for, in the order of their names.
    fn read(&self, path: &Path, reachable: &[usize]) -> io::Result<Vec<Entry>> {
        let here = Path::new(".");
        let mut entries = Vec::new();
        for entry in fs::read_dir(if path.as_os_str().is_empty() { here } else { path })? {
            let entry = entry?;
            let name = entry.file_name();
            let kind = entry.file_type().ok();
            let (named, mut deep) = self.glob.behind(&name, reachable);
            if kind.is_some_and(|it| !it.is_dir()) {
                deep.clear();
            }
            if !named.is_empty() || !deep.is_empty() {
                entries.push(Entry { name, kind, named, deep });
            }
        }
        entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    /// What is not there, or no directory, is nothing that the pattern could find.
    fn failed(&self, path: &Path, err: io::Error) -> Searched {
        let is_absent = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP]
            .into_iter()
            .any(|it| err.raw_os_error() == Some(it.raw_os_error()));
        if is_absent {
            Searched::Nothing
        } else {
            Searched::Failed(fault::failed("open", path.display(), err))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{File, Permissions},
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
    fn fits_as_in_go() {
        for (pattern, name, expected) in [
            ("a*b*c", "aXbXbc", true),
            ("a*b*c", "acb", false),
            ("*", "", true),
            ("?", "", false),
            ("[a-cx]", "x", true),
            ("[a-cx]", "d", false),
            // A `!` is a character like any other.
            ("[!a]", "!", true),
            ("[!a]", "b", false),
            (r"[\]\-]", "-", true),
            (r"\*", "x", false),
            ("a*a*a*a*a*a*a*a*a*a*b", &"a".repeat(200), false),
        ] {
            assert_eq!(fits(&tokens(pattern).expect(pattern), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn says_what_is_wrong_with_a_pattern() {
        for pattern in ["a[", "a**b", "***", "*a**b/c", r"a\", "[]a]", "[a-]", "[^]", "[a/b]"] {
            let err = PathPattern::parse(pattern).expect_err(pattern);
            assert!(err.starts_with(&format!("the pattern `{pattern}` is not understood: ")), "{err}");
        }
    }
}
