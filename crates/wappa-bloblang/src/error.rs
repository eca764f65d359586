//! Why a mapping failed on a message. Texts are Bento's, since people match them.

use std::{borrow::Cow, fmt};

use wappa_message::{TooDeep, Value};

use crate::value::{Evaluated, types::Type};

/// Why a query failed. Cheap to make and to drop, since `catch` and `|` expect failures; its text is made when it is
/// asked for.
#[derive(Clone, Debug)]
pub(crate) struct Error(Box<Kind>);

pub(crate) type Result<T> = std::result::Result<T, Error>;

#[derive(Clone, Debug)]
enum Kind {
    Text(Cow<'static, str>),
    /// A value of another type was needed.
    Type {
        expected: &'static [Type],
        actual: Type,
        from: Option<String>,
        shown: Option<String>,
    },
    /// Two values that do not go together.
    Mismatch(String),
    /// What is wrong with the result of this query.
    From {
        annotation: String,
        cause: Error,
    },
    /// What was being done.
    Within {
        context: String,
        cause: Error,
    },
    /// There is no document.
    NoContext {
        field: String,
    },
    /// In this line of a map.
    Assignment {
        line: usize,
        cause: Error,
    },
    /// Maps that call each other without end.
    Stacks {
        name: String,
    },
}

/// The longest text that an error shows of a value, in bytes: a failure is no longer.
const SHOWN_BYTES_MAX: usize = 4096;

/// As much of a text as an error shows.
pub(crate) fn shown(text: &[u8]) -> Cow<'_, str> {
    match text.get(..SHOWN_BYTES_MAX) {
        None => String::from_utf8_lossy(text),
        Some(begin) => Cow::Owned(format!("{}…", String::from_utf8_lossy(begin))),
    }
}

/// How many maps may call each other, one within another.
pub(crate) const MAP_DEPTH_MAX: usize = 5000;

impl Error {
    #[cold]
    pub(crate) fn new(text: impl Into<Cow<'static, str>>) -> Error {
        Error(Box::new(Kind::Text(text.into())))
    }

    /// A value of one of these types was needed.
    #[cold]
    pub(crate) fn of_type(value: &Value, expected: &'static [Type]) -> Error {
        let shown = match value {
            Value::Text(text) => Some(format!("\"{}\"", shown(text))),
            Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Float(_) | Value::Number(_) => {
                Some(shown(&value.to_text()).into_owned())
            }
            _ => None,
        };
        Error(Box::new(Kind::Type { expected, actual: Type::of(value), from: None, shown }))
    }

    /// The same of a result that may be no value.
    #[cold]
    pub(crate) fn of_evaluated(evaluated: &Evaluated, expected: &'static [Type]) -> Error {
        match evaluated {
            Evaluated::Value(value) => Error::of_type(value, expected),
            other => {
                let actual = Type::of_evaluated(other);
                Error(Box::new(Kind::Type { expected, actual, from: None, shown: None }))
            }
        }
    }

    /// Whether a value is of a wrong type, and nothing else.
    pub(crate) fn is_of_type(&self) -> bool {
        matches!(&*self.0, Kind::Type { .. })
    }

    /// The same error, where the value stood for one of the two words.
    #[cold]
    pub(crate) fn of_word(mut self, word: Type) -> Error {
        if let Kind::Type { actual: actual @ Type::Null, .. } = &mut *self.0 {
            *actual = word;
        }
        self
    }

    #[cold]
    pub(crate) fn mismatch(text: String) -> Error {
        Error(Box::new(Kind::Mismatch(text)))
    }

    #[cold]
    pub(crate) fn no_context(field: String) -> Error {
        Error(Box::new(Kind::NoContext { field }))
    }

    #[cold]
    pub(crate) fn stacks(name: &str) -> Error {
        Error(Box::new(Kind::Stacks { name: name.to_string() }))
    }

    /// What was being done when this happened.
    #[cold]
    pub(crate) fn within(self, context: impl Into<String>) -> Error {
        Error(Box::new(Kind::Within { context: context.into(), cause: self }))
    }

