//! What a config says of servers for HTTP: the program's own, and what components with a server have in common with it.

use std::time::Duration;

use wappa_spec_macros::Config;

use crate::{lint::Rule, reader::Reader, size::Size, yaml::Node};

/// The HTTP service of the program, which says how it is, shows metrics, and serves the endpoints of components that have
/// no address of their own.
#[derive(Config, Clone, Debug)]
#[config(lint = lint_http)]
pub struct HttpConfig {
    /// Whether there is one. Endpoints of components that have no address of their own cannot be reached without it.
    #[config(default = "true")]
    pub enabled: bool,

    /// Where it listens: a host and a port, where no host means all addresses of the machine and port 0 any that is free.
    #[config(default = "0.0.0.0:4195")]
    pub address: String,

    /// A prefix under which all paths are served as well.
    #[config(default = "/bento")]
    pub root_path: String,

    /// Whether there are endpoints that show the config and what components are doing. They are for programs on this machine
    /// only, unless there is a password.
    #[config(default = "false")]
    pub debug_endpoints: bool,

    /// A file with a certificate, and behind it those up to the authority: with it and `key_file` connections are encrypted,
    /// and HTTP 2 is spoken too.
    #[config(default = "\"\"", advanced)]
    pub cert_file: String,

    /// A file with the key.
    #[config(default = "\"\"", advanced)]
    pub key_file: String,

    /// What web pages of other origins may do.
    #[config(advanced)]
    pub cors: CorsConfig,

    /// A password that everybody has to know.
    #[config(advanced)]
    pub basic_auth: BasicAuthConfig,

    /// How many connections there may be at once. Those of all servers together are no more than three quarters of what the
    /// process may open (`ulimit -n`).
    /// Whoever comes after that takes the place of who has asked for nothing for longest, for a second at least, or waits.
    #[config(default = "16384", bento = false, advanced)]
    pub max_connections: usize,

    /// How long a client may take to begin a request and send all of its headers, also the next one of a connection that is
    /// kept, before it is hung up on.
    #[config(default = "75s", bento = false, advanced)]
    pub idle_timeout: Duration,

    /// How large the body of a request may be.
    #[config(default = "64MiB", bento = false, advanced)]
    pub max_body_bytes: Size,

    /// How much memory the bodies of all requests may take up that are still being received, or wait for the pipeline, and
    /// the pages of metrics that are not sent yet. Each connection may have its share of one half whatever the others do.
    #[config(default = "256MiB", bento = false, advanced)]
    pub max_bytes: Size,
}

/// Cross-Origin Resource Sharing: what browsers let web pages of other origins do.
#[derive(Config, Clone, Debug)]
#[config(lint = lint_cors)]
pub struct CorsConfig {
    /// Whether they may do anything.
    #[config(default = "false", advanced)]
    pub enabled: bool,

    /// The origins that may; `*` for all.
    #[config(default = "[]", advanced, example = "- https://example.com")]
    pub allowed_origins: Vec<String>,

    /// Headers that they may send beside `Accept`, `Accept-Language`, `Content-Language` and `Origin`.
    #[config(default = "[]", advanced)]
    pub allowed_headers: Vec<String>,

    /// The methods that they may use.
    #[config(default = "[GET, HEAD, POST, PUT, PATCH, DELETE]", advanced)]
    pub allowed_methods: Vec<String>,
}

/// A user and a password that requests have to name.
#[derive(Config, Clone, Debug)]
#[config(lint = lint_basic_auth)]
pub struct BasicAuthConfig {
    /// Whether they have to.
    #[config(default = "false", advanced)]
    pub enabled: bool,

    /// What is to be named, in the words of whoever asks for the password.
    #[config(default = "restricted", advanced)]
    pub realm: String,

    /// The user.
    #[config(default = "\"\"", advanced)]
    pub username: String,

    /// What `algorithm` makes of the password, in base64.
    #[config(default = "\"\"", advanced, secret)]
    pub password_hash: String,

    /// How `password_hash` was made. The first two are for passwords that nobody can guess.
    #[config(default = "sha256", advanced, options("md5", "sha256", "bcrypt", "scrypt"))]
    pub algorithm: String,

    /// The salt of `scrypt`, in base64.
    #[config(default = "\"\"", advanced)]
    pub salt: String,
}

impl HttpConfig {
    /// Where the service listens unless the config says so.
    pub const ADDRESS: &'static str = "0.0.0.0:4195";
}

fn at<'n>(node: &'n Node, key: &str) -> &'n Node {
    node.get(key).unwrap_or(node)
}

fn lint_http(config: &HttpConfig, node: &Node, reader: &mut Reader<'_>) {
    lint_key_pair(&config.cert_file, &config.key_file, node, reader);
    if config.max_connections == 0 {
        reader.error(
            Rule::InvalidValue,
            at(node, "max_connections"),
            "expected int value of 1 or more, got `0`",
        );
    }
    if !config.root_path.is_empty() && !config.root_path.starts_with('/') {
        reader.warn(
            Rule::InvalidValue,
            at(node, "root_path"),
            "a path that does not begin with `/` is no prefix of any: nothing is served under it",
        );
    }
}

/// What is wrong with the fields `cert_file` and `key_file` of a server.
pub fn lint_key_pair(cert_file: &str, key_file: &str, node: &Node, reader: &mut Reader<'_>) {
    if cert_file.is_empty() != key_file.is_empty() {
        let given = if cert_file.is_empty() { "key_file" } else { "cert_file" };
        reader.error(
            Rule::Custom,
            at(node, given),
            "both cert_file and key_file must be specified, or neither",
        );
    }
    for (name, file) in [("cert_file", cert_file), ("key_file", key_file)] {
        if !file.is_empty() {
            reader.refuse_if_restricted(&format!("field {name}"), at(node, name));
        }
    }
}

fn lint_cors(config: &CorsConfig, node: &Node, reader: &mut Reader<'_>) {
    if config.enabled && config.allowed_origins.is_empty() {
        reader.error(
            Rule::Custom,
            at(node, "enabled"),
            "bad CORS configuration: must specify at least one allowed origin",
        );
    }
}

fn lint_basic_auth(config: &BasicAuthConfig, node: &Node, reader: &mut Reader<'_>) {
    if !config.enabled {
        return;
    }
    if config.username.is_empty() || config.password_hash.is_empty() {
        reader.error(Rule::Custom, at(node, "enabled"), "both username and password_hash are required");
    }
    if config.algorithm == "scrypt" && config.salt.is_empty() {
        reader.error(Rule::Custom, at(node, "algorithm"), "salt is required for scrypt");
    }
}
