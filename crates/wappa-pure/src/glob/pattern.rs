//! What a pattern says of names, and where in it one is.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::{Component, Path},
};

/// A pattern of paths, cut at its slashes.
#[derive(Clone, Debug)]
pub(super) struct Glob {
    /// As it was written.
    pub(super) text: String,
    pub(super) is_rooted: bool,
    pub(super) segments: Vec<Segment>,
    /// How many of the segments the pattern itself has. With `**` in it two more follow, which stand for everything
    /// below a directory that it finds.
    pub(super) n_own: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Segment {
    /// One name.
    Literal(OsString),
    /// Names that fit.
    Names(Vec<Token>),
    /// Any number of directories.
    Deep,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
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

impl Glob {
    pub(super) fn parse(text: &str) -> Result<Glob, String> {
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

    pub(super) fn fits(&self, path: &Path) -> bool {
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
    pub(super) fn behind(&self, name: &OsStr, reachable: &[usize]) -> (Vec<usize>, Vec<usize>) {
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
    pub(super) fn is_complete(&self, at: usize) -> bool {
        at == self.n_own || at == self.segments.len()
    }

    /// `at`, and where one can be besides when `**` stands for no directory.
    pub(super) fn reachable(&self, at: &[usize]) -> Vec<usize> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
