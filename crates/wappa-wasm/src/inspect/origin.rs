//! Which toolchain made a guest, and what to do differently with it.

use super::{
    Inspection, Problem,
    imports::{is_name_in_emscripten, is_v0},
    problems::error,
    types::{Import, Item},
};
use crate::{
    file::text::safe,
    inspect::Tier,
    interface::{NOTHING_TO_DO, V1_MODULE},
};

/// What a core module is instead of a guest, however it exports its functions. What else there is to say about it
/// would be wrong, or different once it is built as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Foreign {
    /// What a compiler writes for the linker.
    ObjectFile,
    /// What a dynamic loader would put somewhere into the memory of another module.
    PositionIndependent,
    /// For another host.
    Plugin(&'static str),
}

impl Foreign {
    /// With its article.
    pub(super) fn noun(self) -> String {
        match self {
            Foreign::ObjectFile => "an object file".to_owned(),
            Foreign::PositionIndependent => "position-independent code".to_owned(),
            Foreign::Plugin(host) => format!("a plugin for {host}"),
        }
    }
}

/// As far as the module says, or its marks tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Toolchain {
    Rust,
    Go,
    TinyGo,
    /// C and C++.
    C,
    Unknown,
}

impl Inspection {
    pub(super) fn toolchain(&self) -> Toolchain {
        let names = |field: &str| {
            let field = field.to_owned();
            self.producers.iter().filter(move |it| it.field == field).map(|it| it.name.as_str())
        };
        let is_tinygo = |it: &str| it.eq_ignore_ascii_case("tinygo");
        if names("processed-by").any(is_tinygo)
            || self.exports.iter().any(|it| it.name.starts_with("asyncify_"))
        {
            return Toolchain::TinyGo;
        }
        // What is written in Rust or Go may have C linked into it, not the other way round.
        for (language, toolchain) in [("Rust", Toolchain::Rust), ("Go", Toolchain::Go)] {
            if names("language").any(|it| it == language) {
                return toolchain;
            }
        }
        let is_c = |it: &str| {
            it == "C" || it.starts_with("C_plus_plus") || it.starts_with(['C']) && is_year(&it[1..])
        };
        if names("language").any(is_c) || names("processed-by").any(|it| it.contains("clang")) {
            return Toolchain::C;
        }
        Toolchain::Unknown
    }

    /// How to export a function that was not: in general, as the module's language does it, and with Wappa's library.
    pub(super) fn hint_for_export(&self, function: &str, general: &str) -> String {
        let name = safe(function, 100);
        let by_hand = match self.toolchain() {
            Toolchain::Rust => format!("`#[unsafe(no_mangle)] extern \"C\" fn {name}()`"),
            Toolchain::Go | Toolchain::TinyGo => format!("`//go:wasmexport {name}`"),
            Toolchain::C => format!("`__attribute__((export_name(\"{name}\")))`"),
            Toolchain::Unknown => return general.to_owned(),
        };
        format!("{general}, with {by_hand}{}", self.or_library(function))
    }

