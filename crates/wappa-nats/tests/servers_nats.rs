//! Streams that read and write a real server of NATS, which stands still, is killed and comes back.

mod support;

use std::{thread, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD};
use futures_util::StreamExt;
use support::{Outside, first_of_each, lint, start};
use wappa_servers::{Dir, Server, nats::Nats, or_skip, wait_until};

fn server() -> Option<Server> {
    or_skip(Nats::find()).map(Nats::start)
}

fn url(server: &Server) -> String {
    format!("urls: ['nats://{}']", server.address())
}

/// From one stream into another.
fn through(server: &Server, input: &str, processors: &str) -> String {
    let url = url(server);
    format!(
        "input: {{ nats_jetstream: {{ {url}, {input} }} }}\npipeline: {{ threads: 2, processors: [{processors}] }}\n\
         output: {{ nats_jetstream: {{ {url}, subject: out.all }} }}\n"
    )
}

#[test]
fn subjects_headers_and_metadata_go_both_ways() {
    let Some(server) = server() else { return };
    let outside = Outside::new(&server);
    let url = url(&server);
    let running = start(&format!(
        "input: {{ nats: {{ {url}, subject: 'in.*', queue: q }} }}\n\
         pipeline: {{ processors: [{{ mapping: 'root = content().uppercase() + \" \" + metadata(\"nats_subject\") + \" \" + metadata(\"kind\").or(\"none\") + metadata(\"nats_reply_subject\")' }}] }}\n\
         output: {{ nats: {{ {url}, subject: 'out.${{! metadata(\"nats_subject\").split(\".\").index(1) }}', headers: {{ fixed: \"a\\nb\", n: '${{! content().length() }}' }}, metadata: {{ include_prefixes: [ki] }} }} }}\n"
    ));
    running.log.line_with("Input type nats is now active");
    let mut out = outside.run(outside.client.subscribe("out.>")).expect("it can be read");
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("kind", "k");
    outside.run(async {
        outside.client.publish_with_headers("in.a", headers, "one".into()).await.expect("it is sent");
        outside.client.publish("in.b", "two".into()).await.expect("it is sent");
        let one = out.next().await.expect("it comes");
        assert_eq!((one.subject.as_str(), &one.payload[..]), ("out.a", &b"ONE in.a k"[..]));
        let of_one = one.headers.expect("it has some");
        let header = |name: &str| of_one.get(name).map(|it| it.as_str().to_string()).unwrap_or_default();
        assert_eq!(["fixed", "n", "kind", "nats_subject"].map(header), ["a b", "10", "k", ""]);
        let two = out.next().await.expect("it comes");
        assert_eq!((two.subject.as_str(), &two.payload[..]), ("out.b", &b"TWO in.b none"[..]));
        // Whoever waits for an answer is told that it has arrived.
        let answer = outside.client.request("in.c", "three".into()).await.expect("it is answered");
        assert_eq!(&answer.payload[..], b"+ACK");
    });
    assert_eq!(running.drain().fault, None);
}

#[test]
fn what_is_published_once_a_stream_is_active_is_read() {
    let Some(server) = server() else { return };
    let (outside, dir) = (Outside::new(&server), Dir::new());
    for round in 0..20 {
        let out = format!("out{round}");
        let running = start(&format!(
            "input: {{ nats: {{ {}, subject: in }} }}\noutput: {{ file: {{ path: {:?}, codec: lines }} }}\n",
            url(&server),
            dir.at(&out)
        ));
        running.log.line_with("Input type nats is now active");
        outside.run(async {
            outside.client.publish("in", "first".into()).await.expect("it is sent");
            outside.client.flush().await.expect("it is sent");
        });
        wait_until("the first", || dir.read(&out) == "first\n");
        assert_eq!(running.drain().fault, None);
    }
}

