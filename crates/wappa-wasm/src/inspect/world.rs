//! What a component finds here: the interfaces of the WIT package `wappa:processor`, and those of WASI 0.2.
//!
//! The table says what the package (`guest/wit/processor.wit`) says, in a form that can be compared; a test holds the
//! two against each other.

use crate::interface::{WORLD_PACKAGE, WORLD_VERSION, WORLD_VERSIONS};

/// The interface that a processor exports.
pub(super) const EXPORTED: &str = "transform";

const VALUE: &str = "variant { text(string), bytes(list<u8>), json(string) }";

/// A function of the package: its interface, its name in a binary, and its type with all names of types unfolded.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) interface: &'static str,
    pub(super) name: &'static str,
    /// As in `func(index: u32) -> list<u8>`, without the resource that a method belongs to.
    pub(super) text: &'static str,
    shape: &'static str,
    /// The version of the package that brought it.
    since: &'static str,
}

impl Known {
    /// The whole type. `VALUE` stands for what a metadata value is.
    pub(super) fn shape(&self) -> String {
        self.shape.replace("VALUE", VALUE)
    }
}

const fn known(
    interface: &'static str,
    name: &'static str,
    text: &'static str,
    shape: &'static str,
) -> Known {
    Known { interface, name, text, shape, since: "0.1.0" }
}

impl Known {
    /// The same, of a later version of the package.
    const fn since(self, version: &'static str) -> Known {
        Known { since: version, ..self }
    }
}

/// Every function of the world.
pub(super) const FUNCTIONS: [Known; 18] = [
    known("types", "[method]batch.len", "func() -> u32", "func(borrow<batch>) -> u32"),
    known(
        "types",
        "[method]batch.content",
        "func(index: u32) -> list<u8>",
        "func(borrow<batch>, u32) -> list<u8>",
    ),
    known(
        "types",
        "[method]batch.contents",
        "func() -> tuple<list<u8>, list<u32>>",
        "func(borrow<batch>) -> tuple<list<u8>, list<u32>>",
    ),
    known(
        "types",
        "[method]batch.get-metadata",
        "func(index: u32, key: string) -> option<value>",
        "func(borrow<batch>, u32, string) -> option<VALUE>",
    ),
    known(
        "types",
        "[method]batch.metadata",
        "func(index: u32) -> list<tuple<string, value>>",
        "func(borrow<batch>, u32) -> list<tuple<string, VALUE>>",
    ),
    known(
        "types",
        "[method]batch.metadata-keys",
        "func(index: u32) -> list<string>",
        "func(borrow<batch>, u32) -> list<string>",
    )
    .since("1.0.0"),
    known(
        "types",
        "[method]batch.metadata-values",
        "func(first: u32, count: u32, keys: list<string>) -> list<option<value>>",
        "func(borrow<batch>, u32, u32, list<string>) -> list<option<VALUE>>",
    )
    .since("1.0.0"),
    known(
        "types",
        "[method]batch.change-metadata",
        "func(changes: list<tuple<u32, string, option<value>>>)",
        "func(borrow<batch>, list<tuple<u32, string, option<VALUE>>>)",
    )
    .since("1.0.0"),
    known(
        "types",
        "[method]batch.set-metadata-texts",
        "func(key: string, indexes: list<u32>, texts: list<u8>, ends: list<u32>)",
        "func(borrow<batch>, string, list<u32>, list<u8>, list<u32>)",
    )
    .since("1.0.0"),
    known(
        "types",
        "[method]batch.set-metadata",
        "func(index: u32, key: string, value: value)",
        "func(borrow<batch>, u32, string, VALUE)",
    ),
    known(
        "types",
        "[method]batch.delete-metadata",
        "func(index: u32, key: string) -> bool",
        "func(borrow<batch>, u32, string) -> bool",
    ),
    known(
        "types",
        "[method]batch.error",
        "func(index: u32) -> option<string>",
        "func(borrow<batch>, u32) -> option<string>",
    ),
    known("types", "[method]batch.clear-error", "func(index: u32)", "func(borrow<batch>, u32)"),
    known(
        "types",
        "[method]batch.position",
        "func(index: u32) -> tuple<u32, u32>",
        "func(borrow<batch>, u32) -> tuple<u32, u32>",
    ),
    known(
        "log",
        "log",
        "func(level: level, text: string)",
        "func(enum { trace, debug, info, warn, error }, string)",
    ),
    known("metrics", "counter-add", "func(name: string, delta: u64)", "func(string, u64)"),
    known(
        "transform",
        "configure",
        "func(config: list<tuple<string, string>>) -> result<_, string>",
        "func(list<tuple<string, string>>) -> result<_, string>",
    ),
    known(
        "transform",
        "process",
        "func(batch: batch) -> list<disposition>",
        "func(own<batch>) -> list<variant { keep, filter, content(list<u8>), \
         send(list<record { content: list<u8>, metadata: list<tuple<string, VALUE>> }>), fail(string) }>",
    ),
];

