//! What configs of all components for databases have in common.

use std::{path::PathBuf, time::Duration};

use wappa_component::{BuildError, Context, read_file};
use wappa_spec::{Config, Mapping, Node, Reader, Rule, Secret};

use crate::{
    args::Args,
    driver::Driver,
    dsn::Target,
    pool::{Init, Limits, Pool},
    query::Query,
    statement::{Around, Insert},
};

/// The most that a file of statements may be.
const INIT_FILE_BYTES_MAX: u64 = 64 << 20;

/// What a restricted config is told of SQLite.
const SQLITE_REACHES: &str = "a database of SQLite, whose statements open any file,";

/// What it is told of a server, where its name does not say all that it takes to connect.
const SERVER_REACHES: &str = "a connection for which files or the environment are read";

/// The fields that say where a database is.
#[derive(Config, Debug, Clone)]
pub(crate) struct DatabaseConfig {
    /// The database: `mysql` for MySQL, MariaDB and others that speak their language, `postgres` for PostgreSQL and
    /// others that speak its own, or `sqlite`, which is built in.
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
    pub(crate) driver: String,

    /// Where the database is, in the form that Go's drivers read. It is printed nowhere.
    ///
    /// - `mysql`: `user:password@tcp(host:3306)/database?param=value`. Of a password nothing is escaped. `tls` is `true`,
    ///   `skip-verify`, `preferred` or `false`; `parseTime=true` makes times of what is texts otherwise; `timeout` and
    ///   `readTimeout` bound connecting and answers. What is none of the driver's is a variable of the session.
    /// - `postgres`: `postgres://user:password@host:5432/database?param=value`, or `host=… user=… password=…`. The
    ///   connection is encrypted unless `sslmode=disable`; `sslmode=verify-full` verifies who is at the other end, against
    ///   the authorities of the system and those in `sslrootcert`. `connect_timeout` is in seconds. What is none of the
    ///   driver's is a setting of the session, as `statement_timeout=5000`. What is left out, the environment says
    ///   (`PGHOST`, `PGUSER`, `PGPASSWORD`, …).
    /// - `sqlite`: `file:path/to/file.db?_pragma=journal_mode(WAL)`, a path, or `:memory:`.
    #[config(
        example = "foouser:foopassword@tcp(localhost:3306)/foodb",
        example = "postgres://foouser:foopass@localhost:5432/foodb?sslmode=disable",
        example = "file:./foo.db?_pragma=journal_mode(WAL)"
    )]
    pub(crate) dsn: Secret<String>,
}

/// The fields that say how a database is connected to.
#[derive(Config, Debug, Clone)]
pub(crate) struct ConnectingConfig {
    /// Files with statements that are run on the first connection, in front of `init_statement`; patterns find several.
    /// What fails is logged as a warning, and nothing else comes of it.
    #[config(default = "[]", advanced, example = "[ ./init/*.sql ]", example = "[ ./foo.sql, ./bar.sql ]")]
    init_files: Vec<String>,

    /// Statements that are run on the first connection, such as one that makes a table which is not there. What fails is
    /// logged as a warning, and nothing else comes of it.
    #[config(
        advanced,
        example = "|\n  CREATE TABLE IF NOT EXISTS some_table (\n    foo varchar(50) not null,\n    bar integer,\n    baz varchar(50),\n    primary key (foo)\n  ) WITHOUT ROWID;"
    )]
    init_statement: Option<String>,

    /// Whether a processor or a cache connects when the stream is built, and the stream ends if that fails. Inputs and
    /// outputs connect before anything else in any case.
    #[config(default = "false", advanced)]
    init_verify_conn: bool,

    /// How long a connection may be idle before it is closed.
    #[config(advanced)]
    conn_max_idle_time: Option<Duration>,

    /// How long a connection is used before another one takes its place.
    #[config(advanced)]
    conn_max_life_time: Option<Duration>,

    /// How many connections may be idle. More than these are closed a second after they were used.
    #[config(default = "2", advanced)]
    conn_max_idle: i64,

    /// How many connections there may be; 0 for any number. A database in a file of SQLite has one writer at a time, so
    /// an output has one connection to it unless this says otherwise.
    #[config(advanced)]
    conn_max_open: Option<i64>,

    /// A secret of AWS that has the user and password. Wappa asks AWS for nothing, so it must not be set.
    #[config(advanced)]
    secret_name: Option<String>,

    /// Whether the password is a token of AWS. Wappa asks AWS for nothing, so it must be `false`.
    #[config(default = "false", advanced)]
    iam_enabled: bool,

    /// What Azure is asked for.
    #[config(advanced)]
    azure: AzureConfig,

    /// Has no effect without `secret_name` or `iam_enabled`.
    #[config(default = "\"\"", advanced)]
    region: String,

    /// Has no effect without `secret_name` or `iam_enabled`.
    #[config(default = "\"\"", advanced)]
    endpoint: String,

    /// Has no effect without `secret_name` or `iam_enabled`.
    #[config(advanced)]
    credentials: CredentialsConfig,
}

