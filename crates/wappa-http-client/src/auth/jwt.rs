//! Tokens that are signed with a key of a file (RFC 7519).

use std::{fmt, fs, sync::Arc};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rustls::{SignatureScheme, sign::SigningKey};
use wappa_component::fault;
use wappa_message::Value;
use wappa_net::signing_key;
use wappa_spec::{Config, Map, Node, Reader, Rule};

use super::super::fields::value_of;

/// Signs a token into each request.
#[derive(Config, Clone, Debug, Default)]
#[config(lint = lint)]
pub struct JwtConfig {
    /// Whether there is a token in each request.
    #[config(default = "false", advanced)]
    enabled: bool,

    /// A file with the key, as PKCS #1 or PKCS #8.
    #[config(default = "\"\"", advanced)]
    private_key_file: String,

    /// How it is signed: `RS256`, `RS384`, `RS512` or `EdDSA`.
    #[config(default = "\"\"", advanced)]
    signing_method: String,

    /// What the token claims.
    #[config(default = "{}", advanced)]
    claims: Map<Node>,

    /// What is in its header beside how it is signed.
    #[config(default = "{}", advanced)]
    headers: Map<Node>,
}

fn scheme_of(method: &str) -> Result<SignatureScheme, String> {
    match method {
        "RS256" => Ok(SignatureScheme::RSA_PKCS1_SHA256),
        "RS384" => Ok(SignatureScheme::RSA_PKCS1_SHA384),
        "RS512" => Ok(SignatureScheme::RSA_PKCS1_SHA512),
        "EdDSA" => Ok(SignatureScheme::ED25519),
        _ => Err(format!("jwt signing method {method} not accepted. Try with RS256, RS384, RS512 or EdDSA")),
    }
}

fn lint(config: &JwtConfig, node: &Node, reader: &mut Reader<'_>) {
    if !config.enabled {
        return;
    }
    if let Err(text) = scheme_of(&config.signing_method) {
        reader.error(Rule::InvalidValue, node.get("signing_method").unwrap_or(node), text);
    }
    let at = node.get("private_key_file").unwrap_or(node);
    reader.refuse_if_restricted("field private_key_file", at);
}

/// What signs, and what.
#[derive(Clone)]
pub(crate) struct Jwt {
    key: Arc<dyn SigningKey>,
    scheme: SignatureScheme,
    /// Header and claims, as they are signed.
    content: String,
}

impl Jwt {
    /// `None`: there are no tokens. Reads the file.
    pub(super) fn new(config: &JwtConfig) -> Result<Option<Jwt>, String> {
        if !config.enabled {
            return Ok(None);
        }
        let scheme = scheme_of(&config.signing_method)?;
        let file = &config.private_key_file;
        let text = fs::read(file)
            .map_err(|err| format!("failed to read private key: {}", fault::failed("open", file, err)))?;
        let failed =
            |why: &dyn fmt::Display| format!("failed to parse {} private key: {why}", config.signing_method);
        let key = signing_key(&text, file).map_err(|err| failed(&err))?;
        if key.choose_scheme(&[scheme]).is_none() {
            return Err(failed(&format!("{file}: it is a key of another kind")));
        }
        let own = [("alg", &*config.signing_method), ("typ", "JWT")];
        let own = own.map(|(name, text)| (name.to_string(), Value::text(text)));
        let all = |pairs: &Map<Node>| -> Vec<(String, Value)> {
            pairs.iter().map(|(name, node)| (name.to_string(), value_of(node))).collect()
        };
        let object = |pairs: Vec<(String, Value)>| {
            Value::object(pairs.iter().map(|(name, it)| (name.as_str(), it.clone())))
        };
        let header = object([own.to_vec(), all(&config.headers)].concat()).map_err(|err| err.to_string())?;
        let claims = object(all(&config.claims)).map_err(|err| err.to_string())?;
        let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_json());
        Ok(Some(Jwt { key, scheme, content: format!("{}.{}", encode(&header), encode(&claims)) }))
    }

    pub(super) fn header(&self) -> Result<String, String> {
        let failed = |why: &dyn fmt::Display| format!("failed to sign jwt: {why}");
        let signer = self.key.choose_scheme(&[self.scheme]).ok_or_else(|| failed(&"it is another key"))?;
        let signature = signer.sign(self.content.as_bytes()).map_err(|err| failed(&err))?;
        Ok(format!("Bearer {}.{}", self.content, BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }
}

impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jwt")
    }
}
