//! Streams over a real MariaDB.

mod support;

use std::time::Duration;

use support::{Running, TempDir, certificate, process, rows, run, start};
use wappa_conformance::wait_until;
use wappa_servers::{Server, mariadb::MariaDb, or_skip};

fn dsn(server: &Server, more: &str) -> String {
    format!("root@tcp({})/test{more}", server.address())
}

/// A server for whoever asks for one.
macro_rules! server {
    () => {
        server!(|it: MariaDb| it)
    };
    ($with:expr) => {{
        let Some(found) = or_skip(MariaDb::find()) else { return };
        $with(found).start()
    }};
}

fn insert(dsn: &str, fields: &str) -> String {
    format!(
        "  sql_insert:\n    driver: mysql\n    dsn: {dsn:?}\n    table: t\n    columns: [n, name]\n    args_mapping: 'root = [ this.n, this.name ]'\n{fields}"
    )
}

fn write(dir: &TempDir, lines: &str, output: &str) -> Running {
    let input = dir.write("in", lines);
    start(&format!(
        "input: {{ file: {{ paths: [{input:?}] }} }}\npipeline: {{ threads: 1 }}\noutput:\n{output}"
    ))
}

fn lines(n: usize) -> String {
    (0..n).map(|it| format!("{{\"n\":{it},\"name\":\"it's \\\\ {it}\"}}\n")).collect()
}

/// Rows of a statement with an argument, so that numbers are numbers.
const WITH_ARGS: &str = ", args_mapping: 'root = [1]'";

#[test]
fn lines_become_rows_and_rows_messages() {
    let server = server!();
    let dir = TempDir::new();
    let fields =
        "    init_statement: CREATE TABLE t (n INT PRIMARY KEY, name TEXT)\n    batching: { count: 100 }\n";
    let (report, log) = write(&dir, &lines(1000), &insert(&dsn(&server, ""), fields)).join_with_log();
    assert_eq!(report.fault, None, "{}", log.text());
    let read = rows("mysql", &dsn(&server, ""), "SELECT * FROM t WHERE 0 < ? ORDER BY n", WITH_ARGS);
    assert_eq!(read, lines(1000));
    // Without arguments the server prints all values.
    let read = rows("mysql", &dsn(&server, ""), "SELECT n FROM t ORDER BY n LIMIT 2", "");
    assert_eq!(read, "{\"n\":\"0\"}\n{\"n\":\"1\"}\n");
    let select = format!(
        "input: {{ sql_select: {{ driver: mysql, dsn: {:?}, table: t, columns: [n], where: 'n > ? AND name != ?', args_mapping: 'root = [997, \"x\"]', suffix: ORDER BY n DESC }} }}\n\
         output: {{ file: {{ path: {:?}, codec: lines }} }}\n",
        dsn(&server, ""),
        dir.at("out")
    );
    run(&select);
    assert_eq!(dir.read_so_far("out"), "{\"n\":999}\n{\"n\":998}\n");
}

