//! The languages that projects are made in, and what this machine lacks to build them.

use std::process::{Command, Stdio};

use clap::ValueEnum;

use crate::environment::Environment;

/// A language for which there is an SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    Rust,
    Go,
    C,
}

impl Language {
    /// As people write it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Language::Rust => "Rust",
            Language::Go => "Go",
            Language::C => "C",
        }
    }
}

/// What is missing on this machine, with the way to get it; none when a project can be built.
pub(super) fn missing(language: Language) -> Option<String> {
    match language {
        Language::Rust => missing_rust(),
        Language::Go => missing_go(),
        Language::C => missing_c(),
    }
}

fn missing_rust() -> Option<String> {
    let environment = Environment::default();
    let rustc = environment.var("RUSTC").unwrap_or_else(|| "rustc".to_string());
    let arguments = ["--print", "target-libdir", "--target", "wasm32-unknown-unknown"];
    let Some(dir) = answer(&rustc, &arguments) else {
        return Some("Rust is missing: see https://rustup.rs".to_string());
    };
    let has_std = std::fs::read_dir(dir.trim()).is_ok_and(|mut it| it.next().is_some());
    // Whoever builds the standard library himself needs no other.
    let is_built = environment.var("CARGO_UNSTABLE_BUILD_STD").is_some();
    (!has_std && !is_built).then(|| {
        let way = "the target is missing: rustup target add wasm32-unknown-unknown";
        match answer("rustup", &["--version"]) {
            Some(_) => way.to_string(),
            // A Rust that came with the system has its targets from there too.
            None => format!(
                "{way} (there is no rustup here: see https://rustup.rs; a Rust of Debian takes `apt-get install \
                 libstd-rust-dev-wasm32`)"
            ),
        }
    })
}

fn missing_go() -> Option<String> {
    let Some(version) = answer("go", &["env", "GOVERSION"]) else {
        return Some("Go is missing: see https://go.dev/dl".to_string());
    };
    let is_old = minor_of(&version).is_some_and(|it| it < 24);
    is_old.then(|| format!("Go 1.24 is needed, and this is {}", version.trim()))
}

/// `go1.24.3`: 24.
fn minor_of(version: &str) -> Option<u32> {
    version.trim().strip_prefix("go1.")?.split(['.', 'r', 'b']).next()?.parse().ok()
}

fn missing_c() -> Option<String> {
    // Told together: who installs one thing should not hear of the next one only then.
    let mut missing = Vec::new();
    if answer("make", &["--version"]).is_none() {
        missing.push("`make` is missing: `apt-get install make`, or the package of your system");
    }
    if answer("cc", &["--version"]).is_none() {
        missing.push("a C compiler for the tests is missing, `cc`: `apt-get install gcc`, or the package of your system");
    }
    let sdk = Environment::default().var("WASI_SDK_PATH").filter(|it| !it.is_empty());
    let clangs = ["clang-22", "clang"].map(|it| (it.to_string(), "wasm32-wasi"));
    let of_sdk = sdk.map(|it| (format!("{it}/bin/clang"), "wasm32-wasip1"));
    let has_libc = |(clang, target): (String, &str)| {
        let flags = [&format!("--target={target}"), "-include", "stdlib.h", "-E", "-xc", "/dev/null"];
        answer(&clang, &flags).is_some()
    };
    // The one of `pip install ziglang` is no program of its own.
    let has_zig =
        || answer("zig", &["version"]).or_else(|| answer("python3", &["-m", "ziglang", "version"])).is_some();
    let is_there = of_sdk.into_iter().chain(clangs).any(has_libc) || has_zig();
    if !is_there {
        missing.push(
            "a C compiler for WebAssembly is missing: `apt-get install clang lld wasi-libc libclang-rt-dev-wasm32`, or a \
             WASI SDK (set WASI_SDK_PATH), or zig (`pip install ziglang` will do)",
        );
    }
    (!missing.is_empty()).then(|| missing.join("; "))
}

/// What a program says, if there is one and it succeeds.
fn answer(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null());
    let ended = command.output().ok().filter(|it| it.status.success())?;
    Some(String::from_utf8_lossy(&ended.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_go() {
        let minors = ["go1.24.3\n", "go1.26", "go1.25rc1", "devel"].map(minor_of);
        assert_eq!(minors, [Some(24), Some(26), Some(25), None]);
    }
}
