//! The four examples, in every language and tier, over the shared data of `guest/examples/cases.json`.
//!
//! The modules that are checked in are always run, and those of a fresh build when `WAPPA_EXAMPLES_DIR` names the
//! folder that `guest/examples/build` filled. Each module is a test of its own, twice: what it makes of the cases, and
//! whether its memory stays where it is.

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use libtest_mimic::{Arguments, Trial};

mod cases;
mod check;
mod data;
mod messages;
mod modules;
mod plateau;
#[path = "../support/random.rs"]
mod random;
mod running;

use data::Data;
use modules::Example;

/// The four.
const NAMES: [&str; 4] = ["louder", "redact", "split", "route"];

fn main() -> ExitCode {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest/examples");
    let checked_in = modules::read(&examples.join("modules"));
    let fresh = env::var_os("WAPPA_EXAMPLES_DIR").map(|it| modules::read(&PathBuf::from(it)));
    let data = Arc::new(data::read(&examples.join("cases.json")));
    let mut trials = Vec::new();
    let found = modules::check_checked_in(&checked_in);
    trials.push(Trial::test("checked_in::is_what_it_should_be", move || Ok(found?)));
    trials.extend(of_modules("checked_in", checked_in, &data));
    if let Some(fresh) = fresh {
        let found = modules::check_complete(&fresh);
        trials.push(Trial::test("fresh::languages_are_complete", move || Ok(found?)));
        trials.extend(of_modules("fresh", fresh, &data));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// The tests of one set of modules.
fn of_modules(set: &str, examples: Vec<Example>, data: &Arc<Data>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for example in examples.into_iter().map(Arc::new) {
        let name = format!("{set}::{}::{}::{}", example.language, example.tier, example.name);
        let (it, data) = (Arc::clone(&example), Arc::clone(data));
        trials.push(Trial::test(format!("{name}::cases"), move || Ok(cases::check(&it, &data)?)));
        trials.push(Trial::test(format!("{name}::memory"), move || Ok(plateau::check(&example)?)));
    }
    trials
}
