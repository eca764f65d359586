//! Hostile clients cost their own connections only, and no descriptor for good. In a process of its own, whose descriptors
//! are counted.

mod support;

use std::{
    fs,
    io::Write,
    net::{Shutdown, TcpStream},
};

use support::{TempDir, server, wait_for_lines, wait_until};

/// Of this process.
fn n_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("the system says so").count()
}

#[test]
fn the_fault_of_one_client_costs_its_connection_only() {
    let dir = TempDir::new();
    let (server, address) = server(&dir, "network: tcp, address: \"127.0.0.1:0\"");
    let mut good = TcpStream::connect(&address).expect("it listens");
    good.write_all(b"before\n").expect("it reads");
    wait_for_lines(&dir, 1);
    let before = n_descriptors();
    for n in 0..50 {
        let mut endless = TcpStream::connect(&address).expect("it listens");
        // A line that never ends; the server closes the connection at some point.
        let chunk = vec![b'x'; 10_000];
        while endless.write_all(&chunk).is_ok() {}
        let mut half = TcpStream::connect(&address).expect("it listens");
        write!(half, "half {n}").expect("it reads");
        half.shutdown(Shutdown::Write).expect("it is open");
    }
    good.write_all(b"after\n").expect("it reads");
    let text = wait_for_lines(&dir, 52);
    assert!(text.starts_with("before\n") && text.contains("half 49\n") && !text.contains("xx"));
    let reason =
        "at byte 0: a line is longer than 65536 bytes: raise `max_buffer_size` of the scanner `lines`";
    assert!(server.log.behind("Connection dropped due to: ").starts_with(reason));
    wait_until("all are closed", || n_descriptors() <= before);
    let report = server.drain();
    assert_eq!((report.fault, report.n_failed_sources), (None, 0));
}
