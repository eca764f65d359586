//! Sockets end to end: streams of real components, and programs at the other end that behave well or badly.

mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream, UdpSocket},
    os::unix::net::{UnixListener, UnixStream},
};

use support::{TempDir, lint, server, start, wait_for_lines, wait_until};

fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
    let address = listener.local_addr().expect("it has one").to_string();
    (listener, address)
}

#[test]
fn an_input_reads_until_it_is_stopped_and_connects_again() {
    let dir = TempDir::new();
    let (listener, address) = listener();
    let running = start(&format!(
        "input: {{ socket: {{ network: tcp, address: {address:?} }} }}\noutput: {{ file: {{ path: {:?}, codec: lines }} }}\n",
        dir.at("out")
    ));
    for n in 0..3 {
        let (mut stream, _) = listener.accept().expect("it connects");
        write!(stream, "a{n}\nhalf {n}").expect("it reads");
    }
    assert_eq!(wait_for_lines(&dir, 6), "a0\nhalf 0\na1\nhalf 1\na2\nhalf 2\n");
    let (mut stream, _) = listener.accept().expect("it connects");
    stream.write_all(b"last\nnot whole").expect("it reads");
    wait_for_lines(&dir, 7);
    let report = running.drain();
    assert_eq!((report.fault, report.n_failed_sources), (None, 0));
    assert!(dir.read_so_far("out").ends_with("half 2\nlast\n"));
    assert_eq!(stream.read(&mut [0; 1]).expect("it was closed"), 0);
}

#[test]
fn an_input_waits_for_who_is_not_there_yet() {
    let dir = TempDir::new();
    let path = dir.at("socket");
    let running = start(&format!(
        "input: {{ socket: {{ network: unix, address: {path:?} }} }}\noutput: {{ file: {{ path: {:?}, codec: lines }} }}\n",
        dir.at("out")
    ));
    let text = format!("dial unix {path}: connect: no such file or directory");
    assert!(running.log.behind("Failed to connect to socket: ").starts_with(&text));
    let listener = UnixListener::bind(&path).expect("it can be bound");
    let (mut stream, _) = listener.accept().expect("it connects");
    stream.write_all(b"a\n").expect("it reads");
    wait_for_lines(&dir, 1);
    running.drain();
}

#[test]
fn what_a_connection_did_not_take_comes_again_on_the_next() {
    let dir = TempDir::new();
    let (listener, address) = listener();
    let lines: String = (0..300_000).map(|it| format!("{it:0>63}\n")).collect();
    fs::write(dir.at("in"), &lines).expect("it can be written");
    let running = start(&format!(
        "input: {{ file: {{ paths: [{:?}] }} }}\npipeline: {{ threads: 1 }}\noutput: {{ socket: {{ network: tcp, address: {address:?} }} }}\n",
        dir.at("in")
    ));
    // The first reads a little and goes; what the system had taken for it is lost.
    let (stream, _) = listener.accept().expect("it connects");
    let mut first = String::new();
    BufReader::new(&stream).read_line(&mut first).expect("it writes");
    assert_eq!(first, lines[..64]);
    drop(stream);
    let (mut stream, _) = listener.accept().expect("it connects again");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("it writes");
    assert_eq!(running.join().fault, None);
    // It goes on at the beginning of a line, in order, to the end.
    assert!(rest.is_empty() || lines.ends_with(&format!("\n{rest}")), "{:?}", rest.get(..100));
}

#[test]
fn nothing_is_written_to_a_connection_that_was_closed_while_it_was_idle() {
    let (listener, address) = listener();
    let (inlet, inlet_address) = self::listener();
    let _running = start(&format!(
        "input: {{ socket: {{ network: tcp, address: {inlet_address:?} }} }}\noutput: {{ socket: {{ network: tcp, address: {address:?} }} }}\n",
    ));
    let (mut source, _) = inlet.accept().expect("it connects");
    let mut line = String::new();
    source.write_all(b"one\n").expect("it reads");
    let (stream, _) = listener.accept().expect("it connects");
    BufReader::new(&stream).read_line(&mut line).expect("it writes");
    std::thread::sleep(std::time::Duration::from_millis(1200));
    drop(stream);
    std::thread::sleep(std::time::Duration::from_millis(100));
    source.write_all(b"two\n").expect("it reads");
    let (stream, _) = listener.accept().expect("it connects again");
    BufReader::new(&stream).read_line(&mut line).expect("it writes");
    assert_eq!(line, "one\ntwo\n");
}

