//! Who the client says it is, with the fields of both of Bento's names; and the lints on what this build lacks.

use std::{
    error::Error,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rdkafka::{ClientConfig, client::OAuthToken};
use wappa_net::TlsConfig;
use wappa_spec::{Config, Map, Node, Reader, Rule, Secret};

/// Whether connections can be encrypted, and who uses SCRAM can be known.
const HAS_TLS: bool = cfg!(feature = "tls");

/// Which build has what this one lacks.
const WHICH_HAS_TLS: &str = "the released binaries and the image have it: build with `--features kafka-tls`, which takes Perl and some minutes more";

/// A client's own name and secret, as `kafka` has it.
#[derive(Config, Debug)]
#[config(lint = lint_kafka)]
pub(crate) struct SaslConfig {
    /// How the client shows who it is: not at all with `none`, with a name and a password in plain text with `PLAIN`, which
    /// wants `tls`, with proof that it knows the password with `SCRAM-SHA-256` and `SCRAM-SHA-512`, with a token with
    /// `OAUTHBEARER`. `AWS_MSK_IAM` is Bento's alone.
    #[config(
        default = "none",
        options("none", "PLAIN", "OAUTHBEARER", "SCRAM-SHA-256", "SCRAM-SHA-512", "AWS_MSK_IAM"),
        advanced
    )]
    mechanism: String,

    /// The name, for `PLAIN` and `SCRAM`.
    #[config(default = "\"\"", advanced, example = "${USER}")]
    user: String,

    /// The password, for `PLAIN` and `SCRAM`.
    #[config(default = "\"\"", advanced, example = "${PASSWORD}")]
    password: Secret<String>,

    /// The token, for `OAUTHBEARER`.
    #[config(default = "\"\"", advanced)]
    access_token: Secret<String>,

    /// Bento's alone: a cache with the token.
    #[config(default = "\"\"", advanced)]
    token_cache: String,

    /// Bento's alone: the key of the token in the cache.
    #[config(default = "\"\"", advanced)]
    token_key: String,

    /// Bento's alone: how a token is asked for.
    #[config(advanced)]
    oauth2: Option<OAuth2Config>,

    /// Bento's alone: for `AWS_MSK_IAM`.
    #[config(advanced)]
    aws: Option<Secret<Node>>,
}

/// How a token is asked for.
#[derive(Config, Debug)]
pub(crate) struct OAuth2Config {
    /// Whether it is.
    #[config(default = "false", advanced)]
    enabled: bool,

    /// The client's name for whoever gives out tokens.
    #[config(default = "\"\"", advanced)]
    #[expect(dead_code, reason = "a lint says that it has no effect")]
    client_key: String,

    /// The client's secret.
    #[config(default = "\"\"", advanced)]
    #[expect(dead_code, reason = "a lint says that it has no effect")]
    client_secret: Secret<String>,

    /// Where tokens are given out.
    #[config(default = "\"\"", advanced)]
    #[expect(dead_code, reason = "a lint says that it has no effect")]
    token_url: String,

    /// What the token is to be good for.
    #[config(default = "[]", advanced)]
    #[expect(dead_code, reason = "a lint says that it has no effect")]
    scopes: Vec<String>,

    /// More parameters, each a list of texts.
    #[config(advanced)]
    #[expect(dead_code, reason = "a lint says that it has no effect")]
    endpoint_params: Map<Vec<String>>,

    /// More parameters of the token.
    #[config(advanced)]
    #[expect(dead_code, reason = "a lint says that it has no effect")]
    extensions: Map<Vec<String>>,
}

