//! The streams of the guide to databases, against real ones.

use std::{fs, path::Path};

use wappa_servers::{mariadb::MariaDb, or_skip, postgres::Postgres};

mod support;

use support::Program;

/// Where the databases of the guide are.
const POSTGRES: &str = "postgres://postgres:secret@localhost:5432/postgres?sslmode=disable";
const MARIADB: &str = "root:secret@tcp(localhost:3306)/test";

/// What the guide has its reader ask the database.
const TABLE_OF_POSTGRES: &str = "CREATE TABLE people (name text PRIMARY KEY, age int)";
const TABLE_OF_MARIADB: &str = "CREATE TABLE people (name varchar(100) PRIMARY KEY, age int)";

const ADA: &str =
    "{\"name\":\"ada\",\"age\":36}\n{\"name\":\"grace\",\"age\":84}\n{\"name\":\"ada\",\"age\":41}\n";

fn guide() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/servers/sql.md");
    fs::read_to_string(path).expect("the guide is there")
}

/// The configs of the guide with this database, in their order, with a database that is there.
fn streams(guide: &str, dsn: &str, own: &str) -> Vec<String> {
    let fences = guide.split("```yaml\n").skip(1).map(|it| it.split("```").next().unwrap_or_default());
    fences.filter(|it| it.contains(dsn)).map(|it| it.replace(dsn, own)).collect()
}

/// What a stream prints that is given these lines.
fn run(name: &str, stream: &str, lines: &str) -> String {
    let ended = Program::new(name).file("a.yaml", stream).stdin(lines).run(&["-c", "a.yaml"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    ended.stdout
}

#[test]
fn the_streams_for_postgresql_run_as_they_are() {
    let Some(server) = or_skip(Postgres::find()).map(Postgres::start) else { return };
    let guide = guide();
    assert!(guide.contains(TABLE_OF_POSTGRES));
    Postgres::ask(&server, TABLE_OF_POSTGRES);
    let own = format!("postgres://test@{}/postgres?sslmode=disable", server.address());
    let streams = streams(&guide, POSTGRES, &own);
    let [write, read, ask] = streams.as_slice() else { panic!("three streams: {streams:#?}") };
    run("sql-guide-write", write, ADA);
    assert_eq!(run("sql-guide-read", read, ""), "{\"name\":\"ada\"}\n{\"name\":\"grace\"}\n");
    assert_eq!(run("sql-guide-ask", ask, "{\"name\":\"grace\"}\n"), "{\"age\":84,\"name\":\"grace\"}\n");
}

#[test]
fn the_stream_for_mariadb_runs_as_it_is() {
    let Some(server) = or_skip(MariaDb::find()).map(MariaDb::start) else { return };
    let guide = guide();
    assert!(guide.contains(TABLE_OF_MARIADB));
    MariaDb::ask(&server, TABLE_OF_MARIADB);
    let own = format!("root@tcp({})/test", server.address());
    let streams = streams(&guide, MARIADB, &own);
    let [write] = streams.as_slice() else { panic!("a stream: {streams:#?}") };
    run("sql-guide-mariadb", write, ADA);
    assert_eq!(MariaDb::ask(&server, "SELECT name, age FROM people ORDER BY name"), "ada\t41\ngrace\t84\n");
}
