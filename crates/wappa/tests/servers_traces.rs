//! Traces, as a real collector has written them: names, attributes and what is below what, and what becomes of them when the
//! collector is gone.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
};

use expect_test::{Expect, expect};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use wappa_servers::{
    PATIENCE, Port,
    kafka::Kafka,
    nats::Nats,
    or_skip,
    otelcol::{Collector, Otelcol},
    wait_until,
};

mod support;

use support::{Program, wait};

/// A trace that somebody else has begun, and its span that the message belongs to.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A span as the collector has it.
#[derive(Clone, Debug)]
struct Span {
    trace: String,
    id: String,
    parent: String,
    name: String,
    began: u64,
    ended: u64,
    attributes: BTreeMap<String, String>,
    /// Of its process: `service.name`.
    service: String,
    state: String,
    is_failed: bool,
    links: Vec<String>,
}

fn attributes(of: &Value) -> BTreeMap<String, String> {
    let all = of["attributes"].as_array().cloned().unwrap_or_default();
    let value = |it: &Value| match &it["value"] {
        Value::Object(value) => {
            value.values().next().map(|it| it.as_str().map_or(it.to_string(), str::to_string))
        }
        _ => None,
    };
    all.iter().filter_map(|it| Some((it["key"].as_str()?.to_string(), value(it)?))).collect()
}

fn spans(collector: &Collector) -> Vec<Span> {
    let text = |of: &Value, name: &str| of[name].as_str().unwrap_or_default().to_string();
    let mut found = Vec::new();
    for line in collector.told().lines() {
        let told: Value = serde_json::from_str(line).expect("the collector writes documents");
        for resource in told["resourceSpans"].as_array().into_iter().flatten() {
            let service = attributes(&resource["resource"]).remove("service.name").unwrap_or_default();
            let scopes = resource["scopeSpans"].as_array().into_iter().flatten();
            for span in scopes.flat_map(|it| it["spans"].as_array().into_iter().flatten()) {
                assert_eq!(span["kind"], 1, "{span}");
                let time = |name: &str| text(span, name).parse().unwrap_or_default();
                let links = span["links"].as_array().into_iter().flatten();
                found.push(Span {
                    trace: text(span, "traceId"),
                    id: text(span, "spanId"),
                    parent: text(span, "parentSpanId"),
                    name: text(span, "name"),
                    began: time("startTimeUnixNano"),
                    ended: time("endTimeUnixNano"),
                    attributes: attributes(span),
                    service: service.clone(),
                    state: text(span, "traceState"),
                    is_failed: span["status"]["code"] == 2,
                    links: links.map(|it| text(it, "spanId")).collect(),
                });
            }
        }
    }
    found
}

/// All spans, once one of the last name is there: they are of the trace that somebody else has begun, and these are told by
/// programs with these names.
fn told(collector: &Collector, last: &str, by: [(&str, &str); 2]) -> Vec<Span> {
    wait_until("all is told", || spans(collector).iter().any(|it| it.name == last));
    let all = spans(collector);
    assert!(all.iter().all(|it| it.trace == TRACE && it.state == "a=1,b=2"), "{all:?}");
    for (name, service) in by {
        let of = all.iter().find(|it| it.name == name).map(|it| it.service.as_str());
        assert_eq!(of, Some(service), "{name}");
    }
    all
}

/// The spans below one, each a line.
fn lines(all: &[Span], parent: &str, depth: usize, out: &mut String) {
    let mut children: Vec<&Span> = all.iter().filter(|it| it.parent == parent).collect();
    children.sort_by_key(|it| (it.began, it.ended, &it.name));
    for span in children {
        let mut line = format!("{:1$}{2}", "", depth * 2, span.name);
        for (key, value) in &span.attributes {
            let is_digest = value.len() == 64 && value.bytes().all(|it| it.is_ascii_hexdigit());
            line += &format!(" {key}={}", if is_digest { "SHA-256" } else { value });
        }
        line += if span.is_failed { " failed" } else { "" };
        line += if span.links.is_empty() { "" } else { " linked" };
        out.push_str(&(line + "\n"));
        lines(all, &span.id, depth + 1, out);
    }
}

fn check(all: &[Span], parent: &str, expected: Expect) {
    let mut out = String::new();
    lines(all, parent, 0, &mut out);
    expected.assert_eq(&out);
}

fn tracer(collector: &Collector, more: &str) -> String {
    let address = |idx: usize| format!("127.0.0.1:{}", collector.server.port(idx));
    format!("tracer: {{open_telemetry_collector: {{http: [{{address: '{}'}}], {more}}}}}\n", address(0))
}