/// The fields that say where a database is, as the old components call them.
#[derive(Config, Debug)]
pub(crate) struct OldDatabaseConfig {
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
    pub(crate) driver: String,

    /// Where the database is: see `dsn` of `sql_raw`.
    data_source_name: Secret<String>,
}

impl OldDatabaseConfig {
    /// The connection that it says.
    pub(crate) fn connection(&self) -> ConnectionConfig {
        ConnectionConfig::plain(&self.driver, &self.data_source_name)
    }
}

/// The fields that say which rows are written.
#[derive(Config, Debug)]
pub(crate) struct RowsConfig {
    /// The table.
    #[config(example = "foo")]
    table: String,

    /// The columns that get a value.
    #[config(example = "[ foo, bar, baz ]")]
    columns: Vec<String>,

    /// A mapping that gives a list with a value for each column.
    #[config(
        example = "root = [ this.cat.meow, this.doc.woofs[0] ]",
        example = "root = [ metadata(\"user.id\").string() ]"
    )]
    args_mapping: Mapping,

    /// What stands in front of `INSERT`.
    #[config(advanced)]
    prefix: Option<String>,

    /// What stands behind the rows.
    #[config(advanced, example = "ON CONFLICT (name) DO NOTHING")]
    pub(crate) suffix: Option<String>,
}

impl RowsConfig {
    /// The statement that writes them, and what gives its values.
    pub(crate) fn open(self, driver: Driver, ctx: &mut Context<'_>) -> (Insert, Args) {
        let around = Around { prefix: self.prefix, suffix: self.suffix };
        (Insert::new(driver, &self.table, &self.columns, &around), Args::new(self.args_mapping, ctx))
    }
}

/// The fields that say what a statement is for each message.
#[derive(Config, Debug)]
pub(crate) struct ArgumentsConfig {
    /// Whether the statement may hold queries (`${! … }`), so that it is another one for each message. What messages hold
    /// is a part of the statement then: whoever sends them may do all that the user of the database may.
    #[config(default = "false", advanced)]
    unsafe_dynamic_query: bool,

    /// A mapping that gives a list with a value for each placeholder.
    #[config(
        example = "root = [ this.cat.meow, this.doc.woofs[0] ]",
        example = "root = [ metadata(\"user.id\").string() ]"
    )]
    args_mapping: Option<Mapping>,
}

impl ArgumentsConfig {
    /// Reports what is wrong with a statement that has queries.
    pub(crate) fn lint_query(&self, node: &Node, reader: &mut Reader<'_>) {
        if self.unsafe_dynamic_query {
            Query::lint_dynamic(node, reader);
        }
    }

    /// The statement with its arguments.
    pub(crate) fn query(self, query: String, ctx: &mut Context<'_>) -> Result<Query, BuildError> {
        match self.unsafe_dynamic_query {
            true => Query::dynamic(&query, self.args_mapping, ctx),
            false => Ok(Query::new(query.into(), self.args_mapping, ctx)),
        }
    }
}

/// What is asked of Azure.
#[derive(Config, Debug, Clone)]
pub(crate) struct AzureConfig {
    /// Whether the password is a token of Azure. Wappa asks Azure for nothing, so it must be `false`.
    #[config(default = "false", advanced)]
    entra_enabled: bool,

    /// Has no effect without `entra_enabled`.
    #[config(advanced)]
    token_request_options: TokenConfig,
}