#[test]
fn types_of_columns_are_those_of_bento() {
    let server = server!();
    MariaDb::ask(
        &server,
        "CREATE TABLE t (b BOOLEAN, ti TINYINT, si SMALLINT UNSIGNED, i INT, bi BIGINT, ub BIGINT UNSIGNED, f FLOAT, d DOUBLE, \
         num DECIMAL(10,2), v VARCHAR(10), txt TEXT, bl BLOB, da DATE, dt DATETIME(3), ts TIMESTAMP NULL, ti2 TIME, y YEAR, \
         bits BIT(8), j JSON, e ENUM('a','b'), none INT, us DATETIME(6), tm TIME(3)); \
         INSERT INTO t VALUES (TRUE, -5, 65535, -7, 9007199254740993, 18446744073709551615, 0.1, 1.5, 12.50, 'x', 'y', 'z', \
         '2024-01-02', '2024-01-02 03:04:05.678', '2024-01-02 03:04:05', '-30:04:05', 2024, b'01000001', '{\"a\": 1}', 'b', NULL, \
         '2024-01-02 03:04:05.678', '01:02:03.5')",
    );
    let typed = "{\"b\":1,\"bi\":9007199254740993,\"bits\":\"A\",\"bl\":\"z\",\"d\":1.5,\"da\":\"2024-01-02\",\"dt\":\"2024-01-02 03:04:05.678\",\"e\":\"b\",\"f\":0.1,\"i\":-7,\
        \"j\":\"{\\\"a\\\": 1}\",\"none\":null,\"num\":\"12.50\",\"si\":65535,\"ti\":-5,\"ti2\":\"-30:04:05\",\"tm\":\"01:02:03.500\",\"ts\":\"2024-01-02 03:04:05\",\"txt\":\"y\",\
        \"ub\":\"18446744073709551615\",\"us\":\"2024-01-02 03:04:05.678000\",\"v\":\"x\",\"y\":2024}\n";
    let read = rows("mysql", &dsn(&server, ""), "SELECT * FROM t WHERE 0 < ?", WITH_ARGS);
    assert_eq!(read, typed);
    let texts = "{\"b\":\"1\",\"bi\":\"9007199254740993\",\"bits\":\"A\",\"bl\":\"z\",\"d\":\"1.5\",\"da\":\"2024-01-02\",\"dt\":\"2024-01-02 03:04:05.678\",\"e\":\"b\",\"f\":\"0.1\",\"i\":\"-7\",\
        \"j\":\"{\\\"a\\\": 1}\",\"none\":null,\"num\":\"12.50\",\"si\":\"65535\",\"ti\":\"-5\",\"ti2\":\"-30:04:05\",\"tm\":\"01:02:03.500\",\"ts\":\"2024-01-02 03:04:05\",\"txt\":\"y\",\
        \"ub\":\"18446744073709551615\",\"us\":\"2024-01-02 03:04:05.678000\",\"v\":\"x\",\"y\":\"2024\"}\n";
    assert_eq!(rows("mysql", &dsn(&server, ""), "SELECT * FROM t", ""), texts);
    let times = rows("mysql", &dsn(&server, "?parseTime=true"), "SELECT da, dt, ts, ti2 FROM t", "");
    assert_eq!(
        times,
        "{\"da\":\"2024-01-02T00:00:00Z\",\"dt\":\"2024-01-02T03:04:05.678Z\",\"ti2\":\"-30:04:05\",\"ts\":\"2024-01-02T03:04:05Z\"}\n"
    );
    let zero = "SELECT CAST('0000-00-00' AS DATE) AS d WHERE 0 < ?";
    let dsn = dsn(&server, "?sql_mode=%27%27");
    assert_eq!(rows("mysql", &dsn, zero, WITH_ARGS), "{\"d\":\"0000-00-00\"}\n");
}

#[test]
fn a_row_that_is_refused_costs_one_message() {
    let server = server!();
    MariaDb::ask(&server, "CREATE TABLE t (n INT PRIMARY KEY CHECK (n != 7), name VARCHAR(5) NOT NULL)");
    let dir = TempDir::new();
    let fields = "    batching: { count: 100 }\n";
    let output = insert(&dsn(&server, ""), fields).replace("\n  ", "\n    ").replacen(
        "  sql_insert",
        "  - sql_insert",
        1,
    );
    let output = format!(
        "  fallback:\n{output}  - file: {{ path: {:?}, codec: lines }}\n    processors: [ {{ mapping: 'root = this.n.string() + \" \" + @fallback_error' }} ]\n",
        dir.at("refused")
    );
    let name = |it| match it {
        150 => "\"too long\"",
        151 => "null",
        _ => "\"x\"",
    };
    let lines: String = (0..300).map(|it| format!("{{\"n\":{it},\"name\":{}}}\n", name(it))).collect();
    let (report, log) = write(&dir, &lines, &output).join_with_log();
    assert_eq!(report.fault, None, "{}", log.text());
    assert_eq!(MariaDb::ask(&server, "SELECT count(*) FROM t"), "297\n");
    let refused = dir.read_so_far("refused");
    assert_eq!(refused.lines().count(), 3, "{refused}");
    assert!(refused.contains("7 Error 4025 (23000): CONSTRAINT `t.n` failed"), "{refused}");
    assert!(refused.contains("150 Error 1406 (22001): Data too long for column 'name'"), "{refused}");
    assert!(refused.contains("151 Error 1048 (23000): Column 'name' cannot be null"), "{refused}");
}

