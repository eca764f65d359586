//! The processor `sql`: the old form of `sql_raw`.

use wappa_component::{BuildError, BuildProcessor, Component, Context, Processor};
use wappa_spec::{Config, Node, Reader, Status};

use super::Asking;
use crate::config::{ArgumentsConfig, OldDatabaseConfig};

pub(crate) const COMPONENT: Component =
    Component::processor::<SqlConfig>("sql").categories(&["Integration"]).status(Status::Deprecated);

/// Runs a statement for each message: the old form of `sql_raw`.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct SqlConfig {
    #[config(flatten)]
    database: OldDatabaseConfig,

    /// The statement. Placeholders for arguments are `?` for `mysql` and `sqlite`, and `$1`, `$2` and so on for `postgres`.
    #[config(example = "INSERT INTO footable (foo, bar, baz) VALUES (?, ?, ?);")]
    query: String,

    #[config(flatten)]
    arguments: ArgumentsConfig,

    /// With `none` the message stays as it is; with anything else its content becomes the rows.
    #[config(default = "none")]
    result_codec: String,
}

fn lint(config: &SqlConfig, node: &Node, reader: &mut Reader<'_>) {
    config.database.connection().lint("data_source_name", node, reader);
    config.arguments.lint_query(node, reader);
}

impl BuildProcessor for SqlConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError> {
        let connection = self.database.connection();
        let query = self.arguments.query(self.query, ctx)?;
        let pool = connection.pool(None, ctx)?;
        Asking::boxed(pool, query, self.result_codec == "none", ctx)
    }
}
