//! The lint of the `wasm` processor: parses and validates the module, and never compiles it.

use std::sync::{Arc, OnceLock};

use wappa_spec::{Lint, Node, Reader, Rule};

use super::{config::WasmConfig, module_file, read_module};
use crate::{
    CodeCache,
    inspect::{Inspection, Limits, Severity},
};

/// Reports everything that would keep the module from running, at the field that names it.
pub(super) fn lint(config: &WasmConfig, node: &Node, reader: &mut Reader<'_>) {
    let at_path = node.get("module_path").unwrap_or(node);
    if config.timeout.is_zero() {
        reader.error(Rule::Custom, node.get("timeout").unwrap_or(node), "timeout must be longer than 0s");
    }
    if !config.sha256.is_empty() && !is_digest(&config.sha256) {
        let at = node.get("sha256").unwrap_or(node);
        reader.error(Rule::Custom, at, "sha256 is 64 hexadecimal digits");
    }
    let file = module_file(&config.module_path, reader.base_dir());
    let bytes = match read_module(&file) {
        Ok(bytes) => bytes,
        Err(cause) => {
            let text = format!("reading the module `{}`: {cause}", file.display());
            return reader.error(Rule::Custom, at_path, text);
        }
    };
    let inspection = match Inspection::of_known(&bytes, is_known_to_be_valid) {
        Ok(inspection) => inspection,
        Err(err) => return reader.error(Rule::Custom, at_path, format!("`{}`: {err}", file.display())),
    };
    let limits = Limits { memory_bytes: config.memory_limit.bytes() };
    for problem in inspection.problems(&config.function, &limits) {
        let text = format!("`{}`: {}", file.display(), problem.text);
        let lint = match problem.severity {
            Severity::Error => Lint::error(Rule::Custom, at_path.pos, text),
            Severity::Warning => Lint::warning(Rule::Custom, at_path.pos, text),
        };
        let lint = lint.on(at_path);
        reader.push(match problem.hint {
            Some(hint) => lint.hint(hint),
            None => lint,
        });
    }
}

/// A lint has no services, so this is the process's. Unset, every lint validates everything.
static KEPT: OnceLock<Arc<CodeCache>> = OnceLock::new();

/// From now on lints of this process take what this cache holds for valid, since only code of valid modules is kept.
/// For a start that must be fast; whoever asks for lints wants all of them. Only the first cache counts.
pub fn trust(cache: Arc<CodeCache>) {
    let _ = KEPT.set(cache);
}

fn is_known_to_be_valid(sha256: &[u8; 32]) -> bool {
    KEPT.get().is_some_and(|it| it.holds(sha256))
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|it| it.is_ascii_hexdigit())
}
