//! Why a text is no mapping: where, and what was expected there.
//!
//! Texts and places are Bento's, since people match them. Of several ways to read a place the one that came furthest
//! tells what is wrong; those that came equally far tell it together.

use std::{borrow::Cow, fmt, sync::Arc};

/// Why a text is no mapping. The position is that of the character in question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    text: String,
    /// What stands at the place, or that nothing does; behind the text.
    found: String,
    line: usize,
    column: usize,
    chars_before: usize,
}

impl ParseError {
    pub(crate) fn new(source: &str, fail: &Fail) -> ParseError {
        let before = &source[..fail.at.min(source.len())];
        let line = before.matches('\n').count() + 1;
        let begin = before.rfind('\n').map_or(0, |it| it + 1);
        ParseError {
            text: fail.text(),
            found: fail.found(source),
            line,
            column: before[begin..].chars().count() + 1,
            chars_before: before.chars().count(),
        }
    }

    /// What is wrong, without the place.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same, and what stands at the place: as Bento lints.
    pub fn text_with_found(&self) -> String {
        format!("{}{}", self.text, self.found)
    }

    /// The line, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The character in its line, counted from 1.
    pub fn column(&self) -> usize {
        self.column
    }

    /// How many characters stand before the place in question.
    pub fn chars_before(&self) -> usize {
        self.chars_before
    }
}

/// As Bento writes it.
impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} char {}: {}", self.line, self.column, self.text)
    }
}

impl std::error::Error for ParseError {}

/// A step of the parser that did not succeed.
#[derive(Clone, Debug)]
pub(crate) struct Fail {
    /// How many bytes stand before the place in question.
    pub(super) at: usize,
    /// Where no other way to read the text is tried: why.
    fatal: Option<Cow<'static, str>>,
    expected: Vec<Cow<'static, str>>,
    /// In this file, which the text imports.
    import: Option<Arc<(String, ParseError)>>,
}

/// The result of a step. The step that fails leaves the place where it was; a fail is seldom, so it is small here.
pub(super) type Parsed<T> = Result<T, Box<Fail>>;

/// What stands for "this is needed here".
const REQUIRED: &str = "required";

impl Fail {
    /// Something else was expected here; other ways may be tried.
    #[cold]
    pub(super) fn expected(at: usize, what: impl Into<Cow<'static, str>>) -> Box<Fail> {
        Box::new(Fail { at, fatal: None, expected: vec![what.into()], import: None })
    }

    /// The text is wrong, however it is read.
    #[cold]
    pub(super) fn fatal(at: usize, why: impl Into<Cow<'static, str>>) -> Box<Fail> {
        Box::new(Fail { at, fatal: Some(why.into()), expected: Vec::new(), import: None })
    }

    /// This was needed here.
    #[cold]
    pub(super) fn required(at: usize, what: &'static str) -> Box<Fail> {
        Box::new(Fail { at, fatal: Some(REQUIRED.into()), expected: vec![what.into()], import: None })
    }

    /// What is imported is wrong.
    #[cold]
    pub(super) fn of_import(at: usize, path: String, error: ParseError) -> Box<Fail> {
        let import = Some(Arc::new((path, error)));
        Box::new(Fail { at, fatal: Some("".into()), expected: Vec::new(), import })
    }

    pub(super) fn is_fatal(&self) -> bool {
        self.fatal.is_some()
    }

    /// What another way to read the same place expected; this one's place and reason stay.
    pub(super) fn add(&mut self, other: Fail) {
        self.expected.extend(other.expected);
        if self.fatal.is_none() {
            self.fatal = other.fatal;
        }
    }

    /// What stands at the place in the source: a few characters, as Bento shows them.
    fn found(&self, source: &str) -> String {
        let shown: String = source.get(self.at..).unwrap_or_default().chars().take(5).collect();
        // A lint is one line.
        let shown = shown.split(['\n', '\r']).next().unwrap_or_default();
        match (self.expected.is_empty(), shown) {
            _ if self.import.is_some() => String::new(),
            (true, "") => String::new(),
            (true, shown) => format!(": {shown}"),
            (false, "") if self.at < source.len() => ", got: end of line".to_string(),
            (false, "") => ", but reached end of input".to_string(),
            (false, shown) => format!(", got: {shown}"),
        }
    }

    fn text(&self) -> String {
        if let Some((path, error)) = self.import.as_deref() {
            return format!("failed to parse import '{path}': {error}");
        }
        let mut expected: Vec<&str> = Vec::new();
        for what in &self.expected {
            if !expected.contains(&what.as_ref()) {
                expected.push(what);
            }
        }
        let list = match expected.as_slice() {
            [] => None,
            // As Bento writes it where several ways expected the same.
            [one] if 1 < self.expected.len() => Some(format!(" or {one}")),
            [one] => Some(one.to_string()),
            [one, two] => Some(format!("{one} or {two}")),
            [some @ .., last] => Some(format!("{}, or {last}", some.join(", "))),
        };
        match (&self.fatal, list) {
            (Some(why), Some(list)) => format!("{why}: expected {list}"),
            (Some(why), None) => why.to_string(),
            (None, Some(list)) => format!("expected {list}"),
            (None, None) => "encountered unexpected input".to_string(),
        }
    }
}

/// What is said of a step's failure by the step around it.
pub(super) trait OrElse {
    /// What was expected is called this.
    fn called(self, what: &'static str) -> Self;
    /// No other way is tried.
    fn required(self) -> Self;
}

impl<T> OrElse for Parsed<T> {
    fn called(self, what: &'static str) -> Parsed<T> {
        self.map_err(|mut fail| {
            if !fail.is_fatal() {
                fail.expected = vec![what.into()];
            }
            fail
        })
    }

    fn required(self) -> Parsed<T> {
        self.map_err(|mut fail| {
            if !fail.is_fatal() {
                fail.fatal = Some(REQUIRED.into());
            }
            fail
        })
    }
}

/// Collects the failures of several ways to read one place.
#[derive(Default)]
pub(super) struct Furthest(Option<Box<Fail>>);

impl Furthest {
    /// Takes what one way came to: a value or a failure for good ends the search.
    pub(super) fn take<T>(&mut self, result: Parsed<T>) -> Option<Parsed<T>> {
        match result {
            Ok(value) => Some(Ok(value)),
            Err(fail) if fail.is_fatal() => Some(Err(fail)),
            Err(fail) => {
                match &mut self.0 {
                    Some(best) if best.at == fail.at => best.add(*fail),
                    Some(best) if fail.at < best.at => (),
                    best => *best = Some(fail),
                }
                None
            }
        }
    }

    pub(super) fn fail<T>(self) -> Parsed<T> {
        Err(self.0.expect("one way was tried"))
    }
}

/// Tries several ways to read a place; each begins where the first began.
macro_rules! one_of {
    ($parser:expr, $($way:expr),+ $(,)?) => {{
        let mut furthest = $crate::parse::fail::Furthest::default();
        let begin = $parser.at;
        loop {
            $(
                $parser.at = begin;
                let result = $way;
                if let Some(result) = furthest.take(result) {
                    break result;
                }
            )+
            $parser.at = begin;
            break furthest.fail();
        }
    }};
}
pub(super) use one_of;
