//! `--watcher`: a stream goes on with what its files say now.

use std::{
    fs,
    io::{BufReader, Write},
    process::{Child, ChildStderr, ChildStdin, ChildStdout},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

mod support;

use support::{Program, read_until, wait};

/// A stream to which one line is written at a time.
struct Stream {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
}

impl Stream {
    fn start(program: &Program, arguments: &[&str]) -> Stream {
        let mut child = program.start(arguments);
        let stdin = child.stdin.take().expect("it is piped");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        Stream { child, stdin, stdout, stderr }
    }

    /// What becomes of one line.
    fn ask(&mut self) -> String {
        self.stdin.write_all(b"x\n").expect("it reads");
        read_until(&mut self.stdout, "\n").trim_end().to_string()
    }

    /// Asks until the answer is another one, which is this. No answer is missing on the way.
    fn becomes(&mut self, new: &str) {
        let (old, began) = (self.ask(), Instant::now());
        loop {
            let answer = self.ask();
            if answer == new {
                return;
            }
            assert_eq!(answer, old);
            assert!(began.elapsed() < Duration::from_secs(120), "`{new}` does not come");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The log says this.
    fn says(&mut self, text: &str) {
        read_until(&mut self.stderr, text);
    }

    /// Ends it; its exit code.
    fn end(self) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("it runs");
        drop(self.stdin);
        wait(self.child).code()
    }
}

fn config(processors: &str) -> String {
    format!("pipeline:\n  threads: 1\n  processors:\n{processors}output:\n  stdout: {{}}\n")
}

#[test]
fn a_stream_goes_on_with_what_its_files_say_now() {
    let mapping = "    - mapping: 'root = \"one\"'\n";
    let program = Program::new("watcher").file("a.yaml", config(mapping));
    let program = program.file("r.yaml", "processor_resources:\n  - label: r\n    mapping: root = \"r1\"\n");
    let program = program.file("m.blobl", "root = \"m1\"");
    let write = |name: &str, text: &str| fs::write(program.dir().join(name), text).expect("it is ours");
    let mut stream = Stream::start(&program, &["-w", "-c", "a.yaml", "-r", "r*.yaml"]);
    assert_eq!(stream.ask(), "one");
    write("a.yaml", &config("    - mapping: 'root = \"two\"'\n"));
    stream.becomes("two");
    // One that cannot be run is told, and the stream goes on.
    write("a.yaml", &config("    - mapping: 'root = '\n"));
    stream.says("Rejecting updated main config due to linter errors");
    assert_eq!(stream.ask(), "two");
    write("a.yaml", &config("    - resource: nowhere\n"));
    stream.says("Rejecting updated main config due to linter errors");
    assert_eq!(stream.ask(), "two");
    // What belongs to it is watched too: resources, mappings, a new file that a pattern finds.
    write("a.yaml", &config("    - resource: r\n"));
    stream.becomes("r1");
    write("r.yaml", "processor_resources:\n  - label: r\n    mapping: 'from \"m.blobl\"'\n");
    stream.becomes("m1");
    write("m.blobl", "root = \"m2\"");
    stream.becomes("m2");
    write("r2.yaml", "processor_resources:\n  - label: r2\n    mapping: 'root = \"r2\"'\n");
    stream.says("Updated main config");
    write("a.yaml", &config("    - resource: r2\n"));
    stream.becomes("r2");
    // A file that is gone for a moment has not changed.
    fs::remove_file(program.dir().join("a.yaml")).expect("it is there");
    thread::sleep(Duration::from_millis(1500));
    assert_eq!(stream.ask(), "r2");
    write("a.yaml", &config("    - mapping: 'root = \"three\"'\n"));
    stream.becomes("three");
    assert_eq!(stream.end(), Some(0));
}

#[test]
fn a_module_that_is_another_one_is_taken_over() {
    let guest = |text: &str| {
        format!(
            r#"(module
              (import "wappa" "v1_content_write" (func $write (param i32 i32)))
              (import "wappa" "v1_next" (func $next (result i32)))
              (memory (export "memory") 1)
              (data (i32.const 0) "{text}")
              (func (export "process")
                (loop $again
                  (call $write (i32.const 0) (i32.const {}))
                  (br_if $again (i32.eq (call $next) (i32.const 1))))))"#,
            text.len()
        )
    };
    let wasm = config("    - wasm: { module_path: guest.wat }\n")
        + "metrics:\n  prometheus:\n    file_output_path: metrics.txt\n";
    let program = Program::new("watcher-module").file("a.yaml", wasm).file("guest.wat", guest("one"));
    let mut stream = Stream::start(&program, &["-w", "-c", "a.yaml"]);
    assert_eq!(stream.ask(), "one");
    fs::write(program.dir().join("guest.wat"), guest("second")).expect("it is ours");
    stream.becomes("second");
    fs::write(program.dir().join("guest.wat"), "(module").expect("it is ours");
    stream.says("Rejecting updated main config due to linter errors");
    assert_eq!(stream.ask(), "second");
    assert_eq!(stream.end(), Some(0));
    // What was taken over and what was refused is counted, by the metrics that go on.
    let metrics = fs::read_to_string(program.dir().join("metrics.txt")).expect("they were written");
    let count = |name: &str| {
        let value = metrics.lines().find_map(|it| it.strip_prefix(name)?.strip_prefix(' '));
        value.and_then(|it| it.parse::<f64>().ok()).unwrap_or_else(|| panic!("there is no {name}: {metrics}"))
    };
    assert!(1.0 <= count("config_reloaded") && 1.0 <= count("config_reload_failed"), "{metrics}");
}

#[test]
fn a_stream_that_has_ended_begins_again_with_the_next_change() {
    let config = |count: usize| {
        format!("input:\n  generate: {{ count: {count}, interval: '', mapping: root = \"{count}\" }}\n")
            + "output:\n  stdout: {}\n"
    };
    let program = Program::new("watcher-end").file("a.yaml", config(2));
    let mut stream = Stream::start(&program, &["-w", "-c", "a.yaml"]);
    assert_eq!(read_until(&mut stream.stdout, "2\n2\n"), "2\n2\n");
    stream.says("Pipeline has terminated. It begins again when a file that is watched changes");
    fs::write(program.dir().join("a.yaml"), config(3)).expect("it is ours");
    assert_eq!(read_until(&mut stream.stdout, "3\n3\n3\n"), "3\n3\n3\n");
    stream.says("Pipeline has terminated");
    assert_eq!(stream.end(), Some(0));
}
