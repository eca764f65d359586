//! OAuth 1 (RFC 5849), as Bento signs: with HMAC-SHA1, over the method, the address as it is, and its own parameters.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use sha1::Sha1;
use url::{Url, form_urlencoded::byte_serialize};
use wappa_spec::{Config, Secret};

/// Signs each request with OAuth 1.
#[derive(Config, Clone, Debug, Default)]
pub struct OauthConfig {
    /// Whether requests are signed.
    #[config(default = "false", advanced)]
    enabled: bool,

    /// Who asks.
    #[config(default = "\"\"", advanced)]
    consumer_key: String,

    /// What only that one knows.
    #[config(default = "\"\"", advanced)]
    consumer_secret: Secret<String>,

    /// On whose behalf.
    #[config(default = "\"\"", advanced)]
    access_token: Secret<String>,

    /// What only who has that token knows.
    #[config(default = "\"\"", advanced)]
    access_token_secret: Secret<String>,
}

impl OauthConfig {
    pub(super) fn header(&self, method: &Method, url: &Url) -> Option<String> {
        if !self.enabled {
            return None;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let nonce = rand::random::<u64>() >> 1;
        Some(self.signed(method, url, now, nonce))
    }

    fn signed(&self, method: &Method, url: &Url, now: u64, nonce: u64) -> String {
        let (key, token) = (escape(&self.consumer_key), escape(self.access_token.reveal()));
        let parameters = format!(
            "oauth_consumer_key={key}&oauth_nonce={nonce}&oauth_signature_method=HMAC-SHA1\
             &oauth_timestamp={now}&oauth_token={token}&oauth_version=1.0"
        );
        let base = format!("{method}&{}&{}", escape(url.as_str()), escape(&parameters));
        let secret = format!(
            "{}&{}",
            escape(self.consumer_secret.reveal()),
            escape(self.access_token_secret.reveal())
        );
        let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("a key may have any length");
        mac.update(base.as_bytes());
        let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
        format!(
            "OAuth oauth_consumer_key=\"{key}\", oauth_nonce=\"{nonce}\", oauth_signature=\"{}\", \
             oauth_signature_method=\"HMAC-SHA1\", oauth_timestamp=\"{now}\", oauth_token=\"{token}\", \
             oauth_version=\"1.0\"",
            escape(&signature)
        )
    }

    pub(super) fn secrets(&self) -> Vec<String> {
        [&self.consumer_secret, &self.access_token, &self.access_token_secret]
            .map(|it| it.reveal().clone())
            .to_vec()
    }
}

/// As the query of an address escapes.
pub(super) fn escape(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}
