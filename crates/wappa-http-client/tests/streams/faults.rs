//! Faults that a user meets: what is told of each, and that it goes on by itself once its cause is gone.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::{ServerConfig, pki_types::PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use wappa_conformance::wait_until;

use crate::{
    server::{Server, answer},
    support::{TempDir, process, process_in, start},
};

/// Who signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// Its own certificate becomes a file.
    pub(crate) fn new(dir: &TempDir, name: &str) -> Authority {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = CertificateParams::new([]).expect("there are no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, key).expect("it can be signed");
        dir.write(name, pem::encode(&pem::Pem::new("CERTIFICATE", issuer.der().to_vec())));
        Authority(issuer)
    }

    /// What a server of this name shows, until the end of this year if there is one.
    pub(crate) fn acceptor(&self, name: &str, until: Option<i32>) -> TlsAcceptor {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = CertificateParams::new([name.to_string()]).expect("a name");
        if let Some(year) = until {
            params.not_before = date_time_ymd(year, 1, 1);
            params.not_after = date_time_ymd(year, 12, 31);
        }
        let cert = params.signed_by(&key, &self.0).expect("it can be signed");
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|it| it.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key.into()));
        let mut config = config.expect("a certificate and its key");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }
}

/// What a message is marked with, and what is logged of it.
fn fault(fields: &str) -> String {
    let (out, log) = process(&["a"], &format!("retries: 0, {fields}"), "");
    let error = out.split_once("\"error\":\"").map(|it| it.1.trim_end_matches("\"}\n").replace("\\\"", "\""));
    let error = error.unwrap_or_else(|| panic!("it did not fail: {out}"));
    assert!(
        log.iter().any(|it| it.starts_with("Error HTTP request to '") && it.contains(&error)),
        "{log:#?}"
    );
    error
}

/// An address where nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
    listener.local_addr().expect("it has one").to_string()
}

/// A server that does this with each connection.
fn raw(with: impl Fn(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
    let address = listener.local_addr().expect("it has one").to_string();
    thread::spawn(move || listener.incoming().flatten().for_each(with));
    address
}

/// A server that reads a request and answers with these bytes, and with nothing more.
fn answering(bytes: &'static str) -> String {
    raw(move |mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(bytes.as_bytes());
    })
}

#[test]
fn what_is_told_of_a_server_that_is_not_there() {
    let address = nobody();
    let url = format!("http://{address}/");
    let expected = format!("{url}: Post \"{url}\": dial tcp {address}: connect: connection refused");
    assert_eq!(fault(&format!("url: {url:?}")), expected);
    let text = fault("url: 'http://nowhere.invalid/'");
    assert!(
        text.starts_with(
            "http://nowhere.invalid/: Post \"http://nowhere.invalid/\": dial tcp nowhere.invalid:80: "
        ),
        "{text}"
    );
}

#[test]
fn what_is_told_of_a_server_that_answers_badly() {
    let url = |address: String| format!("url: 'http://{address}/a'");
    let never = fault(&format!("{}, timeout: 300ms", url(raw(std::mem::forget))));
    assert!(
        never.ends_with("context deadline exceeded (Client.Timeout exceeded while awaiting headers)"),
        "{never}"
    );
    let gone = fault(&url(answering("")));
    assert!(gone.ends_with(": EOF"), "{gone}");
    let cut = fault(&url(answering("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")));
    assert!(cut.ends_with("/a: Failed to read response: unexpected EOF"), "{cut}");
    let nonsense = fault(&url(answering("nonsense\r\n\r\n")));
    assert!(nonsense.contains("/a\": invalid HTTP version"), "{nonsense}");
    let drip = Server::start(|_| answer(200, "").in_pieces(&["a"; 100], Duration::from_millis(50)));
    let drip = fault(&format!("{}, timeout: 2s", url(drip.address.to_string())));
    let text = "Failed to read response: context deadline exceeded (Client.Timeout or context cancellation while reading body)";
    assert!(drip.ends_with(text), "{drip}");
}

#[test]
fn what_is_told_of_a_password_that_is_wrong() {
    let server = Server::start(|_| answer(401, "who are you?"));
    let fields = format!(
        "url: {:?}, basic_auth: {{ enabled: true, username: ada, password: sesame }}",
        server.url("/")
    );
    let expected =
        "HTTP request returned unexpected response code (401): 401 Unauthorized, Error: who are you?";
    assert_eq!(fault(&fields), format!("{}: {expected}", server.url("/")));
}

