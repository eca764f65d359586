//! Files and flags.

use std::{fs, time::Instant};

use expect_test::expect;

use crate::{
    program::{AROUND, IDLE, PATIENCE, Streams},
    support::{Program, check},
};

#[test]
fn what_keeps_streams_from_starting() {
    let program = Program::new("streams-refused")
        .file("around.yaml", "input: { stdin: {} }\ncache_resources: []\n")
        .file("whole.yaml", "input: { generate: { mapping: 'root = 1' } }\n")
        .file("a/one.yaml", IDLE)
        .file("b/one.yaml", IDLE)
        .file("bad/one.yaml", "nope: 1\n")
        .file("broken/one.yaml", "nope: [\n")
        .file("threads.yaml", format!("{IDLE}\npipeline: {{ threads: 99 }}\n"))
        .file("debug.yaml", IDLE);
    let commands = [
        "-c whole.yaml streams",
        "streams a b",
        "streams nowhere",
        "streams bad",
        "streams around.yaml",
        "streams broken",
        "streams threads.yaml",
        "streams debug.yaml",
        "streams --max-streams 1 a threads.yaml",
        "streams --max-streams 0",
    ];
    check(
        &program,
        &commands,
        expect![[r#"
        $ wappa -c whole.yaml streams
        exit 1
        --- stderr
        level=info msg="Running main config from specified file" @service=wappa path=whole.yaml wappa_version=VERSION
        level=error msg="Config lint error" @service=wappa hint="each stream has a config of its own, which `streams` is given by its file or folder" lint="whole.yaml(1,1) field input not recognised"
        level=error msg="Shutting down due to linter errors, to prevent shutdown run Wappa with --chilled" @service=wappa

        $ wappa streams a b
        exit 1
        --- stderr
        level=info msg="Running without a main config file" @service=wappa wappa_version=VERSION
        Stream configuration file read error: failed to load config 'b/one.yaml': stream id (one) collision from file: b/one.yaml

        $ wappa streams nowhere
        exit 1
        --- stderr
        level=info msg="Running without a main config file" @service=wappa wappa_version=VERSION
        Stream configuration file read error: stat nowhere: no such file or directory

        $ wappa streams bad
        exit 1
        --- stderr
        level=info msg="Running without a main config file" @service=wappa wappa_version=VERSION
        level=info msg="Listening for HTTP requests at: http://0.0.0.0:4195" @service=wappa
        level=error msg="Config lint error" @service=wappa lint="bad/one.yaml(1,1) field nope not recognised"
        level=error msg="Shutting down due to stream linter errors, to prevent shutdown run Wappa with --chilled" @service=wappa

        $ wappa streams around.yaml
        exit 1
        --- stderr
        level=info msg="Running without a main config file" @service=wappa wappa_version=VERSION
        level=info msg="Listening for HTTP requests at: http://0.0.0.0:4195" @service=wappa
        level=error msg="Config lint error" @service=wappa hint="it is for all streams: it stands in the main config (`-c`), and a resource may stand in a file of `-r`" lint="around.yaml(2,1) field cache_resources not recognised"
        level=error msg="Shutting down due to stream linter errors, to prevent shutdown run Wappa with --chilled" @service=wappa

        $ wappa streams broken
        exit 1
        --- stderr
        level=info msg="Running without a main config file" @service=wappa wappa_version=VERSION
        level=info msg="Listening for HTTP requests at: http://0.0.0.0:4195" @service=wappa
        level=error msg="Config lint error" @service=wappa lint="broken/one.yaml(1,7) yaml: line 1: unclosed bracket '['"
        level=error msg="Shutting down due to stream linter errors, to prevent shutdown run Wappa with --chilled" @service=wappa

        $ wappa streams threads.yaml
        exit 1
        --- stderr
        level=info msg="Running without a main config file" @service=wappa wappa_version=VERSION
        level=info msg="Listening for HTTP requests at: http://0.0.0.0:4195" @service=wappa
        level=info msg="Launching Wappa in streams mode, use CTRL+C to close" @service=wappa
        level=error msg="Service closing due to: stream threads: the pipeline of a stream has at most 8 threads, not 99 (`--max-stream-threads`)" @service=wappa

        $ wappa streams debug.yaml
        exit 1
        --- stderr
        level=info msg="Running without a main config file" @service=wappa wappa_version=VERSION
        level=info msg="Listening for HTTP requests at: http://0.0.0.0:4195" @service=wappa
        level=info msg="Launching Wappa in streams mode, use CTRL+C to close" @service=wappa
        level=error msg="Service closing due to: stream debug: no stream can have the id `debug`: its paths would be those of the program" @service=wappa

        $ wappa streams --max-streams 1 a threads.yaml
        exit 1
        --- stderr
        level=info msg="Running without a main config file" @service=wappa wappa_version=VERSION
        Stream configuration file read error: there are 2 files, and at most 1 streams (`--max-streams`)

        $ wappa streams --max-streams 0
        exit 1
        --- stderr
        Usage error: invalid value '0' for '--max-streams <N>': it is a number from 1 to 1000000
        hint: `wappa streams --help` shows the flags

    "#]],
    );
}

#[test]
fn without_the_api_and_without_prefixes() {
    let upper = "input: { http_server: { path: /post } }
pipeline: { processors: [ { mapping: 'root = content().uppercase()' } ] }
output: { sync_response: {} }";
    let program = Program::new("streams-bare").file("around.yaml", AROUND).file("up.yaml", upper);
    let streams = Streams::start(&program, &["--no-api", "--prefix-stream-endpoints=false", "up.yaml"]);
    streams.until("GET /ready", |it| it.status == 200);
    let told = ["POST /post", "POST /up/post", "GET /streams", "POST /streams/a", "GET /up/ready"]
        .map(|it| format!("{it}: {}\n", streams.ask(it, "a").text()));
    expect![[r#"
        POST /post: 200 A
        POST /up/post: 404 404 page not found
        GET /streams: 404 404 page not found
        POST /streams/a: 404 404 page not found
        GET /up/ready: 404 404 page not found
    "#]]
    .assert_eq(&told.concat());
    assert_eq!(streams.end().0, Some(0));
}

#[test]
fn a_file_that_changes_changes_its_stream_and_no_other() {
    let says = |what: &str| {
        format!(
            "input: {{ http_server: {{ path: /post }} }}
pipeline: {{ processors: [ {{ mapping: 'root = \"{what}\"' }} ] }}
output: {{ sync_response: {{}} }}\n"
        )
    };
    let program = Program::new("streams-watched")
        .file("around.yaml", AROUND)
        .file("one.yaml", says("old"))
        .file("two.yaml", says("other"));
    let streams = Streams::start(&program, &["-w", "one.yaml", "two.yaml"]);
    streams.until("GET /ready", |it| it.status == 200);
    assert_eq!(streams.ask("POST /one/post", "").text(), "200 old");
    let write = |text: &str| fs::write(program.dir().join("one.yaml"), text).expect("it is ours");
    // What is wrong with it is told, and the stream goes on.
    write("nope: 1\n");
    let began = Instant::now();
    write(&says("new"));
    loop {
        match streams.ask("POST /one/post", "").text().as_str() {
            "200 new" => break,
            // While one takes the place of the other.
            "200 old" | "503 Service unavailable" | "503 Server closing" => (),
            other => panic!("{other}"),
        }
        assert!(began.elapsed() < PATIENCE, "it does not change");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let (code, log) = streams.end();
    assert_eq!(code, Some(0));
    assert!(log.contains("Updated stream one config from file."), "{log}");
    assert!(!log.contains("stream two"), "{log}");
}
