//! Rows a second into a table, beside a plain loop with the same client: `cargo bench -p wappa-sql --bench insert`.
//!
//! Both read the same documents from a file, and write batches of a hundred rows with one statement each, over one connection
//! and one batch after the other. Medians of a few runs, one of each after the other, so that both see the same machine.
#![allow(clippy::print_stdout, reason = "it is what a benchmark is for")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{fs, time::Instant};

use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, postgres::PgConnectOptions, sqlite::SqliteConnectOptions,
};
use support::{TempDir, start};
use wappa_servers::{or_skip, postgres::Postgres};

const ROWS: usize = 100_000;
const BATCH: usize = 100;
const RUNS: usize = 5;

fn main() {
    // `cargo test --benches` asks for nothing.
    if !std::env::args().any(|it| it == "--bench") {
        return;
    }
    let dir = TempDir::new();
    let lines: String = (0..ROWS)
        .map(|it| format!("{{\"id\":{it},\"name\":\"somebody {it}\",\"score\":{it}.5}}\n"))
        .collect();
    let input = dir.write("in", &lines);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if let Some(found) = or_skip(Postgres::find()) {
        let server = found.start();
        let address = server.address();
        let dsn = format!("postgres://test@{address}/postgres?sslmode=disable");
        let reset = || {
            Postgres::ask(
                &server,
                "DROP TABLE IF EXISTS t; CREATE TABLE t (id int8, name text, score float8)",
            );
        };
        let options: PgConnectOptions = dsn.parse().expect("it is a URL");
        report("postgres", &input, &dsn, reset, || runtime.block_on(plain_postgres(&input, &options)));
    }
    let path = dir.at("db");
    let dsn = format!("file:{path}?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)");
    let reset = || {
        for end in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{path}{end}"));
        }
    };
    report("sqlite", &input, &dsn, reset, || runtime.block_on(plain_sqlite(&input, &path)));
}

fn report(driver: &str, input: &str, dsn: &str, reset: impl Fn(), plain: impl Fn()) {
    let timed = |run: &dyn Fn()| {
        reset();
        let began = Instant::now();
        run();
        ROWS as f64 / began.elapsed().as_secs_f64()
    };
    let stream = format!(
        "input: {{ file: {{ paths: [{input:?}] }} }}\npipeline: {{ threads: 1 }}\noutput:\n  sql_insert:\n    driver: {driver}\n    dsn: {dsn:?}\n    table: t\n    \
         columns: [id, name, score]\n    args_mapping: 'root = [ this.id, this.name, this.score ]'\n    max_in_flight: 1\n    batching: {{ count: {BATCH} }}\n    \
         init_statement: CREATE TABLE IF NOT EXISTS t (id int8, name text, score float8)\n"
    );
    let wappa = || {
        let (report, log) = start(&stream).join_with_log();
        assert_eq!(report.fault, None, "{}", log.text());
    };
    let (mut of_wappa, mut of_plain): (Vec<f64>, Vec<f64>) =
        (0..RUNS).map(|_| (timed(&wappa), timed(&plain))).unzip();
    let median = |all: &mut Vec<f64>| {
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let (of_wappa, of_plain) = (median(&mut of_wappa), median(&mut of_plain));
    println!("{driver}: {of_wappa:.0} rows/s, plain {of_plain:.0}, ratio {:.2}", of_wappa / of_plain);
}

/// The documents of a file, in batches.
fn batches(input: &str) -> impl Iterator<Item = Vec<(i64, String, f64)>> {
    let text = fs::read_to_string(input).expect("it can be read");
    let rows: Vec<String> = text.lines().map(String::from).collect();
    let batches: Vec<Vec<String>> = rows.chunks(BATCH).map(<[String]>::to_vec).collect();
    batches.into_iter().map(|batch| {
        let row = |line: &String| {
            let document: serde_json::Value = serde_json::from_str(line).expect("it is JSON");
            let name = document["name"].as_str().expect("it has one").to_string();
            (
                document["id"].as_i64().expect("it has one"),
                name,
                document["score"].as_f64().expect("it has one"),
            )
        };
        batch.iter().map(row).collect()
    })
}

async fn plain_postgres(input: &str, options: &PgConnectOptions) {
    let mut connection = options.clone().disable_statement_logging().connect().await.expect("it is there");
    for batch in batches(input) {
        let places: Vec<String> =
            (0..batch.len()).map(|it| format!("(${},${},${})", 3 * it + 1, 3 * it + 2, 3 * it + 3)).collect();
        let sql = format!("INSERT INTO t (id,name,score) VALUES {}", places.join(","));
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (id, name, score) in batch {
            query = query.bind(id).bind(name).bind(score);
        }
        query.execute(&mut connection).await.expect("it is written");
    }
    connection.close().await.expect("it ends");
}

async fn plain_sqlite(input: &str, path: &str) {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
        .synchronous(sqlx::sqlite::SqliteSynchronous::Normal)
        .disable_statement_logging();
    let mut connection = options.connect().await.expect("it can be opened");
    sqlx::query("CREATE TABLE IF NOT EXISTS t (id int8, name text, score float8)")
        .execute(&mut connection)
        .await
        .expect("it is made");
    for batch in batches(input) {
        let sql = format!("INSERT INTO t (id,name,score) VALUES {}", vec!["(?,?,?)"; batch.len()].join(","));
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (id, name, score) in batch {
            query = query.bind(id).bind(name).bind(score);
        }
        query.execute(&mut connection).await.expect("it is written");
    }
    connection.close().await.expect("it ends");
}
