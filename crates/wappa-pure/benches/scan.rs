//! From file to file through the components alone, beside plain loops of the same work.
//!
//! `cargo bench -p wappa-pure` prints messages a second for several sizes; medians of five runs, taken in turn.
#![allow(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, BufWriter, Read, Write},
    os::fd::BorrowedFd,
    path::Path,
    time::{Duration, Instant},
};

use memchr::memchr_iter;
use wappa_component::{
    Build, BuildError, Builder, Context, Input, Logger, Metrics, Output, Processor, Pulse, ReadError,
    ScannerFactory, Services, Step, Waiter, Woken,
};
use wappa_spec::{ComponentKind, ComponentNode, LintOptions, Reader, Registry, Source, Spec};

const FILE_BYTES: usize = 256 * 1024 * 1024;
const N_RUNS: usize = 5;

fn main() {
    let dir = std::env::temp_dir().join(format!("wappa-scan-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("a directory can be made");
    let (from, to) = (dir.join("in"), dir.join("out"));
    println!("million messages a second");
    println!("{:>8} {:>12} {:>12} {:>12} {:>8}", "bytes", "read_until", "memchr", "components", "ratio");
    for n_bytes in [16, 100, 1024, 16 * 1024] {
        let n_messages = FILE_BYTES / (n_bytes + 1);
        let line = [vec![b'x'; n_bytes], vec![b'\n']].concat();
        fs::write(&from, line.repeat(n_messages)).expect("a file can be written");
        let ways: [fn(&Path, &Path); 3] = [read_until, scan, components];
        let mut seconds: [Vec<f64>; 3] = Default::default();
        for _ in 0..N_RUNS {
            for (way, seconds) in ways.iter().zip(&mut seconds) {
                let _ = fs::remove_file(&to);
                let began = Instant::now();
                way(&from, &to);
                seconds.push(began.elapsed().as_secs_f64());
                let written = fs::metadata(&to).expect("it was written").len();
                assert_eq!(written as usize, n_messages * (n_bytes + 1));
            }
        }
        let rate = seconds.map(|mut it| {
            it.sort_by(f64::total_cmp);
            n_messages as f64 / it[N_RUNS / 2] / 1e6
        });
        let [plain, fast, own] = rate;
        println!("{n_bytes:>8} {plain:>12.2} {fast:>12.2} {own:>12.2} {:>8.2}", own / plain);
    }
    fs::remove_dir_all(&dir).expect("a directory of our own can be removed");
}

/// What anybody would write.
fn read_until(from: &Path, to: &Path) {
    let mut input = BufReader::with_capacity(128 * 1024, File::open(from).expect("it is there"));
    let mut output = BufWriter::with_capacity(128 * 1024, File::create(to).expect("it can be made"));
    let mut line = Vec::new();
    while 0 < input.read_until(b'\n', &mut line).expect("it can be read") {
        output.write_all(&line).expect("it can be written");
        line.clear();
    }
    output.flush().expect("it can be written");
}

/// The same without a copy of each line.
fn scan(from: &Path, to: &Path) {
    let mut input = File::open(from).expect("it is there");
    let mut output = BufWriter::with_capacity(128 * 1024, File::create(to).expect("it can be made"));
    let mut buffer = vec![0; 256 * 1024];
    let mut held = 0;
    loop {
        let n_read = input.read(&mut buffer[held..]).expect("it can be read");
        if n_read == 0 {
            break;
        }
        let data = &buffer[..held + n_read];
        let mut start = 0;
        for end in memchr_iter(b'\n', data) {
            output.write_all(&data[start..=end]).expect("it can be written");
            start = end + 1;
        }
        held = data.len() - start;
        buffer.copy_within(start..start + held, 0);
    }
    output.flush().expect("it can be written");
}

/// The input `file`, the scanner `lines` and the output `file`.
fn components(from: &Path, to: &Path) {
    let mut building = Building { registry: wappa_pure::components().iter().map(|it| &it.spec).collect() };
    let input = building.node(ComponentKind::Input, &format!("file: {{paths: [{}]}}", from.display()));
    let mut input = building.input(&input, "root.input").expect("it can be built");
    let output = building.node(ComponentKind::Output, &format!("file: {{path: {}}}", to.display()));
    let mut output = building.output(&output, "root.output").expect("it can be built");
    let mut step = Step::new(0, &Still);
    input.connect(&Still).expect("it can be connected");
    output.connect().expect("it can be connected");
    loop {
        match input.read(&Still, &mut step) {
            Ok(parcel) => {
                let (mut part, _, ack) = parcel.open();
                output.write(&mut part, &mut step).expect("it can be written");
                ack.delivered();
            }
            Err(ReadError::EndOfInput) => break,
            Err(err) => panic!("{err:?}"),
        }
    }
    output.close().expect("it can be closed");
}

/// No time passes, and nothing is waited for.
struct Still;

impl Pulse for Still {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn ticks(&self) -> u64 {
        0
    }

    fn is_interrupted(&self) -> bool {
        false
    }

    fn sleep(&self, _: Duration) -> bool {
        true
    }
}

impl Waiter for Still {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn wait(&self, _: Option<BorrowedFd<'_>>, _: Option<Duration>) -> Woken {
        unreachable!("files are not waited for")
    }
}

struct Building {
    registry: Vec<&'static Spec>,
}

impl Building {
    fn node(&self, kind: ComponentKind, config: &str) -> ComponentNode {
        let source = Source::read(config.as_bytes(), |_| None).expect("the config is sound");
        let mut reader = Reader::new(&self.registry, LintOptions::default());
        ComponentNode::read(kind, &source.node, &mut reader).expect("the config is sound")
    }

    fn build(&self, node: &ComponentNode) -> Build {
        let all = wappa_pure::components();
        let found = all.into_iter().find(|it| it.spec.kind == node.kind && it.spec.name == node.name);
        found.expect("it is listed").build
    }
}

impl Builder for Building {
    fn registry(&self) -> &dyn Registry {
        &self.registry
    }

    fn logger(&self) -> &Logger {
        static SILENT: std::sync::OnceLock<Logger> = std::sync::OnceLock::new();
        SILENT.get_or_init(Logger::silent)
    }

    fn metrics(&self) -> &Metrics {
        unreachable!("nothing is counted")
    }

    fn services(&self) -> &Services {
        unreachable!("nothing is shared")
    }

    fn lanes(&self) -> usize {
        1
    }

    fn threads(&self) -> usize {
        1
    }

    fn on_abandon(&mut self, _: Box<dyn Fn() + Send + Sync>) {}

    fn input(&mut self, node: &ComponentNode, path: &str) -> Result<Box<dyn Input>, BuildError> {
        let Build::Input(build) = self.build(node) else { unreachable!("it is an input") };
        build(&node.body, &mut Context::new(self, "", path))
    }

    fn output(&mut self, node: &ComponentNode, path: &str) -> Result<Box<dyn Output>, BuildError> {
        let Build::Output(build) = self.build(node) else { unreachable!("it is an output") };
        build(&node.body, &mut Context::new(self, "", path))
    }

    fn scanner(&mut self, node: &ComponentNode, path: &str) -> Result<Box<dyn ScannerFactory>, BuildError> {
        let Build::Scanner(build) = self.build(node) else { unreachable!("it is a scanner") };
        build(&node.body, &mut Context::new(self, "", path))
    }

    fn processor(&mut self, _: &ComponentNode, _: &str) -> Result<Box<dyn Processor>, BuildError> {
        Err(BuildError::new("there are no processors"))
    }

    fn input_resource(&mut self, _: &str) -> Result<Box<dyn Input>, BuildError> {
        Err(BuildError::new("there are no resources"))
    }

    fn processor_resource(&mut self, _: &str) -> Result<Box<dyn Processor>, BuildError> {
        Err(BuildError::new("there are no resources"))
    }

    fn output_resource(&mut self, _: &str) -> Result<Box<dyn Output>, BuildError> {
        Err(BuildError::new("there are no resources"))
    }
}
