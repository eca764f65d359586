//! `new`: a project of a guest that builds and passes its test as it is, without a network.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;

use super::{
    language::{self, Facts, Kinds, Language},
    toolchain,
};

const NAME_BYTES_MAX: usize = 64;

const EXAMPLES: &str = "\
The project has a guest with a test, fixtures for `wappa dev`, a stream and a README that says the commands.

  wappa new greeter --lang rust
  wappa new ./guests/greeter --lang go";

/// The arguments of `new`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct NewArguments {
    /// The project's name; or a path, whose last part it is.
    #[arg(value_name = "NAME")]
    path: PathBuf,

    /// The language.
    #[arg(
        long,
        value_enum,
        ignore_case = true,
        value_name = "rust, go, c, js, ts, python, zig, assemblyscript or kotlin"
    )]
    lang: Language,

    /// Build a WebAssembly component instead of a module of interface v1.
    #[arg(long)]
    component: bool,
}

/// Makes a project. The error is for standard error.
pub(crate) fn new(arguments: &NewArguments) -> Result<ExitCode, String> {
    let path = &arguments.path;
    let plan = Plan::of(arguments)?;
    match fs::read_dir(path).map(|mut it| it.next().is_none()) {
        Ok(true) => (),
        Ok(false) => {
            let text = "is there already and not empty: choose another name, or remove it";
            return Err(format!("{}: {text}", path.display()));
        }
        Err(err) if err.kind() == io::ErrorKind::NotFound => (),
        Err(err) => return Err(format!("{}: {}", path.display(), wappa_component::cause(&err))),
    }
    for (place, content) in plan.files() {
        let file = path.join(place);
        let dir = file.parent().unwrap_or(path);
        fs::create_dir_all(dir)
            .and_then(|()| fs::write(&file, content))
            .map_err(|err| format!("writing {}: {}", file.display(), wappa_component::cause(&err)))?;
    }
    // Whoever closed the stream does not want to read it.
    let _ = io::stdout().write_all(plan.farewell(path).as_bytes());
    Ok(ExitCode::SUCCESS)
}

/// What is to be made.
struct Plan {
    name: String,
    language: Language,
    is_component: bool,
}

impl Plan {
    fn of(arguments: &NewArguments) -> Result<Plan, String> {
        let language = arguments.lang;
        let path = arguments.path.to_string_lossy();
        let name = arguments.path.file_name().and_then(|it| it.to_str()).unwrap_or(&path);
        check_name(name, language)?;
        let facts = language.facts();
        if arguments.component && facts.kinds == Kinds::Modules {
            return Err(format!(
                "a guest in {} is a module of interface v1; components are made in {}",
                facts.name,
                listed(&Language::of_components())
            ));
        }
        // What can be nothing else need not be asked for.
        let is_component = arguments.component || facts.kinds == Kinds::Components;
        Ok(Plan { name: name.to_string(), language, is_component })
    }

    fn facts(&self) -> &'static Facts {
        self.language.facts()
    }

    /// All files, with their places in the project.
    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let facts = self.facts();
        let of_component = if self.is_component { facts.component_files } else { &[] };
        let trees = [&[language::COMMON], facts.files, of_component];
        let files = trees.into_iter().flatten().copied().flatten();
        files.map(|(place, content)| (place_of(place), self.content_of(place, content))).collect()
    }

    fn content_of(&self, place: &str, content: &[u8]) -> Vec<u8> {
        let text = || String::from_utf8_lossy(content).into_owned();
        match place {
            "sdk/Cargo.toml" => alone(&text()).into_bytes(),
            _ if place.starts_with("sdk/") || place.starts_with("fixtures/") => content.to_vec(),
            _ => self.filled(text()).into_bytes(),
        }
    }

    /// A template with everything in its place.
    fn filled(&self, mut text: String) -> String {
        for (key, value) in self.values() {
            text = text.replace(&format!("{{{{{key}}}}}"), &value);
        }
        text
    }

    fn values(&self) -> [(&'static str, String); 12] {
        let facts = self.facts();
        let (features, component) = match self.is_component {
            true => (", features = [\"component\"]", C_COMPONENT),
            false => ("", "COMPONENT :=\n"),
        };
        let kind = if self.is_component { "a WebAssembly component" } else { "a WebAssembly module" };
        let prepare = facts.prepare.map(|(it, _)| format!("Prepare it once:\n\n```sh\n{it}\n```\n\n"));
        [
            ("name", self.name.clone()),
            ("language", facts.name.to_string()),
            ("kind", kind.to_string()),
            ("module", self.module()),
            ("places", facts.places.to_string()),
            ("prepare", prepare.unwrap_or_default()),
            ("build", self.build()),
            ("test", facts.test.to_string()),
            ("features", features.to_string()),
            ("component", component.to_string()),
            ("more", facts.more.to_string()),
            ("sdk", facts.sdk.to_string()),
        ]
    }

    /// How it is built.
    fn build(&self) -> String {
        self.facts().build.replace("{module}", &self.module())
    }

    /// Where the module is after the build.
    fn module(&self) -> String {
        let as_identifier = self.name.replace('-', "_");
        self.facts().module.replace("{name}", &self.name).replace("{name_}", &as_identifier)
    }

    /// What to do next, and what is missing for it.
    fn farewell(&self, path: &Path) -> String {
        let facts = self.facts();
        let prepare = facts.prepare.map(|(it, _)| format!("  {it}\n")).unwrap_or_default();
        let mut text = format!(
            "made {}, a guest in {}\n\n  cd {}\n{prepare}  {}\n  {}\n  echo ann | wappa call {}\n\n\
             README.md says more\n",
            path.display(),
            facts.name,
            quoted(path),
            toolchain::as_here(self.language, facts.test),
            toolchain::as_here(self.language, &self.build()),
            self.module(),
        );
        if let Some(missing) = (facts.missing)() {
            writeln!(text, "hint: {missing}").expect("writing to a string cannot fail");
        }
        text
    }
}

