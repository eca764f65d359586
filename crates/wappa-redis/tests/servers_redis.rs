//! Streams that read and write a real server of Redis, which stands still, is killed and comes back.

mod support;

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use support::{Answer, Outside, lint, lint_restricted, start};
use wappa_servers::{Dir, Server, or_skip, redis::Redis, wait_until};

fn server() -> Option<Server> {
    or_skip(Redis::find()).map(|it| it.args(&["--appendfsync", "always"]).start())
}

fn url(server: &Server) -> String {
    format!("url: 'redis://{}'", server.address())
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|it| it.to_string()).collect()
}

/// From one stream into another.
fn through(server: &Server, input: &str, processors: &str) -> String {
    let url = url(server);
    format!(
        "input: {{ redis_streams: {{ {url}, streams: [in], consumer_group: g, {input} }} }}\n\
         pipeline: {{ threads: 2, processors: [{processors}] }}\n\
         output: {{ redis_streams: {{ {url}, stream: out }} }}\n"
    )
}

/// What a pipeline of one processor makes of lines, with its error behind each.
fn asked(processor: &str, lines: &str) -> String {
    let dir = Dir::new();
    let input = dir.write("in", lines);
    let running = start(&format!(
        "input: {{ file: {{ paths: [{input:?}] }} }}\n\
         pipeline: {{ threads: 1, processors: [{processor}, {{ mapping: 'root = content() + error().or(\"\").re_replace_all(\"(?s)^(.)\", \" ! $1\")' }}] }}\n\
         output: {{ file: {{ path: {:?}, codec: lines }} }}\n",
        dir.at("out")
    ));
    assert_eq!(running.join().fault, None);
    dir.read("out")
}

#[test]
fn entries_keep_their_order_and_their_fields_and_are_acknowledged() {
    let Some(server) = server() else { return };
    let mut outside = Outside::new(&server.address());
    outside.add_numbers("in", 0..2_000);
    outside.ask("XADD in * body last kind k");
    let running = start(&through(&server, "client_id: c, commit_period: 20ms", ""));
    wait_until("all", || outside.ask("XLEN out") == Answer::Int(2_001));
    wait_until("its acknowledgements", || outside.n_pending("in", "g") == 0);
    assert_eq!(running.drain().fault, None);
    let contents = outside.contents("out");
    assert_eq!((&contents[..2_000], contents[2_000].as_str()), (&numbers(0..2_000)[..], "last"));
    let last = outside.ask("XREVRANGE out + - COUNT 1").texts();
    assert!(last.windows(2).any(|it| it == ["kind", "k"]), "{last:?}");
    assert!(last.iter().any(|it| it == "redis_stream"), "{last:?}");
}

#[test]
fn what_a_dead_member_had_read_is_claimed_and_what_is_slow_is_not() {
    let Some(server) = server() else { return };
    let mut outside = Outside::new(&server.address());
    outside.add_numbers("in", 0..20);
    outside.ask("XGROUP CREATE in g 0");
    outside.ask("XREADGROUP GROUP g dead COUNT 5 STREAMS in >");
    assert_eq!(outside.n_pending("in", "g"), 5);
    // Six seconds for one of them, where what shows no sign of life for two is claimed.
    let slow = "{ sleep: { duration: '${! if content() == \"7\" { \"6s\" } else { \"0s\" } }' } }";
    let input = "commit_period: 20ms, claim_after: 2s, client_id";
    let one = start(&through(&server, &format!("{input}: one"), slow));
    let two = start(&through(&server, &format!("{input}: two"), slow));
    wait_until("all", || 20 <= outside.contents("out").len());
    wait_until("its acknowledgements", || outside.n_pending("in", "g") == 0);
    assert_eq!((one.drain().fault, two.drain().fault), (None, None));
    let mut contents = outside.contents("out");
    contents.sort_by_key(|it| it.parse::<usize>().expect("it is a number"));
    assert_eq!(contents, numbers(0..20));
}

