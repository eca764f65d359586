//! Who may change streams, and who may see what of them.

use std::{io::Write, net::TcpStream, thread};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::{
    program::{AROUND, IDLE, Streams, ask_at},
    support::Program,
};

#[test]
fn no_page_of_somebody_else_changes_anything() {
    let program = Program::new("streams-csrf").file("around.yaml", AROUND).file("f.yaml", IDLE);
    let streams = Streams::start(&program, &["f.yaml"]);
    let foreign = [
        "Origin: http://evil.example\r\n",
        "Origin: null\r\n",
        "Origin: http://evil.example\r\nSec-Fetch-Site: cross-site\r\nContent-Type: text/plain\r\n",
        "Sec-Fetch-Site: same-site\r\nContent-Type: application/json\r\n",
        "User-Agent: Mozilla/5.0\r\nContent-Type: application/x-www-form-urlencoded\r\n",
        "User-Agent: Mozilla/5.0\r\nContent-Type: multipart/form-data; boundary=x\r\n",
        // A name that was made to lead here, from the page of that name.
        "Host: evil.example:4195\r\nOrigin: http://evil.example:4195\r\nSec-Fetch-Site: same-origin\r\n",
        "Host: evil.example\r\n",
    ];
    let changes = [
        ("POST /streams", "{}"),
        ("POST /streams/new", IDLE),
        ("PUT /streams/f", IDLE),
        ("PATCH /streams/f", "{}"),
        ("DELETE /streams/f", ""),
        ("POST /resources/cache/x", "memory: {}"),
        ("BREW /streams/f", ""),
    ];
    for headers in foreign {
        for (request, body) in changes {
            let answer = streams.ask_with(request, headers, body);
            assert_eq!(answer.status, 403, "{request} {headers}: {answer:?}");
        }
    }
    // Nor does a plain reading, however it is asked for.
    for request in
        ["GET /streams/f?_method=DELETE", "HEAD /streams/f", "OPTIONS /streams/f", "GET /resources/cache/x"]
    {
        streams.ask_with(request, "X-HTTP-Method-Override: DELETE\r\n", "");
    }
    assert_eq!(
        streams.ask("GET /streams", "").text(),
        r#"200 {"f":{"active":true,"uptime":T,"uptime_str":T}}"#
    );
    // And what a page of ours, or a program, sends is taken.
    let own = format!("Origin: http://{}\r\nSec-Fetch-Site: same-origin\r\n", streams.address);
    assert_eq!(streams.ask_with("PATCH /streams/f", &own, "{}").text(), "200");
    let curl = "User-Agent: curl/8.5.0\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    assert_eq!(streams.ask_with("PATCH /streams/f", curl, "{}").text(), "200");
    assert_eq!(streams.end().0, Some(0));
}

#[test]
fn with_a_password_nobody_changes_or_reads_anything_without_it() {
    // The password is `secret`, as SHA-256.
    let around = "http: { basic_auth: { enabled: true, username: ada, algorithm: sha256, password_hash: 'K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=' } }\n";
    let program = Program::new("streams-password").file("around.yaml", around).file("f.yaml", IDLE);
    let streams = Streams::start(&program, &["f.yaml"]);
    for request in [
        "GET /streams",
        "GET /streams/f",
        "GET /streams/f/stats",
        "DELETE /streams/f",
        "POST /resources/cache/x",
    ] {
        assert_eq!(streams.ask(request, "memory: {}").status, 401, "{request}");
        assert_eq!(
            streams.ask_with(request, "Authorization: Basic YWRhOndyb25n\r\n", "memory: {}").status,
            401,
            "{request}"
        );
    }
    let known = "Authorization: Basic YWRhOnNlY3JldA==\r\n";
    assert_eq!(streams.ask_with("GET /streams/f", known, "").status, 200);
    // A browser sends the password whoever asks it to.
    let foreign = format!("{known}Origin: http://evil.example\r\n");
    assert_eq!(streams.ask_with("DELETE /streams/f", &foreign, "").status, 403);
    assert_eq!(streams.ask_with("DELETE /streams/f", known, "").text(), "200");
    assert_eq!(streams.end().0, Some(0));
}