/// Who may not use inboxes is answered by the refusal.
#[test]
fn accounts_without_inboxes_read_and_stop_as_others_do() {
    let users = [
        ("none", "publish: ['out'], subscribe: ['in']"),
        ("deaf", "publish: ['out', '_INBOX.>'], subscribe: ['in']"),
        ("dumb", "publish: ['out'], subscribe: ['in', '_INBOX.>']"),
    ];
    let of_user =
        |(name, rules): &(&str, &str)| format!("{{ user: {name}, password: p, permissions: {{ {rules} }} }}");
    let nats = or_skip(Nats::find()).map(|it| {
        let users: Vec<String> = users.iter().map(of_user).collect();
        it.config(&format!("authorization {{ users: [{{ user: all, password: p }}, {}] }}", users.join(", ")))
    });
    let Some(server) = nats.map(Nats::start) else { return };
    let options = async_nats::ConnectOptions::with_user_and_password("all".to_string(), "p".to_string());
    let outside = Outside::with(&server, options);
    for (user, _) in users {
        let urls = format!("urls: ['nats://{user}:p@{}']", server.address());
        let running = start(&format!(
            "input: {{ nats: {{ {urls}, subject: in }} }}\noutput: {{ nats: {{ {urls}, subject: out }} }}\n"
        ));
        let mut out = outside.run(outside.client.subscribe("out")).expect("it can be read");
        running.log.line_with("Input type nats is now active");
        outside.run(async {
            outside.client.publish("in", "one".into()).await.expect("it is sent");
            let one = out.next().await.expect("it comes");
            assert_eq!(&one.payload[..], b"one");
        });
        let log = running.log.text();
        assert_eq!(running.drain().fault, None);
        assert!(!log.contains("Error ") && !log.contains("has not said"), "{user}: {log}");
        assert!(log.contains("Debug NATS server: Permissions Violation"), "{user}: {log}");
    }
}

#[test]
fn what_was_read_is_worked_off_at_a_stop() {
    let Some(server) = server() else { return };
    let (outside, dir) = (Outside::new(&server), Dir::new());
    let running = start(&format!(
        "input: {{ nats: {{ {}, subject: in }} }}\npipeline: {{ threads: 1, processors: [{{ sleep: {{ duration: 1ms }} }}] }}\n\
         output: {{ file: {{ path: {:?}, codec: lines }} }}\n",
        url(&server),
        dir.at("out")
    ));
    running.log.line_with("Input type nats is now active");
    outside.run(async {
        for n in 0..500 {
            outside.client.publish("in", n.to_string().into()).await.expect("it is sent");
        }
        outside.client.flush().await.expect("it is sent");
    });
    wait_until("the first", || !dir.read("out").is_empty());
    assert_eq!(running.drain().fault, None);
    let expected: String = (0..500).map(|it| format!("{it}\n")).collect();
    assert_eq!(dir.read("out"), expected);
}

#[test]
fn streams_are_read_in_order_and_each_message_is_acknowledged() {
    let Some(server) = server() else { return };
    let outside = Outside::new(&server);
    outside.stream("in");
    outside.publish_numbers("in.all", 0..3_000);
    for (n, kind) in ["pull: false", "pull: true, max_ack_pending: 100", "queue: q"].into_iter().enumerate() {
        outside.stream("out");
        let name = format!("d{n}");
        let running = start(&through(&server, &format!("subject: in.>, durable: {name}, {kind}"), ""));
        wait_until("all", || 3_000 <= outside.n_messages("out"));
        outside.wait_for_all("in", &name);
        assert_eq!(running.drain().fault, None, "{kind}");
        let expected: Vec<String> = (0..3_000).map(|it| it.to_string()).collect();
        assert!(outside.contents("out") == expected, "{kind}");
        // What is there already is read by its name alone.
        outside.publish_numbers("in.all", 3_000..3_001);
        let running = start(&through(&server, &format!("stream: in, durable: {name}, bind: true"), ""));
        wait_until("one more", || 3_001 <= outside.n_messages("out"));
        assert_eq!(running.drain().fault, None, "{kind}");
        outside.run(outside.api().delete_stream("out")).expect("it is there");
        outside.run(outside.api().delete_stream("in")).expect("it is there");
        outside.stream("in");
        outside.publish_numbers("in.all", 0..3_000);
    }
}

#[test]
fn a_consumer_for_another_subject_is_not_read_with() {
    let Some(server) = server() else { return };
    let outside = Outside::new(&server);
    outside.stream("in");
    outside.stream("out");
    for kind in ["pull: false", "pull: true"] {
        let durable = format!("durable: {}, {kind}", kind.replace(": ", "_"));
        let running = start(&through(&server, &format!("subject: in.a, {durable}"), ""));
        running.log.line_with("Input type nats_jetstream is now active");
        assert_eq!(running.drain().fault, None);
        let n_read = outside.n_messages("out");
        outside.publish_numbers("in.a", 0..1);
        let running = start(&through(&server, &format!("subject: in.b, {durable}"), ""));
        let line = running.log.line_with("Failed to connect to nats_jetstream");
        assert!(
            line.contains("is for the subject in.a, and not for in.b: give this one another name"),
            "{line}"
        );
        assert_eq!(running.drain().fault, None);
        assert_eq!(outside.n_messages("out"), n_read, "{kind}");
    }
}

