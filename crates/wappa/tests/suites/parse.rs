//! Reads a Markdown suite: every heading with fences below it is one test.
//!
//! The fences a test may have, and nothing else (an unknown one is an error, so that a misspelt
//! expectation cannot pass unseen):
//!
//! | fence | meaning |
//! | --- | --- |
//! | `yaml` | the config; with `lint` it is only linted |
//! | `wat NAME` | a guest, written beside the config |
//! | `file NAME` | a file beside the config; a name that ends in `/` makes a directory |
//! | `in` | standard input; with `open` it is kept open after the last byte |
//! | `args`, `env` | the command line (default: `-c config.yaml`), and `NAME=value` lines |
//! | `signal NAME` | sent when the line in the body appears in standard output or standard error |
//! | `out`, `out-file NAME` | all of standard output, or of a file, afterwards |
//! | `stdout`, `stderr` | lines that must appear; with `absent` must not; with `exact` all lines, in order |
//! | `exit` | the exit code; 0 when it is not said |
//! | `text` | prose |
//!
//! `in`, `file` and `out` take `escaped` (`\x00`, `\r`, `\n`, `\t`, `\\`) and `no-final-newline`;
//! `in` and `file` take `repeat N`, and several of one name are joined. `out` takes `head N`: the
//! reader closes standard output after that many lines. In an expectation `[..]` stands for any
//! text in a line and a line `...` for any lines. An expectation marked `bento` replaces the plain
//! one when the suites run against Bento, and `ours` at `yaml` or `args` marks a test that Bento cannot run.

use std::path::{Path, PathBuf};

/// One heading and the fences below it.
#[derive(Debug, Default)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) fences: Vec<Fence>,
}

/// One fenced block.
#[derive(Debug, Default)]
pub(crate) struct Fence {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) flags: Vec<String>,
    pub(crate) body: String,
    pub(crate) suite: PathBuf,
    /// The lines of the body in the suite, for the rewriting of expectations.
    pub(crate) lines: std::ops::Range<usize>,
}

/// What a fence may be: its kind, whether it has a name, and its flags.
const FENCES: &[(&str, bool, &[&str])] = &[
    ("yaml", false, &["lint", "ours"]),
    ("wat", true, &[]),
    ("file", true, &["escaped", "no-final-newline", "repeat"]),
    ("in", false, &["escaped", "no-final-newline", "repeat", "open"]),
    ("args", false, &["ours"]),
    ("env", false, &[]),
    ("signal", true, &[]),
    ("out", false, &["bento", "escaped", "no-final-newline", "head"]),
    ("out-file", true, &["bento", "escaped", "no-final-newline"]),
    ("stdout", false, &["bento", "absent", "exact"]),
    ("stderr", false, &["bento", "absent", "exact"]),
    ("exit", false, &["bento"]),
    ("text", false, &[]),
];

impl Case {
    /// The fences of a kind; when `bento` is asked for and one is marked so, only the marked ones.
    pub(crate) fn of<'a>(&'a self, kind: &str, bento: bool) -> impl Iterator<Item = &'a Fence> {
        let all: Vec<&Fence> = self.fences.iter().filter(|it| it.kind == kind).collect();
        let marked = bento && all.iter().any(|it| it.is("bento"));
        all.into_iter().filter(move |it| it.is("bento") == marked)
    }

    /// Whether a fence of this kind has this flag.
    pub(crate) fn is(&self, kind: &str, flag: &str) -> bool {
        self.fences.iter().any(|it| it.kind == kind && it.is(flag))
    }
}

impl Fence {
    pub(crate) fn is(&self, flag: &str) -> bool {
        self.flags.iter().any(|it| it == flag)
    }

    /// The number after a flag (`repeat 3`).
    pub(crate) fn number(&self, flag: &str) -> Result<Option<usize>, String> {
        let Some(at) = self.flags.iter().position(|it| it == flag) else {
            return Ok(None);
        };
        let number = self.flags.get(at + 1).and_then(|it| it.parse().ok());
        number.map(Some).ok_or_else(|| format!("`{flag}` needs a number"))
    }

