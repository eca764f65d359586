//! From file to file through the components alone, beside plain loops of the same work.
//!
//! `cargo bench -p wappa-pure --bench scan` prints messages per second of CPU time for several sizes: medians of five
//! runs, taken in turn. A size and a way as arguments run only those.
#![allow(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, BufWriter, Read, Write},
    path::Path,
    sync::{Arc, LazyLock},
    time::Duration,
};

use memchr::memchr_iter;
use wappa_component::{
    BuildError, Builder, Built, Delivery, Pulse, ReadError, Step, Surroundings, Unpacked, Waits,
};
use wappa_spec::{ComponentKind, ComponentNode, LintOptions, Reader, Source, Spec};

const FILE_BYTES: usize = 256 * 1024 * 1024;
const N_RUNS: usize = 5;

type Way = (&'static str, fn(&Path, &Path));
const WAYS: [Way; 3] = [("read_until", read_until), ("memchr", scan), ("components", components)];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Without it a test run has come by, which only wants to see it work.
    let file_bytes = if arguments.iter().any(|it| it == "--bench") { FILE_BYTES } else { 1024 * 1024 };
    let wanted: Vec<&String> = arguments.iter().filter(|it| !it.starts_with('-')).collect();
    let is_wanted =
        |it: &str, all: &[&str]| wanted.iter().all(|wanted| !all.contains(&wanted.as_str()) || *wanted == it);
    let dir = std::env::temp_dir().join(format!("wappa-scan-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("a directory can be made");
    let (from, to) = (dir.join("in"), dir.join("out"));
    println!("{:>8} {:>12} {:>28}", "bytes", "way", "million messages a CPU second");
    let sizes = ["16", "100", "1024", "16384"];
    for size in sizes.into_iter().filter(|it| is_wanted(it, &sizes)) {
        let n_bytes: usize = size.parse().expect("a number");
        let n_messages = file_bytes / (n_bytes + 1);
        let line = [vec![b'x'; n_bytes], vec![b'\n']].concat();
        fs::write(&from, line.repeat(n_messages)).expect("a file can be written");
        let ways = WAYS.into_iter().filter(|(name, _)| is_wanted(name, &WAYS.map(|it| it.0)));
        let mut seconds: Vec<(Way, Vec<f64>)> = ways.map(|it| (it, Vec::new())).collect();
        for _ in 0..N_RUNS {
            for ((_, way), seconds) in &mut seconds {
                let _ = fs::remove_file(&to);
                let began = cpu_seconds();
                way(&from, &to);
                seconds.push(cpu_seconds() - began);
                let written = fs::metadata(&to).expect("it was written").len();
                assert_eq!(written as usize, n_messages * (n_bytes + 1));
            }
        }
        for ((name, _), mut seconds) in seconds {
            seconds.sort_by(f64::total_cmp);
            println!("{size:>8} {name:>12} {:>28.2}", n_messages as f64 / seconds[N_RUNS / 2] / 1e6);
        }
    }
    fs::remove_dir_all(&dir).expect("a directory of our own can be removed");
}

fn cpu_seconds() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
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
    let mut building = Building::new();
    let input = format!("file: {{paths: [{}]}}", from.display());
    let Built::Input(mut input) = building.built(ComponentKind::Input, &input, "root.input") else {
        panic!("an input is built as one")
    };
    let output = format!("file: {{path: {}}}", to.display());
    let Built::Output(mut output) = building.built(ComponentKind::Output, &output, "root.output") else {
        panic!("an output is built as one")
    };
    let mut step = Step::new(0, &Still);
    input.connect(&mut Waits::default()).expect("it can be connected");
    output.connect().expect("it can be connected");
    loop {
        match input.read(&mut Waits::default(), &mut step) {
            Ok(parcel) => {
                let Unpacked { part, ack, .. } = parcel.open();
                let delivery = Delivery::new(part, |answer| {
                    assert!(answer.is_delivered(), "it can be written");
                    ack.delivered();
                });
                output.write(delivery, &mut step);
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

struct Building {
    surroundings: Surroundings<'static>,
}

impl Building {
    fn new() -> Building {
        static REGISTRY: LazyLock<Vec<&'static Spec>> =
            LazyLock::new(|| wappa_pure::components().iter().map(|it| &it.spec).collect());
        Building { surroundings: Surroundings::alone(&*REGISTRY, Arc::new(Still)) }
    }

    fn built(&mut self, kind: ComponentKind, config: &str, path: &str) -> Built {
        let source = Source::read(config.as_bytes(), |_| None).expect("the config is sound");
        let mut reader = Reader::new(self.surroundings.registry, LintOptions::default());
        let node = ComponentNode::read(kind, &source.node, &mut reader).expect("the config is sound");
        self.child(&node, path).expect("it can be built")
    }
}

impl Builder for Building {
    fn surroundings(&self) -> &Surroundings<'_> {
        &self.surroundings
    }

    fn child(&mut self, node: &ComponentNode, path: &str) -> Result<Built, BuildError> {
        let all = wappa_pure::components();
        let found = all.into_iter().find(|it| it.spec.kind == node.kind && it.spec.name == node.name);
        found.expect("it is listed").build(self, node, path)
    }

    fn resource(&mut self, _: ComponentKind, _: &str) -> Result<Built, BuildError> {
        Err(BuildError::new("there are no resources"))
    }
}
