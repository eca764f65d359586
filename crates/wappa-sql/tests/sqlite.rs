//! Streams over databases of SQLite, which need no server.

mod support;

use support::{TempDir, build_error, lint, lint_restricted, process, rows, run, start};
use wappa_conformance::wait_until;

/// A database that nobody pulls the plug of.
fn dsn(dir: &TempDir) -> String {
    format!("file:{}?_pragma=synchronous(OFF)", dir.at("db"))
}

/// What is in a table, a line for each row.
fn content(dir: &TempDir, query: &str) -> String {
    rows("sqlite", &dsn(dir), query, "")
}

/// Writes lines with an output.
fn write(dir: &TempDir, lines: &str, output: &str) -> String {
    let input = dir.write("in", lines);
    run(&format!(
        "input: {{ file: {{ paths: [{input:?}] }} }}\npipeline: {{ threads: 1 }}\noutput:\n{output}"
    ))
}

#[test]
fn lines_become_rows_and_rows_messages() {
    let dir = TempDir::new();
    let output = format!(
        "  sql_insert:\n    driver: sqlite\n    dsn: {:?}\n    table: t\n    columns: [n, name]\n    args_mapping: 'root = [ this.n, this.name ]'\n    \
         init_statement: 'CREATE TABLE t (n INTEGER PRIMARY KEY, name TEXT)'\n",
        dsn(&dir)
    );
    let lines: String = (0..1000).map(|it| format!("{{\"n\":{it},\"name\":\"it's {it}\"}}\n")).collect();
    write(&dir, &lines, &output);
    let read = content(&dir, "SELECT * FROM t ORDER BY n");
    let expected: String = (0..1000).map(|it| format!("{{\"n\":{it},\"name\":\"it's {it}\"}}\n")).collect();
    assert_eq!(read, expected);
    let select = format!(
        "input: {{ sql_select: {{ driver: sqlite, dsn: {:?}, table: t, columns: [n], where: 'n > ? AND n < ?', args_mapping: 'root = [10, 14]', suffix: ORDER BY n DESC }} }}\n\
         output: {{ file: {{ path: {:?}, codec: lines }} }}\n",
        dsn(&dir),
        dir.at("out")
    );
    run(&select);
    assert_eq!(dir.read_so_far("out"), "{\"n\":13}\n{\"n\":12}\n{\"n\":11}\n");
}

#[test]
fn a_file_that_cannot_be_opened_is_told_with_the_way_out() {
    let dir = TempDir::new();
    let nowhere = dir.at("nowhere");
    let unwritten = format!("file:{}?mode=rw", dir.at("missing"));
    for (dsn, told) in [
        (format!("{nowhere}/db"), format!("(14): there is no folder {nowhere}, and only the file is made")),
        (dir.at("."), "(14): it is a folder".to_string()),
        (unwritten, "(14): it is not there, and may not be made here".to_string()),
    ] {
        let running = start(&format!(
            "input: {{ sql_raw: {{ driver: sqlite, dsn: {dsn:?}, query: SELECT 1 }} }}\noutput: {{ drop: {{}} }}\n"
        ));
        running.log.line_with(&format!("unable to open database file {told}"));
        running.stop.cut();
    }
}

#[test]
fn a_row_that_is_refused_costs_one_message() {
    let dir = TempDir::new();
    let output = format!(
        "  fallback:\n  - sql_insert:\n      driver: sqlite\n      dsn: {:?}\n      table: t\n      columns: [n]\n      args_mapping: 'root = this'\n      \
         init_statement: 'CREATE TABLE t (n INTEGER PRIMARY KEY CHECK (n != 7))'\n  - file: {{ path: {:?}, codec: lines }}\n    processors: [ {{ mapping: 'root = content().string() + \" \" + @fallback_error' }} ]\n",
        dsn(&dir),
        dir.at("refused")
    );
    let lines: String = (0..100).map(|it| format!("[{}]\n", if it == 50 { 3 } else { it })).collect();
    write(&dir, &(lines + "[1,2]\n{}\n"), &output);
    assert_eq!(content(&dir, "SELECT count(*) AS n, sum(n) AS sum FROM t"), "{\"n\":98,\"sum\":4893}\n");
    let refused = dir.read_so_far("refused");
    let mut refused: Vec<&str> = refused.lines().collect();
    refused.sort_unstable();
    assert_eq!(
        refused,
        [
            "[1,2] args_mapping gave 2 values for 1 column",
            "[3] UNIQUE constraint failed: t.n (1555)",
            "[7] CHECK constraint failed: n != 7 (275)",
            "{} mapping returned non-array result: map[string]interface {}",
        ]
    );
}