#[test]
fn what_is_told_of_a_certificate_that_is_wrong() {
    let dir = TempDir::new();
    let (ours, other) = (Authority::new(&dir, "ours.pem"), Authority::new(&dir, "other.pem"));
    let of = |tls: TlsAcceptor| {
        let server = Server::encrypted(tls, |_| answer(200, "in"));
        let fields = format!(
            "url: 'https://localhost:{}/', tls: {{ enabled: true, root_cas_file: {:?} }}, retries: 0",
            server.address.port(),
            dir.at("ours.pem")
        );
        process_in(&dir, 1, &["a"], &fields, "").0
    };
    let good = of(ours.acceptor("localhost", None));
    assert!(good.contains("\"in\""), "{good}");
    for (tls, text) in [
        (other.acceptor("localhost", None), "it is signed by an unknown authority"),
        (ours.acceptor("localhost", Some(2020)), "expired"),
        (ours.acceptor("example.com", None), "localhost"),
    ] {
        let out = of(tls);
        let told = out.split_once(": dial tls localhost:").map_or("", |it| it.1);
        assert!(told.contains("invalid peer certificate: ") && told.contains(text), "{text}: {out}");
    }
    let plain = Server::start(|_| answer(200, "in"));
    let (out, _) = process_in(&dir, 1, &["a"], &format!("retries: 0, url: 'https://{}/'", plain.address), "");
    assert!(out.contains(": dial tls 127.0.0.1:"), "{out}");
}

#[test]
fn an_output_goes_on_when_its_server_is_there_and_there_again() {
    let dir = TempDir::new();
    let address = nobody();
    let lines: String = (0..40).map(|it| format!("{it}\n")).collect();
    let input = dir.write("in", &lines);
    let running = start(&format!(
        "input: {{ file: {{ paths: [{input:?}] }} }}\n\
         output: {{ http_client: {{ url: 'http://{address}/', retries: 0, timeout: 1s, max_in_flight: 2 }} }}\n"
    ));
    let text = format!(
        "Error Failed to send message to http_client: http://{address}/: Post \"http://{address}/\": dial tcp"
    );
    running.log.behind(&text);
    let first = Server::at(&address, None, |_| answer(200, "").after(Duration::from_millis(5)));
    wait_until("requests", || 5 <= first.seen().len());
    let mut all: Vec<String> = first.seen().into_iter().map(|it| it.body).collect();
    drop(first);
    thread::sleep(Duration::from_millis(100));
    let second = Server::at(&address, None, |_| answer(200, ""));
    assert_eq!(running.join().fault, None);
    all.extend(second.seen().into_iter().map(|it| it.body));
    let mut numbers: Vec<u32> = all.iter().map(|it| it.parse().expect("a number")).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 40, "nothing is lost");
}

#[test]
fn a_request_that_waits_holds_up_no_stop() {
    let server = Server::start(|_| answer(200, "").after(Duration::from_secs(3600)));
    for waiting in ["timeout: 1h", "timeout: 1h, parallel: true"] {
        let dir = TempDir::new();
        let input = dir.write("in", "a\nb\n");
        let n_before = server.seen().len();
        let running = start(&format!(
            "input: {{ file: {{ paths: [{input:?}] }} }}\n\
             pipeline: {{ threads: 2, processors: [{{ http: {{ url: {:?}, {waiting} }} }}] }}\noutput: {{ drop: {{}} }}\n",
            server.url("/")
        ));
        wait_until("a request", || n_before < server.seen().len());
        running.stop.cut();
        running.join();
    }
}

#[test]
fn an_output_goes_on_when_a_server_that_stood_still_goes_on() {
    let dir = TempDir::new();
    let input = dir.write("in", "a\n");
    let is_held = Arc::new(AtomicBool::new(true));
    let held = Arc::clone(&is_held);
    let server = Server::start(move |_| answer(200, "").while_held(&held));
    let running = start(&format!(
        "input: {{ file: {{ paths: [{input:?}] }} }}\n\
         output: {{ http_client: {{ url: {:?}, retries: 0, timeout: 200ms }} }}\n",
        server.url("/")
    ));
    running.log.behind("Client.Timeout exceeded while awaiting headers");
    is_held.store(false, Ordering::SeqCst);
    assert_eq!(running.join().fault, None);
    assert!(server.seen().iter().all(|it| it.body == "a"));
}
