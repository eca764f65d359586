//! Why a module would not run here, or not as its author hopes: everything at once, each with a way out.

use super::host::{self, V0_MODULES, V1_MODULE};
use super::text::{bytes, did_you_mean, mebibytes_up, quoted, safe};
use super::types::{Import, Item, Signature, ValueType};
use super::{Inspection, Tier};
use crate::rewrite::MEMORY_EXPORT;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The module runs, but something in it cannot work as it was meant.
    Warning,
    /// A stream with this module does not start.
    Error,
}

/// One thing that is wrong with a module for the use that is to be made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub severity: Severity,
    /// What is wrong.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// The limits of the processor that the module is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The field `memory_limit`: memories and tables of one instance.
    pub memory_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { memory_bytes: 128 << 20 }
    }
}

/// What a table's element costs the host.
const ELEMENT_BYTES: u64 = 8;

/// How many imports of one unknown module are named; wasm-bindgen makes dozens.
const NAMED_MAX: usize = 5;

impl Inspection {
    /// Everything that is wrong with the module as a guest of the `wasm` processor whose field `function` has
    /// this value. Empty when it will run.
    pub fn problems(&self, function: &str, limits: &Limits) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.check_function(function, &mut problems);
        self.check_imports(&mut problems);
        self.check_memory(limits, &mut problems);
        self.check_allocators(&mut problems);
        self.check_hooks(&mut problems);
        for proposal in &self.refused {
            let text = format!("uses the WebAssembly proposal {}, which is not accepted", proposal.name);
            problems.push(error(text, Some(proposal.hint.to_owned())));
        }
        problems
    }

    fn check_function(&self, function: &str, problems: &mut Vec<Problem>) {
        let name = quoted(function);
        match self.export(function).map(|it| &it.item) {
            None => {
                problems.push(error(format!("{name} is not exported"), Some(self.hint_for_missing(function))))
            }
            Some(Item::Function(signature)) if !signature.params.is_empty() => {
                let text = format!("{name} is `{signature}`, but it is called without parameters");
                let hint = "the message is read through the functions of `bento_wasm`: export a function without parameters";
                problems.push(error(text, Some(hint.to_owned())));
            }
            Some(Item::Function(_)) => {}
            Some(other) => {
                let text = format!("{name} is {}, not a function", other.noun());
                problems.push(error(text, Some(self.hint_for_missing(function))));
            }
        }
    }

    fn hint_for_missing(&self, function: &str) -> String {
        let functions = || {
            let functions = self.exports.iter().filter(|it| it.item.as_function().is_some());
            functions.map(|it| it.name.as_str())
        };
        if let Some(meant) = did_you_mean(function, functions()) {
            return format!("did you mean {}?", quoted(meant));
        }
        let entry = |signature: &Signature| signature.params.is_empty();
        let candidates: Vec<String> = self
            .exports
            .iter()
            .filter(|it| it.item.as_function().is_some_and(entry) && !is_housekeeping(&it.name))
            .take(NAMED_MAX)
            .map(|it| quoted(&it.name))
            .collect();
        if !candidates.is_empty() {
            return format!("set the field `function`; the module exports {}", candidates.join(", "));
        }
        if self.export("_start").is_some() {
            return "the module is a program with a `main`: export a function beside it that handles one message"
                .to_owned();
        }
        if functions().next().is_none() {
            return "the module exports no function: mark one as exported when building it".to_owned();
        }
        "export a function without parameters that handles one message".to_owned()
    }

    fn check_imports(&self, problems: &mut Vec<Problem>) {
        let mut unknown: Vec<(&str, Vec<&Import>)> = Vec::new();
        for import in &self.imports {
            match host::functions_of(&import.module) {
                Some(functions) => problems.extend(check_known(import, &functions)),
                None => match unknown.iter_mut().find(|(module, _)| *module == import.module) {
                    Some((_, imports)) => imports.push(import),
                    None => unknown.push((&import.module, vec![import])),
                },
            }
        }
        for (module, imports) in unknown {
            problems.push(nobody_provides(module, &imports));
        }
    }

    fn check_memory(&self, limits: &Limits, problems: &mut Vec<Problem>) {
        let memories = self.memories.iter().filter(|it| !it.is_imported).map(|it| it.bytes_min());
        let memories = memories.fold(0, u64::saturating_add);
        let tables = self.tables.iter().filter(|it| !it.is_imported).map(|it| it.elements_min);
        let elements = tables.fold(0, u64::saturating_add);
        let needed = memories.saturating_add(elements.saturating_mul(ELEMENT_BYTES));
        if needed > limits.memory_bytes {
            let limit = limits.memory_bytes;
            let in_tables = needed - memories;
            let what = if memories > limit {
                format!("a memory of {}", apart_from(limit, memories))
            } else if in_tables > limit {
                format!("tables of {elements} elements ({})", apart_from(limit, in_tables))
            } else {
                format!("a memory and tables of {} together", apart_from(limit, needed))
            };
            let text = format!("declares {what}, which is over the field `memory_limit` ({})", bytes(limit));
            let hint = if needed <= 4 << 30 {
                format!("set `memory_limit` to {} or more, or build with less", mebibytes_up(needed))
            } else {
                "build with less".to_owned()
            };
            problems.push(error(text, Some(hint)));
        }
        let is_exported = self.memories.first().is_none_or(|it| !it.exported_as.is_empty());
        if !is_exported && self.export(MEMORY_EXPORT).is_some() {
            let text =
                format!("exports something that is not its memory as `{MEMORY_EXPORT}`, a reserved name");
            problems.push(error(text, Some("give the export another name".to_owned())));
        }
        if self.memories.is_empty() && self.imports.iter().any(is_v0) {
            let text = "has no memory: every function of `bento_wasm` that moves bytes fails".to_owned();
            problems.push(warning(text, None));
        }
    }

    /// The allocators matter only to a guest that receives bytes; an export that happens to have the name of one
    /// is nobody's business in any other.
    fn check_allocators(&self, problems: &mut Vec<Problem>) {
        let imports = |names: [&str; 2]| {
            self.imports.iter().find(|it| is_v0(it) && names.contains(&it.name.as_str())).map(|it| &it.name)
        };
        let one = || vec![ValueType::I32];
        if let Some(receiver) = imports(["v0_msg_as_bytes", "v0_msg_get_meta"]) {
            let [malloc, free, allocate, deallocate] =
                ["malloc", "free", "allocate", "deallocate"].map(|name| self.export(name).is_some());
            // Where there are two pairs, one of them is used; half a pair does not replace a whole one.
            let pair = if allocate && !(malloc && free && !deallocate) { "allocate" } else { "malloc" };
            match self.export(pair) {
                Some(export) => {
                    let wanted = Signature { params: one(), results: one() };
                    self.check_type(&export.name, &wanted, Severity::Error, problems);
                }
                None => {
                    let text = format!(
                        "exports neither `allocate` nor `malloc`: every call of {} fails",
                        quoted(receiver)
                    );
                    let hint = "export `malloc(size) -> pointer` and `free(pointer)`, or `allocate(size) -> pointer` \
                                and `deallocate(pointer, size)`";
                    problems.push(warning(text, Some(hint.to_owned())));
                }
            }
            if pair == "malloc" || !malloc {
                let wanted = Signature { params: one(), results: vec![] };
                self.check_type("free", &wanted, Severity::Error, problems);
            }
        }
        if self.imports.iter().any(is_v0) {
            let wanted = Signature { params: vec![ValueType::I32; 2], results: vec![] };
            self.check_type("deallocate", &wanted, Severity::Warning, problems);
        }
    }

    /// What a guest may export beside its function. Nobody has these names for anything else.
    fn check_hooks(&self, problems: &mut Vec<Problem>) {
        for (name, letters) in [("wappa_init", ":i"), ("wappa_close", ":")] {
            self.check_type(name, &Signature::from_letters(letters), Severity::Error, problems);
        }
    }

    /// Results that nobody looks at are allowed.
    fn check_type(&self, name: &str, wanted: &Signature, severity: Severity, problems: &mut Vec<Problem>) {
        let Some(export) = self.export(name) else { return };
        let is_right = export.item.as_function().is_some_and(|it| {
            it.params == wanted.params && (wanted.results.is_empty() || it.results == wanted.results)
        });
        if is_right {
            return;
        }
        let found = match &export.item {
            Item::Function(signature) => format!("`{signature}`"),
            other => other.noun().to_owned(),
        };
        let mut text = format!("exports `{name}` as {found}, but the host calls it as `{wanted}`");
        if severity == Severity::Warning {
            text.push_str(": it is never called");
        }
        problems.push(Problem {
            severity,
            text,
            hint: Some("export it with that type or not at all".to_owned()),
        });
    }
}

