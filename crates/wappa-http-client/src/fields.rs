//! The fields that all components which make requests have, in Bento's words and order.

use std::time::Duration;

use wappa_message::Value;
use wappa_net::TlsConfig;
use wappa_spec::{Config, Interpolated, Map, Node, Reader, Rule, Secret, Size};

use crate::{
    address,
    auth::{BasicConfig, DigestConfig, JwtConfig, Oauth2Config, OauthConfig},
    dial::{TransportConfig, check_proxy},
    filter::FilterConfig,
};

/// Of a request: to where, how, and what becomes of the answer.
#[derive(Config, Clone, Debug)]
#[config(lint = lint)]
pub(crate) struct HttpConfig {
    /// The address. What of it may be a credential, such as a password or a value of its query, is not told in any log
    /// or error.
    pub(crate) url: Interpolated,

    /// How the server is asked.
    #[config(default = "POST", example = "POST", example = "GET", example = "DELETE")]
    pub(crate) verb: String,

    /// Headers of the request.
    #[config(example = "Content-Type: application/octet-stream\nX-Tenant: ${! @tenant }")]
    pub(crate) headers: Map<Interpolated>,

    /// Which metadata become headers of the request: those of a batch's first message.
    #[config(advanced)]
    pub(crate) metadata: FilterConfig,

    /// The level at which each request is logged with its answer, in the field `access_log` of the line; empty for not
    /// at all. Headers that may hold credentials are hidden; bodies are not.
    #[config(default = "\"\"", options("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", ""), advanced)]
    pub(crate) dump_request_log_level: String,

    /// Signs each request with OAuth 1.
    #[config(advanced)]
    pub(crate) oauth: OauthConfig,

    /// Fetches a token with the credentials of a client (OAuth 2), and sends it with each request.
    #[config(advanced)]
    pub(crate) oauth2: Oauth2Config,

    /// A user and a password, sent with each request.
    #[config(advanced)]
    pub(crate) basic_auth: BasicConfig,

    /// Signs a token into each request.
    #[config(advanced)]
    pub(crate) jwt: JwtConfig,

    /// How connections are encrypted, for addresses of `https`. Without it the server has to be one that the system
    /// trusts.
    pub(crate) tls: TlsConfig,

    /// Which headers of an answer become metadata. They are looked at in lower case, and of several of one name the first
    /// one counts.
    #[config(advanced)]
    pub(crate) extract_headers: FilterConfig,

    /// The label of a rate limit that each request, also one that is made again, waits for.
    #[config(label_of = "rate_limit")]
    pub(crate) rate_limit: Option<String>,

    /// How long a request may take until all of its answer is there; 0 for without end.
    #[config(default = "5s")]
    pub(crate) timeout: Duration,

    /// How long to wait before a request is made again.
    #[config(default = "1s", advanced)]
    pub(crate) retry_period: Duration,

    /// The longest wait before a request is made again, also where the server asks for a longer one.
    #[config(default = "300s", advanced)]
    pub(crate) max_retry_backoff: Duration,

    /// How often a request that failed is made again.
    #[config(default = "3", advanced)]
    pub(crate) retries: i64,

    /// Codes with which a request has failed, and is made again after waits that double.
    #[config(default = "[429]", advanced)]
    pub(crate) backoff_on: Vec<u16>,

    /// Codes with which a request has failed, and is not made again.
    #[config(default = "[]", advanced)]
    pub(crate) drop_on: Vec<u16>,

    /// Codes beside those from 200 to 299 with which a request has succeeded.
    #[config(default = "[]", advanced)]
    pub(crate) successful_on: Vec<u16>,

    /// The address of a proxy. Without it those of the environment count (`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`), for
    /// other machines than this one.
    #[config(advanced, secret)]
    pub(crate) proxy_url: Option<String>,

    /// A user and a password, of which only digests are sent.
    #[config(advanced)]
    pub(crate) digest_auth: DigestConfig,

    /// Cannot be enabled: Wappa speaks neither Kerberos nor NTLM.
    #[config(advanced)]
    pub(crate) negotiate: NegotiateConfig,

    /// How connections are made and kept.
    #[config(advanced)]
    pub(crate) transport: TransportConfig,

    /// How large the body of an answer may be, after it was decompressed.
    #[config(default = "64MiB", bento = false, advanced)]
    pub(crate) response_limit: Size,
}

