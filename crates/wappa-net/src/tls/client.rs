//! TLS for clients.

use std::sync::Arc;

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        ResolvesClientCert,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    sign::CertifiedKey,
};
use tokio_rustls::TlsConnector;
use wappa_spec::{Config, Node, Reader, Rule, Secret};

use super::{pem, provider, read};

/// Nobody could be at the other end.
const NO_AUTHORITIES: &str = "tls: the system trusts no authorities: set `root_cas_file`";

/// How a connection is encrypted, and who the other end has to be.
#[derive(Config, Debug, Clone, Default)]
#[config(lint = lint)]
pub struct TlsConfig {
    /// Whether the connection is encrypted.
    #[config(default = "false", advanced)]
    enabled: bool,

    /// Whether anybody may be at the other end: its certificate is not verified. Then the encryption protects from nobody
    /// who can stand in between.
    #[config(default = "false", advanced)]
    skip_cert_verify: bool,

    /// Has no effect: the other end cannot begin the negotiation again, which TLS 1.3 has abolished.
    #[config(default = "false", advanced)]
    enable_renegotiation: bool,

    /// The certificates of the authorities that are trusted, as text, one behind the other. Without these and
    /// `root_cas_file` they are those that the system trusts.
    #[config(
        default = "\"\"",
        advanced,
        example = "|-\n  -----BEGIN CERTIFICATE-----\n  ...\n  -----END CERTIFICATE-----"
    )]
    root_cas: Secret<String>,

    /// A file with such certificates.
    #[config(default = "\"\"", advanced, example = "./root_cas.pem")]
    root_cas_file: String,

    /// Certificates to show to a server that asks for one: the first whose key fits what the server can verify.
    #[config(default = "[]", advanced)]
    client_certs: Vec<ClientCertConfig>,
}

/// A certificate and its key, each as text or as a file.
#[derive(Config, Debug, Clone)]
pub struct ClientCertConfig {
    /// The certificate as text, and behind it those up to the authority.
    #[config(default = "\"\"", advanced)]
    cert: String,

    /// The key as text.
    #[config(default = "\"\"", advanced)]
    key: Secret<String>,

    /// A file with the certificate.
    #[config(default = "\"\"", advanced)]
    cert_file: String,

    /// A file with the key.
    #[config(default = "\"\"", advanced)]
    key_file: String,

    /// What the key is encrypted with, as PKCS #8 or as PKCS #1.
    #[config(default = "\"\"", advanced, example = "foo", example = "${KEY_PASSWORD}")]
    password: Secret<String>,
}

fn lint(config: &TlsConfig, node: &Node, reader: &mut Reader<'_>) {
    if config.enable_renegotiation {
        let at = node.get("enable_renegotiation").unwrap_or(node);
        reader.warn(Rule::NotInWappa, at, "`enable_renegotiation` has no effect in Wappa");
    }
    if !config.root_cas_file.is_empty() {
        reader.refuse_if_restricted("field root_cas_file", node.get("root_cas_file").unwrap_or(node));
    }
    let both = |file: &str| format!("`{file}` and the field for the text of it cannot both be set");
    for (idx, cert) in config.client_certs.iter().enumerate() {
        let at = node.get("client_certs").and_then(|it| it.as_seq()?.get(idx)).unwrap_or(node);
        for (name, file) in [("cert_file", &cert.cert_file), ("key_file", &cert.key_file)] {
            if !file.is_empty() {
                reader.refuse_if_restricted(&format!("field {name}"), at.get(name).unwrap_or(at));
            }
        }
        if !cert.cert.is_empty() && !cert.cert_file.is_empty() {
            reader.error(Rule::Custom, at, both("cert_file"));
        }
        if !cert.key.reveal().is_empty() && !cert.key_file.is_empty() {
            reader.error(Rule::Custom, at, both("key_file"));
        }
    }
}

impl TlsConfig {
    /// Whether connections are encrypted.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// What encrypts connections; `None`: they are not encrypted. Reads the files, and the error says which of them is
    /// wrong.
    pub fn connector(&self) -> Result<Option<TlsConnector>, String> {
        match self.enabled {
            true => Ok(Some(TlsConnector::from(Arc::new(self.client_config()?)))),
            false => Ok(None),
        }
    }

    /// What connections are encrypted with that are encrypted anyhow, as those to `https` addresses: as the block says where
    /// it is enabled; else the other end has to be one that the system trusts. Reads the files, as [`TlsConfig::connector`] does.
    pub fn client_config(&self) -> Result<ClientConfig, String> {
        let unset = TlsConfig::default();
        if self.enabled { self.read() } else { unset.read() }
    }

