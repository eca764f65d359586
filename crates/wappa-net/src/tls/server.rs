//! TLS for servers.

use std::sync::Arc;

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio_rustls::TlsAcceptor;
use wappa_spec::{Config, Node, Reader};

use super::{pem, provider, read};

/// The certificate of a server and its key.
#[derive(Config, Debug, Clone)]
#[config(lint = lint)]
pub struct ServerTlsConfig {
    /// A file with the certificate, and behind it those up to the authority.
    #[config(optional, example = "./cert.pem")]
    cert_file: Option<String>,

    /// A file with the key.
    #[config(optional, example = "./key.pem")]
    key_file: Option<String>,

    /// Whether a certificate that nobody has signed is made at the start, for `localhost`.
    #[config(default = "false")]
    self_signed: bool,
}

fn lint(config: &ServerTlsConfig, node: &Node, reader: &mut Reader<'_>) {
    for (name, file) in [("cert_file", &config.cert_file), ("key_file", &config.key_file)] {
        if file.is_some() {
            reader.refuse_if_restricted(&format!("field {name}"), node.get(name).unwrap_or(node));
        }
    }
}

impl ServerTlsConfig {
    /// Whether there is a certificate; the error is Bento's text.
    pub fn check(&self) -> Result<(), String> {
        let has_files = self.cert_file.is_some() && self.key_file.is_some();
        match has_files || self.self_signed {
            true => Ok(()),
            false => Err("must specify either a certificate file or enable self signed".to_string()),
        }
    }

    /// What encrypts connections. Reads the files, and the error says which of them is wrong.
    pub fn acceptor(&self) -> Result<TlsAcceptor, String> {
        let (chain, key) = match (self.cert_file.as_deref(), self.key_file.as_deref()) {
            (Some(cert), Some(key)) => return Ok(ServerTls::of_files(cert, key)?.acceptor(&[])),
            _ => {
                self.check()?;
                let made = rcgen::generate_simple_self_signed(["localhost".to_string()]);
                let made = made.map_err(|err| format!("tls: {err}"))?;
                let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
                (vec![made.cert.der().clone()], key.into())
            }
        };
        Ok(ServerTls::new(chain, key)?.acceptor(&[]))
    }
}

/// The certificate of a server and its key, read and checked.
#[derive(Clone, Debug)]
pub struct ServerTls(ServerConfig);

impl ServerTls {
    /// Reads the files, and the error says which of them is wrong.
    pub fn of_files(cert_file: &str, key_file: &str) -> Result<ServerTls, String> {
        let chain = pem::certificates(&read(cert_file)?, cert_file)?;
        ServerTls::new(chain, pem::key(&read(key_file)?, "", key_file)?)
    }

    fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<ServerTls, String> {
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .and_then(|it| it.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|err| format!("tls: {err}"))?;
        Ok(ServerTls(config))
    }

    /// What encrypts connections and agrees on one of these protocols (ALPN), the first that the client knows.
    pub fn acceptor(mut self, protocols: &[&str]) -> TlsAcceptor {
        self.0.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(self.0))
    }
}
