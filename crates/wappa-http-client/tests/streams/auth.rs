//! Who makes a request, and that nobody else hears of it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rcgen::{KeyPair, PKCS_ED25519};

use crate::{
    server::{Server, answer},
    support::{TempDir, lint, process, process_in, try_start},
};

#[test]
fn users_and_passwords() {
    let server = Server::start(|seen| answer(200, seen.header("authorization").to_string()));
    let url = server.url("/");
    let fields = "basic_auth: { enabled: true, username: Aladdin, password: 'open sesame' }";
    let (out, _) = process(&["a"], &format!("url: {url:?}, {fields}"), "");
    assert!(out.contains("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), "{out}");
    let url = format!("http://Aladdin:open%20sesame@{}/", server.address);
    let (out, _) = process(&["a"], &format!("url: {url:?}"), "");
    assert!(out.contains("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), "{out}");
    let fields = "oauth: { enabled: true, consumer_key: k, consumer_secret: s, access_token: t, access_token_secret: u }";
    let (out, _) = process(&["a"], &format!("url: {url:?}, {fields}"), "");
    for piece in [
        "OAuth oauth_consumer_key=\\\"k\\\"",
        "oauth_signature_method=\\\"HMAC-SHA1\\\"",
        "oauth_token=\\\"t\\\"",
    ] {
        assert!(out.contains(piece), "{out}");
    }
}

#[test]
fn a_token_is_signed_with_the_key_of_a_file() {
    let dir = TempDir::new();
    let key = KeyPair::generate_for(&PKCS_ED25519).expect("a key can be made");
    let file = dir.write("key.pem", pem::encode(&pem::Pem::new("PRIVATE KEY", key.serialize_der())));
    let server = Server::start(|seen| answer(200, seen.header("authorization").to_string()));
    let fields = format!(
        "url: {:?}, jwt: {{ enabled: true, private_key_file: {file:?}, signing_method: EdDSA, \
         claims: {{ sub: ada, n: 3, all: [true, null] }}, headers: {{ kid: '1' }} }}",
        server.url("/")
    );
    let (out, _) = process_in(&dir, 1, &["a"], &fields, "");
    let token = out.split_once("Bearer ").expect("a token").1;
    let pieces: Vec<&str> = token.split(['.', '"']).take(3).collect();
    let plain =
        |it: &str| String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(it).expect("base64")).expect("text");
    assert_eq!(plain(pieces[0]), "{\"alg\":\"EdDSA\",\"kid\":\"1\",\"typ\":\"JWT\"}");
    assert_eq!(plain(pieces[1]), "{\"all\":[true,null],\"n\":3,\"sub\":\"ada\"}");
    assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(pieces[2]).expect("base64").len(), 64);
    let config = |jwt: &str| {
        format!("input: {{ http_client: {{ url: 'http://a', jwt: {{ enabled: true, {jwt} }} }} }}\n")
    };
    let text = lint(&config("signing_method: HS256"));
    assert!(
        text.contains("jwt signing method HS256 not accepted. Try with RS256, RS384, RS512 or EdDSA"),
        "{text}"
    );
    let wrong = config(&format!("signing_method: RS256, private_key_file: {file:?}"));
    let error = try_start(&wrong).expect_err("it is another key");
    assert!(error.contains("failed to parse RS256 private key"), "{error}");
}

#[test]
fn a_token_is_fetched_once_and_again_where_it_is_refused() {
    let n_tokens = AtomicUsize::new(0);
    let server = Server::start(move |seen| match seen.path.as_str() {
        "/token" if seen.header("authorization") != "Basic a2V5OnMlMjZjcmV0" => {
            answer(401, "{\"error\":\"invalid_client\"}")
        }
        "/token" => {
            let n = n_tokens.fetch_add(1, Ordering::SeqCst);
            answer(
                200,
                format!("{{\"access_token\":\"t{n}\",\"token_type\":\"bearer\",\"expires_in\":3600}}"),
            )
        }
        _ if seen.header("authorization") == "Bearer t1" => answer(200, "in"),
        _ => answer(401, "out"),
    });
    let oauth2 = |secret: &str| {
        format!(
            "url: {:?}, retries: 1, retry_period: 1ms, oauth2: {{ enabled: true, client_key: key, client_secret: {secret}, \
             token_url: {:?}, scopes: [a, b], endpoint_params: {{ x: [y, z] }} }}",
            server.url("/"),
            server.url("/token")
        )
    };
    let (out, _) = process(&["a", "b", "c"], &oauth2("s&cret"), "");
    assert_eq!(out.matches("\"in\"").count(), 3, "{out}");
    let asked: Vec<_> = server.seen().into_iter().filter(|it| it.path == "/token").collect();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].body, "grant_type=client_credentials&scope=a+b&x=y&x=z");
    let (out, log) = process(&["a"], &oauth2("wrong-one"), "");
    let text =
        format!("oauth2: cannot fetch token: {}: 401 Unauthorized invalid_client", server.url("/token"));
    assert!(out.contains(&text), "{out}");
    assert!(!log.concat().contains("wrong-one") && !out.contains("wrong-one"));
}

