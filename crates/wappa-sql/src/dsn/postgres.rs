//! Names of PostgreSQL databases: URLs, and settings with their values.

use std::{env, fmt, str::FromStr, time::Duration};

use sqlx::{
    ConnectOptions,
    postgres::{PgConnectOptions, PgSslMode},
};

use super::{CONNECT_MAX, escaped, query_pairs, unescaped};

/// A PostgreSQL server, and a database on it.
#[derive(Clone)]
pub(crate) struct PostgresTarget {
    pub(crate) options: PgConnectOptions,
    pub(crate) address: String,
    pub(crate) connect_max: Duration,
    /// Settings of the session, which are set once it has begun.
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) reaches_machine: bool,
}

impl PostgresTarget {
    /// Reads a name as Go's `lib/pq` does.
    pub(super) fn parse(dsn: &str) -> Result<PostgresTarget, String> {
        let pairs = match ["postgres://", "postgresql://"].iter().find_map(|it| dsn.strip_prefix(it)) {
            Some(rest) => url_pairs(rest)?,
            None => key_value_pairs(dsn)?,
        };
        PostgresTarget::of(&pairs)
    }

    fn of(pairs: &[(String, String)]) -> Result<PostgresTarget, String> {
        let get = |name: &str| {
            let found = pairs.iter().rev().find(|(key, value)| key == name && !value.is_empty());
            found.map(|(_, value)| value.as_str())
        };
        let host = get("host").map(str::to_string).or_else(|| env::var("PGHOST").ok());
        let host = host.unwrap_or_else(|| "localhost".to_string());
        let port = match get("port") {
            Some(port) => Some(port.parse::<u16>().map_err(|_| "`port` is no port".to_string())?),
            None => None,
        };
        // Read with what the environment says, and a file of passwords, as the library does with a URL.
        let mut url = format!("postgres://?host={}", escaped(&host));
        let mut add = |name: &str, value: &str| url.push_str(&format!("&{name}={}", escaped(value)));
        if let Some(port) = port {
            add("port", &port.to_string());
        }
        for name in ["user", "password", "dbname", "sslcert", "sslkey", "sslrootcert", "options"] {
            if let Some(value) = get(name) {
                add(name, value);
            }
        }
        if let Some(name) = get("application_name").or(get("fallback_application_name")) {
            add("application_name", name);
        }
        let options = PgConnectOptions::from_str(&url)
            .map_err(|_| "the settings in it do not go together".to_string())?;
        let mode = get("sslmode").map(str::to_string).or_else(|| env::var("PGSSLMODE").ok());
        let mode = match mode.as_deref() {
            // As `libpq` does: who names authorities wants them to be asked.
            None | Some("require") if get("sslrootcert").is_some() => PgSslMode::VerifyCa,
            None => PgSslMode::Require,
            Some(mode) => PgSslMode::from_str(mode).map_err(|_| {
                "`sslmode` is none of `disable`, `allow`, `prefer`, `require`, `verify-ca`, `verify-full`"
                    .to_string()
            })?,
        };
        // Statements are prepared by name, so the library keeps few.
        let options = options.ssl_mode(mode).statement_cache_capacity(16).disable_statement_logging();
        let connect_max = match get("connect_timeout") {
            None => CONNECT_MAX,
            Some(text) => match text.parse::<i64>() {
                Ok(seconds) if 0 < seconds => Duration::from_secs(seconds as u64),
                // Go's driver waits without end then, which nobody wants.
                Ok(_) => CONNECT_MAX,
                Err(_) => return Err("`connect_timeout` is no number of seconds".to_string()),
            },
        };
        let mut settings = Vec::new();
        for (key, value) in pairs {
            match key.as_str() {
                "host"
                | "port"
                | "user"
                | "password"
                | "dbname"
                | "database"
                | "sslmode"
                | "sslcert"
                | "sslkey"
                | "sslrootcert"
                | "options"
                | "application_name"
                | "fallback_application_name"
                | "connect_timeout" => (),
                // They say how the driver reads what the server sends, which makes no difference here.
                "binary_parameters" | "disable_prepared_binary_result" | "sslinline" | "sslsni" => (),
                "client_encoding" if matches!(value.to_ascii_lowercase().as_str(), "utf8" | "utf-8") => (),
                "datestyle" if value.to_ascii_lowercase().starts_with("iso") => (),
                "client_encoding" | "datestyle" | "krbsrvname" | "krbspn" | "passfile" | "service" => {
                    return Err(format!("Wappa cannot do what `{key}` asks for"));
                }
                _ => settings.push((key.clone(), value.clone())),
            }
        }
        let is_file = |name: &str| get(name).is_some_and(|it| !it.contains("-----BEGIN"));
        // What is not said is looked for in the environment, and a password in a file.
        let is_whole = ["host", "user", "password", "dbname"].into_iter().all(|it| get(it).is_some());
        let names_file = ["sslcert", "sslkey", "sslrootcert"].into_iter().any(is_file);
        let reaches_machine = !is_whole || names_file || host.starts_with('/');
        let address = match host.starts_with('/') {
            true => host,
            false => format!("{host}:{}", options.get_port()),
        };
        Ok(PostgresTarget { options, address, connect_max, settings, reaches_machine })
    }
}