#[test]
fn a_message_that_fails_comes_again_and_one_that_is_slow_does_not() {
    let Some(server) = server() else { return };
    let outside = Outside::new(&server);
    outside.stream("in");
    outside.stream("out");
    outside.publish_numbers("in.all", 0..20);
    let fails = "{ mapping: 'root = if content().number() % 5 == 0 && metadata(\"nats_num_delivered\") == \"1\" { throw(\"no\") } else { content() + \" \" + metadata(\"nats_num_delivered\") + \" \" + metadata(\"nats_sequence_stream\") }' }";
    let slow = "{ sleep: { duration: '${! if content().string().has_prefix(\"7 \") { \"10s\" } else { \"0s\" } }' } }";
    let config = through(
        &server,
        "subject: in.>, durable: d, ack_wait: 4s, nak_delay: 200ms",
        &format!("{fails}, {slow}"),
    );
    let config =
        config.replace("output: { nats_jetstream: {", "output: { reject_errored: { nats_jetstream: {") + "\n";
    let config = config.replace("subject: out.all } }", "subject: out.all } } }");
    let running = start(&config);
    wait_until("all", || 20 <= outside.n_messages("out"));
    outside.wait_for_all("in", "d");
    assert_eq!(running.drain().fault, None);
    let mut contents = outside.contents("out");
    contents.sort();
    let delivered = |n: usize| if n.is_multiple_of(5) { 2 } else { 1 };
    let mut expected: Vec<String> = (0..20).map(|it| format!("{it} {} {}", delivered(it), it + 1)).collect();
    expected.sort();
    assert_eq!(contents, expected);
}

#[test]
fn nothing_is_lost_when_the_server_is_killed_or_stands_still() {
    let Some(mut server) = server() else { return };
    for (round, kind) in ["pull: true", "pull: false"].into_iter().enumerate() {
        let outside = Outside::new(&server);
        outside.stream("in");
        outside.stream("out");
        outside.publish_numbers("in.all", 0..20_000);
        let config = through(&server, &format!("subject: in.>, durable: d, ack_wait: 2s, {kind}"), "");
        let running = start(&config);
        wait_until("some", || 2_000 < outside.n_messages("out"));
        server.kill();
        running.log.line_with("Failed to connect to nats_jetstream: dial nats://127.0.0.1:");
        server.start_again();
        let outside = Outside::new(&server);
        let n = outside.n_messages("out");
        wait_until("it goes on", || {
            n + 2_000 < outside.n_messages("out") || 20_000 <= outside.n_messages("out")
        });
        server.pause();
        thread::sleep(Duration::from_secs(3));
        server.resume();
        outside.wait_for_all("in", "d");
        let report = running.drain();
        assert_eq!(report.fault, None, "{round}");
        let contents = outside.contents("out");
        let mut numbers = first_of_each(&contents);
        numbers.sort_unstable();
        assert!(numbers.iter().copied().eq(0..20_000), "{kind}: {} of 20000", numbers.len());
        // What was on its way and not acknowledged.
        assert!(contents.len() < 20_000 + 8 * 1_024, "{kind}: {} came again", contents.len() - 20_000);
        outside.run(outside.api().delete_stream("out")).expect("it is there");
        outside.run(outside.api().delete_stream("in")).expect("it is there");
    }
}

#[test]
fn what_a_stop_leaves_goes_to_the_next() {
    // A stop gives back what it has, and what the server was sending just then. What it left out would come after the test.
    for gives_up in [false, true] {
        let Some(server) = server() else { return };
        let outside = Outside::new(&server);
        outside.stream("in");
        outside.stream("out");
        outside.publish_numbers("in.all", 0..2_000);
        let input = "subject: in.>, durable: d, pull: true, ack_wait: 1h";
        let config = through(&server, input, "{ sleep: { duration: 1ms } }");
        // Each is stopped in the middle.
        for n in [100, 600] {
            let running = start(&config);
            wait_until("some", || n < outside.n_messages("out"));
            if gives_up {
                // What is worked on is given up.
                running.stop.abandon();
            }
            assert_eq!(running.drain().fault, None);
        }
        let running = start(&config);
        wait_until("all", || 2_000 <= outside.n_messages("out"));
        outside.wait_for_all("in", "d");
        running.drain();
        let mut numbers = first_of_each(&outside.contents("out"));
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..2_000));
    }
}