/// One way to show who the client is, as `kafka_franz` has it.
#[derive(Config, Debug)]
#[config(lint = lint_franz)]
pub(crate) struct MechanismConfig {
    /// How the client shows who it is: not at all with `none`, with a name and a password in plain text with `PLAIN`, which
    /// wants `tls`, with proof that it knows the password with `SCRAM-SHA-256` and `SCRAM-SHA-512`, with a token with
    /// `OAUTHBEARER`. `AWS_MSK_IAM` is Bento's alone.
    #[config(
        options("none", "PLAIN", "OAUTHBEARER", "SCRAM-SHA-256", "SCRAM-SHA-512", "AWS_MSK_IAM"),
        advanced
    )]
    mechanism: String,

    /// The name, for `PLAIN` and `SCRAM`.
    #[config(default = "\"\"", advanced)]
    username: String,

    /// The password, for `PLAIN` and `SCRAM`.
    #[config(default = "\"\"", advanced)]
    password: Secret<String>,

    /// The token, for `OAUTHBEARER`.
    #[config(default = "\"\"", advanced)]
    token: Secret<String>,

    /// Bento's alone: how a token is asked for.
    #[config(advanced)]
    oauth2: Option<OAuth2Config>,

    /// More of what is sent with a token, for `OAUTHBEARER`.
    #[config(advanced)]
    extensions: Map<String>,

    /// Bento's alone: for `AWS_MSK_IAM`.
    #[config(advanced)]
    aws: Option<Secret<Node>>,
}

/// What is to be shown to a broker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sasl {
    mechanism: String,
    user: String,
    password: Secret<String>,
    pub(crate) token: Option<Token>,
}

/// A token that is shown to brokers.
#[derive(Clone, Debug)]
pub(crate) struct Token(pub(crate) Secret<String>);

/// A token that is given by the config does not end that we knew; it is asked for again after this time.
const TOKEN_LIFE: Duration = Duration::from_secs(3600);

impl Token {
    /// What the library asks for when it connects.
    pub(crate) fn given(token: Option<&Token>) -> Result<OAuthToken, Box<dyn Error>> {
        let token = token.ok_or("there is no token")?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let lifetime_ms = i64::try_from((now + TOKEN_LIFE).as_millis())?;
        Ok(OAuthToken { token: token.0.reveal().clone(), principal_name: "wappa".to_string(), lifetime_ms })
    }
}

fn is_none(mechanism: &str) -> bool {
    mechanism.is_empty() || mechanism.eq_ignore_ascii_case("none")
}

/// What comes with the library that encrypts.
const OF_TLS: [&str; 3] = ["OAUTHBEARER", "SCRAM-SHA-256", "SCRAM-SHA-512"];

fn lint_mechanism(mechanism: &str, oauth2: Option<&OAuth2Config>, node: &Node, reader: &mut Reader<'_>) {
    let at = node.get("mechanism").unwrap_or(node);
    if mechanism.eq_ignore_ascii_case("AWS_MSK_IAM") {
        reader.error(Rule::NotInWappa, at, "Wappa does not have the mechanism `AWS_MSK_IAM`");
    } else if OF_TLS.iter().any(|it| mechanism.eq_ignore_ascii_case(it)) && !HAS_TLS {
        let text = format!("this build of Wappa does not have the mechanism `{mechanism}`; {WHICH_HAS_TLS}");
        reader.error(Rule::Custom, at, text);
    }
    if oauth2.is_some_and(|it| it.enabled) {
        let at = node.get("oauth2").unwrap_or(node);
        reader.error(Rule::NotInWappa, at, "Wappa does not ask for tokens by `oauth2` yet");
    }
}

fn lint_kafka(config: &SaslConfig, node: &Node, reader: &mut Reader<'_>) {
    lint_mechanism(&config.mechanism, config.oauth2.as_ref(), node, reader);
    if !config.token_cache.is_empty() {
        let at = node.get("token_cache").unwrap_or(node);
        reader.error(Rule::NotInWappa, at, "Wappa does not take tokens from a cache yet: set `access_token`");
    }
    let is_aws = config.mechanism.eq_ignore_ascii_case("AWS_MSK_IAM");
    for (name, is_set) in [("aws", config.aws.is_some()), ("token_key", !config.token_key.is_empty())] {
        if is_set && !is_aws && config.token_cache.is_empty() {
            let at = node.get(name).unwrap_or(node);
            reader.warn(Rule::NotInWappa, at, format!("`{name}` has no effect in Wappa"));
        }
    }
}

