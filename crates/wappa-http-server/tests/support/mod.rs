//! Runs whole streams of a config, and is their client over plain sockets of this machine.
#![allow(dead_code, reason = "each test uses some of it")]

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    ops::Deref,
    sync::{Arc, LazyLock},
    time::Duration,
};

use wappa_component::Component;
pub(crate) use wappa_conformance::wait_until;
use wappa_engine::{Activity, Report};
use wappa_http_server::{Debug, Picture, Readiness, Service, Shown, StreamState, StreamView, View, ViewOf};
use wappa_net::Runtime;
use wappa_spec::Spec;
use wappa_testing::{Around, PATIENCE, Streams};

pub(crate) fn table() -> &'static [&'static Component] {
    streams().components()
}

fn streams() -> &'static Streams {
    static STREAMS: LazyLock<Streams> = LazyLock::new(|| {
        Streams::of(wappa_pure::components().into_iter().chain(wappa_http_server::components()))
    });
    &STREAMS
}

/// What is wrong with a config, a line each.
pub(crate) fn lint(config: &str) -> String {
    streams().lint(config)
}

/// A stream that runs, with the program's HTTP service where the config does not say that there is none.
pub(crate) struct Running {
    stream: wappa_testing::Running,
    /// Where the service listens.
    pub(crate) service_port: u16,
    /// Goes after the stream.
    _service: Option<Closing>,
}

/// A service that is closed in the end.
struct Closing(Option<Service>);

impl Drop for Closing {
    fn drop(&mut self) {
        if let Some(service) = self.0.take() {
            service.close(Duration::from_secs(1));
        }
    }
}

impl Deref for Running {
    type Target = wappa_testing::Running;

    fn deref(&self) -> &wappa_testing::Running {
        &self.stream
    }
}

impl Running {
    pub(crate) fn start(config: &str) -> Running {
        let (stream, service) = streams().start_within(config, |around| {
            let runtime = Runtime::default();
            let service = around.config.http.enabled.then(|| serve(&around, &runtime));
            if let Some(service) = &service {
                around.services.insert(Arc::new(service.routes().clone()));
            }
            around.services.insert(Arc::new(runtime));
            service
        });
        let address = service.as_ref().and_then(Service::local_address);
        let service_port = address.map_or(0, |it| it.port());
        Running { stream, service_port, _service: service.map(|it| Closing(Some(it))) }
    }

    /// The port that a component with an address of its own got, once it listens.
    pub(crate) fn port(&self, behind: &str) -> u16 {
        let rest = self.log.behind(behind);
        let address = rest.split_once("//").map_or(rest.as_str(), |it| it.1);
        let port = address.split(['/', ' ']).next().and_then(|it| it.rsplit_once(':'));
        port.and_then(|it| it.1.parse().ok()).unwrap_or_else(|| panic!("no port: {rest}"))
    }

    /// Waits for its end.
    pub(crate) fn join(self) -> Report {
        self.stream.join()
    }

    /// Asks it to work off what it has read, and waits for that.
    pub(crate) fn drain(self) -> Report {
        self.stream.drain()
    }
}

fn serve(around: &Around<'_>, runtime: &Runtime) -> Service {
    let &Around { config, logger, metrics, taps, activity, .. } = around;
    let (taps, activity) = (taps.clone(), activity.clone());
    let mut service = Service::new(&config.http, runtime, logger).expect("the config is sound");
    let build = table().iter().find(|it| it.spec.name == "prometheus").map(|it| it.build);
    let Some(wappa_component::Build::Exporter(build)) = build else { panic!("it is an exporter") };
    let specs: Vec<&Spec> = table().iter().map(|it| &it.spec).collect();
    let exporter = build(&config.metrics.body, &specs, logger.clone()).expect("the config is sound");
    let view = View {
        version: "1.2.3",
        metrics: metrics.clone(),
        taps: taps.clone(),
        streams: streams_of(activity.clone()),
        has_debug: config.http.debug_endpoints,
        of: ViewOf::One,
    };
    service.show(Shown {
        view,
        version: "1.2.3",
        built: "",
        readiness: Box::new(move || {
            let (inputs, outputs) = activity.are_connected();
            Readiness::Running { inputs, outputs }
        }),
        page: exporter.page().map(|it| (it, metrics.clone())),
        debug: config.http.debug_endpoints.then(|| Debug {
            config_json: Box::new(|| "{}".to_string()),
            config_yaml: Box::new(|| "{}".to_string()),
            at_work: Box::new(String::new),
            memory: Box::new(String::new),
            taps,
        }),
        streams: None,
    });
    service.listen(true).expect("threads can be started");
    service
}

/// A stream that is not drawn.
fn streams_of(activity: Activity) -> Box<dyn Fn() -> Vec<StreamView> + Send + Sync> {
    let picture = Arc::new(Picture::default());
    Box::new(move || {
        vec![StreamView {
            name: String::new(),
            state: StreamState::Running,
            threads: activity.threads(),
            connections: activity.connections(),
            oldest: activity.oldest_unanswered(),
            picture: Arc::clone(&picture),
        }]
    })
}

