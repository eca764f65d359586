//! What a core module imports and cannot have, and where such imports come from.

use super::Inspection;
use super::problems::{NAMED_MAX, Problem, error};
use super::types::{Import, Item};
use crate::file::text::{did_you_mean, enumerated, quoted, safe};
use crate::interface::{self, NOTHING_TO_DO, Signature, V0_MODULES, V1_MODULE, WASI_MODULE};

impl Inspection {
    pub(super) fn check_imports(&self, problems: &mut Vec<Problem>) {
        let mut unknown: Vec<(&str, Vec<&Import>)> = Vec::new();
        // A memory that threads share has to be imported: that there are none is told.
        let is_shared = self.memories.iter().any(|it| it.is_imported && it.is_shared);
        for import in self.imports.iter().filter(|it| !(is_shared && is_memory(it))) {
            let is_it = |known: &&(&str, &str, &str)| known.0 == import.module && known.1 == import.name;
            if let Some((.., letters)) = NOTHING_TO_DO.iter().find(is_it) {
                problems.extend(self.check_type(import, letters));
                continue;
            }
            match interface::functions_of(&import.module) {
                Some(functions) => problems.extend(self.check_known(import, &functions)),
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

    fn check_known(&self, import: &Import, functions: &[(&str, &str)]) -> Option<Problem> {
        let Some((_, letters)) = functions.iter().find(|(it, _)| *it == import.name) else {
            let name = full_name(import);
            let text = format!("imports {name}, but there is no such function in `{}`", import.module);
            return Some(error(text, Some(hint_for_function(import, functions))));
        };
        self.check_type(import, letters)
    }

    fn check_type(&self, import: &Import, letters: &str) -> Option<Problem> {
        let name = full_name(import);
        let wanted = Signature::from_letters(letters);
        match &import.item {
            Item::Function(signature) if *signature == wanted => None,
            Item::Function(signature) => Some(error(
                format!("imports {name} as `{signature}`, but it is `{wanted}`"),
                Some(
                    if self.is_of_emscripten() {
                        INTEGERS_OF_EMSCRIPTEN
                    } else {
                        "declare the import with that type"
                    }
                    .to_owned(),
                ),
            )),
            other => Some(error(
                format!("imports {name} as {}, but it is a function", other.noun()),
                Some("declare the import as a function".to_owned()),
            )),
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
    if import.module == WASI_MODULE && import.name.starts_with("sock_") {
        return "sockets are no part of WASI preview 1, some runtimes add them; a guest has no network: build without it, \
                and let inputs and outputs talk to servers"
            .to_owned();
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
    let text = if imports.iter().any(|it| is_memory(it)) {
        format!("imports {names}: a guest must bring its own memory")
    } else {
        format!("imports {names}, which nobody provides")
    };
    error(text, Some(hint_for_module(module, imports)))
}

fn is_memory(import: &Import) -> bool {
    import.item == Item::Memory
}

/// Where such imports come from, and how to build without them.
fn hint_for_module(module: &str, imports: &[&Import]) -> String {
    let starts = |prefix: &str| imports.iter().any(|it| it.name.starts_with(prefix));
    let is_of_assemblyscript = |it: &&Import| name_in_assemblyscript(it).is_some();
    let hint = match module {
        _ if imports.iter().any(|it| is_memory(it)) => {
            "link without `--import-memory` (AssemblyScript: without `--importMemory`)"
        }
        "env" if imports.iter().copied().any(|it| is_of_assemblyscript(&it)) => {
            return hint_for_assemblyscript(imports);
        }
        "env" if starts("v0_msg_") => {
            "name the import module: `bento_wasm`, not the compiler's default `env`"
        }
        "env" if starts("v1_") => "name the import module: `wappa`, not the compiler's default `env`",
        "env" if imports.iter().any(|it| is_name_in_emscripten(&it.name)) => {
            "the module was built by Emscripten for a browser: build with `-sSTANDALONE_WASM`, or with the WASI SDK"
        }
        "env" => "a function was declared and never linked: link it, or build for `wasm32-wasip1`",
        "wasi" if starts("thread") => {
            "build without threads (no `-pthread`, not for `wasm32-wasip1-threads`); a stream runs one instance a thread"
        }
        "wasix_32v1" | "wasix_64v1" => {
            "the module was built for WASIX, which one other runtime has: build for `wasm32-wasip1`"
        }
        "gojs" | "go" => {
            "the module was built by Go for a browser: build with `GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared`"
        }
        "wasi_unstable" => "this is WASI as it was before preview 1: build with a current toolchain",
        "a" => {
            "the module was built by Emscripten with minified names: build with `-sSTANDALONE_WASM`, or with the WASI SDK"
        }
        _ if module.contains("wbindgen")
            || module == "wbg"
            || module.ends_with("_bg.js")
            || starts("__wbindgen") =>
        {
            "the module was built with wasm-bindgen for Node or a browser: build without it, for `wasm32-wasip1`, and \
             turn off features like `js` of the crates it uses"
        }
        _ if ["wasi:", "cm32p2"].iter().any(|it| module.starts_with(it)) => {
            "this is the core of a component, without the types of one: make it a component with `wasm-tools component \
             new`, or link what wit-bindgen generated for it (`…_component_type.o` in C)"
        }
        _ => return hint_for_unknown(module),
    };
    hint.to_owned()
}

/// How a type differs that nobody declared so.
const INTEGERS_OF_EMSCRIPTEN: &str = "the module was built by Emscripten for a browser, to which an integer of 64 bits \
     is two of 32: build with `-sSTANDALONE_WASM`, or with the WASI SDK";

/// Whether only the JavaScript of Emscripten has a function of this name.
pub(super) fn is_name_in_emscripten(name: &str) -> bool {
    let is_of_script = name.starts_with('_') && name.ends_with("_js");
    let bare = name.trim_start_matches('_');
    is_of_script
        || ["emscripten_", "invoke_", "syscall_"].iter().any(|it| bare.starts_with(it))
        || ["getTempRet0", "setTempRet0"].contains(&name)
}

/// The name that an author in AssemblyScript knows for what its compiler imports from a host in JavaScript.
fn name_in_assemblyscript(import: &Import) -> Option<String> {
    let objects = ["console", "crypto", "Date", "Math", "performance", "process"];
    let n_params = import.item.as_function()?.params.len();
    match import.name.as_str() {
        // Others have functions of these names, of other types.
        "abort" if n_params == 4 => Some("abort".to_owned()),
        "trace" if n_params == 7 => Some("trace".to_owned()),
        "seed" if n_params == 0 => Some("Math.random".to_owned()),
        name if name.split_once('.').is_some_and(|(object, _)| objects.contains(&object)) => {
            Some(name.to_owned())
        }
        _ => None,
    }
}

fn hint_for_assemblyscript(imports: &[&Import]) -> String {
    let names = imports.iter().filter_map(|it| name_in_assemblyscript(it));
    let names: Vec<String> = names.filter(|it| it != "abort").map(|it| quoted(&it)).collect();
    if names.is_empty() {
        return "the module was built by AssemblyScript: build with `--use abort=` and a failed assertion becomes a trap"
            .to_owned();
    }
    let need = if names.len() == 1 { "needs" } else { "need" };
    let names = enumerated(names.into_iter(), NAMED_MAX);
    format!(
        "the module was built by AssemblyScript, where {names} {need} a shim outside of a browser: `npm install \
         @assemblyscript/wasi-shim`, and build with `--config node_modules/@assemblyscript/wasi-shim/asconfig.json`"
    )
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