/// The interfaces of WASI 0.2 that are provided; sockets refuse to be used.
const WASI_INTERFACES: [(&str, &[&str]); 6] = [
    (
        "wasi:cli",
        &[
            "environment",
            "exit",
            "stderr",
            "stdin",
            "stdout",
            "terminal-input",
            "terminal-output",
            "terminal-stderr",
            "terminal-stdin",
            "terminal-stdout",
        ],
    ),
    ("wasi:clocks", &["monotonic-clock", "wall-clock"]),
    ("wasi:filesystem", &["preopens", "types"]),
    ("wasi:io", &["error", "poll", "streams"]),
    ("wasi:random", &["insecure", "insecure-seed", "random"]),
    (
        "wasi:sockets",
        &[
            "instance-network",
            "ip-name-lookup",
            "network",
            "tcp",
            "tcp-create-socket",
            "udp",
            "udp-create-socket",
        ],
    ),
];

/// The interfaces of a WASI package; none for a package that is not provided.
pub(super) fn wasi_interfaces(package: &str) -> Option<&'static [&'static str]> {
    WASI_INTERFACES.iter().find(|(name, _)| *name == package).map(|(_, interfaces)| *interfaces)
}

/// What is known of a function of an interface of the package, in whatever version.
pub(super) fn function(interface: &str, name: &str) -> Option<&'static Known> {
    let interface = InterfaceName::parse(interface).filter(|it| it.package == WORLD_PACKAGE)?;
    FUNCTIONS.iter().find(|it| it.interface == interface.interface && it.name == name)
}

/// The functions that an interface of the package has in the version that it is asked for in, one that runs here.
pub(super) fn functions_of(interface: &InterfaceName<'_>) -> Vec<&'static Known> {
    let asked = interface.version.and_then(numbers);
    let is_there = |it: &&Known| it.interface == interface.interface && numbers(it.since) <= asked;
    FUNCTIONS.iter().filter(is_there).collect()
}

/// The name of an interface, taken apart: `package/interface@version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InterfaceName<'a> {
    pub(super) package: &'a str,
    pub(super) interface: &'a str,
    pub(super) version: Option<&'a str>,
}

impl<'a> InterfaceName<'a> {
    pub(super) fn parse(name: &'a str) -> Option<InterfaceName<'a>> {
        let (path, version) = match name.split_once('@') {
            Some((path, version)) => (path, Some(version)),
            None => (name, None),
        };
        let (package, interface) = path.split_once('/')?;
        Some(InterfaceName { package, interface, version })
    }

    /// How the version compares with this Wappa's; for the package of the world only.
    pub(super) fn fit(&self) -> Fit {
        let Some(version) = self.version else { return Fit::Unversioned };
        let version = numbers(version);
        if version.is_some() && WORLD_VERSIONS.iter().any(|it| numbers(it) == version) {
            return Fit::Served;
        }
        if numbers(WORLD_VERSION) < version { Fit::Newer } else { Fit::Other }
    }

    /// Whether it is of WASI 0.2, whose later versions only add.
    pub(super) fn is_wasi_02(&self) -> bool {
        self.version.and_then(numbers) == Some((0, 2))
    }
}

/// How a version compares with this Wappa's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    Served,
    Newer,
    /// Never released, or a pre-release.
    Other,
    Unversioned,
}

/// Major and minor version; none for a pre-release, which fits nothing but itself.
fn numbers(version: &str) -> Option<(u64, u64)> {
    let version = version.split('+').next()?;
    let mut parts = version.split('.');
    let mut number = || parts.next()?.parse::<u64>().ok();
    let (major, minor, _patch) = (number()?, number()?, number()?);
    parts.next().is_none().then_some((major, minor))
}
