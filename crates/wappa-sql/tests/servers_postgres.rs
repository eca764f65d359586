//! Streams over a real PostgreSQL.

mod support;

use std::time::Duration;

use support::{Running, TempDir, certificate, process, rows, run, start};
use wappa_conformance::wait_until;
use wappa_servers::{Server, or_skip, postgres::Postgres};

fn dsn(server: &Server, more: &str) -> String {
    format!("postgres://test@{}/postgres?sslmode=disable{more}", server.address())
}

/// A server for whoever asks for one.
macro_rules! server {
    () => {
        server!(|it: Postgres| it)
    };
    ($with:expr) => {{
        let Some(found) = or_skip(Postgres::find()) else { return };
        $with(found).start()
    }};
}

fn insert(dsn: &str, fields: &str) -> String {
    format!(
        "  sql_insert:\n    driver: postgres\n    dsn: {dsn:?}\n    table: t\n    columns: [n, name]\n    args_mapping: 'root = [ this.n, this.name ]'\n{fields}"
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

#[test]
fn lines_become_rows_and_rows_messages() {
    let server = server!();
    let dir = TempDir::new();
    let init = "    init_statement: CREATE TABLE t (n INT PRIMARY KEY, name TEXT)\n";
    let (report, log) = write(&dir, &lines(1000), &insert(&dsn(&server, ""), init)).join_with_log();
    assert_eq!(report.fault, None, "{}", log.text());
    assert_eq!(rows("postgres", &dsn(&server, ""), "SELECT * FROM t ORDER BY n", ""), lines(1000));
    let select = format!(
        "input: {{ sql_select: {{ driver: postgres, dsn: {:?}, table: t, columns: [n, name], where: 'n > ? AND name != ?', args_mapping: 'root = [997, \"a\\\\b\"]', suffix: ORDER BY n DESC }} }}\n\
         output: {{ file: {{ path: {:?}, codec: lines }} }}\n",
        dsn(&server, ""),
        dir.at("out")
    );
    run(&select);
    let all = lines(1000);
    let last: Vec<&str> = all.lines().rev().take(2).collect();
    assert_eq!(dir.read_so_far("out").lines().collect::<Vec<_>>(), last);
    // A batch that is larger than any statement has room for numbered arguments.
    let many: String = (0..40_000).map(|it| format!("{{\"n\":{},\"name\":\"x\"}}\n", it + 1000)).collect();
    let batching = "    batching: { count: 40000 }\n";
    let (report, log) = write(&dir, &many, &insert(&dsn(&server, ""), batching)).join_with_log();
    assert_eq!(report.fault, None, "{}", log.text());
    assert_eq!(Postgres::ask(&server, "SELECT count(*) FROM t"), "41000\n");
}

#[test]
fn types_of_columns_are_those_of_bento() {
    let server = server!();
    let query = "SELECT 1::int2 AS i2, 2::int4 AS i4, 9007199254740993::int8 AS i8, 1.5::float4 AS f4, 0.1::float8 AS f8, \
        12.50::numeric AS num, true AS b, 'x'::text AS t, 'y'::varchar AS v, 'z'::char(3) AS c, 'n'::name AS name, \
        '\\x6869'::bytea AS bytes, '2024-01-02'::date AS d, '2024-01-02 03:04:05.678'::timestamp AS ts, \
        '2024-01-02 03:04:05+02'::timestamptz AS tz, '03:04:05'::time AS time, '03:04:05+02'::timetz AS timetz, \
        '1 day 2 hours'::interval AS iv, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid AS u, '{\"a\": 1}'::json AS j, \
        '{\"a\": 1}'::jsonb AS jb, ARRAY[1,2,NULL] AS ints, ARRAY['a','b c'] AS texts, '10.0.0.0/8'::inet AS net, \
        NULL::int AS none, 'infinity'::timestamp AS inf, int4range(1, 5) AS r, '$1.50'::money AS m, B'101' AS bits, \
        '<a/>'::xml AS x, ROW(1, 'a') AS row, point(1, 2) AS p";
    let expected = "{\"b\":true,\"bits\":\"101\",\"bytes\":\"hi\",\"c\":\"z  \",\"d\":\"2024-01-02T00:00:00Z\",\"f4\":1.5,\"f8\":0.1,\"i2\":1,\"i4\":2,\"i8\":9007199254740993,\
        \"inf\":\"infinity\",\"ints\":\"{1,2,NULL}\",\"iv\":\"1 day 02:00:00\",\"j\":\"{\\\"a\\\": 1}\",\"jb\":\"{\\\"a\\\": 1}\",\"m\":\"$1.50\",\"name\":\"n\",\"net\":\"10.0.0.0/8\",\
        \"none\":null,\"num\":\"12.50\",\"p\":\"(1,2)\",\"r\":\"[1,5)\",\"row\":\"(1,a)\",\"t\":\"x\",\"texts\":\"{a,\\\"b c\\\"}\",\"time\":\"0000-01-01T03:04:05Z\",\
        \"timetz\":\"0000-01-01T03:04:05+02:00\",\"ts\":\"2024-01-02T03:04:05.678Z\",\"tz\":\"2024-01-02T01:04:05Z\",\"u\":\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\",\"v\":\"y\",\"x\":\"<a/>\"}\n";
    assert_eq!(rows("postgres", &dsn(&server, ""), query, ""), expected);
    // The same with arguments.
    let with_args = format!("{query}, $1::int AS arg");
    let read = rows("postgres", &dsn(&server, ""), &with_args, ", args_mapping: 'root = [7]'");
    assert_eq!(read.replace("\"arg\":7,", ""), expected);
    // A setting of the session.
    let zoned = rows(
        "postgres",
        &dsn(&server, "&TimeZone=Asia/Kolkata"),
        "SELECT '2024-01-02 00:00:00+00'::timestamptz AS t",
        "",
    );
    assert_eq!(zoned, "{\"t\":\"2024-01-02T05:30:00+05:30\"}\n");
}

#[test]
fn arguments_are_taken_for_what_the_statement_wants() {
    let server = server!();
    let dsn = dsn(&server, "");
    let raw = |query: &str, args: &str| {
        format!(
            "    - sql_raw: {{ driver: postgres, dsn: {dsn:?}, query: {query:?}, args_mapping: {args:?} }}\n"
        )
    };
    let one = |query: &str, args: &str| {
        process("{\"n\":5,\"f\":1.5,\"t\":\"a\\\\'b\",\"l\":[1]}\n", &raw(query, args))
    };
    assert_eq!(
        one(
            "SELECT $1::int + 1 AS i, $2::numeric AS n, $3::text AS t, $4::bool AS b, $5::text IS NULL AS none",
            "root = [this.n, this.f, this.t, true, null]"
        ),
        "[{\"b\":true,\"i\":6,\"n\":\"1.5\",\"none\":true,\"t\":\"a\\\\'b\"}]\n"
    );
    // Bytes and texts are bytes where bytes are wanted, whatever is in them.
    assert_eq!(
        one("SELECT length($1::bytea) AS n, $2::bytea AS b", "root = [\"ff00\".decode(\"hex\"), this.t]"),
        "[{\"b\":\"a\\\\'b\",\"n\":2}]\n"
    );
    assert_eq!(one("SELECT $1::jsonb->>'t' AS t", "root = [content()]"), "[{\"t\":\"a\\\\'b\"}]\n");
    let failed = |query: &str, args: &str| {
        let output = one(query, args);
        output.split_once(" [").map(|it| it.1.to_string()).unwrap_or(output)
    };
    assert_eq!(
        failed("SELECT $1::int", "root = [this.t]"),
        "pq: invalid input syntax for type integer: \"a\\'b\"]\n"
    );
    assert_eq!(
        failed("SELECT $1::text", "root = [\"a\\u0000\"]"),
        "pq: invalid byte sequence for encoding \"UTF8\": 0x00]\n"
    );
    assert_eq!(
        failed("SELECT $1::text; DROP TABLE t", "root = [1]"),
        "pq: cannot insert multiple commands into a prepared statement]\n"
    );
    assert_eq!(
        failed("SELECT $1::int + $2::int", "root = [1]"),
        "pq: wrong number of parameters for prepared statement \"wappa_1\": Expected 2 parameters but got 1.]\n"
    );
}

/// Batches as large as those before them go as arguments, and mean what their first ones, literals, have meant.
#[test]
fn rows_of_later_batches_are_those_of_the_first() {
    let server = server!();
    Postgres::ask(
        &server,
        "CREATE DOMAIN short AS text CHECK (length(value) < 9); \
         CREATE TABLE t (i2 int2, i4 int4, i8 int8, f8 float8, s text, v varchar(5), b bool, x bytea, j json, jb jsonb, i8b int8); \
         CREATE TABLE d (n int, f float4, num numeric, at timestamptz, c char(4), w short)",
    );
    let dir = TempDir::new();
    let all = |table: &str, columns: &str, rows: &str, n: usize| {
        let columns = columns.split(' ').collect::<Vec<_>>();
        let args = columns.iter().map(|it| format!("this.{it}")).collect::<Vec<_>>().join(", ");
        let output = format!(
            "  sql_insert:\n    driver: postgres\n    dsn: {:?}\n    table: {table}\n    columns: [{}]\n    args_mapping: 'root = [ {args} ]'\n    \
             max_in_flight: 1\n    batching: {{ count: 2 }}\n",
            dsn(&server, ""),
            columns.join(", ")
        );
        let (report, log) = write(&dir, &rows.repeat(n), &output).join_with_log();
        assert_eq!(report.fault, None, "{}", log.text());
        let rows =
            Postgres::ask(&server, &format!("SELECT count(*), count(DISTINCT {table}::text) FROM {table}"));
        assert_eq!(
            rows,
            format!("{}|2\n", 2 * n),
            "{}",
            Postgres::ask(&server, &format!("SELECT * FROM {table}"))
        );
    };
    // Numbers that are none of a column's are its own text, which only the server knows to read.
    let rows = "{\"i2\":-5,\"i4\":7,\"i8\":9007199254740993,\"f8\":0.1,\"s\":\"it's \\\\ \",\"v\":\"vv   \",\"b\":true,\"x\":\"a\\\\\\u0000\",\"j\":\"{\\\"a\\\":  1}\",\"jb\":\"{\\\"a\\\":  1}\",\"i8b\":1}\n\
        {\"i2\":1,\"i4\":null,\"i8\":-1,\"f8\":1e300,\"s\":\"é\",\"v\":null,\"b\":false,\"x\":null,\"j\":\"[]\",\"jb\":\"7\",\"i8b\":2}\n";
    all("t", "i2 i4 i8 f8 s v b x j jb i8b", rows, 8);
    Postgres::ask(&server, "TRUNCATE t");
    all("t", "i2 i4 i8 f8 s v b x j jb i8b", &rows.replace("\"i8b\":1}", "\"i8b\":\"1\"}"), 8);
    let rows = "{\"n\":1,\"f\":0.1,\"num\":12.50,\"at\":\"2024-01-02 03:04:05+02\",\"c\":\"a\",\"w\":\"b\"}\n\
        {\"n\":2,\"f\":1,\"num\":1,\"at\":null,\"c\":\"ab\",\"w\":\"c\"}\n";
    all("d", "n f num at c w", rows, 8);
}

#[test]
fn a_row_that_is_refused_costs_one_message() {
    let server = server!();
    Postgres::ask(&server, "CREATE TABLE t (n INT PRIMARY KEY CHECK (n != 7), name TEXT)");
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
    let lines: String = (0..300)
        .map(|it| format!("{{\"n\":{it},\"name\":\"{}\"}}\n", if it == 150 { "\\u0000" } else { "x" }))
        .collect();
    let (report, log) = write(&dir, &lines, &output).join_with_log();
    assert_eq!(report.fault, None, "{}", log.text());
    assert_eq!(Postgres::ask(&server, "SELECT count(*) FROM t"), "298\n");
    let refused = dir.read_so_far("refused");
    assert!(
        refused.contains("7 pq: new row for relation \"t\" violates check constraint \"t_n_check\""),
        "{refused}"
    );
    assert!(refused.contains("150 pq: invalid byte sequence for encoding \"UTF8\": 0x00"), "{refused}");
    assert_eq!(refused.lines().count(), 2);
}

#[test]
fn of_messages_for_one_row_the_last_one_is_there_in_the_end() {
    let server = server!();
    Postgres::ask(&server, "CREATE TABLE t (n INT PRIMARY KEY, name TEXT)");
    let dir = TempDir::new();
    let lines: String =
        (0..4000).map(|it| format!("{{\"n\":{},\"name\":\"{}\"}}\n", it % 10, it / 10)).collect();
    for fields in ["", "    batching: { count: 30 }\n", "    max_in_flight: 1\n"] {
        let fields = format!("    suffix: ON CONFLICT (n) DO UPDATE SET name = excluded.name\n{fields}");
        let (report, log) = write(&dir, &lines, &insert(&dsn(&server, ""), &fields)).join_with_log();
        assert_eq!(report.fault, None, "{}", log.text());
        assert_eq!(Postgres::ask(&server, "SELECT name, count(*) FROM t GROUP BY name"), "399|10\n");
        assert!(!log.text().contains("deadlock"), "{}", log.text());
        Postgres::ask(&server, "DELETE FROM t");
    }
}

#[test]
fn a_statement_that_others_were_in_the_way_of_is_begun_once_more() {
    let server = server!();
    Postgres::ask(
        &server,
        "CREATE TABLE t (n INT PRIMARY KEY, name TEXT); CREATE SEQUENCE tries;
         CREATE FUNCTION contend() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF nextval('tries') <= 3 THEN RAISE 'deadlock detected' USING ERRCODE = '40P01'; END IF;
           RETURN NULL;
         END $$;
         CREATE TRIGGER contended BEFORE INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION contend()",
    );
    let dir = TempDir::new();
    let (report, log) =
        write(&dir, &lines(10), &insert(&dsn(&server, ""), "    batching: { count: 10 }\n")).join_with_log();
    assert_eq!(report.fault, None, "{}", log.text());
    assert_eq!(Postgres::ask(&server, "SELECT count(*) FROM t"), "10\n");
    assert!(!log.text().contains("deadlock"), "{}", log.text());
}

#[test]
fn a_server_that_is_down_and_comes_back_loses_nothing() {
    let mut server = server!();
    Postgres::ask(&server, "CREATE TABLE t (n INT PRIMARY KEY, name TEXT)");
    server.stop();
    let dir = TempDir::new();
    let output = insert(&dsn(&server, ""), "    suffix: ON CONFLICT DO NOTHING\n");
    let running = write(&dir, &lines(20_000), &output);
    running.log.line_with(&format!("connecting to postgres at {}: ", server.address()));
    server.start_again();
    wait_until("rows", || Postgres::ask(&server, "SELECT count(*) FROM t") != "0\n");
    // In the middle.
    server.kill();
    server.start_again();
    let (report, log) = running.join_with_log();
    assert_eq!(report.fault, None, "{}", log.text());
    assert_eq!(Postgres::ask(&server, "SELECT count(*), sum(n) FROM t"), "20000|199990000\n");
}

#[test]
fn who_it_is_and_what_is_encrypted_is_told() {
    let (cert, key) = certificate();
    let server = server!(|it: Postgres| it
        .settings(&["ssl=on", "ssl_cert_file=server.crt", "ssl_key_file=server.key"])
        .hosts("host all ada 127.0.0.1/32 scram-sha-256\n")
        .file("server.crt", &cert)
        .file("server.key", &key));
    Postgres::ask(
        &server,
        "CREATE USER ada PASSWORD 'hunter two'; CREATE TABLE t (n INT, name TEXT); GRANT ALL ON t TO ada",
    );
    let dir = TempDir::new();
    let ca = dir.write("ca.pem", &cert);
    let (host, port) = ("localhost", server.port(0));
    let connects = |dsn: &str| {
        rows("postgres", dsn, "SELECT ssl, user AS who FROM pg_stat_ssl WHERE pid = pg_backend_pid()", "")
    };
    let password = "hunter%20two";
    let name =
        |password: &str, more: &str| format!("postgres://ada:{password}@{host}:{port}/postgres?{more}");
    assert_eq!(connects(&name(password, "sslmode=disable")), "{\"ssl\":false,\"who\":\"ada\"}\n");
    assert_eq!(connects(&name(password, "")), "{\"ssl\":true,\"who\":\"ada\"}\n");
    assert_eq!(
        connects(&name(password, &format!("sslmode=verify-full&sslrootcert={ca}"))),
        "{\"ssl\":true,\"who\":\"ada\"}\n"
    );
    let listed =
        format!("host={host} port={port} user=ada password='hunter two' dbname=postgres sslmode=require");
    assert_eq!(connects(&listed), "{\"ssl\":true,\"who\":\"ada\"}\n");
    for (dsn, told) in [
        (name("hunter3", "sslmode=disable"), "pq: password authentication failed for user \"ada\""),
        (name(password, "sslmode=verify-full"), "it is signed by an unknown authority"),
        (
            name(password, &format!("sslmode=verify-full&sslrootcert={ca}"))
                .replace("localhost", "127.0.0.1"),
            "it is not for 127.0.0.1, but for ",
        ),
        (name(password, "").replace("/postgres?", "/nope?"), "pq: database \"nope\" does not exist"),
    ] {
        let running = write(&dir, "{\"n\":1,\"name\":\"x\"}\n", &insert(&dsn, ""));
        running.log.line_with(told);
        let log = running.log.text();
        assert!(!log.contains("hunter"), "{log}");
    }
}

#[test]
fn a_stop_finds_a_statement_in_the_middle() {
    let server = server!();
    let dir = TempDir::new();
    let input = dir.write("in", "x\n");
    let raw =
        format!("sql_raw: {{ driver: postgres, dsn: {:?}, query: SELECT pg_sleep(600) }}", dsn(&server, ""));
    for config in [
        format!(
            "input: {{ file: {{ paths: [{input:?}] }} }}\npipeline: {{ processors: [ {{ {raw} }} ] }}\noutput: {{ drop: {{}} }}\n"
        ),
        format!("input: {{ file: {{ paths: [{input:?}] }} }}\noutput: {{ {raw} }}\n"),
        format!("input: {{ {raw} }}\noutput: {{ drop: {{}} }}\n"),
    ] {
        let running = start(&config);
        let n_running = || {
            Postgres::ask(
                &server,
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)' AND pid != pg_backend_pid() AND state = 'active'",
            )
        };
        wait_until("it runs", || n_running() != "0\n");
        running.stop.drain();
        running.stop.abandon();
        running.stop.cut();
        let began = std::time::Instant::now();
        running.join();
        assert!(began.elapsed() < Duration::from_secs(10));
        Postgres::ask(
            &server,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)' AND pid != pg_backend_pid()",
        );
    }
    // A time that the server is told.
    let timed = raw.replace("disable", "disable&statement_timeout=50");
    let told = process("x\n", &format!("    - {timed}\n"));
    assert_eq!(told, "x [pq: canceling statement due to statement timeout]\n");
}

