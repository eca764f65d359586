//! A password that requests have to name (`basic_auth`).
//!
//! What is slow on purpose, to make guessing slow, is done by one thread beside the connections, so that who guesses keeps
//! one thread busy and not the server; who was let in once is known again.

use std::sync::{Arc, Mutex, PoisonError};

use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::{
    HeaderMap, StatusCode,
    header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE},
};
use md5::Md5;
use scrypt::{Params, scrypt};
use sha2::{Digest, Sha256};
use tokio::{sync::Semaphore, task::spawn_blocking};
use wappa_spec::BasicAuthConfig;

use crate::answer::{Answer, error, header_value, with};

/// Bento's parameters of scrypt: the logarithm of the work, the size of a block, and how often.
const SCRYPT: (u8, u32, u32) = (15, 8, 1);

/// Whoever knows the password.
pub(crate) struct BasicAuth {
    secret: Arc<Secret>,
    challenge: HeaderValue,
    /// One at a time.
    turn: Semaphore,
    /// The digest of the header that was let in last.
    known: Mutex<Option<[u8; 32]>>,
}

struct Secret {
    username: String,
    hash: Vec<u8>,
    algorithm: Algorithm,
}

enum Algorithm {
    Md5,
    Sha256,
    Bcrypt,
    Scrypt { salt: Vec<u8> },
}

impl BasicAuth {
    /// `None`: nobody is asked. The error says what is wrong with the config.
    pub(crate) fn of(config: &BasicAuthConfig) -> Result<Option<BasicAuth>, String> {
        if !config.enabled {
            return Ok(None);
        }
        let read =
            |name: &str, text: &str| STANDARD.decode(text).map_err(|err| format!("invalid {name}: {err}"));
        let secret = Secret {
            username: config.username.clone(),
            hash: read("password_hash", &config.password_hash)?,
            algorithm: match config.algorithm.as_str() {
                "md5" => Algorithm::Md5,
                "bcrypt" => Algorithm::Bcrypt,
                "scrypt" => Algorithm::Scrypt { salt: read("salt", &config.salt)? },
                _ => Algorithm::Sha256,
            },
        };
        let challenge = format!("Basic realm={:?}, charset=\"UTF-8\"", config.realm);
        Ok(Some(BasicAuth {
            secret: Arc::new(secret),
            challenge: header_value(challenge.as_bytes()).ok_or("realm: it cannot be a header")?,
            turn: Semaphore::new(1),
            known: Mutex::new(None),
        }))
    }

    /// Lets a request in, or answers it.
    pub(crate) async fn check(&self, headers: &HeaderMap) -> Result<(), Box<Answer>> {
        let given = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
        match self.is_let_in(given).await {
            true => Ok(()),
            false => {
                let answer = error(StatusCode::UNAUTHORIZED, "Unauthorized");
                Err(Box::new(with(answer, WWW_AUTHENTICATE, self.challenge.clone())))
            }
        }
    }

    async fn is_let_in(&self, given: &[u8]) -> bool {
        let Some((user, password)) = credentials(given) else { return false };
        let digest: [u8; 32] = Sha256::digest(given).into();
        let is_known = || *self.known.lock().unwrap_or_else(PoisonError::into_inner) == Some(digest);
        if is_known() {
            return true;
        }
        let is_right = match self.secret.algorithm {
            Algorithm::Md5 | Algorithm::Sha256 => self.secret.is(&user, &password),
            Algorithm::Bcrypt | Algorithm::Scrypt { .. } => {
                let _turn = self.turn.acquire().await;
                if is_known() {
                    return true;
                }
                let secret = Arc::clone(&self.secret);
                spawn_blocking(move || secret.is(&user, &password)).await.unwrap_or(false)
            }
        };
        if is_right {
            *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(digest);
        }
        is_right
    }
}

/// The user and the password of a header.
fn credentials(header: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (scheme, encoded) = header.split_at_checked("Basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    let decoded = STANDARD.decode(encoded).ok()?;
    let at = decoded.iter().position(|it| *it == b':')?;
    Some((decoded[..at].to_vec(), decoded[at + 1..].to_vec()))
}

impl Secret {
    fn is(&self, user: &[u8], password: &[u8]) -> bool {
        let is_user = is_same(user, self.username.as_bytes());
        is_user & self.is_password(password)
    }

    fn is_password(&self, password: &[u8]) -> bool {
        match &self.algorithm {
            Algorithm::Md5 => is_same(&Md5::digest(password), &self.hash),
            Algorithm::Sha256 => is_same(&Sha256::digest(password), &self.hash),
            Algorithm::Bcrypt => {
                std::str::from_utf8(&self.hash).is_ok_and(|it| bcrypt::verify(password, it).unwrap_or(false))
            }
            Algorithm::Scrypt { salt } => {
                let (log_n, r, p) = SCRYPT;
                let mut made = [0; 32];
                let params = Params::new(log_n, r, p).expect("they are Bento's");
                scrypt(password, salt, &params, &mut made).is_ok() && is_same(&made, &self.hash)
            }
        }
    }
}

/// Whether both are the same, found out in a time that says nothing of where they differ.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |diff, (one, other)| diff | (one ^ other)) == 0
}

impl std::fmt::Debug for BasicAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BasicAuth")
    }
}