impl AzureConfig {
    pub(crate) fn is_enabled(&self) -> bool {
        let TokenConfig { claims, enable_cae, scopes, tenant_id } = &self.token_request_options;
        let _ = (claims, enable_cae, scopes, tenant_id);
        self.entra_enabled
    }
}

/// What a token of Azure is to be.
#[derive(Config, Debug, Clone)]
struct TokenConfig {
    /// Has no effect without `entra_enabled`.
    #[config(default = "\"\"", advanced)]
    claims: String,

    /// Has no effect without `entra_enabled`.
    #[config(default = "false", advanced)]
    enable_cae: bool,

    /// Has no effect without `entra_enabled`.
    #[config(default = "[ https://ossrdbms-aad.database.windows.net/.default ]", advanced)]
    scopes: Vec<String>,

    /// Has no effect without `entra_enabled`.
    #[config(default = "\"\"", advanced)]
    tenant_id: String,
}

/// Who asks AWS.
#[derive(Config, Debug, Clone)]
#[expect(dead_code, reason = "it has no effect, and is read so that configs of Bento are sound")]
pub(crate) struct CredentialsConfig {
    /// Has no effect.
    #[config(default = "\"\"", advanced)]
    profile: String,

    /// Has no effect.
    #[config(default = "\"\"", advanced)]
    id: String,

    /// Has no effect.
    #[config(default = "\"\"", advanced)]
    secret: Secret<String>,

    /// Has no effect.
    #[config(default = "\"\"", advanced)]
    token: Secret<String>,

    /// Has no effect.
    #[config(default = "false", advanced)]
    from_ec2_role: bool,

    /// Has no effect.
    #[config(default = "\"\"", advanced)]
    role: String,

    /// Has no effect.
    #[config(default = "\"\"", advanced)]
    role_external_id: String,

    /// Has no effect.
    #[config(default = "\"\"", advanced)]
    expiry_window: Option<Duration>,
}

/// Where a database is, and how it is connected to.
pub(crate) struct ConnectionConfig {
    pub(crate) driver: String,
    pub(crate) dsn: Secret<String>,
    pub(crate) init_files: Vec<String>,
    pub(crate) init_statement: Option<String>,
    pub(crate) init_verify_conn: bool,
    pub(crate) conn_max_idle_time: Option<Duration>,
    pub(crate) conn_max_life_time: Option<Duration>,
    pub(crate) conn_max_idle: i64,
    pub(crate) conn_max_open: Option<i64>,
    pub(crate) secret_name: bool,
    pub(crate) iam_enabled: bool,
    pub(crate) entra_enabled: bool,
}

impl ConnectionConfig {
    /// What these fields say.
    pub(crate) fn new(database: &DatabaseConfig, connecting: &ConnectingConfig) -> ConnectionConfig {
        let DatabaseConfig { driver, dsn } = database.clone();
        let connecting = connecting.clone();
        // Without any effect, as in Bento, where nobody asks AWS.
        let _ = (&connecting.region, &connecting.endpoint, &connecting.credentials);
        ConnectionConfig {
            driver,
            dsn,
            init_files: connecting.init_files,
            init_statement: connecting.init_statement,
            init_verify_conn: connecting.init_verify_conn,
            conn_max_idle_time: connecting.conn_max_idle_time,
            conn_max_life_time: connecting.conn_max_life_time,
            conn_max_idle: connecting.conn_max_idle,
            conn_max_open: connecting.conn_max_open,
            secret_name: connecting.secret_name.is_some(),
            iam_enabled: connecting.iam_enabled,
            entra_enabled: connecting.azure.is_enabled(),
        }
    }

    /// What Bento gives a component that says where its database is and nothing else.
    pub(crate) fn plain(driver: &str, dsn: &Secret<String>) -> ConnectionConfig {
        ConnectionConfig {
            driver: driver.to_string(),
            dsn: dsn.clone(),
            init_files: Vec::new(),
            init_statement: None,
            init_verify_conn: false,
            conn_max_idle_time: None,
            conn_max_life_time: None,
            conn_max_idle: 2,
            conn_max_open: None,
            secret_name: false,
            iam_enabled: false,
            entra_enabled: false,
        }
    }