#[test]
fn several_share_a_stream() {
    let Some(server) = server() else { return };
    let outside = Outside::new(&server);
    for kind in ["pull: true", "queue: q"] {
        outside.stream("in");
        outside.stream("out");
        let one = start(&through(&server, &format!("subject: in.>, durable: d, {kind}"), ""));
        one.log.line_with("Input type nats_jetstream is now active");
        let two = start(&through(&server, &format!("subject: in.>, durable: d, {kind}"), ""));
        two.log.line_with("Input type nats_jetstream is now active");
        outside.publish_numbers("in.all", 0..2_000);
        outside.wait_for_all("in", "d");
        one.drain();
        outside.publish_numbers("in.all", 2_000..2_100);
        outside.wait_for_all("in", "d");
        two.drain();
        let mut numbers = first_of_each(&outside.contents("out"));
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..2_100) && outside.n_messages("out") == 2_100, "{kind}");
        outside.run(outside.api().delete_stream("out")).expect("it is there");
        outside.run(outside.api().delete_stream("in")).expect("it is there");
    }
}

#[test]
fn a_message_with_the_same_id_is_stored_once() {
    let Some(server) = server() else { return };
    let (outside, dir) = (Outside::new(&server), Dir::new());
    outside.stream("out");
    let input = dir.write("in", "a 1\nb 2\na 3\nc 4\n");
    let running = start(&format!(
        "input: {{ file: {{ paths: [{input:?}] }} }}\n\
         output: {{ nats_jetstream: {{ {}, subject: out.all, headers: {{ Nats-Msg-Id: '${{! content().slice(0, 1) }}' }} }} }}\n",
        url(&server)
    ));
    assert_eq!(running.join().fault, None);
    assert_eq!(outside.contents("out"), ["a 1", "b 2", "c 4"]);
}

/// Sends lines to an output that fails, and gives the log.
fn failing(output: &str) -> String {
    let dir = Dir::new();
    let input = dir.write("in", "one\n");
    let running = start(&format!(
        "input: {{ file: {{ paths: [{input:?}], auto_replay_nacks: false }} }}\noutput: {{ {output} }}\n"
    ));
    running.log.line_with("not delivered");
    let log = running.log.text();
    running.join();
    log
}

#[test]
fn what_a_server_does_not_take_is_told() {
    let nats = or_skip(Nats::find()).map(|it| {
        it.config(
            "max_payload: 1000\nauthorization { users: [\n\
             { user: all, password: s3cret }\n\
             { user: few, password: s3cret, permissions: { publish: ['free.>', '_INBOX.>', '$JS.API.>'], subscribe: ['_INBOX.>', 'in.>'] } }\n\
             ] }\n",
        )
    });
    let Some(server) = nats.map(Nats::start) else { return };
    let address = server.address();
    let options = async_nats::ConnectOptions::with_user_and_password("all".to_string(), "s3cret".to_string());
    let outside = Outside::with(&server, options);
    outside.stream("free");
    let all = format!("urls: ['nats://all:s3cret@{address}']");
    let few = format!("urls: ['nats://few:s3cret@{address}']");
    let check = |output: &str, expected: &str| {
        let log = failing(output);
        assert!(log.contains(expected) && !log.contains("s3cret"), "{output}\n{log}");
    };
    check(
        &format!("nats_jetstream: {{ {all}, subject: nobody }}"),
        "no stream takes messages of this subject",
    );
    check(
        &format!("nats_jetstream: {{ {few}, subject: secret.x }}"),
        "Permissions Violation for Publish to \"secret.x\"",
    );
    check(
        &format!("nats_jetstream: {{ {all}, subject: 'free.*' }}"),
        "\"free.*\" is no subject to publish to",
    );
    check(
        &format!("nats_jetstream: {{ {all}, subject: free.x, headers: {{ h: '{}' }} }}", "x".repeat(1_100)),
        "the message is larger than the 1000 bytes that the server takes",
    );
    check(&format!("nats: {{ {all}, subject: 'a b' }}"), "\"a b\" is no subject to publish to");
    check(&format!("nats: {{ {all}, subject: '${{! throw(\"no\") }}' }}"), "subject interpolation error: ");
    // Subscribing is refused late, and told.
    let running =
        start(&format!("input: {{ nats: {{ {few}, subject: secret.y }} }}\noutput: {{ drop: {{}} }}\n"));
    let line = running.log.line_with("the server does not let us read secret.y");
    assert!(line.contains("Permissions Violation for Subscription"), "{line}");
}

