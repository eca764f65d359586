//! Brokers that encrypt, and what is said of those who are not who they should be. With the feature `tls`:
//! `cargo test -p wappa-kafka --features tls --test encrypted`.

mod support;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
};
use support::{Running, make_topic, name, produce, read_topic, record, start};
use wappa_servers::{
    Dir, Server,
    kafka::{self, Kafka},
    or_skip, wait_until,
};

/// What is said of a broker whose certificate is not good: the client's library does not say why it is not.
const UNVERIFIED: &str = "the certificate of the broker is signed by an unknown authority (`root_cas_file`), has expired, or is for another name";

/// Who signs certificates.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: String,
}

/// Files of a certificate: of itself and of its key, and of both in one.
struct Files {
    cert: String,
    key: String,
    both: String,
}

fn pem(tag: &str, der: &[u8]) -> String {
    pem::encode(&pem::Pem::new(tag, der))
}

impl Authority {
    fn new(dir: &Dir, name: &str) -> Authority {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = CertificateParams::new([]).expect("there are no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, key).expect("it can be signed");
        Authority { file: dir.write(&format!("{name}.pem"), pem("CERTIFICATE", issuer.der())), issuer }
    }

    /// A certificate for a host, which has expired long ago if it says so.
    fn sign(&self, dir: &Dir, name: &str, host: &str, has_expired: bool) -> Files {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = CertificateParams::new([host.to_string()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, name);
        if has_expired {
            (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 12, 31));
        }
        let issuer: &Issuer<'_, _> = &self.issuer;
        let cert = params.signed_by(&key, issuer).expect("it can be signed");
        let (cert, key) = (pem("CERTIFICATE", cert.der()), pem("PRIVATE KEY", &key.serialize_der()));
        Files {
            both: dir.write(&format!("{name}-both.pem"), format!("{key}{cert}")),
            cert: dir.write(&format!("{name}.pem"), cert),
            key: dir.write(&format!("{name}.key"), key),
        }
    }
}

/// Puts a line into a topic.
fn write(dir: &Dir, output: &str) -> Running {
    let file = dir.write("in", "line\n");
    start(&format!("input: {{ file: {{ paths: [ {file:?} ] }} }}\noutput: {{ {output} }}"))
}

fn address(server: &Server, idx: usize) -> String {
    format!("127.0.0.1:{}", server.port(idx))
}

/// What is said of a broker that is not let in, or lets nobody in.
fn fault(dir: &Dir, address: &str, fields: &str) -> String {
    let running = write(dir, &format!("kafka: {{ addresses: ['{address}'], topic: t, {fields} }}"));
    running.log.line_with("Error Failed to connect to kafka: ");
    let lines = running.log.lines();
    assert!(!lines.iter().any(|it| it.contains("hunter2")), "{lines:?}");
    running.stop.cut();
    running.join();
    let line = lines.iter().find(|it| it.contains("Failed to connect")).cloned().unwrap_or_default();
    line.replace(address, "ADDRESS")
}

#[test]
fn what_is_encrypted_goes_both_ways_and_who_is_refused_is_told_why() {
    let Some(kafka) = or_skip(Kafka::find()) else { return };
    let dir = Dir::new();
    let (ours, other) = (Authority::new(&dir, "ours"), Authority::new(&dir, "other"));
    let broker = ours.sign(&dir, "broker", "127.0.0.1", false);
    // Whoever comes in by TLS alone has to show a certificate.
    let server = kafka
        .user("alice", "sesame")
        .tls(&broker.both, &ours.file)
        .properties("listener.name.tls.ssl.client.auth=required")
        .start();
    let (plain, topic) = (server.address(), name("encrypted"));
    make_topic(&plain, &topic, 1);
    produce(&plain, &topic, &[record("first")]);
    let (by_sasl, by_cert) = (address(&server, kafka::SASL_TLS), address(&server, kafka::TLS));
    let client = ours.sign(&dir, "client", "client", false);
    let stranger = other.sign(&dir, "stranger", "client", false);
    let roots = |more: &str| format!("tls: {{ enabled: true, root_cas_file: {:?}{more} }}", ours.file);
    let shown = |it: &Files| {
        roots(&format!(", client_certs: [ {{ cert_file: {:?}, key_file: {:?} }} ]", it.cert, it.key))
    };
    let mut n_sent = 1;
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let sasl = format!("sasl: {{ mechanism: {mechanism}, user: alice, password: sesame }}");
        let output = format!("kafka: {{ addresses: ['{by_sasl}'], topic: {topic}, {}, {sasl} }}", roots(""));
        assert_eq!(write(&dir, &output).join().fault, None, "{mechanism}");
        n_sent += 1;
        let out = format!("out-{mechanism}");
        let input = format!(
            "input: {{ kafka_franz: {{ seed_brokers: ['{by_sasl}'], topics: ['{topic}'], consumer_group: g-{mechanism}, {}, \
             sasl: [ {{ mechanism: {mechanism}, username: alice, password: sesame }} ] }} }}\n\
             output: {{ file: {{ path: {:?}, codec: lines }} }}",
            roots(""),
            dir.at(&out)
        );
        let running = start(&input);
        wait_until("all of it", || dir.read(&out).lines().count() == n_sent);
        running.drain();
        let wrong = format!("sasl: {{ mechanism: {mechanism}, user: alice, password: hunter2 }}");
        let told = fault(&dir, &by_sasl, &format!("{}, {wrong}", roots("")));
        assert!(told.contains("SASL authentication error: Authentication failed"), "{told}");
    }
    // By a certificate, and to anybody.
    for tls in
        [shown(&client), shown(&client).replace("root_cas_file", "skip_cert_verify: true, root_cas_file")]
    {
        let output = format!("kafka_franz: {{ seed_brokers: ['{by_cert}'], topic: {topic}, {tls} }}");
        assert_eq!(write(&dir, &output).join().fault, None, "{tls}");
        n_sent += 1;
    }
    assert_eq!(read_topic(&plain, &topic, n_sent).len(), n_sent);
    let sasl = "sasl: { mechanism: PLAIN, user: alice, password: sesame }";
    let strange = format!("tls: {{ enabled: true, root_cas_file: {:?} }}, {sasl}", other.file);
    for (address, fields, expected) in [
        (&by_sasl, strange.as_str(), UNVERIFIED),
        (&by_cert, &roots(""), "the broker refuses our certificate, or asks for one (`client_certs`)"),
        (&by_cert, &shown(&stranger), "the broker refuses our certificate, or asks for one (`client_certs`)"),
        // Without TLS to a port that has it, and with TLS to one that has not.
        (&by_sasl, sasl, "is this a port with TLS (`tls`)?"),
        (&plain, &roots(""), "is this a port without TLS?"),
    ] {
        let told = fault(&dir, address, fields);
        assert!(told.contains(expected), "{fields}: {told}");
    }
}

#[test]
fn certificates_that_have_expired_or_are_for_others_are_told_so() {
    let Some(kafka) = or_skip(Kafka::find()) else { return };
    let dir = Dir::new();
    let ours = Authority::new(&dir, "ours");
    let expired = ours.sign(&dir, "expired", "127.0.0.1", true);
    let strange = ours.sign(&dir, "strange", "broker.example", false);
    let server = kafka
        .user("alice", "sesame")
        .tls(&expired.both, &ours.file)
        .properties(&format!("listener.name.sasltls.ssl.keystore.location={}", strange.both))
        .start();
    let tls = format!("tls: {{ enabled: true, root_cas_file: {:?} }}", ours.file);
    let told = fault(&dir, &address(&server, kafka::TLS), &tls);
    assert!(told.contains(UNVERIFIED), "{told}");
    let sasl = "sasl: { mechanism: PLAIN, user: alice, password: hunter2 }";
    let told = fault(&dir, &address(&server, kafka::SASL_TLS), &format!("{tls}, {sasl}"));
    assert!(told.contains(UNVERIFIED), "{told}");
}