/// The settings of a URL behind its scheme: `user:password@host:port/name?key=value`.
fn url_pairs(rest: &str) -> Result<Vec<(String, String)>, String> {
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, name) = rest.split_once('/').unwrap_or((rest, ""));
    let (credentials, place) = match authority.rsplit_once('@') {
        Some((credentials, place)) => (Some(credentials), place),
        None => (None, authority),
    };
    let mut pairs = Vec::new();
    let mut add = |key: &str, text: &str| -> Result<(), String> {
        if !text.is_empty() {
            pairs.push((key.to_string(), unescaped(text)?));
        }
        Ok(())
    };
    if let Some(credentials) = credentials {
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        add("user", user)?;
        add("password", password)?;
    }
    match place.strip_prefix('[').and_then(|it| it.split_once(']')) {
        Some((host, port)) => {
            add("host", host)?;
            add("port", port.strip_prefix(':').unwrap_or(port))?;
        }
        None => {
            let (host, port) = place.rsplit_once(':').unwrap_or((place, ""));
            add("host", host)?;
            add("port", port)?;
        }
    }
    add("dbname", name)?;
    pairs.extend(query_pairs(query)?);
    Ok(pairs)
}

/// Settings with their values: `host=localhost password='a b'`.
fn key_value_pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|it| it.is_whitespace()).is_some() {}
        if chars.peek().is_none() {
            return Ok(pairs);
        }
        let mut key = String::new();
        while let Some(it) = chars.next_if(|it| !it.is_whitespace() && *it != '=') {
            key.push(it);
        }
        while chars.next_if(|it| it.is_whitespace()).is_some() {}
        if chars.next() != Some('=') {
            // What stands here may be a part of a password with a space in it.
            return Err(
                "it is neither a URL that begins with `postgres://` nor a list of `key=value`".to_string()
            );
        }
        while chars.next_if(|it| it.is_whitespace()).is_some() {}
        let is_quoted = chars.next_if_eq(&'\'').is_some();
        let mut value = String::new();
        loop {
            match chars.next() {
                Some('\'') if is_quoted => break,
                Some(it) if !is_quoted && it.is_whitespace() => break,
                Some('\\') => match chars.next() {
                    Some(it) => value.push(it),
                    None => return Err(format!("the value of `{key}` ends with a backslash")),
                },
                Some(it) => value.push(it),
                None if is_quoted => return Err(format!("the quote around the value of `{key}` has no end")),
                None => break,
            }
        }
        pairs.push((key, value));
    }
}

impl fmt::Debug for PostgresTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresTarget({})", self.address)
    }
}