/// The answer to a request, with this in its head.
fn post(address: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    let length = body.len();
    let request = format!(
        "POST /post HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n{head}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("it can be written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it can be read");
    answer
}

fn stop(child: std::process::Child) {
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
    assert_eq!(wait(child).code(), Some(0));
}

fn listens(address: &str) -> bool {
    TcpStream::connect(address).is_ok()
}

#[test]
fn one_message_is_followed_from_a_request_through_a_guest_into_kafka_and_out_of_it() {
    let Some(kafka) = or_skip(Kafka::find()).map(Kafka::start) else { return };
    let Some(collector) = or_skip(Otelcol::find()).map(Otelcol::start) else { return };
    let (broker, port) = (kafka.address(), Port::free());
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/upper.wat");
    let reading = Program::new("traces-out").file(
        "a.yaml",
        format!(
            "input: {{kafka: {{addresses: ['{broker}'], topics: [traced], consumer_group: g, extract_tracing_map: root = @}}}}\n\
             pipeline: {{processors: [{{label: told, mapping: 'root = content().string() + \" \" + tracing_id()'}}]}}\n\
             output: {{file: {{path: ./out, codec: lines}}}}\n{}",
            tracer(&collector, "tags: {service.name: reads}, sampling: {enabled: false}"),
        ),
    );
    let writing = Program::new("traces-in").file(
        "a.yaml",
        format!(
            "input: {{http_server: {{address: '{}', path: /post}}}}\n\
             pipeline: {{processors: [{{wasm: {{module_path: {:?}}}}}]}}\n\
             output: {{kafka: {{addresses: ['{broker}'], topic: traced, inject_tracing_map: 'meta = @.assign(this)'}}}}\n{}",
            port.address(),
            guest.display().to_string(),
            tracer(&collector, "tags: {service.name: writes}"),
        ),
    );
    let writer = writing.start(&["-c", "a.yaml"]);
    wait_until("it listens", || listens(&port.address()));
    let answer = post(&port.address(), &format!("traceparent: {PARENT}\r\ntracestate: a=1,b=2\r\n"), "hello");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let reader = reading.start(&["-c", "a.yaml"]);
    let out = reading.dir().join("out");
    wait_until("it came out", || fs::read_to_string(&out).is_ok_and(|it| it.ends_with('\n')));
    assert_eq!(fs::read_to_string(&out).expect("it was written"), format!("HELLO {TRACE}\n"));
    stop(writer);
    stop(reader);
    let all = told(&collector, "output_file", [("output_kafka", "writes"), ("input_kafka", "reads")]);
    // What the collector wrote, for who wants to see it.
    eprintln!("{}", collector.told());
    check(
        &all,
        "00f067aa0ba902b7",
        expect![[r#"
            input_http_server_post path=root.input
              wasm path=root.pipeline.processors.0
                guest function=process module=SHA-256 path=root.pipeline.processors.0
              output_kafka path=root.output
              input_kafka path=root.input
                mapping label=told path=root.pipeline.processors.0
                output_file path=root.output
        "#]],
    );
}

/// Another system that speaks NATS, which says and hears headers as they are on the wire.
struct Outside {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Outside {
    fn new(address: &str) -> Outside {
        let stream = TcpStream::connect(address).expect("the server is there");
        stream.set_read_timeout(Some(PATIENCE)).expect("it can be set");
        let reader = BufReader::new(stream.try_clone().expect("it can be had twice"));
        let mut outside = Outside { stream, reader };
        outside.say("CONNECT {\"headers\":true,\"no_responders\":true,\"verbose\":false}\r\nSUB out 1\r\nSUB answers 2\r\n");
        outside
    }

    fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).expect("it can be written");
    }

    /// The next message, with its headers.
    fn hear(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.reader.read_line(&mut line).expect("it can be read"), 0, "the server hangs up");
            let words: Vec<&str> = line.split_whitespace().collect();
            if let Some("MSG" | "HMSG") = words.first().copied() {
                let n_bytes: usize =
                    words.last().and_then(|it| it.parse().ok()).expect("it says how long it is");
                let mut message = vec![0; n_bytes + 2];
                self.reader.read_exact(&mut message).expect("it can be read");
                return format!("{} {}", words[1], String::from_utf8_lossy(&message));
            }
            if line.starts_with("PING") {
                self.say("PONG\r\n");
            }
        }
    }
}

