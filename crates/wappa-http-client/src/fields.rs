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
#[derive(Clone, Debug)]
pub(crate) struct HttpConfig {
    pub(crate) url: Interpolated,
    pub(crate) verb: String,
    pub(crate) headers: Map<Interpolated>,
    pub(crate) metadata: FilterConfig,
    pub(crate) dump_request_log_level: String,
    pub(crate) oauth: OauthConfig,
    pub(crate) oauth2: Oauth2Config,
    pub(crate) basic_auth: BasicConfig,
    pub(crate) jwt: JwtConfig,
    pub(crate) tls: TlsConfig,
    pub(crate) extract_headers: FilterConfig,
    pub(crate) rate_limit: Option<String>,
    pub(crate) timeout: Duration,
    pub(crate) retry_period: Duration,
    pub(crate) max_retry_backoff: Duration,
    pub(crate) retries: i64,
    pub(crate) backoff_on: Vec<u16>,
    pub(crate) drop_on: Vec<u16>,
    pub(crate) successful_on: Vec<u16>,
    pub(crate) proxy_url: Option<String>,
    pub(crate) digest_auth: DigestConfig,
    pub(crate) negotiate: NegotiateConfig,
    pub(crate) transport: TransportConfig,
    pub(crate) response_limit: Size,
}

/// Declares the config of a component that makes requests: the fields that all of them have, then its own.
macro_rules! requesting {
    (
        $(#[$attribute:meta])*
        struct $name:ident with verb $verb:literal {
            $($own:tt)*
        }
    ) => {
        $(#[$attribute])*
        #[derive(wappa_spec::Config, Debug)]
        #[config(lint = lint)]
        struct $name {
            /// The address. What of it may be a credential, such as a password or a value of its query, is not told in any log
            /// or error.
            url: wappa_spec::Interpolated,

            /// How the server is asked.
            #[config(default = $verb, example = "POST", example = "GET", example = "DELETE")]
            verb: String,

            /// Headers of the request.
            #[config(example = "Content-Type: application/octet-stream\nX-Tenant: ${! @tenant }")]
            headers: wappa_spec::Map<wappa_spec::Interpolated>,

            /// Which metadata become headers of the request: those of a batch's first message.
            #[config(advanced)]
            metadata: $crate::filter::FilterConfig,

            /// The level at which each request is logged with its answer, in the field `access_log` of the line; empty for not
            /// at all. Headers that may hold credentials are hidden; bodies are not.
            #[config(
                default = "\"\"",
                options("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", ""),
                advanced
            )]
            dump_request_log_level: String,

            /// Signs each request with OAuth 1.
            #[config(advanced)]
            oauth: $crate::auth::OauthConfig,

            /// Fetches a token with the credentials of a client (OAuth 2), and sends it with each request.
            #[config(advanced)]
            oauth2: $crate::auth::Oauth2Config,

            /// A user and a password, sent with each request.
            #[config(advanced)]
            basic_auth: $crate::auth::BasicConfig,

            /// Signs a token into each request.
            #[config(advanced)]
            jwt: $crate::auth::JwtConfig,

            /// How connections are encrypted, for addresses of `https`. Without it the server has to be one that the system
            /// trusts.
            tls: wappa_net::TlsConfig,

            /// Which headers of an answer become metadata. They are looked at in lower case, and of several of one name the first
            /// one counts.
            #[config(advanced)]
            extract_headers: $crate::filter::FilterConfig,

            /// The label of a rate limit that each request, also one that is made again, waits for.
            #[config(label_of = "rate_limit")]
            rate_limit: Option<String>,

            /// How long a request may take until all of its answer is there; 0 for without end.
            #[config(default = "5s")]
            timeout: std::time::Duration,

            /// How long to wait before a request is made again.
            #[config(default = "1s", advanced)]
            retry_period: std::time::Duration,

            /// The longest wait before a request is made again, also where the server asks for a longer one.
            #[config(default = "300s", advanced)]
            max_retry_backoff: std::time::Duration,

            /// How often a request that failed is made again.
            #[config(default = "3", advanced)]
            retries: i64,

            /// Codes with which a request has failed, and is made again after waits that double.
            #[config(default = "[429]", advanced)]
            backoff_on: Vec<u16>,

            /// Codes with which a request has failed, and is not made again.
            #[config(default = "[]", advanced)]
            drop_on: Vec<u16>,

            /// Codes beside those from 200 to 299 with which a request has succeeded.
            #[config(default = "[]", advanced)]
            successful_on: Vec<u16>,

            /// The address of a proxy. Without it those of the environment count (`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`), for
            /// other machines than this one.
            #[config(advanced, secret)]
            proxy_url: Option<String>,

            /// A user and a password, of which only digests are sent.
            #[config(advanced)]
            digest_auth: $crate::auth::DigestConfig,

            /// Cannot be enabled: Wappa speaks neither Kerberos nor NTLM.
            #[config(advanced)]
            negotiate: $crate::fields::NegotiateConfig,

            /// How connections are made and kept.
            #[config(advanced)]
            transport: $crate::dial::TransportConfig,

            /// How large the body of an answer may be, after it was decompressed.
            #[config(default = "64MiB", bento = false, advanced)]
            response_limit: wappa_spec::Size,

            $($own)*
        }

        impl $name {
            /// The fields that all components which make requests have.
            fn http(&self) -> $crate::fields::HttpConfig {
                $crate::fields::HttpConfig {
                    url: self.url.clone(),
                    verb: self.verb.clone(),
                    headers: self.headers.clone(),
                    metadata: self.metadata.clone(),
                    dump_request_log_level: self.dump_request_log_level.clone(),
                    oauth: self.oauth.clone(),
                    oauth2: self.oauth2.clone(),
                    basic_auth: self.basic_auth.clone(),
                    jwt: self.jwt.clone(),
                    tls: self.tls.clone(),
                    extract_headers: self.extract_headers.clone(),
                    rate_limit: self.rate_limit.clone(),
                    timeout: self.timeout,
                    retry_period: self.retry_period,
                    max_retry_backoff: self.max_retry_backoff,
                    retries: self.retries,
                    backoff_on: self.backoff_on.clone(),
                    drop_on: self.drop_on.clone(),
                    successful_on: self.successful_on.clone(),
                    proxy_url: self.proxy_url.clone().filter(|it| !it.is_empty()),
                    digest_auth: self.digest_auth.clone(),
                    negotiate: self.negotiate.clone(),
                    transport: self.transport.clone(),
                    response_limit: self.response_limit,
                }
            }
        }
    };
}

pub(crate) use requesting;

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

/// What is wrong with the fields that all have, and what has no effect.
pub(crate) fn lint_http(config: &HttpConfig, node: &Node, reader: &mut Reader<'_>) {
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