#[test]
fn values_are_what_they_are_in_bento() {
    let query = "SELECT 1 AS i, 1.5 AS f, 3.0 AS whole, 'a' AS t, x'6869' AS b, NULL AS none, x'ff00' AS raw";
    assert_eq!(
        rows("sqlite", ":memory:", query, ""),
        "{\"b\":\"hi\",\"f\":1.5,\"i\":1,\"none\":null,\"raw\":\"\u{fffd}\\u0000\",\"t\":\"a\",\"whole\":3}\n".replace("\u{fffd}", "\\ufffd")
    );
    let dir = TempDir::new();
    let init = "CREATE TABLE t (d DATE, ts TIMESTAMP, dt DATETIME, t TIME, b BOOLEAN, n NUMERIC, x); \
                INSERT INTO t VALUES ('2024-01-02', '2024-01-02 03:04:05', '2024-01-02T03:04:05.5+02:00', '03:04', 1, '1.50', 'x'), (1, 2, 'soon', 3, 'yes', 2, x'31')";
    let more = format!(", init_statement: {init:?}");
    assert_eq!(
        rows("sqlite", &dsn(&dir), "SELECT * FROM t", &more),
        "{\"b\":1,\"d\":\"2024-01-02T00:00:00Z\",\"dt\":\"2024-01-02T03:04:05.5+02:00\",\"n\":1.5,\"t\":\"03:04\",\"ts\":\"2024-01-02T03:04:05Z\",\"x\":\"x\"}\n\
         {\"b\":\"yes\",\"d\":1,\"dt\":\"soon\",\"n\":2,\"t\":3,\"ts\":2,\"x\":\"1\"}\n"
    );
}

#[test]
fn processors_ask_and_write() {
    let dir = TempDir::new();
    let sql = |name: &str, fields: &str| {
        format!("    - {name}: {{ driver: sqlite, dsn: {:?}, {fields} }}\n", dsn(&dir))
    };
    let insert = sql(
        "sql_insert",
        "table: t, columns: [v], args_mapping: 'root = [ content().string() ]', init_statement: 'CREATE TABLE t (v TEXT UNIQUE)'",
    );
    assert_eq!(process("a\nb\na\n", &insert), "a\nb\na [UNIQUE constraint failed: t.v (2067)]\n");
    let select = sql(
        "sql_select",
        "table: t, columns: [v], where: 'v >= ?', args_mapping: 'root = [ content().string() ]', suffix: ORDER BY v",
    );
    assert_eq!(process("a\nb\nc\n", &select), "[{\"v\":\"a\"},{\"v\":\"b\"}]\n[{\"v\":\"b\"}]\n[]\n");
    let raw = sql("sql_raw", "query: 'SELECT ? + 1 AS n', args_mapping: 'root = [ this ]'");
    assert_eq!(
        process("1\n\"x\"\n[1]\n", &raw),
        "[{\"n\":2}]\n[{\"n\":1}]\n[1] [unsupported argument: a list; `format_json()` makes a text of it]\n"
    );
    let exec = sql(
        "sql_raw",
        "query: 'DELETE FROM t WHERE v = ?', args_mapping: 'root = [ content().string() ]', exec_only: true",
    );
    assert_eq!(process("a\n", &exec), "a\n");
    assert_eq!(content(&dir, "SELECT * FROM t"), "{\"v\":\"b\"}\n");
    let dynamic = sql("sql_raw", "query: 'SELECT v FROM ${! content() }', unsafe_dynamic_query: true");
    assert_eq!(process("t\nnope\n", &dynamic), "[{\"v\":\"b\"}]\nnope [no such table: nope (1)]\n");
    let old = format!(
        "    - sql: {{ driver: sqlite, data_source_name: {:?}, query: SELECT v FROM t, result_codec: json_array }}\n",
        dsn(&dir)
    );
    assert_eq!(process("x\n", &old), "[{\"v\":\"b\"}]\n");
}

