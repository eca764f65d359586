//! Mappings and texts with queries in configs: read and checked with the config, so that what is wrong in one has its place
//! in the file.

use std::sync::{Arc, OnceLock};

use wappa_bloblang::{Environment, Interpolated, ParseError, Program, functions, methods};

use crate::lint::{Lint, Rule};
use crate::reader::Reader;
use crate::spec::{Type, Value};
use crate::suggest::nearest;
use crate::yaml::{Kind, Node, Pos, Style};

/// A mapping, ready to be evaluated; none where the text is empty.
#[derive(Clone, Debug, Default)]
pub struct Mapping(Option<Arc<Program>>);

/// What the mappings of a process see of the world, unless the program has another [`Environment`] for them (see
/// [`Reader::service`]). Paths begin at the working directory, as in Bento.
fn environment(is_restricted: bool) -> &'static Environment {
    static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
    static RESTRICTED: OnceLock<Environment> = OnceLock::new();
    match is_restricted {
        true => RESTRICTED.get_or_init(Environment::restricted),
        false => ENVIRONMENT.get_or_init(Environment::default),
    }
}

/// All files that mappings of configs have imported in this process.
pub fn imported_files() -> Vec<std::path::PathBuf> {
    environment(false).imported()
}

impl Mapping {
    /// Reads a mapping.
    pub fn parse(text: &str, environment: &Environment) -> Result<Mapping, ParseError> {
        if text.trim().is_empty() {
            return Ok(Mapping::default());
        }
        Program::parse(text, environment).map(|it| Mapping(Some(Arc::new(it))))
    }

    /// The program, unless the mapping is empty.
    pub fn program(&self) -> Option<&Arc<Program>> {
        self.0.as_ref()
    }
}

/// Equal are mappings of the same program, or of none.
impl PartialEq for Mapping {
    fn eq(&self, other: &Mapping) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        }
    }
}

impl Value for Mapping {
    const TYPE: Type = Type::Mapping;

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Mapping> {
        let mapping = read(node, reader, Mapping::parse)?;
        reader.reaches(mapping.program().map_or(&[], |it| it.kept()));
        Some(mapping)
    }
}

impl Value for Interpolated {
    const TYPE: Type = Type::Interpolated;

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Interpolated> {
        let text = read(node, reader, Interpolated::parse)?;
        reader.reaches(text.kept());
        Some(text)
    }
}

fn read<T>(
    node: &Node,
    reader: &mut Reader<'_>,
    parse: fn(&str, &Environment) -> Result<T, ParseError>,
) -> Option<T> {
    let text = String::read(node, reader)?;
    let own = reader.service::<Environment>().filter(|_| !reader.is_restricted());
    match parse(&text, own.unwrap_or_else(|| environment(reader.is_restricted()))) {
        Ok(it) => Some(it),
        Err(err) => {
            let lint = lint_inside(node, err.chars_before(), err.text_with_found());
            reader.push(match mapping_hint(&err) {
                Some(hint) => lint.hint(hint),
                None => lint,
            });
            None
        }
    }
}

/// What other languages call methods and functions, or what it is done with.
const FROM_ELSEWHERE: &[(&str, &str)] = &[
    ("concat", "`a + b` joins texts, and `.merge(…)` lists"),
    ("ends_with", "use `.has_suffix(…)`"),
    ("float", "use `.number()`, or `.float64()`"),
    ("format_date", "use `.ts_format(…)`, or `.ts_strftime(…)`"),
    ("int", "use `.number()`, or `.int64()`"),
    ("is_null", "write `== null`"),
    ("len", "use `.length()`"),
    ("lower", "use `.lowercase()`"),
    ("match", "`match` stands before a value: `match this.a { … }`; a pattern is tried with `.re_match(…)`"),
    ("parse_date", "use `.ts_parse(…)`, or `.ts_strptime(…)`"),
    ("push", "use `.append(…)`"),
    ("random", "use `random_int()`"),
    ("size", "use `.length()`"),
    ("starts_with", "use `.has_prefix(…)`"),
    ("strip", "use `.trim()`"),
    ("substring", "use `.slice(…)`, or `[2:5]`"),
    ("to_bool", "use `.bool()`"),
    ("to_int", "use `.number()`, or `.int64()`"),
    ("to_json", "use `.format_json()`"),
    ("to_lower", "use `.lowercase()`"),
    ("to_number", "use `.number()`"),
    ("to_string", "use `.string()`"),
    ("to_upper", "use `.uppercase()`"),
    ("today", "use `now()`"),
    ("upper", "use `.uppercase()`"),
    ("uuid", "use `uuid_v4()`"),
];

