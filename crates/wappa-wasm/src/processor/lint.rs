//! The lint of the `wasm` processor: parses and validates the module, and never compiles it.

use std::path::Path;

use wappa_spec::{Config, Level, Lint, Node, Reader, Rule, Size, parse_duration, printable, printable_path};

use super::{beside_config, config::WasmConfig, known::Modules, place_of};
use crate::{
    file::digest::hex,
    inspect::{Limits, Severity, Verdict},
};

/// The addresses of a guest have 32 bits.
const MEMORY_BYTES_MAX: u64 = 4 << 30;

/// Reports everything that would keep the module from running, at the field that names it.
pub(super) fn lint(_: &WasmConfig, node: &Node, reader: &mut Reader<'_>) {
    lint_broken(node, reader);
}

/// Does the same with what can be read where another field cannot, so that all mistakes are told at once.
pub(super) fn lint_broken(node: &Node, reader: &mut Reader<'_>) {
    let text = |name: &str| match node.get(name) {
        Some(value) => value.as_str(),
        None => WasmConfig::FIELDS.iter().find(|it| it.name == name).and_then(|it| it.default),
    };
    if text("timeout").and_then(parse_duration).is_some_and(|it| it.is_zero()) {
        reader.error(Rule::Custom, node.get("timeout").unwrap_or(node), "timeout must be longer than 0s");
    }
    let memory = text("memory_limit").and_then(Size::parse);
    if memory.is_some_and(|it| MEMORY_BYTES_MAX < it.bytes()) {
        let at = node.get("memory_limit").unwrap_or(node);
        let text = "memory_limit is more than 4GiB, and a memory of a guest is never larger";
        let hint = "set 4GiB or less; only a component of several modules with a memory each could use more";
        reader.push(Lint::warning(Rule::Custom, at.pos, text).on(at).hint(hint));
    }
    match node.get("mounts") {
        Some(at)
            if at.as_seq().is_some_and(|it| !it.is_empty())
                && reader.refuse_if_restricted("field mounts", at) => {}
        _ => lint_mounts(node, reader),
    }
    // A field that the module is checked against, and that is broken itself, tells nothing about the module.
    let module = match (text("module_path"), text("function"), memory) {
        (Some(path), Some(function), Some(memory)) => {
            let limits = Limits { memory_bytes: memory.bytes() };
            lint_module(path, function, &limits, node, reader)
        }
        _ => None,
    };
    let Some(at_digest) = node.get("sha256") else { return };
    match at_digest.as_str() {
        None | Some("") => (),
        Some(pinned) if !is_digest(pinned) => {
            reader.error(Rule::Custom, at_digest, "sha256 is 64 hexadecimal digits");
        }
        Some(pinned) => {
            if let Some(found) = module.filter(|it| !it.eq_ignore_ascii_case(pinned)) {
                let text = format!("sha256 is of another module: that of this one is {found}");
                reader.error(Rule::Custom, at_digest, text);
            }
        }
    }
}

/// Reports directories that are not there, and names for the guest that are none.
fn lint_mounts(node: &Node, reader: &mut Reader<'_>) {
    let mut names: Vec<&str> = Vec::new();
    for mount in node.get("mounts").and_then(Node::as_seq).into_iter().flatten() {
        if let Some(at) = mount.get("host")
            && let Some(host) = at.as_str()
        {
            let dir = place_of(host, reader.base_dir());
            let lint = |what: &str| {
                Lint::error(Rule::Custom, at.pos, format!("`{}` {what}", printable_path(&dir))).on(at)
            };
            if !dir.exists() {
                reader.push(lint("is not there").hint(hint_for_missing(
                    "is it made yet?",
                    host,
                    reader.base_dir(),
                )));
            } else if !dir.is_dir() {
                let hint = "a mount is a directory: mount the one that the file is in";
                reader.push(lint("is no directory").hint(hint));
            }
        }
        if let Some(at) = mount.get("guest")
            && let Some(guest) = at.as_str()
        {
            let name = if guest == "/" { guest } else { guest.trim_end_matches('/') };
            if guest.is_empty() {
                let lint = Lint::error(Rule::Custom, at.pos, "a mount needs a name for the guest").on(at);
                reader.push(lint.hint("such as `/data`"));
            } else if names.contains(&name) {
                reader.error(
                    Rule::Custom,
                    at,
                    format!("the guest has another mount at `{}`", printable(name)),
                );
            } else {
                names.push(name);
            }
        }
    }
}

