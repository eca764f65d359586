//! Which toolchain made a guest, and what to do differently with it.

use super::{Inspection, text::safe};

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

    /// How to build a module that can be called instead of a program that can be run.
    pub(super) fn hint_for_command(&self, function: &str) -> String {
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
