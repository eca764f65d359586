//! The endpoints, beside what Bento's are seen to answer. What differs is meant, and in `docs/streams-mode.md`.

use expect_test::expect;

use crate::{
    program::{AROUND, IDLE, Streams},
    support::Program,
};

/// What comes of requests: each a line `METHOD /path`, and below it the body, if any.
fn answers(streams: &Streams, script: &str) -> String {
    let mut out = String::new();
    for block in script.split("\n> ").map(|it| it.trim_start_matches("> ")) {
        let (request, body) = block.split_once('\n').unwrap_or((block, ""));
        out +=
            &format!("{request}\n    {}\n", streams.ask(request.trim(), body).text().replace('\n', "\n    "));
    }
    out
}

#[test]
fn streams_come_are_read_change_and_go() {
    let program = Program::new("streams-api").file("around.yaml", AROUND);
    let streams = Streams::start(&program, &[]);
    let told = answers(
        &streams,
        &format!(
            "> GET /streams
> GET /ready
> POST /streams/a
{IDLE}
> POST /streams/a
{IDLE}
> GET /streams/a
> PUT /streams/nope
{IDLE}
> PUT /streams/a
{IDLE}
pipeline: {{ processors: [ {{ noop: {{}} }} ] }}
> PATCH /streams/a
{{\"input\":{{\"generate\":{{\"interval\":\"2h\"}}}}}}
> GET /streams/a
> PATCH /streams/nope
{{}}
> GET /streams
> DELETE /streams/a
> DELETE /streams/a
> GET /streams/a
> GET /streams/a/stats
> GET /streams"
        ),
    );
    expect![[r#"
        GET /streams
            200 {}
        GET /ready
            200 OK
        POST /streams/a
            200
        POST /streams/a
            400 Stream already exists
        GET /streams/a
            200 {"active":true,"uptime":T,"uptime_str":T,"config":{"input":{"generate":{"mapping":"root = 1","interval":"1h"}},"output":{"drop":{}}}}
        PUT /streams/nope
            404 Stream not found
        PUT /streams/a
            200
        PATCH /streams/a
            200
        GET /streams/a
            200 {"active":true,"uptime":T,"uptime_str":T,"config":{"input":{"generate":{"mapping":"root = 1","interval":"2h"}},"pipeline":{"processors":[{"noop":{}}]},"output":{"drop":{}}}}
        PATCH /streams/nope
            404 Stream not found
        GET /streams
            200 {"a":{"active":true,"uptime":T,"uptime_str":T}}
        DELETE /streams/a
            200
        DELETE /streams/a
            404 Stream not found
        GET /streams/a
            404 Stream not found
        GET /streams/a/stats
            404 Stream not found
        GET /streams
            200 {}
    "#]].assert_eq(&told);
    assert_eq!(streams.end().0, Some(0));
}

#[test]
fn what_is_wrong_with_a_config_is_told() {
    let program = Program::new("streams-lints").file("around.yaml", AROUND);
    let streams = Streams::start(&program, &[]);
    let told = answers(
        &streams,
        &format!(
            "> POST /streams/a
input: {{ generate: {{ mappinggg: x }} }}
> POST /streams/a
input: {{}}
> POST /streams/a
nope: [
> POST /streams/a
> POST /streams/a
http: {{ address: x }}
cache_resources: []
{IDLE}
> POST /streams/a
input: {{ generate: {{ mapping: 'root = 1' }} }}
output: {{ http_client: {{ url: 'http://127.0.0.1:1/${{NOT_SET}}' }} }}
> POST /streams/a
input: {{ resource: nope }}
output: {{ drop: {{}} }}
> POST /streams/a
{IDLE}
pipeline: {{ threads: 100 }}
> GET /streams/a
> POST /streams/a?chilled=true
{IDLE}
nope: 1
> PUT /streams/a
input: {{ resource: nope }}
> PATCH /streams/a
input: {{ generate: {{ nope: 1 }} }}
> PATCH /streams/a
output: {{ stdout: {{}}, drop: {{}} }}
> GET /streams/a
> POST /streams/b
input: {{ http_client: {{ url: 'http://127.0.0.1:1', headers: {{ Authorization: '!!!SECRET_SCRUBBED!!!' }} }} }}
> TRACE /streams/a
> OPTIONS /streams
> DELETE /streams
> POST /streams
[]
> POST /streams/ready/x
> POST /streams/debug
{IDLE}
> POST /streams/bento
{IDLE}
> POST /streams/a%2fb
{IDLE}
> POST /streams/..%5c..
{IDLE}
> POST /streams/x%00y
{IDLE}
> POST /streams/%ff
{IDLE}"
        ),
    );
    expect![[r#"
        POST /streams/a
            400 {"lint_errors":["(1,1) field mappinggg not recognised"]}
        POST /streams/a
            400 Error: (1,1) an explicit input type must be specified
        POST /streams/a
            400 Error: yaml: line 1: unclosed bracket '['
        POST /streams/a
            400 {"lint_errors":["(0,1) expected object value, got !!null"]}
        POST /streams/a
            400 {"lint_errors":["(1,1) field http not recognised","(2,1) field cache_resources not recognised"]}
        POST /streams/a
            400 Error: required environment variables were not set: [NOT_SET]
        POST /streams/a
            502 Error: failed to init input <no label> path root.input: input resource 'nope' was not found
        POST /streams/a
            400 Error: the pipeline of a stream has at most 8 threads, not 100 (`--max-stream-threads`)
        GET /streams/a
            404 Stream not found
        POST /streams/a?chilled=true
            200
        PUT /streams/a
            502 Error: failed to init input <no label> path root.input: input resource 'nope' was not found
        PATCH /streams/a
            400 {"lint_errors":["(1,1) field nope not recognised","(3,1) field nope not recognised"]}
        PATCH /streams/a
            400 Error: (2,1) unable to infer output type, multiple candidates 'drop' and 'stdout'
        GET /streams/a
            200 {"active":true,"uptime":T,"uptime_str":T,"config":{"input":{"generate":{"mapping":"root = 1","interval":"1h"}},"output":{"drop":{}}}}
        POST /streams/b
            400 Error: the config has a mark in the place of a secret, as it is shown: write the secret, or PATCH only what is to be another
        TRACE /streams/a
            400 Error: verb not supported: TRACE
        OPTIONS /streams
            400 Error: method not supported
        DELETE /streams
            400 Error: method not supported
        POST /streams
            400 Error: expected an object of stream ids to configs, got !!seq
        POST /streams/ready/x
            404 404 page not found
        POST /streams/debug
            400 Error: no stream can have the id `debug`: its paths would be those of the program
        POST /streams/bento
            400 Error: no stream can have the id `bento`: its paths would be those of the program
        POST /streams/a%2fb
            404 404 page not found
        POST /streams/..%5c..
            400 Error: stream id `..\..` cannot be part of a path: letters, digits, `-`, `_` and `.` always can
        POST /streams/x%00y
            400 Error: stream id `x\u{0}y` cannot be part of a path: letters, digits, `-`, `_` and `.` always can
        POST /streams/%ff
            404 404 page not found
    "#]].assert_eq(&told);
    assert_eq!(streams.end().0, Some(0));
}

#[test]
fn a_set_takes_the_place_of_all_streams_or_of_none() {
    let program = Program::new("streams-set").file("around.yaml", AROUND).file("f.yaml", IDLE);
    let streams = Streams::start(&program, &["f.yaml"]);
    let config = |more: &str| {
        format!(
            r#"{{"input":{{"generate":{{"mapping":"root = 2","interval":"1h"{more}}}}},"output":{{"drop":{{}}}}}}"#
        )
    };
    let (good, bad) = (config(""), config(r#","bad":1"#));
    let told = answers(
        &streams,
        &format!(
            "> POST /streams
{{\"f\":{good},\"z\":{bad}}}
> GET /streams
> POST /streams
{{\"y\":{good},\"z\":{good},\"debug\":{good}}}
> POST /streams
{{\"y\":{good},\"z\":{{\"input\":{{\"resource\":\"nope\"}}}}}}
> GET /streams
> POST /streams
{{\"y\":{good},\"z\":{good}}}
> GET /streams
> POST /streams
{{}}
> GET /streams
> GET /ready"
        ),
    );
    expect![[r#"
        POST /streams
            400 {"lint_errors":["stream 'z': (1,1) field bad not recognised"]}
        GET /streams
            200 {"f":{"active":true,"uptime":T,"uptime_str":T}}
        POST /streams
            400 Error: stream 'debug': no stream can have the id `debug`: its paths would be those of the program
        POST /streams
            502 Error: stream 'z': failed to init input <no label> path root.input: input resource 'nope' was not found
        GET /streams
            200 {"f":{"active":true,"uptime":T,"uptime_str":T}}
        POST /streams
            200
        GET /streams
            200 {"y":{"active":true,"uptime":T,"uptime_str":T},"z":{"active":true,"uptime":T,"uptime_str":T}}
        POST /streams
            200
        GET /streams
            200 {}
        GET /ready
            200 OK
    "#]].assert_eq(&told);
    assert_eq!(streams.end().0, Some(0));
}

#[test]
fn endpoints_of_components_are_below_their_stream() {
    let upper = "input: { http_server: { path: /post } }
pipeline: { processors: [ { mapping: 'root = content().uppercase()' } ] }
output: { sync_response: {} }";
    let program = Program::new("streams-paths").file("around.yaml", AROUND).file("s/sub/up.yaml", upper);
    let streams = Streams::start(&program, &["s"]);
    streams.until("GET /ready", |it| it.status == 200);
    streams.until("GET /sub_up/ready", |it| it.status == 200);
    assert_eq!(streams.ask("POST /sub_up/post", "hello").text(), "200 HELLO");
    assert_eq!(streams.ask("POST /bento/sub_up/post", "hello").text(), "200 HELLO");
    // Another one has the same path below its own name, and one that waits is not ready.
    assert_eq!(streams.ask("POST /streams/b", &upper.replace("upper", "lower")).text(), "200");
    streams.until("GET /b/ready", |it| it.status == 200);
    assert_eq!(streams.ask("POST /b/post", "Hello").text(), "200 hello");
    let socket = "input: { socket: { network: tcp, address: '127.0.0.1:1' } }\noutput: { drop: {} }";
    assert_eq!(streams.ask("POST /streams/c", socket).text(), "200");
    let unready = streams.until("GET /ready", |it| it.status == 503);
    assert_eq!(unready.text(), "503 streams c are not connected");
    streams.until("GET /c/ready", |it| it.text() == "503 input not connected");
    // What is over is there, and nobody waits for it; what is gone has no path any more.
    let once = "input: { generate: { mapping: 'root = 1', count: 1, interval: '' } }\noutput: { drop: {} }";
    assert_eq!(streams.ask("PUT /streams/c", once).text(), "200");
    streams.until("GET /streams/c", |it| it.body.contains("\"active\":false"));
    assert_eq!(streams.ask("GET /c/ready", "").text(), "404 Stream terminated");
    streams.until("GET /ready", |it| it.status == 200);
    assert_eq!(streams.count("c", "output_sent"), 1);
    assert_eq!(streams.ask("DELETE /streams/b", "").text(), "200");
    assert_eq!(streams.ask("POST /b/post", "Hello").text(), "404 404 page not found");
    assert!(!streams.ask("GET /endpoints", "").body.contains("/b/"));
    assert!(!streams.ask("GET /metrics", "").body.contains("stream=\"b\""));
    let metrics = streams.ask("GET /metrics", "").body;
    assert!(metrics.contains(r#"output_sent{label="",path="root.output",stream="c"} 1"#), "{metrics}");
    let (code, log) = streams.end();
    assert_eq!(code, Some(0));
    assert!(
        log.contains(
            r#"Input type http_server is now active" @service=wappa label="" path=root.input stream=sub_up"#
        ),
        "{log}"
    );
}

#[test]
fn resources_are_for_all_streams_and_can_be_replaced() {
    let around = format!("{AROUND}cache_resources: [ {{ label: both, memory: {{}} }} ]\n");
    let program = Program::new("streams-resources").file("around.yaml", around);
    let streams = Streams::start(&program, &[]);
    let cached = |operator: &str| {
        let value = if operator == "set" { ", value: '${! content() }'" } else { "" };
        format!(
            "input: {{ http_server: {{ path: /post }} }}
pipeline: {{ processors: [ {{ cache: {{ resource: both, operator: {operator}, key: k{value} }} }} ] }}
output: {{ sync_response: {{}} }}"
        )
    };
    for (id, operator) in [("w", "set"), ("r", "get")] {
        assert_eq!(streams.ask(&format!("POST /streams/{id}"), &cached(operator)).text(), "200");
        streams.until(&format!("GET /{id}/ready"), |it| it.status == 200);
    }
    assert_eq!(streams.ask("POST /w/post", "one").text(), "200 one");
    assert_eq!(streams.ask("POST /r/post", "?").text(), "200 one");
    // What takes its place is empty, for streams that run already.
    let told = answers(
        &streams,
        "> POST /resources/cache/both
memory: { init_values: { k: another } }
> POST /r/post
?
> POST /resources/nope/x
memory: {}
> GET /resources/cache/both
> POST /resources/cache/x
memory: { nope: 1 }
> POST /resources/cache/Bad-x
memory: {}
> POST /resources/rate_limit/both
local: {}
> POST /resources/processor/up
mapping: root = content().uppercase()
> POST /streams/up
input: { http_server: { path: /post } }
pipeline: { processors: [ { resource: up } ] }
output: { sync_response: {} }",
    );
    expect![[r#"
        POST /resources/cache/both
            200
        POST /r/post
            200 another
        POST /resources/nope/x
            400 Var `type` must be set to one of `cache`, `input`, `output`, `processor` or `rate_limit`
        GET /resources/cache/both
            400 Error: verb not supported: GET
        POST /resources/cache/x
            400 {"lint_errors":["(1,1) field nope not recognised"]}
        POST /resources/cache/Bad-x
            400 Error: invalid label 'Bad-x': should match the regular expression /^[a-z0-9_]+$/ and must not start with an underscore
        POST /resources/rate_limit/both
            400 Error: rate_limit resource label 'both' collides with a previously defined resource
        POST /resources/processor/up
            200
        POST /streams/up
            200
    "#]].assert_eq(&told);
    streams.until("GET /up/ready", |it| it.status == 200);
    assert_eq!(streams.ask("POST /up/post", "a").text(), "200 A");
    assert_eq!(streams.end().0, Some(0));
}

#[test]
fn a_stream_reaches_another_one() {
    let program = Program::new("streams-inproc").file("around.yaml", AROUND);
    let streams = Streams::start(&program, &[]);
    let from = "input: { http_server: { path: /post } }\noutput: { inproc: between }";
    let to = "input: { inproc: between }
pipeline: { processors: [ { mapping: 'root = content().uppercase()' } ] }
output: { sync_response: {} }";
    assert_eq!(streams.ask("POST /streams/from", from).text(), "200");
    assert_eq!(streams.ask("POST /streams/to", to).text(), "200");
    streams.until("GET /from/ready", |it| it.status == 200);
    assert_eq!(streams.ask("POST /from/post", "a").status, 200);
    assert_eq!(streams.count("to", "output_sent"), 1);
    // Its other end can go, and come again.
    assert_eq!(streams.ask("PUT /streams/to", to).text(), "200");
    assert_eq!(streams.ask("POST /from/post", "a").status, 200);
    assert_eq!(streams.end().0, Some(0));
}
