//! Documents of a service: for components of other crates that ask one by HTTP, with the fields that requests have here.

use std::fmt;

use bytes::Bytes;
use http::{HeaderValue, Method, header::ACCEPT};
use url::Url;
use wappa_net::TlsConfig;
use wappa_spec::Size;

use crate::{
    address::{self, Told},
    auth::{BasicConfig, JwtConfig, OauthConfig, Signer},
    body::{self, NotRead},
    client::{is_telling, scrubbed},
    connections::Connections,
    dial::TransportConfig,
    request::Outgoing,
    room::Room,
};

/// So much of the body of an answer with a failure is told.
const TOLD_BYTES_MAX: usize = 1024;

/// Where a service is, how it is reached, and who asks it.
#[derive(Clone, Debug)]
pub struct Access {
    /// The address that the paths of documents begin with.
    pub url: String,
    /// How connections are made and kept.
    pub transport: TransportConfig,
    /// How they are encrypted.
    pub tls: TlsConfig,
    /// Signs requests with OAuth 1.
    pub oauth: OauthConfig,
    /// A user and a password.
    pub basic_auth: BasicConfig,
    /// Signs a token into requests.
    pub jwt: JwtConfig,
}

/// Fetches documents of one service. What it says of the service holds no credential, whoever put it there.
pub struct Documents {
    connections: Connections,
    signer: Signer,
    base: Url,
    secrets: Vec<String>,
}

/// What a service answered.
#[derive(Clone, Debug)]
pub struct Document {
    /// The code of the answer.
    pub code: u16,
    /// Its body; where the code is not 200, the beginning of it, without what the config keeps secret.
    pub body: Bytes,
}

/// Whether this can be the address of a service; the error is without credentials.
pub fn check_address(url: &str) -> Result<(), String> {
    address::parse(url, address::HTTP).map(drop)
}

impl Access {
    /// A service that is reached as where no config says anything, by whom its address names.
    pub fn at(url: &str) -> Access {
        Access {
            url: url.to_string(),
            transport: TransportConfig::of_defaults(),
            tls: TlsConfig::default(),
            oauth: OauthConfig::default(),
            basic_auth: BasicConfig::default(),
            jwt: JwtConfig::default(),
        }
    }
}

impl Documents {
    /// The error says which field is wrong, or which file.
    pub fn new(access: &Access) -> Result<Documents, String> {
        let base = address::parse(&access.url, address::HTTP)?;
        let signer = Signer::new(&access.oauth, &access.basic_auth, &access.jwt)?;
        let mut secrets = signer.secrets();
        secrets.extend(base.password().map(str::to_string));
        secrets.retain(is_telling);
        Ok(Documents {
            connections: Connections::new(&access.transport, &access.tls, None)?,
            signer,
            base,
            secrets,
        })
    }

    /// Fetches the document at this path, of which each segment is escaped. Of a body of more than so many bytes nothing is
    /// kept. Whoever calls says how long it may take.
    pub async fn get(
        &self,
        path: &[&str],
        accept: &'static str,
        bytes_max: usize,
    ) -> Result<Document, String> {
        let url = self.url(path)?;
        let told = Told(&url).to_string();
        let failed = |why: &str| format!("Get {told:?}: {}", scrubbed(&self.secrets, why));
        let mut outgoing = Outgoing::new(Method::GET, url);
        outgoing.headers.insert(ACCEPT, HeaderValue::from_static(accept));
        let signed = self.signer.sign(&outgoing.method, &outgoing.url, &mut outgoing.headers);
        signed.map_err(|why| failed(&why))?;
        let response = self.connections.exchange(outgoing).await.map_err(|why| failed(&why.to_string()))?;
        let code = response.status().as_u16();
        if code != 200 {
            let begin = body::read_begin(response.into_body(), TOLD_BYTES_MAX).await;
            let begin = scrubbed(&self.secrets, String::from_utf8_lossy(&begin).trim());
            return Ok(Document { code, body: begin.into() });
        }
        let mut taken = Room::endless().enter();
        let read = body::read(response.into_body(), bytes_max, &mut taken).await;
        let body = read.map_err(|why| match why {
            NotRead::TooLarge(_) => failed(&format!("the answer is larger than {}", Size(bytes_max as u64))),
            why => failed(&why.to_string()),
        })?;
        Ok(Document { code, body })
    }

    fn url(&self, path: &[&str]) -> Result<Url, String> {
        let mut url = self.base.clone();
        for segment in path {
            // These would lead elsewhere, in each of their spellings.
            if segment.is_empty() || [".", ".."].contains(segment) {
                return Err(format!("{segment:?} cannot be a piece of a path"));
            }
        }
        let mut segments = url.path_segments_mut().map_err(|()| "no Host in request URL".to_string())?;
        segments.pop_if_empty().extend(path);
        drop(segments);
        Ok(url)
    }
}

impl fmt::Debug for Documents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Documents({})", Told(&self.base))
    }
}
