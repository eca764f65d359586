//! Passwords that do not go over the wire (RFC 7616): the server asks, and the next request answers.

use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use http::{HeaderMap, HeaderValue, Method, header::WWW_AUTHENTICATE};
use md5::{Digest as _, Md5};
use sha2::Sha256;
use url::{Position, Url};
use wappa_spec::{Config, Secret};

use super::secret;

/// A user and a password, of which only digests are sent.
#[derive(Config, Clone, Debug)]
pub(crate) struct DigestConfig {
    /// Whether what the server asks is answered.
    #[config(default = "false", advanced)]
    enabled: bool,

    /// The user.
    #[config(default = "\"\"", advanced)]
    username: String,

    /// The password.
    #[config(default = "\"\"", advanced)]
    password: Secret<String>,
}

/// Answers what servers ask, and remembers the last of it for the requests to come.
pub(crate) struct Digest {
    config: DigestConfig,
    asked: Mutex<Option<Challenge>>,
    n_answers: AtomicU32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Challenge {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Option<String>,
    /// `auth` is among what the server takes; without it, it is an old one.
    has_quality: bool,
}

impl Digest {
    /// `None`: nothing is answered.
    pub(crate) fn new(config: &DigestConfig) -> Option<Digest> {
        let digest = Digest { config: config.clone(), asked: Mutex::new(None), n_answers: AtomicU32::new(0) };
        config.enabled.then_some(digest)
    }

    pub(crate) fn secrets(&self) -> Vec<String> {
        vec![self.config.password.reveal().clone()]
    }

    /// Takes what a server asks in the answer to a request. Whether it is to be made again with another header.
    pub(crate) fn asked(&self, headers: &HeaderMap) -> bool {
        let found = headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|it| Challenge::parse(it.to_str().ok()?))
            .find(Challenge::can_be_answered);
        let Some(challenge) = found else { return false };
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        self.n_answers.store(0, Ordering::Relaxed);
        *asked = Some(challenge);
        true
    }

    /// The header that answers what was asked last, if anything was.
    pub(crate) fn header(&self, method: &Method, url: &Url) -> Result<Option<HeaderValue>, String> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(challenge) = asked else { return Ok(None) };
        let count = self.n_answers.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let client_nonce = format!("{:016x}", rand::random::<u64>());
        let path = &url[Position::BeforePath..Position::AfterQuery];
        let (user, password) = (&self.config.username, self.config.password.reveal());
        let answer = challenge.answer(user, password, method.as_str(), path, count, &client_nonce);
        secret(&answer).map(Some)
    }
}

impl Challenge {
    fn parse(text: &str) -> Option<Challenge> {
        let (scheme, mut rest) = text.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("digest") {
            return None;
        }
        let mut challenge = Challenge::default();
        while let Some((name, behind)) = rest.split_once('=') {
            let (value, behind) = value_of(behind);
            match name.trim_start_matches([',', ' ']).trim().to_ascii_lowercase().as_str() {
                "realm" => challenge.realm = value,
                "nonce" => challenge.nonce = value,
                "opaque" => challenge.opaque = Some(value),
                "algorithm" => challenge.algorithm = Some(value),
                "qop" => challenge.has_quality = value.split(',').any(|it| it.trim() == "auth"),
                _ => (),
            }
            rest = behind;
        }
        Some(challenge)
    }

    fn can_be_answered(&self) -> bool {
        let algorithm = self.algorithm.as_deref().unwrap_or("MD5");
        ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess"].iter().any(|it| it.eq_ignore_ascii_case(algorithm))
    }

    fn answer(
        &self,
        user: &str,
        password: &str,
        method: &str,
        path: &str,
        count: u32,
        client_nonce: &str,
    ) -> String {
        let algorithm = self.algorithm.as_deref().unwrap_or("MD5").to_ascii_lowercase();
        let hash = |text: String| match algorithm.starts_with("md5") {
            true => hex(&Md5::digest(text.as_bytes())),
            false => hex(&Sha256::digest(text.as_bytes())),
        };
        let Challenge { realm, nonce, .. } = self;
        let mut who = hash(format!("{user}:{realm}:{password}"));
        if algorithm.ends_with("-sess") {
            who = hash(format!("{who}:{nonce}:{client_nonce}"));
        }
        let what = hash(format!("{method}:{path}"));
        let response = match self.has_quality {
            true => hash(format!("{who}:{nonce}:{count:08x}:{client_nonce}:auth:{what}")),
            false => hash(format!("{who}:{nonce}:{what}")),
        };
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let mut out = format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{path}\", response=\"{response}\"",
            quoted(user),
            quoted(realm),
            quoted(nonce)
        );
        if let Some(algorithm) = &self.algorithm {
            out.push_str(&format!(", algorithm={algorithm}"));
        }
        if let Some(opaque) = &self.opaque {
            out.push_str(&format!(", opaque=\"{}\"", quoted(opaque)));
        }
        if self.has_quality {
            out.push_str(&format!(", qop=auth, nc={count:08x}, cnonce=\"{client_nonce}\""));
        } else if algorithm.ends_with("-sess") {
            out.push_str(&format!(", cnonce=\"{client_nonce}\""));
        }
        out
    }
}

/// A value and what is behind it; in quotes it may hold anything.
fn value_of(text: &str) -> (String, &str) {
    let text = text.trim_start();
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(',').unwrap_or(text.len());
        return (text[..end].trim().to_string(), &text[end..]);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, it)) = chars.next() {
        match it {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, it)| it)),
            it => value.push(it),
        }
    }
    (value, "")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 2617, section 3.5, and the same with the other digest.
    #[test]
    fn the_example_of_the_specification() {
        for (algorithm, response) in [
            ("MD5", "6629fae49393a05397450978507c4ef1"),
            ("SHA-256", "5abdd07184ba512a22c53f41470e5eea7dcaa3a93a59b630c13dfe0a5dc6e38b"),
        ] {
            let challenge = Challenge::parse(&format!(
                "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", algorithm={algorithm}, \
                 nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""
            ));
            let challenge = challenge.expect("it can be read");
            assert!(challenge.can_be_answered());
            let answer =
                challenge.answer("Mufasa", "Circle Of Life", "GET", "/dir/index.html", 1, "0a4f113b");
            assert!(answer.contains(&format!("response=\"{response}\"")), "{answer}");
            assert!(answer.ends_with("qop=auth, nc=00000001, cnonce=\"0a4f113b\""), "{answer}");
        }
    }

    #[test]
    fn what_cannot_be_answered_is_left() {
        assert_eq!(Challenge::parse("Basic realm=\"a\""), None);
        let other = Challenge::parse("Digest realm=\"a \\\"b\\\", c\", nonce=n, algorithm=TOKEN");
        let other = other.expect("it can be read");
        assert_eq!((other.realm.as_str(), other.nonce.as_str()), ("a \"b\", c", "n"));
        assert!(!other.can_be_answered());
    }
}
