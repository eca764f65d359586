//! From text to a program.
//!
//! The grammar has no tokens: a place is read in one way after the other, and what each expected is told where none
//! succeeds. The order of the ways, what ends the search for good, and the places of errors are Bento's.

mod fail;
mod field;
mod literal;
mod query;
mod statement;
mod tail;
mod text;

pub use fail::ParseError;

use std::{
    collections::HashMap,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    environment::Environment,
    lending::give_document,
    of_metadata::are_of_metadata,
    program::{Kept, Map, Program},
};
use fail::{Fail, Parsed};

/// How many queries and statements may stand one within another.
const DEPTH_MAX: usize = 150;

/// How high the tree of a query may be: so deep goes evaluating it, and giving it up.
const HEIGHT_MAX: usize = 2000;

/// How many files may import each other, one within another.
const IMPORT_DEPTH_MAX: usize = 20;

/// How many times as many steps as there are characters a text takes at most, beside this many.
const WORK_PER_BYTE: usize = 64;
const WORK_MIN: usize = 100_000;

/// Reads one text, with the files it imports.
struct Parser<'a> {
    source: &'a str,
    at: usize,
    environment: &'a Environment,
    /// Where paths of imports begin, under the directory of the environment.
    dir: PathBuf,
    import_depth: usize,
    /// It is executed on a value by another mapping, and sees that value alone.
    is_inner: bool,
    depth: usize,
    /// How high the tree is of what was read last, and of what stands beside it.
    height: usize,
    /// How many more queries are tried, so that no text takes time without bound.
    work: usize,
    /// A place, and how many lines end before it.
    counted: (usize, usize),
    /// The names of values around the place, the innermost last.
    named: Vec<Arc<str>>,
    /// The variables of the statements around the place.
    variables: HashMap<String, usize>,
    maps: Vec<Map>,
    reads_batch: bool,
    kept: Vec<Kept>,
}

impl Program {
    /// Reads a mapping.
    pub fn parse(source: &str, environment: &Environment) -> Result<Program, ParseError> {
        Program::parse_in(source, environment, Path::new(""))
    }

    /// Reads a mapping that another one executes on a value.
    pub(crate) fn parse_inner(source: &str) -> Result<Program, ParseError> {
        let environment = Environment::restricted();
        let mut parser = Parser::new(source, &environment);
        parser.is_inner = true;
        parser.program().map_err(|fail| ParseError::new(source, &fail))
    }

    /// Reads a mapping that stands in a file: what it imports is looked for from the directory of that file on.
    pub fn parse_in(source: &str, environment: &Environment, dir: &Path) -> Result<Program, ParseError> {
        let mut parser = Parser::new(source, environment);
        parser.dir = dir.to_path_buf();
        parser.program().map_err(|fail| ParseError::new(source, &fail))
    }
}