#[test]
fn a_connection_that_is_closed_at_once_costs_no_message() {
    let (listener, address) = listener();
    let (inlet, inlet_address) = self::listener();
    let _running = start(&format!(
        "input: {{ socket: {{ network: tcp, address: {inlet_address:?} }} }}\noutput: {{ socket: {{ network: tcp, address: {address:?} }} }}\n",
    ));
    let (mut source, _) = inlet.accept().expect("it connects");
    // Connected when something is to be written, or before: either way somebody has closed it by then.
    drop(listener.accept().expect("it connects"));
    std::thread::sleep(std::time::Duration::from_millis(50));
    source.write_all(b"one\n").expect("it reads");
    let (stream, _) = listener.accept().expect("it connects again");
    let mut reader = BufReader::new(&stream);
    let mut line = String::new();
    reader.read_line(&mut line).expect("it writes");
    // One that sends nothing more, and reads on, keeps its connection.
    stream.shutdown(std::net::Shutdown::Write).expect("it can be shut");
    std::thread::sleep(std::time::Duration::from_millis(50));
    for more in ["two\n", "three\n"] {
        source.write_all(more.as_bytes()).expect("it reads");
        reader.read_line(&mut line).expect("it writes");
    }
    assert_eq!(line, "one\ntwo\nthree\n");
}

#[test]
fn what_one_stream_writes_another_reads() {
    for network in ["tcp", "unix"] {
        let dir = TempDir::new();
        let lines: String = (0..50_000).map(|it| format!("line {it}\n")).collect();
        fs::write(dir.at("in"), &lines).expect("it can be written");
        let address = if network == "tcp" { "127.0.0.1:0".to_string() } else { dir.at("socket") };
        let (server, address) = server(&dir, &format!("network: {network}, address: {address:?}"));
        let client = start(&format!(
            "input: {{ file: {{ paths: [{:?}] }} }}\noutput: {{ socket: {{ network: {network}, address: {address:?} }} }}\n",
            dir.at("in")
        ));
        assert_eq!(client.join().fault, None);
        wait_for_lines(&dir, 50_000);
        server.drain();
        assert!(dir.read_so_far("out") == lines, "{network}");
        assert!(!fs::exists(dir.at("socket")).expect("it can be looked for"), "the socket is removed");
    }
}

#[test]
fn each_datagram_is_read_by_itself() {
    let dir = TempDir::new();
    let (server, address) = server(&dir, "network: udp, address: \"127.0.0.1:0\"");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port can be had");
    for (n, datagram) in ["one\n", "no end", "", "a\nb\n\nc", "last\n"].into_iter().enumerate() {
        socket.send_to(datagram.as_bytes(), &address).expect("it can be sent");
        // In order, and none is lost for want of room.
        wait_until("a datagram", || [1, 2, 2, 6, 7][n] <= dir.read_so_far("out").lines().count());
    }
    assert_eq!(dir.read_so_far("out"), "one\nno end\na\nb\n\nc\nlast\n");
    socket.send_to(&[b'x'; 65_000], &address).expect("it can be sent");
    wait_for_lines(&dir, 8);
    server.drain();
}

