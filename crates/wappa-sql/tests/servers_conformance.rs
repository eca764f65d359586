//! The outputs and the cache of this crate do what such ones have to, over real servers.
//!
//! The inputs read to their end, and are looked at in the tests of each database.

use std::cell::RefCell;

use rustix::process::Signal;
use wappa_component::Component;
use wappa_conformance::{CacheServer, Downstream, Keys, Peer, check_cache_at, check_output_to};
use wappa_servers::{Server, mariadb::MariaDb, or_skip, postgres::Postgres};

fn table() -> &'static [&'static Component] {
    let all: Vec<_> = wappa_pure::components().into_iter().chain(wappa_sql::components()).collect();
    all.leak()
}

/// Who is asked, and how.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    dsn: fn(&Server) -> String,
    ask: fn(&Server, &str) -> String,
    /// What a table is made with: the order of its rows in `id`, and texts in `v`.
    rows: &'static str,
    /// The same, of keys and values.
    values: &'static str,
    placeholder: &'static str,
    on_conflict: &'static str,
}

const POSTGRES: Kind = Kind {
    name: "postgres",
    dsn: |it| format!("postgres://test@{}/postgres?sslmode=disable", it.address()),
    ask: Postgres::ask,
    rows: "(id SERIAL, v TEXT)",
    values: "(k TEXT PRIMARY KEY, v BYTEA)",
    placeholder: "$1",
    on_conflict: "ON CONFLICT (k) DO UPDATE SET v = excluded.v",
};

const MARIADB: Kind = Kind {
    name: "mysql",
    dsn: |it| format!("root@tcp({})/test", it.address()),
    ask: MariaDb::ask,
    rows: "(id INT PRIMARY KEY AUTO_INCREMENT, v TEXT)",
    values: "(k VARCHAR(100) COLLATE utf8mb4_bin PRIMARY KEY, v BLOB)",
    placeholder: "?",
    on_conflict: "ON DUPLICATE KEY UPDATE v = VALUES(v)",
};

/// A table of a server.
struct Table<'s> {
    server: &'s RefCell<Server>,
    kind: Kind,
    config: String,
}

impl<'s> Table<'s> {
    fn new(server: &'s RefCell<Server>, kind: Kind, columns: &str, config: &str) -> Table<'s> {
        (kind.ask)(&server.borrow(), &format!("DROP TABLE IF EXISTS t; CREATE TABLE t {columns}"));
        let dsn = (kind.dsn)(&server.borrow());
        let config = config
            .replace("WHERE", &format!("driver: {}, dsn: {dsn:?}", kind.name))
            .replace("PLACEHOLDER", kind.placeholder)
            .replace("CONFLICT", kind.on_conflict);
        Table { server, kind, config }
    }
}

impl Peer for Table<'_> {
    fn config(&self) -> String {
        self.config.clone()
    }

    fn go(&mut self) {
        let mut server = self.server.borrow_mut();
        if self.kind.name == "postgres" {
            // Otherwise it waits for those who are connected.
            server.signal(Signal::INT);
        }
        server.stop();
    }

    fn come_back(&mut self) {
        self.server.borrow_mut().start_again();
    }

    fn hold(&mut self, is_held: bool) -> bool {
        let server = self.server.borrow();
        let is_there = server.pid().is_some();
        match is_held {
            true if is_there => server.pause(),
            false if is_there => server.resume(),
            _ => (),
        }
        is_there
    }
}

impl Downstream for Table<'_> {
    fn received(&mut self) -> Vec<String> {
        let read = (self.kind.ask)(&self.server.borrow(), "SELECT v FROM t ORDER BY id");
        read.lines().map(str::to_string).collect()
    }
}

impl CacheServer for Table<'_> {
    fn keys(&self) -> Keys {
        Keys::Texts
    }

    fn ttl_min(&self) -> Option<std::time::Duration> {
        None
    }
}

fn check(server: Server, kind: Kind) {
    let server = RefCell::new(server);
    let insert = "sql_insert: { WHERE, table: t, columns: [ v ], args_mapping: 'root = [ content().string() ]', max_in_flight: 1 }";
    check_output_to(table(), || Table::new(&server, kind, kind.rows, insert));
    let raw = "sql_raw: { WHERE, query: 'INSERT INTO t (v) VALUES (PLACEHOLDER)', args_mapping: 'root = [ content().string() ]', max_in_flight: 1 }";
    check_output_to(table(), || Table::new(&server, kind, kind.rows, raw));
    let cache = "sql: { WHERE, table: t, key_column: k, value_column: v, set_suffix: CONFLICT }";
    check_cache_at(table(), || Table::new(&server, kind, kind.values, cache));
}

#[test]
fn postgres() {
    let Some(found) = or_skip(Postgres::find()) else { return };
    check(found.start(), POSTGRES);
}

#[test]
fn mariadb() {
    let Some(found) = or_skip(MariaDb::find()) else { return };
    check(found.start(), MARIADB);
}
