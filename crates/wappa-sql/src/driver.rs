//! The databases that are there.

use wappa_spec::{Node, Reader, Rule};

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    Postgres,
    MySql,
    Sqlite,
}

impl Driver {
    /// The driver of this name.
    pub(crate) fn find(name: &str) -> Result<Driver, String> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "postgres" => Driver::Postgres,
            "mysql" => Driver::MySql,
            "sqlite" => Driver::Sqlite,
            _ => {
                return Err(format!(
                    "Wappa has no driver `{name}`: there are `mysql`, `postgres` and `sqlite`"
                ));
            }
        })
    }

    /// The driver that a config names, which is reported if there is none.
    pub(crate) fn lint(name: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Driver> {
        match Driver::find(name) {
            Ok(driver) => Some(driver),
            Err(text) => {
                reader.error(Rule::NotInWappa, node.get("driver").unwrap_or(node), text);
                None
            }
        }
    }

    /// Whether placeholders are numbered: `$1`. Otherwise each is a `?`.
    pub(crate) fn has_numbers(self) -> bool {
        self == Driver::Postgres
    }
}
