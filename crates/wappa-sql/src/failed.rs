//! Why a statement did not do what it should.

use sqlx::error::DatabaseError;
use wappa_net::{said, why_of};

use crate::driver::Driver;

/// What begins the text of a failure of a connection that was there.
pub(crate) const LOST: &str = "the connection is lost: ";

/// Why a statement failed.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    pub(crate) kind: Kind,
    /// One line, for people; the database's own words where it has any.
    pub(crate) text: String,
    /// Whether there is such a row already.
    pub(crate) is_duplicate: bool,
}

/// What a failure is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The connection, or what is behind it: nobody knows what became of the statement.
    Lost,
    /// A row, or a few of them: others may go through.
    Row,
    /// A value that no repetition makes any better.
    Hopeless,
    /// The statement, whatever its rows.
    Statement,
    /// A prepared statement that is no longer what it was.
    Stale,
    /// Other statements were in the way, and this one was taken back: once more may do.
    Contended,
}

impl Failed {
    pub(crate) fn new(kind: Kind, text: impl Into<String>) -> Failed {
        Failed { kind, text: text.into(), is_duplicate: false }
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.kind == Kind::Lost
    }

    /// What became of a statement.
    pub(crate) fn of(driver: Driver, err: sqlx::Error) -> Failed {
        match err {
            sqlx::Error::Database(err) => {
                let is_duplicate = err.is_unique_violation();
                Failed { is_duplicate, ..Failed::of_database(driver, &*err) }
            }
            sqlx::Error::Io(err) => {
                // What TLS has to say comes this way too, in its own words.
                let cause = match err.raw_os_error() {
                    Some(_) => wappa_component::cause(&err),
                    None => why_of(&err).unwrap_or_else(|| err.to_string()),
                };
                Failed::new(Kind::Lost, format!("{LOST}{cause}"))
            }
            sqlx::Error::Tls(err) => {
                let text = why_of(&*err).unwrap_or_else(|| err.to_string());
                let way_out = match driver {
                    _ if !text.contains("does not support TLS") => "",
                    Driver::MySql => "; `tls=false` in the `dsn` does without",
                    _ => "; `sslmode=disable` in the `dsn` does without",
                };
                Failed::new(Kind::Lost, format!("tls: {text}{way_out}"))
            }
            sqlx::Error::WorkerCrashed => Failed::new(Kind::Lost, "the connection is lost"),
            // The server said something that is not understood, and what follows would not be either.
            sqlx::Error::Protocol(text) => match text.contains("parameter") || text.contains("argument") {
                true => Failed::new(Kind::Statement, text),
                false => Failed::new(Kind::Lost, text),
            },
            sqlx::Error::Configuration(err) => Failed::new(Kind::Lost, err.to_string()),
            err => Failed::new(Kind::Statement, err.to_string()),
        }
    }

    fn of_database(driver: Driver, err: &(dyn DatabaseError + 'static)) -> Failed {
        let code = err.code().unwrap_or_default();
        match driver {
            Driver::Postgres => {
                let detail =
                    err.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().and_then(|it| it.detail());
                let detail = detail.map_or(String::new(), |it| format!(": {it}"));
                let text = said(&format!("pq: {}{detail}", err.message()), []);
                Failed::new(of_sqlstate(&code, err.message()), text)
            }
            Driver::MySql => {
                let number =
                    err.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>().map_or(0, |it| it.number());
                let kind = match number {
                    // Shut down, killed, idle for too long.
                    1053 | 1927 | 4031 => Kind::Lost,
                    // Who it is, and what may be done; tables and columns that are not there; the text itself.
                    1044 | 1045 | 1046 | 1049 | 1054 | 1064 | 1142 | 1143 | 1146 => Kind::Statement,
                    // A lock that was waited for in vain, for a minute or so: half of the rows would wait as long.
                    1205 => Kind::Statement,
                    // A deadlock; a row that somebody else has changed meanwhile.
                    1213 | 1020 => Kind::Contended,
                    _ => Kind::Row,
                };
                Failed::new(kind, said(&format!("Error {number} ({code}): {}", err.message()), []))
            }
            Driver::Sqlite => {
                let number = code.parse::<u32>().unwrap_or_default();
                let kind = match number & 0xff {
                    // A constraint, a type that does not fit, a value that is too large.
                    18..=20 => Kind::Row,
                    _ => Kind::Statement,
                };
                Failed::new(kind, format!("{} ({code})", err.message()))
            }
        }
    }
}

/// What an error of PostgreSQL is about, by its code.
/// Source: PostgreSQL's documentation, appendix A.
fn of_sqlstate(code: &str, message: &str) -> Kind {
    match code {
        // Shut down, crashed, not yet there; too many connections.
        "57P01" | "57P02" | "57P03" | "53300" => Kind::Lost,
        "26000" => Kind::Stale,
        // A transaction that cannot be put in line with others, and a deadlock.
        "40001" | "40P01" => Kind::Contended,
        "0A000" if message.contains("cached plan") => Kind::Stale,
        _ => match code.get(..2).unwrap_or_default() {
            "08" | "28" => Kind::Lost,
            // More rows than may be, values, constraints, what triggers raise, conditions of views.
            "21" | "22" | "23" | "44" | "P0" => Kind::Row,
            _ => Kind::Statement,
        },
    }
}
