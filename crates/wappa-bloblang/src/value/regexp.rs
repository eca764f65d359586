//! Regular expressions in the syntax of Go, on an engine that knows another one.
//!
//! A pattern is rewritten on its way. Where the two differ:
//!
//! | in Go | what is done |
//! | --- | --- |
//! | `\d`, `\w`, `\s`, `\b` mean ASCII | written as classes of ASCII, and as a boundary of ASCII |
//! | in a class `[`, `&&`, `--`, `~~` are characters | escaped |
//! | `{` that begins no repetition is a character | escaped |
//! | `\Q…\E` quotes | each character is escaped |
//! | `\123` is an octal number | written in hexadecimal |
//! | `\<` and `\>` are characters | written as such |
//! | `x{1001}`, and repetitions of repetitions that come to more than 1000 | refused, as in Go |
//! | texts of errors | those of Go |
//! | `.` matches a byte that is no character | it does not |

use regex::bytes::{Regex, RegexBuilder};

use crate::error::{Error, Result};

/// How often something may be repeated.
const REPEAT_MAX: u32 = 1000;

/// How many groups may stand one within another.
const DEPTH_MAX: usize = 200;

/// Reads a regular expression in the syntax of Go, in which those of configs and of mappings are written. The error is Go's.
pub fn go_regex(pattern: &str) -> std::result::Result<Regex, String> {
    compile(pattern.as_bytes()).map_err(|err| err.to_string())
}

/// Reads a pattern of Go.
pub(crate) fn compile(pattern: &[u8]) -> Result<Regex> {
    compile_within(pattern, SIZE_MAX)
}

/// How large a program for a pattern may be, in bytes; the library's own bound.
pub(crate) const SIZE_MAX: usize = 10 << 20;

/// The same, of which the program has so many bytes at most.
pub(crate) fn compile_within(pattern: &[u8], size_max: usize) -> Result<Regex> {
    let Ok(text) = str::from_utf8(pattern) else {
        return Err(mistake("invalid UTF-8", &String::from_utf8_lossy(pattern)));
    };
    let rewritten =
        Rewrite { text, at: 0, out: String::with_capacity(text.len() + 16), groups: Vec::new() }.run()?;
    let regex = RegexBuilder::new(&rewritten).unicode(true).size_limit(size_max).build();
    regex.map_err(|err| match err {
        regex::Error::CompiledTooBig(_) => mistake("expression nests too deeply or is too large", text),
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_string();
            Error::new(format!("error parsing regexp: {last}"))
        }
    })
}

#[cold]
fn mistake(what: &str, part: &str) -> Error {
    Error::new(format!("error parsing regexp: {what}: `{part}`"))
}

struct Rewrite<'a> {
    text: &'a str,
    at: usize,
    out: String,
    /// Of each group that is open: the largest repetition in it.
    groups: Vec<u32>,
}

/// What a repetition may stand behind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Nothing: the beginning of a branch.
    Nothing,
    /// Something that was not repeated, which holds repetitions up to so many times.
    Item(u32),
    /// A repetition, which begins here.
    Repeated(usize),
}