#[test]
fn what_was_read_is_worked_off_and_acknowledged_at_a_stop() {
    let Some(server) = server() else { return };
    let mut outside = Outside::new(&server.address());
    outside.add_numbers("in", 0..300);
    let slow = "{ sleep: { duration: 2ms } }";
    let running = start(&through(&server, "client_id: c, commit_period: 1h, limit: 100", slow));
    wait_until("the first", || outside.ask("XLEN out") != Answer::Int(0));
    assert_eq!(running.drain().fault, None);
    assert_eq!(outside.n_pending("in", "g"), 0);
    let n_done = outside.contents("out").len();
    // The rest is still there for the next one.
    let running = start(&through(&server, "client_id: c, commit_period: 20ms", ""));
    wait_until("all", || outside.ask("XLEN out") == Answer::Int(300));
    assert_eq!(running.drain().fault, None);
    assert!(0 < n_done && outside.contents("out") == numbers(0..300));
}

#[test]
fn lists_are_worked_off_from_either_end() {
    let Some(server) = server() else { return };
    let mut outside = Outside::new(&server.address());
    for (pop, push, expected) in [
        ("blpop", "rpush", vec!["0", "1", "2", "3"]),
        ("brpop", "rpush", vec!["3", "2", "1", "0"]),
        ("blpop", "lpush", vec!["3", "2", "1", "0"]),
    ] {
        outside.ask("DEL in out");
        outside.ask("RPUSH in 0 1 2 3");
        let url = url(&server);
        let running = start(&format!(
            "input: {{ redis_list: {{ {url}, key: in, command: {pop}, max_in_flight: 2 }} }}\n\
             output: {{ redis_list: {{ {url}, key: 'o${{! \"ut\" }}', command: {push} }} }}\n"
        ));
        wait_until("all", || outside.ask("LLEN out") == Answer::Int(4));
        assert_eq!(running.drain().fault, None);
        assert_eq!(outside.ask("LRANGE out 0 -1").texts(), expected, "{pop} {push}");
    }
}

#[test]
fn channels_are_read_by_name_and_by_pattern() {
    let Some(server) = server() else { return };
    let mut outside = Outside::new(&server.address());
    let url = url(&server);
    for channels in ["channels: [in.a, in.b]", "channels: ['in.*'], use_patterns: true"] {
        outside.ask("DEL out");
        let running = start(&format!(
            "input: {{ redis_pubsub: {{ {url}, {channels} }} }}\noutput: {{ redis_list: {{ {url}, key: out }} }}\n"
        ));
        running.log.line_with("Input type redis_pubsub is now active");
        for n in 0..200 {
            outside.ask(&format!("PUBLISH in.{} {n}", if n % 2 == 0 { "a" } else { "b" }));
        }
        wait_until("all", || outside.ask("LLEN out") == Answer::Int(200));
        assert_eq!(running.drain().fault, None);
        assert_eq!(outside.ask("LRANGE out 0 -1").texts(), numbers(0..200));
    }
    let dir = Dir::new();
    let input = dir.write("in", "one\ntwo\n");
    let reading = start(&format!(
        "input: {{ redis_pubsub: {{ {url}, channels: [c] }} }}\noutput: {{ redis_list: {{ {url}, key: heard }} }}\n"
    ));
    reading.log.line_with("Input type redis_pubsub is now active");
    let running = start(&format!(
        "input: {{ file: {{ paths: [{input:?}] }} }}\noutput: {{ redis_pubsub: {{ {url}, channel: '${{! \"c\" }}' }} }}\n"
    ));
    assert_eq!(running.join().fault, None);
    wait_until("both", || outside.ask("LRANGE heard 0 -1").texts() == ["one", "two"]);
    assert_eq!(reading.drain().fault, None);
}