#[test]
fn statements_of_files_run_once_and_what_fails_is_told() {
    let dir = TempDir::new();
    dir.write("1.sql", "CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (1);");
    dir.write("2.sql", "INSERT INTO nope VALUES (1);");
    let pattern = dir.at("*.sql");
    let config = format!(
        "input: {{ sql_raw: {{ driver: sqlite, dsn: {:?}, query: SELECT n FROM t, init_files: [{pattern:?}], init_statement: INSERT INTO t VALUES (2) }} }}\n\
         output: {{ file: {{ path: {:?}, codec: lines }} }}\n",
        dsn(&dir),
        dir.at("out")
    );
    let log = run(&config);
    assert_eq!(dir.read_so_far("out"), "{\"n\":1}\n{\"n\":2}\n");
    let told = format!("Warn Failed to execute init_file '{}': no such table: nope (1)", dir.at("2.sql"));
    assert!(log.contains(&told), "{log}");
    let missing = config.replace("*.sql", "missing.sql");
    assert!(build_error(&missing).contains("missing.sql: no such file or directory"));
}

#[test]
fn a_statement_that_fails_is_told_and_runs_again() {
    let dir = TempDir::new();
    let config = format!(
        "input: {{ sql_select: {{ driver: sqlite, dsn: {:?}, table: late, columns: ['*'] }} }}\n\
         output: {{ file: {{ path: {:?}, codec: lines }} }}\n",
        dsn(&dir),
        dir.at("out")
    );
    let running = start(&config);
    running.log.line_with("no such table: late (1)");
    content(&dir, "CREATE TABLE late AS SELECT 5 AS n");
    let (report, _) = running.join_with_log();
    assert_eq!(report.fault, None);
    assert_eq!(dir.read_so_far("out"), "{\"n\":5}\n");
}

#[test]
fn large_results_are_refused() {
    let sql = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x, zeroblob(1000000) AS b FROM c";
    let raw = format!("    - sql_raw: {{ driver: sqlite, dsn: ':memory:', query: {sql:?} }}\n");
    assert_eq!(process("x\n", &raw), "x [the messages worked on together would grow by more than 512MiB]\n");
}

#[test]
fn rows_are_read_as_they_are_needed() {
    // Without an end, and with a stop that finds the input in the middle.
    let endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c";
    let dir = TempDir::new();
    let running = start(&format!(
        "input: {{ sql_raw: {{ driver: sqlite, dsn: ':memory:', query: {endless:?} }} }}\noutput: {{ file: {{ path: {:?}, codec: lines }} }}\n",
        dir.at("out")
    ));
    wait_until("rows", || dir.read_so_far("out").lines().count() > 10_000);
    let (report, _) = running.drain_with_log();
    assert_eq!(report.fault, None);
    let read = dir.read_so_far("out");
    let expected: String = (1..=read.lines().count()).map(|it| format!("{{\"x\":{it}}}\n")).collect();
    assert!(read == expected);
}

#[test]
fn a_stop_in_the_middle_loses_nothing() {
    let dir = TempDir::new();
    let lines: String = (0..300_000).map(|it| format!("{it}\n")).collect();
    let input = dir.write("in", &lines);
    let running = start(&format!(
        "input: {{ file: {{ paths: [{input:?}] }} }}\noutput: {{ sql_insert: {{ driver: sqlite, dsn: {:?}, table: t, columns: [n], args_mapping: 'root = [ this ]', \
         init_statement: CREATE TABLE IF NOT EXISTS t (n INTEGER) }} }}\n",
        dsn(&dir)
    ));
    let count = "SELECT count(*) AS n FROM t";
    let init = ", init_statement: CREATE TABLE IF NOT EXISTS t (n INTEGER)";
    wait_until("rows", || !rows("sqlite", &dsn(&dir), count, init).starts_with("{\"n\":0}"));
    let (report, log) = running.drain_with_log();
    assert_eq!(report.fault, None, "{}", log.text());
    // All that was read is there, once, and nothing that was not.
    let read =
        content(&dir, "SELECT count(*) = max(n) + 1 AND count(DISTINCT n) = count(*) AS is_whole FROM t");
    assert_eq!(read, "{\"is_whole\":1}\n");
}

