//! The processor `sql_select`.

use wappa_component::{BuildError, BuildProcessor, Component, Context, Processor};
use wappa_spec::{Config, Mapping, Node, Reader};

use super::Asking;
use crate::{
    config::{ConnectingConfig, ConnectionConfig, DatabaseConfig},
    driver::Driver,
    query::Query,
    statement::{Around, select},
};

pub(crate) const COMPONENT: Component =
    Component::processor::<SqlSelectConfig>("sql_select").categories(&["Integration"]);

/// Reads rows of a table for each message, whose content they become: a list of objects with a field for each column.
///
/// # Examples
///
/// ### What a table of SQLite says of each line
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - branch:
///         request_map: 'root = { "line": content().string() }'
///         processors:
///           - sql_select:
///               driver: sqlite
///               dsn: file:./words.db
///               table: words
///               columns: [ meaning ]
///               where: word = ?
///               args_mapping: root = [ this.line ]
///               init_statement: |
///                 CREATE TABLE IF NOT EXISTS words (word TEXT PRIMARY KEY, meaning TEXT);
///                 INSERT OR IGNORE INTO words VALUES ('one', 'the first'), ('two', 'the second');
///         result_map: 'root = { "line": content().string(), "meaning": this.index(0).meaning | "none" }'
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
struct SqlSelectConfig {
    #[config(flatten)]
    database: DatabaseConfig,

    /// The table.
    #[config(example = "foo")]
    table: String,

    /// The columns to read.
    #[config(example = "[ '*' ]", example = "[ foo, bar, baz ]")]
    columns: Vec<String>,

    /// Which rows to read. Placeholders are question marks, whatever the database.
    #[config(name = "where", example = "meow = ? and woof = ?", example = "user_id = ?")]
    condition: Option<String>,

    /// A mapping that gives a list with a value for each placeholder.
    #[config(
        example = "root = [ this.cat.meow, this.doc.woofs[0] ]",
        example = "root = [ metadata(\"user.id\").string() ]"
    )]
    args_mapping: Option<Mapping>,

    /// What stands in front of `SELECT`.
    #[config(advanced)]
    prefix: Option<String>,

    /// What stands behind it, such as an order.
    #[config(advanced)]
    suffix: Option<String>,

    #[config(flatten)]
    connecting: ConnectingConfig,
}

fn lint(config: &SqlSelectConfig, node: &Node, reader: &mut Reader<'_>) {
    ConnectionConfig::new(&config.database, &config.connecting).lint("dsn", node, reader);
}

impl BuildProcessor for SqlSelectConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        let connection = ConnectionConfig::new(&self.database, &self.connecting);
        let driver = Driver::find(&self.database.driver).map_err(BuildError::new)?;
        let condition = self.condition.as_deref().filter(|it| !it.is_empty());
        // Without a condition there is nothing that arguments could be for.
        let args = if condition.is_some() { self.args_mapping } else { None };
        let around = Around { prefix: self.prefix, suffix: self.suffix };
        let sql = select(driver, &self.table, &self.columns, condition, &around);
        let query = Query::new(sql, args, ctx);
        let pool = connection.pool(None, ctx)?;
        Asking::boxed(pool, query, false, ctx)
    }
}
