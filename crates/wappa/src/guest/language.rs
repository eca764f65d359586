//! The languages that projects are made in, one row each: what `new` writes, how it is built and tested, what is worth
//! knowing. A further language is a variant, a row, a folder of templates and an SDK.

use clap::ValueEnum;

use super::toolchain;

/// What the build script has put into the program.
mod embedded {
    include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
}

/// Files with their places in a project.
pub(super) type Tree = &'static [(&'static str, &'static [u8])];

/// What every project has.
pub(super) const COMMON: Tree = embedded::COMMON;

/// A language for which there is an SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    Rust,
    Go,
    C,
    #[value(name = "js", alias = "javascript")]
    JavaScript,
    #[value(name = "ts", alias = "typescript")]
    TypeScript,
    #[value(alias = "py")]
    Python,
    Zig,
    #[value(name = "assemblyscript", alias = "as")]
    AssemblyScript,
    #[value(alias = "kt")]
    Kotlin,
}

/// What can be made in a language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kinds {
    Modules,
    Components,
    Both,
}

/// What is known of a language. `{name}` stands for the name of the project, `{module}` for the place of the module.
#[derive(Debug)]
pub(super) struct Facts {
    /// As people write it.
    pub(super) name: &'static str,
    pub(super) kinds: Kinds,
    /// Names of projects that mean something else in it.
    pub(super) taken: &'static [&'static str],
    pub(super) files: &'static [Tree],
    /// What a component has beside them.
    pub(super) component_files: &'static [Tree],
    /// The file by which a project is known.
    pub(super) manifest: &'static str,
    /// Where code and tests are, for the README.
    pub(super) places: &'static str,
    /// What has to be done once, before anything else, and what is in the project then.
    pub(super) prepare: Option<(&'static str, &'static str)>,
    pub(super) test: &'static str,
    pub(super) build: &'static str,
    /// Where the module is after the build, of a project of this name; names have `_` for `-` where the language wants it.
    pub(super) module: &'static str,
    /// What else is worth knowing.
    pub(super) more: &'static str,
    /// Where all that a guest can call is described.
    pub(super) sdk: &'static str,
    /// What is missing on this machine.
    pub(super) missing: fn() -> Option<String>,
}

impl Language {
    pub(super) fn facts(self) -> &'static Facts {
        match self {
            Language::Rust => &RUST,
            Language::Go => &GO,
            Language::C => &C,
            Language::JavaScript => &JAVASCRIPT,
            Language::TypeScript => &TYPESCRIPT,
            Language::Python => &PYTHON,
            Language::Zig => &ZIG,
            Language::AssemblyScript => &ASSEMBLYSCRIPT,
            Language::Kotlin => &KOTLIN,
        }
    }

    /// As people write it.
    pub(super) fn name(self) -> &'static str {
        self.facts().name
    }

    /// The names of those that components can be made in.
    pub(super) fn of_components() -> Vec<&'static str> {
        let all = Language::value_variants().iter().map(|it| it.facts());
        all.filter(|it| it.kinds != Kinds::Modules).map(|it| it.name).collect()
    }
}

const RUST: Facts = Facts {
    name: "Rust",
    kinds: Kinds::Both,
    taken: &[
        "abstract",
        "alloc",
        "as",
        "async",
        "await",
        "become",
        "box",
        "break",
        "const",
        "continue",
        "core",
        "crate",
        "do",
        "dyn",
        "else",
        "enum",
        "extern",
        "false",
        "final",
        "fn",
        "for",
        "gen",
        "if",
        "impl",
        "in",
        "let",
        "loop",
        "macro",
        "match",
        "mod",
        "move",
        "mut",
        "override",
        "priv",
        "proc-macro",
        "proc_macro",
        "pub",
        "ref",
        "return",
        "self",
        "static",
        "std",
        "struct",
        "super",
        "test",
        "trait",
        "true",
        "try",
        "type",
        "typeof",
        "unsafe",
        "unsized",
        "use",
        "virtual",
        "wappa-guest",
        "wappa_guest",
        "where",
        "while",
        "yield",
    ],
    files: &[embedded::RUST],
    component_files: &[],
    manifest: "Cargo.toml",
    places: "The code and its test are in `src/lib.rs`.",
    prepare: None,
    test: "cargo test",
    build: "cargo build --release --target wasm32-unknown-unknown",
    module: "target/wasm32-unknown-unknown/release/{name_}.wasm",
    more: "A module that is built without `--release` has the lines of its source in it: `wappa call` shows where it \
           trapped.\n",
    sdk: "`cargo doc --open -p wappa-guest` shows its documentation, which describes all that you can call; \
          `sdk/README.md` is a summary.",
    missing: toolchain::missing_rust,
};

const GO: Facts = Facts {
    name: "Go",
    kinds: Kinds::Modules,
    taken: &["all", "cmd", "go", "internal", "main", "std", "tool", "toolchain", "vendor", "work"],
    files: &[embedded::GO],
    component_files: &[],
    manifest: "go.mod",
    places: "The code is in `main.go`, its test in `main_test.go`.",
    prepare: None,
    test: "go test ./...",
    build: "GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -trimpath -ldflags=\"-s -w\" -o {module} .",
    module: "{name}.wasm",
    more: "A panic of the guest names its lines on standard error, which `wappa call` shows.\n",
    sdk: "`sdk/README.md` says which packages it has, and `go doc -all wappa.dev/guest` all that you can call; \
          `wappa.dev/guest/wappatest` is for tests.",
    missing: toolchain::missing_go,
};

