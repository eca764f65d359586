//! The processor `sql_raw`.

use wappa_component::{BuildError, BuildProcessor, Component, Context, Processor};
use wappa_spec::{Config, Node, Reader};

use super::Asking;
use crate::config::{ArgumentsConfig, ConnectingConfig, ConnectionConfig, DatabaseConfig};

pub(crate) const COMPONENT: Component =
    Component::processor::<SqlRawConfig>("sql_raw").categories(&["Integration"]);

/// Runs a statement for each message, whose content becomes the rows: a list of objects with a field for each column.
///
/// # Examples
///
/// ### Each line with the number of its letters, as SQLite counts them
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - sql_raw:
///         driver: sqlite
///         dsn: ':memory:'
///         query: SELECT ? AS line, length(?) AS letters
///         args_mapping: 'root = [ content().string(), content().string() ]'
///     - mapping: root = this.index(0)
/// output:
///   stdout: {}
/// ```
///
/// # Failures
///
/// A message whose statement fails stays as it is and is marked, with the database's words. Where the database is not there
/// each message fails, until it is.
///
/// # Limits
///
/// The messages that are worked on together grow by 512MiB at most, and a row is at most 64MiB with PostgreSQL and 15MiB with
/// MySQL. A statement takes as long as it takes, until the stream is given up; `statement_timeout` of PostgreSQL and
/// `readTimeout` of MySQL, in the name of the database, bound it.
///
/// # Performance
///
/// Each message is a way to the database and back, one after the other for each thread of the pipeline.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct SqlRawConfig {
    #[config(flatten)]
    database: DatabaseConfig,

    /// The statement. Placeholders for arguments are `?` for `mysql` and `sqlite`, and `$1`, `$2` and so on for
    /// `postgres`.
    #[config(
        example = "INSERT INTO footable (foo, bar, baz) VALUES (?, ?, ?);",
        example = "SELECT * FROM footable WHERE user_id = $1;"
    )]
    query: String,

    #[config(flatten)]
    arguments: ArgumentsConfig,

    /// Whether the message stays as it is, whatever the statement gives.
    #[config(default = "false")]
    exec_only: bool,

    #[config(flatten)]
    connecting: ConnectingConfig,
}

fn lint(config: &SqlRawConfig, node: &Node, reader: &mut Reader<'_>) {
    ConnectionConfig::new(&config.database, &config.connecting).lint("dsn", node, reader);
    config.arguments.lint_query(node, reader);
}

impl BuildProcessor for SqlRawConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        let connection = ConnectionConfig::new(&self.database, &self.connecting);
        let query = self.arguments.query(self.query, ctx)?;
        let pool = connection.pool(None, ctx)?;
        Asking::boxed(pool, query, self.exec_only, ctx)
    }
}