#[test]
fn a_cache_keeps_values_in_a_table() {
    let dir = TempDir::new();
    let input = dir.write("in", "a\nb\na\n");
    let config = format!(
        "input: {{ file: {{ paths: [{input:?}] }} }}\npipeline: {{ processors: [ {{ dedupe: {{ cache: seen, key: '${{! content() }}' }} }} ] }}\n\
         output: {{ file: {{ path: {:?}, codec: lines }} }}\n\
         cache_resources: [ {{ label: seen, sql: {{ driver: sqlite, dsn: {:?}, table: seen, key_column: k, value_column: v, \
         init_statement: 'CREATE TABLE IF NOT EXISTS seen (k TEXT PRIMARY KEY, v TEXT)' }} }} ]\n",
        dir.at("out"),
        dsn(&dir)
    );
    run(&config);
    assert_eq!(dir.read_so_far("out"), "a\nb\n");
    // What another process has seen counts.
    run(&config);
    assert_eq!(dir.read_so_far("out"), "a\nb\n");
}

#[test]
fn lints() {
    let of = |fields: &str| format!("output: {{ sql_raw: {{ query: q, {fields} }} }}\n");
    assert_eq!(
        lint(&of("driver: clickhouse, dsn: 'clickhouse://h'")),
        "(1,1) Wappa has no driver `clickhouse`: there are `mysql`, `postgres` and `sqlite`\n"
    );
    assert!(lint(&of("driver: nope, dsn: x")).contains("value nope is not a valid option"));
    let secret = lint(&of("driver: postgres, dsn: 'postgres://u:hunter2@h:port/db'"));
    assert_eq!(secret, "(1,1) this is no `dsn` of postgres: `port` is no port\n");
    let secret = lint(&of("driver: mysql, dsn: 'u:hunter2@tcp(h)'"));
    assert!(
        secret.contains("no `/` in front of the database's name") && !secret.contains("hunter2"),
        "{secret}"
    );
    assert!(
        lint(&of("driver: sqlite, dsn: x, iam_enabled: true"))
            .contains("`iam_enabled` has no effect in Wappa")
    );
    assert!(
        lint(&of("driver: sqlite, dsn: x, query: '${! nope() }', unsafe_dynamic_query: true"))
            .contains("nope")
    );
    assert_eq!(lint(&of("driver: sqlite, dsn: ''")), "");
}

#[test]
fn what_a_restricted_config_may_not_connect_to() {
    let of = |fields: &str| {
        format!(
            "restricted: true\ninput: {{ sql_raw: {{ {fields}, query: select 1 }} }}\noutput: {{ drop: {{}} }}\n"
        )
    };
    // Statements of SQLite open files also where the database itself is in memory.
    for dsn in ["x", ":memory:", "file::memory:?cache=shared", "file:x?mode=memory", ""] {
        let found = lint_restricted(&of(&format!("driver: sqlite, dsn: '{dsn}'")));
        assert!(found.contains("is not allowed in a restricted config"), "{dsn}: {found}");
    }
    assert!(lint_restricted(&of("driver: postgres, dsn: 'postgres://h/db'")).contains("environment"));
    assert_eq!(lint_restricted(&of("driver: postgres, dsn: 'postgres://u:p@h/db'")), "");
    // What is empty may come of a variable, so it is looked at when it connects: all would be of the environment.
    let empty = build_error(&of("driver: postgres, dsn: ''"));
    assert!(empty.contains("environment are read is not allowed in a restricted config"), "{empty}");
}