fn error(text: String, hint: Option<String>) -> Problem {
    Problem { severity: Severity::Error, text, hint }
}

fn warning(text: String, hint: Option<String>) -> Problem {
    Problem { severity: Severity::Warning, text, hint }
}

fn is_v0(import: &Import) -> bool {
    V0_MODULES.contains(&import.module.as_str())
}

/// Exports that a toolchain adds by itself and nobody means as a message's entry.
fn is_housekeeping(name: &str) -> bool {
    name.starts_with('_')
        || matches!(name, "malloc" | "free" | "allocate" | "deallocate" | "stackSave" | "stackAlloc")
}

/// The name of an import as everyone writes it.
fn full_name(import: &Import) -> String {
    format!("`{}.{}`", safe(&import.module, 60), safe(&import.name, 100))
}

fn check_known(import: &Import, functions: &[(&str, &str)]) -> Option<Problem> {
    let name = full_name(import);
    let Some((_, letters)) = functions.iter().find(|(it, _)| *it == import.name) else {
        let meant = did_you_mean(&import.name, functions.iter().map(|(name, _)| *name));
        let hint = match meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if is_v0(import) => {
                let all: Vec<String> = functions.iter().map(|(name, _)| format!("`{name}`")).collect();
                format!("guest interface v0 has {}", all.join(", "))
            }
            None if import.module == V1_MODULE => {
                format!("this is Wappa {}; a newer one may have it", env!("CARGO_PKG_VERSION"))
            }
            None => "only the functions of WASI preview 1 are provided under this name".to_owned(),
        };
        let text = format!("imports {name}, but there is no such function in `{}`", import.module);
        return Some(error(text, Some(hint)));
    };
    let wanted = Signature::from_letters(letters);
    match &import.item {
        Item::Function(signature) if *signature == wanted => None,
        Item::Function(signature) => Some(error(
            format!("imports {name} as `{signature}`, but it is `{wanted}`"),
            Some("declare the import with that type".to_owned()),
        )),
        other => Some(error(
            format!("imports {name} as {}, but it is a function", other.noun()),
            Some("declare the import as a function".to_owned()),
        )),
    }
}

