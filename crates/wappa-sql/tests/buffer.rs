//! The buffer in a file: what it keeps, and for whom.

mod support;

use support::{Running, TempDir, build_error, lint_restricted, rows, run, start, streams};
use wappa_component::Sample;
use wappa_conformance::{check_buffer_at, wait_until};

/// A stream of lines through a buffer.
fn stream(dir: &TempDir, lines: &str, buffer: &str, rest: &str) -> String {
    let input = dir.write("in", lines);
    format!(
        "input: {{ file: {{ paths: [{input:?}] }} }}\nbuffer: {{ sqlite: {{ path: {:?}{buffer} }} }}\n{rest}\n",
        dir.at("db")
    )
}

fn to_file(dir: &TempDir) -> String {
    format!("output: {{ file: {{ path: {:?}, codec: lines }} }}", dir.at("out"))
}

/// What is in the file, a number for each batch.
fn kept(dir: &TempDir) -> String {
    rows("sqlite", &format!("file:{}", dir.at("db")), "SELECT count(*) AS n FROM messages", "")
}

/// How many batches the buffer of a stream says there are.
fn stored(running: &Running) -> i64 {
    let samples = running.metrics.samples();
    let gauges = samples.iter().filter(|it| it.0.name == "buffer_stored").map(|it| match &it.1 {
        Sample::Gauge(n) => *n,
        _ => 0,
    });
    gauges.sum()
}

fn numbers(range: std::ops::Range<usize>) -> String {
    range.map(|it| format!("{it}\n")).collect()
}

#[test]
fn it_is_a_buffer() {
    let dir = TempDir::new();
    let mut n = 0;
    check_buffer_at(streams().components(), || {
        n += 1;
        format!("sqlite: {{ path: {:?} }}", dir.at(&format!("db{n}")))
    });
}

#[test]
fn all_goes_through_in_order_and_nothing_stays() {
    let dir = TempDir::new();
    let lines = numbers(0..50_000);
    run(&stream(&dir, &lines, "", &to_file(&dir)));
    assert!(dir.read_so_far("out") == lines, "it is what went in");
    assert_eq!(kept(&dir), "{\"n\":0}\n");
}

#[test]
fn what_a_stop_leaves_the_next_start_delivers() {
    let dir = TempDir::new();
    let lines = numbers(0..5_000);
    // Nothing arrives: it is read into the file all the same.
    let stuck = start(&stream(&dir, &lines, "", "pipeline: { threads: 1 }\noutput: { reject: no }"));
    wait_until("all of it is in the file", || stored(&stuck) == 5_000);
    stuck.stop.drain();
    stuck.stop.abandon();
    let undelivered = stuck.tally.clone();
    stuck.join();
    assert_eq!(undelivered.undelivered(), 0, "it is not lost");
    assert_eq!(kept(&dir), "{\"n\":5000}\n");
    run(&stream(&dir, "more\n", "", &to_file(&dir)));
    assert!(dir.read_so_far("out") == lines + "more\n", "the oldest came first");
    assert_eq!(kept(&dir), "{\"n\":0}\n");
}

#[test]
fn batches_metadata_and_marks_outlive_the_stop() {
    let dir = TempDir::new();
    let under = "\n  processors:\n    - mapping: |\n        meta n = {\"a\": [1, \"b\"]}\n        root = if content() == \"2\" { throw(\"no two\") }\n";
    let input = dir.write("in", "1\n2\n3\n4\n5\n");
    let config = |input: &str, rest: &str| {
        format!(
            "input:\n  batched:\n    child: {{ file: {{ paths: [{input:?}] }} }}\n    policy: {{ count: 3 }}{under}buffer: {{ sqlite: {{ path: {:?} }} }}\n{rest}",
            dir.at("db")
        )
    };
    let stuck = start(&config(&input, "output: { reject: no }\n"));
    wait_until("all of it is in the file", || stored(&stuck) == 2);
    stuck.stop.drain();
    stuck.stop.abandon();
    stuck.join();
    assert_eq!(kept(&dir), "{\"n\":2}\n");
    let shown = "pipeline:\n  processors:\n    - mapping: 'root = \"%s of %s %s %s\".format(content(), batch_size(), @n.a.1.or(\"none\"), error().or(\"fine\"))'\n";
    run(&config(&dir.write("none", ""), &format!("{shown}{}\n", to_file(&dir))));
    let expected = "1 of 3 b fine\n2 of 3 none failed assignment (line 2): no two\n3 of 3 b fine\n4 of 2 b fine\n5 of 2 b fine\n";
    assert_eq!(dir.read_so_far("out"), expected);
}

