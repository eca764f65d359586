//! The page of a stream in a browser: Chromium, driven by Playwright.

use std::{
    fs,
    io::{BufReader, Read, Write},
    net::TcpListener,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
};

use wappa_servers::{Port, find, find_file, or_skip};

mod support;

use support::{Program, read_until};

/// A browser that looks at a page, and says how far it is.
struct Look {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Look {
    /// None where there is no browser.
    fn start(program: &Program, what: &str, address: &str) -> Option<Look> {
        let node = or_skip(find("node"))?;
        let chromium = or_skip(find("chromium"))?;
        let playwright = or_skip(find_file("node_modules/playwright-core/index.mjs"))?;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/page/look.mjs");
        let pictures = program.dir().join("pictures");
        fs::create_dir_all(&pictures).expect("it can be made");
        let mut child = Command::new(node)
            .arg(script)
            .args([&playwright, &chromium])
            .args([what, &format!("http://{address}/")])
            .arg(pictures)
            .current_dir(program.dir())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it can be run");
        let stdin = child.stdin.take().expect("it is piped");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        Some(Look { child, stdin, stdout })
    }

    fn wait_for(&mut self, text: &str) {
        read_until(&mut self.stdout, text);
    }

    fn go_on(&mut self) {
        self.stdin.write_all(b"\n").expect("it reads");
    }

    /// It has a limit of its own for each thing that it waits for.
    fn end(mut self) {
        drop(self.stdin);
        let status = self.child.wait().expect("it is ours");
        assert!(status.success(), "what it saw is not as it should be: see above");
    }
}

/// The program with this config and its service at a port; killed when it is dropped.
struct Running(Child);

impl Running {
    fn start(program: &Program, config: &str) -> Running {
        let mut child = program.start(&["-c", config]);
        let log = child.stdout.take().expect("it is piped");
        Running::listening(child, log)
    }

    /// With all streams of a folder.
    fn start_streams(program: &Program, config: &str, folder: &str) -> Running {
        let mut child = program.start(&["-c", config, "streams", folder]);
        let log = child.stderr.take().expect("it is piped");
        Running::listening(child, log)
    }

    fn listening(child: Child, log: impl Read + Send + 'static) -> Running {
        let mut log = BufReader::new(log);
        read_until(&mut log, "Listening for HTTP requests at: ");
        thread::spawn(move || _ = std::io::copy(&mut log, &mut std::io::sink()));
        Running(child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const GUEST: &str = r#"(module (memory (export "memory") 1) (func (export "process")))"#;

#[test]
fn a_stream_under_load() {
    let port = Port::free();
    let config = format!(
        r#"
http: {{ address: '{}', debug_endpoints: true }}
input:
  label: orders
  generate:
    interval: 1ms
    mapping: 'root = {{"id": counter(), "text": "<img src=x onerror=alert(1)>"}}'
pipeline:
  threads: 1
  processors:
    - label: number
      mapping: root = this
    - label: flaky
      mapping: 'root = if this.id % 3 == 0 {{ throw("it is wrong: " + this.text) }} else {{ this }}'
    - label: slow
      sleep: {{ duration: 20ms }}
    - label: guest
      wasm: {{ module_path: guest.wat }}
output:
  switch:
    cases:
      - check: errored()
        output: {{ label: dead, drop: {{}} }}
      - output: {{ label: good, drop: {{}} }}
"#,
        port.address()
    );
    let program = Program::new("page-load").file("a.yaml", config).file("guest.wat", GUEST);
    let running = Running::start(&program, "a.yaml");
    let Some(look) = Look::start(&program, "load", &port.address()) else { return };
    look.end();
    drop(running);
}

#[test]
fn an_output_that_is_down_and_comes_back() {
    let (port, away) = (Port::free(), Port::free());
    let config = format!(
        r#"
http: {{ address: '{}' }}
input: {{ generate: {{ interval: 10ms, mapping: root = counter() }} }}
output: {{ label: away, socket: {{ network: tcp, address: '{}' }} }}
"#,
        port.address(),
        away.address()
    );
    let program = Program::new("page-down").file("a.yaml", config);
    let running = Running::start(&program, "a.yaml");
    let Some(mut look) = Look::start(&program, "down", &port.address()) else { return };
    look.wait_for("seen");
    let listener = TcpListener::bind(away.address()).expect("it is free");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("one has come");
            thread::spawn(move || _ = std::io::copy(&mut stream, &mut std::io::sink()));
        }
    });
    look.go_on();
    look.end();
    drop(running);
}

/// Traps on every message.
const PICKY: &str = r#"(module (memory (export "memory") 1) (func (export "process") unreachable))"#;

#[test]
fn fifty_streams() {
    let (port, away) = (Port::free(), Port::free());
    let around =
        format!("http: {{ address: '{}', debug_endpoints: true }}\nshutdown_timeout: 1s\n", port.address());
    let mut program = Program::new("page-streams").file("around.yaml", around).file("guest.wat", PICKY);
    let generate = "input: { generate: { interval: 20ms, mapping: 'root = counter()' } }";
    for idx in 0..47 {
        let config = format!(
            "{generate}\npipeline: {{ threads: 1, processors: [ {{ label: of_s{idx:02}, mapping: root = this }} ] }}\n\
             output: {{ drop: {{}} }}\n"
        );
        program = program.file(&format!("all/s{idx:02}.yaml"), config);
    }
    let others = [
        (
            "away",
            format!("{generate}\noutput: {{ socket: {{ network: tcp, address: '{}' }} }}\n", away.address()),
        ),
        (
            "over",
            "input: { generate: { count: 1, interval: '', mapping: root = 1 } }\noutput: { drop: {} }\n"
                .to_string(),
        ),
        (
            "guest",
            "input: { generate: { interval: 20ms, mapping: 'root = \"of the guest\"' } }
pipeline: { threads: 1, processors: [ { label: picky, wasm: { module_path: guest.wat } } ] }
output: { drop: {} }
"
            .to_string(),
        ),
    ];
    for (name, config) in others {
        program = program.file(&format!("all/{name}.yaml"), config);
    }
    let running = Running::start_streams(&program, "around.yaml", "all");
    let Some(look) = Look::start(&program, "streams", &port.address()) else { return };
    look.end();
    drop(running);
}

#[test]
fn a_program_that_is_killed_and_starts_again_under_the_page() {
    let port = Port::free();
    let config = |label: &str| {
        format!(
            "http: {{ address: '{}' }}\ninput: {{ generate: {{ interval: 10ms, mapping: root = 1 }} }}\n\
             output: {{ label: {label}, drop: {{}} }}\n",
            port.address()
        )
    };
    let program =
        Program::new("page-killed").file("a.yaml", config("before")).file("b.yaml", config("another"));
    let running = Running::start(&program, "a.yaml");
    let Some(mut look) = Look::start(&program, "killed", &port.address()) else { return };
    look.wait_for("kill");
    drop(running);
    look.go_on();
    look.wait_for("start");
    let running = Running::start(&program, "b.yaml");
    look.go_on();
    look.end();
    drop(running);
}