/// One problem for all that is imported from a module that the host does not know.
fn nobody_provides(module: &str, imports: &[&Import]) -> Problem {
    let mut names: Vec<String> = imports.iter().take(NAMED_MAX).map(|it| full_name(it)).collect();
    if imports.len() > NAMED_MAX {
        names.push(format!("{} more", imports.len() - NAMED_MAX));
    }
    let names = match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    };
    let text = if imports.iter().any(|it| it.item == Item::Memory) {
        format!("imports {names}: a guest must bring its own memory")
    } else {
        format!("imports {names}, which nobody provides")
    };
    error(text, Some(hint_for_module(module, imports)))
}

/// Where such imports come from, and how to build without them.
fn hint_for_module(module: &str, imports: &[&Import]) -> String {
    let has = |name: &str| imports.iter().any(|it| it.name == name);
    let starts = |prefix: &str| imports.iter().any(|it| it.name.starts_with(prefix));
    let hint = match module {
        _ if imports.iter().any(|it| it.item == Item::Memory) => {
            "link without `--import-memory` (AssemblyScript: without `--importMemory`)"
        }
        "env" if has("abort") => {
            "the module was built by AssemblyScript: build with `--use abort=` and a failed assertion becomes a trap"
        }
        "env" if starts("v0_msg_") => {
            "name the import module: `bento_wasm`, not the compiler's default `env`"
        }
        "env" if starts("emscripten_") || starts("invoke_") || starts("__syscall") => {
            "the module was built by Emscripten for a browser: build with `-sSTANDALONE_WASM`, or with the WASI SDK"
        }
        "env" => "a function was declared and never linked: link it, or build for `wasm32-wasip1`",
        "gojs" | "go" => {
            "the module was built by Go for a browser: build with `GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared`"
        }
        "wasi_unstable" => "this is WASI as it was before preview 1: build with a current toolchain",
        "redpanda_transform" => {
            "this is a Redpanda data transform; only guests of the `wasm` processor run here"
        }
        "a" => {
            "the module was built by Emscripten with minified imports: build with `-sSTANDALONE_WASM`, or with the WASI SDK"
        }
        _ if module.contains("wbindgen")
            || module == "wbg"
            || module.ends_with("_bg.js")
            || starts("__wbindgen") =>
        {
            "the module was built with wasm-bindgen for Node or a browser: build without it, for `wasm32-wasip1`, and \
             turn off features like `js` of the crates it uses"
        }
        _ if module.starts_with("extism:") => {
            "this is an Extism plugin; only guests of the `wasm` processor run here"
        }
        _ if module.starts_with("wasi:") || module.starts_with("cm32p2") => {
            "this is the core of a WebAssembly component: build for WASI preview 1, `wasm32-wasip1`"
        }
        _ => {
            "a guest may import from `wappa`, `bento_wasm` (also called `benthos_wasm`) and `wasi_snapshot_preview1` only"
        }
    };
    hint.to_owned()
}

impl Tier {
    pub(super) fn describe(self) -> &'static str {
        match self {
            Tier::V0 => "guest interface v0",
            Tier::V1 => "guest interface v1",
        }
    }
}

/// A size over a limit: to the byte where the rounded text of both would be the same.
fn apart_from(limit: u64, size: u64) -> String {
    match bytes(size) {
        rounded if rounded == bytes(limit) => format!("{size} bytes"),
        rounded => rounded,
    }
}