#[test]
fn datagrams_of_any_size_are_cut_by_themselves() {
    let dir = TempDir::new();
    let (running, address) = server(&dir, "network: udp, address: '127.0.0.1:0'");
    let sender = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    // Of several rooms of the cutter, without an end, and of nothing; what cannot be cut concerns no other.
    let many: Vec<String> = (0..4_000).map(|it| format!("line {it}")).collect();
    let long = "x".repeat(60_000);
    let datagrams = [
        many.join("\n"),
        String::new(),
        format!("{long}\nbehind"),
        "one\ntwo\n".to_string(),
        "last".to_string(),
    ];
    for (idx, datagram) in datagrams.iter().enumerate() {
        sender.send_to(datagram.as_bytes(), &address).expect("it is sent");
        // Datagrams may be lost where they come too fast.
        let n_lines = [4_000, 4_000, 4_002, 4_004, 4_005][idx];
        wait_for_lines(&dir, n_lines);
    }
    let expected = many.into_iter().chain([long.as_str(), "behind", "one", "two", "last"].map(String::from));
    let expected: Vec<String> = expected.collect();
    let read = dir.read_so_far("out");
    assert!(read.lines().eq(expected.iter().map(String::as_str)), "in order, whole, and once");
    assert_eq!(running.drain().fault, None);
}

#[test]
fn each_message_is_a_datagram() {
    let dir = TempDir::new();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port can be had");
    let address = socket.local_addr().expect("it has one");
    let long = "x".repeat(70_000);
    fs::write(dir.at("in"), format!("a\n{long}\nb\n")).expect("it can be written");
    let running = start(&format!(
        "input: {{ file: {{ paths: [{:?}], scanner: {{ lines: {{ max_buffer_size: 100000 }} }} }} }}\n\
         output: {{ socket: {{ network: udp, address: \"{address}\" }} }}\n",
        dir.at("in")
    ));
    let mut buffer = [0; 100];
    for expected in ["a\n", "b\n"] {
        let n_bytes = socket.recv(&mut buffer).expect("it is sent");
        assert_eq!(String::from_utf8_lossy(&buffer[..n_bytes]), expected);
    }
    let text = format!("write udp {address}: message too long");
    assert!(running.log.behind("Failed to send message to socket: ").starts_with(&text));
    assert_eq!(running.join().fault, None);
}

#[test]
fn connections_are_bounded() {
    let dir = TempDir::new();
    let (server, address) = server(&dir, "network: tcp, address: \"127.0.0.1:0\", max_connections: 3");
    let mut held: Vec<TcpStream> =
        (0..3).map(|_| TcpStream::connect(&address).expect("it listens")).collect();
    server.log.behind("There are 3 connections, as many as there may be");
    let mut next = TcpStream::connect(&address).expect("the system lets it wait");
    next.write_all(b"next\n").expect("the system takes it");
    held[0].write_all(b"held\n").expect("it reads");
    assert_eq!(wait_for_lines(&dir, 1), "held\n");
    held.pop();
    assert_eq!(wait_for_lines(&dir, 2), "held\nnext\n");
    server.drain();
}

#[test]
fn who_sends_nothing_is_sent_away() {
    let dir = TempDir::new();
    let (server, address) = server(&dir, "network: tcp, address: \"127.0.0.1:0\", idle_timeout: 100ms");
    let mut idle = TcpStream::connect(&address).expect("it listens");
    idle.write_all(b"a\n").expect("it reads");
    assert_eq!(idle.read(&mut [0; 1]).expect("it is closed"), 0);
    server.log.behind("Connection dropped due to: nothing came within `idle_timeout`");
    server.drain();
    assert_eq!(dir.read_so_far("out"), "a\n");
}

#[test]
fn what_connections_hold_is_bounded() {
    let dir = TempDir::new();
    let fields = "network: tcp, address: \"127.0.0.1:0\", max_connections: 4, max_bytes: 1MiB, scanner: { to_the_end: {} }";
    let (server, address) = server(&dir, fields);
    let mut greedy = TcpStream::connect(&address).expect("it listens");
    let chunk = vec![b'x'; 10_000];
    while greedy.write_all(&chunk).is_ok() {}
    let reason = server.log.behind("Connection dropped due to: at byte 0: no room for ");
    assert!(reason.contains("all connections together may hold 1048576 (`max_bytes`)"), "{reason}");
    let mut modest = TcpStream::connect(&address).expect("it listens");
    modest.write_all(b"modest").expect("it reads");
    drop(modest);
    assert_eq!(wait_for_lines(&dir, 1), "modest\n");
    server.drain();
}

