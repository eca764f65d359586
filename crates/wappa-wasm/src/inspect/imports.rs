//! What a core module imports and cannot have, and where such imports come from.

use super::Inspection;
use super::host::{self, V0_MODULES, V1_MODULE, WASI_MODULE};
use super::problems::{NAMED_MAX, Problem, error};
use super::text::{did_you_mean, enumerated, quoted, safe};
use super::types::{Import, Item, Signature};

impl Inspection {
    pub(super) fn check_imports(&self, problems: &mut Vec<Problem>) {
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
}

pub(super) fn is_v0(import: &Import) -> bool {
    V0_MODULES.contains(&import.module.as_str())
}

/// The name of an import as everyone writes it.
fn full_name(import: &Import) -> String {
    format!("`{}.{}`", safe(&import.module, 60), safe(&import.name, 100))
}

fn check_known(import: &Import, functions: &[(&str, &str)]) -> Option<Problem> {
    let name = full_name(import);
    let Some((_, letters)) = functions.iter().find(|(it, _)| *it == import.name) else {
        let text = format!("imports {name}, but there is no such function in `{}`", import.module);
        return Some(error(text, Some(hint_for_function(import, functions))));
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

/// What may be meant by a function that an import module does not have.
fn hint_for_function(import: &Import, functions: &[(&str, &str)]) -> String {
    let meant = did_you_mean(&import.name, functions.iter().map(|(name, _)| *name)).map(quoted);
    if import.module == V1_MODULE {
        let version = env!("CARGO_PKG_VERSION");
        return match (meant, import.name.split_once('_')) {
            (_, Some((major, _))) if major != "v1" && is_major(major) => {
                format!("this is Wappa {version}, which has guest interfaces v0 and v1 only")
            }
            (Some(meant), _) => {
                format!("did you mean {meant}? If not, a newer Wappa may have it; this is {version}")
            }
            (None, _) => format!("a newer Wappa may have it; this is {version}"),
        };
    }
    match meant {
        Some(meant) => format!("did you mean {meant}?"),
        None if is_v0(import) => {
            let all: Vec<String> = functions.iter().map(|(name, _)| quoted(name)).collect();
            format!("guest interface v0 has {}", all.join(", "))
        }
        None => "only the functions of WASI preview 1 are provided under this name".to_owned(),
    }
}

/// Whether a name begins as those of another major version do: `v2`.
fn is_major(text: &str) -> bool {
    let digits = text.strip_prefix('v').unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit())
}

/// One problem for all that is imported from a module that the host does not know.
fn nobody_provides(module: &str, imports: &[&Import]) -> Problem {
    let names = enumerated(imports.iter().map(|it| full_name(it)), NAMED_MAX);
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
        "env" if starts("v1_") => "name the import module: `wappa`, not the compiler's default `env`",
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
        _ if ["wasi:", "cm32p2"].iter().any(|it| module.starts_with(it)) => {
            "this is the core of a component, without the types of one: make it a component with `wasm-tools component \
             new`, or link what wit-bindgen generated for it (`…_component_type.o` in C)"
        }
        _ => return hint_for_unknown(module),
    };
    hint.to_owned()
}

fn hint_for_unknown(module: &str) -> String {
    let known = V0_MODULES.into_iter().chain([V1_MODULE, WASI_MODULE]);
    match did_you_mean(module, known) {
        Some(meant) => format!("did you mean the import module {}?", quoted(meant)),
        None => "a guest may import from `wappa`, `bento_wasm` (also called `benthos_wasm`) and \
                 `wasi_snapshot_preview1` only"
            .to_owned(),
    }
}
