//! Why a guest would not run here, or not as its author hopes: everything at once, each with a way out.

use super::imports::is_v0;
use super::types::{Export, Item};
use super::{Inspection, Tier};
use crate::file::rewrite::MEMORY_EXPORT;
use crate::file::text::{bytes, did_you_mean, enumerated, mebibytes_up, quoted};
use crate::interface::{HOOKS, Signature, ValueType, WORLD_PACKAGE};

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

impl Problem {
    /// The same for whoever gives flags instead of the processor's fields.
    pub fn in_flags(self) -> Problem {
        const WORDS: [(&str, &str); 5] = [
            ("the field `function`", "`--function`"),
            ("the field `memory_limit`", "`--memory-limit`"),
            ("set `memory_limit` to", "set `--memory-limit` to"),
            ("leave the field out", "leave the flag out"),
            ("Set `--function` to it", "Give it with `--function`"),
        ];
        let said = |text: String| WORDS.iter().fold(text, |text, (field, flag)| text.replace(field, flag));
        Problem { severity: self.severity, text: said(self.text), hint: self.hint.map(said) }
    }
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

/// So many elements one table may have. One instruction copies a whole table, and nothing stops it on its way: the engine
/// looks at each element, which takes tens of milliseconds for so many. The largest programs have a tenth of that.
pub(crate) const TABLE_ELEMENTS_MAX: u64 = 1_000_000;

/// How many problems are told. They reach logs, and a module can have as many as it has imports.
const PROBLEMS_MAX: usize = 50;

/// How many imports of one unknown module are named; wasm-bindgen makes dozens.
pub(super) const NAMED_MAX: usize = 5;

impl Inspection {
    /// Everything that is wrong with the guest for a `wasm` processor whose field `function` has this value. Empty
    /// when it will run.
    pub fn problems(&self, function: &str, limits: &Limits) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(component) = &self.component {
            self.check_component(component, function, &mut problems);
        } else if let Some(reason) = &self.not_wrapped {
            // What else there is to say about the module follows from this.
            let text = format!("carries the types of a component, but cannot be made one: {reason}");
            let hint =
                "build it against the WIT package `wappa:processor` as it is, with a current wit-bindgen";
            problems.push(error(text, Some(hint.to_owned())));
        } else if self.is_core_of_component() {
            let text =
                format!("is the core of a component of `{WORLD_PACKAGE}`, but carries no types of one");
            let hint = "make it a component with `wasm-tools component new`, or link what wit-bindgen generated for it \
                        (in C: `…_component_type.o`)";
            problems.push(error(text, Some(hint.to_owned())));
        } else if let Some(foreign) = self.foreign() {
            return vec![self.of_foreign(foreign)];
        } else {
            // Where the names are shortened, none says which function it was.
            if !self.has_names_of_emscripten() {
                self.check_function(function, &mut problems);
            }
            self.check_imports(&mut problems);
        }
        self.check_memory(limits, &mut problems);
        if self.tier() != Tier::Component {
            self.check_memory_export(&mut problems);
            self.check_allocators(&mut problems);
            self.check_hooks(&mut problems);
        }
        self.check_features(&mut problems);
        if PROBLEMS_MAX < problems.len() {
            let more = problems.split_off(PROBLEMS_MAX);
            let severity = more.iter().map(|it| it.severity).max().unwrap_or(Severity::Warning);
            problems.push(Problem {
                severity,
                text: format!("has {} problems more", more.len()),
                hint: None,
            });
        }
        problems
    }

    /// Proposals with one way out are told together.
    fn check_features(&self, problems: &mut Vec<Problem>) {
        let mut told: Vec<(&str, Vec<&str>)> = Vec::new();
        for proposal in &self.refused {
            let hint = if self.is_of_optimizer(proposal) { OPTIMIZER_HINT } else { proposal.hint };
            match told.iter_mut().find(|it| it.0 == hint) {
                Some((_, names)) => names.push(proposal.name),
                None => told.push((hint, vec![proposal.name])),
            }
        }
        for (hint, names) in told {
            let (noun, verb) = if names.len() == 1 { ("proposal", "is") } else { ("proposals", "are") };
            let names = enumerated(names.iter().map(|it| (*it).to_owned()), NAMED_MAX);
            let text = format!("uses the WebAssembly {noun} {names}, which {verb} not accepted");
            problems.push(error(text, Some(hint.to_owned())));
        }
    }