#[test]
fn processors_stand_at_both_ends() {
    let dir = TempDir::new();
    let around = ", pre_processors: [ { mapping: 'root = \"(%s)\".format(content())' } ], post_processors: [ { mapping: 'root = content().uppercase()' } ]";
    run(&stream(&dir, "a\nb\n", around, &to_file(&dir)));
    assert_eq!(dir.read_so_far("out"), "(A)\n(B)\n");
}

/// As Bento leaves it, with a row that it would not read either.
#[test]
fn what_bento_has_left_is_delivered() {
    let dir = TempDir::new();
    let init = "CREATE TABLE messages (id INTEGER PRIMARY KEY AUTOINCREMENT, content TEXT NOT NULL, requeue INTEGER NOT NULL); \
                INSERT INTO messages (content, requeue) VALUES (x'00000000000000010000000882a16101a162a163000000026869', 9223372036854775807), ('no batch', 1), (x'0000000000000001000000018000000002796f', 12345)";
    assert_eq!(
        rows(
            "sqlite",
            &format!("file:{}", dir.at("db")),
            "SELECT 1 AS n",
            &format!(", init_statement: {init:?}")
        ),
        "{\"n\":1}\n"
    );
    let shown = "pipeline:\n  processors:\n    - mapping: 'root = content() + \" \" + @.format_json(no_indent: true)'\n";
    let said = run(&stream(&dir, "", "", &format!("{shown}{}", to_file(&dir))));
    assert_eq!(dir.read_so_far("out"), "hi {\"a\":1,\"b\":\"c\"}\nyo {}\n");
    assert!(said.contains("Row 2 of the buffer's file"), "{said}");
    assert_eq!(kept(&dir), "{\"n\":1}\n");
}

#[test]
fn a_second_stream_waits_for_the_file() {
    let dir = TempDir::new();
    let first = start(&stream(&dir, "first\n", "", "output: { reject: no }"));
    wait_until("it has the file", || stored(&first) == 1);
    let second = start(&stream(&dir, "second\n", "", &to_file(&dir)));
    second.log.line_with("database is locked");
    first.stop.drain();
    first.stop.abandon();
    first.join();
    second.join();
    assert_eq!(dir.read_so_far("out"), "first\nsecond\n");
}

#[test]
fn a_file_that_is_no_buffer_is_told_and_left_as_it_is() {
    let dir = TempDir::new();
    let stuck = |said: &str| {
        let running = start(&stream(&dir, "", "", &to_file(&dir)));
        running.log.line_with(said);
        running.stop.drain();
        running.join();
    };
    dir.write("db", "no database".repeat(1000));
    stuck("file is not a database (26): put another file in its place");
    assert!(dir.read_so_far("db").starts_with("no database"), "it is as it was");
    std::fs::remove_file(dir.at("db")).expect("it is there");
    let init = ", init_statement: 'CREATE TABLE messages (n INTEGER)'";
    rows("sqlite", &format!("file:{}", dir.at("db")), "SELECT 1 AS n", init);
    stuck("it has a table `messages` that is no buffer's; it is tried again");
}

#[test]
fn a_path_that_keeps_nothing_is_refused() {
    let dir = TempDir::new();
    let config = |path: &str| {
        format!(
            "input: {{ stdin: {{}} }}\nbuffer: {{ sqlite: {{ path: {path:?} }} }}\noutput: {{ drop: {{}} }}\n"
        )
    };
    let nowhere = dir.at("not/there.db");
    assert_eq!(
        build_error(&config(&nowhere)).replace(&dir.path().display().to_string(), "DIR"),
        "failed to init buffer <no label> path root.buffer: the folder DIR/not of the buffer's file is not there: make it first"
    );
    for path in [":memory:", ""] {
        let text = build_error(&config(path));
        assert!(
            text.ends_with(&format!(
                "the path `{path}` names no file: what is kept in memory is for the buffer `memory`"
            )),
            "{text}"
        );
    }
    assert!(
        lint_restricted(&config("./b.db")).contains("buffer sqlite is not allowed in a restricted config")
    );
}