#[test]
fn what_is_shown_of_a_config_has_no_secrets() {
    // Its message is never delivered.
    let around = AROUND.replace("60s", "1s");
    let program =
        Program::new("streams-secrets").file("around.yaml", around).env("TOKEN", "from-the-environment");
    let streams = Streams::start(&program, &[]);
    let config = "input: { generate: { mapping: 'root = 1', interval: 1h } }
output:
  http_client:
    url: 'http://ada:hidden-in-url@127.0.0.1:1/x?token=hidden-in-query'
    headers: { Authorization: '${TOKEN}' }
    basic_auth: { enabled: true, username: ada, password: hidden-password }";
    assert_eq!(streams.ask("POST /streams/a", config).text(), "200");
    for request in [
        "GET /streams/a",
        "GET /streams",
        "GET /streams/a/stats",
        "GET /debug/config/json",
        "GET /debug/tap",
        "GET /debug/stack",
    ] {
        let shown = streams.ask(request, "");
        assert_eq!(shown.status, 200, "{request}");
        assert!(
            !shown.body.contains("hidden") && !shown.body.contains("from-the-environment"),
            "{request}: {shown:?}"
        );
    }
    // What is changed keeps them, and what was shown is not taken for what it stands for.
    assert_eq!(streams.ask("PATCH /streams/a", "{\"pipeline\":{\"threads\":1}}").text(), "200");
    let shown = streams.ask("GET /streams/a", "").body;
    let config =
        shown.split_once("\"config\":").expect("it is shown").1.trim_end_matches('}').to_string() + "}}}";
    assert_eq!(streams.ask("PUT /streams/a", &config).status, 400);
    // A page that may not see it does not.
    assert_eq!(streams.ask_with("GET /streams/a", "Host: evil.example\r\n", "").status, 403);
    streams.until("GET /streams/a", |_| 1 <= streams.count("a", "input_received"));
    assert_eq!(streams.end().0, Some(1));
}

#[test]
fn with_the_flag_what_comes_by_requests_reaches_nothing_of_the_machine() {
    let program = Program::new("streams-restricted")
        .file("around.yaml", AROUND)
        .file("secret.txt", "top secret\n")
        .file("trusted.yaml", "input: { file: { paths: [ secret.txt ] } }\noutput: { drop: {} }")
        .env("TOKEN", "from-the-environment");
    let streams = Streams::start(&program, &["--restrict-api", "trusted.yaml"]);
    streams.until("GET /streams/trusted", |it| it.body.contains("\"active\":false"));
    assert_eq!(streams.count("trusted", "output_sent"), 1);
    let refused = [
        "input: { file: { paths: [ secret.txt ] } }\noutput: { drop: {} }",
        "input: { subprocess: { name: cat, args: [ secret.txt ] } }\noutput: { drop: {} }",
        "input: { generate: { mapping: 'root = file(\"secret.txt\")' } }\noutput: { drop: {} }",
        "input: { generate: { mapping: 'root = env(\"TOKEN\")' } }\noutput: { file: { path: out } }",
        "input: { generate: { mapping: 'root = \"${TOKEN}\"' } }\noutput: { drop: {} }",
    ];
    for config in refused {
        for request in ["POST /streams/a", "POST /streams/a?chilled=true"] {
            let answer = streams.ask(request, config);
            assert_eq!(answer.status, 400, "{config}: {answer:?}");
            assert!(!answer.body.contains("top secret"), "{config}: {answer:?}");
        }
    }
    assert_eq!(streams.ask("POST /resources/cache/f", "file: { directory: /tmp }").status, 400);
    assert_eq!(streams.ask("POST /streams/a", IDLE).text(), "200");
    assert_eq!(streams.end().0, Some(0));
}