    fn check_function(&self, function: &str, problems: &mut Vec<Problem>) {
        let name = quoted(function);
        match self.export(function).map(|it| &it.item) {
            None => {
                let (mut text, hint) = (format!("{name} is not exported"), self.hint_for_missing(function));
                if self.is_command(function) {
                    text.push_str(": the module was built as a WASI command, a program with a `main`");
                }
                problems.push(error(text, Some(hint)));
            }
            Some(Item::Function(signature)) if !signature.params.is_empty() => {
                let text = format!("{name} is `{signature}`, but it is called without parameters");
                let hint = "a message is read through the functions of `wappa` or `bento_wasm`: export a function \
                            without parameters";
                problems.push(error(text, Some(hint.to_owned())));
            }
            Some(Item::Function(_)) => {}
            Some(other) => {
                let text = format!("{name} is {}, not a function", other.noun());
                problems.push(error(text, Some(self.hint_for_missing(function))));
            }
        }
    }

    /// Whether the names are those that tools give to the inside of a component.
    fn is_core_of_component(&self) -> bool {
        let mut names =
            self.imports.iter().map(|it| &it.module).chain(self.exports.iter().map(|it| &it.name));
        let prefix = format!("{WORLD_PACKAGE}/");
        names.any(|it| it.starts_with(&prefix))
    }

    /// Whether the module is a program, and nothing in it could be called instead of the missing function.
    fn is_command(&self, function: &str) -> bool {
        let meant = did_you_mean(function, self.functions_exported());
        self.exported_function("_start").is_some() && meant.is_none() && self.entries().next().is_none()
    }

    /// Whether nothing here is a message's entry and nothing is imported of an interface.
    pub(super) fn has_no_interface(&self) -> bool {
        self.tier() == Tier::V0 && !self.imports.iter().any(is_v0) && self.entries().next().is_none()
    }

    fn functions_exported(&self) -> impl Iterator<Item = &str> {
        self.exports.iter().filter(|it| it.item.as_function().is_some()).map(|it| it.name.as_str())
    }

    /// Exports that could be meant as a message's entry.
    fn entries(&self) -> impl Iterator<Item = &str> {
        let is_entry = |it: &&Export| it.item.as_function().is_some_and(|it| it.params.is_empty());
        let entries = self.exports.iter().filter(is_entry).map(|it| it.name.as_str());
        entries.filter(|name| !is_housekeeping(name))
    }

    fn hint_for_missing(&self, function: &str) -> String {
        if let Some(meant) = did_you_mean(function, self.functions_exported()) {
            let meant = quoted(meant);
            return format!("did you mean {meant}? Set the field `function` to it, or rename the export");
        }
        let entries: Vec<String> = self.entries().take(NAMED_MAX).map(quoted).collect();
        if !entries.is_empty() {
            return format!("set the field `function`; the module exports {}", entries.join(", "));
        }
        if self.exported_function("_start").is_some() {
            return self.hint_for_command(function);
        }
        if self.functions_exported().next().is_none() {
            return format!(
                "the module exports no function: {}",
                self.hint_for_export(function, "mark one as exported when building it")
            );
        }
        self.hint_for_export(function, "export a function without parameters that handles one message")
    }

    fn check_memory(&self, limits: &Limits, problems: &mut Vec<Problem>) {
        let owned: Vec<u64> =
            self.memories.iter().filter(|it| !it.is_imported).map(|it| it.bytes_min()).collect();
        let memories = owned.iter().copied().fold(0, u64::saturating_add);
        let tables = self.tables.iter().filter(|it| !it.is_imported).map(|it| it.elements_min);
        let elements = tables.fold(0, u64::saturating_add);
        let needed = memories.saturating_add(elements.saturating_mul(ELEMENT_BYTES));
        if needed > limits.memory_bytes {
            let limit = limits.memory_bytes;
            let in_tables = needed - memories;
            let what = if memories > limit {
                let noun = if owned.len() == 1 { "a memory" } else { "memories" };
                format!("{noun} of {}", apart_from(limit, memories))
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
        let largest = self.tables.iter().map(|it| it.elements_min).max().unwrap_or(0);
        if TABLE_ELEMENTS_MAX < largest {
            let text =
                format!("declares a table of {largest} elements, and {TABLE_ELEMENTS_MAX} is the limit");
            problems.push(error(text, Some("build with less".to_owned())));
        }
        self.check_footprint(needed, limits.memory_bytes, problems);
    }

    /// What the host keeps for an instance, beside memories and tables that are so large. Where these alone are too
    /// large, that was told.
    fn check_footprint(&self, owned: u64, limit: u64, problems: &mut Vec<Problem>) {
        let charged = match &self.footprint {
            Ok(it) => it.charged(),
            Err(why) => return problems.push(error(why.clone(), None)),
        };
        let needed = owned.saturating_add(charged);
        if owned <= limit && limit < needed {
            let text = format!(
                "needs {} of the host for each instance, its memory included, which is over the field `memory_limit` ({})",
                apart_from(limit, needed),
                bytes(limit)
            );
            let hint = format!(
                "set `memory_limit` to {} or more, or build with fewer globals, imports, functions and elements of tables",
                mebibytes_up(needed)
            );
            problems.push(error(text, Some(hint)));
        }
    }

    /// The host finds the memory by this name where the module has no other for it.
    fn check_memory_export(&self, problems: &mut Vec<Problem>) {
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
    /// is nobody's business in any other. Whether it does is seen when it runs, so none of this keeps it from that.
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
                    self.check_allocator(&export.name, &wanted, "every call of it fails", problems);
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
                self.check_allocator("free", &wanted, "every message that it is called for fails", problems);
            }
        }
        if self.imports.iter().any(is_v0) {
            let wanted = Signature { params: vec![ValueType::I32; 2], results: vec![] };
            self.check_allocator("deallocate", &wanted, "it is never called", problems);
        }
    }

