//! Servers on encrypted connections.

mod support;

use std::{fs, io::Read, net::TcpStream, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::Running;
use tokio_rustls::{
    TlsConnector,
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
        let running = Running::start(&format!(
            "http: {{enabled: false}}\ninput: {{http_server: {{address: '127.0.0.1:0', cert_file: {:?}, key_file: {:?}}}}}\n\
             pipeline: {{threads: 1, processors: [{{mapping: 'root = [content().string(), @http_server_tls_version, \
             @http_server_tls_cipher_suite]'}}]}}\noutput: {{sync_response: {{}}}}",
            self.dir.join("cert.pem"),
            self.dir.join("key.pem")
        ));
        let port = running.port("Receiving HTTPS messages at: ");
        (running, port)
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

#[test]
fn http_2_is_spoken_where_connections_are_encrypted() {
    let certificate = Certificate::new("h2");
    let (_running, port) = certificate.start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("it can be made");
    let connect = async |protocols: &[&str]| {
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("somebody listens");
        let name = ServerName::try_from("localhost").expect("it is a name");
        certificate.connector(protocols).connect(name, stream).await.expect("both agree")
    };
    runtime.block_on(async {
        let stream = connect(&["h2"]).await;
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
        let stream = connect(&["http/1.1"]).await;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("it is spoken");
        tokio::spawn(connection);
        let answer = sender.send_request(request("d")).await.expect("there is an answer");
        assert_eq!(answer.status(), 200);
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
