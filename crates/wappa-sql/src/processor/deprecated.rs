//! The processor `sql`: the old form of `sql_raw`.

use wappa_component::{BuildError, BuildProcessor, Component, Context, Processor};
use wappa_spec::{Config, Mapping, Node, Reader, Secret, Status};

use super::Asking;
use crate::{config::ConnectionConfig, query::Query};

pub(crate) const COMPONENT: Component =
    Component::processor::<SqlConfig>("sql").categories(&["Integration"]).status(Status::Deprecated);

/// Runs a statement for each message: the old form of `sql_raw`.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct SqlConfig {
    /// The database: see `sql_raw`.
    #[config(options(
        "mysql",
        "postgres",
        "clickhouse",
        "mssql",
        "sqlite",
        "oracle",
        "snowflake",
        "trino",
        "gocosmos",
        "spanner",
        "duckdb"
    ))]
    driver: String,

    /// Where the database is: see `dsn` of `sql_raw`.
    data_source_name: Secret<String>,

    /// The statement. Placeholders for arguments are `?` for `mysql` and `sqlite`, and `$1`, `$2` and so on for `postgres`.
    #[config(example = "INSERT INTO footable (foo, bar, baz) VALUES (?, ?, ?);")]
    query: String,

    /// Whether the statement may hold queries (`${! … }`), so that it is another one for each message. What messages hold is a
    /// part of the statement then: whoever sends them may do all that the user of the database may.
    #[config(default = "false", advanced)]
    unsafe_dynamic_query: bool,

    /// A mapping that gives a list with a value for each placeholder.
    #[config(
        example = "root = [ this.cat.meow, this.doc.woofs[0] ]",
        example = "root = [ metadata(\"user.id\").string() ]"
    )]
    args_mapping: Option<Mapping>,

    /// With `none` the message stays as it is; with anything else its content becomes the rows.
    #[config(default = "none")]
    result_codec: String,
}

fn lint(config: &SqlConfig, node: &Node, reader: &mut Reader<'_>) {
    ConnectionConfig::plain(&config.driver, &config.data_source_name).lint("data_source_name", node, reader);
    if config.unsafe_dynamic_query {
        Query::lint_dynamic(node, reader);
    }
}

impl BuildProcessor for SqlConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        let connection = ConnectionConfig::plain(&self.driver, &self.data_source_name);
        let query = match self.unsafe_dynamic_query {
            true => Query::dynamic(&self.query, self.args_mapping, ctx)?,
            false => Query::new(self.query.into(), self.args_mapping, ctx),
        };
        let pool = connection.pool(None, ctx)?;
        Asking::boxed(pool, query, self.result_codec == "none", ctx)
    }
}