#[test]
fn hashes_have_metadata_contents_and_fields() {
    let Some(server) = server() else { return };
    let (mut outside, dir, url) = (Outside::new(&server.address()), Dir::new(), url(&server));
    let input = dir.write("in", "{\"id\":1,\"name\":\"ada\",\"tags\":[\"a\"]}\n{\"id\":2}\n[3]\n");
    let mapping = r#"meta = {"m": "x"}"#;
    let running = start(&format!(
        "input: {{ file: {{ paths: [{input:?}] }} }}\n\
         pipeline: {{ threads: 1, processors: [{{ mapping: '{mapping}' }}] }}\n\
         output: {{ drop_on: {{ error: true, output: {{ redis_hash: {{ {url}, key: 'h:${{! json(\"id\").catch(\"none\") }}', walk_metadata: true, walk_json_object: true, fields: {{ name: 'f-${{! json(\"id\") }}' }} }} }} }} }}\n"
    ));
    let log = std::sync::Arc::clone(&running.log);
    assert_eq!(running.join().fault, None, "{}", log.text());
    let of = |outside: &mut Outside, key: &str| {
        let texts = outside.ask(&format!("HGETALL {key}")).texts();
        let mut pairs: Vec<String> = texts.chunks(2).map(|it| it.join("=")).collect();
        pairs.sort();
        pairs.join(" ")
    };
    assert_eq!(of(&mut outside, "h:1"), "id=1 m=x name=f-1 tags=[\"a\"]");
    assert_eq!(of(&mut outside, "h:2"), "id=2 m=x name=f-2");
    assert!(log.text().contains("failed to walk JSON object: expected JSON object"), "{}", log.text());
}

