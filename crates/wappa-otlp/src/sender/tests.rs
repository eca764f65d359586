//! Collectors that are down, slow, wrong or hostile: whoever traces never waits, what is not taken is counted, and the end
//! comes.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::atomic::{AtomicUsize, Ordering},
};

use wappa_component::tracer::{SharedSpanOf, SpanOf};
use wappa_message::Span;
use wappa_spec::Map;

use super::*;
use crate::{endpoint::Protocol, tags::Tags};

/// What a collector does with each connection.
type Manners = fn(TcpStream);

/// A collector with such manners, on a port of its own, and how many connections it had.
fn collector(manners: Manners) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let address = listener.local_addr().expect("it has one").to_string();
    let n = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&n);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::SeqCst);
            thread::spawn(move || manners(stream));
        }
    });
    (address, n)
}

/// What comes until a request has been read whole, as far as it can be told: a pause.
fn read_request(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(Duration::from_millis(200))).expect("it can be set");
    let mut buffer = [0; 65_536];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => (),
            Err(_) => return,
        }
    }
}

fn spans(n: usize) -> Vec<SpanData> {
    let of = SharedSpanOf::from(SpanOf { name: "a".into(), attributes: vec![("path", "root.input".into())] });
    let one = |idx: usize| SpanData {
        span: Span { trace_id: 1, span_id: 1 + idx as u64, is_sampled: true, state: Some("a=1".into()) },
        parent_id: 7,
        of: of.clone(),
        began_ns: 1,
        ended_ns: 2,
        is_failed: idx.is_multiple_of(2),
        is_entry: true,
        link: Some(Box::new((1, 2))),
        n_together: 2,
    };
    (0..n).map(one).collect()
}

struct Traced {
    senders: Senders,
    sent: Counter,
    dropped: Counter,
}

fn traced(address: &str, protocol: Protocol) -> Traced {
    let metrics = Metrics::default();
    let endpoint = Endpoint::new(address, false, protocol).expect("it is an address");
    let encoder = Encoder::new(&Tags::new(&Map::default()));
    let interval = Duration::from_millis(1);
    let started = Senders::start(vec![endpoint], &encoder, interval, &Logger::silent(), &metrics);
    let senders = started.expect("a thread starts");
    let labels = [("label", ""), ("path", "root.tracer"), ("collector", address)];
    let of = |series: wappa_component::SeriesSpec| metrics.counter(series.name, &labels);
    Traced { senders, sent: of(SENT), dropped: of(DROPPED) }
}

impl Traced {
    /// Closes, and returns how many were sent and dropped once the thread has ended.
    fn end(&self, within: Duration) -> [u64; 2] {
        self.senders.finish(within);
        [self.sent.get(), self.dropped.get()]
    }
}

const NEVER: Manners = |mut stream| {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).is_ok_and(|n| 0 < n) {}
};

fn answer(mut stream: TcpStream, head: &str, body: &[u8], times: usize) {
    read_request(&mut stream);
    let _ = stream.write_all(head.as_bytes());
    for _ in 0..times {
        if stream.write_all(body).is_err() {
            return;
        }
    }
}

#[test]
fn whatever_a_collector_does_the_end_comes_and_all_is_counted() {
    let manners: &[(&str, Manners)] = &[
        ("hangs up", drop),
        ("says nothing", NEVER),
        ("refuses", |it| answer(it, "HTTP/1.1 400 No\r\nContent-Length: 2\r\n\r\nno", b"", 0)),
        ("is busy", |it| {
            answer(
                it,
                "HTTP/1.1 503 Busy\r\nRetry-After: 99999999999999999999\r\nContent-Length: 0\r\n\r\n",
                b"",
                0,
            )
        }),
        ("asks for a day", |it| {
            answer(it, "HTTP/1.1 429 No\r\nRetry-After: 86400\r\nContent-Length: 0\r\n\r\n", b"", 0)
        }),
        ("sends elsewhere", |it| {
            answer(
                it,
                "HTTP/1.1 307 There\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
                b"",
                0,
            )
        }),
        ("talks nonsense", |it| answer(it, "", &[0xff; 1024], 1024)),
        ("has no end of heads", |it| {
            answer(it, "HTTP/1.1 200 OK\r\n", b"a: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n", 1 << 20)
        }),
        ("goes on and on", |it| answer(it, "HTTP/1.1 400 No\r\n\r\n", &[b'x'; 65_536], 1 << 14)),
        ("stops in the middle", |it| answer(it, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx", b"", 0)),
        ("keeps promising", |it| answer(it, "", b"HTTP/1.1 100 Continue\r\n\r\n", 1 << 16)),
    ];
    thread::scope(|scope| {
        for (what, manners) in manners {
            for protocol in [Protocol::Http, Protocol::Grpc] {
                scope.spawn(move || check_end(what, *manners, protocol));
            }
        }
    });
}

fn check_end(what: &str, manners: Manners, protocol: Protocol) {
    let (address, n_connections) = collector(manners);
    let traced = traced(&address, protocol);
    // Whoever traces does not wait, however much it is.
    (0..100).for_each(|_| traced.senders.take(spans(300)));
    while n_connections.load(Ordering::SeqCst) == 0 {
        thread::sleep(Duration::from_millis(5));
    }
    let [sent, dropped] = traced.end(Duration::from_secs(1));
    assert_eq!(sent, 0, "{what}, {protocol:?}");
    assert_eq!(dropped, 30_000, "{what}, {protocol:?}");
}

#[test]
fn one_that_takes_them_has_them_and_says_what_it_leaves_out() {
    const TAKES: Manners = |it| answer(it, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"", 0);
    let (address, _) = collector(TAKES);
    let traced_by = traced(&address, Protocol::Http);
    traced_by.senders.take(spans(100));
    assert_eq!(traced_by.end(Duration::from_secs(60)), [100, 0]);
    // `partial_success` with three that are rejected, and why: in bytes that would be an escape of a terminal.
    const LEAVES: Manners =
        |it| answer(it, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"\x0a\x07\x08\x03\x12\x03\x1b[m", 1);
    let (address, _) = collector(LEAVES);
    let traced_by = traced(&address, Protocol::Http);
    traced_by.senders.take(spans(100));
    assert_eq!(traced_by.end(Duration::from_secs(60)), [97, 3]);
    // More than there were.
    const BOASTS: Manners = |it| {
        let body = b"\x0a\x0a\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f";
        answer(it, "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", body, 1);
    };
    let (address, _) = collector(BOASTS);
    let traced_by = traced(&address, Protocol::Http);
    traced_by.senders.take(spans(100));
    assert_eq!(traced_by.end(Duration::from_secs(60)), [0, 100]);
}

#[test]
fn nothing_waits_for_one_that_is_not_there() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let address = listener.local_addr().expect("it has one").to_string();
    drop(listener);
    let traced = traced(&address, Protocol::Grpc);
    traced.senders.take(spans(10));
    assert_eq!(traced.end(Duration::from_secs(60)), [0, 10]);
}
