//! Runs whole streams of a config over databases, and says what came of them.
#![allow(dead_code, reason = "each test uses some of it")]

pub(crate) use wappa_conformance::TempDir;
pub(crate) use wappa_testing::{Running, Streams};

pub(crate) fn streams() -> Streams {
    Streams::of(wappa_pure::components().into_iter().chain(wappa_sql::components())).with_debug_lines()
}

/// What is wrong with a config.
pub(crate) fn lint(config: &str) -> String {
    streams().lint(config)
}

/// The same, of one that is not trusted.
pub(crate) fn lint_restricted(config: &str) -> String {
    streams().lint_restricted(config)
}

/// Begins a stream.
pub(crate) fn start(config: &str) -> Running {
    streams().start(config)
}

/// Why a stream cannot be built.
pub(crate) fn build_error(config: &str) -> String {
    streams().try_start(config).expect_err("it cannot be built")
}

/// Runs a stream to its end, and gives the log.
pub(crate) fn run(config: &str) -> String {
    let (report, log) = start(config).join_with_log();
    assert_eq!(report.fault, None, "{}", log.text());
    log.text()
}

/// Runs lines through processors, and gives what comes of them, with the marks of those that failed.
pub(crate) fn process(lines: &str, processors: &str) -> String {
    let dir = TempDir::new();
    let input = dir.write("in", lines);
    let config = format!(
        "input: {{ file: {{ paths: [{input:?}] }} }}\n\
         pipeline:\n  threads: 1\n  processors:\n{processors}\
         \n    - catch: [{{ mapping: 'root = content().string() + \" [\" + error() + \"]\"' }}]\n\
         output: {{ file: {{ path: {:?}, codec: lines }} }}\n",
        dir.at("out")
    );
    run(&config);
    dir.read_so_far("out")
}

/// What a statement gives, a line for each row.
pub(crate) fn rows(driver: &str, dsn: &str, query: &str, more: &str) -> String {
    let dir = TempDir::new();
    let config = format!(
        "input: {{ sql_raw: {{ driver: {driver}, dsn: {dsn:?}, query: {query:?}{more} }} }}\n\
         output: {{ file: {{ path: {:?}, codec: lines }} }}\n",
        dir.at("out")
    );
    run(&config);
    dir.read_so_far("out")
}

/// A certificate for `localhost` that vouches for itself, and its key, as servers read them.
pub(crate) fn certificate() -> (String, String) {
    let made =
        rcgen::generate_simple_self_signed(["localhost".to_string()]).expect("a certificate can be made");
    let text = |tag, der: &[u8]| pem::encode(&pem::Pem::new(tag, der));
    (text("CERTIFICATE", made.cert.der()), text("PRIVATE KEY", &made.signing_key.serialize_der()))
}