/// Returns the SHA-256 of a module, for those who want to check more.
fn lint_module(
    path: &str,
    function: &str,
    limits: &Limits,
    node: &Node,
    reader: &mut Reader<'_>,
) -> Option<String> {
    let at_path = node.get("module_path").unwrap_or(node);
    let file = place_of(path, reader.base_dir());
    let unknown = Modules::default();
    let modules = reader.service::<Modules>().unwrap_or(&unknown);
    let mut module = match modules.open(&file) {
        Ok(module) => module,
        Err(cause) => {
            let text = format!("reading the module `{}`: {cause}", printable_path(&file));
            let lint = Lint::error(Rule::Custom, at_path.pos, text).on(at_path);
            let is_missing = !file.exists();
            reader.push(if is_missing {
                lint.hint(hint_for_missing("is it built yet?", path, reader.base_dir()))
            } else {
                lint
            });
            return None;
        }
    };
    let refused = |text: &str, hint: Option<String>| {
        let text = format!("`{}`: {text}", printable_path(&file));
        let lint = Lint::error(Rule::Custom, at_path.pos, text).on(at_path);
        match hint {
            Some(hint) => lint.hint(hint),
            None => lint,
        }
    };
    let digest = hex(module.digest());
    if let Some(other) = beside_config(path, reader.base_dir())
        && modules.open(&other).is_ok_and(|it| it.digest() != module.digest())
    {
        let text = format!(
            "`{}` in the working directory is used, as in Bento, and not `{}`, which is another module",
            printable_path(&file),
            printable_path(&other)
        );
        let lint = Lint::warning(Rule::Custom, at_path.pos, text).on(at_path);
        reader.push(lint.hint("name the one that is meant so that it is found in one place only"));
    }
    let verdict = modules.look_into(&mut module, function, limits);
    let findings = match verdict.as_deref() {
        Ok(Verdict::Module(findings)) => findings,
        // What is wrong with it may quote it, and any file can be named here.
        Ok(Verdict::NotAModule(_)) if reader.is_restricted() => {
            reader.push(refused("this is not a WebAssembly module", None));
            return None;
        }
        Ok(Verdict::NotAModule(refusal)) => {
            reader.push(refused(&refusal.text, refusal.hint.clone()));
            return None;
        }
        Err(reason) => {
            reader.push(refused(reason, None));
            return Some(digest);
        }
    };
    for problem in &findings.problems {
        let lint = refused(&problem.text, problem.hint.clone());
        reader.push(match problem.severity {
            Severity::Error => lint,
            Severity::Warning => Lint { level: Level::Warning, ..lint },
        });
    }
    Some(digest)
}

/// Where something that is not there was looked for, behind a question.
fn hint_for_missing(question: &str, path: &str, config_dir: Option<&Path>) -> String {
    let beside_config = config_dir.map(|it| it.join(path)).filter(|it| it.as_path() != Path::new(path));
    match beside_config {
        Some(beside_config) => format!(
            "{question} It is neither at `{path}` in the working directory nor beside the config, at `{}`",
            printable_path(&beside_config)
        ),
        None if Path::new(path).is_absolute() => question.to_owned(),
        None => format!("{question} It was looked for in the working directory and beside the config"),
    }
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|it| it.is_ascii_hexdigit())
}