const C: Facts = Facts {
    name: "C",
    kinds: Kinds::Both,
    taken: &["test"],
    files: &[embedded::C],
    component_files: &[embedded::C_COMPONENT],
    manifest: "Makefile",
    places: "The code is in `src/guest.c`, its test in `tests/guest_test.c`.",
    prepare: None,
    test: "make test",
    build: "make",
    module: "build/{name}.wasm",
    more: "A module that is built with `make DEBUG=1` has the lines of its source in it: `wappa call` shows where it \
           trapped.\nA plain `make` builds it without them again.\n",
    sdk: "All that you can call is described in `sdk/include/wappa.h`, and for tests in `sdk/mock/wappa_mock.h`; \
          `sdk/README.md` is a summary.",
    missing: toolchain::missing_c,
};

const JAVASCRIPT: Facts = Facts {
    name: "JavaScript",
    kinds: Kinds::Components,
    taken: &["node_modules"],
    files: &[embedded::JAVASCRIPT],
    component_files: &[],
    manifest: "package.json",
    places: "The code is in `src/guest.js`, its test in `test/guest.test.js`.",
    prepare: Some(("npm install", "node_modules")),
    test: "npm test",
    build: "npm run build",
    module: "build/{name}.wasm",
    more: "An exception fails its message with its text and the line of its source, which `wappa call` shows.\n\
           QuickJS is the engine in the component; the README of the SDK says how to build with another one.\n",
    sdk: "All that you can call is described in `sdk/types/index.d.ts`, and for tests in `sdk/types/testing.d.ts`; \
          `sdk/README.md` is a summary.",
    missing: toolchain::missing_node,
};

const TYPESCRIPT: Facts = Facts {
    name: "TypeScript",
    files: &[embedded::TYPESCRIPT],
    places: "The code is in `src/guest.ts`, its test in `test/guest.test.ts`.",
    ..JAVASCRIPT
};

const PYTHON: Facts = Facts {
    name: "Python",
    kinds: Kinds::Components,
    taken: &["test"],
    files: &[embedded::PYTHON],
    component_files: &[],
    manifest: "pyproject.toml",
    places: "The code is in `guest.py`, its test in `tests/test_guest.py`.",
    prepare: None,
    test: "python3 -m unittest",
    build: "python3 sdk/src/wappa_guest build guest.py -o guest.wasm",
    module: "guest.wasm",
    more: "An exception fails its message with its text and the line of its source, which `wappa call` shows.\n\
           Packages without native code that are installed beside `componentize-py`, in the same virtual environment say, \
           are bundled with the guest.\n",
    sdk: "All that you can call is described in `sdk/src/wappa_guest`, and for tests in its `testing.py`; `sdk/README.md` \
          is a summary.",
    missing: toolchain::missing_python,
};

const ZIG: Facts = Facts {
    name: "Zig",
    kinds: Kinds::Modules,
    taken: &[],
    files: &[embedded::ZIG],
    component_files: &[],
    manifest: "build.zig",
    places: "The code and its tests are in `src/guest.zig`.",
    prepare: None,
    test: "zig build test",
    build: "zig build",
    module: "zig-out/bin/{name}.wasm",
    more: "An error that `process` returns fails its message with the error's name, and a panic with its text; the module has \
           the lines of its source in it: `wappa call` shows where it panicked.\n\
           `zig build -Doptimize=small` builds a smaller one, without checks and lines.\n",
    sdk: "All that you can call is described in `sdk/src/wappa.zig` and `sdk/src/message.zig`, and for tests in \
          `sdk/src/testing.zig`; `sdk/README.md` is a summary.",
    missing: toolchain::missing_zig,
};

const ASSEMBLYSCRIPT: Facts = Facts {
    name: "AssemblyScript",
    kinds: Kinds::Modules,
    files: &[embedded::ASSEMBLYSCRIPT],
    manifest: "asconfig.json",
    places: "The code is in `assembly/index.ts`, its test in `test/guest.test.js`.",
    more: "An exception fails its message with its text and the line of its source, which `wappa call` shows.\n",
    sdk: "All that you can call is described in `sdk/assembly/message.ts`, `sdk/assembly/bytes.ts` and \
          `sdk/assembly/surroundings.ts`, and for tests in `sdk/types/testing.d.ts`; `sdk/README.md` is a summary.",
    ..JAVASCRIPT
};

const KOTLIN: Facts = Facts {
    name: "Kotlin",
    kinds: Kinds::Modules,
    taken: &["wappa-guest"],
    files: &[embedded::KOTLIN],
    component_files: &[],
    manifest: "pom.xml",
    places: "The code is in `src/main/kotlin/Guest.kt`, its test in `src/test/kotlin/GuestTest.kt`.",
    prepare: None,
    test: "mvn test",
    build: "mvn exec:exec@wasm",
    module: "target/{name}.wasm",
    more: "An exception fails its message with its name, its text and the line of its source, which `wappa call` shows.\n\
           Maven fetches Kotlin's compiler when it is asked for the first time; from then on `mvn -o` builds without a network.\n",
    sdk: "All that you can call is described in `sdk/src/main/kotlin/dev/wappa/guest`, and for tests in \
          `sdk/src/jvm/kotlin/dev/wappa/guest/testing/MockHost.kt`; `sdk/README.md` is a summary.",
    missing: toolchain::missing_kotlin,
};