impl<'a> Parser<'a> {
    fn new(source: &'a str, environment: &'a Environment) -> Parser<'a> {
        Parser {
            source,
            at: 0,
            environment,
            dir: PathBuf::new(),
            import_depth: 0,
            is_inner: false,
            depth: 0,
            height: 0,
            work: source.len().saturating_mul(WORK_PER_BYTE).max(WORK_MIN),
            counted: (0, 0),
            named: Vec::new(),
            variables: HashMap::new(),
            maps: Vec::new(),
            reads_batch: false,
            kept: Vec::new(),
        }
    }

    fn into_program(self, mut statements: Vec<crate::program::Statement>) -> Program {
        give_document(&mut statements);
        Program {
            is_of_metadata: are_of_metadata(&statements),
            statements,
            maps: self.maps,
            n_variables: self.variables.len(),
            reads_batch: self.reads_batch,
            kept: self.kept,
        }
    }

    /// How many lines end before a place. They are counted from the place that was asked for last, which is near.
    fn lines_before(&mut self, at: usize) -> usize {
        let (before, n_lines) = self.counted;
        let count =
            |range: Range<usize>| self.source.as_bytes()[range].iter().filter(|it| **it == b'\n').count();
        let n_lines = if before <= at { n_lines + count(before..at) } else { n_lines - count(at..before) };
        self.counted = (at, n_lines);
        n_lines
    }

    /// The number of a variable.
    fn variable(&mut self, name: &str) -> usize {
        if let Some(number) = self.variables.get(name) {
            return *number;
        }
        let number = self.variables.len();
        self.variables.insert(name.to_string(), number);
        number
    }

    /// Goes one deeper.
    fn within<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == DEPTH_MAX {
            let why = format!("more than {DEPTH_MAX} queries one within another");
            return Err(Fail::fatal(self.at, why));
        }
        if self.work == 0 {
            return Err(Fail::fatal(self.at, "there are too many ways to read the mapping"));
        }
        self.work -= 1;
        self.depth += 1;
        let n_named = self.named.len();
        let beside = std::mem::replace(&mut self.height, 0);
        let result = read(self);
        self.height = beside.max(self.height + 1);
        self.named.truncate(n_named);
        self.depth -= 1;
        result
    }

    /// The tree grows by one.
    fn grow(&mut self) -> Parsed<()> {
        self.height += 1;
        match self.height <= HEIGHT_MAX {
            true => Ok(()),
            false => Err(Fail::fatal(self.at, format!("more than {HEIGHT_MAX} steps one within another"))),
        }
    }

    /// Tries something that may well not succeed; then the place is where it was.
    fn maybe<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<Option<T>> {
        let begin = self.at;
        match read(self) {
            Ok(value) => Ok(Some(value)),
            Err(fail) if fail.is_fatal() => Err(fail),
            Err(_) => {
                self.at = begin;
                Ok(None)
            }
        }
    }

    /// A list of things with a delimiter between them, from its beginning to its end.
    fn delimited<T>(
        &mut self,
        open: impl FnOnce(&mut Self) -> Parsed<()>,
        mut element: impl FnMut(&mut Self) -> Parsed<T>,
        mut delimiter: impl FnMut(&mut Self) -> Parsed<()>,
        mut close: impl FnMut(&mut Self) -> Parsed<()>,
    ) -> Parsed<Vec<T>> {
        open(self)?;
        let mut list = Vec::new();
        loop {
            let begin = self.at;
            match element(self) {
                Ok(it) => list.push(it),
                Err(fail) => {
                    // The end may stand behind a delimiter as well.
                    self.at = begin;
                    return match close(self) {
                        Ok(()) => Ok(list),
                        Err(_) => Err(fail),
                    };
                }
            }
            let begin = self.at;
            if let Err(mut fail) = delimiter(self) {
                self.at = begin;
                return match close(self) {
                    Ok(()) => Ok(list),
                    Err(other) => {
                        fail.add(*other);
                        Err(fail)
                    }
                };
            }
        }
    }

    /// Reads a file to be imported; gives its text and the directory in which it is.
    fn import(&self, at: usize, path: &str) -> Parsed<(String, PathBuf)> {
        let fail = |why: String| Fail::fatal(at, format!("failed to read import: {why}"));
        if self.is_inner {
            return Err(fail("imports are disabled in this context".to_string()));
        }
        if IMPORT_DEPTH_MAX <= self.import_depth {
            return Err(fail(format!("more than {IMPORT_DEPTH_MAX} files import each other")));
        }
        let place = self.dir.join(path);
        let content = self.environment.import(&place).map_err(fail)?;
        let dir = place.parent().map(Path::to_path_buf).unwrap_or_default();
        Ok((String::from_utf8_lossy(&content).into_owned(), dir))
    }

    /// A parser of an imported text.
    fn of_import<'b>(&self, source: &'b str, dir: PathBuf) -> Parser<'b>
    where
        'a: 'b,
    {
        let mut parser = Parser::new(source, self.environment);
        parser.dir = dir;
        parser.import_depth = self.import_depth + 1;
        parser
    }
}