/// A frame of zstd with a window of 64 MiB, in which four bytes stand for 128 KiB.
fn bomb(n_blocks: usize) -> Vec<u8> {
    let mut bomb = b"\x28\xb5\x2f\xfd\x00\x80".to_vec();
    (0..n_blocks).for_each(|_| bomb.extend(b"\x02\x00\x10\n"));
    bomb
}

/// What is decompressed counts before it is made, and so does what has to be kept for that.
#[test]
fn what_becomes_large_is_bounded() {
    let scanners =
        ["decompress: { algorithm: zstd }", "decompress: { algorithm: zstd, into: { lines: {} } }"];
    for (network, scanner) in [("tcp", scanners[0]), ("tcp", scanners[1]), ("udp", scanners[0])] {
        let dir = TempDir::new();
        let limits = "max_connections: 4, max_bytes: 16MiB";
        let fields =
            format!("network: {network}, address: \"127.0.0.1:0\", {limits}, scanner: {{ {scanner} }}");
        let (server, address) = server(&dir, &fields);
        let (greedy, modest) = (bomb(10_000), b"\x28\xb5\x2f\xfd\x00\x00\x19\x00\x00a\nb".to_vec());
        let mut streams = Vec::new();
        for bytes in [&greedy, &modest] {
            if network == "udp" {
                let socket = UdpSocket::bind("127.0.0.1:0").expect("a port can be had");
                socket.send_to(bytes, &address).expect("it can be sent");
                continue;
            }
            let mut stream = TcpStream::connect(&address).expect("it listens");
            // It may be sent away before it has sent all of it.
            let _ = stream.write_all(bytes);
            streams.push(stream);
        }
        let reason = server.log.behind(": no room for ");
        assert!(reason.contains("all connections together may hold 16777216 (`max_bytes`)"), "{reason}");
        streams.clear();
        wait_until("the other", || {
            dir.read_so_far("out").ends_with("\na\nb\n") || dir.read_so_far("out") == "a\nb\n"
        });
        server.drain();
    }
}

#[test]
fn a_socket_that_was_left_behind_is_replaced_and_one_in_use_is_not() {
    let dir = TempDir::new();
    let path = dir.at("socket");
    drop(UnixListener::bind(&path).expect("it can be bound"));
    let (first, _) = server(&dir, &format!("network: unix, address: {path:?}"));
    let second = start(&format!(
        "input: {{ socket_server: {{ network: unix, address: {path:?} }} }}\noutput: {{ drop: {{}} }}\n"
    ));
    let text = second.log.behind("Failed to connect to socket_server: ");
    assert!(text.starts_with(&format!("listen unix {path}: bind: address already in use")), "{text}");
    second.drain();
    UnixStream::connect(&path).expect("it listens").write_all(b"a\n").expect("it reads");
    wait_for_lines(&dir, 1);
    first.drain();
}

#[test]
fn a_cache_is_told_the_address() {
    let dir = TempDir::new();
    let config = format!(
        "input: {{ label: mine, socket_server: {{ network: tcp, address: \"127.0.0.1:0\", address_cache: addresses }} }}\n\
         cache_resources: [ {{ label: addresses, file: {{ directory: {:?} }} }} ]\noutput: {{ drop: {{}} }}\n",
        dir.at("")
    );
    let running = start(&config);
    let address = running.log.behind("socket messages from address: ");
    assert_eq!(dir.read("mine_address"), address);
    running.drain();
}

#[test]
fn lints() {
    let check = |fields: &str, expected: &str| {
        let config = format!("input:\n  socket_server:\n    {fields}\noutput: {{ drop: {{}} }}\n");
        assert_eq!(lint(&config), expected, "{fields}");
    };
    check("{ network: tcp, address: a:1 }", "");
    check("{ network: tcp, address: a }", "(3,1) address a: missing port in address\n");
    check("{ network: unix, address: a }", "");
    check(
        "{ network: tcp, address: a:1, max_connections: 0 }",
        "(3,1) expected int value of 1 or more, got `0`\n",
    );
    let config =
        "input: { file: { paths: [ a ] } }\noutput: { socket: { network: udp, address: a:b, codec: x } }\n";
    assert_eq!(lint(config), "(2,1) codec was not recognised: x\n(2,1) address a:b: invalid port\n");
}