#[test]
fn processors_ask_and_write() {
    let server = server!();
    let sql = |name: &str, fields: &str| {
        format!("    - {name}: {{ driver: mysql, dsn: {:?}, {fields} }}\n", dsn(&server, ""))
    };
    let insert = sql(
        "sql_insert",
        "table: t, columns: [v], args_mapping: 'root = [ content() ]', init_statement: 'CREATE TABLE t (v VARCHAR(10) UNIQUE)'",
    );
    assert_eq!(
        process("a\nb\na\n", &insert),
        "a\nb\na [Error 1062 (23000): Duplicate entry 'a' for key 'v']\n"
    );
    let select = sql(
        "sql_select",
        "table: t, columns: [v], where: 'v >= ?', args_mapping: 'root = [ content().string() ]', suffix: ORDER BY v",
    );
    assert_eq!(process("a\nb\nc\n", &select), "[{\"v\":\"a\"},{\"v\":\"b\"}]\n[{\"v\":\"b\"}]\n[]\n");
    let raw = sql("sql_raw", "query: 'SELECT ? + 1 AS n', args_mapping: 'root = [ this ]'");
    assert!(
        process("1\n[1]\n", &raw)
            .ends_with("[1] [unsupported argument: a list; `format_json()` makes a text of it]\n")
    );
    let missing = sql("sql_raw", "query: 'SELECT * FROM nope WHERE v = ?', args_mapping: 'root = [ 1 ]'");
    assert_eq!(process("1\n", &missing), "1 [Error 1146 (42S02): Table 'test.nope' doesn't exist]\n");
}

#[test]
fn a_server_that_is_down_and_comes_back_loses_nothing() {
    let mut server = server!();
    MariaDb::ask(&server, "CREATE TABLE t (n INT PRIMARY KEY, name TEXT)");
    server.stop();
    let dir = TempDir::new();
    let output = insert(&dsn(&server, ""), "    suffix: ON DUPLICATE KEY UPDATE name = VALUES(name)\n");
    let running = write(&dir, &lines(10_000), &output);
    running.log.line_with(&format!("connecting to mysql at {}: ", server.address()));
    server.start_again();
    wait_until("rows", || MariaDb::ask(&server, "SELECT count(*) FROM t") != "0\n");
    // In the middle.
    server.kill();
    server.start_again();
    let (report, log) = running.join_with_log();
    assert_eq!(report.fault, None, "{}", log.text());
    assert_eq!(MariaDb::ask(&server, "SELECT count(*), sum(n) FROM t"), "10000\t49995000\n");
}