    /// The bytes that the body stands for.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, String> {
        let body = match self.is("no-final-newline") {
            true => self.body.strip_suffix('\n').unwrap_or(&self.body),
            false => &self.body,
        };
        let bytes = match self.is("escaped") {
            true => unescape(body)?,
            false => body.as_bytes().to_vec(),
        };
        Ok(bytes.repeat(self.number("repeat")?.unwrap_or(1)))
    }
}

/// Reads a suite; `root` is taken off its path to name the tests.
pub(crate) fn parse(root: &Path, suite: &Path, text: &str) -> Result<Vec<Case>, String> {
    let file = suite.strip_prefix(root).unwrap_or(suite).with_extension("");
    let mut cases: Vec<Case> = Vec::new();
    let mut fence: Option<Fence> = None;
    for (at, line) in text.lines().enumerate() {
        let place = || format!("{}:{}", suite.display(), at + 1);
        if let Some(mut open) = fence.take() {
            if line != "```" {
                open.body.push_str(line);
                open.body.push('\n');
                fence = Some(open);
                continue;
            }
            open.lines.end = at;
            let case =
                cases.last_mut().ok_or_else(|| format!("{}: a fence before the first heading", place()))?;
            case.fences.push(open);
        } else if let Some(info) = line.strip_prefix("```") {
            let mut opened = open_fence(info).map_err(|err| format!("{}: {err}", place()))?;
            opened.suite = suite.to_path_buf();
            opened.lines = at + 1..at + 1;
            fence = Some(opened);
        } else if line.starts_with('#') {
            let heading = line.trim_start_matches('#').trim();
            cases.push(Case { name: format!("{}: {heading}", file.display()), fences: Vec::new() });
        }
    }
    if fence.is_some() {
        return Err(format!("{}: the last fence is not closed", suite.display()));
    }
    cases.retain(|case| case.fences.iter().any(|it| it.kind != "text"));
    Ok(cases)
}

fn open_fence(info: &str) -> Result<Fence, String> {
    let mut words = info.split_whitespace().map(str::to_owned);
    let kind = words.next().unwrap_or_default();
    let Some((_, named, flags)) = FENCES.iter().find(|it| it.0 == kind) else {
        return Err(format!("unknown fence `{kind}`"));
    };
    let name = match named {
        true => words.next().ok_or_else(|| format!("`{kind}` needs a name"))?,
        false => String::new(),
    };
    let fence = Fence { kind, name, flags: words.collect(), ..Fence::default() };
    for (at, flag) in fence.flags.iter().enumerate() {
        let is_number = at > 0 && matches!(fence.flags[at - 1].as_str(), "repeat" | "head");
        if !is_number && !flags.contains(&flag.as_str()) {
            return Err(format!("unknown flag `{flag}` of `{}`", fence.kind));
        }
    }
    Ok(fence)
}

fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let (&code, tail) = rest.split_first().ok_or("a `\\` at the end")?;
        rest = tail;
        bytes.push(match code {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'\\' => b'\\',
            b'x' => {
                let digits = rest.get(..2).and_then(|it| std::str::from_utf8(it).ok());
                rest = rest.get(2..).unwrap_or_default();
                digits.and_then(|it| u8::from_str_radix(it, 16).ok()).ok_or("`\\x` needs two hex digits")?
            }
            other => return Err(format!("unknown escape `\\{}`", char::from(other))),
        });
    }
    Ok(bytes)
}

/// The opposite of [`unescape`]; line breaks stay.
pub(crate) fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for it in chunk.valid().chars() {
            match it {
                '\n' => text.push('\n'),
                '\\' => text.push_str("\\\\"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                it if it.is_control() => text.push_str(&format!("\\x{:02x}", u32::from(it))),
                it => text.push(it),
            }
        }
        for it in chunk.invalid() {
            text.push_str(&format!("\\x{it:02x}"));
        }
    }
    text
}