/// An answer, as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|it| it.1.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The status and the body.
    pub(crate) fn brief(&self) -> String {
        format!("{} {}", self.status, self.text().trim_end())
    }
}

/// A connection to a port of this machine.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn new(port: u16) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("somebody listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time can be set");
        Client(BufReader::new(stream))
    }

    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(bytes.as_ref()).expect("it can be written");
    }

    /// A request with these headers, each with its line end, and this body.
    pub(crate) fn ask(&mut self, method: &str, path: &str, headers: &str, body: impl AsRef<[u8]>) -> Answer {
        self.send(method, path, headers, body);
        self.answer().expect("there is an answer")
    }

    pub(crate) fn send(&mut self, method: &str, path: &str, headers: &str, body: impl AsRef<[u8]>) {
        let body = body.as_ref();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: here\r\nContent-Length: {}\r\n{headers}\r\n",
            body.len()
        );
        self.write([head.as_bytes(), body].concat());
    }

    /// Waits until the server has read all that was sent: a connection of which it has read nothing is closed at a stop.
    pub(crate) fn wait_until_read(&self) {
        let stream = self.0.get_ref();
        let port = |it: io::Result<SocketAddr>| it.expect("it is connected").port();
        let (own, peer) = (port(stream.local_addr()), port(stream.peer_addr()));
        // Of the server's end, which is established: `ADDRESS:PORT ADDRESS:PORT STATE UNSENT:UNREAD …`
        let its_end = format!(" 0100007F:{peer:04X} 0100007F:{own:04X} 01 ");
        wait_until("all is read", || {
            let table = fs::read_to_string("/proc/net/tcp").expect("the system says how its sockets are");
            let queues = table.lines().find_map(|it| it.split_once(&its_end)?.1.split(' ').next());
            queues.expect("the server has it").ends_with(":00000000")
        });
    }

    /// Whether the server has closed the connection, on which it says nothing.
    pub(crate) fn is_closed(&self) -> bool {
        let mut stream = self.0.get_ref();
        stream.set_nonblocking(true).expect("it can be set");
        !stream.read(&mut [0]).is_err_and(|err| err.kind() == io::ErrorKind::WouldBlock)
    }

    pub(crate) fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(line.trim_end_matches(['\r', '\n']).to_string()),
        }
    }

    /// The status and the headers of the next answer; none where the connection is at its end.
    pub(crate) fn head(&mut self) -> Option<Answer> {
        let status = self.line()?.split(' ').nth(1)?.parse().ok()?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Some(Answer { status, headers, body: Vec::new() });
            }
            let (name, value) = line.split_once(": ").expect("it is a header");
            headers.push((name.to_string(), value.to_string()));
        }
    }

    /// The next answer; none where the connection is at its end.
    pub(crate) fn answer(&mut self) -> Option<Answer> {
        let mut answer = self.head()?;
        let length = answer.header("content-length").and_then(|it| it.parse().ok());
        if answer.status == 100 {
            return self.answer();
        }
        match length {
            Some(length) => answer.body = self.bytes(length)?,
            None if answer.header("transfer-encoding").is_some() => {
                while let Some(chunk) = self.chunk().filter(|it| !it.is_empty()) {
                    answer.body.extend(chunk);
                }
            }
            None => (),
        }
        Some(answer)
    }

    /// A chunk of a body in pieces; the last one is empty.
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let length = usize::from_str_radix(&self.line()?, 16).ok()?;
        let bytes = self.bytes(length)?;
        self.line()?;
        Some(bytes)
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Makes a websocket of it; the answer to that.
    pub(crate) fn upgrade(&mut self, path: &str, headers: &str) -> Answer {
        self.write(format!(
            "GET {path} HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        ));
        self.head().expect("there is an answer")
    }

    /// Sends a frame, with a mask of nothing but zeros, so that it can be read.
    pub(crate) fn send_frame(&mut self, kind: u8, content: &[u8]) {
        let length = u8::try_from(content.len()).ok().filter(|it| *it < 126).expect("the tests' are short");
        let frame = [&[0x80 | kind, 0x80 | length, 0, 0, 0, 0][..], content].concat();
        self.write(frame);
    }

    /// The kind and the content of the next frame.
    pub(crate) fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let head = self.bytes(2)?;
        let length = match head[1] {
            126 => {
                let long = self.bytes(2)?;
                usize::from(u16::from_be_bytes([long[0], long[1]]))
            }
            short => usize::from(short),
        };
        Some((head[0] & 0x0f, self.bytes(length)?))
    }
}

/// Asks once, on a connection of its own.
pub(crate) fn ask(port: u16, method: &str, path: &str, headers: &str, body: impl AsRef<[u8]>) -> Answer {
    Client::new(port).ask(method, path, headers, body)
}