#[test]
fn who_it_is_and_what_is_encrypted_is_told() {
    let (cert, key) = certificate();
    let server = server!(|it: MariaDb| it
        .args(&["--ssl-cert={cert.pem}", "--ssl-key={key.pem}"])
        .file("cert.pem", &cert)
        .file("key.pem", &key));
    MariaDb::ask(
        &server,
        "CREATE USER ada@'%' IDENTIFIED BY 'hunter@two/2'; GRANT ALL ON test.* TO ada@'%'; CREATE TABLE t (n INT, name TEXT)",
    );
    let name = |password: &str, more: &str| format!("ada:{password}@tcp({})/test{more}", server.address());
    let cipher = |dsn: &str| {
        rows(
            "mysql",
            dsn,
            "SELECT VARIABLE_VALUE != '' AS c FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'Ssl_cipher'",
            "",
        )
    };
    assert_eq!(cipher(&name("hunter@two/2", "")), "{\"c\":\"0\"}\n");
    assert_eq!(cipher(&name("hunter@two/2", "?tls=skip-verify")), "{\"c\":\"1\"}\n");
    let dir = TempDir::new();
    for (dsn, told) in [
        (name("hunter3", ""), "Error 1045 (28000): Access denied for user 'ada'"),
        (name("hunter@two/2", "?tls=true"), "it is signed by an unknown authority"),
        (name("hunter@two/2", "").replace("/test", "/nope"), "Error 1044 (42000): Access denied"),
    ] {
        let running = write(&dir, "{\"n\":1,\"name\":\"x\"}\n", &insert(&dsn, ""));
        running.log.line_with(told);
        let log = running.log.text();
        assert!(!log.contains("hunter"), "{log}");
    }
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    let server = server!();
    MariaDb::ask(&server, "CREATE TABLE t (n INT PRIMARY KEY, name TEXT)");
    let dir = TempDir::new();
    let dsn = dsn(&server, "?timeout=300ms&readTimeout=300ms");
    let running = write(&dir, &lines(10), &insert(&dsn, ""));
    wait_until("rows", || MariaDb::ask(&server, "SELECT count(*) FROM t") == "10\n");
    running.join();
    server.pause();
    let running = write(&dir, "{\"n\":10,\"name\":\"x\"}\n", &insert(&dsn, ""));
    running.log.line_with("no answer within 300ms");
    server.resume();
    let (report, log) = running.join_with_log();
    assert_eq!(report.fault, None, "{}", log.text());
    assert_eq!(MariaDb::ask(&server, "SELECT count(*) FROM t"), "11\n");
    // A statement that takes too long.
    let timed = format!("    - sql_raw: {{ driver: mysql, dsn: {dsn:?}, query: SELECT SLEEP(5) }}\n");
    let began = std::time::Instant::now();
    assert_eq!(process("x\n", &timed), "x [no answer within 300ms]\n");
    assert!(began.elapsed() < Duration::from_secs(4));
}

#[test]
fn an_answer_that_is_too_large_costs_its_message() {
    let server = server!(|it: MariaDb| it.args(&["--max-allowed-packet=256M"]));
    let said = "[the server's answer is too large: a row, or what it says without rows, is more than 15MiB; a statement that asks for less of it at once may do]";
    let raw = |dsn: &str, more: &str| {
        format!(
            "    - sql_raw: {{ driver: mysql, dsn: {dsn:?}, query: \"SELECT repeat('x', ?) AS t\", args_mapping: 'root = [ this ]'{more} }}\n"
        )
    };
    let asked = process("1\n20000000\n3\n100000000\n5\n", &raw(&dsn(&server, ""), ""));
    assert_eq!(
        asked,
        format!(
            "[{{\"t\":\"x\"}}]\n20000000 {said}\n[{{\"t\":\"xxx\"}}]\n100000000 {said}\n[{{\"t\":\"xxxxx\"}}]\n"
        )
    );
    let mute = process("1\n20000000\n3\n", &raw(&dsn(&server, ""), ", exec_only: true"));
    assert_eq!(mute, format!("1\n20000000 {said}\n3\n"));
    // Rows are as many as there are, whether somebody wants them or not.
    let many = "SELECT repeat('x', 1000000) AS t FROM seq_1_to_40";
    assert_eq!(rows("mysql", &dsn(&server, ""), many, "").lines().count(), 40);
    let mute = format!(
        "    - sql_raw: {{ driver: mysql, dsn: {:?}, query: {many:?}, exec_only: true }}\n",
        dsn(&server, "")
    );
    assert_eq!(process("1\n", &mute), "1\n");
}
