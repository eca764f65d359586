//! Registries that are slow, wrong or mean ill: each costs its messages, and nothing else.

mod support;

use std::{io::Write, thread, time::Duration};

use support::{Fake, lint, run, schema, start, stream};
use wappa_servers::{Dir, wait_until};

fn decode(fake: &Fake, fields: &str) -> String {
    format!(
        "    - mapping: 'root = content().decode(\"hex\")'\n\
         \x20   - schema_registry_decode: {{ url: {:?}, {fields} }}\n",
        fake.url
    )
}

/// What a registry that answers like this makes of one message.
fn told(code: u16, body: &str) -> String {
    let body = body.to_string();
    let fake = Fake::saying(move |_, _| (code, body.clone()));
    let (out, _) = run(&decode(&fake, "avro_raw_json: false"), "000000000704\n");
    out.replace(&fake.url, "URL")
}

#[test]
fn what_a_registry_may_say() {
    let quoted = |text: &str| schema(7, "AVRO", text);
    assert_eq!(told(200, &quoted("\"int\"")), "2\n");
    assert_eq!(told(404, "{}"), "! schema '7' not found by registry\n");
    assert_eq!(told(500, "no"), "! request failed for schema '7': status code 500: no\n");
    assert_eq!(told(401, ""), "! request failed for schema '7': status code 401\n");
    assert_eq!(told(200, ""), "! schema request returned an empty body\n");
    assert_eq!(
        told(200, "<html>"),
        "! failed to parse response for schema '7': invalid character '<' looking for beginning of value\n"
    );
    assert_eq!(told(200, &quoted("{")), "! schema '7': cannot unmarshal schema JSON: unexpected EOF\n");
    assert_eq!(told(200, &quoted("\"x\"")), "! schema '7': unknown type name: \"x\"\n");
    let huge = " ".repeat(5 << 20);
    assert_eq!(
        told(200, &huge),
        "! request failed for schema '7': Get \"URL/schemas/ids/7\": the answer is larger than 4MiB\n"
    );
    let deep = "[".repeat(1_000_000);
    let out = told(200, &quoted(&deep));
    assert!(out.starts_with("! schema '7': cannot unmarshal schema JSON: ") && out.len() < 300, "{out}");
}