/// The way out of a mistake in a mapping, where one is known: the name that was meant for one that there is not.
pub fn mapping_hint(err: &ParseError) -> Option<String> {
    let name_in = |start: &str| err.text().strip_prefix(start)?.strip_suffix('\'');
    let is_function = |name: &str| functions().iter().any(|it| it.name == name);
    let is_method = |name: &str| methods().iter().any(|it| it.name == name);
    let elsewhere = |name: &str| {
        let is_same = |it: &&(&str, &str)| it.0 == name || it.0.replace('_', "") == name;
        Some(FROM_ELSEWHERE.iter().find(is_same)?.1.to_string())
    };
    let near = if let Some(name) = name_in("unrecognised method '") {
        if is_function(name) {
            return Some(format!("`{name}` is a function, with nothing before it: `{name}(…)`"));
        }
        if let Some(hint) = elsewhere(name) {
            return Some(hint);
        }
        nearest(name, methods().iter().map(|it| it.name))
    } else {
        let name = name_in("unrecognised function '")?;
        // Where functions are left out on purpose, their name is no mistake.
        if is_function(name) {
            return None;
        }
        if is_method(name) {
            return Some(format!("`{name}` is a method, behind a value: `this.{name}(…)`"));
        }
        if let Some(hint) = elsewhere(name) {
            return Some(hint);
        }
        nearest(name, functions().iter().map(|it| it.name))
    };
    near.map(|it| format!("did you mean `{it}`?"))
}

/// A lint at a place inside the text of a scalar, with the column that Bento computes for it.
fn lint_inside(node: &Node, chars_before: usize, message: impl Into<String>) -> Lint {
    let Kind::Scalar { text, style } = &node.kind else {
        return Lint::error(Rule::BadMapping, node.pos, message).on(node);
    };
    let (_, column) = line_and_column(text.chars().take(chars_before));
    // Bento adds a column counted from 1 to that of the value, whichever way it was quoted.
    let bento_column = node.pos.column.saturating_add(column).saturating_add(1);
    // The end of a text is the end of its last line, not the line after it, which is something else's.
    let written = text.trim_end_matches('\n');
    let (line, column) = line_and_column(written.chars().take(chars_before));
    let is_blank = written.split('\n').nth(line as usize).is_none_or(str::is_empty);
    let Pos { line: line_of_value, column: column_of_value } = node.pos;
    let at = |line: u32, column: u32| Pos::new(line_of_value.saturating_add(line), column);
    // Of a text that goes on in the next line only the first one is known: an escape and the end of a line look the same.
    let end = column_of_value.saturating_add(node.len);
    let pos = match style {
        Style::Plain | Style::Quoted if 0 < line => node.pos,
        Style::Plain => at(line, column_of_value.saturating_add(column).min(end)),
        Style::Quoted => at(line, column_of_value.saturating_add(column).saturating_add(1).min(end)),
        // Nothing is indented in a blank line.
        Style::Literal { .. } if is_blank => at(line.saturating_add(1), 1),
        Style::Literal { column: first } => at(line.saturating_add(1), first.saturating_add(column)),
        // Folding has lost where the lines of the text were; Bento counts from the indicator.
        Style::Folded { .. } if 0 < line => at(line, 1),
        Style::Folded { .. } => at(line, column_of_value),
    };
    Lint { bento_column, ..Lint::error(Rule::BadMapping, pos, message) }
}

/// How many lines and, in the last of them, characters there are before the end of a text.
fn line_and_column(text: impl Iterator<Item = char>) -> (u32, u32) {
    let (mut line, mut column) = (0u32, 0u32);
    for it in text {
        if it == '\n' {
            (line, column) = (line.saturating_add(1), 0);
        } else {
            column = column.saturating_add(1);
        }
    }
    (line, column)
}