    /// How Wappa's library for the language exports the function, which has one name there.
    fn or_library(&self, function: &str) -> &'static str {
        match self.toolchain() {
            _ if function != "process" => "",
            Toolchain::Rust => "; with Wappa's library: `wappa_guest::export!(Type);`",
            Toolchain::Go | Toolchain::TinyGo => {
                "; with Wappa's library: import `wappa.dev/guest` and call `wappa.Handle` in `init`"
            }
            Toolchain::C => "; with Wappa's library: `WAPPA_PROCESSOR(function)`",
            Toolchain::Unknown => "",
        }
    }

    /// What it is, where it is no guest.
    pub(super) fn foreign(&self) -> Option<Foreign> {
        if self.tier() == Tier::Component {
            None
        } else if self.is_object_file() {
            Some(Foreign::ObjectFile)
        } else if self.is_position_independent() {
            Some(Foreign::PositionIndependent)
        } else {
            self.host_of_plugin().map(Foreign::Plugin)
        }
    }

    /// The host that a plugin is for. None for what is written for this one, whatever else it imports.
    fn host_of_plugin(&self) -> Option<&'static str> {
        let is_ours = |it: &Import| it.module == V1_MODULE || is_v0(it);
        let imports = |module: &str, name: &str| {
            self.imports.iter().any(|it| it.module.starts_with(module) && it.name.starts_with(name))
        };
        let is_of_proxy = imports("env", "proxy_")
            || self.exports.iter().any(|it| it.name.starts_with("proxy_abi_version_"));
        match () {
            () if self.imports.iter().any(is_ours) => None,
            () if is_of_proxy => Some("Envoy or another proxy (proxy-wasm)"),
            () if imports("extism:", "") => Some("Extism"),
            () if imports("redpanda_transform", "") => Some("Redpanda's data transforms"),
            () if imports("wapc", "") => Some("waPC"),
            () if imports("http_handler", "") => Some("http-wasm"),
            () if imports("env", "opa_") => Some("Open Policy Agent"),
            () => None,
        }
    }

    /// Whether Emscripten built it for its own JavaScript, which calls it and which it calls.
    pub(super) fn is_of_emscripten(&self) -> bool {
        let is_of_glue = |it: &Import| {
            let is_told =
                NOTHING_TO_DO.iter().any(|(module, name, _)| *module == it.module && *name == it.name);
            it.module == "env" && is_name_in_emscripten(&it.name) && !is_told
        };
        self.has_names_of_emscripten() || self.imports.iter().any(is_of_glue)
    }

    /// Whether Emscripten has shortened the names of its imports and exports, which the JavaScript beside it knows.
    pub(super) fn has_names_of_emscripten(&self) -> bool {
        !self.imports.is_empty()
            && self.imports.iter().all(|it| it.module == "a" && it.name.len() <= 2)
            && self.exports.iter().all(|it| it.name.len() <= 2)
    }

    /// Whether only a loader that knows its sections could place it.
    fn is_position_independent(&self) -> bool {
        let is_base =
            |it: &Import| it.module == "env" && it.name == "__memory_base" && it.item == Item::Global;
        self.imports.iter().any(is_base)
            || self.custom_sections.iter().any(|(name, _)| name.starts_with("dylink"))
    }

    /// Whether it is what a compiler writes for the linker. A linked module may have kept what is for the linker, but
    /// only a linked one has exports.
    fn is_object_file(&self) -> bool {
        let is_placeholder = self
            .imports
            .iter()
            .any(|it| it.module == "env" && it.name == "__linear_memory" && it.item == Item::Memory);
        let is_for_linker = self.custom_sections.iter().any(|(name, _)| name == "linking");
        is_placeholder || is_for_linker && self.exports.is_empty()
    }

    pub(super) fn of_foreign(&self, foreign: Foreign) -> Problem {
        let (why, hint) = match foreign {
            Foreign::ObjectFile => {
                let hint = match self.toolchain() {
                    Toolchain::C => "leave out `-c`, or link it with `wasm-ld`",
                    Toolchain::Rust => "build with `--crate-type cdylib`, without `--emit obj`",
                    _ => "link it with `wasm-ld`; with clang, leave out `-c`",
                };
                ("which is not linked yet", hint)
            }
            Foreign::PositionIndependent => (
                "which needs a dynamic loader and the memory of another module",
                "link it as a module of its own: without `-shared`, `-pie` and `-fPIC` (Emscripten: without \
                 `-sSIDE_MODULE` and `-sMAIN_MODULE`)",
            ),
            Foreign::Plugin(_) => (
                "not a guest",
                "what runs here handles one message a call, and reads it through the functions of `wappa` or \
                 `bento_wasm`: `wappa new` begins such a guest, into which the logic can be moved",
            ),
        };
        error(format!("is {}, {why}", foreign.noun()), Some(hint.to_owned()))
    }

    /// How to build a module that can be called instead of a program that can be run.
    pub(super) fn hint_for_command(&self, function: &str) -> String {
        format!("{}{}", self.hint_for_library(function), self.or_library(function))
    }

    fn hint_for_library(&self, function: &str) -> String {
        let function = safe(function, 100);
        match self.toolchain() {
            Toolchain::Rust => format!(
                "build a library instead: `crate-type = [\"cdylib\"]` in Cargo.toml, and in it `#[unsafe(no_mangle)] \
                 extern \"C\" fn {function}()`"
            ),
            Toolchain::Go => format!(
                "build with `GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared`, and put `//go:wasmexport \
                 {function}` above the function"
            ),
            Toolchain::TinyGo => format!(
                "build with `tinygo build -target=wasip1 -buildmode=c-shared`, and put `//go:wasmexport {function}` \
                 above the function"
            ),
            Toolchain::C => format!(
                "build with `-mexec-model=reactor`, and give the function \
                 `__attribute__((export_name(\"{function}\")))`"
            ),
            Toolchain::Unknown => format!(
                "build a library (a reactor) that exports `{function}`: in Rust `crate-type = [\"cdylib\"]`, in Go and \
                 TinyGo `-buildmode=c-shared`, in C and C++ `-mexec-model=reactor`, with Emscripten `--no-entry`"
            ),
        }
    }
}

/// As in C11.
fn is_year(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|it| it.is_ascii_digit())
}
