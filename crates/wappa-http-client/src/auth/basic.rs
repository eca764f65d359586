//! A user and a password (RFC 7617).

use base64::{Engine, prelude::BASE64_STANDARD};
use url::Url;
use wappa_spec::{Config, Secret};

/// A user and a password, sent with each request.
#[derive(Config, Clone, Debug, Default)]
pub struct BasicConfig {
    /// Whether they are sent.
    #[config(default = "false", advanced)]
    enabled: bool,

    /// The user.
    #[config(default = "\"\"", advanced)]
    username: String,

    /// The password.
    #[config(default = "\"\"", advanced)]
    password: Secret<String>,
}

impl BasicConfig {
    pub(super) fn header(&self) -> Option<String> {
        self.enabled.then(|| of(&self.username, self.password.reveal()))
    }

    pub(super) fn secrets(&self) -> Vec<String> {
        vec![self.password.reveal().clone()]
    }
}

pub(super) fn of(username: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{username}:{password}")))
}

/// What an address says of its user, if anything.
pub(crate) fn of_url(url: &Url) -> Option<String> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let plain = |text: &str| decode(text);
    Some(of(&plain(url.username()), &plain(url.password().unwrap_or_default())))
}

/// Takes the escapes out of a piece of an address.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let escaped = behind
            .get(..2)
            .filter(|_| first == b'%')
            .and_then(|it| u8::from_str_radix(std::str::from_utf8(it).ok()?, 16).ok());
        bytes.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() { &behind[2..] } else { behind };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_of_an_address() {
        let of = |text: &str| of_url(&Url::parse(text).expect("an address"));
        assert_eq!(of("http://a/"), None);
        assert_eq!(
            of("http://Aladdin:open%20sesame@a/"),
            Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_string())
        );
        assert_eq!(of("http://a@b/"), Some(super::of("a", "")));
    }
}