    /// What a guest may export beside its function. Nobody has these names for anything else.
    fn check_hooks(&self, problems: &mut Vec<Problem>) {
        for (name, letters) in HOOKS {
            let wanted = Signature::from_letters(letters);
            if let Some(text) = self.unfit(name, &wanted, |it| it) {
                problems.push(error(text, Some(TYPE_HINT.to_owned())));
            }
        }
    }

    /// Numbers of 64 bits do as well as those of 32, as in Bento.
    fn check_allocator(&self, name: &str, wanted: &Signature, effect: &str, problems: &mut Vec<Problem>) {
        let narrow = |it| if it == ValueType::I64 { ValueType::I32 } else { it };
        if let Some(text) = self.unfit(name, wanted, narrow) {
            problems.push(warning(format!("{text}: {effect}"), Some(TYPE_HINT.to_owned())));
        }
    }

    /// What an export is, unless it is absent or as wanted. Results that nobody looks at are allowed.
    fn unfit(
        &self,
        name: &str,
        wanted: &Signature,
        narrow: impl Fn(ValueType) -> ValueType,
    ) -> Option<String> {
        let export = self.export(name)?;
        let is_same = |found: &[ValueType], wanted: &[ValueType]| {
            found.iter().map(|it| narrow(*it)).eq(wanted.iter().copied())
        };
        let is_right = export.item.as_function().is_some_and(|it| {
            is_same(&it.params, &wanted.params)
                && (wanted.results.is_empty() || is_same(&it.results, &wanted.results))
        });
        let found = match &export.item {
            Item::Function(signature) => format!("`{signature}`"),
            other => other.noun().to_owned(),
        };
        (!is_right).then(|| format!("exports `{name}` as {found}, but the host calls it as `{wanted}`"))
    }
}

const TYPE_HINT: &str = "export it with that type or not at all";

/// What is on in any case is not named; what is named is what compilers use today.
const OPTIMIZER_HINT: &str = "`wasm-opt -all` (`--all-features`) rewrites a module with whatever it knows: name what the \
                              compiler has used, `wasm-opt --enable-bulk-memory --enable-nontrapping-float-to-int`";

pub(super) fn error(text: String, hint: Option<String>) -> Problem {
    Problem { severity: Severity::Error, text, hint }
}

pub(super) fn warning(text: String, hint: Option<String>) -> Problem {
    Problem { severity: Severity::Warning, text, hint }
}

/// Exports that a toolchain adds by itself, or that are for another purpose: nobody means them as a message's entry.
fn is_housekeeping(name: &str) -> bool {
    const NAMES: [&str; 8] =
        ["malloc", "free", "calloc", "realloc", "allocate", "deallocate", "stackSave", "stackAlloc"];
    const PREFIXES: [&str; 4] = ["_", "asyncify_", "cabi_", "wappa_"];
    NAMES.contains(&name) || PREFIXES.iter().any(|it| name.starts_with(it))
}

/// A size over a limit: to the byte where the rounded text of both would be the same.
fn apart_from(limit: u64, size: u64) -> String {
    match bytes(size) {
        rounded if rounded == bytes(limit) => format!("{size} bytes"),
        rounded => rounded,
    }
}