#[test]
fn what_a_server_asks_is_answered_with_digests() {
    let server = Server::start(|seen| match seen.header("authorization") {
        it if it.starts_with("Digest username=\"Mufasa\"") && it.contains("uri=\"/dir?a=b\"") => {
            answer(200, "in")
        }
        _ => answer(401, "").header("WWW-Authenticate", "Digest realm=\"r\", nonce=\"n\", qop=\"auth\""),
    });
    let fields = format!(
        "url: {:?}, digest_auth: {{ enabled: true, username: Mufasa, password: Circle }}",
        server.url("/dir?a=b")
    );
    let (out, _) = process(&["a", "b"], &fields, "");
    assert_eq!(out.matches("\"in\"").count(), 2, "{out}");
    // What was asked once is answered beforehand.
    assert_eq!(server.seen().len(), 3);
}

#[test]
fn credentials_are_told_nowhere() {
    let server = Server::start(|seen| {
        let all: Vec<String> = seen.headers.iter().map(|it| format!("{}: {:?}\n", it.0, it.1)).collect();
        // It sends back whatever it got.
        answer(403, format!("{}{}", all.concat(), seen.path)).header("Set-Cookie", "id=pa55word")
    });
    let url = format!("http://user:pa55word@{}/a?key=pa55word", server.address);
    let fields = format!(
        "url: {url:?}, retries: 1, retry_period: 1ms, dump_request_log_level: INFO, headers: {{ X-Api-Key: pa55word }}, \
         digest_auth: {{ password: pa55word }}, basic_auth: {{ password: pa55word }}"
    );
    let (out, log) = process(&["a"], &fields, "");
    assert!(out.contains("unexpected response code (403)") && !out.contains("pa55word"), "{out}");
    let log = log.join("\n");
    assert!(
        log.contains("Info http request log {\"elapsed_ns\":") && log.contains("\"status_code\":403"),
        "{log}"
    );
    // The dump has the body as the server sent it, with what it sent back; nothing of the request's own is in it.
    let own = log.split("\"response\":").next().expect("there is a first piece");
    assert!(!own.contains("pa55word"), "{own}");
    for config in [
        "output: { http_client: { url: 'http://user:pa55word@a:b/?k=pa55word' } }\n".to_string(),
        "output: { http_client: { url: 'http://a', headers: { A: \"pa55word\\n\" , B: \"pa55word\\nC: d\" } } }\n".to_string(),
        "output: { http_client: { url: 'http://a', proxy_url: 'socks4://pa55word:1' } }\n".to_string(),
    ] {
        let text = lint(&config);
        assert!(!text.is_empty() && !text.contains("pa55word"), "{text}");
    }
}

#[test]
fn a_proxy_gets_the_whole_address_and_its_own_user() {
    let proxy =
        Server::start(|seen| answer(200, format!("{} {}", seen.path, seen.header("proxy-authorization"))));
    let fields =
        format!("url: 'http://nowhere.invalid/a', proxy_url: 'http://Aladdin:opensesame@{}'", proxy.address);
    let (out, _) = process(&["a"], &fields, "");
    assert!(out.contains("http://nowhere.invalid/a Basic QWxhZGRpbjpvcGVuc2VzYW1l"), "{out}");
}