fn lint_franz(config: &MechanismConfig, node: &Node, reader: &mut Reader<'_>) {
    lint_mechanism(&config.mechanism, config.oauth2.as_ref(), node, reader);
    let is_aws = config.mechanism.eq_ignore_ascii_case("AWS_MSK_IAM");
    let is_lacking =
        [("aws", config.aws.is_some() && !is_aws), ("extensions", !config.extensions.0.is_empty())];
    for (name, _) in is_lacking.into_iter().filter(|it| it.1) {
        let at = node.get(name).unwrap_or(node);
        reader.warn(Rule::NotInWappa, at, format!("`{name}` has no effect in Wappa"));
    }
}

/// Several mechanisms are tried by Bento one after the other; the client library has one.
pub(crate) fn lint_several(mechanisms: &[MechanismConfig], node: &Node, reader: &mut Reader<'_>) {
    if 1 < mechanisms.iter().filter(|it| !is_none(&it.mechanism)).count() {
        let at = node.get("sasl").unwrap_or(node);
        reader.warn(Rule::NotInWappa, at, "of several mechanisms Wappa uses the first, and tries no other");
    }
}

/// Whether this build can do what is asked for.
pub(crate) fn lint_tls(tls: &TlsConfig, node: &Node, reader: &mut Reader<'_>) {
    if tls.is_enabled() && !HAS_TLS {
        let at = node.get("tls").unwrap_or(node);
        let text = format!("this build of Wappa does not encrypt connections to Kafka; {WHICH_HAS_TLS}");
        reader.error(Rule::Custom, at, text);
    }
}

impl Sasl {
    pub(crate) fn of_kafka(config: SaslConfig) -> Sasl {
        let SaslConfig { mechanism, user, password, access_token, .. } = config;
        Sasl { mechanism, user, password, token: Some(Token(access_token)) }.settled()
    }

    pub(crate) fn of_franz(mechanisms: Vec<MechanismConfig>) -> Sasl {
        let Some(first) = mechanisms.into_iter().find(|it| !is_none(&it.mechanism)) else {
            return Sasl::default();
        };
        let MechanismConfig { mechanism, username, password, token, .. } = first;
        Sasl { mechanism, user: username, password, token: Some(Token(token)) }.settled()
    }

    fn settled(self) -> Sasl {
        let is_by_token = self.mechanism.eq_ignore_ascii_case("OAUTHBEARER");
        Sasl { token: self.token.filter(|_| is_by_token), ..self }
    }

    /// Tells a client how to connect. The error says what of the config is wrong.
    pub(crate) fn apply(&self, tls: &TlsConfig, config: &mut ClientConfig) -> Result<(), String> {
        let has_sasl = !is_none(&self.mechanism);
        if (tls.is_enabled() || has_sasl && !self.mechanism.eq_ignore_ascii_case("PLAIN")) && !HAS_TLS {
            return Err(format!("this build of Wappa has no TLS for Kafka; {WHICH_HAS_TLS}"));
        }
        config.set(
            "security.protocol",
            match (tls.is_enabled(), has_sasl) {
                (false, false) => "plaintext",
                (true, false) => "ssl",
                (false, true) => "sasl_plaintext",
                (true, true) => "sasl_ssl",
            },
        );
        if has_sasl {
            config.set("sasl.mechanism", self.mechanism.to_uppercase());
            if self.token.is_none() {
                config.set("sasl.username", &self.user).set("sasl.password", self.password.reveal());
            }
        }
        if tls.is_enabled() {
            let pems = tls.pems()?;
            config.set("enable.ssl.certificate.verification", (!pems.skip_cert_verify).to_string());
            if pems.skip_cert_verify {
                config.set("ssl.endpoint.identification.algorithm", "none");
            }
            let texts = [
                ("ssl.ca.pem", &pems.roots),
                ("ssl.certificate.pem", &pems.cert),
                ("ssl.key.pem", &pems.key),
                ("ssl.key.password", &pems.password),
            ];
            for (name, text) in texts {
                if !text.reveal().is_empty() {
                    config.set(name, text.reveal());
                }
            }
        }
        Ok(())
    }
}
