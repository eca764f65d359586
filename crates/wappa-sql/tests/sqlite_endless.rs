//! A statement of SQLite without an end. Alone in its process, of which it looks at all threads.

mod support;

use std::{fs, thread, time::Duration};

use support::{TempDir, start};
use wappa_conformance::wait_until;

#[test]
fn a_statement_without_an_end_is_left_at_a_stop() {
    let endless =
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) AS n FROM c";
    let dir = TempDir::new();
    let input = dir.write("in", "x\n");
    for config in [
        format!(
            "input: {{ file: {{ paths: [{input:?}] }} }}\npipeline: {{ processors: [ {{ sql_raw: {{ driver: sqlite, dsn: ':memory:', query: {endless:?} }} }} ] }}\noutput: {{ drop: {{}} }}\n"
        ),
        format!(
            "input: {{ file: {{ paths: [{input:?}] }} }}\noutput: {{ sql_raw: {{ driver: sqlite, dsn: ':memory:', query: {endless:?} }} }}\n"
        ),
        format!(
            "input: {{ sql_raw: {{ driver: sqlite, dsn: ':memory:', query: {endless:?} }} }}\noutput: {{ drop: {{}} }}\n"
        ),
    ] {
        let running = start(&config);
        thread::sleep(Duration::from_millis(300));
        running.stop.drain();
        running.stop.abandon();
        running.stop.cut();
        running.join();
    }
    // Nothing of it goes on in the background.
    let busy = || {
        fs::read_dir("/proc/self/task").expect("there are tasks").flatten().any(|it| {
            let name = fs::read_to_string(it.path().join("comm")).unwrap_or_default();
            name.starts_with("sqlx-sqlite")
        })
    };
    wait_until("the threads of SQLite have ended", || !busy());
}