const C_COMPONENT: &str = "\
# What makes a component of it.
COMPONENT := -DWAPPA_COMPONENT -Isdk/component $(wildcard sdk/component/*.c sdk/component/*.o)
";

/// As a sentence lists them.
fn listed(names: &[&str]) -> String {
    match names {
        [others @ .., last] if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => names.concat(),
    }
}

/// Templates have names under which no tool takes them for what they are to become.
fn place_of(place: &str) -> String {
    match place {
        "gitignore.template" => ".gitignore".to_string(),
        "maven.config.template" => ".mvn/maven.config".to_string(),
        _ => place.strip_suffix(".template").unwrap_or(place).to_string(),
    }
}

/// The manifest of the Rust SDK without its workspace: what its own tests and examples need.
fn alone(manifest: &str) -> String {
    let mut is_left_out = false;
    let mut out = String::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            let name = line.trim_matches(['[', ']']);
            let table = name.split('.').next().unwrap_or(name);
            is_left_out = matches!(table, "dev-dependencies" | "workspace" | "lints" | "profile");
        }
        if !is_left_out {
            out.push_str(line);
            out.push('\n');
        }
    }
    out.trim_end().to_string() + "\n"
}

fn check_name(name: &str, language: Language) -> Result<(), String> {
    let is_named = name.starts_with(|it: char| it.is_ascii_lowercase())
        && name.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || matches!(it, b'-' | b'_'))
        && name.len() <= NAME_BYTES_MAX;
    if !is_named {
        return Err(format!(
            "`{name}` is no name for a project: it begins with a lower-case letter, and has lower-case letters, \
             digits, `-` and `_`, at most {NAME_BYTES_MAX}\nhint: `wappa new greeter --lang rust`"
        ));
    }
    match language.facts().taken.contains(&name) {
        true => Err(format!("`{name}` means something else in {}: choose another name", language.name())),
        false => Ok(()),
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    match text.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_./".contains(&it)) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn names_are_checked() {
        let is_good = |name, language| check_name(name, language).is_ok();
        assert!(is_good("greeter-2", Language::Rust) && is_good("test", Language::Go));
        let long = "a".repeat(65);
        for name in ["", "Greeter", "2nd", "a b", "a/b", "..", "é", &long] {
            assert!(!is_good(name, Language::C), "{name}");
        }
        assert!(!is_good("test", Language::Rust) && !is_good("main", Language::Go));
    }

    #[test]
    fn nothing_is_left_to_fill_in() {
        let kinds = |language: Language| match language.facts().kinds {
            Kinds::Modules => vec![(language, false)],
            Kinds::Components => vec![(language, true)],
            Kinds::Both => vec![(language, false), (language, true)],
        };
        for (language, is_component) in Language::value_variants().iter().flat_map(|it| kinds(*it)) {
            let plan = Plan { name: "greeter".to_string(), language, is_component };
            let files = plan.files();
            for (place, content) in files.iter().filter(|it| !it.0.starts_with("sdk/")) {
                let text = String::from_utf8_lossy(content);
                assert!(!text.contains("{{"), "{place}: {text}");
                assert!(!place.ends_with(".template"), "{place}");
            }
            for place in [
                ".gitignore",
                "README.md",
                "stream.yaml",
                "fixtures/names.in",
                "fixtures/names.out",
                "sdk/README.md",
            ] {
                assert!(files.iter().any(|it| it.0 == place), "{place}");
            }
        }
    }
}