impl<'a> Rewrite<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn run(mut self) -> Result<String> {
        let mut last = Last::Nothing;
        // The largest product of repetitions in the branch so far.
        let mut largest = 1u32;
        while let Some(c) = self.rest().chars().next() {
            let begin = self.at;
            match c {
                '(' => {
                    self.open()?;
                    self.groups.push(largest);
                    if DEPTH_MAX < self.groups.len() {
                        return Err(mistake("expression nests too deeply", self.text));
                    }
                    largest = 1;
                    last = Last::Nothing;
                    // Flags alone are no group.
                    if self.text.as_bytes().get(self.at.wrapping_sub(1)) == Some(&b')') {
                        largest = self.groups.pop().unwrap_or(1);
                    }
                }
                ')' => {
                    let Some(outer) = self.groups.pop() else {
                        return Err(mistake("unexpected )", self.text));
                    };
                    self.push(1);
                    last = Last::Item(largest);
                    largest = largest.max(outer);
                }
                '|' => {
                    self.push(1);
                    last = Last::Nothing;
                }
                '*' | '+' | '?' => {
                    self.push(1);
                    if self.rest().starts_with('?') {
                        self.push(1);
                    }
                    last = self.repeat(begin, last)?;
                }
                '{' => match self.counts() {
                    None => {
                        self.out.push('\\');
                        self.push(1);
                        last = Last::Item(1);
                    }
                    Some((min, max, len)) => {
                        let written = &self.text[begin..begin + len];
                        let most = max.unwrap_or(min);
                        if REPEAT_MAX < min || REPEAT_MAX < most || most < min {
                            return Err(mistake("invalid repeat count", written));
                        }
                        let inner = if let Last::Item(inner) = last { inner } else { 1 };
                        let product = inner.saturating_mul(most.max(1));
                        if REPEAT_MAX < product {
                            return Err(mistake("invalid repeat count", written));
                        }
                        largest = largest.max(product);
                        self.push(len);
                        if self.rest().starts_with('?') {
                            self.push(1);
                        }
                        last = self.repeat(begin, last)?;
                    }
                },
                '[' => {
                    self.class()?;
                    last = Last::Item(1);
                }
                '\\' => {
                    self.escape()?;
                    last = Last::Item(1);
                }
                _ => {
                    self.push(c.len_utf8());
                    last = Last::Item(1);
                }
            }
        }
        match self.groups.is_empty() {
            true => Ok(self.out),
            false => Err(mistake("missing closing )", self.text)),
        }
    }

    /// Copies bytes of the pattern.
    fn push(&mut self, n: usize) {
        self.out.push_str(&self.text[self.at..self.at + n]);
        self.at += n;
    }

    fn repeat(&self, begin: usize, last: Last) -> Result<Last> {
        match last {
            Last::Nothing => {
                Err(mistake("missing argument to repetition operator", &self.text[begin..self.at]))
            }
            Last::Repeated(before) => {
                Err(mistake("invalid nested repetition operator", &self.text[before..self.at]))
            }
            Last::Item(_) => Ok(Last::Repeated(begin)),
        }
    }

    /// What a group begins with.
    fn open(&mut self) -> Result<()> {
        let rest = self.rest();
        let Some(behind) = rest.strip_prefix("(?") else {
            self.push(1);
            return Ok(());
        };
        if behind.starts_with("P<")
            || behind.starts_with('<') && !behind.starts_with("<=") && !behind.starts_with("<!")
        {
            let name_at = 2 + behind.find('<').unwrap_or(0) + 1;
            let Some(end) = rest.find('>') else { return Err(mistake("invalid named capture", rest)) };
            let name = &rest[name_at..end];
            let is_name = !name.is_empty() && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_');
            if !is_name {
                return Err(mistake("invalid named capture", &rest[..=end]));
            }
            if name.starts_with(|it: char| it.is_ascii_digit()) {
                return Err(mistake("a name of a capture begins with a digit", &rest[..=end]));
            }
            self.push(end + 1);
            return Ok(());
        }
        let n_flags = behind.bytes().take_while(|it| matches!(it, b'i' | b'm' | b's' | b'U' | b'-')).count();
        let (flags, end) = behind.split_at(n_flags);
        let is_sound = flags.matches('-').count() <= 1 && !flags.ends_with('-');
        match end.as_bytes().first() {
            Some(b':') if is_sound => self.push(2 + n_flags + 1),
            Some(b')') if is_sound && !flags.is_empty() => self.push(2 + n_flags + 1),
            _ => {
                let n = end.chars().next().map_or(0, char::len_utf8);
                return Err(mistake("invalid or unsupported Perl syntax", &rest[..2 + n_flags + n]));
            }
        }
        Ok(())
    }

    /// `{n}`, `{n,}` or `{n,m}`: the numbers and how long it is.
    fn counts(&self) -> Option<(u32, Option<u32>, usize)> {
        let inner = &self.rest()[1..];
        let end = inner.find('}')?;
        let number = |it: &str| {
            let is_number = !it.is_empty() && it.len() < 9 && it.bytes().all(|it| it.is_ascii_digit());
            is_number.then(|| it.parse::<u32>().ok()).flatten()
        };
        let (min, max) = match inner[..end].split_once(',') {
            None => (number(&inner[..end])?, None),
            Some((min, "")) => (number(min)?, None),
            Some((min, max)) => (number(min)?, Some(number(max)?)),
        };
        Some((min, max, end + 2))
    }

    fn escape(&mut self) -> Result<()> {
        let rest = self.rest();
        let Some(c) = rest[1..].chars().next() else {
            return Err(Error::new("error parsing regexp: trailing backslash at end of expression: ``"));
        };
        if c == 'Q' {
            let inner = &rest[2..];
            let end = inner.find("\\E").unwrap_or(inner.len());
            self.out.push_str(&regex::escape(&inner[..end]));
            self.at = (self.at + 2 + end + 2).min(self.text.len());
            return Ok(());
        }
        let written = match c {
            'd' => "[0-9]",
            'D' => "[^0-9]",
            'w' => "[0-9A-Za-z_]",
            'W' => "[^0-9A-Za-z_]",
            's' => "[\\t\\n\\x0c\\r ]",
            'S' => "[^\\t\\n\\x0c\\r ]",
            'b' => "(?-u:\\b)",
            'B' => "(?-u:\\B)",
            'A' => "\\A",
            'z' => "\\z",
            _ => return self.character_escape(),
        };
        self.out.push_str(written);
        self.at += 2;
        Ok(())
    }

    /// An escape that stands for a character or a class of Unicode.
    fn character_escape(&mut self) -> Result<()> {
        let rest = self.rest();
        let c = rest[1..].chars().next().unwrap_or('\\');
        let bad = |n: usize| {
            let n = rest.char_indices().map(|(at, _)| at).chain([rest.len()]).find(|it| n <= *it);
            mistake("invalid escape sequence", &rest[..n.unwrap_or(rest.len())])
        };
        match c {
            'p' | 'P' => {
                let behind = &rest[2..];
                let n = match behind.starts_with('{') {
                    true => behind.find('}').map(|it| it + 1),
                    false => behind.chars().next().map(char::len_utf8),
                };
                let Some(n) = n else { return Err(mistake("invalid character class range", rest)) };
                self.push(2 + n);
            }
            'a' | 'f' | 'n' | 'r' | 't' | 'v' => self.push(2),
            'x' => {
                let behind = &rest[2..];
                let (digits, n) = match behind.strip_prefix('{') {
                    Some(inner) => {
                        let end = inner.find('}').ok_or_else(|| bad(rest.len()))?;
                        (&inner[..end], end + 2)
                    }
                    None => (behind.get(..2).ok_or_else(|| bad(rest.len()))?, 2),
                };
                let code = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
                let Some(code) = code else { return Err(bad(2 + n)) };
                self.out.push_str(&format!("\\x{{{:x}}}", code as u32));
                self.at += 2 + n;
            }
            '0'..='7' => {
                let digits: String = rest[1..].chars().take(3).take_while(|it| it.is_digit(8)).collect();
                // One digit alone would be a reference to a group.
                if c != '0' && digits.len() == 1 {
                    return Err(bad(2));
                }
                let code = u32::from_str_radix(&digits, 8).unwrap_or(0);
                self.out.push_str(&format!("\\x{{{code:x}}}"));
                self.at += 1 + digits.len();
            }
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => {
                self.out.push_str(&regex::escape(&c.to_string()));
                self.at += 2;
            }
            c => return Err(bad(1 + c.len_utf8())),
        }
        Ok(())
    }

    fn class(&mut self) -> Result<()> {
        let begin = self.at;
        self.push(1);
        if self.rest().starts_with('^') {
            self.push(1);
        }
        let mut is_first = true;
        loop {
            let rest = self.rest();
            let Some(c) = rest.chars().next() else {
                return Err(mistake("missing closing ]", &self.text[begin..]));
            };
            match c {
                ']' if !is_first => {
                    self.push(1);
                    return Ok(());
                }
                '[' if rest.starts_with("[:") && rest[2..].contains(":]") => {
                    let n = rest.find(":]").unwrap_or(0) + 2;
                    let name = rest[2..n - 2].trim_start_matches('^');
                    const NAMES: [&str; 14] = [
                        "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print",
                        "punct", "space", "upper", "word", "xdigit",
                    ];
                    if !NAMES.contains(&name) {
                        return Err(mistake("invalid character class range", &rest[..n]));
                    }
                    self.push(n);
                }
                '[' | '&' | '~' | ']' => {
                    self.out.push('\\');
                    self.push(1);
                }
                '-' => {
                    // Between two characters it is a range, at an end it is itself.
                    let is_range = !is_first
                        && rest.len() > 1
                        && !rest[1..].starts_with(']')
                        && !self.out.ends_with('-');
                    if !is_range {
                        self.out.push('\\');
                    }
                    self.push(1);
                }
                '\\' => match rest[1..].chars().next() {
                    None => return Err(mistake("missing closing ]", &self.text[begin..])),
                    Some('b') => return Err(mistake("invalid escape sequence", "\\b")),
                    Some('d' | 'D' | 'w' | 'W' | 's' | 'S') => self.escape()?,
                    Some(_) => self.character_escape()?,
                },
                c => self.push(c.len_utf8()),
            }
            is_first = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All matches of a pattern.
    fn matches(pattern: &str, text: &str) -> Vec<String> {
        let regex = compile(pattern.as_bytes()).unwrap_or_else(|err| panic!("{pattern}: {err}"));
        regex
            .find_iter(text.as_bytes())
            .map(|it| String::from_utf8_lossy(it.as_bytes()).into_owned())
            .collect()
    }

    #[test]
    fn classes_are_of_ascii() {
        assert_eq!(matches(r"\w+", "a\u{e4}b_1"), ["a", "b_1"]);
        assert_eq!(matches(r"\d", "1\u{663}2"), ["1", "2"]);
        assert_eq!(matches(r"[^\d]", "1\u{663}"), ["\u{663}"]);
        assert_eq!(matches(r"[\W]", "a-"), ["-"]);
        assert_eq!(matches(r"\bb", "\u{e4}b"), ["b"]);
        assert_eq!(matches(r"\s", " \u{a0}\n"), [" ", "\n"]);
    }

    #[test]
    fn characters_of_go_are_characters() {
        assert_eq!(matches("[[&~-]+", "[&&~~--]"), ["[&&~~--"]);
        assert_eq!(matches("[]a]+", "]a"), ["]a"]);
        assert_eq!(matches("a{,2}|{x", "a{,2}{x"), ["a{,2}", "{x"]);
        assert_eq!(matches(r"\Qa.b\E+", "a.bb axb"), ["a.bb"]);
        assert_eq!(matches(r"\101\x42\x{43}", "ABC"), ["ABC"]);
        assert_eq!(matches(r"\<a\>", "<a>"), ["<a>"]);
        assert_eq!(matches("[a-c-e]+", "abc-e"), ["abc-e"]);
        assert_eq!(matches("(?i)\u{e4}", "\u{c4}"), ["\u{c4}"]);
        assert_eq!(matches("a*", "baaac"), ["", "aaa", ""]);
        assert_eq!(matches("(?P<n>a)(?<m>b)", "ab"), ["ab"]);
        assert_eq!(matches("[[:alpha:]]+", "ab1"), ["ab"]);
    }

    #[test]
    fn mistakes_are_told_in_the_words_of_go() {
        for (pattern, expected) in [
            ("(", "missing closing ): `(`"),
            ("a)", "unexpected ): `a)`"),
            ("*", "missing argument to repetition operator: `*`"),
            ("a**", "invalid nested repetition operator: `**`"),
            ("[a", "missing closing ]: `[a`"),
            (r"\y", r"invalid escape sequence: `\y`"),
            (r"\1", r"invalid escape sequence: `\1`"),
            ("\\", "trailing backslash at end of expression: ``"),
            ("a{1001}", "invalid repeat count: `{1001}`"),
            ("a{2,1}", "invalid repeat count: `{2,1}`"),
            ("(a{100}){100}", "invalid repeat count: `{100}`"),
            ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
            ("(?<!a)", "invalid or unsupported Perl syntax: `(?<`"),
        ] {
            let err = compile(pattern.as_bytes()).expect_err(pattern);
            assert_eq!(err.to_string(), format!("error parsing regexp: {expected}"), "{pattern}");
        }
    }
}
