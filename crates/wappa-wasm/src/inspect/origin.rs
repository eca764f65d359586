//! Which toolchain made a guest, and what to do differently with it.

use super::{Inspection, Problem, problems::error, text::safe, types::Item};

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

    /// Whether it is what a compiler writes for the linker. A linked module may have kept what is for the linker, but
    /// only a linked one has exports.
    pub(super) fn is_object_file(&self) -> bool {
        let is_placeholder = self
            .imports
            .iter()
            .any(|it| it.module == "env" && it.name == "__linear_memory" && it.item == Item::Memory);
        let is_for_linker = self.custom_sections.iter().any(|(name, _)| name == "linking");
        is_placeholder || is_for_linker && self.exports.is_empty()
    }

    pub(super) fn of_object_file(&self) -> Problem {
        let hint = match self.toolchain() {
            Toolchain::C => "leave out `-c`, or link it with `wasm-ld`",
            Toolchain::Rust => "build with `--crate-type cdylib`, without `--emit obj`",
            _ => "link it with `wasm-ld`; with clang, leave out `-c`",
        };
        error("is an object file, which is not linked yet".to_owned(), Some(hint.to_owned()))
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
                 TinyGo `-buildmode=c-shared`, in C and C++ `-mexec-model=reactor`"
            ),
        }
    }
}

/// As in C11.
fn is_year(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|it| it.is_ascii_digit())
}