#[test]
fn what_clients_can_make_the_process_spend_is_counted() {
    let program = Program::new("streams-bounds").file("around.yaml", AROUND);
    let streams = Streams::start(&program, &["--max-streams", "3", "--max-stream-threads", "2"]);
    // As many at once as there may be, and the same name by many.
    let created = thread::scope(|scope| {
        let ask = |idx: usize| {
            let address = streams.address.clone();
            scope.spawn(move || {
                let request =
                    format!("POST /streams/{}", if idx < 8 { "same".to_string() } else { format!("s{idx}") });
                ask_at(&address, &request, "", IDLE).expect("it answers").status
            })
        };
        let asked: Vec<_> = (0..16).map(ask).collect();
        let statuses: Vec<u16> = asked.into_iter().map(|it| it.join().expect("it does not panic")).collect();
        assert!(statuses[..8].iter().filter(|it| **it == 200).count() <= 1, "{statuses:?}");
        assert!(statuses.iter().all(|it| [200, 400].contains(it)), "{statuses:?}");
        statuses.iter().filter(|it| **it == 200).count()
    });
    assert!((1..=3).contains(&created), "{created}");
    let listed: serde_json::Value =
        serde_json::from_str(&streams.ask("GET /streams", "").body).expect("it is JSON");
    assert_eq!(listed.as_object().map(serde_json::Map::len), Some(created));
    let four = ["a", "b", "c", "d"]
        .map(|it| format!("\"{it}\":{{\"input\":{{\"inproc\":\"x\"}},\"output\":{{\"drop\":{{}}}}}}"));
    let told = streams.ask("POST /streams", &format!("{{{}}}", four.join(","))).text();
    assert_eq!(told, "400 Error: there would be 4 streams, and at most 3 may be (`--max-streams`)");
    assert_eq!(streams.ask("POST /streams", "{}").text(), "200");
    // So many that none of them is read. Of two with one name the last counts, and a long text is kept for none of them.
    let many: String = (0..90_000).map(|it| format!("s{it}: {{}}\n")).collect();
    let told = streams.ask("POST /streams", &many).text();
    assert_eq!(told, "400 Error: there would be 90000 streams, and at most 3 may be (`--max-streams`)");
    let twice =
        format!("a: {{}}\nb: {{ {} }}\na: {{ {0} }}\n# {}", IDLE.replace('\n', ", "), "x".repeat(1 << 19));
    assert_eq!(streams.ask("POST /streams", &twice).text(), "200");
    assert_eq!(
        streams.ask("GET /streams", "").text(),
        r#"200 {"a":{"active":true,"uptime":T,"uptime_str":T},"b":{"active":true,"uptime":T,"uptime_str":T}}"#
    );
    assert_eq!(streams.ask("POST /streams", "{}").text(), "200");
    // Threads, and the size of a config, whatever it says of itself.
    let told = streams.ask("POST /streams/t", &format!("{IDLE}\npipeline: {{ threads: 3 }}")).text();
    assert_eq!(
        told,
        "400 Error: the pipeline of a stream has at most 2 threads, not 3 (`--max-stream-threads`)"
    );
    let large = format!("{IDLE}\n# {}", "x".repeat(5 << 20));
    assert_eq!(streams.ask("POST /streams/t", &large).status, 413);
    let mut endless = TcpStream::connect(&streams.address).expect("it listens");
    let head = format!(
        "POST /streams/t HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        streams.address
    );
    endless.write_all(head.as_bytes()).expect("it reads");
    let chunk = format!("10000\r\n{}\r\n", "#".repeat(0x10000));
    // It breaks off, or takes no more, long before that.
    let is_cut = (0..1_000).any(|_| endless.write_all(chunk.as_bytes()).is_err());
    assert!(is_cut);
    // Components, of which a line may ask for any number.
    let many = "input: { broker: { copies: 1000, inputs: [ { broker: { copies: 1000, inputs: [ { inproc: x } ] } } ] } }\noutput: { drop: {} }";
    let told = streams.ask("POST /streams/t", many);
    assert!(told.status == 502 && told.body.contains("have at most 16384 components together"), "{told:?}");
    // Deep, and wide where it is expanded.
    let deep = format!("input: {}1{}", "[".repeat(200_000), "]".repeat(200_000));
    assert_eq!(streams.ask("POST /streams/t", &deep).status, 400);
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n\
                g: [*f,*f,*f,*f,*f,*f,*f,*f,*f,*f]\n";
    assert_eq!(streams.ask("POST /streams/t", bomb).status, 400);
    assert_eq!(streams.ask("GET /streams", "").text(), "200 {}");
    assert_eq!(streams.end().0, Some(0));
}