    /// Reports what is wrong with it; `name` is the field with where the database is.
    pub(crate) fn lint(&self, name: &str, node: &Node, reader: &mut Reader<'_>) {
        let of = |name: &str| node.get(name).unwrap_or(node);
        let asked = [
            (self.secret_name, "secret_name", "AWS"),
            (self.iam_enabled, "iam_enabled", "AWS"),
            (self.entra_enabled, "azure", "Azure"),
        ];
        for (_, field, whom) in asked.into_iter().filter(|(is_set, ..)| *is_set) {
            let text = format!(
                "`{field}` has no effect in Wappa, which asks {whom} for no password: put it into `{name}`"
            );
            reader.error(Rule::NotInWappa, of(field), text);
        }
        if !self.init_files.is_empty() {
            reader.refuse_if_restricted("field init_files", of("init_files"));
        }
        let Some(driver) = Driver::lint(&self.driver, node, reader) else { return };
        // Whatever its name is: a statement opens any file.
        if driver == Driver::Sqlite {
            reader.refuse_if_restricted(SQLITE_REACHES, of(name));
        }
        let dsn = self.dsn.reveal();
        // What comes of an environment variable that is not set now is looked at when it is.
        if dsn.is_empty() {
            return;
        }
        match Target::parse(driver, dsn) {
            Err(why) => reader.error(
                Rule::InvalidValue,
                of(name),
                format!("this is no `{name}` of {}: {why}", self.driver),
            ),
            Ok(target) if target.reaches_machine() && driver != Driver::Sqlite => {
                reader.refuse_if_restricted(SERVER_REACHES, of(name));
            }
            Ok(_) => (),
        }
    }

    /// The pool of its connections; `n_open` is how many there may be where the config does not say.
    pub(crate) fn pool(self, n_open: Option<usize>, ctx: &Context<'_>) -> Result<Pool, BuildError> {
        let driver = Driver::find(&self.driver).map_err(BuildError::new)?;
        let target = Target::parse(driver, self.dsn.reveal()).map_err(|why| {
            BuildError::new(format!("this is no name of a {} database: {why}", self.driver))
        })?;
        // A name that is empty, or comes of a variable that was not set then, was not looked at by a lint.
        if ctx.registry().is_restricted() && target.reaches_machine() {
            let what = if driver == Driver::Sqlite { SQLITE_REACHES } else { SERVER_REACHES };
            return Err(BuildError::new(format!("{what} is not allowed in a restricted config")));
        }
        let mut scripts = Vec::new();
        for path in files(&self.init_files)? {
            let read = read_file(&path, INIT_FILE_BYTES_MAX)
                .map_err(|err| BuildError::new(format!("{} {}: {}", err.step, path.display(), err.cause)))?;
            let script = String::from_utf8(read)
                .map_err(|_| BuildError::new(format!("{} is no UTF-8", path.display())))?;
            scripts.push((format!("init_file '{}'", path.display()), script));
        }
        scripts.extend(
            self.init_statement.filter(|it| !it.is_empty()).map(|it| ("init_statement".to_string(), it)),
        );
        let positive = |it: i64| usize::try_from(it).ok().filter(|it| 0 < *it);
        let open = match self.conn_max_open {
            Some(it) => positive(it),
            // Each connection to a database in memory has one of its own.
            None if target.is_in_memory() => Some(1),
            None => n_open,
        };
        let idle = positive(self.conn_max_idle).unwrap_or(0);
        let limits = Limits {
            open,
            idle: open.map_or(idle, |it| it.min(idle)),
            idle_time: self.conn_max_idle_time.filter(|it| !it.is_zero()),
            life_time: self.conn_max_life_time.filter(|it| !it.is_zero()),
        };
        let init = Init { scripts, verifies: self.init_verify_conn };
        Ok(Pool::new(target, limits, init, ctx.logger()))
    }
}

/// The files that these paths and patterns name.
fn files(patterns: &[String]) -> Result<Vec<PathBuf>, BuildError> {
    let mut found = Vec::new();
    for pattern in patterns {
        if !pattern.contains(['*', '?', '[']) {
            found.push(PathBuf::from(pattern));
            continue;
        }
        let told = |why: &dyn std::fmt::Display| {
            BuildError::new(format!("failed to expand init_files glob patterns: {pattern}: {why}"))
        };
        for path in glob::glob(pattern).map_err(|err| told(&err))? {
            found.push(path.map_err(|err| told(&err))?);
        }
    }
    Ok(found)
}