#[test]
fn who_cannot_connect_is_told_why_and_goes_on_later() {
    let Some(nats) = or_skip(Nats::find()) else { return };
    let mut server = nats.config("authorization { user: ann, password: 'p@ss' }").start();
    let address = server.address();
    let input = |user: &str| {
        format!(
            "input: {{ nats: {{ urls: ['nats://{user}@{address}'], subject: in }} }}\noutput: {{ drop: {{}} }}\n"
        )
    };
    let running = start(&input("ann:wrong"));
    let line = running.log.line_with("Failed to connect");
    assert_eq!(
        line,
        format!(
            "Error Failed to connect to nats: dial nats://{address}: the server does not let us in: Authorization Violation"
        )
    );
    drop(running);
    server.stop();
    let running = start(&input("ann:p%40ss"));
    let line = running.log.line_with("Failed to connect");
    assert_eq!(line, format!("Error Failed to connect to nats: dial nats://{address}: connection refused"));
    server.start_again();
    running.log.line_with("Input type nats is now active");
    assert!(!running.log.text().contains("p%40ss") && !running.log.text().contains("p@ss"));
    drop(running);
    // It takes the connection, and says nothing.
    server.pause();
    let running = start(&input("ann:p%40ss"));
    running.log.line_with(&format!("dial nats://{address}: the server does not answer"));
    server.resume();
    running.log.line_with("Input type nats is now active");
}

#[test]
fn connections_are_encrypted_and_who_is_at_the_other_end_is_verified() {
    let Some(nats) = or_skip(Nats::find()) else { return };
    let dir = Dir::new();
    let files = |name: &str, host: &str| {
        let made = rcgen::generate_simple_self_signed([host.to_string()]).expect("it can be made");
        let text = |tag: &str, der: &[u8]| pem::encode(&pem::Pem::new(tag, der));
        let cert = dir.write(&format!("{name}.pem"), text("CERTIFICATE", made.cert.der()));
        (cert, dir.write(&format!("{name}.key"), text("PRIVATE KEY", &made.signing_key.serialize_der())))
    };
    let (cert, key) = files("right", "127.0.0.1");
    let (other, _) = files("other", "127.0.0.1");
    let server =
        nats.config(&format!("tls {{ cert_file: {cert:?}, key_file: {key:?}, timeout: 60 }}")).start();
    let config = |root: &str| {
        let tls = format!("tls: {{ enabled: true, root_cas_file: {root:?} }}");
        format!("input: {{ nats: {{ {}, subject: in, {tls} }} }}\noutput: {{ drop: {{}} }}\n", url(&server))
    };
    start(&config(&cert)).log.line_with("Input type nats is now active");
    let line = start(&config(&other)).log.line_with("invalid peer certificate");
    assert!(line.starts_with("Error Failed to connect to nats: dial nats://"), "{line}");
    let missing = dir.at("none.pem");
    let line = start(&config(&missing)).log.line_with("Failed to connect");
    assert!(line.contains(&format!("open {missing}: no such file or directory")), "{line}");
    drop(server);
    let (cert, key) = files("strange", "example.com");
    let nats = or_skip(Nats::find()).expect("it was there");
    let server =
        nats.config(&format!("tls {{ cert_file: {cert:?}, key_file: {key:?}, timeout: 60 }}")).start();
    let tls = format!("tls: {{ enabled: true, root_cas_file: {cert:?} }}");
    let config =
        format!("input: {{ nats: {{ {}, subject: in, {tls} }} }}\noutput: {{ drop: {{}} }}\n", url(&server));
    start(&config).log.line_with("it is not for 127.0.0.1, but for ");
}

#[test]
fn users_are_known_by_their_keys() {
    let Some(nats) = or_skip(Nats::find()) else { return };
    let (key, dir) = (nkeys::KeyPair::new_user(), Dir::new());
    let server =
        nats.config(&format!("authorization {{ users: [{{ nkey: {} }}] }}", key.public_key())).start();
    let file = dir.write("user.nk", key.seed().expect("it has one"));
    let other = dir.write("other.nk", nkeys::KeyPair::new_user().seed().expect("it has one"));
    let config = |file: &str| {
        format!(
            "input: {{ nats: {{ {}, subject: in, auth: {{ nkey_file: {file:?} }} }} }}\noutput: {{ drop: {{}} }}\n",
            url(&server)
        )
    };
    start(&config(&file)).log.line_with("Input type nats is now active");
    start(&config(&other)).log.line_with("Authorization Violation");
    let missing = dir.at("none.nk");
    start(&config(&missing)).log.line_with(&format!("open {missing}: no such file or directory"));
}