/// What a command answers becomes JSON, of every kind that there is. Beside it in Bento: the same, but for `hgetall`, which is
/// nothing there, an object as an argument, which is an error there, and no answer, which is asked for again there.
#[test]
fn each_kind_of_answer_is_a_value() {
    let Some(server) = server() else { return };
    let mut outside = Outside::new(&server.address());
    for command in ["SET s hello", "HSET h a 1 b 2", "RPUSH l x y", "ZADD z 1.5 m"] {
        outside.ask(command);
    }
    let redis = format!(
        "{{ redis: {{ {}, command: '${{! this.index(0) }}', args_mapping: 'root = this.slice(1)', retries: 0, retry_period: 1ms }} }}",
        url(&server)
    );
    let cases = [
        (r#"["get","s"]"#, r#""hello""#),
        (r#"["get","none"]"#, r#"["get","none"] ! redis: nil"#),
        (r#"["set","k","v"]"#, r#""OK""#),
        (r#"["strlen","s"]"#, "5"),
        (r#"["hgetall","h"]"#, r#"{"a":"1","b":"2"}"#),
        (r#"["lrange","l",0,-1]"#, r#"["x","y"]"#),
        (r#"["zrange","z",0,-1,"withscores"]"#, r#"[["m",1.5]]"#),
        (r#"["zscore","z","m"]"#, "1.5"),
        (r#"["smembers","none"]"#, "[]"),
        (r#"["mget","s","none"]"#, r#"["hello",null]"#),
        (r#"["set","k",true]"#, r#""OK""#),
        (r#"["get","k"]"#, r#""1""#),
        (r#"["set","k",null]"#, r#""OK""#),
        (r#"["get","k"]"#, r#""""#),
        (r#"["set","k",{"a":1}]"#, r#""OK""#),
        (r#"["get","k"]"#, r#""{\"a\":1}""#),
        (r#"["eval","return {1,{2,'x',false},redis.status_reply('fine')}",0]"#, r#"[1,[2,"x",null],"fine"]"#),
        (
            r#"["lpop","s"]"#,
            r#"["lpop","s"] ! WRONGTYPE Operation against a key holding the wrong kind of value"#,
        ),
        (
            r#"["nosuch","s"]"#,
            r#"["nosuch","s"] ! ERR unknown command 'nosuch', with args beginning with: 's' "#,
        ),
        (
            r#"["eval","return redis.error_reply('ERR my own')",0]"#,
            r#"["eval","return redis.error_reply('ERR my own')",0] ! ERR my own"#,
        ),
    ];
    let lines: String = cases.iter().map(|it| format!("{}\n", it.0)).collect();
    let answers = asked(&redis, &lines);
    for ((line, expected), answer) in cases.iter().zip(answers.lines()) {
        assert_eq!(answer, *expected, "{line}");
    }
    assert_eq!(answers.lines().count(), cases.len());
}

#[test]
fn operators_and_scripts_are_run() {
    let Some(server) = server() else { return };
    let (mut outside, url) = (Outside::new(&server.address()), url(&server));
    let operator = |name: &str, lines: &str| {
        asked(
            &format!(
                "{{ redis: {{ {url}, operator: {name}, key: 'k:{name}', retries: 0, retry_period: 1ms }} }}"
            ),
            lines,
        )
    };
    assert_eq!(operator("sadd", "a\na\nb\n"), "1\n0\n1\n");
    assert_eq!(operator("scard", "x\n"), "0\n");
    assert_eq!(
        operator("incrby", "5\n-2\nx\n"),
        "5\n3\nx ! redis operator failed: the content is no whole number\n"
    );
    outside.ask("SET k:keys v");
    assert_eq!(operator("keys", "x\n"), "[\"k:keys\"]\n");
    let script = format!(
        "{{ redis_script: {{ {url}, script: \"local sum = redis.call('INCRBY', KEYS[1], ARGV[1])\\nif sum > 5 then return nil end\\nreturn {{sum, ARGV[2]}}\", keys_mapping: 'root = [\"sum\"]', args_mapping: 'root = [content().number(), \"x\"]', retries: 0, retry_period: 1ms }} }}"
    );
    assert_eq!(asked(&script, "2\n"), "[2,\"x\"]\n");
    // A server that was started anew does not know it.
    outside.ask("SCRIPT FLUSH");
    assert_eq!(asked(&script, "3\n4\n"), "[5,\"x\"]\n4 ! redis: nil\n");
}

#[test]
fn a_server_that_goes_away_comes_back() {
    let Some(mut server) = server() else { return };
    let mut outside = Outside::new(&server.address());
    outside.add_numbers("in", 0..1_000);
    let slow = "{ sleep: { duration: 1ms } }";
    server.kill();
    let running = start(&through(&server, "client_id: c, commit_period: 20ms", slow));
    running.log.line_with(&format!("dial {}: connection refused", server.address()));
    server.start_again();
    for _ in 0..2 {
        thread::sleep(Duration::from_millis(300));
        server.kill();
        server.start_again();
    }
    let mut outside = Outside::new(&server.address());
    let has_all = |outside: &mut Outside| {
        let mut all = outside.contents("out");
        all.sort_by_key(|it| it.parse::<usize>().expect("it is a number"));
        all.dedup();
        all == numbers(0..1_000)
    };
    wait_until("all", || has_all(&mut outside));
    assert_eq!(running.drain().fault, None);
    assert_eq!(outside.n_pending("in", "g"), 0);
}

#[test]
fn a_server_that_became_a_replica_is_connected_to_anew() {
    let Some(server) = server() else { return };
    let mut outside = Outside::new(&server.address());
    let connections = |outside: &mut Outside| {
        let stats = outside.ask("INFO stats").texts().concat();
        let n = stats.lines().find_map(|it| it.strip_prefix("total_connections_received:"));
        n.expect("it is told").trim().parse::<u64>().expect("it is a number")
    };
    let url = url(&server);
    let running = start(&format!(
        "input: {{ redis_list: {{ {url}, key: in }} }}\n\
         output: {{ redis_hash: {{ {url}, key: out, fields: {{ body: '${{! content() }}' }} }} }}\n"
    ));
    outside.ask("RPUSH in first");
    wait_until("the first", || outside.ask("HGET out body") == Answer::Text("first".to_string()));
    // Nobody is at that port, and a replica takes no writes.
    outside.ask("RPUSH in second");
    outside.ask("REPLICAOF 127.0.0.1 1");
    let before = connections(&mut outside);
    wait_until("new connections", || before + 3 < connections(&mut outside));
    outside.ask("REPLICAOF NO ONE");
    outside.ask("RPUSH in third");
    wait_until("the third", || outside.ask("HGET out body") == Answer::Text("third".to_string()));
    assert_eq!(running.drain().fault, None);
}

#[test]
fn passwords_are_asked_for_and_printed_nowhere() {
    let Some(redis) = or_skip(Redis::find()) else { return };
    let server = redis.args(&["--requirepass", "right-s3cret"]).start();
    let config = |who: &str| {
        let url = format!("url: 'redis://{who}{}/0'", server.address());
        format!(
            "input: {{ redis_list: {{ {url}, key: l }} }}\n\
             pipeline: {{ processors: [{{ redis: {{ {url}, command: ping, args_mapping: 'root = []', retries: 0, retry_period: 1ms }} }}] }}\n\
             output: {{ redis_list: {{ {url}, key: out }} }}\n"
        )
    };
    for (who, said) in [
        ("", "the server does not let us in: NOAUTH Authentication required."),
        (":wrong-s3cret@", "the server does not let us in: the user or the password is wrong"),
        ("ann:wrong-s3cret@", "the server does not let us in: the user or the password is wrong"),
    ] {
        let running = start(&config(who));
        let line = running.log.line_with(said);
        assert!(line.contains("Failed to connect to redis_list: dial 127.0.0.1:"), "{line}");
        assert!(!running.log.text().contains("s3cret"), "{}", running.log.text());
    }
    start(&config(":right-s3cret@")).log.line_with("Input type redis_list is now active");
    let lints = lint(&config(":right-s3cret@x:").replace("/0", "/zero"));
    assert!(lints.contains("url: ") && !lints.contains("s3cret"), "{lints}");
}

#[test]
fn certificates_are_checked() {
    let Some(_) = or_skip(Redis::find()) else { return };
    let dir = Dir::new();
    let files = |name: &str, host: &str| {
        let made = rcgen::generate_simple_self_signed([host.to_string()]).expect("it can be made");
        let text = |tag: &str, der: &[u8]| pem::encode(&pem::Pem::new(tag, der));
        let cert = dir.write(&format!("{name}.pem"), text("CERTIFICATE", made.cert.der()));
        (cert, dir.write(&format!("{name}.key"), text("PRIVATE KEY", &made.signing_key.serialize_der())))
    };
    let server_with =
        |(cert, key): &(String, String)| Redis::find().expect("it was there").tls(cert, key).start();
    let (right, other) = (files("right", "127.0.0.1"), files("other", "127.0.0.1"));
    let server = server_with(&right);
    let config = |server: &Server, scheme: &str, root: &str| {
        let url = format!("url: '{scheme}://{}', tls: {{ {root} }}", server.address());
        format!("input: {{ redis_list: {{ {url}, key: l }} }}\noutput: {{ drop: {{}} }}\n")
    };
    let root = format!("enabled: true, root_cas_file: {:?}", right.0);
    start(&config(&server, "rediss", &root)).log.line_with("Input type redis_list is now active");
    start(&config(&server, "redis", &root)).log.line_with("Input type redis_list is now active");
    let unknown = format!("enabled: true, root_cas_file: {:?}", other.0);
    // Where the block is not enabled, it is whom the system trusts.
    for root in [unknown.as_str(), ""] {
        let line = start(&config(&server, "rediss", root)).log.line_with("invalid peer certificate");
        assert!(line.contains("Failed to connect to redis_list: dial 127.0.0.1:"), "{line}");
    }
    let strange = files("strange", "example.com");
    let server = server_with(&strange);
    let root = format!("enabled: true, root_cas_file: {:?}", strange.0);
    start(&config(&server, "rediss", &root)).log.line_with("it is not for 127.0.0.1, but for ");
}

#[test]
fn a_key_of_another_type_is_said_and_waited_for() {
    let Some(server) = server() else { return };
    let (mut outside, url) = (Outside::new(&server.address()), url(&server));
    outside.ask("SET in x");
    outside.ask("SET out x");
    let wrong = "WRONGTYPE Operation against a key holding the wrong kind of value";
    let streams = start(&through(&server, "client_id: c, commit_period: 20ms", ""));
    let line = streams.log.line_with(wrong);
    assert!(line.contains("Failed to connect to redis_streams"), "{line}");
    let list = start(&format!(
        "input: {{ redis_list: {{ {url}, key: in }} }}\noutput: {{ redis_list: {{ {url}, key: elsewhere }} }}\n"
    ));
    list.log.line_with(wrong);
    outside.ask("DEL in");
    outside.ask("RPUSH in a");
    wait_until("the list", || outside.ask("LLEN elsewhere") == Answer::Int(1));
    assert_eq!(list.drain().fault, None);
    outside.ask("XADD in * body b");
    streams.log.line_with(&format!("Failed to send message to redis_streams: {wrong}"));
    outside.ask("DEL out");
    wait_until("the stream", || outside.contents("out") == ["b"]);
    assert_eq!(streams.drain().fault, None);
}

/// A server that does what the closure says with each connection.
fn strange_server(serve: impl Fn(std::net::TcpStream) + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let address = listener.local_addr().expect("it has one").to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    address
}

#[test]
fn a_server_that_takes_connections_and_never_answers_is_given_up() {
    let address = strange_server(|mut stream| _ = stream.read_to_end(&mut Vec::new()));
    let began = Instant::now();
    let running = start(&format!(
        "input: {{ redis_pubsub: {{ url: 'redis://{address}', channels: [c] }} }}\noutput: {{ redis_list: {{ url: 'redis://{address}', key: out }} }}\n"
    ));
    running
        .log
        .line_with(&format!("Failed to connect to redis_pubsub: dial {address}: the server does not answer"));
    running
        .log
        .line_with(&format!("Failed to connect to redis_list: dial {address}: the server does not answer"));
    assert!(Duration::from_secs(4) < began.elapsed());
    assert_eq!(running.drain().fault, None);
}

/// A port without TLS waits for the end of a line that never comes, and one with TLS hangs up on whoever does not speak it.
#[test]
fn who_is_alone_with_tls_is_told_the_way_out() {
    let plain = strange_server(|mut stream| _ = stream.read_to_end(&mut Vec::new()));
    let encrypted = strange_server(|mut stream| {
        // What is not read when it is closed makes the system say more than that it is.
        _ = stream.read(&mut [0; 1]);
    });
    let running = start(&format!(
        "input: {{ redis_pubsub: {{ url: 'rediss://{plain}', channels: [c] }} }}\noutput: {{ redis_list: {{ url: 'redis://{encrypted}', key: out }} }}\n"
    ));
    running.log.line_with(&format!(
        "Failed to connect to redis_list: dial {encrypted}: connection reset by peer: is this a port with TLS (`rediss://`, `tls`)?"
    ));
    running.log.line_with(&format!(
        "Failed to connect to redis_pubsub: dial {plain}: the server does not answer: is this a port without TLS (`redis://`, `tls`)?"
    ));
    running.stop.cut();
    running.join();
}

/// Whatever a server sends without end, what is kept of it is bounded.
#[test]
fn a_server_that_sends_without_end_is_given_up() {
    let endless: [(&str, &[u8]); 6] = [
        (
            "a text",
            b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        ),
        ("a list", b":1\r\n"),
        ("lists in lists", b"*1000000\r\n"),
        ("a map", b"$1\r\nx\r\n"),
        ("nothing", b"_\r\n"),
        ("what nobody asked for", b">2\r\n+message\r\n+x\r\n"),
    ];
    let begins: [&[u8]; 6] = [
        b"$9000000000000000000\r\n",
        b"*9000000000000000000\r\n",
        b"",
        b"%4000000000000000000\r\n",
        b"*9000000000000000000\r\n",
        b"",
    ];
    for ((what, again), begin) in endless.into_iter().zip(begins) {
        let address = strange_server(move |mut stream| {
            let _ = stream.read(&mut [0; 1_000]);
            let _ = stream.write_all(begin);
            let block = again.repeat(65_536 / again.len());
            while stream.write_all(&block).is_ok() {}
        });
        let running = start(&format!(
            "input: {{ redis_list: {{ url: 'redis://{address}', key: in }} }}\noutput: {{ drop: {{}} }}\n"
        ));
        let line = running.log.line_with("Failed to connect to redis_list");
        assert!(line.contains(&format!("dial {address}: ")), "{what}: {line}");
        running.stop.cut();
        running.join();
    }
}

/// What is published comes faster than it is worked off: it waits at the server, and not in memory.
#[test]
fn what_is_published_waits_for_the_pipeline() {
    let sent = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let address = strange_server({
        let sent = std::sync::Arc::clone(&sent);
        move |mut stream| {
            let _ = stream.read(&mut [0; 1_000]);
            let _ = stream.write_all(b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
            let message =
                [&b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$60000\r\n"[..], &[b'x'; 60_000], b"\r\n"].concat();
            while stream.write_all(&message).is_ok() {
                sent.fetch_add(message.len(), std::sync::atomic::Ordering::Relaxed);
            }
        }
    });
    let running = start(&format!(
        "input: {{ redis_pubsub: {{ url: 'redis://{address}', channels: [c] }} }}\n\
         pipeline: {{ threads: 1, processors: [{{ sleep: {{ duration: 1h }} }}] }}\noutput: {{ drop: {{}} }}\n"
    ));
    running.log.line_with("Input type redis_pubsub is now active");
    let mut before = usize::MAX;
    wait_until("a standstill", || {
        thread::sleep(Duration::from_millis(500));
        let now = sent.load(std::sync::atomic::Ordering::Relaxed);
        std::mem::replace(&mut before, now) == now
    });
    assert!(before < 100 << 20, "{before} bytes were taken");
    running.stop.cut();
    running.join();
}

#[test]
fn the_guide_is_true() {
    let Some(server) = server() else { return };
    let mut outside = Outside::new(&server.address());
    let guide = include_str!("../../../docs/servers/redis.md");
    assert!(guide.contains("redis-cli XADD orders '*' body '{\"id\":1,\"what\":\"melange\"}' country at"));
    outside.ask("XADD orders * body {\"id\":1,\"what\":\"melange\"} country at");
    let config = guide.split("```yaml\n").nth(1).and_then(|it| it.split("```").next()).expect("there is one");
    let running = start(&config.replace("localhost:6379", &server.address()));
    wait_until("the order", || outside.contents("done") == ["{\"ID\":1,\"WHAT\":\"MELANGE\"}"]);
    assert_eq!(running.drain().fault, None);
    let done = outside.ask("XRANGE done - +").texts();
    assert!(done.windows(2).any(|it| it == ["country", "at"]), "{done:?}");
}

#[test]
fn fields_that_wappa_cannot_honour_are_lints() {
    let lints = lint(
        "input: { redis_list: { url: 'redis://a', key: k, kind: cluster } }\noutput: { redis_hash: { url: 'http://a', key: k } }\n",
    );
    for text in [
        "Wappa speaks to one server of Redis: `kind: cluster` is not supported",
        "url: invalid URL scheme: http",
        "at least one mechanism for setting fields must be enabled",
    ] {
        assert!(lints.contains(text), "{lints}");
    }
    let restricted = lint_restricted(
        "input: { redis_list: { url: 'unix:///run/a.sock', key: k } }\noutput: { drop: {} }\n",
    );
    assert!(
        restricted.contains("a socket of the file system is not allowed in a restricted config"),
        "{restricted}"
    );
}
