//! Names of SQLite databases.

use std::{fmt, time::Duration};

use sqlx::{ConnectOptions, sqlite::SqliteConnectOptions};

use super::{query_pairs, unescaped};

/// A file that is a database.
#[derive(Clone)]
pub(crate) struct SqliteTarget {
    pub(crate) options: SqliteConnectOptions,
    pub(crate) name: String,
    /// What is set once it is open, each as in `journal_mode(WAL)`.
    pub(crate) pragmas: Vec<String>,
    pub(crate) is_in_memory: bool,
    /// Whether whole numbers in columns of times are times.
    pub(crate) reads_ints_as_times: bool,
}

/// How long a statement waits for others who write, where no pragma says.
const BUSY_MAX: Duration = Duration::from_secs(5);

impl SqliteTarget {
    /// Reads a name as Go's `modernc.org/sqlite` does: a path, or a URL of SQLite.
    pub(crate) fn parse(dsn: &str) -> Result<SqliteTarget, String> {
        let (path, query) = dsn.split_once('?').unwrap_or((dsn, ""));
        // Only in a URL a path is escaped, and settings of SQLite itself are read.
        let (path, is_url) = match path.strip_prefix("file:") {
            Some(rest) => {
                let rest = rest.strip_prefix("//").map_or(rest, |it| it.trim_start_matches("localhost"));
                (unescaped(rest)?, true)
            }
            None => (path.to_string(), false),
        };
        let mut options = SqliteConnectOptions::new()
            .create_if_missing(true)
            .foreign_keys(false)
            .busy_timeout(BUSY_MAX)
            .disable_statement_logging();
        let mut is_in_memory = path == ":memory:" || path.is_empty();
        let (mut pragmas, mut reads_ints_as_times) = (Vec::new(), false);
        for (key, value) in query_pairs(query)? {
            match (key.as_str(), value.as_str()) {
                ("_pragma", _) => pragmas.push(value),
                ("vfs", _) => options = options.vfs(value),
                ("_inttotime", "1" | "t" | "T" | "true" | "TRUE" | "True") => reads_ints_as_times = true,
                ("_inttotime", _) | ("_texttotime", _) | ("_txlock", _) => (),
                ("_time_format" | "_time_integer_format" | "_timezone", _) => {
                    return Err(format!("Wappa cannot do what `{key}` asks for"));
                }
                ("mode", "ro") if is_url => options = options.read_only(true).create_if_missing(false),
                ("mode", "rw") if is_url => options = options.create_if_missing(false),
                ("mode", "rwc") if is_url => (),
                ("mode", "memory") if is_url => is_in_memory = true,
                ("mode", _) if is_url => {
                    return Err("`mode` is none of `ro`, `rw`, `rwc`, `memory`".to_string());
                }
                ("cache", value) if is_url => options = options.shared_cache(value == "shared"),
                ("immutable", value) if is_url => {
                    options = options.immutable(matches!(value, "1" | "true" | "yes" | "on"));
                }
                // SQLite leaves out what it does not know.
                _ => (),
            }
        }
        // Who waits for others is said first, so that the rest of them wait as well.
        pragmas.sort_by_key(|it| {
            (!it.trim_start().to_ascii_lowercase().starts_with("busy_timeout"), it.clone())
        });
        let options = match is_in_memory {
            true => options.in_memory(true),
            false => options.filename(&path),
        };
        let name = if is_in_memory { "in memory".to_string() } else { path };
        Ok(SqliteTarget { options, name, pragmas, is_in_memory, reads_ints_as_times })
    }
}

impl fmt::Debug for SqliteTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqliteTarget({})", self.name)
    }
}