#[test]
fn who_has_a_certificate_or_a_token_is_let_in() {
    let Some(nats) = or_skip(Nats::find()) else { return };
    let dir = Dir::new();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_string()]).expect("it can be made");
    let text = |tag: &str, der: &[u8]| pem::encode(&pem::Pem::new(tag, der));
    let cert = dir.write("own.pem", text("CERTIFICATE", made.cert.der()));
    let key = dir.write("own.key", text("PRIVATE KEY", &made.signing_key.serialize_der()));
    let server = nats
        .config(&format!(
            "tls {{ cert_file: {cert:?}, key_file: {key:?}, ca_file: {cert:?}, verify: true, timeout: 60 }}\n\
             authorization {{ token: 't0ken/s3cret' }}\n"
        ))
        .start();
    let config = |token: &str, more: &str| {
        let tls = format!("tls: {{ enabled: true, root_cas_file: {cert:?}, {more} }}");
        format!(
            "input: {{ nats: {{ urls: ['tls://{token}@{}'], subject: in, {tls} }} }}\noutput: {{ drop: {{}} }}\n",
            server.address()
        )
    };
    let shown = format!("client_certs: [{{ cert_file: {cert:?}, key_file: {key:?} }}]");
    let running = start(&config("t0ken%2Fs3cret", &shown));
    running.log.line_with("Input type nats is now active");
    let running = start(&config("wrong-s3cret", &shown));
    running.log.line_with("Authorization Violation");
    assert!(!running.log.text().contains("s3cret"));
    let running = start(&config("t0ken%2Fs3cret", ""));
    running.log.line_with("Failed to connect to nats: dial tls://");
    assert!(
        !running.log.text().contains("Input type nats is now active")
            && !running.log.text().contains("s3cret")
    );
}

/// Claims, signed by a key of NATS.
fn jwt(by: &nkeys::KeyPair, of: &nkeys::KeyPair, claims: &str) -> String {
    let encode = |it: &[u8]| URL_SAFE_NO_PAD.encode(it);
    let body = format!(
        "{{\"jti\":\"x\",\"iat\":1700000000,\"iss\":{:?},\"name\":\"test\",\"sub\":{:?},\"nats\":{claims}}}",
        by.public_key(),
        of.public_key()
    );
    let text =
        format!("{}.{}", encode(b"{\"typ\":\"JWT\",\"alg\":\"ed25519-nkey\"}"), encode(body.as_bytes()));
    let signature = by.sign(text.as_bytes()).expect("it can sign");
    format!("{text}.{}", encode(&signature))
}