    /// Says which query gave the value in question, unless the error says so already.
    #[cold]
    pub(crate) fn of_query(mut self, annotation: impl FnOnce() -> String) -> Error {
        if let Kind::Type { from, .. } = &mut *self.0 {
            from.get_or_insert_with(annotation);
            return self;
        }
        let is_told = matches!(&*self.0, Kind::Mismatch(_))
            || self.find(&|kind| matches!(kind, Kind::From { .. })).is_some();
        match is_told {
            true => self,
            false => Error(Box::new(Kind::From { annotation: annotation(), cause: self })),
        }
    }

    /// In a statement of a map: the innermost line counts.
    #[cold]
    pub(crate) fn in_map(self, line: usize) -> Error {
        if let Some(assignment @ Kind::Assignment { .. }) =
            self.find(&|kind| matches!(kind, Kind::Assignment { .. }))
        {
            return Error(Box::new(assignment.clone()));
        }
        let cause = match self.find(&|kind| matches!(kind, Kind::Stacks { .. })) {
            Some(stacks) => Error(Box::new(stacks.clone())),
            None => self,
        };
        Error(Box::new(Kind::Assignment { line, cause }))
    }

    /// In a statement of a mapping, whose document could not be read for this reason.
    #[cold]
    pub(crate) fn in_mapping(self, line: usize, no_document: Option<&str>) -> Error {
        let no_context = self.find(&|kind| matches!(kind, Kind::NoContext { .. }));
        let cause = match (no_document, no_context) {
            (Some(why), Some(Kind::NoContext { field })) => {
                let query = if field.is_empty() { "this".to_string() } else { format!("this.{field}") };
                Error::new(format!("unable to reference message as structured (with '{query}'): {why}"))
            }
            _ => self,
        };
        Error(Box::new(Kind::Assignment { line, cause }))
    }

    fn find(&self, is_wanted: &dyn Fn(&Kind) -> bool) -> Option<&Kind> {
        let mut error = self;
        loop {
            if is_wanted(&error.0) {
                return Some(&error.0);
            }
            error = match &*error.0 {
                Kind::From { cause, .. } | Kind::Within { cause, .. } | Kind::Assignment { cause, .. } => {
                    cause
                }
                _ => return None,
            };
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Kind::Text(text) => f.write_str(text),
            Kind::Mismatch(text) => f.write_str(text),
            Kind::Type { expected, actual, from, shown } => {
                match expected {
                    [] => f.write_str("unexpected value")?,
                    [some @ .., last] => {
                        f.write_str("expected ")?;
                        for (idx, it) in some.iter().enumerate() {
                            let behind = if idx + 1 < some.len() { ", " } else { " or " };
                            write!(f, "{it}{behind}")?;
                        }
                        write!(f, "{last} value")?;
                    }
                }
                write!(f, ", got {actual}")?;
                if let Some(from) = from {
                    write!(f, " from {from}")?;
                }
                match shown {
                    Some(shown) if !shown.is_empty() => write!(f, " ({shown})"),
                    _ => Ok(()),
                }
            }
            Kind::From { annotation, cause } => write!(f, "{annotation}: {cause}"),
            Kind::Within { context, cause } => write!(f, "{context}: {cause}"),
            Kind::NoContext { field } if field.is_empty() => f.write_str("context was undefined"),
            Kind::NoContext { field } => {
                write!(f, "context was undefined, unable to reference `{field}`")
            }
            Kind::Assignment { line, cause } => write!(f, "failed assignment (line {line}): {cause}"),
            Kind::Stacks { name } => write!(
                f,
                "entering {name} exceeded maximum allowed stacks of {MAP_DEPTH_MAX}, this could be due to unbounded \
                 recursion"
            ),
        }
    }
}

impl From<TooDeep> for Error {
    fn from(too_deep: TooDeep) -> Error {
        Error::new(too_deep.to_string())
    }
}