/// Kerberos or NTLM.
#[derive(Config, Clone, Debug)]
#[expect(dead_code, reason = "it is read so that configs which have it, and do not enable it, run")]
pub(crate) struct NegotiateConfig {
    /// Whether it is used, which Wappa cannot.
    #[config(default = "false", advanced)]
    pub(crate) enabled: bool,

    /// What speaks it.
    #[config(default = "pure", options("sspi", "pure"), advanced)]
    api: String,

    /// Whether the user is for NTLM alone.
    #[config(default = "false", advanced)]
    user_only_for_fallback: bool,

    /// Who asks.
    #[config(advanced)]
    user: NegotiateUserConfig,

    /// Where Kerberos has its files.
    #[config(advanced)]
    kerberos: KerberosConfig,
}

/// Who asks.
#[derive(Config, Clone, Debug)]
#[expect(dead_code, reason = "it is read so that configs which have it, and do not enable it, run")]
pub(crate) struct NegotiateUserConfig {
    /// The domain.
    #[config(default = "\"\"", advanced)]
    domain: String,

    /// The name.
    #[config(default = "\"\"", advanced)]
    name: String,

    /// The password.
    #[config(default = "\"\"", advanced)]
    password: Secret<String>,
}

/// Where Kerberos has its files.
#[derive(Config, Clone, Debug)]
#[expect(dead_code, reason = "it is read so that configs which have it, and do not enable it, run")]
pub(crate) struct KerberosConfig {
    /// Its config.
    #[config(default = "\"\"", advanced)]
    config_file_path: String,

    /// Its cache.
    #[config(default = "\"\"", advanced)]
    ccname: String,
}

/// What is wrong with them, and what has no effect.
fn lint(config: &HttpConfig, node: &Node, reader: &mut Reader<'_>) {
    if let Some(url) = config.url.as_literal().filter(|it| !it.is_empty())
        && let Err(text) = address::parse(url, address::HTTP)
    {
        reader.error(Rule::InvalidValue, node.get("url").unwrap_or(node), text);
    }
    if let Err(text) = crate::request::method(&config.verb) {
        reader.error(Rule::InvalidValue, node.get("verb").unwrap_or(node), text);
    }
    let headers = node.get("headers").unwrap_or(node);
    for (name, value) in config.headers.iter() {
        if let Err(text) = crate::request::header_name(name) {
            reader.error(Rule::InvalidValue, headers, text);
        } else if let Some(value) = value.as_literal()
            && let Err(text) = crate::request::header_value(name, value.as_bytes())
        {
            reader.error(Rule::InvalidValue, headers.get(name).unwrap_or(headers), text);
        }
    }
    lint_proxy(config.proxy_url.as_deref(), node, reader);
    if config.negotiate.enabled {
        let at = node.get("negotiate").unwrap_or(node);
        reader.error(
            Rule::NotInWappa,
            at,
            "Wappa speaks neither Kerberos nor NTLM: `negotiate` cannot be enabled",
        );
    }
}

/// What is wrong with the address of a proxy.
pub(crate) fn lint_proxy(proxy_url: Option<&str>, node: &Node, reader: &mut Reader<'_>) {
    if let Some(Err(text)) = proxy_url.filter(|it| !it.is_empty()).map(check_proxy) {
        reader.error(Rule::InvalidValue, node.get("proxy_url").unwrap_or(node), text);
    }
}

/// Whatever a field holds, as a value.
pub(crate) fn value_of(node: &Node) -> Value {
    if let Some(pairs) = node.as_map() {
        return Value::object(pairs.iter().map(|(key, value)| (key.as_key(), value_of(value))))
            .unwrap_or_default();
    }
    if let Some(items) = node.as_seq() {
        return Value::array(items.iter().map(value_of)).unwrap_or_default();
    }
    match node.tag() {
        "!!null" => Value::Null,
        "!!bool" => node.as_bool().map(Value::Bool).unwrap_or_default(),
        "!!int" => match node.as_int() {
            Some(it) => i64::try_from(it).map(Value::Int).unwrap_or(Value::Float(it as f64)),
            None => Value::Null,
        },
        "!!float" => node.as_float().map(Value::Float).unwrap_or_default(),
        _ => Value::text(node.as_str().unwrap_or_default()),
    }
}