#[test]
fn connections_are_bounded_and_a_full_server_is_waited_for() {
    let server =
        server!(|it: Postgres| it.settings(&["max_connections=8", "superuser_reserved_connections=3"]));
    Postgres::ask(
        &server,
        "CREATE TABLE t (n INT PRIMARY KEY, name TEXT); CREATE USER ada; GRANT ALL ON t TO ada",
    );
    let dir = TempDir::new();
    let dsn = dsn(&server, "").replace("test@", "ada@");
    let query = "INSERT INTO t SELECT $1::int, 'x' FROM pg_sleep(0.01)";
    let output = format!(
        "  sql_raw: {{ driver: postgres, dsn: {dsn:?}, query: {query:?}, args_mapping: 'root = [this.n]', conn_max_open: 3 }}\n"
    );
    let (report, log) = write(&dir, &lines(200), &output).join_with_log();
    assert_eq!(report.fault, None, "{}", log.text());
    assert!(!log.text().contains("Error"), "{}", log.text());
    assert_eq!(Postgres::ask(&server, "SELECT count(*) FROM t"), "200\n");
    // With more than the server has.
    Postgres::ask(&server, "TRUNCATE t");
    let output = output
        .replace(", conn_max_open: 3", "")
        .replace(" FROM pg_sleep(0.01)", " FROM pg_sleep(0.01) ON CONFLICT DO NOTHING");
    let (report, log) = write(&dir, &lines(200), &output).join_with_log();
    assert_eq!(report.fault, None, "{}", log.text());
    assert_eq!(Postgres::ask(&server, "SELECT count(*) FROM t"), "200\n");
    assert!(log.text().contains("connections"), "{}", log.text());
}

