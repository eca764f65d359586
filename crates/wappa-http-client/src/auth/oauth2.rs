//! OAuth 2 with the credentials of a client (RFC 6749, section 4.4): a token is fetched, and again before it expires.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{
    HeaderValue, Method, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use tokio::sync::Mutex;
use url::{Url, form_urlencoded};
use wappa_message::Value;
use wappa_spec::{Config, Map, Node, Reader, Rule, Secret};

use super::{basic, oauth::escape, secret};
use crate::{
    address::{self, Told},
    body,
    connections::Connections,
    request::Outgoing,
    room::Room,
};

/// Fetches a token with the credentials of a client, and sends it with each request.
#[derive(Config, Clone, Debug)]
#[config(lint = lint)]
pub(crate) struct Oauth2Config {
    /// Whether there is a token in each request.
    #[config(default = "false", advanced)]
    enabled: bool,

    /// Who asks for tokens.
    #[config(default = "\"\"", advanced)]
    client_key: String,

    /// What only that one knows.
    #[config(default = "\"\"", advanced)]
    client_secret: Secret<String>,

    /// The address at which tokens are to be had.
    #[config(default = "\"\"", advanced)]
    token_url: String,

    /// What the token is to allow.
    #[config(default = "[]", advanced)]
    scopes: Vec<String>,

    /// Further parameters of the request for a token, each with its values.
    #[config(default = "{}", advanced, example = "foo: [meow, quack]\nbar: [woof]")]
    endpoint_params: Map<Vec<String>>,
}

fn lint(config: &Oauth2Config, node: &Node, reader: &mut Reader<'_>) {
    if !config.enabled {
        return;
    }
    if let Err(text) = address::parse(&config.token_url, address::HTTP) {
        reader.error(Rule::InvalidValue, node.get("token_url").unwrap_or(node), text);
    }
}

/// A token is fetched again so long before it expires.
const EXPIRES_EARLY: Duration = Duration::from_secs(10);

/// So much of an answer with a token is read.
const TOKEN_BYTES_MAX: usize = 1 << 20;

/// Fetches tokens, and has the one that counts.
pub(crate) struct Oauth2 {
    config: Oauth2Config,
    url: Url,
    token: Mutex<Option<Token>>,
    /// The server has refused credentials in a header and taken them in the body.
    are_in_body: AtomicBool,
}

struct Token {
    header: HeaderValue,
    expires: Option<Instant>,
}

impl Oauth2 {
    /// `None`: there are no tokens.
    pub(crate) fn new(config: &Oauth2Config) -> Result<Option<Oauth2>, String> {
        if !config.enabled {
            return Ok(None);
        }
        let url =
            address::parse(&config.token_url, address::HTTP).map_err(|err| format!("token_url: {err}"))?;
        Ok(Some(Oauth2 {
            config: config.clone(),
            url,
            token: Mutex::new(None),
            are_in_body: AtomicBool::new(false),
        }))
    }

    /// The header with the token; whoever comes first fetches it, and the others wait for that.
    pub(crate) async fn header(&self, connections: &Connections) -> Result<HeaderValue, String> {
        let mut place = self.token.lock().await;
        let is_fresh = |it: &&Token| it.expires.is_none_or(|it| Instant::now() + EXPIRES_EARLY < it);
        if let Some(token) = place.as_ref().filter(is_fresh) {
            return Ok(token.header.clone());
        }
        let token = self.fetch(connections).await?;
        let header = token.header.clone();
        *place = Some(token);
        Ok(header)
    }

    /// The token was refused: the next request fetches another one.
    pub(crate) async fn refused(&self, header: &HeaderValue) {
        let mut place = self.token.lock().await;
        if place.as_ref().is_some_and(|it| it.header == header) {
            *place = None;
        }
    }

    pub(crate) fn secrets(&self) -> Vec<String> {
        vec![self.config.client_secret.reveal().clone()]
    }

    async fn fetch(&self, connections: &Connections) -> Result<Token, String> {
        let failed =
            |why: &dyn fmt::Display| format!("oauth2: cannot fetch token: {}: {why}", Told(&self.url));
        let was_in_body = self.are_in_body.load(Ordering::Relaxed);
        let mut answer = self.ask(connections, was_in_body).await.map_err(|err| failed(&err))?;
        // Some servers want the credentials in the body; which ones shows.
        if !was_in_body && !answer.0.is_success() {
            let second = self.ask(connections, true).await.map_err(|err| failed(&err))?;
            if second.0.is_success() {
                self.are_in_body.store(true, Ordering::Relaxed);
                answer = second;
            }
        }
        let (status, body) = answer;
        let document = Value::from_json(&body).ok();
        let text = |name: &str| match &document {
            Some(Value::Object(object)) => {
                object.get(name).map(|it| String::from_utf8_lossy(&it.to_text()).into_owned())
            }
            _ => form_urlencoded::parse(&body).find(|(it, _)| it == name).map(|(_, it)| it.into_owned()),
        };
        if !status.is_success() {
            let why = text("error").unwrap_or_default();
            let why = [why, text("error_description").unwrap_or_default()].join(" ");
            return Err(failed(&format!("{status} {}", why.trim()).trim_end()));
        }
        let token = text("access_token").filter(|it| !it.is_empty());
        let token = token.ok_or_else(|| failed(&"server response missing access_token"))?;
        let kind = match text("token_type").unwrap_or_default() {
            it if it.is_empty() || it.eq_ignore_ascii_case("bearer") => "Bearer".to_string(),
            it => it,
        };
        let seconds = text("expires_in").and_then(|it| it.parse::<u64>().ok()).filter(|it| 0 < *it);
        Ok(Token {
            header: secret(&format!("{kind} {token}")).map_err(|err| failed(&err))?,
            expires: seconds.and_then(|it| Instant::now().checked_add(Duration::from_secs(it))),
        })
    }

    async fn ask(&self, connections: &Connections, in_body: bool) -> Result<(StatusCode, Bytes), String> {
        let response = connections.exchange(self.question(in_body)?).await.map_err(|err| err.to_string())?;
        let status = response.status();
        let mut taken = Room::endless().enter();
        let read = body::read(response.into_body(), TOKEN_BYTES_MAX, &mut taken).await;
        let body = read.map_err(|err| err.to_string())?;
        Ok((status, body))
    }

    /// The request for a token.
    fn question(&self, in_body: bool) -> Result<Outgoing, String> {
        let Oauth2Config { client_key, client_secret, scopes, endpoint_params, .. } = &self.config;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if !scopes.is_empty() {
            form.append_pair("scope", &scopes.join(" "));
        }
        for (name, values) in endpoint_params.iter() {
            values.iter().for_each(|it| _ = form.append_pair(name, it));
        }
        let mut outgoing = Outgoing::new(Method::POST, self.url.clone());
        if in_body {
            form.append_pair("client_id", client_key);
            form.append_pair("client_secret", client_secret.reveal());
        } else {
            let value = basic::of(&escape(client_key), &escape(client_secret.reveal()));
            outgoing.headers.insert(AUTHORIZATION, secret(&value)?);
        }
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        outgoing.headers.insert(CONTENT_TYPE, kind);
        outgoing.body = form.finish().into();
        Ok(outgoing)
    }
}

impl fmt::Debug for Oauth2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Oauth2")
    }
}
