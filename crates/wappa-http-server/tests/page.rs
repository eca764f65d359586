//! The page at `/`, and what it is told: who is told what, how often, and how many may listen.

mod support;

use support::{Client, Running, ask, wait_until};

const STREAM: &str = "
input: {label: in, http_server: {}}
pipeline:
  processors:
    - label: picky
      mapping: 'root = if content() == \"bad\" { throw(\"a secret: %s\".format(content())) } else { content() }'
    - catch: [{mapping: root = content()}]
output: {sync_response: {}}
";

fn start(http: &str) -> Running {
    let running = Running::start(&format!("http: {{address: '127.0.0.1:0'{http}}}\n{STREAM}"));
    let port = running.service_port;
    wait_until("all is connected", || ask(port, "GET", "/ready", "", "").status == 200);
    running
}

/// Listens for events under a name of the machine, or under a foreign one.
fn listen(running: &Running, host: &str) -> Client {
    let mut client = Client::new(running.service_port);
    client.write(format!("GET /-/live HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    let head = client.head().expect("there is an answer");
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    client
}

/// What is told until it is so.
fn told(client: &mut Client, is_so: impl Fn(&str) -> bool) -> String {
    loop {
        let chunk = client.chunk().expect("there is more");
        let text = String::from_utf8(chunk).expect("it is a text");
        if is_so(&text) {
            return text;
        }
    }
}

#[test]
fn the_page_is_one_file_that_may_do_nothing_but_what_it_is_for() {
    let running = start("");
    let page = ask(running.service_port, "GET", "/", "", "");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").expect("it has one");
    for rule in ["default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "script-src 'sha256-"]
    {
        assert!(policy.contains(rule), "{policy}");
    }
    let text = page.text();
    assert!(text.contains("<title>Wappa</title>") && text.contains("EventSource"), "{text}");
    for outside in ["http://", "https://", "//cdn", "@import", "/*STYLE*/", "/*SCRIPT*/"] {
        let is_namespace = |it: &str| it.starts_with("http://www.w3.org/2000/svg");
        let found = text.match_indices(outside).find(|(at, _)| !is_namespace(&text[*at..]));
        assert!(found.is_none(), "{outside}");
    }
    let packed = ask(running.service_port, "GET", "/", "Accept-Encoding: gzip\r\n", "");
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
}

#[test]
fn a_component_s_own_path_comes_first() {
    let running = Running::start(
        "http: {address: '127.0.0.1:0'}\ninput: {http_server: {path: /}}\noutput: {sync_response: {}}",
    );
    let port = running.service_port;
    wait_until("it answers", || ask(port, "POST", "/", "", "a").brief() == "200 a");
    assert_eq!(ask(port, "GET", "/nowhere", "", "").status, 405);
}

/// Names and numbers are for everybody, as in `/metrics`; what failed messages say is not.
#[test]
fn who_is_told_what() {
    let running = start("");
    let [mut own, mut foreign] = ["127.0.0.1", "evil.example"].map(|it| listen(&running, it));
    assert_eq!(ask(running.service_port, "POST", "/post", "", "bad").brief(), "200 bad");
    let has_failed = |it: &str| it.contains("\"kind\":\"failed\"");
    let all = told(&mut own, has_failed);
    assert!(all.contains("\"trusted\":true") && all.contains("a secret: bad"), "{all}");
    assert!(
        all.contains("\"root.pipeline.processors.0\":{\"kind\":\"processor\",\"label\":\"picky\""),
        "{all}"
    );
    let public = told(&mut foreign, has_failed);
    assert!(public.contains("\"trusted\":false") && public.contains("\"label\":\"picky\""), "{public}");
    assert!(!public.contains("secret"), "{public}");
}

#[test]
fn what_is_told_are_numbers_of_the_last_second() {
    let running = start("");
    let mut client = listen(&running, "localhost");
    let first = told(&mut client, |it| it.contains("event: look\n"));
    assert!(first.starts_with("retry: 1000\n\nevent: picture\ndata: {\"stream\":\"\","), "{first}");
    // At the first look there is nothing to compare with.
    assert!(!first.contains("\"in\":"), "{first}");
    assert_eq!(ask(running.service_port, "POST", "/post", "", "a").status, 200);
    let is_idle = |it: &str| it.contains("\"label\":\"in\",\"n\":1,\"in\":0,");
    let counted = told(&mut client, |it| it.contains("\"label\":\"in\",\"n\":1,\"in\":") && !is_idle(it));
    assert!(!counted.contains("event: picture"), "{counted}");
    assert!(counted.contains("\"p99\":"), "{counted}");
    // It was one message, which is over.
    let later = told(&mut client, is_idle);
    assert!(later.contains("\"unanswered\":0"), "{later}");
}

#[test]
fn no_more_listen_than_may_and_who_goes_makes_room() {
    let running = start("");
    let mut all: Vec<Client> = (0..64).map(|_| listen(&running, "localhost")).collect();
    let port = running.service_port;
    let refused = ask(port, "GET", "/-/live", "", "");
    assert_eq!(refused.brief(), "503 64 look already, and no more can: close a page");
    all.truncate(60);
    wait_until("there is room again", || {
        let mut client = Client::new(port);
        client.write("GET /-/live HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client.head().is_some_and(|it| it.status == 200)
    });
    // A service that closes does not wait for those who listen.
    drop(running);
    assert!(all[0].chunk().is_some());
}