#[test]
fn an_answer_that_is_too_large_costs_its_message() {
    let server = server!();
    let raw = |query: &str| {
        format!(
            "    - sql_raw: {{ driver: postgres, dsn: {:?}, query: {query:?}, args_mapping: 'root = [ this ]' }}\n",
            dsn(&server, "")
        )
    };
    let said = "[the server's answer is too large: a row, or what it says without rows, is more than 64MiB; a statement that asks for less of it at once may do]";
    assert_eq!(
        process("1\n70000000\n3\n", &raw("SELECT repeat('x', $1::int) AS t")),
        format!("[{{\"t\":\"x\"}}]\n70000000 {said}\n[{{\"t\":\"xxx\"}}]\n")
    );
    // What it says besides rows: errors, and notices, however many.
    run(&format!(
        "input: {{ sql_raw: {{ driver: postgres, dsn: {:?}, query: {:?} }} }}\noutput: {{ drop: {{}} }}\n",
        dsn(&server, ""),
        "CREATE FUNCTION fail(n int) RETURNS int AS 'BEGIN RAISE EXCEPTION ''%'', repeat(''x'', n); END' LANGUAGE plpgsql; \
         CREATE FUNCTION notice(n int) RETURNS int AS 'BEGIN FOR i IN 1..n / 1000000 LOOP RAISE NOTICE ''%'', repeat(''x'', 1000000); END LOOP; RETURN pg_backend_pid(); END' LANGUAGE plpgsql"
    ));
    let failed = process("1\n70000000\n3\n", &raw("SELECT fail($1::int)"));
    assert_eq!(failed, format!("1 [pq: x]\n70000000 {said}\n3 [pq: xxx]\n"));
    let notices = process("1\n70000000\n3\n", &raw("SELECT notice($1::int) AS pid"));
    assert!(notices.contains(&format!("\n70000000 {said}\n")), "{notices}");
    // A connection on which so much has come is not kept for the next.
    let pids = process("1\n2\n20000000\n3\n4\n", &raw("SELECT notice($1::int) AS pid"));
    let pids: Vec<&str> = pids.lines().collect();
    let &[a, b, c, d, e] = &pids[..] else { panic!("{pids:?}") };
    assert!(a == b && b == c && c != d && d == e, "{pids:?}");
    // Rows are as many as there are.
    let n = rows(
        "postgres",
        &dsn(&server, ""),
        "SELECT repeat('x', 1000000) AS t FROM generate_series(1, 80)",
        "",
    );
    assert_eq!(n.lines().count(), 80);
}