#[test]
fn no_number_of_threads_takes_the_process_down() {
    let program = Program::new("streams-threads").file("around.yaml", AROUND);
    let streams = Streams::start(&program, &["--max-stream-threads", "1000000"]);
    // Each has as many as a pipeline may have at most; none of them is begun.
    let one = r#"{"input":{"inproc":"x"},"pipeline":{"threads":4096},"output":{"drop":{}}}"#;
    let set = |n: usize| {
        format!("{{{}}}", (0..n).map(|it| format!("\"s{it}\":{one}")).collect::<Vec<_>>().join(","))
    };
    let told = streams.ask("POST /streams", &set(1_000)).text();
    let expected = "400 Error: the streams would have ";
    assert!(
        told.starts_with(expected) && told.contains(" threads together, and the machine has room for "),
        "{told}"
    );
    assert_eq!(streams.ask("POST /streams/a", IDLE).text(), "200");
    assert_eq!(streams.end().0, Some(0));
}

#[test]
fn streams_leave_files_for_whoever_deletes_them() {
    let program = Program::new("streams-files").file("around.yaml", AROUND);
    let streams = Streams::start(&program, &[]);
    let maximum = Some(64);
    prlimit(Some(Pid::from_child(&streams.child)), Resource::Nofile, Rlimit { current: maximum, maximum })
        .expect("it can be set");
    let create = |idx: usize| streams.ask(&format!("POST /streams/s{idx}"), IDLE).text();
    let refused = (0..64).map(create).find(|it| it != "200");
    assert_eq!(
        refused.as_deref(),
        Some(
            "502 Error: no more than 16 files would be left for all else: too many open files: the process has as many as it \
             may (`ulimit -n`)"
        )
    );
    let mut idle: Vec<TcpStream> = Vec::new();
    idle.extend((0..8).map(|_| TcpStream::connect(&streams.address).expect("it listens")));
    // They may still be about to connect.
    streams.until("GET /ready", |it| it.text() == "200 OK");
    drop(idle);
    assert_eq!(streams.ask("POST /streams", "{}").text(), "200");
    assert_eq!(create(0), "200");
    assert_eq!(streams.end().0, Some(0));
}

#[test]
fn whoever_is_slow_to_say_what_he_wants_keeps_nobody_from_changing_something() {
    let program = Program::new("streams-slow").file("around.yaml", AROUND);
    let streams = Streams::start(&program, &[]);
    // More of them than there may be changes at once, none of which has said all.
    let begin = |idx: usize| {
        let mut slow = TcpStream::connect(&streams.address).expect("it listens");
        let head = format!(
            "POST /streams/s{idx} HTTP/1.1\r\nHost: {}\r\nContent-Length: 9\r\n\r\nin",
            streams.address
        );
        slow.write_all(head.as_bytes()).expect("it reads");
        slow
    };
    let slow: Vec<TcpStream> = (0..40).map(begin).collect();
    // Whatever came before is under way when this is answered.
    assert_eq!(streams.ask("GET /ping", "").text(), "200 pong");
    assert_eq!(streams.ask("POST /streams/a", IDLE).text(), "200");
    assert_eq!(streams.ask("DELETE /streams/a", "").text(), "200");
    drop(slow);
    assert_eq!(streams.end().0, Some(0));
}

#[test]
fn what_patches_add_is_counted() {
    let program = Program::new("streams-patched").file("around.yaml", AROUND);
    let streams = Streams::start(&program, &[]);
    assert_eq!(streams.ask("POST /streams/a", IDLE).text(), "200");
    // Each is within the bound of a body, none says what others said, and aliases stand for far more than they are.
    let patch = |idx: usize| {
        let more = format!("x{idx}: &x {}\ny{idx}: [{}]\n", "x".repeat(1 << 19), ["*x"; 6].join(", "));
        streams.ask("PATCH /streams/a?chilled=true", &more).text()
    };
    let refused = (0..200).map(patch).find(|it| it != "200");
    assert_eq!(
        refused.as_deref(),
        Some("400 Error: the configs of all streams would take more than 128 MiB of memory together")
    );
    // It goes on as it was, and finds room once it says less.
    assert_eq!(streams.ask("PUT /streams/a", IDLE).text(), "200");
    assert_eq!(streams.end().0, Some(0));
}