#[test]
fn who_never_answers_is_waited_for_once_a_message() {
    let fake = Fake::start(|_, n, stream| match n {
        // Long behind the time that is waited.
        0 => thread::sleep(Duration::from_secs(60)),
        _ => {
            let body = schema(7, "AVRO", "\"int\"");
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    let (out, log) = run(&decode(&fake, "avro_raw_json: false"), "000000000704\n000000000706\n");
    assert_eq!(out, "! request failed for schema '7': no answer within 5s\n3\n");
    assert!(log.contains("no answer within 5s"), "{log}");
}

#[test]
fn who_is_not_there_is_told() {
    let processors = "    - schema_registry_encode: { url: 'http://user:secret@127.0.0.1:1/base?key=hidden', subject: a }\n";
    let (out, log) = run(processors, "{}\n");
    assert!(
        out.starts_with("! request failed for schema subject 'a': Get \"http://xxxxx@127.0.0.1:1/base/"),
        "{out}"
    );
    assert!(out.contains("connection refused"), "{out}");
    assert!(
        !format!("{out}{log}").contains("secret") && !format!("{out}{log}").contains("hidden"),
        "{out}{log}"
    );
}

#[test]
fn who_is_asked_is_told_who_asks_and_nobody_else() {
    // The server sends back what it was sent.
    let fake = Fake::saying(|_, _| (403, "you are ada, and your password is open-sesame".to_string()));
    let fields = "basic_auth: { enabled: true, username: ada, password: open-sesame }";
    let (out, log) = run(&decode(&fake, fields), "000000000704\n");
    let heads = fake.heads.lock().expect("nobody panicked").clone();
    let expected = "authorization: basic ywrhom9wzw4tc2vzyw1l\r\n";
    assert!(heads.to_lowercase().contains(expected), "{heads}");
    assert!(heads.contains("application/vnd.schemaregistry.v1+json"), "{heads}");
    assert!(!format!("{out}{log}").contains("sesame"), "{out}{log}");
}

#[test]
fn a_schema_is_asked_for_once_and_again_when_it_is_old() {
    let fake = Fake::saying(|_, n| match n {
        0 => (200, schema(1, "AVRO", "\"int\"")),
        1 => (500, String::new()),
        n => (200, schema(n as u32, "AVRO", "\"long\"")),
    });
    let dir = Dir::new();
    dir.write("in", "1\n".repeat(40));
    let processors = format!(
        "    - schema_registry_encode: {{ url: {:?}, subject: a, refresh_period: 1s }}\n\
         \x20   - mapping: 'root = content().encode(\"hex\")'\n\
         \x20   - sleep: {{ duration: 100ms }}\n",
        fake.url
    );
    let (report, log) = start(&stream(&dir, 1, &processors)).join_with_log();
    assert_eq!(report.fault, None);
    let out = dir.read("out");
    // The first one stays in use while it cannot be had again.
    assert!(out.starts_with("000000000102\n") && out.ends_with("02\n"), "{out}");
    wait_until("it is asked again", || 3 <= fake.n_asked());
    assert!(out.contains("000000000202\n"), "{out}");
    assert!(fake.n_asked() < 10, "{}", fake.n_asked());
    assert!(log.has("Failed to refresh schema subject 'a'"), "{}", log.text());
}

#[test]
fn circles_and_crowds_of_references_end() {
    // Each refers to two others, without end.
    let fake = Fake::saying(|path, _| {
        let n: u64 = path.split('/').nth(2).and_then(|it| it.parse().ok()).unwrap_or(1);
        let reference = |n: u64| format!("{{\"name\":\"r{n}\",\"subject\":\"{n}\",\"version\":1}}");
        let references = format!("{},{}", reference(n.wrapping_mul(2)), reference(n.wrapping_mul(2) + 1));
        (200, format!("{{\"id\":7,\"schema\":\"\\\"int\\\"\",\"references\":[{references}]}}"))
    });
    let (out, _) = run(&decode(&fake, "avro_nested_schemas: true"), "000000000704\n");
    let known = out.contains("refers to more than 500 others") || out.contains("no answer within 5s");
    assert!(known && fake.n_asked() < 600, "{out} {}", fake.n_asked());
    let circle = Fake::saying(|_, _| {
        let text = r#"{"type":"record","name":"A","fields":[{"name":"a","type":["null","A"]}]}"#;
        let body = schema(7, "AVRO", text);
        (200, body.replace("\"id\":7", r#""id":7,"references":[{"name":"A","subject":"a","version":1}]"#))
    });
    let (out, _) = run(&decode(&circle, "avro_nested_schemas: true"), "000000000702020200\n");
    assert_eq!(
        out,
        "{\"a\":{\"A\":{\"a\":{\"A\":{\"a\":null}}}}}\n"
            .replace("{\"a\":null}", "{\"a\":{\"A\":{\"a\":null}}}")
    );
    assert_eq!(circle.n_asked(), 2);
}

#[test]
fn a_stream_that_gives_up_does_not_wait() {
    let fake = Fake::start(|_, _, _| thread::sleep(Duration::from_secs(60)));
    let dir = Dir::new();
    dir.write("in", "000000000704\n");
    let running = start(&stream(&dir, 1, &decode(&fake, "avro_raw_json: false")));
    wait_until("it asks", || fake.n_asked() == 1);
    running.stop.abandon();
    running.join();
    assert_eq!(dir.read("out"), "");
}

#[test]
fn lints() {
    let lint = |body: &str| lint(&format!("pipeline:\n  processors:\n    - schema_registry_{body}\n"));
    assert_eq!(lint("decode: { url: 'http://localhost:8081' }"), "");
    assert_eq!(
        lint("decode: { url: 'localhost:8081' }"),
        "(3,1) unsupported protocol scheme \"localhost\"\n"
    );
    assert_eq!(lint("encode: { url: 'http://a' }"), "(3,1) field subject is required\n");
    assert_eq!(
        lint("encode: { url: 'ftp://secret@a', subject: x }"),
        "(3,1) unsupported protocol scheme \"ftp\"\n"
    );
}
