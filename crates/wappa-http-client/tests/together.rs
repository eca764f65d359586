//! What the answers to many requests take of the memory together: a process of its own, whose peak is theirs.
#![cfg(target_os = "linux")]

#[allow(dead_code, reason = "one test needs little of it")]
#[path = "streams/server.rs"]
mod server;
#[allow(dead_code, reason = "one test needs little of it")]
#[path = "streams/support.rs"]
mod support;

use std::{fs, io::Write};

use flate2::{Compression, write::GzEncoder};
use server::{Server, answer};
use support::{TempDir, start};

/// A server makes much of little: forty answers of 50 KB are two gigabytes of zeros. Who is refused says why, and nothing is
/// asked for before there is room.
#[test]
fn answers_of_a_batch_are_no_more_than_there_is_room_for() {
    const BYTES: usize = 50 << 20;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![b'0'; BYTES]).expect("it is kept");
    let compressed = encoder.finish().expect("it is kept");
    let server = Server::start(move |_| answer(200, compressed.clone()).header("Content-Encoding", "gzip"));
    let url = server.url("/");
    for parallel in [false, true] {
        let dir = TempDir::new();
        let (input, output) = (dir.write("in", "a\n".repeat(40)), dir.at("out"));
        let running = start(&format!(
            "input: {{broker: {{inputs: [{{file: {{paths: [{input:?}]}}}}], batching: {{count: 40}}}}}}\n\
             pipeline: {{threads: 1, processors: [{{http: {{url: {url:?}, parallel: {parallel}}}}}, \
             {{mapping: 'root = content().length().string() + \" \" + error().or(\"\")'}}]}}\n\
             output: {{file: {{path: {output:?}, codec: lines}}}}\n"
        ));
        assert_eq!(running.join().fault, None);
        let out = dir.read_so_far("out");
        let n_refused = out.matches("the messages worked on together would grow by more than 512MiB").count();
        let n_answered = out.matches("52428800 ").count();
        assert_eq!(n_refused + n_answered, 40, "{out}");
        // Of those at once, each may have a part of the last room.
        assert!(if parallel { (1..=10).contains(&n_answered) } else { n_answered == 10 }, "{n_answered}");
    }
    let status = fs::read_to_string("/proc/self/status").expect("the system tells of a process");
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:")).expect("it tells of memory");
    let peak = line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10;
    assert!(peak < 1280 << 20, "{peak} bytes");
}
