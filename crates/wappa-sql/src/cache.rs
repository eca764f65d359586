//! The cache `sql`.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt;
use wappa_component::{BuildCache, BuildError, Cache, CacheError, Component, Context, Pulse, Step};
use wappa_message::{Text, Value};
use wappa_net::Runtime;
use wappa_spec::{Config, Node, Reader};

use crate::{
    asking::ask,
    config::{ConnectingConfig, ConnectionConfig, DatabaseConfig},
    driver::Driver,
    failed::Failed,
    pool::Pool,
    statement::{Around, Insert, select},
};

pub(crate) const COMPONENT: Component = Component::cache::<SqlConfig>("sql");

/// Keeps values in a table, one row for each key. All processes that use the table share them.
///
/// Values stay until they are deleted: a time that a value is set with has no effect. Other columns of the table must do
/// with what the database puts into them.
///
/// # Examples
///
/// ### Each line once, however often the process is started
///
/// ```yaml
/// input:
///   stdin: {}
/// pipeline:
///   processors:
///     - dedupe:
///         cache: seen
///         key: ${! content() }
/// output:
///   stdout: {}
/// cache_resources:
///   - label: seen
///     sql:
///       driver: sqlite
///       dsn: file:./seen.db
///       table: seen
///       key_column: k
///       value_column: v
///       set_suffix: ON CONFLICT (k) DO UPDATE SET v = excluded.v
///       init_statement: CREATE TABLE IF NOT EXISTS seen (k TEXT PRIMARY KEY, v TEXT)
/// ```
///
/// # Statements
///
/// Getting is a `SELECT`, deleting a `DELETE`, adding an `INSERT`, which a unique key column makes fail for a key that is
/// there. Setting is an `INSERT` too, with `set_suffix`, which has to say what becomes of a key that is there: without it
/// setting one fails.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct SqlConfig {
    #[config(flatten)]
    database: DatabaseConfig,

    /// The table.
    #[config(example = "foo")]
    table: String,

    /// The column with the keys, which are texts of any length. It should be unique.
    #[config(example = "foo")]
    key_column: String,

    /// The column with the values, which are texts or bytes of any length.
    #[config(example = "bar")]
    value_column: String,

    /// What stands behind the `INSERT` that sets a value, to have it replace one that is there.
    #[config(
        example = "ON DUPLICATE KEY UPDATE bar=VALUES(bar)",
        example = "ON CONFLICT (foo) DO UPDATE SET bar=excluded.bar",
        example = "ON CONFLICT (foo) DO NOTHING"
    )]
    set_suffix: Option<String>,

    #[config(flatten)]
    connecting: ConnectingConfig,
}

fn lint(config: &SqlConfig, node: &Node, reader: &mut Reader<'_>) {
    ConnectionConfig::new(&config.database, &config.connecting).lint("dsn", node, reader);
}

impl BuildCache for SqlConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Arc<dyn Cache>, BuildError> {
        let driver = Driver::find(&self.database.driver).map_err(BuildError::new)?;
        let n_open = if driver == Driver::Sqlite { Some(1) } else { None };
        let pool = ConnectionConfig::new(&self.database, &self.connecting).pool(n_open, ctx)?;
        crate::processor::verify(&pool, ctx)?;
        let columns = [self.key_column.clone(), self.value_column.clone()];
        let condition = format!("{} = ?", self.key_column);
        let delete = match driver.has_numbers() {
            true => format!("DELETE FROM {} WHERE {} = $1", self.table, self.key_column),
            false => format!("DELETE FROM {} WHERE {condition}", self.table),
        };
        let read = |column: &str| {
            select(driver, &self.table, &[column.to_string()], Some(&condition), &Around::default())
        };
        let around = Around { prefix: None, suffix: self.set_suffix };
        Ok(Arc::new(Table {
            get: read(&self.value_column),
            exists: read("1"),
            add: Arc::new(Insert::new(driver, &self.table, &columns, &Around::default())),
            set: Arc::new(Insert::new(driver, &self.table, &columns, &around)),
            delete: delete.into(),
            pool,
            runtime: Runtime::of(ctx),
            pulse: ctx.pulse(),
        }))
    }
}

struct Table {
    pool: Pool,
    get: Arc<str>,
    exists: Arc<str>,
    add: Arc<Insert>,
    set: Arc<Insert>,
    delete: Arc<str>,
    runtime: Runtime,
    pulse: Arc<dyn Pulse>,
}

impl Table {
    fn ask<T: Send + 'static>(
        &self,
        future: impl Future<Output = Result<T, Failed>> + Send + 'static,
    ) -> Result<T, CacheError> {
        // Only what it waits with is of interest.
        let step = Step::new(0, &*self.pulse);
        match self.runtime.finish_within(&step, future) {
            None => Err(CacheError::new("the stream was given up")),
            Some(Ok(result)) => result.map_err(|err| CacheError::new(err.text)),
            Some(Err(text)) => Err(CacheError::new(text)),
        }
    }

    /// The first column of the first row of this key.
    fn first(&self, sql: &Arc<str>, key: &[u8]) -> Result<Option<Value>, CacheError> {
        let (pool, sql, args) = (self.pool.clone(), Arc::clone(sql), [text(key)]);
        self.ask(async move {
            ask!(pool, connection => {
                let mut first = None;
                let mut rows = connection.rows(&sql, &args).await?;
                // Read to the end, so that the connection can be used again; a key has one row.
                while let Some(row) = rows.next().await {
                    if let (None, Value::Object(row)) = (&first, row?) {
                        first = row.iter().next().map(|(_, value)| value);
                    }
                }
                Ok(first)
            })
        })
    }

    fn insert(
        &self,
        insert: &Arc<Insert>,
        key: &[u8],
        value: &[u8],
    ) -> Result<Result<(), Failed>, CacheError> {
        let (pool, insert) = (self.pool.clone(), Arc::clone(insert));
        let row = [text(key), Value::text(value)];
        self.ask(async move {
            match ask!(pool, connection => connection.insert(&insert, &[&row]).await) {
                Err(err) if err.is_lost() => Err(err),
                written => Ok(written),
            }
        })
    }
}

fn text(key: &[u8]) -> Value {
    Value::Text(Text::copied(key))
}

impl Cache for Table {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, CacheError> {
        Ok(self.first(&self.get, key)?.map(|it| if it == Value::Null { Bytes::new() } else { it.to_text() }))
    }

    fn exists(&self, key: &[u8]) -> Result<bool, CacheError> {
        Ok(self.first(&self.exists, key)?.is_some())
    }

    fn set(&self, key: &[u8], value: &[u8], _: Option<Duration>) -> Result<(), CacheError> {
        self.insert(&self.set, key, value)?.map_err(|err| CacheError::new(err.text))
    }

    fn add(&self, key: &[u8], value: &[u8], _: Option<Duration>) -> Result<bool, CacheError> {
        match self.insert(&self.add, key, value)? {
            Ok(()) => Ok(true),
            Err(err) if err.is_duplicate => Ok(false),
            Err(err) => Err(CacheError::new(err.text)),
        }
    }

    fn delete(&self, key: &[u8]) -> Result<(), CacheError> {
        let (pool, sql, args) = (self.pool.clone(), Arc::clone(&self.delete), [text(key)]);
        self.ask(async move { ask!(pool, connection => connection.execute(&sql, &args).await) })
    }
}
