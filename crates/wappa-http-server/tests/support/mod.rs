//! Runs whole streams of a config, and is their client over plain sockets of this machine.
#![allow(dead_code, reason = "each test uses some of it")]

use std::{
    borrow::Cow,
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use wappa_component::{Component, Level, LogSink, Logger, Metrics, Services, Taps};
use wappa_engine::{Activity, BuildRequest, Report, Setting, Stop, Tally, World};
use wappa_http_server::{Debug, Picture, Readiness, Service, Shown, StreamState, StreamView, View};
use wappa_net::Runtime;
use wappa_spec::{LintOptions, Source, Spec, StreamConfig};

/// Nothing here takes that long, unless it is never done.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until something is so.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}: never");
        thread::sleep(Duration::from_millis(2));
    }
}

/// What was logged, a line each.
#[derive(Default)]
pub(crate) struct Log(Mutex<Vec<String>>);

impl Log {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What follows `text` in the first line that has it, once there is one.
    pub(crate) fn behind(&self, text: &str) -> String {
        let mut found = None;
        wait_until(text, || {
            found = self.lines().iter().find_map(|it| it.split_once(text).map(|it| it.1.to_string()));
            found.is_some()
        });
        found.expect("it was waited for")
    }
}

impl LogSink for Log {
    fn enabled(&self, level: Level) -> bool {
        level <= Level::Info
    }

    fn write(&self, level: Level, message: &str, _: &[(&str, Cow<'_, str>)]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{level:?} {message}"));
    }
}

pub(crate) fn table() -> &'static [&'static Component] {
    let all: Vec<_> = wappa_pure::components().into_iter().chain(wappa_http_server::components()).collect();
    all.leak()
}

fn read(config: &str) -> (Vec<String>, Option<StreamConfig>) {
    let specs: Vec<&Spec> = table().iter().map(|it| &it.spec).collect();
    let source = Source::read(config.as_bytes(), |_| None).expect("the test's YAML is sound");
    let linted = source.stream(&specs, LintOptions::default());
    (linted.lints.iter().map(ToString::to_string).collect(), linted.config)
}

/// What is wrong with a config, a line each.
pub(crate) fn lint(config: &str) -> String {
    read(config).0.iter().map(|it| format!("{it}\n")).collect()
}

/// A stream that runs, with the program's HTTP service where the config does not say that there is none.
pub(crate) struct Running {
    pub(crate) log: Arc<Log>,
    pub(crate) stop: Stop,
    pub(crate) tally: Tally,
    pub(crate) metrics: Metrics,
    /// Where the service listens.
    pub(crate) service_port: u16,
    service: Option<Service>,
    thread: Option<JoinHandle<Report>>,
}

impl Running {
    pub(crate) fn start(config: &str) -> Running {
        let components = table();
        let specs: Vec<&Spec> = components.iter().map(|it| &it.spec).collect();
        let (lints, config) = read(config);
        let config = config.unwrap_or_else(|| panic!("it cannot be read: {lints:?}"));
        let log = Arc::new(Log::default());
        let logger = Logger::new(Arc::clone(&log) as Arc<dyn LogSink>);
        let world = World::real().expect("a thread can be started");
        let taps = Taps::default();
        let setting = Setting::new(&world).expect("a descriptor can be had").tapped_by(&taps);
        let (runtime, metrics) = (Runtime::default(), Metrics::default());
        let mut services = Services::default();
        let service = config.http.enabled.then(|| {
            let service = serve(&config, &runtime, &logger, setting.activity().clone(), &metrics, taps);
            services.insert(Arc::new(service.routes().clone()));
            service
        });
        services.insert(Arc::new(runtime));
        let request = BuildRequest {
            config: &config,
            components,
            registry: &specs,
            logger,
            metrics: metrics.clone(),
            services,
            setting: &setting,
        };
        let (stream, tally) = wappa_engine::build(request).expect("the stream can be built");
        let thread = thread::spawn(move || stream.run().expect("its threads can be started"));
        let address = service.as_ref().and_then(Service::local_address);
        let service_port = address.map_or(0, |it| it.port());
        Running {
            log,
            stop: setting.stop().clone(),
            tally,
            metrics,
            service_port,
            service,
            thread: Some(thread),
        }
    }

    /// The port that a component with an address of its own got, once it listens.
    pub(crate) fn port(&self, behind: &str) -> u16 {
        let rest = self.log.behind(behind);
        let address = rest.split_once("//").map_or(rest.as_str(), |it| it.1);
        let port = address.split(['/', ' ']).next().and_then(|it| it.rsplit_once(':'));
        port.and_then(|it| it.1.parse().ok()).unwrap_or_else(|| panic!("no port: {rest}"))
    }

    /// Waits for its end.
    pub(crate) fn join(mut self) -> Report {
        self.thread.take().expect("it runs").join().expect("it does not panic")
    }

    /// Asks it to work off what it has read, and waits for that.
    pub(crate) fn drain(self) -> Report {
        self.stop.drain();
        self.join()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cut();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        if let Some(service) = self.service.take() {
            service.close(Duration::from_secs(1));
        }
    }
}

fn serve(
    config: &StreamConfig,
    runtime: &Runtime,
    logger: &Logger,
    activity: Activity,
    metrics: &Metrics,
    taps: Taps,
) -> Service {
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
