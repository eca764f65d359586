//! Who makes a request: what is signed into each of them.
//!
//! Nothing here prints a credential; configs hold them as secrets.

mod basic;
mod digest;
mod jwt;
mod oauth;
mod oauth2;

use http::{HeaderMap, HeaderValue, Method};
use url::Url;

pub(crate) use self::basic::of_url;
pub use self::{basic::BasicConfig, jwt::JwtConfig, oauth::OauthConfig};
pub(crate) use self::{
    digest::{Digest, DigestConfig},
    jwt::Jwt,
    oauth2::{Oauth2, Oauth2Config},
};

/// What can be signed into a request by looking at it alone; shared by requests and websockets.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    oauth: OauthConfig,
    basic: BasicConfig,
    jwt: Option<Jwt>,
}

impl Signer {
    /// The error says what is wrong with the key of the tokens.
    pub(crate) fn new(oauth: &OauthConfig, basic: &BasicConfig, jwt: &JwtConfig) -> Result<Signer, String> {
        Ok(Signer { oauth: oauth.clone(), basic: basic.clone(), jwt: Jwt::new(jwt)? })
    }

    /// Adds what the config asks for to the headers of a request; of several ways the last one stays, as in Bento.
    pub(crate) fn sign(&self, method: &Method, url: &Url, headers: &mut HeaderMap) -> Result<(), String> {
        let user = basic::of_url(url).filter(|_| !headers.contains_key(http::header::AUTHORIZATION));
        let signed = [
            user,
            self.oauth.header(method, url),
            self.jwt.as_ref().map(Jwt::header).transpose()?,
            self.basic.header(),
        ];
        for value in signed.into_iter().flatten() {
            headers.insert(http::header::AUTHORIZATION, secret(&value)?);
        }
        Ok(())
    }

    /// All texts that must not be told.
    pub(crate) fn secrets(&self) -> Vec<String> {
        [self.oauth.secrets(), self.basic.secrets()].concat()
    }
}

/// A header that is shown by nobody.
pub(crate) fn secret(text: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| "net/http: invalid header field value for \"Authorization\"".to_string())?;
    value.set_sensitive(true);
    Ok(value)
}
