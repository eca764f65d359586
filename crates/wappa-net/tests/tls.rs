//! Encrypted sockets, with certificates that are made here.

mod support;

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use support::{Running, TempDir, lint, server, start, wait_for_lines};

/// Certificates and keys as files: an authority, and who it has signed.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

fn to_pem(label: &str, der: &[u8]) -> String {
    pem::encode(&pem::Pem::new(label, der))
}

impl Authority {
    fn new(dir: &TempDir, name: &str) -> Authority {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = CertificateParams::new([]).expect("there are no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, key).expect("it can be signed");
        fs::write(dir.at(name), to_pem("CERTIFICATE", issuer.der())).expect("it can be written");
        Authority { issuer }
    }

    /// Writes a certificate and its key.
    fn sign(&self, dir: &TempDir, name: &str) -> (CertificateDer<'static>, Vec<u8>) {
        let key = KeyPair::generate().expect("a key can be made");
        let params = CertificateParams::new(["localhost".to_string()]).expect("a name");
        let cert = params.signed_by(&key, &self.issuer).expect("it can be signed");
        fs::write(dir.at(&format!("{name}.pem")), to_pem("CERTIFICATE", cert.der()))
            .expect("it can be written");
        fs::write(dir.at(&format!("{name}.key")), to_pem("PRIVATE KEY", &key.serialize_der()))
            .expect("it can be written");
        (cert.der().clone(), key.serialize_der())
    }
}

fn port(address: &str) -> &str {
    address.rsplit_once(':').expect("an address has a port").1
}

/// A stream from a file to a server on this machine.
fn client(dir: &TempDir, port: &str, tls: &str) -> Running {
    start(&format!(
        "input: {{ file: {{ paths: [{:?}] }} }}\noutput: {{ socket: {{ network: tcp, address: \"localhost:{port}\", tls: {{ enabled: true, {tls} }} }} }}\n",
        dir.at("in")
    ))
}

#[test]
fn what_one_stream_writes_another_reads() {
    let dir = TempDir::new();
    let authority = Authority::new(&dir, "ca.pem");
    authority.sign(&dir, "server");
    let fields = format!(
        "network: tls, address: \"localhost:0\", tls: {{ cert_file: {:?}, key_file: {:?} }}",
        dir.at("server.pem"),
        dir.at("server.key")
    );
    let (server, address) = server(&dir, &fields);
    let lines: String = (0..50_000).map(|it| format!("line {it}\n")).collect();
    fs::write(dir.at("in"), &lines).expect("it can be written");
    let client = client(&dir, port(&address), &format!("root_cas_file: {:?}", dir.at("ca.pem")));
    assert_eq!(client.join().fault, None);
    wait_for_lines(&dir, 50_000);
    server.drain();
    assert!(dir.read_so_far("out") == lines);
}

#[test]
fn who_is_not_trusted_is_sent_nothing() {
    let dir = TempDir::new();
    Authority::new(&dir, "other.pem");
    let (server, address) =
        server(&dir, "network: tls, address: \"localhost:0\", tls: { self_signed: true }");
    fs::write(dir.at("in"), "secret\n").expect("it can be written");
    let distrusting = client(&dir, port(&address), &format!("root_cas_file: {:?}", dir.at("other.pem")));
    let text = distrusting.log.behind("Failed to connect to socket: ");
    let expected = format!("dial tls localhost:{}: invalid peer certificate: ", port(&address));
    assert!(text.starts_with(&expected), "{text}");
    distrusting.stop.cut();
    distrusting.join();
    assert_eq!(dir.read_so_far("out"), "");
    let careless = client(&dir, port(&address), "skip_cert_verify: true");
    assert_eq!(careless.join().fault, None);
    assert_eq!(wait_for_lines(&dir, 1), "secret\n");
    server.drain();
}

#[test]
fn garbage_costs_its_connection_only() {
    let dir = TempDir::new();
    let (server, address) =
        server(&dir, "network: tls, address: \"localhost:0\", tls: { self_signed: true }");
    // Says nothing, and keeps its place until the handshake has taken too long.
    let silent = TcpStream::connect(&address).expect("it listens");
    for _ in 0..20 {
        let mut stream = TcpStream::connect(&address).expect("it listens");
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("the system takes it");
        // Whatever it is told, it is told that it is over.
        let _ = stream.read_to_end(&mut Vec::new());
    }
    server.log.behind("Connection dropped due to: tls: ");
    fs::write(dir.at("in"), "a\n").expect("it can be written");
    client(&dir, port(&address), "skip_cert_verify: true").join();
    assert_eq!(wait_for_lines(&dir, 1), "a\n");
    drop(silent);
    assert_eq!(server.drain().fault, None);
}

/// The only place there is belongs to somebody who never finishes the handshake, and is free after ten seconds.
#[test]
fn a_handshake_that_is_never_finished_ends() {
    let dir = TempDir::new();
    let fields = "network: tls, address: \"localhost:0\", max_connections: 1, tls: { self_signed: true }";
    let (server, address) = server(&dir, fields);
    let mut silent = TcpStream::connect(&address).expect("it listens");
    // How the first message begins.
    silent.write_all(b"\x16\x03\x01\x02").expect("the system takes it");
    fs::write(dir.at("in"), "a\n").expect("it can be written");
    let patient = client(&dir, port(&address), "skip_cert_verify: true");
    server.log.behind("Connection dropped due to: tls: the handshake took too long");
    patient.join();
    assert_eq!(wait_for_lines(&dir, 1), "a\n");
    server.drain();
}

#[test]
fn a_client_shows_the_certificate_that_it_has() {
    let dir = TempDir::new();
    let authority = Authority::new(&dir, "ca.pem");
    let (cert, key) = authority.sign(&dir, "server");
    let (client_cert, _) = authority.sign(&dir, "client");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.issuer.der().clone()).expect("a certificate");
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("there are versions")
        .with_client_cert_verifier(verifier.expect("there are authorities"))
        .with_single_cert(vec![cert], PrivatePkcs8KeyDer::from(key).into())
        .expect("a certificate and its key");
    let listener = TcpListener::bind("localhost:0").expect("a port can be had");
    let address = listener.local_addr().expect("it has one").to_string();
    let serving = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("it connects");
        let connection = ServerConnection::new(Arc::new(config)).expect("a connection");
        let mut stream = StreamOwned::new(connection, stream);
        let mut text = String::new();
        let result = stream.read_to_string(&mut text);
        let shown = stream.conn.peer_certificates().map(|it| it[0].clone().into_owned());
        (result.map(|_| text), shown)
    });
    fs::write(dir.at("in"), "a\n").expect("it can be written");
    let tls = format!(
        "root_cas_file: {:?}, client_certs: [ {{ cert_file: {:?}, key_file: {:?} }} ]",
        dir.at("ca.pem"),
        dir.at("client.pem"),
        dir.at("client.key")
    );
    assert_eq!(client(&dir, port(&address), &tls).join().fault, None);
    let (text, shown) = serving.join().expect("no panic");
    assert_eq!((text.expect("it says goodbye").as_str(), shown), ("a\n", Some(client_cert)));
}

#[test]
fn lints() {
    let check = |input: &str, expected: &str| {
        let config = format!("input:\n  {input}\noutput: {{ drop: {{}} }}\n");
        assert_eq!(lint(&config), expected, "{input}");
    };
    check(
        "socket_server: { network: tls, address: a:1 }",
        "(2,1) must specify either a certificate file or enable self signed\n",
    );
    check("socket_server: { network: tls, address: a:1, tls: { self_signed: true } }", "");
    check(
        "socket: { network: unix, address: a, tls: { enabled: true } }",
        "(2,1) `tls` needs `network: tcp`, not `unix`\n",
    );
    check(
        "socket: { network: tcp, address: a:1, tls: { enabled: true, enable_renegotiation: true } }",
        "(2,1) `enable_renegotiation` has no effect in Wappa\n",
    );
    check(
        "socket: { network: tcp, address: a:1, tls: { client_certs: [ { cert: a, cert_file: b, key: c } ] } }",
        "(2,1) `cert_file` and the field for the text of it cannot both be set\n",
    );
}
