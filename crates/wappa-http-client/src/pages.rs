//! Pages of an HTTP service: for commands of the program that ask one what it shows.

use std::fmt;

use bytes::Bytes;
use http::{HeaderValue, Method, header::AUTHORIZATION};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use url::Url;
use wappa_net::TlsConfig;

use crate::{
    address::{self, Told},
    auth, body,
    connections::Connections,
    dial::TransportConfig,
    request::Outgoing,
};

/// Asks a service for pages. What is said of it holds no credential.
pub struct Pages {
    connections: Connections,
    base: Url,
}

/// A page, whose body comes in pieces.
#[derive(Debug)]
pub struct Page {
    /// The code of the answer.
    pub code: u16,
    body: Incoming,
}

impl Pages {
    /// A service at an address, `http://` where it says nothing else; a user and a password may stand in it.
    pub fn new(url: &str) -> Result<Pages, String> {
        let url = if url.contains("://") { url.to_string() } else { format!("http://{url}") };
        let base = address::parse(&url, address::HTTP)?;
        let connections = Connections::new(&TransportConfig::of_defaults(), &TlsConfig::default(), None)?;
        Ok(Pages { connections, base })
    }

    /// Asks for a page below the address, which begins with `/`. The error says that there is no answer, and why.
    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Page, String> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        if !query.is_empty() {
            url.query_pairs_mut().clear().extend_pairs(query);
        }
        let told = Told(&self.base).to_string();
        let told = format!("{}{path}", told.trim_end_matches('/'));
        let mut outgoing = Outgoing::new(Method::GET, url);
        if let Some(user) = auth::of_url(&self.base) {
            let value = HeaderValue::from_str(&user).map_err(|err| format!("{told}: {err}"))?;
            outgoing.headers.insert(AUTHORIZATION, value);
        }
        let response = self.connections.exchange(outgoing).await.map_err(|why| format!("{told}: {why}"))?;
        Ok(Page { code: response.status().as_u16(), body: response.into_body() })
    }
}

impl Page {
    /// The next piece; none at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, String> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|err| body::why(&err))?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// All of it as a text, of so many bytes at most.
    pub async fn text(mut self, bytes_max: usize) -> Result<String, String> {
        let mut text = Vec::new();
        while let Some(data) = self.next().await? {
            if bytes_max - text.len() < data.len() {
                return Err(format!("the page has more than {bytes_max} bytes"));
            }
            text.extend_from_slice(&data);
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pages({})", Told(&self.base))
    }
}
