//! Names of MySQL databases.

use std::{fmt, time::Duration};

use sqlx::{
    ConnectOptions,
    mysql::{MySqlConnectOptions, MySqlSslMode},
};

use super::{CONNECT_MAX, duration, unescaped};

/// A MySQL server, or one that speaks its language, and a database on it.
#[derive(Clone)]
pub(crate) struct MySqlTarget {
    pub(crate) options: MySqlConnectOptions,
    pub(crate) address: String,
    pub(crate) connect_max: Duration,
    /// How long an answer may take; `None`: any time.
    pub(crate) answer_max: Option<Duration>,
    /// Variables of the session, which are set once it has begun: values are expressions.
    pub(crate) variables: Vec<(String, String)>,
    /// Whether columns with a time are times, and no texts.
    pub(crate) parses_time: bool,
    /// Whether numbers come as texts also where a query has arguments.
    pub(crate) as_text: bool,
    pub(crate) reaches_machine: bool,
}

const NO_SLASH: &str = "it has no `/` in front of the database's name: `user:password@tcp(host:port)/name`";

impl MySqlTarget {
    /// Reads a name as Go's `go-sql-driver/mysql` does: what is in front of its query is not escaped.
    pub(super) fn parse(dsn: &str) -> Result<MySqlTarget, String> {
        let (left, right) = dsn.rsplit_once('/').ok_or(NO_SLASH)?;
        let (name, params) = right.split_once('?').unwrap_or((right, ""));
        let (credentials, place) = left.rsplit_once('@').unwrap_or(("", left));
        let (user, password) = match credentials.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (credentials, None),
        };
        let (network, address) = match place.split_once('(') {
            Some((network, rest)) => {
                let address = rest.strip_suffix(')').ok_or("the address in it does not end with `)`")?;
                (network, address)
            }
            None => (place, ""),
        };
        let options = MySqlConnectOptions::new()
            .username(user)
            // What a session does is the server's to say, as with Go's driver.
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .timezone(None)
            .statement_cache_capacity(128)
            .disable_statement_logging();
        let options = match password.filter(|it| !it.is_empty()) {
            Some(password) => options.password(password),
            None => options,
        };
        let options = if name.is_empty() { options } else { options.database(name) };
        let (options, address, is_local) = match network {
            "" | "tcp" | "tcp4" | "tcp6" => {
                let (host, port) = host_and_port(address)?;
                (options.host(host).port(port), format!("{host}:{port}"), false)
            }
            "unix" => {
                let path = if address.is_empty() { "/tmp/mysql.sock" } else { address };
                (options.socket(path), path.to_string(), true)
            }
            _ => {
                return Err(
                    "its network is neither `tcp` nor `unix`: one is `user:password@tcp(host:3306)/database`"
                        .to_string(),
                );
            }
        };
        let target = MySqlTarget {
            options: options.ssl_mode(MySqlSslMode::Disabled),
            address,
            connect_max: CONNECT_MAX,
            answer_max: None,
            variables: Vec::new(),
            parses_time: false,
            as_text: false,
            reaches_machine: is_local,
        };
        let params = params.split('&').filter_map(|it| it.split_once('='));
        params.into_iter().try_fold(target, |target, (key, value)| target.with(key, value))
    }

    /// The same with a parameter of the name.
    fn with(mut self, key: &str, value: &str) -> Result<MySqlTarget, String> {
        let is_true = || match value {
            "1" | "true" | "TRUE" | "True" => Ok(true),
            "0" | "false" | "FALSE" | "False" => Ok(false),
            _ => Err(format!("`{key}` is neither `true` nor `false`")),
        };
        let unknown = || format!("Wappa cannot do what `{key}` asks for");
        match key {
            "tls" => {
                let mode = match value.to_ascii_lowercase().as_str() {
                    "true" | "1" => MySqlSslMode::VerifyIdentity,
                    "false" | "0" => MySqlSslMode::Disabled,
                    "skip-verify" => MySqlSslMode::Required,
                    "preferred" => MySqlSslMode::Preferred,
                    _ => {
                        return Err(
                            "`tls` is none of `true`, `false`, `skip-verify`, `preferred`".to_string()
                        );
                    }
                };
                self.options = self.options.ssl_mode(mode);
            }
            "allowFallbackToPlaintext" => {
                if is_true()? {
                    self.options = self.options.ssl_mode(MySqlSslMode::Preferred);
                }
            }
            "allowCleartextPasswords" => {
                self.options = self.options.enable_cleartext_plugin(is_true()?);
            }
            "charset" => {
                let charset = value.split(',').next().unwrap_or_default();
                self.options = self.options.charset(charset);
            }
            "collation" => self.options = self.options.collation(&unescaped(value)?),
            "parseTime" => self.parses_time = is_true()?,
            "interpolateParams" => self.as_text = is_true()?,
            "loc" if matches!(value, "UTC" | "") => (),
            "loc" => return Err(unknown()),
            "timeout" => {
                let timeout = duration(key, value)?;
                self.connect_max = if timeout.is_zero() { CONNECT_MAX } else { timeout };
            }
            "readTimeout" | "writeTimeout" => {
                let timeout = Some(duration(key, value)?).filter(|it| !it.is_zero());
                self.answer_max = self.answer_max.into_iter().chain(timeout).max();
            }
            "allowOldPasswords" | "columnsWithAlias" | "allowAllFiles" | "rejectReadOnly" => {
                if is_true()? {
                    return Err(unknown());
                }
            }
            // They are so already, or say how the driver works inside.
            "allowNativePasswords" | "checkConnLiveness" | "clientFoundRows" | "multiStatements" => {
                is_true()?;
            }
            "maxAllowedPacket" => (),
            "serverPubKey" | "compress" | "strict" => return Err(unknown()),
            _ => self.variables.push((key.to_string(), unescaped(&value.replace('+', " "))?)),
        }
        Ok(self)
    }
}

/// `localhost:3306`, `[::1]:3306`, or a host alone.
fn host_and_port(address: &str) -> Result<(&str, u16), String> {
    const PORT: u16 = 3306;
    if address.is_empty() {
        return Ok(("127.0.0.1", PORT));
    }
    let (host, port) = match address.strip_prefix('[').and_then(|it| it.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => match address.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        },
    };
    let port = match port {
        Some(port) => port.parse().map_err(|_| "the port in it is no port".to_string())?,
        None => PORT,
    };
    Ok((if host.is_empty() { "127.0.0.1" } else { host }, port))
}

impl fmt::Debug for MySqlTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MySqlTarget({})", self.address)
    }
}
