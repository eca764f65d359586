//! Websockets (RFC 6455), as a client.

pub(crate) mod input;
pub(crate) mod output;

use std::{fmt, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{
    HeaderMap, Method, Request, StatusCode,
    header::{CONNECTION, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE},
};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use sha1::{Digest, Sha1};
use tokio::time::timeout;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::protocol::{Role, WebSocketConfig},
};
use url::Url;
use wappa_message::Message;
use wappa_net::{Carrier, TlsConfig};
use wappa_spec::{Config, Interpolated, Map, Node, Reader, Rule, Size};

use crate::{
    address::{self, Told},
    auth::{BasicConfig, JwtConfig, OauthConfig, Signer},
    client::uri_of_websocket,
    dial::{Dialer, TransportConfig},
    fields::lint_proxy,
    request::{Headers, header_name, header_value},
};

/// How long it may take until a server has agreed; gorilla's bound, which is Bento's.
const HANDSHAKE_MAX: Duration = Duration::from_secs(45);

/// The fields that both ends of a websocket have.
pub(crate) struct Fields<'a> {
    pub(crate) url: &'a str,
    pub(crate) proxy_url: Option<&'a str>,
    pub(crate) headers: &'a Map<Interpolated>,
    pub(crate) tls: &'a TlsConfig,
    pub(crate) oauth: &'a OauthConfig,
    pub(crate) basic_auth: &'a BasicConfig,
    pub(crate) jwt: &'a JwtConfig,
    pub(crate) message_limit: Size,
}

/// A server that is connected to.
pub(crate) struct Target {
    url: Url,
    headers: Headers,
    signer: Signer,
    dialer: Dialer,
    message_limit: usize,
}

/// A websocket.
pub(crate) type Socket = WebSocketStream<Box<dyn Carrier>>;

/// What is wrong with the fields of either end.
pub(crate) fn lint_fields(fields: &Fields<'_>, node: &Node, reader: &mut Reader<'_>) {
    if let Err(text) = address::parse(fields.url, address::WEBSOCKET)
        && !fields.url.is_empty()
    {
        reader.error(Rule::InvalidValue, node.get("url").unwrap_or(node), text);
    }
    let headers = node.get("headers").unwrap_or(node);
    for (name, value) in fields.headers.iter() {
        let literal = value.as_literal().unwrap_or_default();
        let wrong =
            header_name(name).map(drop).and_then(|()| header_value(name, literal.as_bytes()).map(drop));
        if let Err(text) = wrong {
            reader.error(Rule::InvalidValue, headers.get(name).unwrap_or(headers), text);
        }
    }
    lint_proxy(fields.proxy_url, node, reader);
}

impl Target {
    /// The error says which field is wrong, or which file.
    pub(crate) fn new(fields: &Fields<'_>) -> Result<Target, String> {
        // The defaults of every other connection.
        let transport = TransportConfig::of_defaults();
        let proxy_url = fields.proxy_url.filter(|it| !it.is_empty());
        Ok(Target {
            url: address::parse(fields.url, address::WEBSOCKET)?,
            headers: Headers::new(fields.headers.iter())?,
            signer: Signer::new(fields.oauth, fields.basic_auth, fields.jwt)?,
            dialer: Dialer::new(&transport, fields.tls, proxy_url)?,
            message_limit: usize::try_from(fields.message_limit.bytes()).unwrap_or(usize::MAX),
        })
    }

    /// Connects and agrees with the server on a websocket.
    pub(crate) async fn connect(&self) -> Result<Socket, String> {
        let failed = |err: &dyn fmt::Display| format!("{}: {err}", Told(&self.url));
        let shaken = timeout(HANDSHAKE_MAX, self.shake_hands()).await;
        let stream = shaken.map_err(|_| failed(&"i/o timeout"))?.map_err(|err| failed(&err))?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(self.message_limit))
            .max_frame_size(Some(self.message_limit));
        Ok(WebSocketStream::from_raw_socket(stream, Role::Client, Some(config)).await)
    }

    async fn shake_hands(&self) -> Result<Box<dyn Carrier>, String> {
        let mut headers = HeaderMap::new();
        self.headers.add_to(&mut headers, &mut [Message::default()])?;
        self.signer.sign(&Method::GET, &self.url, &mut headers)?;
        let uri = uri_of_websocket(&self.url)?;
        let key = BASE64_STANDARD.encode(rand::random::<[u8; 16]>());
        let authority = uri.authority().map_or("", |it| it.as_str());
        let path = uri.path_and_query().map_or("/", |it| it.as_str());
        let mut request = Request::get(path).body(Empty::<Bytes>::new()).map_err(|err| err.to_string())?;
        if !headers.contains_key(HOST) {
            headers.insert(HOST, header_value("Host", authority.as_bytes())?);
        }
        for (name, value) in [
            (CONNECTION, "Upgrade"),
            (UPGRADE, "websocket"),
            (SEC_WEBSOCKET_VERSION, "13"),
            (SEC_WEBSOCKET_KEY, &key),
        ] {
            headers.insert(name, header_value("", value.as_bytes())?);
        }
        *request.headers_mut() = headers;
        let stream = self.dialer.dial_first(&uri).await.map_err(|err| err.0)?;
        let mut builder = hyper::client::conn::http1::Builder::new();
        let shaken = builder.title_case_headers(true).handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(|err| crate::body::why(&err))?;
        tokio::spawn(connection.with_upgrades());
        let response = sender.send_request(request).await.map_err(|err| crate::body::why(&err))?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(format!("websocket: bad handshake: {}", response.status()));
        }
        let accepted = response.headers().get(SEC_WEBSOCKET_ACCEPT).map(|it| it.as_bytes());
        if accepted != Some(accept_of(&key).as_bytes()) {
            return Err("websocket: bad handshake: the server has not answered to what was asked".to_string());
        }
        let upgraded = hyper::upgrade::on(response).await.map_err(|err| crate::body::why(&err))?;
        Ok(Box::new(TokioIo::new(upgraded)))
    }
}

/// What a server that has understood a key answers to it.
fn accept_of(key: &str) -> String {
    let digest = Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes());
    BASE64_STANDARD.encode(digest)
}

/// Whether connecting is given up after a while, with Bento's field.
#[derive(Config, Clone, Debug)]
pub(crate) struct ConnectionConfig {
    /// Has no effect: it is connected again for ever.
    #[config(advanced)]
    max_retries: Option<i64>,
}

impl ConnectionConfig {
    pub(crate) fn lint(&self, node: &Node, reader: &mut Reader<'_>) {
        if self.max_retries.is_some() {
            let at = node.get("connection").and_then(|it| it.get("max_retries")).unwrap_or(node);
            reader.warn(
                Rule::NotInWappa,
                at,
                "`max_retries` has no effect in Wappa: it is connected again for ever",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_example_of_the_specification() {
        assert_eq!(super::accept_of("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
