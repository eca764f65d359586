//! Whether a component is one of our world, in a version that runs here.

use super::component::{Component, Extern, Function, Item};
use super::problems::{NAMED_MAX, Problem, error};
use super::world::{EXPORTED, FUNCTIONS, Fit, InterfaceName, Known, functions_of, wasi_interfaces};
use super::{Inspection, origin::Toolchain};
use crate::{
    file::text::{did_you_mean, enumerated, quoted, safe},
    interface::{WORLD_PACKAGE, WORLD_VERSION, WORLD_VERSIONS, is_ungranted},
};

/// The function that the processor calls in a component.
const FUNCTION: &str = "process";

impl Inspection {
    pub(super) fn check_component(&self, component: &Component, function: &str, problems: &mut Vec<Problem>) {
        if function != FUNCTION {
            let text = format!(
                "the field `function` is {}, but a component is called by `{FUNCTION}`",
                quoted(function)
            );
            problems.push(error(text, Some("leave the field out".to_owned())));
        }
        self.check_exports(component, problems);
        check_imports(component, problems);
        check_versions(component, problems);
    }

    fn check_exports(&self, component: &Component, problems: &mut Vec<Problem>) {
        let candidates: Vec<_> = component.transforms().collect();
        if let Some((it, name)) = candidates.iter().find(|(_, name)| name.fit() == Fit::Served) {
            check_functions(it, name, problems);
        } else if candidates.is_empty() {
            problems.push(self.of_another_world(component));
        }
    }

    /// A component that exports nothing of ours.
    fn of_another_world(&self, component: &Component) -> Problem {
        let exports = |path: &str| {
            let mut exports = component.exports.iter();
            exports.find(|it| it.name.split('@').next() == Some(path)).map(|it| quoted(&it.name))
        };
        let what = format!("exports no `{WORLD_PACKAGE}/{EXPORTED}`");
        let implement =
            format!("implement the world `processor` of the WIT package `{WORLD_PACKAGE}@{WORLD_VERSION}`");
        if let Some(run) = exports("wasi:cli/run") {
            let text = format!("{what}: it is a WASI command, a program with a `main` ({run})");
            let library = match self.toolchain() {
                Toolchain::Rust => "build a library instead (`crate-type = [\"cdylib\"]`)",
                _ => "build a library instead of a program",
            };
            return error(text, Some(format!("{library}, and {implement}")));
        }
        for handler in ["wasi:http/incoming-handler", "wasi:http/handler"] {
            if let Some(handler) = exports(handler) {
                let text = format!("{what}: it is an HTTP server's handler ({handler})");
                return error(text, Some(format!("{implement}; messages come from an input, not over HTTP")));
            }
        }
        if let Some(it) = component.exports.iter().find(|it| is_bare(it)) {
            let text = format!("{what}, but {} by itself, {}", quoted(&it.name), it.item.noun());
            return error(
                text,
                Some(format!("the functions belong into the interface `{EXPORTED}`: {implement}")),
            );
        }
        if component.exports.is_empty() {
            return error(format!("{what}, and nothing else"), Some(implement));
        }
        let names = enumerated(component.exports.iter().map(|it| quoted(&it.name)), NAMED_MAX);
        error(format!("{what}; it exports {names}"), Some(implement))
    }
}

impl Component {
    /// What it exports as a processor, in whatever version.
    pub(super) fn transforms(&self) -> impl Iterator<Item = (&Extern, InterfaceName<'_>)> {
        let named = self.exports.iter().filter_map(|it| Some((it, InterfaceName::parse(&it.name)?)));
        named.filter(|(_, name)| name.package == WORLD_PACKAGE && name.interface == EXPORTED)
    }

    /// The version of our package that it was built against.
    pub(super) fn world_version(&self) -> Option<&str> {
        self.transforms().find_map(|(_, name)| name.version)
    }
}

/// An export of the name that an interface or a function of ours has, outside of its place.
fn is_bare(it: &Extern) -> bool {
    it.name == EXPORTED || FUNCTIONS.iter().any(|known| known.interface == EXPORTED && known.name == it.name)
}

