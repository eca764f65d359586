//! What this machine lacks to build projects, each with the way to get it; none when a project can be built.

use std::process::{Command, Stdio};

use super::language::Language;
use crate::environment::Environment;

pub(super) fn missing_rust() -> Option<String> {
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

pub(super) fn missing_go() -> Option<String> {
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

pub(super) fn missing_c() -> Option<String> {
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
    let is_there = of_sdk.into_iter().chain(clangs).any(has_libc) || zig().is_some();
    if !is_there {
        missing.push(
            "a C compiler for WebAssembly is missing: `apt-get install clang lld wasi-libc libclang-rt-dev-wasm32`, or a \
             WASI SDK (set WASI_SDK_PATH), or zig (`pip install ziglang` will do)",
        );
    }
    (!missing.is_empty()).then(|| missing.join("; "))
}

pub(super) fn missing_node() -> Option<String> {
    let Some(version) = answer("node", &["--version"]) else {
        return Some("Node.js is missing: see https://nodejs.org".to_string());
    };
    if major_of(&version).is_some_and(|it| it < 20) {
        return Some(format!("Node.js 20 is needed, and this is {}", version.trim()));
    }
    let npm = answer("npm", &["--version"]);
    npm.is_none().then(|| {
        "`npm` is missing: it comes with Node.js, or is the package `npm` of your system".to_string()
    })
}

/// `v20.11.1`: 20.
fn major_of(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

pub(super) fn missing_python() -> Option<String> {
    let is_new = "import sys; print(sys.version_info >= (3, 10), sys.version.split()[0])";
    let Some(version) = answer("python3", &["-c", is_new]) else {
        return Some("Python is missing: see https://www.python.org".to_string());
    };
    if let Some(version) = version.strip_prefix("False ") {
        return Some(format!("Python 3.10 is needed, and this is {}", version.trim()));
    }
    // Beside that Python, or on the path.
    let finds = "import os, shutil, sys; it = 'componentize-py'; beside = os.path.join(os.path.dirname(sys.executable), it); \
                 sys.exit(not (os.path.exists(beside) or shutil.which(it)))";
    answer("python3", &["-c", finds]).is_none().then(|| {
        "componentize-py is missing: python3 -m venv .venv && . .venv/bin/activate && pip install componentize-py".to_string()
    })
}

pub(super) fn missing_kotlin() -> Option<String> {
    // `java -version` speaks on standard error, and `--version` is as old as Java 9.
    let Some(version) = answer("java", &["--version"]) else {
        return Some(
            "Java and Maven are what builds Kotlin, and Java is missing: 17 or newer, `apt-get install default-jdk-headless \
             maven` or the packages of your system"
                .to_string(),
        );
    };
    if major_of_java(&version).is_some_and(|it| it < 17) {
        let version = version.lines().next().unwrap_or_default();
        return Some(format!("Java 17 is needed, and this is {version}"));
    }
    let maven = answer("mvn", &["--version"]);
    maven
        .is_none()
        .then(|| "Maven is missing: `apt-get install maven`, or see https://maven.apache.org".to_string())
}

/// `openjdk 17.0.15 2025-04-15`: 17.
fn major_of_java(version: &str) -> Option<u32> {
    version.split_whitespace().nth(1)?.split(['.', '-', '+']).next()?.parse().ok()
}

/// How zig is called here: by its name, or as the package of Python that brings it.
pub(super) fn zig() -> Option<(&'static str, &'static [&'static str])> {
    let ways: [(&str, &[&str]); 2] = [("zig", &[]), ("python3", &["-m", "ziglang"])];
    ways.into_iter().find(|(program, first)| answer(program, &[first, &["version"][..]].concat()).is_some())
}

/// A command of a language, as it is typed on this machine.
pub(super) fn as_here(language: Language, command: &str) -> String {
    match (language, command.strip_prefix("zig ").zip(zig())) {
        (Language::Zig, Some((rest, (program, first)))) => [&[program], first, &[rest]].concat().join(" "),
        _ => command.to_string(),
    }
}

pub(super) fn missing_zig() -> Option<String> {
    let Some((program, first)) = zig() else {
        return Some(
            "zig is missing: `pip install ziglang`, whose name is `python3 -m ziglang`, or see https://ziglang.org/download"
                .to_string(),
        );
    };
    let version = answer(program, &[first, &["version"][..]].concat()).unwrap_or_default();
    // Its language and its library change with each minor version.
    let is_other = !version.starts_with(ZIG_VERSION);
    is_other.then(|| format!("the SDK is for zig {ZIG_VERSION}x, and this is {}", version.trim()))
}

/// What the versions begin with that the SDK is for.
const ZIG_VERSION: &str = "0.17.";

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

    #[test]
    fn versions_of_java() {
        let told =
            ["openjdk 17.0.15 2025-04-15\nOpenJDK Runtime", "java 25 2025-09-16 LTS", "openjdk 11-ea", ""];
        assert_eq!(told.map(major_of_java), [Some(17), Some(25), Some(11), None]);
    }

    #[test]
    fn versions_of_node() {
        assert_eq!(["v20.11.1\n", "v8.0.0", "v24", ""].map(major_of), [Some(20), Some(8), Some(24), None]);
    }
}
