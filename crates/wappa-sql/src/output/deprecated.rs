//! The output `sql`: the old name of `sql_raw`.

use wappa_component::{BuildError, BuildOutput, Component, Context, Output, batching::PolicyConfig};
use wappa_spec::{Config, Mapping, Node, Reader, Status};

use super::raw::{boxed, writers};
use crate::{config::OldDatabaseConfig, query::Query};

pub(crate) const COMPONENT: Component =
    Component::output::<SqlConfig>("sql").categories(&["Services"]).status(Status::Deprecated);

/// Runs a statement for each message: the old form of `sql_raw`.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct SqlConfig {
    #[config(flatten)]
    database: OldDatabaseConfig,

    /// The statement. Placeholders for arguments are `?` for `mysql` and `sqlite`, and `$1`, `$2` and so on for `postgres`.
    #[config(example = "INSERT INTO footable (foo, bar, baz) VALUES (?, ?, ?);")]
    query: String,

    /// A mapping that gives a list with a value for each placeholder.
    #[config(
        example = "root = [ this.cat.meow, this.doc.woofs[0] ]",
        example = "root = [ metadata(\"user.id\").string() ]"
    )]
    args_mapping: Option<Mapping>,

    /// How many batches may be on their way at once.
    #[config(default = "64")]
    max_in_flight: usize,

    /// How messages are put together to batches.
    batching: PolicyConfig,
}

fn lint(config: &SqlConfig, node: &Node, reader: &mut Reader<'_>) {
    config.database.connection().lint("data_source_name", node, reader);
}

impl BuildOutput for SqlConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError> {
        let connection = self.database.connection();
        let query = Query::new(self.query.into(), self.args_mapping, ctx);
        let pool = connection.pool(writers(&self.database.driver), ctx)?;
        boxed(pool, query, self.max_in_flight, &self.batching, ctx)
    }
}
