//! Servers on encrypted connections.

mod support;

use std::{fs, io::Read, net::TcpStream, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::Running;
use tokio::{io::AsyncWriteExt, task::JoinSet};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, RootCertStore, pki_types::ServerName},
};

/// A certificate for `localhost` and its key, in a folder that is removed.
struct Certificate {
    dir: PathBuf,
    der: Vec<u8>,
}

fn pem(tag: &str, content: Vec<u8>) -> String {
    pem::encode(&pem::Pem::new(tag, content))
}

impl Certificate {
    fn new(name: &str) -> Certificate {
        let made = rcgen::generate_simple_self_signed(["localhost".to_string()]).expect("it can be made");
        let dir = std::env::temp_dir().join(format!("wappa-http-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a folder can be made");
        fs::write(dir.join("cert.pem"), pem("CERTIFICATE", made.cert.der().to_vec()))
            .expect("it can be written");
        fs::write(dir.join("key.pem"), pem("PRIVATE KEY", made.signing_key.serialize_der()))
            .expect("it can be written");
        Certificate { dir, der: made.cert.der().to_vec() }
    }

    /// A stream that answers with what it was asked over.
    fn start(&self) -> (Running, u16) {
        self.start_with(
            "mapping: 'root = [content().string(), @http_server_tls_version, @http_server_tls_cipher_suite]'",
        )
    }

    /// A stream with this processor.
    fn start_with(&self, processor: &str) -> (Running, u16) {
        let running = Running::start(&format!(
            "http: {{enabled: false}}\ninput: {{http_server: {{address: '127.0.0.1:0', timeout: 1h, idle_timeout: 1h, \
             cert_file: {:?}, key_file: {:?}}}}}\n\
             pipeline: {{threads: 1, processors: [{{{processor}}}]}}\noutput: {{sync_response: {{}}}}",
            self.dir.join("cert.pem"),
            self.dir.join("key.pem")
        ));
        let port = running.port("Receiving HTTPS messages at: ");
        (running, port)
    }

    /// An encrypted connection.
    async fn connect(&self, port: u16, protocols: &[&str]) -> TlsStream<tokio::net::TcpStream> {
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("somebody listens");
        let name = ServerName::try_from("localhost").expect("it is a name");
        self.connector(protocols).connect(name, stream).await.expect("both agree")
    }

    fn connector(&self, protocols: &[&str]) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone().into()).expect("it is a certificate");
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("they are known")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn request(body: &'static str) -> Request<Full<Bytes>> {
    let request = Request::post("https://localhost/post");
    request.header("host", "localhost").body(Full::new(Bytes::from(body))).expect("it is a request")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("it can be made")
}

#[test]
fn http_2_is_spoken_where_connections_are_encrypted() {
    let certificate = Certificate::new("h2");
    let (_running, port) = certificate.start();
    runtime().block_on(async {
        let stream = certificate.connect(port, &["h2"]).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .expect("it is spoken");
        tokio::spawn(connection);
        // Several at once, over one connection.
        let asking: Vec<_> = ["a", "b", "c"].map(|it| sender.send_request(request(it))).into_iter().collect();
        for (asked, body) in asking.into_iter().zip(["a", "b", "c"]) {
            let answer = asked.await.expect("there is an answer");
            let text = answer.into_body().collect().await.expect("it is whole").to_bytes();
            assert_eq!(text, format!("[\"{body}\",\"TLSv1.3\",\"TLS_AES_256_GCM_SHA384\"]"));
        }
        let stream = certificate.connect(port, &["http/1.1"]).await;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("it is spoken");
        tokio::spawn(connection);
        let answer = sender.send_request(request("d")).await.expect("there is an answer");
        assert_eq!(answer.status(), 200);
    });
}

#[test]
fn heads_of_many_requests_over_few_connections_have_a_bound() {
    let certificate = Certificate::new("heads");
    let (running, port) = certificate.start_with("sleep: {duration: 1h}");
    runtime().block_on(async {
        let client = async || {
            let stream = certificate.connect(port, &["h2"]).await;
            let (sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                    .await
                    .expect("it is spoken");
            tokio::spawn(connection);
            sender
        };
        let mut tasks = JoinSet::new();
        for _ in 0..8 {
            let mut sender = client().await;
            for _ in 0..128 {
                let mut large = request("a");
                large.headers_mut().insert("x-a", "a".repeat(60 * 1024).parse().expect("it is a value"));
                let asked = sender.send_request(large);
                tasks.spawn(async move { asked.await.map(|it| it.status().as_u16()) });
            }
        }
        // The others wait for their answers.
        let refused = tasks.join_next().await.expect("there are some").expect("it does not panic");
        assert_eq!(refused.expect("there is an answer"), 503);
        // One with a head like those of most is not turned away.
        let mut get = request("");
        *get.method_mut() = hyper::Method::GET;
        let answer = client().await.send_request(get).await.expect("there is an answer");
        assert_eq!(answer.status(), 405);
    });
    running.log.behind("Heads of requests that wait for their answers take more than 64MiB");
    running.stop.abandon();
}

#[test]
fn blocks_of_headers_that_are_not_whole_have_a_bound_in_common() {
    let certificate = Certificate::new("blocks");
    let (running, port) = certificate.start();
    runtime().block_on(async {
        let mut strangers = Vec::new();
        for _ in 0..150 {
            let mut stranger = certificate.connect(port, &["h2"]).await;
            // Settings, and the first frame of a block, which nothing follows.
            let settings: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
            let headers: &[u8] = &[0, 12, 0, 1, 0, 0, 0, 0, 1];
            // `accept-encoding`, again and again.
            let said = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", settings, headers, &[0x90; 12 << 8]].concat();
            stranger.write_all(&said).await.expect("it is there");
            stranger.flush().await.expect("it is there");
            strangers.push(stranger);
        }
        running.log.behind("Heads of requests that are not whole take more than 16MiB");
    });
}

#[test]
fn a_handshake_that_is_never_finished_ends() {
    let certificate = Certificate::new("silent");
    let (_running, port) = certificate.start();
    let mut silent = TcpStream::connect(("127.0.0.1", port)).expect("somebody listens");
    silent.set_read_timeout(Some(Duration::from_secs(30))).expect("a time can be set");
    // It is hung up on, long before this would give up.
    assert_eq!(silent.read(&mut [0; 1]).expect("the end is told"), 0);
}