/// Everything that a processor must export is there, as it is called.
fn check_functions(it: &Extern, name: &InterfaceName<'_>, problems: &mut Vec<Problem>) {
    let Item::Interface(functions) = &it.item else {
        let text = format!("exports {} as {}, not as an interface", quoted(&it.name), it.item.noun());
        return problems.push(error(text, None));
    };
    for known in functions_of(name) {
        match functions.iter().find(|it| it.raw_name == known.name) {
            None => {
                let text = format!("{} has no function `{}`", quoted(&it.name), known.name);
                problems.push(error(text, Some(format!("the host calls it as `{}`", known.text))));
            }
            Some(function) => check_shape("exports", it, function, known, problems),
        }
    }
}

fn check_shape(verb: &str, it: &Extern, function: &Function, known: &Known, problems: &mut Vec<Problem>) {
    let wanted = known.shape();
    let Some(found) = function.shape.as_deref().filter(|found| *found != wanted) else { return };
    // Asynchronous functions are refused as a proposal already.
    if found.starts_with("async ") {
        return;
    }
    // Where the words are the same, a type of the same name is another one.
    let (found, wanted) = match function.text == known.text {
        true => (found, wanted.as_str()),
        false => (function.text.as_str(), known.text),
    };
    let (name, interface, found) = (quoted(&function.name), quoted(&it.name), safe(found, 400));
    let text = format!("{verb} {name} of {interface} as `{found}`, but it is `{wanted}`");
    let hint = format!("generate the bindings from the WIT package `{WORLD_PACKAGE}@{WORLD_VERSION}`");
    problems.push(error(text, Some(hint)));
}

/// Everything that is imported is there.
fn check_imports(component: &Component, problems: &mut Vec<Problem>) {
    let mut unknown: Vec<(&str, Vec<&Extern>)> = Vec::new();
    let mut n_more = 0;
    for it in &component.imports {
        let Some(name) = InterfaceName::parse(&it.name) else {
            // A type is another name for what an interface brings.
            if it.item != Item::Type {
                n_more += add(&mut unknown, "", it);
            }
            continue;
        };
        // What toolchains import and nobody calls keeps no guest from starting.
        if is_ungranted(&it.name) && matches!(it.item, Item::Interface(_)) {
            continue;
        }
        if name.package == WORLD_PACKAGE {
            if name.fit() == Fit::Served {
                check_ours(it, &name, problems);
            }
        } else if let Some(interfaces) = wasi_interfaces(name.package).filter(|_| name.is_wasi_02()) {
            if !interfaces.contains(&name.interface) {
                let text = format!("imports {}, which is not provided", quoted(&it.name));
                let hint = match did_you_mean(name.interface, interfaces.iter().copied()) {
                    Some(meant) => format!("did you mean `{}/{meant}`?", name.package),
                    None => format!("of `{}` there are {}", name.package, interfaces.join(", ")),
                };
                problems.push(error(text, Some(hint)));
            }
        } else {
            n_more += add(&mut unknown, name.package, it);
        }
    }
    for (package, imports) in unknown {
        let names = enumerated(imports.iter().map(|it| quoted(&it.name)), NAMED_MAX);
        problems
            .push(error(format!("imports {names}, which nobody provides"), Some(hint_for_package(package))));
    }
    if 0 < n_more {
        problems.push(error(format!("imports {n_more} more of other packages, which nobody provides"), None));
    }
}

/// What nobody provides is told package by package, of so many.
const PACKAGES_MAX: usize = 20;

/// Puts an import to those of its package. How many have no place there: 0 or 1.
fn add<'a>(unknown: &mut Vec<(&'a str, Vec<&'a Extern>)>, package: &'a str, it: &'a Extern) -> usize {
    let is_full = PACKAGES_MAX <= unknown.len();
    match unknown.iter_mut().find(|(known, _)| *known == package) {
        Some((_, imports)) => imports.push(it),
        None if is_full => return 1,
        None => unknown.push((package, vec![it])),
    }
    0
}

