//! Modules of the examples in a folder: `LANGUAGE/NAME.TIER.wasm`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::OnceLock,
};

use wappa_wasm::Module;

use crate::{NAMES, running};

/// The largest module that is checked in.
const CHECKED_IN_BYTES_MAX: usize = 100 << 10;

/// What is checked in at least: language, tier, and those that are small enough.
const CHECKED_IN: [(&str, &str, &[&str]); 7] = [
    ("c", "component", &NAMES),
    ("c", "cpp", &NAMES),
    ("c", "v1", &NAMES),
    ("c", "zig", &NAMES),
    ("rust", "component", &["louder", "split", "route"]),
    ("rust", "v1", &NAMES),
    ("rust", "wasip1", &["louder", "split", "route"]),
];

/// Where machines keep what people make; no module knows on which one it was built.
const PLACES: [&str; 4] =
    [concat!("/", "work/"), concat!("/", "home/"), concat!("/", "root/"), concat!("/", "Users/")];

/// One example as a module.
#[derive(Debug)]
pub(crate) struct Example {
    pub(crate) language: String,
    /// How it was built: by which interface, or by which other compiler.
    pub(crate) tier: String,
    pub(crate) name: String,
    pub(crate) wasm: Vec<u8>,
    module: OnceLock<Result<Module, String>>,
}

impl Example {
    /// The module, compiled when it is first asked for.
    pub(crate) fn module(&self) -> Result<&Module, String> {
        let module = self
            .module
            .get_or_init(|| Module::new(running::engine(), &self.wasm).map_err(|err| err.to_string()));
        module.as_ref().map_err(String::clone)
    }
}

/// All modules in a folder, in the order of a table: by language, example and tier.
pub(crate) fn read(folder: &Path) -> Vec<Example> {
    let mut examples = Vec::new();
    for language in entries(folder).into_iter().filter(|it| folder.join(it).is_dir()) {
        for file in entries(&folder.join(&language)) {
            let parts: Vec<&str> = file.split('.').collect();
            let [name, tier, "wasm"] = parts[..] else {
                panic!("{}/{language}/{file} is not named NAME.TIER.wasm", folder.display());
            };
            examples.push(Example {
                language: language.clone(),
                tier: tier.to_string(),
                name: name.to_string(),
                wasm: fs::read(folder.join(&language).join(&file)).expect("a module can be read"),
                module: OnceLock::new(),
            });
        }
    }
    let place = |it: &Example| NAMES.iter().position(|name| *name == it.name);
    examples.sort_by_key(|it| (it.language.clone(), place(it), it.tier.clone()));
    examples
}

/// The names in a folder.
fn entries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder);
    let entries = entries.unwrap_or_else(|err| panic!("reading the folder `{}`: {err}", folder.display()));
    entries.map(|it| it.expect("an entry can be read").file_name().display().to_string()).collect()
}

/// Every language has all examples in each of its tiers, and none that nobody knows. Tier v0, which only serves those
/// who come from Bento, has `louder`; Vala, which shows how to bring a language that nothing is there for, has one that
/// works on contents and one that works on metadata.
pub(crate) fn check_complete(examples: &[Example]) -> Result<(), String> {
    let mut tiers: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for it in examples {
        tiers.entry((&it.language, &it.tier)).or_default().insert(&it.name);
    }
    let mut problems = Vec::new();
    for ((language, tier), found) in &tiers {
        let expected: BTreeSet<&str> = match (*language, *tier) {
            (_, "v0") => ["louder"].into(),
            ("vala", _) => ["louder", "route"].into(),
            _ => NAMES.into(),
        };
        if *found != expected {
            problems.push(format!("{language}, tier {tier}: has {found:?}, expected {expected:?}"));
        }
    }
    if tiers.is_empty() {
        problems.push("there is no module at all".into());
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

/// What is checked in is all that should be, small, and without the paths of a machine.
pub(crate) fn check_checked_in(examples: &[Example]) -> Result<(), String> {
    let mut problems = Vec::new();
    for (language, tier, names) in CHECKED_IN {
        let is_there = |name| {
            let mut same = examples.iter().filter(|it| (&*it.language, &*it.tier) == (language, tier));
            same.any(|it| it.name == name)
        };
        let missing = names.iter().filter(|it| !is_there(**it));
        problems.extend(missing.map(|name| format!("{language}/{name}.{tier}.wasm is not checked in")));
    }
    for it in examples.iter().filter(|it| CHECKED_IN_BYTES_MAX < it.wasm.len()) {
        problems.push(format!("{}/{}.{}.wasm has {} bytes", it.language, it.name, it.tier, it.wasm.len()));
    }
    for it in examples {
        let text = String::from_utf8_lossy(&it.wasm);
        for place in PLACES.into_iter().filter(|place| text.contains(place)) {
            problems.push(format!("{}/{}.{}.wasm names `{place}`", it.language, it.name, it.tier));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}