    fn read(&self) -> Result<ClientConfig, String> {
        let provider = provider();
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|err| format!("tls: {err}"))?;
        let builder = match self.skip_cert_verify {
            true => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(Arc::clone(&provider))))
            }
            false => builder.with_root_certificates(self.roots()?),
        };
        let certs: Vec<_> =
            self.client_certs.iter().map(|it| it.load(&provider)).collect::<Result<_, _>>()?;
        Ok(match certs.is_empty() {
            true => builder.with_no_client_auth(),
            false => builder.with_client_cert_resolver(Arc::new(Certs(certs))),
        })
    }

    /// The authorities that are trusted.
    fn roots(&self) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        let mut add = |certificates: Vec<CertificateDer<'static>>, name: &str| {
            certificates.into_iter().try_for_each(|it| roots.add(it)).map_err(|err| format!("{name}: {err}"))
        };
        let (text, file) = (self.root_cas.reveal(), &self.root_cas_file);
        if !text.is_empty() {
            add(pem::certificates(text.as_bytes(), "root_cas")?, "root_cas")?;
        }
        if !file.is_empty() {
            add(pem::certificates(&read(file)?, file)?, file)?;
        }
        if text.is_empty() && file.is_empty() {
            // What of them cannot be read or understood is no hindrance for the others.
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                return Err(NO_AUTHORITIES.to_string());
            }
        }
        Ok(roots)
    }
}

/// The same as texts, for a client library that encrypts by itself. What is not set is empty.
#[derive(Debug, Default)]
pub struct Pems {
    /// Whether anybody may be at the other end.
    pub skip_cert_verify: bool,
    /// The authorities that are trusted.
    pub roots: Secret<String>,
    /// The certificate to show, and behind it those up to the authority.
    pub cert: Secret<String>,
    /// Its key.
    pub key: Secret<String>,
    /// What the key is encrypted with.
    pub password: Secret<String>,
}

impl TlsConfig {
    /// The texts of all this, of several certificates those of the first. Reads the files, and the error says which of them
    /// is wrong.
    pub fn pems(&self) -> Result<Pems, String> {
        let text_of = |text: &str, file: &str| match file {
            "" => Ok(text.to_string()),
            file => String::from_utf8(read(file)?).map_err(|_| format!("{file}: it is no text")),
        };
        let mut roots = self.root_cas.reveal().clone();
        if !self.root_cas_file.is_empty() {
            roots.push('\n');
            roots.push_str(&text_of("", &self.root_cas_file)?);
        }
        if roots.is_empty() && !self.skip_cert_verify {
            // A library that is linked in has no place of its own on this system where it would find them.
            let found = rustls_native_certs::load_native_certs().certs;
            let found: Vec<_> =
                found.into_iter().map(|it| ::pem::Pem::new("CERTIFICATE", it.to_vec())).collect();
            if found.is_empty() {
                return Err(NO_AUTHORITIES.to_string());
            }
            roots = ::pem::encode_many(&found);
        }
        let mut pems =
            Pems { skip_cert_verify: self.skip_cert_verify, roots: Secret(roots), ..Pems::default() };
        if let Some(first) = self.client_certs.first() {
            pems.cert = Secret(text_of(&first.cert, &first.cert_file)?);
            pems.key = Secret(text_of(first.key.reveal(), &first.key_file)?);
            pems.password = first.password.clone();
        }
        Ok(pems)
    }
}

impl ClientCertConfig {
    fn load(&self, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, String> {
        let chain = match (self.cert.as_str(), self.cert_file.as_str()) {
            ("", "") => return Err("client_certs: neither `cert` nor `cert_file` is set".to_string()),
            ("", file) => pem::certificates(&read(file)?, file)?,
            (text, _) => pem::certificates(text.as_bytes(), "cert")?,
        };
        let password = self.password.reveal();
        let (key, name) = match (self.key.reveal().as_str(), self.key_file.as_str()) {
            ("", "") => return Err("client_certs: neither `key` nor `key_file` is set".to_string()),
            ("", file) => (pem::key(&read(file)?, password, file)?, file),
            (text, _) => (pem::key(text.as_bytes(), password, "key")?, "key"),
        };
        let key = provider.key_provider.load_private_key(key).map_err(|err| format!("{name}: {err}"))?;
        let certified = CertifiedKey::new(chain, key);
        certified.keys_match().map_err(|err| format!("client_certs: {err}"))?;
        Ok(Arc::new(certified))
    }
}

/// Certificates to choose from.
#[derive(Debug)]
struct Certs(Vec<Arc<CertifiedKey>>);

impl ResolvesClientCert for Certs {
    fn resolve(&self, _: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.iter().find(|it| it.key.choose_scheme(schemes).is_some()).cloned()
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Takes everybody's certificate; that its key is there is still verified.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