/// An interface of our package that is imported.
fn check_ours(it: &Extern, name: &InterfaceName<'_>, problems: &mut Vec<Problem>) {
    let known = functions_of(name);
    let newer = format!("a newer Wappa may have it; this one has `{WORLD_PACKAGE}` {}", served());
    if known.is_empty() || name.interface == EXPORTED {
        let text = format!("imports {}, but there is no such interface to import", quoted(&it.name));
        let meant = did_you_mean(name.interface, ["types", "log", "metrics"].into_iter());
        let hint = meant.map_or(newer, |meant| format!("did you mean `{WORLD_PACKAGE}/{meant}`?"));
        return problems.push(error(text, Some(hint)));
    }
    let Item::Interface(functions) = &it.item else {
        let text = format!("imports {} as {}, but it is an interface", quoted(&it.name), it.item.noun());
        return problems.push(error(text, None));
    };
    for function in functions {
        match known.iter().find(|it| it.name == function.raw_name) {
            Some(known) => check_shape("imports", it, function, known, problems),
            None => {
                let function_name = function.raw_name.as_str();
                let (function, interface) = (quoted(&function.name), quoted(&it.name));
                let text = format!("imports {function} of {interface}, but there is no such function in it");
                let later =
                    FUNCTIONS.iter().any(|it| it.interface == name.interface && it.name == function_name);
                let hint = match later {
                    true => {
                        format!("build the guest against `{WORLD_PACKAGE}@{WORLD_VERSION}`, which has it")
                    }
                    false => newer.clone(),
                };
                problems.push(error(text, Some(hint)));
            }
        }
    }
}

/// One problem for each version of our package that does not run here.
fn check_versions(component: &Component, problems: &mut Vec<Problem>) {
    // What else a component exports, another version for another host say, is not looked at.
    let is_served = component.transforms().any(|(_, name)| name.fit() == Fit::Served);
    let exports = component.transforms().map(|(_, name)| name).filter(|_| !is_served);
    let imports = component.imports.iter().filter_map(|it| InterfaceName::parse(&it.name));
    let mut told = Vec::new();
    for name in exports.chain(imports.filter(|it| it.package == WORLD_PACKAGE)) {
        let fit = name.fit();
        if fit == Fit::Served || told.contains(&name.version) || told.len() == NAMED_MAX {
            continue;
        }
        told.push(name.version);
        let made_for = match name.version {
            Some(version) => format!("{WORLD_PACKAGE} {}", safe(version, 60)),
            None => format!("{WORLD_PACKAGE} without a version"),
        };
        let hint = match fit {
            Fit::Newer => {
                format!("use a newer Wappa, or build the guest against `{WORLD_PACKAGE}@{WORLD_VERSION}`")
            }
            _ => format!("build the guest against `{WORLD_PACKAGE}@{WORLD_VERSION}`"),
        };
        problems.push(error(format!("made for {made_for}, this Wappa has {}", served()), Some(hint)));
    }
}

/// The versions that run here, in words.
fn served() -> String {
    WORLD_VERSIONS.join(" and ")
}

/// Why a guest is not given a package, and what to use instead.
fn hint_for_package(package: &str) -> String {
    let hint = match package {
        "wasi:http" => {
            "a guest has no network: build without HTTP (componentize-js: `--disable http fetch-event`)"
        }
        "wasi:logging" => "use `wappa:processor/log`",
        "wasi:config" => "the field `config` of the processor comes to `configure`",
        _ if wasi_interfaces(package).is_some() => {
            "WASI 0.2 is provided: build for it, `wasm32-wasip2`, with a current toolchain"
        }
        _ if package.starts_with("wasi:") => {
            "of WASI 0.2 there are `wasi:cli`, `wasi:clocks`, `wasi:filesystem`, `wasi:io`, `wasi:random` and \
             `wasi:sockets`"
        }
        _ => {
            "a component may import from `wappa:processor` and WASI 0.2 only: compose it with what it needs \
              (`wasm-tools compose`, `wac`), or build without it"
        }
    };
    hint.to_owned()
}