/// A proxy that connects to one place whatever it is asked for; gives its address.
fn tunnel(to: String, answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
    let address = listener.local_addr().expect("it has one").to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().expect("it can be shared"));
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|it| 2 < it) {
                line.clear();
            }
            let mut stream = stream;
            stream.write_all(answer.as_bytes()).expect("it reads");
            let Ok(mut other) = TcpStream::connect(&to) else { continue };
            let (mut back, mut forth) =
                (other.try_clone().expect("it can be shared"), stream.try_clone().expect("it can be shared"));
            thread::spawn(move || _ = std::io::copy(&mut back, &mut stream));
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(n @ 1..) = forth.read(&mut buffer) {
                    if other.write_all(&buffer[..n]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[test]
fn a_proxy_sees_nothing_of_what_is_encrypted() {
    let dir = TempDir::new();
    let tls = crate::faults::Authority::new(&dir, "ca.pem").acceptor("localhost", None);
    let server = Server::encrypted(tls, |_| answer(200, "in"));
    let to = server.address.to_string();
    let fields = |proxy: String| {
        format!(
            "url: 'https://localhost:{}/', retries: 0, proxy_url: 'http://{proxy}', tls: {{ enabled: true, root_cas_file: {:?} }}",
            server.address.port(),
            dir.at("ca.pem")
        )
    };
    let (out, _) = process_in(&dir, 1, &["a"], &fields(tunnel(to.clone(), "HTTP/1.1 200 OK\r\n\r\n")), "");
    assert!(out.contains("\"in\""), "{out}");
    let refusing = tunnel(to, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    let (out, _) = process_in(&dir, 1, &["a"], &fields(refusing), "");
    let text =
        format!("proxyconnect tcp: localhost:{}: 407 Proxy Authentication Required", server.address.port());
    assert!(out.contains(&text), "{out}");
}

#[test]
fn a_proxy_of_socks_looks_names_up_by_itself() {
    let server = Server::start(|seen| answer(200, seen.header("host").to_string()));
    let to = server.address;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
    let proxy = listener.local_addr().expect("it has one");
    let asked = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("it connects");
        // Who it is, and for whom: RFC 1928 and 1929.
        let mut greeting = [0; 2];
        stream.read_exact(&mut greeting).expect("a greeting");
        stream.read_exact(&mut vec![0; greeting[1].into()]).expect("methods");
        stream.write_all(&[5, 2]).expect("it reads");
        let mut user = [0; 2];
        stream.read_exact(&mut user).expect("a user");
        let mut rest = vec![0; usize::from(user[1]) + 1];
        stream.read_exact(&mut rest).expect("its name");
        let mut password = vec![0; rest[usize::from(user[1])].into()];
        stream.read_exact(&mut password).expect("its password");
        stream.write_all(&[1, 0]).expect("it reads");
        let mut request = [0; 5];
        stream.read_exact(&mut request).expect("a request");
        let mut name = vec![0; usize::from(request[4]) + 2];
        stream.read_exact(&mut name).expect("a name and a port");
        stream.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).expect("it reads");
        let other = TcpStream::connect(to).expect("it is there");
        let (mut back, mut forth) = (other.try_clone().expect("shared"), stream.try_clone().expect("shared"));
        thread::spawn(move || _ = std::io::copy(&mut back, &mut stream));
        let mut other = other;
        thread::spawn(move || _ = std::io::copy(&mut forth, &mut other));
        name.truncate(name.len() - 2);
        format!("{} {}", String::from_utf8_lossy(&name), String::from_utf8_lossy(&password))
    });
    let fields =
        format!("url: 'http://nowhere.invalid/', retries: 0, proxy_url: 'socks5://ada:sesame@{proxy}'");
    let (out, _) = process(&["a"], &fields, "");
    assert!(out.contains("\"nowhere.invalid\""), "{out}");
    assert_eq!(asked.join().expect("it does not panic"), "nowhere.invalid sesame");
}
