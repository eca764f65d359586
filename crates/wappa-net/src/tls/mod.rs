//! Transport Layer Security, with Bento's fields: for clients, and for servers.
//!
//! Keys and passwords are secrets in every printout, and what goes wrong with them is told without them.

mod client;
mod pem;
mod server;
mod why;

use std::{fs, sync::Arc};

use rustls::{crypto::CryptoProvider, sign::SigningKey};
use wappa_component::fault;

pub use self::{
    client::{ClientCertConfig, Pems, TlsConfig},
    server::{ServerTls, ServerTlsConfig},
    why::{why, why_of},
};

/// What does the arithmetic.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A key that signs, of the text of a file (PEM); the error calls it `name`.
pub fn signing_key(text: &[u8], name: &str) -> Result<Arc<dyn SigningKey>, String> {
    let key = pem::key(text, "", name)?;
    provider().key_provider.load_private_key(key).map_err(|err| format!("{name}: {err}"))
}

fn read(path: &str) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|err| fault::failed("open", path, err))
}
