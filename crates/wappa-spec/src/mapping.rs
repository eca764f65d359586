//! Mappings in configs: read and checked with the config, so that what is wrong in one has its place in the file.

use std::sync::{Arc, OnceLock};

use wappa_bloblang::{Environment, Program};

use crate::interpolation::lint_inside;
use crate::reader::Reader;
use crate::spec::{Type, Value};
use crate::yaml::Node;

/// A mapping, ready to be evaluated; none where the text is empty.
#[derive(Clone, Debug, Default)]
pub struct Mapping(Option<Arc<Program>>);

/// What the mappings of a process see of the world. Paths begin at the working directory, as in Bento.
fn environment() -> &'static Environment {
    static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
    ENVIRONMENT.get_or_init(Environment::default)
}

impl Mapping {
    /// Reads a mapping.
    pub fn parse(text: &str) -> Result<Mapping, wappa_bloblang::ParseError> {
        if text.trim().is_empty() {
            return Ok(Mapping::default());
        }
        Program::parse(text, environment()).map(|it| Mapping(Some(Arc::new(it))))
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
        let text = String::read(node, reader)?;
        match Mapping::parse(&text) {
            Ok(mapping) => Some(mapping),
            Err(err) => {
                reader.push(lint_inside(node, err.chars_before(), err.text_with_found()));
                None
            }
        }
    }
}