#[test]
fn users_are_known_by_their_credentials() {
    let Some(nats) = or_skip(Nats::find()) else { return };
    let dir = Dir::new();
    let (operator, user) = (nkeys::KeyPair::new_operator(), nkeys::KeyPair::new_user());
    let (account, system) = (nkeys::KeyPair::new_account(), nkeys::KeyPair::new_account());
    let limits = r#"{"limits":{"subs":-1,"data":-1,"payload":-1,"imports":-1,"exports":-1,"wildcards":true,"conn":-1,"leaf":-1},"type":"account","version":2}"#;
    let server = nats
        .config(&format!(
            "operator: {}\nresolver: MEMORY\nsystem_account: {}\nresolver_preload: {{ {}: {}, {}: {} }}\n",
            jwt(&operator, &operator, r#"{"type":"operator","version":2}"#),
            system.public_key(),
            system.public_key(),
            jwt(&operator, &system, limits),
            account.public_key(),
            jwt(&operator, &account, limits),
        ))
        .start();
    let token = jwt(&account, &user, r#"{"subs":-1,"data":-1,"payload":-1,"type":"user","version":2}"#);
    let seed = user.seed().expect("it has one");
    let file = dir.write(
        "user.creds",
        format!(
            "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        ),
    );
    let config = |auth: &str| {
        format!(
            "input: {{ nats: {{ {}, subject: in, auth: {{ {auth} }} }} }}\noutput: {{ drop: {{}} }}\n",
            url(&server)
        )
    };
    let by_file = config(&format!("user_credentials_file: {file:?}"));
    start(&by_file).log.line_with("Input type nats is now active");
    let by_text = config(&format!("user_jwt: {token}, user_nkey_seed: {seed}"));
    start(&by_text).log.line_with("Input type nats is now active");
    let other = nkeys::KeyPair::new_user().seed().expect("it has one");
    let running = start(&config(&format!("user_jwt: {token}, user_nkey_seed: {other}")));
    running.log.line_with("Authorization Violation");
    assert!(!running.log.text().contains(&other) && !running.log.text().contains(&token));
}

#[test]
fn who_asks_is_answered_with_what_comes_of_it() {
    let Some(server) = server() else { return };
    let outside = Outside::new(&server);
    let running = start(&format!(
        "input: {{ nats: {{ {}, subject: 'shout.>' }} }}\n\
         pipeline: {{ processors: [{{ mapping: \"root = content().uppercase()\\nmeta n = content().length()\" }}] }}\n\
         output: {{ reject_errored: {{ sync_response: {{}} }} }}\n",
        url(&server)
    ));
    running.log.line_with("Input type nats is now active");
    outside.run(async {
        let answer = outside.client.request("shout.x", "hello".into()).await.expect("it is answered");
        let n = answer.headers.as_ref().and_then(|it| it.get("n")).map(|it| it.as_str().to_string());
        assert_eq!((&answer.payload[..], n.as_deref()), (&b"HELLO"[..], Some("5")));
    });
    running.drain();
}

/// The streams of the guide run as they stand there.
#[test]
fn the_guide_is_true() {
    let Some(server) = server() else { return };
    let outside = Outside::new(&server);
    let config = async_nats::jetstream::stream::Config {
        name: "orders".to_string(),
        subjects: vec!["orders.>".to_string(), "done.>".to_string()],
        ..Default::default()
    };
    outside.run(outside.api().create_stream(config)).expect("it can be made");
    let guide = include_str!("../../../docs/servers/nats.md");
    let config = guide.split("```yaml\n").nth(1).and_then(|it| it.split("```").next()).expect("there is one");
    let running = start(&config.replace("localhost:4222", &server.address()));
    outside.publish_numbers("orders.de", 0..3);
    outside.run(async {
        outside.api().publish("orders.at.wien", "zwei melange".into()).await.expect("it is sent");
    });
    wait_until("all", || 8 <= outside.n_messages("orders"));
    assert_eq!(running.drain().fault, None);
    assert_eq!(outside.contents("orders").last().map(String::as_str), Some("ZWEI MELANGE"));
}

#[test]
fn requests_are_answered() {
    let Some(server) = server() else { return };
    let (outside, dir) = (Outside::new(&server), Dir::new());
    let mut asked = outside.run(outside.client.subscribe("ask.>")).expect("it can be read");
    let client = outside.client.clone();
    outside.run(async {
        tokio::spawn(async move {
            while let Some(message) = asked.next().await {
                if &message.payload[..] == b"silent" {
                    continue;
                }
                let Some(reply) = message.reply else { continue };
                let headers = message.headers.unwrap_or_default();
                let payload = String::from_utf8_lossy(&message.payload).to_uppercase();
                let _ = client.publish_with_headers(reply, headers, payload.into()).await;
            }
        });
    });
    let input = dir.write("in", "one\nsilent\nnobody\ntwo\n");
    let running = start(&format!(
        "input: {{ file: {{ paths: [{input:?}] }} }}\npipeline: {{ threads: 1, processors: [\n\
         {{ nats_request_reply: {{ {}, subject: '${{! if content() == \"nobody\" {{ \"none\" }} else {{ \"ask.x\" }} }}', headers: {{ h: 'v-${{! content() }}' }}, timeout: 1s }} }},\n\
         {{ mapping: 'root = content() + \" \" + metadata(\"h\").or(\"\") + error().or(\"\")' }}] }}\n\
         output: {{ file: {{ path: {:?}, codec: lines }} }}\n",
        url(&server),
        dir.at("out")
    ));
    assert_eq!(running.join().fault, None);
    assert_eq!(
        dir.read("out"),
        "ONE v-one\nsilent nobody has answered at ask.x in time\nnobody nobody reads none (no responders)\nTWO v-two\n"
    );
}

#[test]
fn buckets_are_written_read_watched_and_used_as_caches() {
    let Some(server) = server() else { return };
    let (outside, dir, url) = (Outside::new(&server), Dir::new(), url(&server));
    let config =
        async_nats::jetstream::kv::Config { bucket: "b".to_string(), history: 10, ..Default::default() };
    outside.run(outside.api().create_key_value(config)).expect("it can be made");
    let input = dir.write("in", "k1 a\nk2 b\nk1 c\n");
    let running = start(&format!(
        "input: {{ file: {{ paths: [{input:?}] }} }}\noutput: {{ nats_kv: {{ {url}, bucket: b, key: '${{! content().slice(0, 2) }}' }} }}\n"
    ));
    assert_eq!(running.join().fault, None);
    // What it watches it has from the beginning, and then as it happens.
    let watching = start(&format!(
        "input: {{ nats_kv: {{ {url}, bucket: b, include_history: true }} }}\n\
         pipeline: {{ threads: 1, processors: [{{ mapping: 'root = [metadata(\"nats_kv_key\"), content(), metadata(\"nats_kv_revision\"), metadata(\"nats_kv_operation\"), metadata(\"nats_kv_created\").ts_unix() > 0].map_each(it -> it.string()).join(\" \")' }}] }}\n\
         output: {{ file: {{ path: {:?}, codec: lines }} }}\n",
        dir.at("watched")
    ));
    wait_until("the past", || dir.read("watched").lines().count() == 3);
    let asking = |name: &str, lines: &str, processors: &str| {
        let input = dir.write("asked", lines);
        let running = start(&format!(
            "input: {{ file: {{ paths: [{input:?}] }} }}\npipeline: {{ threads: 1, processors: [{processors}, {{ mapping: 'root = content() + \" \" + error().or(\"\")' }}] }}\n\
             output: {{ file: {{ path: {:?}, codec: lines }} }}\n\
             cache_resources: [{{ label: c, nats_kv: {{ {url}, bucket: b }} }}]\n",
            dir.at(name)
        ));
        assert_eq!(running.join().fault, None);
        dir.read(name)
    };
    let kv =
        |fields: &str| format!("{{ nats_kv: {{ {url}, bucket: b, key: '${{! content() }}', {fields} }} }}");
    assert_eq!(asking("1", "k1\nk3\n", &kv("operation: get")), "k1 c \nk3 key not found\n");
    assert_eq!(
        asking("2", "k1\nk9\n", &kv("operation: get_revision, revision: '1'")),
        "k1 a \nk9 key not found\n"
    );
    assert_eq!(asking("3", "k1\nk3\n", &kv("operation: create")), "k1 key exists\nk3 \n");
    assert_eq!(asking("4", "k3\n", &kv("operation: delete")), "k3 \n");
    assert_eq!(asking("5", "*\n", &kv("operation: keys")), "[\"k2\",\"k1\"] \n");
    let wrong = asking("6", "k1\n", &kv("operation: update, revision: '1'"));
    assert!(wrong.starts_with("k1 ") && wrong.contains("wrong last sequence"), "{wrong}");
    assert!(asking("7", "k1\n", &kv("operation: history")).matches("\"revision\"").count() == 2);
    let cache = |operator: &str| {
        format!("{{ cache: {{ resource: c, operator: {operator}, key: '${{! content() }}', value: v }} }}")
    };
    assert_eq!(asking("8", "k5\nk5\n", &cache("add")), "k5 \nk5 key already exists: k5\n");
    assert_eq!(
        asking("9", "k5\nk6\n", &cache("get")),
        "v \nk6 operator failed for key 'k6': key does not exist\n"
    );
    assert_eq!(asking("10", "k5\n", &cache("delete")), "k5 \n");
    assert_eq!(asking("11", "k5\n", &cache("exists")), "false \n");
    wait_until("the rest", || 7 <= dir.read("watched").lines().count());
    let expected = "k1 k1 a 1 KeyValuePutOp true\nk2 k2 b 2 KeyValuePutOp true\nk1 k1 c 3 KeyValuePutOp true\n\
                    k3 k3 4 KeyValuePutOp true\nk3  5 KeyValueDeleteOp true\n";
    assert!(dir.read("watched").starts_with(expected), "{}", dir.read("watched"));
    watching.drain();
}

#[test]
fn configs_that_cannot_work_are_told_so() {
    let checks = [
        ("input: { nats_jetstream: { urls: [a] } }", "subject is empty"),
        (
            "input: { nats_jetstream: { urls: [a], bind: true } }",
            "stream or durable is required, when bind is true",
        ),
        (
            "input: { nats_jetstream: { urls: [a], subject: x, pull: true, queue: q } }",
            "`queue` is for consumers",
        ),
        (
            "input: { nats_jetstream: { urls: [a], subject: x, ack_wait: soon } }",
            "failed to parse ack wait duration",
        ),
        ("input: { nats: { urls: ['ws://u:secret@a'], subject: x } }", "websockets are not supported"),
        ("input: { nats: { urls: [a], subject: x, prefetch_count: -1 } }", "prefetch count must be greater"),
        (
            "input: { nats: { urls: [a], subject: x, auth: { user_jwt: x } } }",
            "missing auth.user_nkey_seed config field",
        ),
        (
            "pipeline: { processors: [nats_kv: { urls: [a], bucket: b, operation: update, key: k }] }",
            "'revision' must be set",
        ),
        (
            "pipeline: { processors: [nats_kv: { urls: [a], bucket: b, operation: get, key: k, revision: '1' }] }",
            "'revision' cannot be set",
        ),
        (
            "output: { nats: { urls: [a], subject: x, metadata: { include_patterns: ['('] } } }",
            "failed to compile regexp",
        ),
    ];
    for (config, expected) in checks {
        let lints = lint(config);
        assert!(lints.contains(expected) && !lints.contains("secret"), "{config}: {lints}");
    }
}
