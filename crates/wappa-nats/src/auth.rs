//! Who we are to a server: Bento's block `auth`.
//!
//! Files are read at each attempt to connect, so that credentials may be renewed while a stream runs.

use std::{env, fs};

use async_nats::{Auth, AuthError};
use nkeys::KeyPair;
use wappa_component::fault;
use wappa_spec::{Config, Node, Reader, Rule, Secret};

/// Who we are to the server, beside a user and a password, or a token, in the URL.
#[derive(Config, Debug, Clone, Default)]
#[config(lint = lint)]
pub(crate) struct AuthConfig {
    /// A file with the seed of an NKey.
    #[config(optional, advanced, example = "./seed.nk")]
    nkey_file: Option<String>,

    /// A file with a user's JWT and the seed that belongs to it, as `nsc` writes it. `~` and variables of the environment
    /// in the path are replaced.
    #[config(optional, advanced, example = "./user.creds")]
    user_credentials_file: Option<String>,

    /// A user's JWT as text, together with `user_nkey_seed`.
    #[config(optional, advanced)]
    user_jwt: Option<Secret<String>>,

    /// The seed that belongs to `user_jwt`, as text.
    #[config(optional, advanced)]
    user_nkey_seed: Option<Secret<String>>,
}

fn lint(config: &AuthConfig, node: &Node, reader: &mut Reader<'_>) {
    for (name, file) in
        [("nkey_file", &config.nkey_file), ("user_credentials_file", &config.user_credentials_file)]
    {
        if file.as_ref().is_some_and(|it| !it.is_empty()) {
            reader.refuse_if_restricted(&format!("field {name}"), node.get(name).unwrap_or(node));
        }
    }
    if let Err(text) = config.check() {
        reader.error(Rule::Custom, node, text);
    }
}

impl AuthConfig {
    /// Whether what belongs together is there; the error is Bento's text.
    pub(crate) fn check(&self) -> Result<(), String> {
        match (&self.user_jwt, &self.user_nkey_seed) {
            (None, Some(_)) => Err("missing auth.user_jwt config field".to_string()),
            (Some(_), None) => Err("missing auth.user_nkey_seed config field".to_string()),
            _ => Ok(()),
        }
    }

    /// The JWT that the server is told, where it stands in the config.
    pub(crate) fn jwt(&self) -> Option<String> {
        self.user_jwt.as_ref().map(|it| it.reveal().trim().to_string())
    }

    /// Adds to `auth` what answers the server's challenge. The error names no secret.
    pub(crate) fn answer(&self, nonce: &[u8], auth: &mut Auth) -> Result<(), AuthError> {
        self.sign(nonce, auth).map_err(AuthError::new)
    }

    fn sign(&self, nonce: &[u8], auth: &mut Auth) -> Result<(), String> {
        if let Some(file) = self.nkey_file.as_deref().filter(|it| !it.is_empty()) {
            let key = seed_of(&read(file)?, file)?;
            auth.nkey = Some(key.public_key());
            auth.signature = Some(signed(&key, nonce)?);
        }
        if let Some(file) = self.user_credentials_file.as_deref().filter(|it| !it.is_empty()) {
            let file = expanded(file);
            let text = read(&file)?;
            auth.jwt = Some(decorated(&text, "JWT").ok_or_else(|| format!("{file}: there is no JWT in it"))?);
            auth.signature = Some(signed(&seed_of(&text, &file)?, nonce)?);
        }
        if let (Some(jwt), Some(seed)) = (&self.user_jwt, &self.user_nkey_seed)
            && !jwt.reveal().is_empty()
            && !seed.reveal().is_empty()
        {
            auth.jwt = Some(jwt.reveal().trim().to_string());
            auth.signature = Some(signed(&seed_of(seed.reveal(), "user_nkey_seed")?, nonce)?);
        }
        Ok(())
    }
}

fn read(path: &str) -> Result<String, String> {
    let bytes = fs::read(path).map_err(|err| fault::failed("open", path, err))?;
    String::from_utf8(bytes).map_err(|_| format!("{path}: it is not text"))
}

fn signed(key: &KeyPair, nonce: &[u8]) -> Result<Vec<u8>, String> {
    key.sign(nonce).map_err(|_| "the challenge of the server cannot be signed".to_string())
}

/// The key whose seed is in a text, with or without lines around it; `name` is what an error calls the text.
fn seed_of(text: &str, name: &str) -> Result<KeyPair, String> {
    let bare = || text.split_whitespace().find(|it| it.starts_with('S')).map(str::to_string);
    let seed = decorated(text, "SEED").or_else(bare);
    let seed = seed.ok_or_else(|| format!("{name}: there is no seed of an NKey in it"))?;
    KeyPair::from_seed(&seed).map_err(|_| format!("{name}: the seed of an NKey in it cannot be read"))
}

/// What stands between `-----BEGIN … KIND-----` and the line that ends it.
fn decorated(text: &str, kind: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim);
    lines.find(|it| {
        it.starts_with("---") && it.contains("BEGIN") && it.trim_end_matches('-').ends_with(kind)
    })?;
    lines.find(|it| !it.is_empty()).filter(|it| !it.starts_with("---")).map(str::to_string)
}

/// A path in which `~` and variables of the environment are replaced, as Bento does it.
fn expanded(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, behind)) = rest.split_once('$') {
        text.push_str(before);
        let (name, behind) = match behind.strip_prefix('{').and_then(|it| it.split_once('}')) {
            Some((name, behind)) => (name, behind),
            None => {
                let end = behind.find(|it: char| !it.is_ascii_alphanumeric() && it != '_');
                behind.split_at(end.unwrap_or(behind.len()))
            }
        };
        text.push_str(&env::var(name).unwrap_or_default());
        rest = behind;
    }
    text.push_str(rest);
    match (text.strip_prefix('~'), env::var("HOME")) {
        (Some(rest), Ok(home)) => format!("{}/{}", home.trim_end_matches('/'), rest.trim_start_matches('/')),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_found_between_their_lines() {
        let key = KeyPair::new_user();
        let seed = key.seed().expect("it has one");
        let text = format!(
            "-----BEGIN NATS USER JWT-----\neyJ0.a.b\n------END NATS USER JWT------\n\n*** IMPORTANT ***\n\n-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        );
        assert_eq!(decorated(&text, "JWT").as_deref(), Some("eyJ0.a.b"));
        for text in [&text, &seed, &format!("# a comment\n{seed}\n")] {
            assert_eq!(seed_of(text, "it").expect("it is there").public_key(), key.public_key());
        }
        let error = |text: &str| match seed_of(text, "a.nk") {
            Ok(_) => panic!("{text}: it is wrong"),
            Err(text) => text,
        };
        assert_eq!(error("nothing"), "a.nk: there is no seed of an NKey in it");
        assert_eq!(error("SUnonsense"), "a.nk: the seed of an NKey in it cannot be read");
    }

    #[test]
    fn paths_are_expanded() {
        let home = env::var("HOME").unwrap_or_default();
        assert_eq!(expanded("a/$WAPPA_NOT_SET/b${WAPPA_NOT_SET}c"), "a//bc");
        assert_eq!(expanded("$HOME/x"), format!("{home}/x"));
        assert_eq!(expanded("~/x.creds"), format!("{}/x.creds", home.trim_end_matches('/')));
    }
}