#[test]
fn one_message_is_followed_through_nats_and_jetstream() {
    let Some(server) = or_skip(Nats::find()).map(Nats::start) else { return };
    let Some(collector) = or_skip(Otelcol::find()).map(Otelcol::start) else { return };
    Nats::make_stream(&server, "traced", &["kept"]);
    let urls = format!("urls: ['nats://{}']", server.address());
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/upper.wat");
    let extract = "extract_tracing_map: root = @";
    let inject = "inject_tracing_map: 'meta = @.assign(this)', metadata: {include_prefixes: [trace]}";
    let first = Program::new("traces-nats").file(
        "a.yaml",
        format!(
            "input: {{nats: {{{urls}, subject: in, {extract}}}}}\n\
             pipeline: {{processors: [{{wasm: {{module_path: {:?}}}}}]}}\n\
             output: {{nats_jetstream: {{{urls}, subject: kept, {inject}}}}}\n{}",
            guest.display().to_string(),
            tracer(&collector, "tags: {service.name: first}"),
        ),
    );
    let second = Program::new("traces-jetstream").file(
        "a.yaml",
        format!(
            "input: {{nats_jetstream: {{{urls}, stream: traced, subject: kept, {extract}}}}}\n\
             pipeline: {{processors: [{{label: told, mapping: 'root = content().string() + \" \" + tracing_id()'}}]}}\n\
             output: {{nats: {{{urls}, subject: out, {inject}}}}}\n{}",
            tracer(&collector, "tags: {service.name: second}, sampling: {enabled: false}"),
        ),
    );
    let mut outside = Outside::new(&server.address());
    let (first, second) = (first.start(&["-c", "a.yaml"]), second.start(&["-c", "a.yaml"]));
    let head = format!("NATS/1.0\r\ntraceparent: {PARENT}\r\ntracestate: a=1,b=2\r\n\r\n");
    let sent = format!("HPUB in answers {} {}\r\n{head}hello\r\n", head.len(), head.len() + 5);
    // Until somebody reads it, the server says that nobody does.
    let mut heard = Vec::new();
    wait_until("somebody reads", || {
        outside.say(&sent);
        let answer = outside.hear();
        let is_read = !answer.contains(" 503");
        heard.extend(is_read.then_some(answer));
        is_read
    });
    heard.push(outside.hear());
    heard.sort();
    let [answer, out] = heard.as_slice() else { panic!("{heard:?}") };
    assert_eq!(answer, "answers +ACK\r\n");
    assert!(out.starts_with("out ") && out.ends_with(&format!("\r\n\r\nHELLO {TRACE}\r\n")), "{out}");
    let header = |name: &str| {
        let of = |line: &str| {
            line.split_once(':')
                .filter(|it| it.0.eq_ignore_ascii_case(name))
                .map(|it| it.1.trim().to_string())
        };
        out.lines().find_map(of).unwrap_or_default()
    };
    assert_eq!(header("tracestate"), "a=1,b=2");
    stop(first);
    stop(second);
    let by = [("output_nats_jetstream", "first"), ("output_nats", "second")];
    let all = told(&collector, "output_nats", by);
    let of = |name: &str| all.iter().find(|it| it.name == name).expect("it is told");
    // Whoever reads it next is told of the span that had it.
    assert_eq!(header("traceparent"), format!("00-{TRACE}-{}-01", of("input_nats_jetstream").id));
    check(
        &all,
        "00f067aa0ba902b7",
        expect![[r#"
            input_nats path=root.input
              wasm path=root.pipeline.processors.0
                guest function=process module=SHA-256 path=root.pipeline.processors.0
              output_nats_jetstream path=root.output
              input_nats_jetstream path=root.input
                mapping label=told path=root.pipeline.processors.0
                output_nats path=root.output
        "#]],
    );
}

/// What Bento 1.18 tells of the same config has the same names and the same below the same, but for a `metric`, of which it
/// tells nothing, and for `path`, `label` and `messages`.
#[test]
fn spans_are_those_of_bento() {
    let Some(collector) = or_skip(Otelcol::find()).map(Otelcol::start) else { return };
    let program = Program::new("traces-bento").file(
        "a.yaml",
        format!(
            r#"
input:
  generate: {{count: 1, interval: "", mapping: 'root = {{"a": 1}}'}}
  processors: [mapping: root = this]
buffer: {{memory: {{}}}}
pipeline:
  threads: 1
  processors:
    - {{label: foo, mapping: root = this}}
    - mutation: root.b = 1
    - try: [mapping: root = throw("boom")]
    - catch: [log: {{message: caught}}]
    - branch:
        request_map: root = this
        processors: [mapping: root = this]
        result_map: root.c = this.a
    - workflow:
        branches:
          one: {{request_map: root.a = this.a, processors: [mapping: root = this], result_map: root.w = 1}}
    - for_each: [mapping: root = this]
    - switch: [{{check: 'true', processors: [mapping: root = this]}}]
    - while: {{max_loops: 2, check: 'true', processors: [mapping: root = this]}}
    - resource: res
    - noop: {{}}
    - archive: {{format: json_array}}
    - unarchive: {{format: json_array}}
    - retry: {{processors: [mapping: root = this]}}
output:
  broker:
    pattern: fan_out
    outputs:
      - {{drop: {{}}, processors: [mapping: root = this]}}
processor_resources: [{{label: res, mapping: root = this}}]
{}"#,
            tracer(&collector, "sampling: {enabled: true, ratio: 1}"),
        ),
    );
    let ended = program.run(&["-c", "a.yaml"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    wait_until("all is told", || spans(&collector).iter().any(|it| it.parent.is_empty()));
    check(
        &spans(&collector),
        "",
        expect![[r#"
        input_generate path=root.input
          mapping path=root.input.processors.0
          memory path=root.buffer linked
            mapping label=foo path=root.pipeline.processors.0
            mutation path=root.pipeline.processors.1
            try path=root.pipeline.processors.2
            mapping error=true path=root.pipeline.processors.2.try.0 failed
            catch path=root.pipeline.processors.3
            log path=root.pipeline.processors.3.catch.0
            branch path=root.pipeline.processors.4
              mapping path=root.pipeline.processors.4.branch.processors.0
            workflow path=root.pipeline.processors.5
              one path=root.pipeline.processors.5.workflow.branches.one
                mapping path=root.pipeline.processors.5.workflow.branches.one.processors.0
            for_each path=root.pipeline.processors.6
            mapping path=root.pipeline.processors.6.for_each.0
            switch path=root.pipeline.processors.7
            mapping path=root.pipeline.processors.7.switch.0.processors.0
            while path=root.pipeline.processors.8
            mapping path=root.pipeline.processors.8.while.processors.0
            mapping path=root.pipeline.processors.8.while.processors.0
            mapping label=res path=root.processor_resources
            archive path=root.pipeline.processors.11
            unarchive path=root.pipeline.processors.12
            retry path=root.pipeline.processors.13
            mapping path=root.pipeline.processors.13.retry.processors.0
            mapping path=root.output.broker.outputs.0.processors.0
            output_drop path=root.output.broker.outputs.0
    "#]],
    );
}

#[test]
fn a_message_that_is_not_sampled_is_told_to_others_and_to_no_collector() {
    let Some(collector) = or_skip(Otelcol::find()).map(Otelcol::start) else { return };
    let (inner, outer) = (Port::free(), Port::free());
    let echo = Program::new("traces-echo").file(
        "a.yaml",
        format!(
            "input: {{http_server: {{address: '{}', path: /post}}}}\n\
             pipeline: {{processors: [{{mapping: 'root = @Traceparent.or(\"none\") + \" \" + tracing_id()'}}]}}\n\
             output: {{sync_response: {{}}}}\n",
            inner.address(),
        ),
    );
    let program = Program::new("traces-sampled").file(
        "a.yaml",
        format!(
            "input: {{http_server: {{address: '{}', path: /post}}}}\n\
             pipeline: {{processors: [{{http: {{url: 'http://{}/post', verb: POST}}}}]}}\n\
             output: {{sync_response: {{}}}}\n{}",
            outer.address(),
            inner.address(),
            tracer(&collector, "sampling: {enabled: false}"),
        ),
    );
    let (echo, child) = (echo.start(&["-c", "a.yaml"]), program.start(&["-c", "a.yaml"]));
    wait_until("they listen", || listens(&inner.address()) && listens(&outer.address()));
    let told = |head: &str| {
        let answer = post(&outer.address(), head, "x");
        answer.rsplit("\r\n\r\n").next().unwrap_or_default().to_string()
    };
    let unsampled = told(&format!("traceparent: {}\r\n", PARENT.replace("-01", "-00")));
    assert!(
        unsampled.starts_with(&format!("00-{TRACE}-")) && unsampled.ends_with(&format!("-00 {TRACE}")),
        "{unsampled}"
    );
    // Nonsense is none: a trace begins here.
    let long = format!("tracestate: {}\r\n", "a=1,".repeat(2_000));
    for head in
        ["", "traceparent: 00-nonsense\r\n", &long, &format!("traceparent: {}\r\n", "0".repeat(6_000))]
    {
        let own = told(head);
        assert!(own.len() == 55 + 1 + 32 && own.contains("-01 ") && !own.contains(TRACE), "{own}");
    }
    let sampled = told(&format!("traceparent: {PARENT}\r\n"));
    assert!(
        sampled.starts_with(&format!("00-{TRACE}-")) && sampled.ends_with(&format!("-01 {TRACE}")),
        "{sampled}"
    );
    stop(child);
    stop(echo);
    wait_until("all is told", || {
        spans(&collector).iter().any(|it| it.trace == TRACE && it.name.starts_with("input"))
    });
    let all = spans(&collector);
    assert_eq!(all.iter().filter(|it| it.name == "input_http_server_post").count(), 5);
    // The request's own span is what the server was told.
    let request =
        all.iter().find(|it| it.trace == TRACE && it.name == "http_request").expect("there was one");
    assert_eq!(sampled.split('-').nth(2), Some(request.id.as_str()));
    check(
        &all.into_iter().filter(|it| it.trace == TRACE).collect::<Vec<_>>(),
        "00f067aa0ba902b7",
        expect![[r#"
            input_http_server_post path=root.input
              http path=root.pipeline.processors.0
              http_request path=root.pipeline.processors.0
              output_sync_response path=root.output
        "#]],
    );
}

#[test]
fn of_many_messages_so_many_are_traced_as_the_config_says() {
    let Some(collector) = or_skip(Otelcol::find()).map(Otelcol::start) else { return };
    let n = 20_000;
    let text: String = (0..n).map(|it| format!("{it}\n")).collect();
    let program = Program::new("traces-ratio").file("in", text).file(
        "a.yaml",
        format!(
            "input: {{file: {{paths: [./in]}}}}\npipeline: {{threads: 2, processors: [{{mapping: root = content().uppercase()}}]}}\n\
             output: {{file: {{path: ./out, codec: lines}}}}\n{}",
            tracer(&collector, "sampling: {enabled: true, ratio: 0.05}"),
        ),
    );
    let ended = program.run(&["-c", "a.yaml"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    let out = fs::read_to_string(program.dir().join("out")).expect("it was written");
    assert_eq!(out.lines().count(), n);
    let count = |name: &str| spans(&collector).iter().filter(|it| it.name == name).count();
    wait_until("all is told", || 0 < count("input_file") && count("input_file") == count("output_file"));
    // Six times the deviation of a binomial distribution.
    let (found, expected) = (count("input_file") as f64, 0.05 * n as f64);
    assert!((found - expected).abs() < 6.0 * (expected * 0.95).sqrt(), "{found}, not {expected}");
    assert_eq!(count("mapping"), count("input_file"));
    // The name says that they are recorded, to whoever samples by the same ratio.
    let bound = (0.05 * (1u64 << 63) as f64) as u64;
    for span in spans(&collector) {
        let number = u64::from_str_radix(&span.trace[16..], 16).expect("digits");
        assert!(number >> 1 < bound, "{}", span.trace);
        assert!(span.began <= span.ended && 32 == span.trace.len());
    }
}

#[test]
fn no_stream_waits_for_a_collector_and_one_that_comes_back_is_told_again() {
    let Some(mut collector) = or_skip(Otelcol::find()).map(Otelcol::start) else { return };
    let port = Port::free();
    let program = Program::new("traces-gone").file(
        "a.yaml",
        format!(
            "input: {{http_server: {{address: '{}', path: /post}}}}\noutput: {{sync_response: {{}}}}\n\
             tracer: {{open_telemetry_collector: {{grpc: [{{address: '127.0.0.1:{}'}}], http: [{{address: '127.0.0.1:{}'}}]}}}}\n",
            port.address(),
            collector.server.port(1),
            collector.server.port(0),
        ),
    );
    collector.server.kill();
    let child = program.start(&["-c", "a.yaml"]);
    wait_until("it listens", || listens(&port.address()));
    let answers = || assert!(post(&port.address(), "", "x").starts_with("HTTP/1.1 200"));
    (0..10).for_each(|_| answers());
    collector.server.start_again();
    // Each over HTTP and over gRPC, since both name it.
    wait_until("what waited is told", || 40 <= spans(&collector).len());
    // It says nothing more: a stop does not wait for it.
    collector.server.pause();
    (0..10).for_each(|_| answers());
    stop(child);
    collector.server.resume();
}
